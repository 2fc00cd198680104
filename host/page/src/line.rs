//! One number of the ledger as the page lists it.

use std::collections::BTreeSet;

use hydra_base::Timestamp;
use hydra_base::names::Version;
use hydra_ledger_rules::Number;
use hydra_lifecycle::ledger::chain::Record;
use hydra_lifecycle::ledger::entry::{Entry, EntryKind};
use hydra_lifecycle::ledger::history::{Fate, Step};
use hydra_policy::VerdictKind;

use crate::text::{Shown, grouped, time};

/// The most characters of an explanation that are kept of each entry.
const EXPLANATION: usize = 600;

/// The most versions that an entry is found by.
const VERSIONS: usize = 12;

/// What an entry stands out by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Mark {
    /// The champion went back to an earlier version.
    Rollback,
    /// A version went into quarantine.
    Quarantine,
    /// Aliases were moved without the ledger.
    Outside,
    /// The request set a rule of the host aside.
    Override,
    /// A version became the champion.
    Promoted,
    /// The policy refused.
    Rejected,
    /// The policy asked for more evidence.
    Held,
}

impl Mark {
    /// What it is called.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Rollback => "rolled back",
            Self::Quarantine => "quarantine",
            Self::Outside => "moved outside",
            Self::Override => "rule set aside",
            Self::Promoted => "promoted",
            Self::Rejected => "rejected",
            Self::Held => "held",
        }
    }

    /// The name of its symbol and of its class.
    pub(crate) fn symbol(self) -> &'static str {
        match self {
            Self::Rollback => "back",
            Self::Quarantine => "stop",
            Self::Outside => "out",
            Self::Override => "over",
            Self::Promoted => "yes",
            Self::Rejected => "no",
            Self::Held => "wait",
        }
    }
}

/// A move of an alias.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Move {
    /// The alias.
    pub alias: Shown,
    /// Where it was.
    pub from: Option<u64>,
    /// Where it went.
    pub to: Option<u64>,
}

impl Move {
    /// `13 → 14`.
    pub(crate) fn text(&self) -> String {
        let version = |version: Option<u64>| version.map_or_else(|| "none".to_owned(), |v| format!("v{v}"));
        format!("{} → {}", version(self.from), version(self.to))
    }
}

/// One number of the ledger.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    /// The number.
    pub number: Number,
    /// When the store took it; empty if that is not known.
    pub time: String,
    /// The name of what it records; `damaged` and `newer` for what cannot be read.
    pub operation: String,
    /// The version that it is about.
    pub target: Option<u64>,
    /// The verdict.
    pub verdict: Option<VerdictKind>,
    /// What became of it, unless it simply holds.
    pub fate: Option<&'static str>,
    /// What the actor did.
    pub role: &'static str,
    /// Who asked, or found.
    pub actor: Shown,
    /// The user that the server authenticated.
    pub user: Option<Shown>,
    /// The requester's reason.
    pub reason: Option<Shown>,
    /// Why, or what is wrong with it.
    pub explanation: Shown,
    /// The aliases that it moves.
    pub moves: Vec<Move>,
    /// The versions that it puts in quarantine.
    pub quarantined: Vec<u64>,
    /// The rules of the host that it sets aside.
    pub overrides: Vec<String>,
    /// The versions by which it is found.
    pub versions: BTreeSet<u64>,
    /// The policy that decided.
    pub policy: Option<Shown>,
    /// The instructions that the decision used, and its limit.
    pub fuel: Option<String>,
    /// Whether it is a decision of a policy.
    pub is_decision: bool,
}

impl Line {
    /// The line of a number; none for an entry that lost a race.
    pub(crate) fn of(step: &Step) -> Option<Self> {
        match step {
            Step::Valid { record, fate } => Some(Self::of_record(record, *fate)),
            Step::Void(_) => None,
            Step::Newer { number, entry, .. } => {
                let why = format!("cannot be read: {entry}");
                Some(Self::unreadable(*number, Some(entry.created_at), "newer", &why))
            }
            Step::Damaged { number, flaw, bridged } => {
                let end = if *bridged { "; a checkpoint bridges it" } else { "" };
                Some(Self::unreadable(*number, None, "damaged", &format!("{flaw}{end}")))
            }
        }
    }

    fn unreadable(number: Number, at: Option<Timestamp>, operation: &str, why: &str) -> Self {
        Self {
            number,
            time: at.map(time).unwrap_or_default(),
            operation: operation.to_owned(),
            target: None,
            verdict: None,
            fate: None,
            role: "",
            actor: Shown::default(),
            user: None,
            reason: None,
            explanation: Shown::line(why, EXPLANATION),
            moves: Vec::new(),
            quarantined: Vec::new(),
            overrides: Vec::new(),
            versions: BTreeSet::new(),
            policy: None,
            fuel: None,
            is_decision: false,
        }
    }

    fn of_record(record: &Record, fate: Fate) -> Self {
        let entry = &record.entry;
        let decided = entry.decided.as_ref();
        let numbers = |versions: BTreeSet<Version>| versions.into_iter().map(Version::get).collect();
        let moves = moves(entry);
        let involved = moves.iter().flat_map(|one| [one.from, one.to]).flatten();
        Self {
            number: record.number,
            time: time(record.created_at),
            operation: entry.operation.to_string(),
            // A rollback that names no version is about the one that it goes to.
            target: entry.target.or_else(|| entry.crowned()).map(Version::get),
            verdict: decided.map(|decided| decided.verdict),
            fate: match fate {
                Fate::Done => None,
                Fate::Aborted => Some("never took effect"),
                Fate::Pending => Some("not complete yet"),
            },
            role: entry.operation.role_of_actor(),
            actor: Shown::short(&entry.actor),
            user: entry.user.as_ref().map(Shown::short),
            reason: entry.reason.as_ref().map(|reason| Shown::line(reason, EXPLANATION)),
            explanation: Shown::line(&entry.explanation, EXPLANATION),
            versions: entry.target.map(Version::get).into_iter().chain(involved).take(VERSIONS).collect(),
            moves,
            quarantined: numbers(entry.quarantined()),
            overrides: entry.overrides.iter().map(ToString::to_string).collect(),
            policy: decided.map(|decided| Shown::short(decided.policy.to_string())),
            fuel: decided.map(|decided| {
                format!("{} of {}", grouped(decided.usage.fuel), grouped(decided.budget.fuel))
            }),
            is_decision: entry.is_decision(),
        }
    }

    /// The verdict in the past tense.
    pub(crate) fn verdict_text(&self) -> &'static str {
        verdict_text(self.verdict)
    }

    /// The class of its colour.
    pub(crate) fn class(&self) -> &'static str {
        match (self.verdict, self.operation.as_str()) {
            (Some(VerdictKind::Approve), "rollback") => "back",
            (Some(VerdictKind::Approve), _) => "yes",
            (Some(VerdictKind::Reject), _) => "no",
            (Some(VerdictKind::Hold), _) => "wait",
            (None, "external") => "out",
            (None, "quarantine" | "damaged" | "newer") => "stop",
            (None, _) => "calm",
        }
    }

    /// How many bytes of HTML it takes among older entries, about.
    pub(crate) fn bytes(&self) -> usize {
        let texts = [Some(&self.explanation), Some(&self.actor), self.reason.as_ref()];
        let texts: usize = texts.into_iter().flatten().map(Shown::bytes).sum();
        let moves: usize = self.moves.iter().map(|one| one.alias.bytes() + 16).sum();
        220 + texts + moves + 24 * (self.quarantined.len() + self.overrides.len()) + 5 * self.versions.len()
    }

    /// Cuts the explanation and the reason so that they have about `room` bytes together.
    pub(crate) fn cut(&mut self, room: usize) {
        let explanation = self.explanation.bytes();
        let reason = self.reason.as_ref().map_or(0, Shown::bytes);
        if explanation + reason <= room {
            return;
        }
        // What takes more bytes than characters loses more characters.
        let kept = |text: &Shown, room: usize| {
            let chars = text.as_str().chars().count();
            Shown::line(text.as_str(), chars * room / text.bytes().max(1))
        };
        let half = room / 2;
        let for_reason = reason.min(room.saturating_sub(explanation.min(half)));
        self.explanation = kept(&self.explanation, (room - for_reason).min(explanation));
        self.reason = self.reason.take().map(|text| kept(&text, for_reason));
    }
}

/// A verdict in the past tense; empty without one.
pub(crate) fn verdict_text(verdict: Option<VerdictKind>) -> &'static str {
    match verdict {
        Some(VerdictKind::Approve) => "approved",
        Some(VerdictKind::Reject) => "rejected",
        Some(VerdictKind::Hold) => "held",
        None => "",
    }
}

/// The aliases that an entry moves.
fn moves(entry: &Entry) -> Vec<Move> {
    let of_ledger = entry.after.iter().map(|(alias, to)| (alias, entry.before.get(alias), to));
    let beside = entry.side.iter().map(|(alias, side)| (alias, side.from, side.to));
    of_ledger
        .chain(beside)
        .filter(|(_, from, to)| from != to)
        .map(|(alias, from, to)| Move {
            alias: Shown::short(alias.as_str()),
            from: from.map(Version::get),
            to: to.map(Version::get),
        })
        .collect()
}

/// What an entry stands out by. One that never took effect stands out by nothing.
pub(crate) fn marks(entry: &Entry, fate: Fate) -> BTreeSet<Mark> {
    if fate == Fate::Aborted {
        return BTreeSet::new();
    }
    let verdict = entry.decided.as_ref().map(|decided| decided.verdict);
    let crowned = entry.crowned().is_some();
    let of_verdict = match (entry.operation, verdict) {
        (EntryKind::Promote, Some(VerdictKind::Approve)) if crowned => Some(Mark::Promoted),
        (EntryKind::Rollback, Some(VerdictKind::Approve)) => Some(Mark::Rollback),
        (_, Some(VerdictKind::Reject)) => Some(Mark::Rejected),
        (_, Some(VerdictKind::Hold)) => Some(Mark::Held),
        (EntryKind::External, _) => Some(Mark::Outside),
        _ => None,
    };
    let quarantine = (!entry.quarantined().is_empty()).then_some(Mark::Quarantine);
    let overridden = (!entry.overrides.is_empty()).then_some(Mark::Override);
    of_verdict.into_iter().chain(quarantine).chain(overridden).collect()
}
