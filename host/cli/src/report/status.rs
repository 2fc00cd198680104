//! The JSON shape of what `status` prints, and its text for people.

use std::fmt::Write as _;

use serde::Serialize;

use super::doctor::{FindingReport, findings_on};
use super::time;
use hydra_base::names::Version;
use hydra_base::text::printable;
use hydra_registry::ModelStatus;

/// `status`.
#[derive(Debug, Serialize)]
pub struct StatusReport {
    /// `hydra-registry/status/1`.
    pub schema: &'static str,
    /// The models in the order of their names.
    pub models: Vec<ModelStatusReport>,
}

/// One model.
#[derive(Debug, Serialize)]
pub struct ModelStatusReport {
    /// The registered model.
    pub model: String,
    /// The champion.
    pub champion: Option<Version>,
    /// Since when it is the champion, according to the ledger.
    pub since: Option<String>,
    /// The archived version.
    pub archived: Option<Version>,
    /// The candidate.
    pub candidate: Option<Version>,
    /// Whether the model has a ledger.
    pub ledger: bool,
    /// What needs a person.
    pub trouble: Vec<FindingReport>,
}

impl StatusReport {
    /// The state of several models.
    #[must_use]
    pub fn new(models: &[ModelStatus]) -> Self {
        let report = |status: &ModelStatus| ModelStatusReport {
            model: status.model.to_string(),
            champion: status.champion,
            since: status.since.map(time),
            archived: status.archived,
            candidate: status.candidate,
            ledger: status.has_ledger,
            trouble: findings_on(&status.model, &status.trouble),
        };
        Self { schema: "hydra-registry/status/1", models: models.iter().map(report).collect() }
    }

    /// For people: a table, and the problems of each model below its line.
    #[must_use]
    pub fn text(&self) -> String {
        let width = self.models.iter().map(|model| model.model.chars().count()).max().unwrap_or(0).max(5);
        let mut text = format!(
            "{:width$}  {:>8}  {:24}  {:>8}  {:>9}\n",
            "model", "champion", "since", "archived", "candidate"
        );
        for model in &self.models {
            let number = |version: Option<Version>| version.map_or_else(|| "-".to_owned(), |v| v.to_string());
            let _ = writeln!(
                text,
                "{:width$}  {:>8}  {:24}  {:>8}  {:>9}",
                printable(&model.model),
                number(model.champion),
                model.since.as_deref().unwrap_or("-"),
                number(model.archived),
                number(model.candidate)
            );
            for finding in &model.trouble {
                let (what, remedy) = (printable(&finding.what), printable(&finding.remedy));
                let _ = writeln!(text, "  {}: {what}\n    remedy: {remedy}", finding.code);
            }
        }
        text
    }
}
