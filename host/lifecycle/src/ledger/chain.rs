//! The newest entries as they were read: which of them count, and which is the head.

use std::fmt;

use crate::ledger::HOST;
use crate::ledger::entry::{Entry, EntryKind, StandingRef, Undecodable};
use crate::ledger::mark::{APPLIED_TAG, Mark};
use hydra_base::aliases::AliasState;
use hydra_base::names::{Alias, Version};
use hydra_base::{Sha256, Timestamp};
use hydra_ledger_rules::{Found, Link, Number, Slot};
use hydra_mlflow::entities::ModelVersion;

/// The tag that holds an entry.
pub const ENTRY_TAG: &str = "hydra.entry";

/// A readable entry with what the store knows about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its number.
    pub number: Number,
    /// When the store took it, by the store's clock.
    pub created_at: Timestamp,
    /// How it was carried out; `None` when it is not marked as carried out.
    pub applied: Option<Mark>,
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
    /// An entry whose schema this release does not know. It may be valid, so no checkpoint bridges it.
    Newer(NewerEntry),
    /// Nothing, or something that is not an entry of this ledger; the reason is for people.
    Damaged(String),
}

/// An entry that a newer release wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewerEntry {
    /// Its schema, greater than [`SCHEMA`](crate::ledger::entry::SCHEMA).
    pub schema: u32,
    /// The release that wrote it, such as `0.3.0`, if the entry names one.
    pub release: Option<String>,
    /// When the store took it, by the store's clock.
    pub created_at: Timestamp,
}

impl fmt::Display for NewerEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { schema, release, .. } = self.clone();
        write!(f, "{}", Undecodable::Newer { schema, release })
    }
}

impl Record {
    /// Whether nothing remains to be done for it.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        let entry = &self.entry;
        let still = entry.before == entry.after && entry.side.is_empty() && !entry.has_mirrors();
        self.applied.is_some() || entry.operation == EntryKind::Genesis || (!entry.is_observation() && still)
    }

    /// Whether it records that the champion is another one than before. An entry that only restores aliases does not.
    #[must_use]
    pub fn moves_champion(&self) -> bool {
        let entry = &self.entry;
        let moved = entry.before.get(&Alias::CHAMPION) != entry.after.get(&Alias::CHAMPION);
        moved && (entry.is_decision() || entry.is_observation())
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
        let created_at = version.created_at;
        match Self::read(version, ledger) {
            Ok(record) => Self::Record(Box::new(record)),
            Err(Undecodable::Newer { schema, release }) => {
                Self::Newer(NewerEntry { schema, release, created_at })
            }
            Err(Undecodable::Damaged(flaw)) => Self::Damaged(flaw),
        }
    }

    fn read(version: &ModelVersion, ledger: &str) -> Result<Record, Undecodable> {
        let text = version.tags.get(ENTRY_TAG).ok_or("it is not an entry of a ledger")?;
        let entry = Entry::decode(text)?;
        // A genesis of another ledger lost the race to found this one; it is void like every entry that lost a race.
        if entry.ledger != ledger && entry.operation != EntryKind::Genesis {
            return Err(format!("it belongs to the ledger {}", entry.ledger).into());
        }
        if version.source != source_uri(&entry.ledger) {
            return Err("its source does not name its ledger".into());
        }
        Ok(Record {
            number: version.version.get(),
            created_at: version.created_at,
            applied: version.tags.get(APPLIED_TAG).map(|value| Mark::read(value, entry.at)),
            digest: Sha256::of(text.as_bytes()),
            entry,
        })
    }

    /// What the rules see: an entry that this release cannot read stops its writers as damage does.
    fn slot(&self) -> Slot<Sha256> {
        match self {
            Self::Newer(_) | Self::Damaged(_) => Slot::Damaged,
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

    /// All entries in it that can be read, those that lost a race included.
    pub fn records(&self) -> impl Iterator<Item = &Record> {
        self.readings.iter().filter_map(|reading| match reading {
            Reading::Record(record) => Some(record.as_ref()),
            Reading::Newer(_) | Reading::Damaged(_) => None,
        })
    }

    /// The record of that number, if there is one in the window.
    #[must_use]
    pub fn record(&self, number: Number) -> Option<&Record> {
        match self.reading(number)? {
            Reading::Record(record) => Some(record),
            Reading::Newer(_) | Reading::Damaged(_) => None,
        }
    }

    /// The numbers without a readable entry that no valid checkpoint bridges, in ascending order.
    pub fn unreadable(&self) -> impl Iterator<Item = (Number, &Reading)> {
        let head = match self.find_head() {
            Found::Head { number, .. } => number,
            Found::Lost { .. } | Found::Empty | Found::ReadFrom(_) => 0,
        };
        let checkpoint = self.valid_from(head).find(|record| record.entry.bridge.is_some());
        let bridged = checkpoint.map_or(0, |checkpoint| checkpoint.number);
        (self.lowest..)
            .zip(&self.readings)
            .filter(move |(number, reading)| *number > bridged && !matches!(reading, Reading::Record(_)))
    }

    /// The newest entry that a newer release wrote and that no valid checkpoint bridges.
    #[must_use]
    pub fn newer(&self) -> Option<(Number, &NewerEntry)> {
        self.unreadable()
            .filter_map(|(number, reading)| match reading {
                Reading::Newer(entry) => Some((number, entry)),
                Reading::Record(_) | Reading::Damaged(_) => None,
            })
            .last()
    }

    /// The standing with the highest number that a readable entry above `below` names, whether the entry is valid or not.
    #[must_use]
    pub fn newest_standing(&self, below: Number) -> Option<StandingRef> {
        let records = (self.lowest..).zip(&self.readings).filter_map(|(number, reading)| match reading {
            Reading::Record(record) if number > below => record.entry.standing,
            _ => None,
        });
        records.max_by_key(|standing| standing.number)
    }

    /// The same window with the entry that follows its newest one.
    #[must_use]
    pub fn with(mut self, newest: Record) -> Self {
        let reading = Reading::Record(Box::new(newest));
        self.slots.push(reading.slot());
        self.readings.push(reading);
        self
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

    /// The head, if no damage keeps it from being known.
    #[must_use]
    pub fn head(&self) -> Option<&Record> {
        match self.find_head() {
            Found::Head { number, damage: 0 } => self.record(number),
            Found::Head { .. } | Found::Lost { .. } | Found::Empty | Found::ReadFrom(_) => None,
        }
    }

    /// The valid entries from `head` down, as far as the window goes.
    pub fn valid_from(&self, head: Number) -> impl Iterator<Item = &Record> {
        hydra_ledger_rules::valid_entries(self.lowest, &self.slots, head)
            .filter_map(|(number, _)| self.record(number))
    }

    /// The champion before the newest move of `champion`, of the valid entries from `head` down.
    #[must_use]
    pub fn former_champion(&self, head: Number) -> Option<Version> {
        let moved = self.valid_from(head).find(|record| record.moves_champion())?;
        moved.entry.before.get(&Alias::CHAMPION)
    }

    fn next(&self) -> Number {
        self.lowest + self.readings.len() as Number
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "entry {} ({})", self.number, self.entry.operation)
    }
}

#[cfg(test)]
mod tests;
