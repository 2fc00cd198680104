//! `history show`: one entry whole.

use std::fmt::Write as _;

use schemars::JsonSchema;
use serde::Serialize;

use super::audit::ExportReport;
use super::evidence::evidence_text;
use super::ledger::EntryReport;
use super::panel::AnswerReport;
use super::schema;
use crate::printer::View;
use hydra_base::Result;
use hydra_base::names::ModelName;
use hydra_base::text::printable;
use hydra_lifecycle::ledger::chain::Record;
use hydra_lifecycle::ledger::decision::DecisionDocument;
use hydra_lifecycle::ledger::history::{Fate, Step};
use hydra_lifecycle::model_facts::ModelChange;
use hydra_policy::{Input, ModelVersion};

/// `history show`: the fields of a line of `history export`, with what the archive has of the decision. Its `schema` is
/// `hydra-registry/entry-details/1`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct EntryDetailsReport {
    /// The line.
    #[serde(flatten)]
    pub export: ExportReport,
    /// The evidence that the policy received, as in a case file: request, settings, versions, evaluations, history; none for an
    /// entry that is not a decision.
    pub evidence: Option<Input>,
    /// The answers of all policies, if several decided together.
    pub answers: Vec<AnswerReport>,
    /// What changes for the users of the predictions, by the models in the evidence.
    #[schemars(with = "Vec<schema::ChangeOfModel>")]
    pub model_changes: Vec<ModelChange>,
    /// Why the evidence or the answers cannot be shown.
    pub flaw_of_archive: Option<String>,
    #[serde(skip)]
    entry: Option<EntryReport>,
    #[serde(skip)]
    details: String,
}

impl EntryDetailsReport {
    /// A number of the ledger, with the archived input and answers of a decision.
    pub fn new(
        model: &ModelName,
        step: &Step,
        input: Result<Option<Input>>,
        answers: Result<Option<DecisionDocument>>,
    ) -> Self {
        let (record, fate) = match step {
            Step::Valid { record, fate } => (Some(record), *fate),
            Step::Void(record) => (Some(record), Fate::Aborted),
            Step::Newer { .. } | Step::Damaged { .. } => (None, Fate::Done),
        };
        let entry = record.map(|record| EntryReport::new(model, record, fate, answers));
        let (evidence, flaw) = match input {
            Ok(input) => (input, None),
            Err(error) => (None, Some(error.to_string())),
        };
        let changes = record.zip(evidence.as_ref()).map(|(record, input)| model_changes(record, input));
        let lost = "       it lost a race: another entry was first, and this one never counted\n";
        let lost = if matches!(step, Step::Void(_)) { lost } else { "" };
        Self {
            export: ExportReport { schema: "hydra-registry/entry-details/1", ..ExportReport::new(step) },
            evidence,
            model_changes: changes.unwrap_or_default(),
            answers: entry.iter().flat_map(|entry| entry.panel.clone()).collect(),
            flaw_of_archive: flaw.or_else(|| entry.as_ref()?.panel_flaw.clone()),
            entry,
            details: lost.to_owned() + &record.map_or_else(String::new, |record| details(record)),
        }
    }

    /// For people: as `history` shows it, with what only programs need otherwise, and the evidence side by side.
    #[must_use]
    pub fn text(&self, view: &View) -> String {
        let Some(entry) = &self.entry else {
            let flaw = self.export.flaw.as_deref().map(printable).unwrap_or_default();
            return format!("{:>5}  {}: {flaw}\n", self.export.number, self.export.state);
        };
        let mut text = entry.text(view) + &self.details;
        for change in &self.model_changes {
            let _ = writeln!(text, "       {}", printable(&change.to_string()));
        }
        if let Some(evidence) = &self.evidence {
            text += &evidence_text(evidence, view);
        }
        if let Some(flaw) = self.flaw_of_archive.as_ref().filter(|_| self.evidence.is_none()) {
            let _ = writeln!(text, "       cannot show the evidence: {}", printable(flaw));
        }
        text
    }
}

/// How the model that became champion, or else the target, differs from that of the champion before.
fn model_changes(record: &Record, input: &Input) -> Vec<ModelChange> {
    let context = input.context();
    let crowned = record.entry.crowned();
    let mut versions = [input.target(), context.archived.as_ref()].into_iter().flatten();
    let new = match crowned {
        Some(crowned) => versions.find(|version| version.version == crowned),
        None => input.target(),
    };
    let facts = |version: Option<&ModelVersion>| version?.model.facts().cloned();
    match (facts(context.champion.as_ref()), facts(new)) {
        (Some(champion), Some(new)) => ModelChange::between(&champion, &new),
        _ => Vec::new(),
    }
}

fn details(record: &Record) -> String {
    let entry = &record.entry;
    let mut text = String::new();
    // Writing to a string cannot fail.
    let mut line = |name: &str, value: &dyn std::fmt::Display| {
        let _ = writeln!(text, "       {name:<10}  {}", printable(&value.to_string()));
    };
    line("sha256", &record.digest);
    line("follows", &format!("entry {}", entry.base));
    line("request", &entry.operation_id);
    line("written by", &entry.host);
    if let Some(user) = &entry.user {
        line("user", user);
    }
    for rule in &entry.overrides {
        line("sets aside", rule);
    }
    if let Some(activation) = &entry.activation {
        line("policy", &activation.panel_sha256);
        line("asks for", &format!("{} approvals before it changes", activation.approvals));
    }
    if let Some(standing) = &entry.standing {
        line("standing", &standing.sha256);
    }
    if let Some(decided) = &entry.decided {
        let usage = &decided.usage;
        let elapsed = usage.elapsed.as_micros();
        line("input", &decided.input_sha256);
        line("evidence", &decided.evidence_sha256);
        if let Some(sha256) = &decided.model_sha256 {
            line("model", sha256);
        }
        line("used", &format!("{} fuel, {elapsed} us, {} bytes of memory", usage.fuel, usage.memory));
        line("of", &decided.budget);
    }
    text
}
