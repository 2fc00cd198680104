//! Reading the ledger: newest entries first, as many as are asked for, in constant memory.

use std::future::ready;

use futures_util::stream::{self, Stream, StreamExt as _, TryStreamExt as _};

use crate::error::Result;
use crate::lifecycle::ledger::Ledger;
use crate::lifecycle::ledger::chain::{Reading, Record};
use crate::lifecycle::ledger::entry::{Aliases, Digest, Kind};
use crate::lifecycle::ledger::rules::{Found, Number};
use crate::mlflow::entities::Timestamp;
use crate::mlflow::names::{Alias, Version};

/// How many entries one request of a long reading asks for.
const LONG_PAGE: usize = 500;

/// How many entries that lost a race a short reading allows for before it takes a second request.
const RACES: usize = 8;

/// What is wrong with an entry whose digest is not the one that its successor names.
pub(super) const REPLACED: &str = "it is not the entry that its successor knew: the digests differ";

/// What is wrong with an entry that names its predecessor by another digest than that has.
pub(super) const MISFIT: &str = "it and the entry before it do not fit together: one of them was changed";

/// One number of the ledger, as a reading from the newest down finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// An entry of the chain.
    Valid {
        /// The entry.
        record: Box<Record>,
        /// What became of it.
        fate: Fate,
    },
    /// An entry that lost a race.
    Void(Box<Record>),
    /// Nothing that can be read.
    Damaged {
        /// The number.
        number: Number,
        /// What is wrong, for people.
        flaw: String,
    },
}

/// What became of a valid entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// The aliases were where it wanted them, or it wanted nothing.
    Done,
    /// The next entry says that it never took effect.
    Aborted,
    /// It is the head and not carried out in full yet.
    Pending,
}

/// Where a reading is.
struct Reader<'a> {
    ledger: &'a Ledger,
    page: std::vec::IntoIter<(Number, Reading)>,
    page_size: usize,
    /// Nothing is below what was read.
    exhausted: bool,
    /// The number read last.
    last: Option<Number>,
    /// A reading that waits while the gap above it is reported.
    waiting: Option<(Number, Reading)>,
    /// The next valid entry, and the digest its successor knows it by.
    expected: Option<(Number, Option<Digest>)>,
    /// A readable entry above the head that does not follow from it.
    misfit: Number,
    newer: Option<Kind>,
}

impl Ledger {
    /// All entries, newest first. `page_size` entries per request, for readings that are known to be short.
    pub fn read(&self, page_size: Option<usize>) -> impl Stream<Item = Result<Step>> + '_ {
        let reader = Reader {
            ledger: self,
            page: Vec::new().into_iter(),
            page_size: page_size.unwrap_or(LONG_PAGE).clamp(1, LONG_PAGE),
            exhausted: false,
            last: None,
            waiting: None,
            expected: None,
            misfit: 0,
            newer: None,
        };
        stream::try_unfold(
            reader,
            |mut reader| async move { Ok(reader.step().await?.map(|step| (step, reader))) },
        )
    }

    /// The valid entries, newest first, none older than `since`. `limit` is how many will be wanted, if that is known:
    /// then one request fetches no more.
    pub fn entries(
        &self,
        limit: Option<usize>,
        since: Option<Timestamp>,
    ) -> impl Stream<Item = Result<(Record, Fate)>> + '_ {
        let valid = self.read(limit.map(|limit| limit.saturating_add(RACES))).try_filter_map(|step| {
            ready(Ok(match step {
                Step::Valid { record, fate } => Some((*record, fate)),
                Step::Void(_) | Step::Damaged { .. } => None,
            }))
        });
        let in_time = move |record: &Record| since.is_none_or(|since| record.created_at >= since);
        let recent = valid.try_take_while(move |(record, _)| ready(Ok(in_time(record))));
        recent.take(limit.unwrap_or(usize::MAX))
    }

    /// [`Self::entries`], read to the end.
    pub async fn history(
        &self,
        limit: Option<usize>,
        since: Option<Timestamp>,
    ) -> Result<Vec<(Record, Fate)>> {
        self.entries(limit, since).try_collect().await
    }

    /// Whether the ledger has ever seen that version as the champion, or found it archived when it began.
    pub async fn was_champion(&self, version: Version) -> Result<bool> {
        let mut entries = std::pin::pin!(self.entries(None, None));
        while let Some((record, fate)) = entries.try_next().await? {
            let entry = &record.entry;
            let took_effect = fate != Fate::Aborted;
            let states = [Some(&entry.before), took_effect.then_some(&entry.after)];
            let held =
                |alias: Alias| states.iter().flatten().any(|state| state.get(&alias) == Some(&Some(version)));
            if held(Alias::champion()) || held(Alias::archived()) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The aliases as the ledger had them at that moment, and the entry that says so; `None` before its beginning.
    pub async fn as_of(&self, moment: Timestamp) -> Result<Option<(Record, Aliases)>> {
        let mut steps = std::pin::pin!(self.read(None));
        while let Some(step) = steps.try_next().await? {
            if let Step::Valid { record, fate } = step
                && record.created_at <= moment
            {
                let aborted = fate == Fate::Aborted;
                let state = if aborted { &record.entry.before } else { &record.entry.after }.clone();
                return Ok(Some((*record, state)));
            }
        }
        Ok(None)
    }
}

impl Reader<'_> {
    async fn step(&mut self) -> Result<Option<Step>> {
        let Some((number, reading)) = self.next().await? else { return Ok(None) };
        let (flaw, record) = match reading {
            Reading::Damaged(flaw) => (Some(flaw), None),
            Reading::Record(record) => (None, Some(record)),
        };
        let expected = match self.expected {
            Some(expected) => expected,
            None => {
                let (head, damage) = self.head().await?;
                self.misfit = damage;
                (head, None)
            }
        };
        self.expected = Some(expected);
        let Some(record) = record else {
            let flaw = flaw.unwrap_or_default();
            return Ok(Some(Step::Damaged { number, flaw }));
        };
        if number == self.misfit && number > expected.0 {
            return Ok(Some(Step::Damaged { number, flaw: MISFIT.to_owned() }));
        }
        if number != expected.0 {
            return Ok(Some(Step::Void(record)));
        }
        if expected.1.is_some_and(|digest| digest != record.digest) {
            let flaw = REPLACED.to_owned();
            self.expect_below(&record);
            return Ok(Some(Step::Damaged { number, flaw }));
        }
        let fate = match self.newer {
            Some(Kind::Aborted) => Fate::Aborted,
            None if !record.is_settled() => Fate::Pending,
            _ => Fate::Done,
        };
        self.expect_below(&record);
        Ok(Some(Step::Valid { record, fate }))
    }

    fn expect_below(&mut self, record: &Record) {
        let entry = &record.entry;
        self.newer = Some(entry.operation);
        self.expected = Some(match &entry.bridge {
            Some(bridge) => (bridge.trusted, entry.previous.filter(|digest| *digest != Digest::NONE)),
            None => (entry.base, entry.previous),
        });
    }

    /// The numbers of the head and of the newest damage; zero for a head that is lost, and where there is no damage.
    async fn head(&self) -> Result<(Number, Number)> {
        Ok(match self.ledger.read_window(Number::MAX).await?.find_head() {
            Found::Head { number, damage } | Found::Lost { number, damage } => (number, damage),
            Found::Empty | Found::ReadFrom(_) => (0, 0),
        })
    }

    /// The next number down, gaps included.
    async fn next(&mut self) -> Result<Option<(Number, Reading)>> {
        let (number, reading) = match self.waiting.take() {
            Some(waiting) => waiting,
            None => match self.fetch().await? {
                Some(found) => found,
                // Below the oldest entry there is only what was deleted.
                None => match self.last {
                    Some(last) if last > 1 => (last - 1, missing()),
                    _ => return Ok(None),
                },
            },
        };
        match self.last {
            Some(last) if number + 1 < last => {
                self.waiting = Some((number, reading));
                self.last = Some(last - 1);
                Ok(Some((last - 1, missing())))
            }
            _ => {
                self.last = Some(number);
                Ok(Some((number, reading)))
            }
        }
    }

    async fn fetch(&mut self) -> Result<Option<(Number, Reading)>> {
        if let Some(found) = self.page.next() {
            return Ok(Some(found));
        }
        if self.exhausted {
            return Ok(None);
        }
        let ledger = self.ledger;
        let below = self.last.map(Version);
        let page = ledger.backend.registry.model_versions(&ledger.name, below, self.page_size, None).await?;
        self.exhausted = page.next.is_none();
        let readings = page.items.iter().map(|version| (version.version.0, Reading::of(version, &ledger.id)));
        self.page = readings.collect::<Vec<_>>().into_iter();
        Ok(self.page.next())
    }
}

fn missing() -> Reading {
    Reading::Damaged("it is missing".into())
}
