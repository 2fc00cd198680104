//! The JSON shape of what `status` prints, and its text for people.

use std::fmt::Write as _;

use schemars::JsonSchema;
use serde::Serialize;

use super::doctor::{FindingReport, findings_on};
use super::time;
use crate::printer::View;
use crate::table::Table;
use hydra_base::names::Version;
use hydra_base::text::printable;
use hydra_registry::ModelStatus;

/// `status`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct StatusReport {
    /// `hydra-registry/status/1`.
    pub schema: &'static str,
    /// The models in the order of their names.
    pub models: Vec<ModelStatusReport>,
}

/// One model.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ModelStatusReport {
    /// The registered model.
    pub model: String,
    /// The champion.
    #[schemars(with = "Option<u64>")]
    pub champion: Option<Version>,
    /// Since when it is the champion, according to the ledger.
    pub since: Option<String>,
    /// The archived version.
    #[schemars(with = "Option<u64>")]
    pub archived: Option<Version>,
    /// The candidate.
    #[schemars(with = "Option<u64>")]
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
    pub fn text(&self, view: &View) -> String {
        let number = |version: Option<Version>| version.map_or_else(|| "-".to_owned(), |v| v.to_string());
        let mut table = Table::new("model");
        table.number_heading("champion");
        table.heading("since");
        table.number_heading("archived");
        table.number_heading("candidate");
        for model in &self.models {
            table.row(printable(&model.model));
            table.cell(number(model.champion));
            table.cell(model.since.as_deref().map_or_else(|| "-".to_owned(), |since| view.time(since)));
            table.cell(number(model.archived));
            table.cell(number(model.candidate));
        }
        let table = table.text(view.width);
        let mut lines = table.lines();
        let mut text = lines.next().map_or_else(String::new, |heading| format!("{heading}\n"));
        for (line, model) in lines.zip(&self.models) {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{line}");
            for finding in &model.trouble {
                let (what, remedy) = (printable(&finding.what), printable(&finding.remedy));
                let _ = writeln!(text, "  {}: {what}\n    remedy: {remedy}", finding.code);
            }
        }
        text
    }
}
