//! The JSON shapes of `history verify` and `history export`, and their texts for people.

use std::fmt::Write as _;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use super::ledger::fate_text;
use super::{schema, time};
use hydra_base::Sha256;
use hydra_base::names::ModelName;
use hydra_base::text::printable;
use hydra_lifecycle::ledger::entry::Entry;
use hydra_lifecycle::ledger::head::Head;
use hydra_lifecycle::ledger::history::Step;
use hydra_lifecycle::ledger::verify::Verified;

/// One line of `history export`: an entry as stored, or the description of a number without one.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ExportReport {
    /// `hydra-registry/ledger-export/1`.
    pub schema: &'static str,
    /// The number.
    pub number: u64,
    /// `done`, `aborted` or `pending`; `void` for an entry that lost a race; `newer` for one that a newer release
    /// wrote; `damaged`.
    pub state: &'static str,
    /// The time at which the store created it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at: Option<String>,
    /// The SHA-256 of the entry's text.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub sha256: Option<Sha256>,
    /// The reason why this release cannot read it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flaw: Option<String>,
    /// The entry.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<schema::LedgerEntry>")]
    pub entry: Option<Entry>,
}

impl ExportReport {
    /// A number of the ledger.
    #[must_use]
    pub fn new(step: &Step) -> Self {
        let (number, state, record, flaw) = match step {
            Step::Valid { record, fate } => (record.number, fate_text(*fate), Some(record), None),
            Step::Void(record) => (record.number, "void", Some(record), None),
            Step::Newer { number, entry, .. } => (*number, "newer", None, Some(entry.to_string())),
            Step::Damaged { number, flaw, .. } => (*number, "damaged", None, Some(flaw.clone())),
        };
        let created_at = match step {
            Step::Newer { entry, .. } => Some(entry.created_at),
            Step::Valid { .. } | Step::Void(_) | Step::Damaged { .. } => {
                record.map(|record| record.created_at)
            }
        };
        Self {
            schema: "hydra-registry/ledger-export/1",
            number,
            state,
            created_at: created_at.map(time),
            sha256: record.map(|record| record.digest),
            flaw,
            entry: record.map(|record| record.entry.clone()),
        }
    }
}

/// `history verify`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct VerifyReport {
    /// `hydra-registry/verify/1`.
    pub schema: &'static str,
    /// The registered model.
    pub model: String,
    /// Whether no problem was found.
    pub sound: bool,
    /// The number of entries in the chain.
    pub entries: u64,
    /// The number of entries that lost a race.
    pub void: u64,
    /// The number of decisions that were repeated with the same result.
    pub rerun: u64,
    /// Damage that a checkpoint bridges.
    #[schemars(with = "Vec<schema::FlawOfEntry>")]
    pub bridged: Vec<Value>,
    /// What speaks against the times of entries, beyond the tolerance of clocks.
    #[schemars(with = "Vec<schema::FlawOfEntry>")]
    pub clocks: Vec<Value>,
    /// Decisions that set the active policy aside, on record.
    pub set_aside: Vec<Value>,
    /// The problems.
    #[schemars(with = "Vec<schema::FlawOfEntry>")]
    pub flaws: Vec<Value>,
}

impl VerifyReport {
    /// The result for a model.
    #[must_use]
    pub fn new(model: &ModelName, verified: &Verified) -> Self {
        let flaw =
            |flaw: &hydra_lifecycle::ledger::verify::Flaw| json!({"entry": flaw.entry, "what": flaw.what});
        Self {
            schema: "hydra-registry/verify/1",
            model: model.to_string(),
            sound: verified.is_sound(),
            entries: verified.valid,
            void: verified.void,
            rerun: verified.rerun,
            bridged: verified.bridged.iter().map(flaw).collect(),
            clocks: verified.clocks.iter().map(flaw).collect(),
            set_aside: verified.set_aside.iter().map(flaw).collect(),
            flaws: verified.flaws.iter().map(flaw).collect(),
        }
    }

    /// For people.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!(
            "ledger of {}: {} entries, {} lost a race, {} decisions repeated with the same result\n",
            self.model, self.entries, self.void, self.rerun
        );
        let what = |flaw: &Value| printable(flaw["what"].as_str().unwrap_or_default());
        for flaw in &self.bridged {
            let _ = writeln!(text, "  entry {}, bridged by a checkpoint: {}", flaw["entry"], what(flaw));
        }
        for flaw in self.set_aside.iter().chain(&self.clocks).chain(&self.flaws) {
            let _ = writeln!(text, "  entry {}: {}", flaw["entry"], what(flaw));
        }
        let remarks = [&self.bridged, &self.clocks, &self.set_aside];
        text += if self.sound && remarks.iter().all(|remarks| remarks.is_empty()) {
            "no problems found"
        } else if self.sound {
            "the entries stand"
        } else {
            "next: hydra-registry doctor --fix repairs the aliases and the newest entries; it does not change older entries"
        };
        text
    }
}

/// `history export --head`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct HeadReport {
    /// `hydra-registry/ledger-head/1`.
    pub schema: &'static str,
    /// The registered model.
    pub model: String,
    /// The ledger's id, the number and the digest as one text, for `--expect-head` and `history verify --against`.
    pub head: String,
    /// The ledger's id.
    pub ledger: String,
    /// The number of its newest entry.
    pub number: u64,
    /// The SHA-256 of that entry's text.
    #[schemars(with = "String")]
    pub sha256: Sha256,
}

impl HeadReport {
    /// The head of a model's ledger.
    #[must_use]
    pub fn new(model: &ModelName, head: &Head) -> Self {
        Self {
            schema: "hydra-registry/ledger-head/1",
            model: model.to_string(),
            head: head.to_string(),
            ledger: head.ledger.clone(),
            number: head.number,
            sha256: head.sha256,
        }
    }

    /// For people, and for a file of heads.
    #[must_use]
    pub fn text(&self) -> String {
        self.head.clone()
    }
}
