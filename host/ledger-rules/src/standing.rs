//! The standing: what holds beside the aliases, and which entries change it.
//!
//! A standing says which versions are in quarantine, which have approvals that were not used yet, and which policy is the
//! active one. Every entry carries
//! the standing that holds after it, so that the head alone says what a decision must respect. The functions here state
//! how a standing follows from the one before; the driver applies them to documents, the model check to sets.

/// A policy, by the digest of its document.
pub type PolicyDigest = [u8; 32];

/// A standing, as far as the rules change it. Versions are numbers from 1.
pub trait Standing {
    /// Puts the version in quarantine, or renews its quarantine.
    fn quarantine(&mut self, version: u64);
    /// Ends the quarantine of the version, if there is one.
    fn release(&mut self, version: u64);
    /// Adds an approval of the version; one by the same person replaces the earlier one.
    fn approve(&mut self, version: u64);
    /// Removes all approvals of the version.
    fn use_approvals(&mut self, version: u64);
    /// Makes the policy the active one; `None`: no policy is active.
    fn activate(&mut self, policy: Option<PolicyDigest>);
    /// Adds an approval of the policy as the active one, or of none; one by the same person replaces the earlier one.
    fn approve_policy(&mut self, policy: Option<PolicyDigest>);
    /// Removes all approvals of the policy as the active one.
    fn use_policy_approvals(&mut self, policy: Option<PolicyDigest>);
}

/// What an entry means for the standing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act<'a> {
    /// It carries the standing on.
    Carry,
    /// It states that the entry before it never took effect: the standing from before that entry holds again.
    Abort,
    /// It puts a version in quarantine.
    Quarantine(u64),
    /// It ends the quarantine of a version.
    Release(u64),
    /// It adds an approval of a version.
    Approve(u64),
    /// It makes a policy the active one; `None`: no policy is active from then on.
    Activate(Option<PolicyDigest>),
    /// It adds an approval of a policy as the active one, or of none.
    ApprovePolicy(Option<PolicyDigest>),
    /// It records that aliases were moved without the ledger.
    Found {
        /// The version that was made champion; `None` if the champion stayed, or was removed.
        crowned: Option<u64>,
    },
    /// It is an approved decision.
    Decision {
        /// The version that the decision makes champion; `None` if the champion stays.
        crowned: Option<u64>,
        /// The versions that the decision puts in quarantine.
        quarantines: &'a [u64],
    },
}

impl Act<'_> {
    /// Whether the entry starts from the standing that held before the entry that it follows, instead of from the one
    /// that this entry left.
    #[must_use]
    pub fn restores(&self) -> bool {
        matches!(self, Self::Abort)
    }

    /// Turns the standing that the entry starts from into the one that it carries.
    pub fn apply(&self, standing: &mut impl Standing) {
        match *self {
            Self::Carry | Self::Abort => {}
            Self::Quarantine(version) => standing.quarantine(version),
            Self::Release(version) => standing.release(version),
            Self::Approve(version) => standing.approve(version),
            Self::Activate(policy) => {
                standing.activate(policy);
                standing.use_policy_approvals(policy);
                // That none is active was approved of the policy that was active until now.
                standing.use_policy_approvals(None);
            }
            Self::ApprovePolicy(policy) => standing.approve_policy(policy),
            // The version is champion, so its approvals are used up, also if another program moved the alias.
            Self::Found { crowned } => {
                if let Some(version) = crowned {
                    standing.use_approvals(version);
                }
            }
            Self::Decision { crowned, quarantines } => {
                if let Some(version) = crowned {
                    standing.use_approvals(version);
                }
                for version in quarantines {
                    standing.quarantine(*version);
                }
            }
        }
    }

    /// The version that keeps the entry from being appended, because the entry would make it champion although it is in
    /// quarantine, or although the entry itself puts it there. `is_quarantined` is about the standing that the entry starts
    /// from.
    #[must_use]
    pub fn forbidden(&self, is_quarantined: impl FnOnce(u64) -> bool) -> Option<u64> {
        let Self::Decision { crowned: Some(version), quarantines } = *self else { return None };
        (quarantines.contains(&version) || is_quarantined(version)).then_some(version)
    }
}

/// Whether a decision of the policy `decided_by` may follow a standing with the active policy `active`. `None` stands for a
/// policy that is not on record as the active one, and for no active policy. An emergency sets the rule aside, on record.
#[must_use]
pub fn may_decide(
    active: Option<PolicyDigest>,
    decided_by: Option<PolicyDigest>,
    is_set_aside: bool,
) -> bool {
    match active {
        Some(_) => decided_by == active || is_set_aside,
        None => decided_by.is_none(),
    }
}

/// How many approvals a change of the active policy still needs, which asks for `asked` and has `given`. The policy that is
/// active asks; where none is, nothing asks.
#[must_use]
pub fn approvals_needed(asked: u32, given: u32) -> u32 {
    asked.saturating_sub(given)
}
