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
    /// The active policy; zero is none.
    pub active: u8,
    /// The policies with an approval as the active one that was not used yet; bit 0 stands for no active policy.
    pub policies_approved: u8,
}

/// How many approvals a policy asks for before it changes.
#[must_use]
pub fn asks_for(policy: u8) -> u32 {
    u32::from(policy == ASKING)
}

/// The policy that asks for an approval before it changes.
pub const ASKING: u8 = 2;

/// A policy as the shared rules see it.
fn digest(policy: u8) -> Option<rules::PolicyDigest> {
    (policy != 0).then_some([policy; 32])
}

fn number(policy: Option<rules::PolicyDigest>) -> u8 {
    policy.map_or(0, |digest| digest[0])
}

impl Standing {
    /// Nothing is in quarantine, approved or active.
    pub const NONE: Self = Self { quarantined: 0, approved: 0, active: 0, policies_approved: 0 };

    /// Whether the policy, or none with zero, has an approval as the active one that was not used yet.
    #[must_use]
    pub fn is_policy_approved(&self, policy: u8) -> bool {
        self.policies_approved & (1 << policy) != 0
    }

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
    fn activate(&mut self, policy: Option<rules::PolicyDigest>) {
        self.active = number(policy);
    }
    fn approve_policy(&mut self, policy: Option<rules::PolicyDigest>) {
        self.policies_approved |= 1 << number(policy);
    }
    fn use_policy_approvals(&mut self, policy: Option<rules::PolicyDigest>) {
        self.policies_approved &= !(1 << number(policy));
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
    /// The policy becomes the active one; zero: none is active.
    Activate(u8),
    /// The policy is approved as the active one; zero: that none is.
    ApprovePolicy(u8),
    /// The rollback puts the version that it leaves in quarantine.
    Leave(u8),
}

impl Statement {
    /// Whether a tag of a version or of the model repeats the statement, which a writer sets before it marks the entry.
    #[must_use]
    pub fn is_mirrored(self) -> bool {
        matches!(self, Self::Quarantine(_) | Self::Release(_) | Self::Leave(_) | Self::Activate(_))
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
            (Kind::Operation, Statement::Activate(policy)) => with(rules::Act::Activate(digest(policy))),
            (Kind::Operation, Statement::ApprovePolicy(policy)) => {
                with(rules::Act::ApprovePolicy(digest(policy)))
            }
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

    /// Whether the entry is a decision of a policy.
    #[must_use]
    pub fn is_decision(&self) -> bool {
        self.kind == Kind::Operation && matches!(self.statement, Statement::None | Statement::Leave(_))
    }

    /// Whether the host refuses to append the entry on top of the standing `standing`.
    #[must_use]
    pub fn is_forbidden(&self, standing: &Standing) -> bool {
        if self.is_decision() && !rules::may_decide(digest(standing.active), digest(self.policy), false) {
            return true;
        }
        if let Statement::Activate(policy) = self.statement {
            let given = u32::from(standing.is_policy_approved(policy));
            return rules::approvals_needed(asks_for(standing.active), given) > 0;
        }
        self.as_act(|act| act.forbidden(|version| standing.is_quarantined(version as u8)).is_some())
    }
}

/// The standing that follows by the definition, written down independently of the shared rules.
#[must_use]
pub fn expected(entry: &Entry, base: &Entry) -> Standing {
    let before = base.standing;
    // A version that another program made champion has used its approvals up.
    let crowns = matches!(entry.kind, Kind::Operation | Kind::External) && entry.after[0] != entry.before[0];
    let used = if crowns { 1 << entry.after[0] } else { 0 };
    let carried = Standing { approved: before.approved & !used, ..before };
    match (entry.kind, entry.statement) {
        (Kind::Aborted, _) => base.standing_before,
        (_, Statement::Quarantine(version) | Statement::Leave(version)) => {
            Standing { quarantined: before.quarantined | 1 << version, ..carried }
        }
        (_, Statement::Release(version)) => {
            Standing { quarantined: before.quarantined & !(1 << version), ..carried }
        }
        (_, Statement::Approve(version)) => Standing { approved: before.approved | 1 << version, ..before },
        (_, Statement::Activate(policy)) => {
            let left = before.policies_approved & !(1 << policy) & !1;
            Standing { active: policy, policies_approved: left, ..carried }
        }
        (_, Statement::ApprovePolicy(policy)) => {
            Standing { policies_approved: before.policies_approved | 1 << policy, ..carried }
        }
        (_, Statement::None) => carried,
    }
}

/// Whether the entry is a decision by another policy than the one that was active when its author decided.
#[must_use]
pub fn is_by_another_policy(entry: &Entry, base: &Entry) -> bool {
    entry.is_decision() && entry.policy != base.standing.active
}

/// Whether the entry changes an active policy that asks for approvals, and has none.
#[must_use]
pub fn is_unapproved_activation(entry: &Entry, base: &Entry) -> bool {
    let Statement::Activate(policy) = entry.statement else { return false };
    let asks = base.standing.active == ASKING;
    entry.kind == Kind::Operation && asks && !base.standing.is_policy_approved(policy)
}

/// Whether the entry makes a version champion that was in quarantine when its author decided.
#[must_use]
pub fn crowns_quarantined(entry: &Entry, base: &Entry) -> bool {
    let crowns = entry.kind == Kind::Operation && entry.after[0] != entry.before[0];
    crowns && base.standing.is_quarantined(entry.after[0])
}
