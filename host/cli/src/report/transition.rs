//! The JSON shape of a decision, and its text for people.

use std::fmt::Write as _;

use schemars::JsonSchema;
use serde::Serialize;

use super::{AnswerReport, LeftOutReport, UsedReport, schema, time};
use hydra_base::names::Version;
use hydra_base::text::printable;
use hydra_base::{PolicyIdentity, Sha256};
use hydra_lifecycle::model_facts::ModelChange;
use hydra_policy::OverrideKind;
use hydra_registry::{Outcome, Transition};

/// `promote` and `rollback`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct TransitionReport {
    /// `hydra-registry/transition/1`.
    pub schema: &'static str,
    /// The registered model.
    pub model: String,
    /// `promote` or `rollback`.
    pub operation: String,
    /// The version that it is about.
    #[schemars(with = "Option<u64>")]
    pub target: Option<Version>,
    /// The outcome.
    #[schemars(with = "schema::OutcomeName")]
    pub outcome: Outcome,
    /// The explanation.
    pub explanation: String,
    /// The managed aliases that changed or, in a dry run, would change.
    pub changes: Vec<ChangeReport>,
    /// The versions that it puts in quarantine, or with a dry run would put there.
    #[schemars(with = "Vec<u64>")]
    pub quarantined: Vec<Version>,
    /// The policy that decided, or that leads the policies that decided.
    #[schemars(with = "Option<schema::Identity>")]
    pub policy: Option<PolicyIdentity>,
    /// The SHA-256 of the document of the policy that is active for the model; none if no policy is. It decided, unless `overrides`
    /// has `inactive-policy`.
    #[schemars(with = "Option<String>")]
    pub active_policy: Option<Sha256>,
    /// The answers of all policies, if several decided together.
    pub panel: Vec<AnswerReport>,
    /// The instructions that the decision used; those of the leader, if several policies decided.
    pub fuel: u64,
    /// The requester.
    pub actor: String,
    /// The requester's reason.
    pub reason: Option<String>,
    /// The time of the decision.
    pub at: String,
    /// The rules of the host that the request set aside.
    pub overrides: Vec<String>,
    /// What changes for the users of the predictions.
    #[schemars(with = "Vec<schema::ChangeOfModel>")]
    pub model_changes: Vec<ModelChange>,
    /// The SHA-256 of the model file of the version, as found in the store.
    pub model_sha256: Option<String>,
    /// The evaluations that the policy received.
    pub evaluations: Vec<UsedReport>,
    /// The evaluations that it did not receive.
    pub evaluations_left_out: Vec<LeftOutReport>,
    /// Whether this was a dry run.
    pub dry_run: bool,
    /// The number of the ledger entry; `None` if there was nothing to record.
    pub sequence: Option<u64>,
}

/// One alias that changed.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ChangeReport {
    /// The alias.
    pub alias: String,
    /// The version before.
    #[schemars(with = "Option<u64>")]
    pub from: Option<Version>,
    /// The version after.
    #[schemars(with = "Option<u64>")]
    pub to: Option<Version>,
}

impl From<&Transition> for TransitionReport {
    fn from(transition: &Transition) -> Self {
        Self {
            schema: "hydra-registry/transition/1",
            model: transition.model.to_string(),
            operation: transition.operation.to_string(),
            target: transition.target,
            outcome: transition.outcome,
            explanation: transition.explanation.clone(),
            changes: ChangeReport::between(&transition.before, &transition.after),
            quarantined: transition.quarantined.iter().copied().collect(),
            policy: transition.policy.clone(),
            active_policy: transition.active_policy,
            panel: AnswerReport::all(&transition.panel),
            fuel: transition.fuel,
            actor: transition.actor.clone(),
            reason: transition.reason.clone(),
            at: time(transition.at),
            overrides: transition.overrides.iter().map(ToString::to_string).collect(),
            model_changes: transition.model_changes.clone(),
            model_sha256: transition.model_sha256.clone(),
            evaluations: transition.evaluations.iter().map(UsedReport::from).collect(),
            evaluations_left_out: transition.left_out.iter().map(LeftOutReport::from).collect(),
            dry_run: transition.dry_run,
            sequence: transition.sequence,
        }
    }
}

impl TransitionReport {
    /// What must not be overlooked: what changes for the users of the predictions, or would change if the request were approved;
    /// rules that were set aside; and evaluations that were left out.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let changes = self.model_changes.iter().map(|change| printable(&change.to_string()));
        let is_approved = matches!(self.outcome, Outcome::Done | Outcome::Staged);
        let overrides = self.overrides.iter().filter(|_| is_approved);
        let overrides = overrides.map(|rule| format!("set aside, on record: {rule}"));
        let left_out = self.evaluations_left_out.iter().map(|left_out| printable(&left_out.warning));
        changes.chain(overrides).chain(left_out).collect()
    }

    fn active_text(&self) -> String {
        match &self.active_policy {
            None if self.overrides.contains(&OverrideKind::InactivePolicy.to_string()) => {
                "none by the ledger, and one by a tag of the model, which the request sets aside".to_owned()
            }
            None => "none: this host chose the policy; `hydra-registry policy activate` makes one that of every host"
                .to_owned(),
            Some(active) if self.overrides.contains(&OverrideKind::InactivePolicy.to_string()) => {
                format!("{active}, which the request sets aside")
            }
            Some(active) => format!("{active}, which decided"),
        }
    }

    /// For people: the outcome, the version, the policy and the next step.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        let subject = self
            .target
            .map_or_else(|| self.model.clone(), |version| format!("{} version {version}", self.model));
        let what = match (self.outcome, self.dry_run) {
            (Outcome::Done, false) => format!("{} of {subject}: done", self.operation),
            (Outcome::Done, true) => {
                format!("{} of {subject} would be done (dry run: nothing changed)", self.operation)
            }
            (Outcome::Staged, false) => {
                format!("{} of {subject}: staged, the champion stays", self.operation)
            }
            (Outcome::Staged, true) => {
                format!("{} of {subject} would be staged (dry run: nothing changed)", self.operation)
            }
            (Outcome::Unchanged, _) => format!("{} of {subject}: nothing to do", self.operation),
            (Outcome::Held, _) => format!("{} of {subject}: on hold", self.operation),
            (outcome, _) => format!("{} of {subject}: {outcome}", self.operation),
        };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{what}");
        for warning in self.warnings() {
            let _ = writeln!(text, "  WARNING {warning}");
        }
        let _ = writeln!(text, "  why     {}", printable(&self.explanation));
        for change in &self.changes {
            let _ = writeln!(text, "  alias   {}", change.text());
        }
        for version in &self.quarantined {
            let end = format!("; `hydra-registry release {version}` ends it");
            let end = if self.dry_run { "" } else { end.as_str() };
            let _ = writeln!(text, "  quarantine  version {version}{end}");
        }
        for evaluation in &self.evaluations {
            let _ = writeln!(text, "  evaluation  {}", evaluation.text());
        }
        for answer in &self.panel {
            let _ = writeln!(text, "  {}", answer.text());
        }
        if let Some(policy) = &self.policy {
            let policy = printable(&policy.to_string());
            let _ = writeln!(text, "  policy  {policy}, {} instructions", self.fuel);
            let _ = writeln!(text, "  active  {}", self.active_text());
        }
        if let Some(sequence) = self.sequence {
            let _ = writeln!(text, "  ledger  entry {sequence}");
        }
        let _ = match (self.outcome, self.dry_run) {
            (Outcome::Done | Outcome::Staged, true) => {
                writeln!(text, "next: the same command without --dry-run")
            }
            (Outcome::Done, false) => {
                writeln!(text, "next: hydra-registry champion, or hydra-registry history")
            }
            (Outcome::Held, _) => {
                writeln!(text, "next: try again later; exit status 3 means a hold, 1 a rejection")
            }
            _ => Ok(()),
        };
        text
    }
}
