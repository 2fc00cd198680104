//! Which entries `history` shows.

use crate::args::HistoryArgs;
use hydra_base::names::Version;
use hydra_lifecycle::ledger::chain::Record;
use hydra_lifecycle::ledger::entry::{Entry, EntryKind};
use hydra_policy::VerdictKind;

/// What entries have to be like. Of several values of one kind, an entry needs one; of each kind, it needs one.
pub(super) struct Filter<'a> {
    actors: &'a [String],
    versions: &'a [Version],
    verdicts: Vec<VerdictKind>,
    operations: &'a [EntryKind],
}

impl<'a> Filter<'a> {
    pub fn new(args: &'a HistoryArgs) -> Self {
        Self {
            actors: &args.actors,
            versions: &args.versions,
            verdicts: args.verdicts.iter().copied().map(VerdictKind::from).collect(),
            operations: &args.operations,
        }
    }

    /// Whether all entries fit.
    pub fn is_empty(&self) -> bool {
        self.actors.is_empty()
            && self.versions.is_empty()
            && self.verdicts.is_empty()
            && self.operations.is_empty()
    }

    pub fn fits(&self, record: &Record) -> bool {
        let entry = &record.entry;
        let verdict = entry.decided.as_ref().map(|decided| decided.verdict);
        let is_one_of = |versions: &[Version]| versions.iter().any(|version| is_about(entry, *version));
        (self.actors.is_empty() || self.actors.contains(&entry.actor))
            && (self.versions.is_empty() || is_one_of(self.versions))
            && (self.verdicts.is_empty() || verdict.is_some_and(|verdict| self.verdicts.contains(&verdict)))
            && (self.operations.is_empty() || self.operations.contains(&entry.operation))
    }
}

/// Whether the entry is about a version, or moves an alias to it or away from it.
fn is_about(entry: &Entry, version: Version) -> bool {
    let moves = entry.after.iter().any(|(alias, to)| {
        let from = entry.before.get(alias);
        from != to && (from == Some(version) || to == Some(version))
    });
    entry.target == Some(version) || moves
}
