//! The events that receivers get.

use std::fmt;
use std::str::FromStr;

use hydra_base::error::{Error, ErrorKind};
use hydra_base::names::Version;
use hydra_base::time::now;
use hydra_base::{Sha256, Timestamp};
use hydra_ledger_rules::Number;
use hydra_lifecycle::ledger::chain::Record;
use hydra_lifecycle::ledger::entry::{Entry, EntryKind};
use hydra_lifecycle::ledger::history::Fate;
use hydra_policy::VerdictKind;
use serde_json::{Value, json};

/// The kinds of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EventKind {
    /// A version became the champion by a decision.
    Promoted,
    /// A rollback took effect.
    RolledBack,
    /// A policy refused.
    Rejected,
    /// A policy asked for more evidence.
    Held,
    /// The ledger recorded that aliases were moved without it.
    External,
    /// A version went into quarantine.
    Quarantined,
    /// A server found that the scores of the champion drift.
    Drift,
}

impl EventKind {
    /// All kinds.
    pub const ALL: [Self; 7] = [
        Self::Promoted,
        Self::RolledBack,
        Self::Rejected,
        Self::Held,
        Self::External,
        Self::Quarantined,
        Self::Drift,
    ];

    /// Its name in `hydra.toml` and in the type of an event.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Promoted => "promoted",
            Self::RolledBack => "rolled-back",
            Self::Rejected => "rejected",
            Self::Held => "held",
            Self::External => "external",
            Self::Quarantined => "quarantined",
            Self::Drift => "drift",
        }
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for EventKind {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or_else(|| {
            let known = Self::ALL.map(Self::as_str).join(", ");
            Error::new(
                ErrorKind::InvalidReceiver,
                format!("the event is not one that receivers get: `{text}`"),
            )
            .with_hint(format!("choose from {known}"))
        })
    }
}

/// An event that receivers get.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// The kind; none for a test.
    pub kind: Option<EventKind>,
    /// The same in every delivery: the ledger's id and the entry's number, and for the second event of an entry what it is about.
    pub id: String,
    /// The ledger, as a URI.
    pub source: String,
    /// The registered model.
    pub model: String,
    /// The version that it is about.
    pub version: Option<Version>,
    /// When the store took the entry.
    pub at: Timestamp,
    /// What happened, in a sentence.
    pub summary: String,
    /// The facts.
    pub data: Value,
}

impl Event {
    /// The events of an entry: none for one that never took effect, and for one whose kind has no event.
    #[must_use]
    pub fn of(model: &str, record: &Record, fate: Fate) -> Vec<Self> {
        if fate != Fate::Done {
            return Vec::new();
        }
        let entry = &record.entry;
        let id = format!("{}:{}", entry.ledger, record.number);
        // A rollback that names no version is about the one that it goes to.
        let version = entry.target.or_else(|| entry.crowned());
        let main = kind_of(entry).map(|kind| Self::about(model, record, kind, version, id.clone()));
        let quarantined = entry.quarantined().into_iter().map(|version| {
            // The verb `quarantine` is about one version, a rollback also about another.
            let own = if entry.operation == EntryKind::Quarantine {
                id.clone()
            } else {
                format!("{id}:quarantined:{version}")
            };
            Self::about(model, record, EventKind::Quarantined, Some(version), own)
        });
        main.into_iter().chain(quarantined).collect()
    }

    fn about(model: &str, record: &Record, kind: EventKind, version: Option<Version>, id: String) -> Self {
        let entry = &record.entry;
        Self {
            kind: Some(kind),
            id,
            source: hydra_lifecycle::ledger::chain::source_uri(&entry.ledger),
            model: model.to_owned(),
            version,
            at: record.created_at,
            summary: summary(model, entry, kind, version),
            data: data(model, record, version),
        }
    }

    /// The scores of a version differ from those of its evaluation, by a population stability index. It is not in a ledger: the id
    /// is that of the version and the evaluation, so all servers of a model send the same one.
    #[must_use]
    pub fn drift(model: &str, version: Version, dataset: &str, measured_at: Timestamp, index: f64) -> Self {
        let about = Sha256::of(format!("{model}\n{dataset}\n{measured_at}").as_bytes()).to_string();
        Self {
            kind: Some(EventKind::Drift),
            id: format!("drift:{}:{version}", &about[..32]),
            source: "hydra-registry:/serve".to_owned(),
            model: model.to_owned(),
            version: Some(version),
            at: now(),
            summary: format!("{model}: the scores of version {version} drift"),
            data: json!({
                "model": model,
                "version": version.get(),
                "dataset": dataset,
                "measured_at": measured_at,
                "psi": index,
            }),
        }
    }

    /// An event that says nothing, for tests of receivers.
    #[must_use]
    pub fn test(model: &str, id: String, at: Timestamp) -> Self {
        Self {
            kind: None,
            id,
            source: "hydra-registry:/test".to_owned(),
            model: model.to_owned(),
            version: None,
            at,
            summary: format!("{model}: a test of this receiver"),
            data: json!({"model": model, "test": true}),
        }
    }
}

/// The event of an entry, beside its quarantines.
fn kind_of(entry: &Entry) -> Option<EventKind> {
    let verdict = entry.decided.as_ref().map(|decided| decided.verdict);
    match (entry.operation, verdict) {
        (_, Some(VerdictKind::Reject)) => Some(EventKind::Rejected),
        (_, Some(VerdictKind::Hold)) => Some(EventKind::Held),
        (EntryKind::Promote, Some(VerdictKind::Approve)) if entry.crowned().is_some() => {
            Some(EventKind::Promoted)
        }
        (EntryKind::Rollback, Some(VerdictKind::Approve)) => Some(EventKind::RolledBack),
        (EntryKind::External, _) => Some(EventKind::External),
        _ => None,
    }
}

fn summary(model: &str, entry: &Entry, kind: EventKind, version: Option<Version>) -> String {
    let named = |version: Option<Version>| {
        version.map_or_else(|| "no version".to_owned(), |one| format!("version {one}"))
    };
    let champion = hydra_base::names::Alias::CHAMPION;
    let (before, after) = (entry.before.get(&champion), entry.after.get(&champion));
    let what = match kind {
        EventKind::Promoted => format!("{} became the champion, after {}", named(after), named(before)),
        EventKind::RolledBack => format!("rolled back from {} to {}", named(before), named(after)),
        EventKind::Rejected => format!("{} of {} was rejected", entry.operation, named(version)),
        EventKind::Held => format!("{} of {} is held", entry.operation, named(version)),
        EventKind::External if before != after => {
            format!(
                "the champion was moved outside of the ledger, from {} to {}",
                named(before),
                named(after)
            )
        }
        EventKind::External => "aliases were moved outside of the ledger".to_owned(),
        EventKind::Quarantined => format!("{} went into quarantine", named(version)),
        EventKind::Drift => format!("the scores of {} drift", named(version)),
    };
    format!("{model}: {what}")
}

fn data(model: &str, record: &Record, version: Option<Version>) -> Value {
    let entry = &record.entry;
    let decided = entry.decided.as_ref();
    let moves: Vec<Value> = entry
        .after
        .iter()
        .map(|(alias, to)| (alias, entry.before.get(alias), to))
        .chain(entry.side.iter().map(|(alias, side)| (alias, side.from, side.to)))
        .filter(|(_, from, to)| from != to)
        .map(|(alias, from, to)| json!({"alias": alias.as_str(), "from": number(from), "to": number(to)}))
        .collect();
    json!({
        "model": model,
        "ledger": entry.ledger,
        "entry": record.number,
        "entry_sha256": record.digest.to_string(),
        "operation": entry.operation.to_string(),
        "version": number(version),
        "verdict": decided.map(|decided| decided.verdict.to_string()),
        "actor": entry.actor,
        "user": entry.user,
        "reason": entry.reason,
        "explanation": entry.explanation,
        "changes": moves,
        "quarantined": entry.quarantined().iter().map(|one| one.get()).collect::<Vec<_>>(),
        "overrides": entry.overrides.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "policy": decided.map(|decided| json!({
            "name": decided.policy.name,
            "version": decided.policy.version,
            "sha256": decided.policy.sha256.to_string(),
        })),
    })
}

fn number(version: Option<Version>) -> Option<Number> {
    version.map(Version::get)
}
