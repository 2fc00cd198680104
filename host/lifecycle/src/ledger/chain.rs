//! The newest entries as they were read: which of them count, and which is the head.

use std::fmt;

use crate::ledger::HOST;
use crate::ledger::entry::{Entry, Kind};
use hydra_base::aliases::AliasState;
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::{Sha256, Timestamp};
use hydra_ledger_rules::{Found, Link, Number, Slot};
use hydra_mlflow::entities::ModelVersion;

/// The tag that holds an entry.
pub const ENTRY_TAG: &str = "hydra.entry";
/// The tag that says that an entry was carried out in full.
pub const APPLIED_TAG: &str = "hydra.applied";

/// A readable entry with what the store knows about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its number.
    pub number: Number,
    /// When the store took it, by the store's clock.
    pub created_at: Timestamp,
    /// Whether it is marked as carried out.
    pub applied: bool,
    /// Whether its aliases were moved in the transaction that appended it: then nobody moves them later.
    pub atomic: bool,
    /// The digest of its text.
    pub digest: Sha256,
    /// The entry.
    pub entry: Entry,
}

/// What was found at a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading {
    /// An entry of this ledger.
    Record(Box<Record>),
    /// Nothing, or no entry of this ledger; why, for people.
    Damaged(String),
}

impl Record {
    /// Whether nothing remains to be done for it.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        let entry = &self.entry;
        self.applied
            || entry.operation == Kind::Genesis
            || (!entry.is_observation() && entry.before == entry.after && entry.side.is_empty())
    }

    /// Whether this release of the program wrote it.
    #[must_use]
    pub fn is_of_this_release(&self) -> bool {
        self.entry.host == HOST
    }

    /// The aliases that it leaves behind once it is carried out.
    #[must_use]
    pub fn state(&self) -> &AliasState {
        &self.entry.after
    }
}

impl Reading {
    /// What a model version of the ledger holds.
    #[must_use]
    pub fn of(version: &ModelVersion, ledger: &str) -> Self {
        match Self::read(version, ledger) {
            Ok(record) => Self::Record(Box::new(record)),
            Err(flaw) => Self::Damaged(flaw),
        }
    }

    fn read(version: &ModelVersion, ledger: &str) -> Result<Record, String> {
        let text = version.tags.get(ENTRY_TAG).ok_or("it is not an entry of a ledger")?;
        let entry = Entry::decode(text)?;
        // Somebody else's genesis lost the race to found the ledger; it is void like every loser.
        if entry.ledger != ledger && entry.operation != Kind::Genesis {
            return Err(format!("it belongs to the ledger {}", entry.ledger));
        }
        if version.source != source_uri(&entry.ledger) {
            return Err("its source does not name its ledger".into());
        }
        let applied = version.tags.get(APPLIED_TAG);
        Ok(Record {
            number: version.version.get(),
            created_at: version.created_at,
            applied: applied.is_some(),
            // Whoever marks an entry after appending it gives a later moment.
            atomic: applied.is_some_and(|moment| *moment == entry.at.to_string()),
            digest: Sha256::of(text.as_bytes()),
            entry,
        })
    }

    fn slot(&self) -> Slot<Sha256> {
        match self {
            Self::Damaged(_) => Slot::Damaged,
            Self::Record(record) => Slot::Entry(Link {
                base: record.entry.base,
                previous: record.entry.previous.unwrap_or(Sha256::NONE),
                digest: record.digest,
                checkpoint: record.entry.bridge.as_ref().map(|bridge| bridge.trusted),
            }),
        }
    }
}

/// The source of every entry of a ledger: a scheme that no MLflow resolves, so that entries show up in no lineage.
#[must_use]
pub fn source_uri(ledger: &str) -> String {
    format!("hydra-ledger:/{ledger}")
}

/// The widest gap between two entries that is bridged number by number.
const MAX_GAP: Number = 100_000;

/// The newest entries without gaps: a number that the store does not list is damaged.
#[derive(Debug, Clone, Default)]
pub struct Window {
    lowest: Number,
    readings: Vec<Reading>,
    slots: Vec<Slot<Sha256>>,
}

impl Window {
    /// From a listing, newest first. `reaches_start`: the listing went down to the first entry.
    #[must_use]
    pub fn of(versions: &[ModelVersion], ledger: &str, reaches_start: bool) -> Self {
        let numbered: Vec<(Number, Reading)> =
            versions.iter().map(|version| (version.version.get(), Reading::of(version, ledger))).collect();
        Self::of_readings(numbered, reaches_start)
    }

    /// From what was read, newest first.
    #[must_use]
    pub fn of_readings(readings: Vec<(Number, Reading)>, reaches_start: bool) -> Self {
        let Some(oldest) = readings.last().map(|(number, _)| *number) else { return Self::default() };
        let lowest = if reaches_start && oldest <= MAX_GAP { 1 } else { oldest };
        let mut window = Self { lowest, readings: Vec::new(), slots: Vec::new() };
        for (number, reading) in readings.into_iter().rev() {
            if number - window.next().min(number) > MAX_GAP {
                // What lies below so wide a gap is out of reach; and no memory for each number of it.
                window = Self { lowest: number, readings: Vec::new(), slots: Vec::new() };
            }
            while window.next() < number {
                window.readings.push(Reading::Damaged("it is missing".into()));
            }
            window.readings.push(reading);
        }
        window.slots = window.readings.iter().map(Reading::slot).collect();
        window
    }

    /// The number of the oldest entry in it.
    #[must_use]
    pub fn lowest(&self) -> Number {
        self.lowest
    }

    /// The number of the newest entry in it; zero when there is none.
    #[must_use]
    pub fn newest(&self) -> Number {
        self.next().saturating_sub(1)
    }

    /// What was found at that number, if it lies in the window.
    #[must_use]
    pub fn reading(&self, number: Number) -> Option<&Reading> {
        self.readings.get(usize::try_from(number.checked_sub(self.lowest)?).ok()?)
    }

    /// The record of that number, if there is one in the window.
    #[must_use]
    pub fn record(&self, number: Number) -> Option<&Record> {
        match self.reading(number)? {
            Reading::Record(record) => Some(record),
            Reading::Damaged(_) => None,
        }
    }

    /// Takes note that the entry of that number has been marked as carried out.
    pub fn mark_applied(&mut self, number: Number) {
        let index = number.checked_sub(self.lowest).and_then(|index| usize::try_from(index).ok());
        if let Some(Reading::Record(record)) = index.and_then(|index| self.readings.get_mut(index)) {
            record.applied = true;
        }
    }

    /// What was found, newest first.
    pub fn into_readings(self) -> impl Iterator<Item = (Number, Reading)> {
        let lowest = self.lowest;
        self.readings
            .into_iter()
            .enumerate()
            .rev()
            .map(move |(index, reading)| (lowest + index as Number, reading))
    }

    /// Finds the head.
    #[must_use]
    pub fn find_head(&self) -> Found {
        hydra_ledger_rules::find_head(self.lowest, &self.slots)
    }

    /// The valid entries from `head` down, as far as the window goes.
    pub fn valid_from(&self, head: Number) -> impl Iterator<Item = &Record> {
        hydra_ledger_rules::valid_entries(self.lowest, &self.slots, head)
            .filter_map(|(number, _)| self.record(number))
    }

    fn next(&self) -> Number {
        self.lowest + self.readings.len() as Number
    }
}

/// The error for writers who find damage.
#[must_use]
pub fn broken(number: Number, reading: Option<&Reading>) -> Error {
    let flaw = match reading {
        Some(Reading::Damaged(flaw)) => flaw.as_str(),
        _ => "it is not the entry that a later entry recorded",
    };
    Error::new(ErrorKind::LedgerBroken, format!("entry {number} of the ledger is damaged: {flaw}")).with_hint(
        "run `hydra-registry doctor` to see the damage, and `doctor --fix` to bridge it with a checkpoint",
    )
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "entry {} ({})", self.number, self.entry.operation)
    }
}
