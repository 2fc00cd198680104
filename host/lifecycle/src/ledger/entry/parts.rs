//! The parts of an entry that only some kinds of entries have.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::forms::{optional_number, text_number, text_version};
use crate::evaluations::{EvaluationFlaw, LeftOut, UsedEvaluation};
use hydra_base::names::{RunId, Version};
use hydra_base::{PolicyIdentity, Sha256, Timestamp};
use hydra_ledger_rules::Number;
use hydra_ledger_rules::standing::PolicyDigest;
use hydra_policy::{Budget, Change, PanelRole, Usage, VerdictKind};

/// What only a decision of a policy has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decided {
    /// The policy.
    pub policy: PolicyIdentity,
    /// Its verdict.
    pub verdict: VerdictKind,
    /// The resources that the decision used.
    pub usage: Usage,
    /// The resources that it was allowed to use.
    pub budget: Budget,
    /// The SHA-256 of the archived input.
    pub input_sha256: Sha256,
    /// The SHA-256 of the evidence without the time: equal for requests that saw the same.
    pub evidence_sha256: Sha256,
    /// The SHA-256 of the model file of the version decided about: as found when the file was opened, else as the
    /// version's tag has it. Not a [`Sha256`], because another program may have written anything into the tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_sha256: Option<String>,
    /// The evaluations that the host found: first those that it left out, then those that the policy received.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evaluations: Vec<EvaluationNote>,
    /// The number of evaluations that the entry has no room for.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub more_evaluations: u32,
    /// What users of the champion notice: how the target differs from it.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub changes: BTreeSet<Change>,
    /// The answers of all policies, the leader's first; empty if one policy decides alone. Then the policy, the usage and the
    /// budget above are the leader's, and the verdict is that of all policies together.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub panel: Vec<PanelAnswer>,
    /// The SHA-256 of the archived document of a panel's decision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision_sha256: Option<Sha256>,
    /// Who signed the policy, by the trust rules of the author; at most 4 texts of at most 64 bytes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signers: Vec<String>,
    /// The SHA-256 of the manifests of the artifacts in registries that the policies came from; at most 4.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub manifests: Vec<String>,
}

impl Decided {
    /// The SHA-256 of each policy that was asked, once.
    #[must_use]
    pub fn policies(&self) -> BTreeSet<Sha256> {
        let panel = self.panel.iter().map(|answer| answer.sha256);
        panel.chain([self.policy.sha256]).collect()
    }

    /// Whether it has only parts that schema 1 has.
    pub(super) fn is_of_schema_1(&self) -> bool {
        self.changes.is_empty()
            && self.evaluations.is_empty()
            && self.more_evaluations == 0
            && self.panel.is_empty()
            && self.decision_sha256.is_none()
            && self.signers.is_empty()
            && self.manifests.is_empty()
    }
}

/// An evaluation that the host found for a decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvaluationNote {
    /// The name of the dataset.
    pub dataset: String,
    /// The SHA-256 of the document; none if the tag does not contain it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Sha256>,
    /// Whether the command that decided also measured.
    #[serde(default, skip_serializing_if = "is_false")]
    pub first_hand: bool,
    /// Why it was left out; none if the policy received it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flaw: Option<EvaluationFlaw>,
}

/// The most bytes of an entry that evaluations take.
const NOTES_BYTES: usize = 1_200;

impl EvaluationNote {
    /// What an entry has room for, and the number of the others. The archived input has all that the policy received, and so those
    /// that were left out come first.
    pub(crate) fn of(left_out: &[LeftOut], used: &[UsedEvaluation]) -> (Vec<Self>, u32) {
        let left_out = left_out.iter().map(|one| Self {
            dataset: one.dataset.clone(),
            sha256: one.sha256,
            first_hand: false,
            flaw: Some(one.flaw),
        });
        let used = used.iter().map(|one| Self {
            dataset: one.dataset.clone(),
            sha256: Some(one.sha256),
            first_hand: one.first_hand,
            flaw: None,
        });
        let mut room = NOTES_BYTES;
        let mut notes = Vec::new();
        let mut more = 0;
        for note in left_out.chain(used) {
            let bytes = serde_json::to_string(&note).map_or(usize::MAX, |text| text.len().saturating_add(1));
            match room.checked_sub(bytes) {
                Some(rest) => {
                    room = rest;
                    notes.push(note);
                }
                None => more += 1,
            }
        }
        (notes, more)
    }
}

/// What one policy of a panel answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PanelAnswer {
    /// The SHA-256 of the policy's component.
    pub sha256: Sha256,
    /// The part of the policy.
    pub mode: PanelRole,
    /// Its answer.
    pub verdict: PanelVerdict,
}

/// The answer of a policy in a panel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PanelVerdict {
    /// Do it.
    Approve,
    /// No.
    Reject,
    /// Not yet.
    Hold,
    /// The policy failed; only of a monitor, because any other failure is recorded nowhere.
    Error,
}

impl PanelVerdict {
    /// The verdict of a policy that did not fail.
    #[must_use]
    pub fn kind(self) -> Option<VerdictKind> {
        match self {
            Self::Approve => Some(VerdictKind::Approve),
            Self::Reject => Some(VerdictKind::Reject),
            Self::Hold => Some(VerdictKind::Hold),
            Self::Error => None,
        }
    }
}

impl From<VerdictKind> for PanelVerdict {
    fn from(verdict: VerdictKind) -> Self {
        match verdict {
            VerdictKind::Approve => Self::Approve,
            VerdictKind::Reject => Self::Reject,
            VerdictKind::Hold => Self::Hold,
        }
    }
}

impl fmt::Display for PanelVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Approve => "approve",
            Self::Reject => "reject",
            Self::Hold => "hold",
            Self::Error => "error",
        })
    }
}

/// Names the standing document that holds after an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StandingRef {
    /// Its number, from 1.
    #[serde(with = "text_number")]
    pub number: u64,
    /// The SHA-256 of its bytes.
    pub sha256: Sha256,
}

/// What only an entry of a verb about one version has.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subject {
    /// The SHA-256 of the version's model file, as found or as the version's tag has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_sha256: Option<String>,
    /// When an approval ends, in milliseconds.
    #[serde(default, with = "optional_number", skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
    /// Whether the approver also logged the version.
    #[serde(default, skip_serializing_if = "is_false")]
    pub own: bool,
}

/// What only an entry has that makes a policy the active one, or that approves one as such.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Activation {
    /// The SHA-256 of the panel's document; all zeros in an approval that no policy is active any more.
    pub panel_sha256: Sha256,
    /// How many people must approve before another panel, or none, takes its place.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub approvals: u32,
    /// When an approval ends, in milliseconds; none if only its use ends it.
    #[serde(default, with = "optional_number", skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
    /// The ids of the keys that signed its policies, as trust rules found them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signers: Vec<String>,
    /// The SHA-256 of the manifests of the artifacts in registries that its policies came from; at most 4.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub manifests: Vec<String>,
}

impl Activation {
    /// That this panel is the active one.
    #[must_use]
    pub fn of(panel_sha256: Sha256) -> Self {
        Self { panel_sha256, approvals: 0, expires: None, signers: Vec::new(), manifests: Vec::new() }
    }

    /// The digest of the panel as the rules have it: none if no panel is meant.
    #[must_use]
    pub fn policy(&self) -> Option<PolicyDigest> {
        Some(*self.panel_sha256.as_bytes()).filter(|_| self.panel_sha256 != Sha256::NONE)
    }
}

/// What only an `archive` entry has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewArchive {
    /// The run that holds the archive from this entry on.
    pub run_id: RunId,
}

/// What only the first entry has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// The registered model.
    pub model: String,
    /// When that was created. A model of the same name with another time is another model.
    #[serde(with = "text_number")]
    pub model_created_at: Timestamp,
    /// The run that holds inputs and policies.
    pub run_id: RunId,
}

/// What only a checkpoint has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bridge {
    /// The last entry below the damage that counts; zero when none is known.
    #[serde(with = "text_number")]
    pub trusted: Number,
    /// The newest number that is damaged.
    #[serde(with = "text_number")]
    pub damaged: Number,
}

/// A move of an alias that is not part of the ledger's state, such as `candidate` leaving the version promoted. It is carried out only
/// if the alias is still where the decision saw it, and never repaired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SideMove {
    /// Where it was.
    #[serde(with = "text_version")]
    pub from: Option<Version>,
    /// Where it goes.
    #[serde(with = "text_version")]
    pub to: Option<Version>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde requires this signature")]
fn is_false(value: &bool) -> bool {
    !value
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde requires this signature")]
pub(in crate::ledger) fn is_zero(value: &u32) -> bool {
    *value == 0
}
