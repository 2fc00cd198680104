//! What the page shows, as it is read from a ledger: newest entry first, in bounded memory.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::try_join;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use hydra_base::Timestamp;
use hydra_base::error::{Error, Result};
use hydra_base::names::{Alias, Version};
use hydra_ledger_rules::Number;
use hydra_lifecycle::ledger::Ledger;
use hydra_lifecycle::ledger::chain::Record;
use hydra_lifecycle::ledger::decision::DecisionDocument;
use hydra_lifecycle::ledger::entry::EntryKind;
use hydra_lifecycle::ledger::head::Head;
use hydra_lifecycle::ledger::history::{Fate, Step};
use hydra_policy::{Input, VerdictKind};

use crate::evidence::Evidence;
use crate::figures::Figures;
use crate::line::{Line, Mark, marks};
use crate::text::Shown;

/// How many archived decisions are read side by side.
const AT_ONCE: usize = 8;

/// The most entries that the page lists one by one.
pub(crate) const LINES: usize = 10_000;

/// The most refused versions that are kept.
const REFUSED: usize = 40;

/// The most flaws that are kept.
const FLAWS: usize = 50;

/// Bytes of HTML for the evidence of all decisions together.
const EVIDENCE_BYTES: usize = 800_000;

/// Bytes of HTML for the evidence of one decision.
const DECISION_BYTES: std::ops::RangeInclusive<usize> = 3_500..=24_000;

/// Bytes of HTML for the explanations and reasons of all entries.
const TEXT_BYTES: usize = 700_000;

/// Bytes of HTML for all entries without evidence.
const LINES_BYTES: usize = 3_950_000;

/// Bytes of HTML for the explanation and the reason of one entry.
const ENTRY_BYTES: std::ops::RangeInclusive<usize> = 70..=900;

/// How much of a ledger is read.
#[derive(Debug, Clone)]
pub struct Extent {
    /// No entries before this time.
    pub since: Option<Timestamp>,
    /// The most entries.
    pub limit: Option<usize>,
    /// The number of the newest decisions of which the archived evidence is read.
    pub evidence: usize,
}

impl Default for Extent {
    /// All entries, and the evidence of the newest 200 decisions.
    fn default() -> Self {
        Self { since: None, limit: None, evidence: 200 }
    }
}

/// A move of an alias that took effect.
#[derive(Debug, Clone)]
pub(crate) struct Moved {
    pub number: Number,
    pub at: Timestamp,
    pub alias: Alias,
    pub before: Option<u64>,
    pub after: Option<u64>,
    pub how: How,
    pub actor: Shown,
    /// Whether the request set a rule aside.
    pub overridden: bool,
}

/// How an alias came to move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    /// It was there when the ledger began.
    Found,
    /// By a promotion.
    Promoted,
    /// By a rollback.
    RolledBack,
    /// Without the ledger.
    Outside,
    /// By another entry.
    Stated,
}

/// An entry that stands out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Marked {
    pub number: Number,
    pub at: Timestamp,
    pub mark: Mark,
    pub version: Option<u64>,
}

/// A version whose newest decision was against it.
#[derive(Debug, Clone)]
pub(crate) struct Refused {
    pub version: u64,
    pub number: Number,
    pub at: Timestamp,
    pub verdict: VerdictKind,
    pub actor: Shown,
    pub explanation: Shown,
}

/// The evidence of a decision, or why it cannot be shown.
pub(crate) type Found = std::result::Result<Box<Evidence>, Shown>;

/// The history of a model, as far as the page shows it.
#[derive(Debug, Default)]
pub struct History {
    /// The newest entries, newest first.
    pub(crate) lines: Vec<Line>,
    /// The number of entries of the chain.
    pub(crate) valid: usize,
    /// The number of entries that lost a race.
    pub(crate) void: usize,
    /// The number of entries that a newer release wrote, and that no checkpoint bridges.
    pub(crate) newer: usize,
    /// Damaged numbers that no checkpoint bridges.
    pub(crate) damaged: usize,
    /// Unreadable numbers that a checkpoint bridges.
    pub(crate) bridged: usize,
    /// The first flaws that were found.
    pub(crate) flaws: Vec<(Number, Shown)>,
    /// The newest entry of the chain.
    pub(crate) head: Option<Head>,
    /// Moves of aliases, oldest first.
    pub(crate) moved: Vec<Moved>,
    /// What stands out, oldest first.
    pub(crate) marked: Vec<Marked>,
    /// Versions whose newest decision was against them, newest first.
    pub(crate) refused: Vec<Refused>,
    /// How many more of these there are.
    pub(crate) more_refused: usize,
    /// The aliases before the oldest entry that was read.
    pub(crate) initial: BTreeMap<Alias, Option<u64>>,
    /// The aliases after the newest one.
    pub(crate) latest: BTreeMap<Alias, Option<u64>>,
    /// The times of the oldest and the newest entry.
    pub(crate) span: Option<(Timestamp, Timestamp)>,
    /// Whether every entry was read.
    pub(crate) is_whole: bool,
    /// The evidence of the newest decisions.
    pub(crate) evidence: BTreeMap<Number, Found>,
    /// The figures of versions in this evidence.
    pub(crate) figures: Figures,
    /// The versions of which the newest decision is known.
    pub(crate) decided: BTreeSet<Version>,
}

impl History {
    /// Reads a ledger.
    ///
    /// Evidence that is lost, or that this release cannot read, is a part of the page. An error of a store that may answer later is
    /// an error: pages of equal ledgers are equal.
    pub async fn read(ledger: &Ledger, extent: &Extent) -> Result<Self> {
        let mut history = Self::default();
        let mut decisions = Vec::new();
        let mut steps = ledger.read(extent.limit);
        history.is_whole = true;
        while let Some(step) = steps.try_next().await? {
            if extent.limit.is_some_and(|limit| history.valid >= limit) || is_before(&step, extent.since) {
                history.is_whole = false;
                break;
            }
            if let Step::Valid { record, .. } = &step
                && record.entry.decided.is_some()
                && decisions.len() < extent.evidence
            {
                decisions.push((**record).clone());
            }
            history.add(&step);
        }
        history.moved.reverse();
        history.marked.reverse();
        history.read_evidence(ledger, decisions).await?;
        history.fit();
        Ok(history)
    }

    /// Cuts the texts of entries, and then the oldest entries, so that all together have room.
    pub(crate) fn fit(&mut self) {
        let room = TEXT_BYTES / self.lines.len().max(1);
        let room = room.clamp(*ENTRY_BYTES.start(), *ENTRY_BYTES.end());
        let mut bytes = 0;
        let mut listed = 0;
        for line in &mut self.lines {
            line.cut(room);
            bytes += line.bytes();
            if bytes > LINES_BYTES {
                break;
            }
            listed += 1;
        }
        self.lines.truncate(listed);
    }

    /// What was read, for people: `312 entries, the evidence of 200 decisions`.
    #[must_use]
    pub fn summary(&self) -> String {
        let shown = self.evidence.values().filter(|found| found.is_ok()).count();
        format!("{} entries, the evidence of {shown} decisions", self.valid)
    }

    /// Whether the ledger could be read without a gap, down to its first entry or to the wanted one.
    pub(crate) fn is_unbroken(&self) -> bool {
        self.damaged == 0 && self.newer == 0
    }

    /// Adds a number below those that were added before.
    pub(crate) fn add(&mut self, step: &Step) {
        match step {
            Step::Valid { record, fate } => self.add_record(record, *fate),
            Step::Void(_) => self.void += 1,
            Step::Newer { bridged: true, .. } | Step::Damaged { bridged: true, .. } => self.bridged += 1,
            Step::Newer { number, entry, .. } => {
                self.newer += 1;
                self.flaw(*number, &entry.to_string());
            }
            Step::Damaged { number, flaw, .. } => {
                self.damaged += 1;
                self.flaw(*number, flaw);
            }
        }
        if self.lines.len() < LINES {
            self.lines.extend(Line::of(step));
        }
    }

    fn flaw(&mut self, number: Number, what: &str) {
        if self.flaws.len() < FLAWS {
            self.flaws.push((number, Shown::short(what)));
        }
    }

    fn add_record(&mut self, record: &Record, fate: Fate) {
        let entry = &record.entry;
        self.valid += 1;
        self.head.get_or_insert_with(|| Head::from(record));
        let at = record.created_at;
        self.span = Some((at, self.span.map_or(at, |(_, newest)| newest)));
        let side = || entry.side.iter();
        let state = |of_ledger: &hydra_base::aliases::AliasState, side: Vec<(&Alias, Option<Version>)>| {
            let of_ledger = of_ledger.iter();
            of_ledger
                .chain(side)
                .map(|(alias, version)| (alias.clone(), version.map(Version::get)))
                .collect::<BTreeMap<_, _>>()
        };
        let before = state(&entry.before, side().map(|(alias, side)| (alias, side.from)).collect());
        let mut after = state(&entry.after, side().map(|(alias, side)| (alias, side.to)).collect());
        if fate == Fate::Aborted {
            after.clone_from(&before);
        }
        for (alias, version) in &after {
            self.latest.entry(alias.clone()).or_insert(*version);
        }
        let genesis = entry.operation == EntryKind::Genesis;
        let repeats = matches!(entry.operation, EntryKind::Aborted | EntryKind::Reassert);
        for (alias, version) in &after {
            let was = before.get(alias).copied().flatten();
            let moves = was != *version && fate != Fate::Aborted && !repeats;
            if moves || (genesis && version.is_some()) {
                self.moved.push(Moved {
                    number: record.number,
                    at,
                    alias: alias.clone(),
                    before: if genesis { None } else { was },
                    after: *version,
                    how: how(entry.operation),
                    actor: Shown::short(&entry.actor),
                    overridden: !entry.overrides.is_empty(),
                });
            }
        }
        // The entry that is added last is the oldest.
        self.initial = before.into_iter().filter(|_| !genesis).collect();
        let version = entry.target.or_else(|| entry.crowned()).map(Version::get);
        let marks = marks(entry, fate).into_iter().rev();
        self.marked.extend(marks.map(|mark| Marked { number: record.number, at, mark, version }));
        self.add_refusal(record, fate);
    }

    fn add_refusal(&mut self, record: &Record, fate: Fate) {
        let entry = &record.entry;
        let (Some(decided), Some(target)) = (&entry.decided, entry.target) else { return };
        if fate == Fate::Aborted || !self.decided.insert(target) || decided.verdict == VerdictKind::Approve {
            return;
        }
        if self.refused.len() >= REFUSED {
            self.more_refused += 1;
            return;
        }
        self.refused.push(Refused {
            version: target.get(),
            number: record.number,
            at: record.created_at,
            verdict: decided.verdict,
            actor: Shown::short(&entry.actor),
            explanation: Shown::line(&entry.explanation, 400),
        });
    }

    async fn read_evidence(&mut self, ledger: &Ledger, decisions: Vec<Record>) -> Result<()> {
        let room = EVIDENCE_BYTES / decisions.len().max(1);
        let room = room.clamp(*DECISION_BYTES.start(), *DECISION_BYTES.end());
        let reading = stream::iter(decisions).map(|record| async move {
            let both = try_join(ledger.known_input(&record), ledger.known_answers(&record)).await;
            Ok::<(Record, _), Error>((record, unless_unreadable(both)?))
        });
        let mut reading = reading.buffered(AT_ONCE);
        while let Some(read) = reading.next().await {
            let (record, documents) = read?;
            let found =
                documents.and_then(|(input, answers)| self.view(&record, &input, answers.as_ref(), room));
            self.evidence.insert(record.number, found);
        }
        Ok(())
    }

    /// What is shown of archived documents, which are dropped at once: they may be large.
    fn view(
        &mut self,
        record: &Record,
        input: &[u8],
        answers: Option<&DecisionDocument>,
        room: usize,
    ) -> Found {
        let Some(decided) = &record.entry.decided else { return Err(Shown::short("not a decision")) };
        let input = Input::from_json(input)
            .map_err(|_| Shown::short("the archived input is not one that this release can read"))?;
        let flaw = match answers {
            Some(document) => document.flaw(decided),
            None if decided.panel.is_empty() => None,
            None => Some("it has answers of several policies, and names no document"),
        };
        if let Some(flaw) = flaw {
            return Err(Shown::short(flaw));
        }
        self.figures.add(record.number, &input);
        Ok(Box::new(Evidence::of(record, decided, &input, answers, room)))
    }
}

/// What was read, or why it cannot be; an error of a store that may answer later stays an error.
fn unless_unreadable<T>(read: Result<T>) -> Result<std::result::Result<T, Shown>> {
    match read {
        Ok(read) => Ok(Ok(read)),
        Err(error) if !error.retryable() => Ok(Err(Shown::line(error.to_string(), 300))),
        Err(error) => Err(error),
    }
}

fn is_before(step: &Step, since: Option<Timestamp>) -> bool {
    let created_at = match step {
        Step::Valid { record, .. } => Some(record.created_at),
        Step::Newer { entry, .. } => Some(entry.created_at),
        Step::Void(_) | Step::Damaged { .. } => None,
    };
    since.zip(created_at).is_some_and(|(since, created_at)| created_at < since)
}

fn how(operation: EntryKind) -> How {
    match operation {
        EntryKind::Genesis => How::Found,
        EntryKind::Promote => How::Promoted,
        EntryKind::Rollback => How::RolledBack,
        EntryKind::External | EntryKind::Checkpoint => How::Outside,
        _ => How::Stated,
    }
}
