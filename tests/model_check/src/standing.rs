//! The standing in the model: sets of versions, which the shared rules change.

use crate::rules::standing as rules;
use crate::world::{Entry, Kind};

/// The standing after an entry. Bit `v` of a set stands for version `v`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Standing {
    /// The versions in quarantine.
    pub quarantined: u8,
    /// The versions with an approval that was not used yet.
    pub approved: u8,
}

impl Standing {
    /// Whether the version is in quarantine.
    #[must_use]
    pub fn is_quarantined(&self, version: u8) -> bool {
        self.quarantined & (1 << version) != 0
    }

    /// Whether the version has an approval that was not used yet.
    #[must_use]
    pub fn is_approved(&self, version: u8) -> bool {
        self.approved & (1 << version) != 0
    }
}

impl rules::Standing for Standing {
    fn quarantine(&mut self, version: u64) {
        self.quarantined |= 1 << version;
    }
    fn release(&mut self, version: u64) {
        self.quarantined &= !(1 << version);
    }
    fn approve(&mut self, version: u64) {
        self.approved |= 1 << version;
    }
    fn use_approvals(&mut self, version: u64) {
        self.approved &= !(1 << version);
    }
}

/// What an entry states about versions, besides the aliases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Statement {
    /// Nothing.
    #[default]
    None,
    /// The version goes into quarantine.
    Quarantine(u8),
    /// The quarantine of the version ends.
    Release(u8),
    /// The version is approved.
    Approve(u8),
    /// The rollback puts the version that it leaves in quarantine.
    Leave(u8),
}

impl Statement {
    /// Whether a tag of a version repeats the statement, which a writer sets before it marks the entry.
    #[must_use]
    pub fn is_mirrored(self) -> bool {
        matches!(self, Self::Quarantine(_) | Self::Release(_) | Self::Leave(_))
    }
}

impl Entry {
    /// Calls `with` with the entry as the shared rules see it.
    pub fn as_act<T>(&self, with: impl FnOnce(rules::Act<'_>) -> T) -> T {
        let moved = self.after[0] != self.before[0] && self.after[0] != 0;
        let crowned = moved.then_some(u64::from(self.after[0]));
        match (self.kind, self.statement) {
            (Kind::Aborted, _) => with(rules::Act::Abort),
            (Kind::Operation, Statement::Quarantine(version)) => with(rules::Act::Quarantine(version.into())),
            (Kind::Operation, Statement::Release(version)) => with(rules::Act::Release(version.into())),
            (Kind::Operation, Statement::Approve(version)) => with(rules::Act::Approve(version.into())),
            (Kind::Operation, Statement::Leave(version)) => {
                with(rules::Act::Decision { crowned, quarantines: &[version.into()] })
            }
            (Kind::Operation, Statement::None) => with(rules::Act::Decision { crowned, quarantines: &[] }),
            (Kind::External, _) => with(rules::Act::Found { crowned }),
            _ => with(rules::Act::Carry),
        }
    }

    /// The standing that the entry carries when it follows `base`.
    #[must_use]
    pub fn standing_after(&self, base: &Self) -> Standing {
        self.as_act(|act| {
            let mut standing = if act.restores() { base.standing_before } else { base.standing };
            act.apply(&mut standing);
            standing
        })
    }

    /// Whether the host refuses to append the entry on top of the standing `standing`.
    #[must_use]
    pub fn is_forbidden(&self, standing: &Standing) -> bool {
        self.as_act(|act| act.forbidden(|version| standing.is_quarantined(version as u8)).is_some())
    }
}

/// The standing that follows by the definition, written down independently of the shared rules.
#[must_use]
pub fn expected(entry: &Entry, base: &Entry) -> Standing {
    let Standing { quarantined, approved } = base.standing;
    // A version that another program made champion has used its approvals up.
    let crowns = matches!(entry.kind, Kind::Operation | Kind::External) && entry.after[0] != entry.before[0];
    let unused = if crowns { approved & !(1 << entry.after[0]) } else { approved };
    match (entry.kind, entry.statement) {
        (Kind::Aborted, _) => base.standing_before,
        (_, Statement::Quarantine(version) | Statement::Leave(version)) => {
            Standing { quarantined: quarantined | 1 << version, approved: unused }
        }
        (_, Statement::Release(version)) => {
            Standing { quarantined: quarantined & !(1 << version), approved: unused }
        }
        (_, Statement::Approve(version)) => Standing { quarantined, approved: approved | 1 << version },
        (_, Statement::None) => Standing { quarantined, approved: unused },
    }
}

/// Whether the entry makes a version champion that was in quarantine when its author decided.
#[must_use]
pub fn crowns_quarantined(entry: &Entry, base: &Entry) -> bool {
    let crowns = entry.kind == Kind::Operation && entry.after[0] != entry.before[0];
    crowns && base.standing.is_quarantined(entry.after[0])
}
