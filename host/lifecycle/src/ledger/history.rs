//! Reading the ledger: newest entries first, as many as are asked for, in constant memory.

use std::future::ready;

use futures_util::stream::{self, BoxStream, StreamExt as _, TryStreamExt as _};

use crate::ledger::chain::{NewerEntry, Reading, Record, Window};
use crate::ledger::entry::EntryKind;
use crate::ledger::look::read_page;
use crate::ledger::{Ledger, errors};
use hydra_base::aliases::AliasState;
use hydra_base::error::Result;
use hydra_base::names::Version;
use hydra_base::{Sha256, Timestamp};
use hydra_ledger_rules::{Found, Number};
use hydra_mlflow::listing::Listing;

/// How many entries one request of a long reading asks for.
const LONG_PAGE: usize = 500;

/// The number of entries that lost a race for which a short reading makes room in its first request.
const RACES: usize = 8;

/// The problem of an entry whose digest is not the one in its successor.
pub(super) const REPLACED: &str = "its digest differs from the one in the next entry";

/// The problem of an entry whose digest of its predecessor is wrong.
pub(super) const MISFIT: &str = "its digest of the previous entry is wrong; one of the two was changed";

/// One number of the ledger, as a reading from the newest down finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// An entry of the chain.
    Valid {
        /// The entry.
        record: Box<Record>,
        /// Its effect.
        fate: Fate,
    },
    /// An entry that lost a race.
    Void(Box<Record>),
    /// An entry of a schema that this release does not know.
    Newer {
        /// The number.
        number: Number,
        /// What this release knows about it.
        entry: NewerEntry,
        /// The part of it that this release can read.
        bridged: bool,
    },
    /// Nothing that can be read.
    Damaged {
        /// The number.
        number: Number,
        /// The reason, for people.
        flaw: String,
        /// Whether a checkpoint names it, or a newer damaged number.
        bridged: bool,
    },
}

impl Step {
    /// Its number.
    #[must_use]
    pub fn number(&self) -> Number {
        match self {
            Self::Valid { record, .. } | Self::Void(record) => record.number,
            Self::Newer { number, .. } | Self::Damaged { number, .. } => *number,
        }
    }
}

/// The effect of a valid entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// The aliases were as it decided, or it moved none.
    Done,
    /// The next entry states that it never took effect.
    Aborted,
    /// It is the head and is not complete yet.
    Pending,
}

/// The position of a reading.
struct Reader<'a> {
    ledger: &'a Ledger,
    /// Fetched entries that were not processed yet, newest first.
    page: std::vec::IntoIter<(Number, Reading)>,
    page_size: usize,
    listing: Listing,
    progress: Progress,
    /// The number read last.
    last: Option<Number>,
    /// A step to return after the gap above it was reported.
    waiting: Option<(Number, Reading)>,
    /// The next valid entry, and its digest according to its successor.
    expected: (Number, Option<Sha256>),
    /// A readable entry above the head that does not belong to the chain.
    misfit: Number,
    newer: Option<EntryKind>,
    /// The newest damage that a checkpoint names; zero without a checkpoint so far.
    bridged: Number,
}

/// The progress of a reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    /// Nothing was read yet.
    New,
    /// The store has more entries.
    Under,
    /// No entries are left.
    Exhausted,
}

impl Ledger {
    /// All entries, newest first. After the newest, which come with the head, `page_size` entries per request: for readings that
    /// are known to be short.
    #[must_use]
    pub fn read(&self, page_size: Option<usize>) -> BoxStream<'_, Result<Step>> {
        let reader = Reader {
            ledger: self,
            page: Vec::new().into_iter(),
            page_size: page_size.unwrap_or(LONG_PAGE).clamp(1, LONG_PAGE),
            listing: Listing::default(),
            progress: Progress::New,
            last: None,
            waiting: None,
            expected: (0, None),
            misfit: 0,
            newer: None,
            bridged: 0,
        };
        stream::try_unfold(
            reader,
            |mut reader| async move { Ok(reader.step().await?.map(|step| (step, reader))) },
        )
        .boxed()
    }

    /// The valid entries, newest first, none older than `since`. If `limit` gives the wanted number, requests fetch
    /// little more.
    ///
    /// `LedgerNewer` at an entry that a newer release wrote, unless a checkpoint took it out of the chain: it may change what
    /// the entries below it mean. Damage that no checkpoint bridges is logged as a warning and left out.
    #[must_use]
    pub fn entries(
        &self,
        limit: Option<usize>,
        since: Option<Timestamp>,
    ) -> BoxStream<'_, Result<(Record, Fate)>> {
        let entries = self.pages_of(limit.map(|limit| limit.saturating_add(RACES)), since);
        entries.take(limit.unwrap_or(usize::MAX)).boxed()
    }

    /// [`Self::entries`] without a limit, `page_size` entries per request after the newest: for a reader that looks whether there are
    /// new ones.
    #[must_use]
    pub fn pages(&self, page_size: usize) -> BoxStream<'_, Result<(Record, Fate)>> {
        self.pages_of(Some(page_size), None)
    }

    fn pages_of(
        &self,
        page_size: Option<usize>,
        since: Option<Timestamp>,
    ) -> BoxStream<'_, Result<(Record, Fate)>> {
        let steps = self.read(page_size);
        let recent = steps.try_take_while(move |step| {
            let created_at = match step {
                Step::Valid { record, .. } => Some(record.created_at),
                Step::Newer { entry, .. } => Some(entry.created_at),
                Step::Void(_) | Step::Damaged { .. } => None,
            };
            ready(Ok(since.is_none_or(|since| created_at.is_none_or(|created_at| created_at >= since))))
        });
        recent.try_filter_map(|step| ready(valid_entry(step))).boxed()
    }

    /// [`Self::entries`], read to the end.
    pub async fn history(
        &self,
        limit: Option<usize>,
        since: Option<Timestamp>,
    ) -> Result<Vec<(Record, Fate)>> {
        self.entries(limit, since).try_collect().await
    }

    /// The aliases as the ledger had them at `time`, by the store's clock, and the entry that left them so; `None` before the
    /// ledger began.
    ///
    /// `LedgerNewer` when the answer depends on an entry that a newer release wrote. Damage that it may depend on is logged
    /// as a warning.
    pub async fn as_of(&self, time: Timestamp) -> Result<Option<(Record, AliasState)>> {
        let mut steps = self.read(None);
        let mut newer = None;
        let mut damaged = None;
        while let Some(step) = steps.try_next().await? {
            match step {
                Step::Newer { number, entry, bridged: false } => {
                    if entry.created_at <= time {
                        return Err(errors::newer(number, &entry));
                    }
                    newer = Some((number, entry));
                }
                Step::Damaged { number, flaw, bridged: false } => damaged = Some((number, flaw)),
                Step::Valid { record, .. } if record.created_at > time => damaged = None,
                Step::Valid { record, fate } => {
                    // The newer entry may say that this one never took effect.
                    if let (Fate::Pending, Some((number, entry))) = (fate, &newer) {
                        return Err(errors::newer(*number, entry));
                    }
                    if let Some((number, flaw)) = damaged {
                        warn_of_damage(number, &flaw);
                    }
                    let aborted = fate == Fate::Aborted;
                    let state = if aborted { &record.entry.before } else { &record.entry.after }.clone();
                    return Ok(Some((*record, state)));
                }
                Step::Void(_) | Step::Newer { .. } | Step::Damaged { .. } => {}
            }
        }
        Ok(None)
    }
}

/// The entry of a step, if it is one of the chain.
fn valid_entry(step: Step) -> Result<Option<(Record, Fate)>> {
    match step {
        Step::Valid { record, fate } => Ok(Some((*record, fate))),
        Step::Newer { number, entry, bridged: false } => Err(errors::newer(number, &entry)),
        Step::Damaged { number, flaw, bridged: false } => {
            warn_of_damage(number, &flaw);
            Ok(None)
        }
        Step::Void(_) | Step::Newer { .. } | Step::Damaged { .. } => Ok(None),
    }
}

fn warn_of_damage(number: Number, flaw: &str) {
    tracing::warn!(
        entry = number,
        %flaw,
        "an entry of the ledger cannot be read and is left out; `hydra-registry doctor` shows what to do"
    );
}

impl Reader<'_> {
    async fn step(&mut self) -> Result<Option<Step>> {
        let Some((lowest, number, reading)) = self.next().await? else { return Ok(None) };
        let record = match reading {
            Reading::Record(record) => record,
            Reading::Newer(entry) => {
                self.pass_unreadable(lowest, number).await?;
                return Ok(Some(Step::Newer { number, entry, bridged: number <= self.bridged }));
            }
            Reading::Damaged(flaw) => {
                self.pass_unreadable(lowest, number).await?;
                return Ok(Some(self.damaged(number, flaw)));
            }
        };
        if number == self.misfit && number > self.expected.0 {
            return Ok(Some(self.damaged(number, MISFIT.to_owned())));
        }
        if number != self.expected.0 {
            return Ok(Some(Step::Void(record)));
        }
        if self.expected.1.is_some_and(|digest| digest != record.digest) {
            self.expect_below(&record);
            return Ok(Some(self.damaged(number, REPLACED.to_owned())));
        }
        let fate = match self.newer {
            Some(EntryKind::Aborted) => Fate::Aborted,
            None if !record.is_settled() => Fate::Pending,
            _ => Fate::Done,
        };
        self.expect_below(&record);
        Ok(Some(Step::Valid { record, fate }))
    }

    fn damaged(&self, number: Number, flaw: String) -> Step {
        Step::Damaged { number, flaw, bridged: number <= self.bridged }
    }

    fn expect_below(&mut self, record: &Record) {
        let entry = &record.entry;
        self.newer = Some(entry.operation);
        self.bridged = self.bridged.max(entry.bridge.as_ref().map_or(0, |bridge| bridge.damaged));
        self.expected = match &entry.bridge {
            Some(bridge) => (bridge.trusted, entry.previous.filter(|digest| *digest != Sha256::NONE)),
            None => (entry.base, entry.previous),
        };
    }

    /// Where the next valid entry is one of these numbers, which cannot be read: expects the newest valid one below them.
    async fn pass_unreadable(&mut self, lowest: Number, highest: Number) -> Result<()> {
        if (lowest..=highest).contains(&self.expected.0) {
            let window = self.ledger.read_window(Some(Version::new(lowest)?), None).await?;
            self.expected = (head_of(&window).0, None);
        }
        Ok(())
    }

    /// The next number down, or the next run of missing ones: its lowest and its highest number.
    async fn next(&mut self) -> Result<Option<(Number, Number, Reading)>> {
        let found = match self.waiting.take() {
            Some(waiting) => Some(waiting),
            None => self.fetch().await?,
        };
        let (last, number) = (self.last, found.as_ref().map_or(0, |(number, _)| *number));
        if let Some(last) = last
            && number + 1 < last
        {
            // Below the oldest entry there is only what was deleted.
            let (lowest, highest) = (number + 1, last - 1);
            self.waiting = found;
            self.last = Some(lowest);
            return Ok(Some((lowest, highest, missing(lowest, highest))));
        }
        self.last = Some(number);
        Ok(found.map(|(number, reading)| (number, number, reading)))
    }

    async fn fetch(&mut self) -> Result<Option<(Number, Reading)>> {
        if let Some(found) = self.page.next() {
            return Ok(Some(found));
        }
        let ledger = self.ledger;
        match self.progress {
            Progress::Exhausted => return Ok(None),
            // One request returns the head and the first entries, so nothing can be appended in between.
            Progress::New => {
                let window = ledger.read_window(None, None).await?;
                let (head, damage) = head_of(&window);
                self.expected = (head, None);
                self.misfit = damage;
                self.progress = if window.lowest() <= 1 { Progress::Exhausted } else { Progress::Under };
                self.page = window.into_readings().collect::<Vec<_>>().into_iter();
            }
            Progress::Under => {
                let below = self.last.map(Version::new).transpose()?;
                let page = read_page(&ledger.backend, &ledger.name, below, self.page_size).await?;
                self.listing.advance(&page)?;
                if page.next.is_none() {
                    self.progress = Progress::Exhausted;
                }
                let readings = page
                    .items
                    .iter()
                    .map(|version| (version.version.get(), Reading::of(version, &ledger.id)));
                self.page = readings.collect::<Vec<_>>().into_iter();
            }
        }
        Ok(self.page.next())
    }
}

/// The numbers of the head and of the newest damage; zero for a lost head and for no damage.
fn head_of(window: &Window) -> (Number, Number) {
    match window.find_head() {
        Found::Head { number, damage } | Found::Lost { number, damage } => (number, damage),
        Found::Empty | Found::ReadFrom(_) => (0, 0),
    }
}

fn missing(lowest: Number, highest: Number) -> Reading {
    Reading::Damaged(if lowest == highest {
        "it is missing".into()
    } else {
        format!("it is missing, and so are all down to {lowest}")
    })
}
