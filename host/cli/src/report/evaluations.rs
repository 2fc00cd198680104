//! The evaluations behind a decision, in the reports of decisions and of their entries.

use schemars::JsonSchema;
use serde::Serialize;

use super::schema;
use super::time;
use hydra_base::text::printable;
use hydra_base::{Sha256, Timestamp};
use hydra_lifecycle::evaluations::{EvaluationFlaw, LeftOut, UsedEvaluation};
use hydra_lifecycle::ledger::entry::EvaluationNote;

/// An evaluation that the policy received.
#[derive(Debug, Serialize, JsonSchema)]
pub struct UsedReport {
    /// The name of the dataset.
    pub dataset: String,
    /// The SHA-256 of the document.
    #[schemars(with = "String")]
    pub sha256: Sha256,
    /// When the measurement ended.
    pub measured_at: String,
    /// Whether this command measured.
    pub first_hand: bool,
}

impl From<&UsedEvaluation> for UsedReport {
    fn from(used: &UsedEvaluation) -> Self {
        Self {
            dataset: used.dataset.clone(),
            sha256: used.sha256,
            measured_at: time(Timestamp::try_from(used.measured_at).unwrap_or(Timestamp::MAX)),
            first_hand: used.first_hand,
        }
    }
}

impl UsedReport {
    /// For people.
    #[must_use]
    pub fn text(&self) -> String {
        let first_hand = if self.first_hand { ", first-hand" } else { "" };
        printable(&format!(
            "{}, measured {}{first_hand}, sha256 {}",
            self.dataset, self.measured_at, self.sha256
        ))
    }
}

/// An evaluation that the policy did not receive.
#[derive(Debug, Serialize, JsonSchema)]
pub struct LeftOutReport {
    /// The name of the dataset.
    pub dataset: String,
    /// The SHA-256 that the document should have, if the tag says.
    #[schemars(with = "Option<String>")]
    pub sha256: Option<Sha256>,
    /// What is wrong.
    #[schemars(with = "schema::FlawName")]
    pub flaw: EvaluationFlaw,
    /// What is wrong, in words.
    pub why: String,
    /// All of it in a sentence.
    #[serde(skip)]
    pub warning: String,
}

impl From<&LeftOut> for LeftOutReport {
    fn from(left_out: &LeftOut) -> Self {
        Self {
            dataset: left_out.dataset.clone(),
            sha256: left_out.sha256,
            flaw: left_out.flaw,
            why: left_out.why.clone(),
            warning: left_out.to_string(),
        }
    }
}

/// For people: an evaluation in an entry.
pub fn note_text(note: &EvaluationNote) -> String {
    let what = match note.flaw {
        Some(flaw) => format!("left out: {flaw}"),
        None if note.first_hand => "first-hand".to_owned(),
        None => note.sha256.map_or_else(String::new, |sha256| format!("sha256 {sha256}")),
    };
    printable(&format!("evaluation on {}, {what}", note.dataset))
}
