//! A request for a decision, and what came of it.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

use crate::evaluations::{LeftOut, UsedEvaluation};
use crate::evidence::Target;
use crate::ledger::head::Head;
use crate::model_facts::ModelChange;
use crate::panel::Answer;
use hydra_base::aliases::AliasState;
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::names::{Alias, ModelName, Version};
use hydra_base::{PolicyIdentity, Sha256, Timestamp};
use hydra_evaluation::Evaluation;
use hydra_policy::{Operation, OverrideKind};

/// A request for a decision.
#[derive(Debug, Clone)]
#[non_exhaustive]
#[must_use = "a request is not carried out until it is passed to `Transitions`"]
pub struct Request {
    /// A promotion or a rollback.
    pub operation: Operation,
    /// The version it is about.
    pub target: Target,
    /// Why, for the ledger and for the policy.
    pub reason: Option<String>,
    /// Decide and explain, but change nothing.
    pub dry_run: bool,
    /// The rules of the host that the request sets aside.
    pub overrides: BTreeSet<OverrideKind>,
    /// For rollbacks: put the version that stops being champion in quarantine.
    pub quarantine: bool,
    /// The evaluations that the caller measured for this request.
    pub first_hand: Vec<Evaluation>,
    /// The newest entry that the ledger must have when it is decided.
    pub expected_head: Option<Head>,
}

impl Request {
    /// A request to promote.
    pub fn promote(target: impl Into<Target>) -> Self {
        Self::new(Operation::Promote, target.into())
    }

    /// A request to roll back.
    pub fn rollback(target: impl Into<Target>) -> Self {
        Self::new(Operation::Rollback, target.into())
    }

    fn new(operation: Operation, target: Target) -> Self {
        Self {
            operation,
            target,
            reason: None,
            dry_run: false,
            overrides: BTreeSet::new(),
            quarantine: false,
            first_hand: Vec::new(),
            expected_head: None,
        }
    }

    /// Sets the reason.
    pub fn with_reason(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    /// Sets a rule of the host aside, on record.
    pub fn with_override(mut self, rule: OverrideKind) -> Self {
        self.overrides.insert(rule);
        self
    }

    /// Makes a rollback put the version that it leaves in quarantine.
    pub fn with_quarantine(mut self) -> Self {
        self.quarantine = true;
        self
    }

    /// Adds an evaluation that the caller measured for this request.
    pub fn with_first_hand(mut self, evaluation: Evaluation) -> Self {
        self.first_hand.push(evaluation);
        self
    }

    /// Makes it fail with `HeadMoved` unless this is the newest entry of the ledger when it is decided.
    pub fn with_expected_head(mut self, head: Head) -> Self {
        self.expected_head = Some(head);
        self
    }

    /// Makes it a dry run.
    pub fn with_dry_run(mut self) -> Self {
        self.dry_run = true;
        self
    }
}

/// What came of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Outcome {
    /// Approved, and the aliases are where the policy wants them.
    Done,
    /// Approved, but the champion stays: the policy moved other aliases only.
    Staged,
    /// The version is champion already: nothing to do, and the policy was not asked.
    Unchanged,
    /// The policy said no.
    Rejected,
    /// The policy said not yet.
    Held,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Done => "done",
            Self::Staged => "staged",
            Self::Unchanged => "unchanged",
            Self::Rejected => "rejected",
            Self::Held => "held",
        })
    }
}

/// A request with its decision and its effect.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Transition {
    /// The registered model.
    pub model: ModelName,
    /// What was asked for.
    pub operation: Operation,
    /// The version it was about.
    pub target: Option<Version>,
    /// What came of it.
    pub outcome: Outcome,
    /// The aliases before.
    pub before: AliasState,
    /// The aliases after; with a dry run, as they would be.
    pub after: AliasState,
    /// The versions that it puts in quarantine; with a dry run, that it would put there.
    pub quarantined: BTreeSet<Version>,
    /// The policy that decided, or that leads the panel that decided; `None` when none was asked.
    pub policy: Option<PolicyIdentity>,
    /// The SHA-256 of the document of the policy that was active for the model; `None` when none was. It decided, unless
    /// [`overrides`](Self::overrides) has [`OverrideKind::InactivePolicy`].
    pub active_policy: Option<Sha256>,
    /// The answers of all policies, the leader's first, if several decided together; else empty.
    pub panel: Vec<Answer>,
    /// Why, for people.
    pub explanation: String,
    /// The instructions that the decision took; those of the leader, if several policies decided.
    pub fuel: u64,
    /// Who asked.
    pub actor: String,
    /// Why they asked.
    pub reason: Option<String>,
    /// When it was decided.
    pub at: Timestamp,
    /// The rules of the host that were in the way, and that the request set aside.
    pub overrides: BTreeSet<OverrideKind>,
    /// What changes for the users of the predictions between the champion before and the version that the request is about.
    /// Empty if either is missing or was not opened.
    pub model_changes: Vec<ModelChange>,
    /// The SHA-256 of the model file of that version: as found in the store, else as its tag says.
    pub model_sha256: Option<String>,
    /// The evaluations that the policy received, by the name of the dataset.
    pub evaluations: Vec<UsedEvaluation>,
    /// The evaluations that it did not receive, by the name of the dataset.
    pub left_out: Vec<LeftOut>,
    /// Whether it was only tried out.
    pub dry_run: bool,
    /// The number of the ledger entry that records it; `None` when there was nothing to record. A refusal repeated on equal
    /// evidence has the number of the first.
    pub sequence: Option<u64>,
}

impl Transition {
    /// The transition if it took place or there was nothing to do; the refusal as an error otherwise: `NoArchived` when a
    /// rollback found nothing to go back to, else `Rejected` or `Held`.
    pub fn into_result(self) -> Result<Self> {
        let kind = match self.outcome {
            Outcome::Done | Outcome::Staged | Outcome::Unchanged => return Ok(self),
            Outcome::Held => ErrorKind::Held,
            Outcome::Rejected if self.nothing_to_go_back_to() => ErrorKind::NoArchived,
            Outcome::Rejected => ErrorKind::Rejected,
        };
        Err(Error::new(kind, self.explanation))
    }

    fn nothing_to_go_back_to(&self) -> bool {
        self.operation == Operation::Rollback
            && self.target.is_none()
            && self.before.get(&Alias::ARCHIVED).is_none()
    }
}
