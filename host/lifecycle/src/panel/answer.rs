//! The answer of one policy of a panel.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ledger::entry::{PanelAnswer, PanelVerdict};
use crate::panel::Member;
use hydra_base::PolicyIdentity;
use hydra_base::aliases::AliasMove;
use hydra_base::error::Error;
use hydra_base::names::PolicyName;
use hydra_policy::{Budget, Decision, PanelRole, Usage, VerdictKind, alias_moves};

/// What one policy of a panel was asked with, and what it answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Answer {
    /// Its name in the panel.
    pub name: PolicyName,
    /// Its part.
    pub mode: PanelRole,
    /// The policy.
    pub policy: PolicyIdentity,
    /// Its settings, checked and completed.
    pub settings: BTreeMap<String, String>,
    /// The resources that it was allowed to use.
    pub budget: Budget,
    /// Its verdict; [`PanelVerdict::Error`] only for monitors.
    pub verdict: PanelVerdict,
    /// Why, in its own words; the message of the error of a monitor that failed.
    pub explanation: String,
    /// The moves that it proposed. Only those of the leader count.
    #[serde(default, with = "alias_moves", skip_serializing_if = "Vec::is_empty")]
    pub moves: Vec<AliasMove>,
    /// The kind of the error, in kebab case, if it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The resources that it used; none if it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
}

impl Answer {
    pub(super) fn new(
        member: &Member,
        settings: BTreeMap<String, String>,
        decision: Result<&Decision, &Error>,
    ) -> Self {
        let (verdict, explanation) = match decision {
            Ok(decision) => (decision.verdict.kind().into(), decision.verdict.explanation()),
            Err(error) => (PanelVerdict::Error, error.message()),
        };
        let decided = decision.ok();
        Self {
            name: member.name.clone(),
            mode: member.role,
            policy: member.policy.identity(),
            settings,
            budget: member.policy.budget().clone(),
            verdict,
            explanation: explanation.to_owned(),
            moves: decided.map(|decision| decision.verdict.moves().to_vec()).unwrap_or_default(),
            error: decision.err().map(|error| error.kind().to_string()),
            usage: decided.map(|decision| decision.usage),
        }
    }

    /// The verdict of a policy that did not fail.
    #[must_use]
    pub fn verdict_kind(&self) -> Option<VerdictKind> {
        self.verdict.kind()
    }

    /// The answer among `answers` that decides.
    #[must_use]
    pub fn deciding(answers: &[Self]) -> Option<&Self> {
        let brief: Vec<PanelAnswer> = answers.iter().map(Self::in_brief).collect();
        answers.get(deciding(&brief))
    }

    /// Its form in an entry of the ledger.
    #[must_use]
    pub fn in_brief(&self) -> PanelAnswer {
        PanelAnswer { sha256: self.policy.sha256, mode: self.mode, verdict: self.verdict }
    }
}

/// The index of the answer that decides: the first one with the strictest verdict among those that count.
#[must_use]
pub fn deciding<'a>(answers: impl IntoIterator<Item = &'a PanelAnswer>) -> usize {
    let counted = answers.into_iter().enumerate().filter(|(_, answer)| answer.mode != PanelRole::Monitor);
    // Of several equal ones, `min_by_key` returns the first.
    let strictest = counted.min_by_key(|(_, answer)| severity(answer.verdict));
    strictest.map_or(0, |(index, _)| index)
}

/// The rank of a verdict, the strictest first.
pub(super) fn severity(verdict: PanelVerdict) -> u8 {
    match verdict {
        PanelVerdict::Error => 0,
        PanelVerdict::Reject => 1,
        PanelVerdict::Hold => 2,
        PanelVerdict::Approve => 3,
    }
}
