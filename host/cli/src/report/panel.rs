//! The answers of policies that decided together, in the reports of several commands.

use schemars::JsonSchema;
use serde::Serialize;

use super::schema;
use hydra_base::text::printable;
use hydra_base::{PolicyIdentity, Sha256};
use hydra_lifecycle::ledger::entry::{PanelAnswer, PanelVerdict};
use hydra_lifecycle::panel::{Answer, Panel, deciding};
use hydra_policy::PanelRole;

/// A policy of a panel.
#[derive(Debug, Serialize, JsonSchema)]
pub struct MemberReport {
    /// Its name in the panel.
    pub name: String,
    /// Its part.
    pub mode: PanelRole,
    /// The policy.
    #[schemars(with = "schema::Identity")]
    pub policy: PolicyIdentity,
}

impl MemberReport {
    /// All policies of a panel; none if one decides alone.
    #[must_use]
    pub fn all(panel: &Panel) -> Vec<Self> {
        let together = panel.members().filter(|_| !panel.is_alone());
        let report = together.map(|member| Self {
            name: member.name.to_string(),
            mode: member.role,
            policy: member.policy.identity(),
        });
        report.collect()
    }
}

/// What one policy of a panel answered.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct AnswerReport {
    /// Its part.
    pub mode: PanelRole,
    /// The SHA-256 of its component.
    #[schemars(with = "String")]
    pub sha256: Sha256,
    /// Its verdict.
    #[schemars(with = "schema::AnswerName")]
    pub verdict: PanelVerdict,
    /// Whether its verdict is the one that decided.
    pub decides: bool,
    /// Its name in the panel; `None` if the archived answers could not be read, as in the fields below.
    pub name: Option<String>,
    /// The policy.
    #[schemars(with = "Option<schema::Identity>")]
    pub policy: Option<PolicyIdentity>,
    /// Why; the message of the error of a monitor that failed.
    pub explanation: Option<String>,
    /// The kind of that error.
    pub error: Option<String>,
    /// The instructions that its decision used; `None` if it failed.
    pub fuel: Option<u64>,
}

impl AnswerReport {
    /// The answers in full.
    #[must_use]
    pub fn all(answers: &[Answer]) -> Vec<Self> {
        let brief: Vec<PanelAnswer> = answers.iter().map(Answer::in_brief).collect();
        let full = Self::brief(&brief).into_iter().zip(answers).map(|(report, answer)| Self {
            name: Some(answer.name.to_string()),
            policy: Some(answer.policy.clone()),
            explanation: Some(answer.explanation.clone()),
            error: answer.error.clone(),
            fuel: answer.usage.map(|usage| usage.fuel),
            ..report
        });
        full.collect()
    }

    /// The answers as an entry of the ledger has them.
    #[must_use]
    pub fn brief(answers: &[PanelAnswer]) -> Vec<Self> {
        let deciding = deciding(answers);
        let brief = answers.iter().enumerate().map(|(index, answer)| Self {
            mode: answer.mode,
            sha256: answer.sha256,
            verdict: answer.verdict,
            decides: index == deciding,
            name: None,
            policy: None,
            explanation: None,
            error: None,
            fuel: None,
        });
        brief.collect()
    }

    /// For people: one line.
    #[must_use]
    pub fn text(&self) -> String {
        let name = self.name.clone().unwrap_or_else(|| self.sha256.to_string());
        let why = self.explanation.as_ref().map_or_else(String::new, |why| format!(", {why}"));
        let refused = self.decides && self.verdict != PanelVerdict::Approve;
        let mark = if refused { " (this decided)" } else { "" };
        printable(&format!("{:7} {name}: {}{why}{mark}", self.mode, self.verdict))
    }
}

/// The names and versions of all policies.
pub fn panel_label(panel: &Panel) -> String {
    let labels: Vec<String> = panel
        .members()
        .map(|member| format!("{} {}", member.policy.descriptor().name, member.policy.descriptor().version))
        .collect();
    labels.join(" + ")
}
