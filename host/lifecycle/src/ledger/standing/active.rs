//! The active panel of policies, and the approvals that its change needs.

use serde::{Deserialize, Serialize};

use super::Standing;
use crate::ledger::entry::forms::{optional_number, text_number};
use crate::ledger::entry::parts::is_zero;
use crate::ledger::entry::{Activation, Entry};
use hydra_base::actor;
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::{Sha256, Timestamp};
use hydra_ledger_rules::standing::{Act, PolicyDigest, approvals_needed};

/// The most live approvals of panels.
pub const MAX_PANEL_APPROVALS: usize = 64;

/// The active panel of policies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActivePanel {
    /// The SHA-256 of its document.
    pub sha256: Sha256,
    /// How many people must approve before another panel, or none, takes its place.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub approvals: u32,
    /// The self-declared name of the person who activated it.
    pub by: String,
    /// The user that the server said was authenticated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// When, in milliseconds.
    #[serde(with = "text_number")]
    pub at: Timestamp,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The request that activated it.
    pub operation_id: String,
}

/// An approval of a panel as the active one that was not used yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PanelApproval {
    /// The SHA-256 of the panel's document; all zeros: that no policy is active any more.
    pub sha256: Sha256,
    /// The self-declared name of the approver.
    pub by: String,
    /// The user that the server said was authenticated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// When, in milliseconds.
    #[serde(with = "text_number")]
    pub at: Timestamp,
    /// When it ends, in milliseconds; none if only its use ends it.
    #[serde(default, with = "optional_number", skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
    /// The reason that the approver gave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The request that gave it.
    pub operation_id: String,
}

impl Standing {
    /// The active panel, if there is one.
    #[must_use]
    pub fn panel(&self) -> Option<&ActivePanel> {
        self.panel.as_ref()
    }

    /// Every approval of a panel that was not used, in the order in which they were given. Some may have expired.
    #[must_use]
    pub fn panel_approvals(&self) -> &[PanelApproval] {
        &self.panel_approvals
    }

    /// The approvals that count at `now` for a request of `requester` to make the panel `sha256` the active one, or none with
    /// [`Sha256::NONE`]: one of each person other than the requester. Two names are one person's if they are equal, or if the
    /// server said that they are the same user.
    #[must_use]
    pub fn counting_panel_approvals(
        &self,
        sha256: Sha256,
        requester: (&str, Option<&str>),
        now: Timestamp,
    ) -> Vec<&PanelApproval> {
        let mut counting: Vec<&PanelApproval> = Vec::new();
        let mut seen = vec![requester];
        for approval in &self.panel_approvals {
            if approval.sha256 != sha256 || !approval.is_live(now) {
                continue;
            }
            let person = (approval.by.as_str(), approval.user.as_deref());
            if !seen.iter().any(|known| is_same(*known, person)) {
                counting.push(approval);
            }
            seen.push(person);
        }
        counting
    }

    /// Makes sure that there is room for an approval of a panel: `TooManyApprovals` beyond [`MAX_PANEL_APPROVALS`].
    pub fn ensure_room_for_panel_approval(&self, sha256: Sha256, by: &str, now: Timestamp) -> Result<()> {
        let others = self.panel_approvals.iter().filter(|approval| approval.is_live(now));
        let others = others.filter(|earlier| !(earlier.sha256 == sha256 && actor::is_same(&earlier.by, by)));
        if others.count() < MAX_PANEL_APPROVALS {
            return Ok(());
        }
        let message = format!(
            "the model has {MAX_PANEL_APPROVALS} live approvals of policies, the most that it can have"
        );
        Err(Error::new(ErrorKind::TooManyApprovals, message).with_hint(
            "an activation uses the approvals of its policy; `hydra-registry policy active` shows them",
        ))
    }

    /// Makes sure that an entry that changes the active panel has the approvals that the active one asks for:
    /// `ActivationApprovals` otherwise.
    pub(in crate::ledger) fn ensure_approved(&self, entry: &Entry) -> Result<()> {
        let wanted = entry.with_act(|act| match act {
            Act::Activate(policy) => Some(policy),
            _ => None,
        });
        let sha256 = match (wanted, &entry.activation) {
            (None, _) => return Ok(()),
            (Some(Some(_)), Some(activation)) => activation.panel_sha256,
            (Some(_), _) => Sha256::NONE,
        };
        self.ensure_may_become_active(sha256, (&entry.actor, entry.user.as_deref()), entry.at)
    }

    /// Makes sure that a request of `requester` at `now` may make the panel `sha256` the active one, or none with
    /// [`Sha256::NONE`]: `ActivationApprovals` if the active one asks for more approvals.
    pub fn ensure_may_become_active(
        &self,
        sha256: Sha256,
        requester: (&str, Option<&str>),
        now: Timestamp,
    ) -> Result<()> {
        let Some(active) = &self.panel else { return Ok(()) };
        let given = self.counting_panel_approvals(sha256, requester, now);
        let count = u32::try_from(given.len()).unwrap_or(u32::MAX);
        let needed = approvals_needed(active.approvals, count);
        if needed == 0 {
            return Ok(());
        }
        let by: Vec<&str> = given.iter().map(|approval| approval.by.as_str()).collect();
        let of = if sha256 == Sha256::NONE { "--deactivation".to_owned() } else { sha256.to_string() };
        let error = Error::new(
            ErrorKind::ActivationApprovals,
            format!(
                "the active policy asks for {} approvals by others before it changes, and has {count}",
                active.approvals
            ),
        )
        .with_context("active policy", active.sha256)
        .with_hint(format!(
            "ask {needed} more people, other than the requester, to run `hydra-registry policy approve {of}`, and repeat the command"
        ));
        Err(if by.is_empty() { error } else { error.with_context("approved by", by.join(", ")) })
    }
}

impl PanelApproval {
    /// Whether it has not expired at `now`.
    #[must_use]
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.expires.is_none_or(|expires| now < expires)
    }

    pub(super) fn policy(&self) -> Option<PolicyDigest> {
        Activation::of(self.sha256).policy()
    }
}

/// The panel that an entry makes the active one.
pub(super) fn active_panel(entry: &Entry) -> Option<ActivePanel> {
    let activation = entry.activation.as_ref()?;
    Some(ActivePanel {
        sha256: activation.panel_sha256,
        approvals: activation.approvals,
        by: entry.actor.clone(),
        user: entry.user.clone(),
        at: entry.at,
        reason: entry.reason.clone(),
        operation_id: entry.operation_id.clone(),
    })
}

/// The approval of a panel that an entry gives.
pub(super) fn panel_approval(entry: &Entry) -> Option<PanelApproval> {
    let activation = entry.activation.as_ref()?;
    Some(PanelApproval {
        sha256: activation.panel_sha256,
        by: entry.actor.clone(),
        user: entry.user.clone(),
        at: entry.at,
        expires: activation.expires,
        reason: entry.reason.clone(),
        operation_id: entry.operation_id.clone(),
    })
}

fn is_same(one: (&str, Option<&str>), other: (&str, Option<&str>)) -> bool {
    let same_user = one.1.is_some() && one.1 == other.1;
    same_user || actor::is_same(one.0, other.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::entry::EntryKind;
    use hydra_base::aliases::AliasState;

    fn entry(operation: EntryKind, actor: &str, user: Option<&str>, activation: Activation) -> Entry {
        let mut entry = Entry::new("l", operation, (1, None), AliasState::default(), 10, 1);
        actor.clone_into(&mut entry.actor);
        entry.user = user.map(str::to_owned);
        entry.activation = Some(activation);
        entry
    }

    fn after(standing: &Standing, entry: &Entry) -> Standing {
        standing.after(entry).expect("it changes something")
    }

    #[test]
    fn a_person_counts_once_by_name_and_by_authenticated_user() {
        let (first, next) = (Sha256::of(b"first"), Sha256::of(b"next"));
        let active = Activation { approvals: 2, ..Activation::of(first) };
        let mut standing =
            after(&Standing::none("l"), &entry(EntryKind::Activate, "ann", Some("u1"), active));
        let wish = entry(EntryKind::Activate, "ann", Some("u1"), Activation::of(next));
        let needed = |standing: &Standing| match standing.ensure_approved(&wish) {
            Ok(()) => 0,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::ActivationApprovals);
                2 - standing.counting_panel_approvals(next, ("ann", Some("u1")), 10).len()
            }
        };
        for (actor, user, left) in [
            ("bob", Some("u1"), 2),
            (" ANN", None, 2),
            ("carl", Some("u2"), 1),
            ("dora", Some("u2"), 1),
            ("Carl ", Some("u2"), 1),
            ("eve", None, 0),
        ] {
            standing = after(&standing, &entry(EntryKind::Approve, actor, user, Activation::of(next)));
            assert_eq!(needed(&standing), left, "{actor}");
        }
        let used = after(&standing, &wish);
        assert_eq!((used.panel().map(|panel| panel.sha256), used.panel_approvals()), (Some(next), &[][..]));
        let ended = after(&used, &entry(EntryKind::Deactivate, "ann", None, Activation::of(Sha256::NONE)));
        assert_eq!(ended.panel(), None);
    }

    #[test]
    fn approvals_end_when_they_expire_and_with_a_change_of_what_they_are_about() {
        let (first, next) = (Sha256::of(b"first"), Sha256::of(b"next"));
        let short = Activation { expires: Some(11), ..Activation::of(next) };
        let mut standing = after(&Standing::none("l"), &entry(EntryKind::Approve, "bob", None, short));
        assert_eq!(standing.counting_panel_approvals(next, ("ann", None), 10).len(), 1);
        assert_eq!(standing.counting_panel_approvals(next, ("ann", None), 11).len(), 0);
        let none = Activation::of(Sha256::NONE);
        standing = after(&standing, &entry(EntryKind::Approve, "bob", None, none));
        let mut activated = entry(EntryKind::Activate, "ann", None, Activation::of(first));
        activated.at = 11;
        assert_eq!(after(&standing, &activated).panel_approvals(), []);
        // An entry that names no panel activates none.
        let empty = entry(EntryKind::Activate, "ann", None, Activation::of(Sha256::NONE));
        assert!(Standing::none("l").after(&empty).is_none());
    }
}
