//! The document of a decision by several policies: what each was asked with and answered, in full.

use serde::{Deserialize, Serialize};

use crate::ledger::chain::Record;
use crate::ledger::entry::{Decided, PanelVerdict};
use crate::ledger::{Ledger, archive, document};
use crate::panel::Answer;
use hydra_base::error::Result;
use hydra_policy::{PanelRole, Usage};

/// The schema that this release writes, and the newest that it reads.
const SCHEMA: u32 = 1;

/// The name of the document in errors.
const WHAT: &str = "the document of the decision";

/// The answers of policies that decided together, as they lie in the archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecisionDocument {
    schema: u32,
    /// The answers, the leader's first.
    pub policies: Vec<Answer>,
}

impl DecisionDocument {
    /// The document of these answers.
    #[must_use]
    pub fn new(policies: Vec<Answer>) -> Self {
        Self { schema: SCHEMA, policies }
    }

    /// The bytes in the archive: canonical JSON.
    pub fn encode(&self) -> Result<Vec<u8>> {
        document::encode(self, WHAT)
    }

    /// Reads the bytes of a document. `LedgerNewer` for one of a newer schema, `LedgerBroken` for anything else that is
    /// not a document.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        document::decode(bytes, WHAT, SCHEMA)
    }

    /// What contradicts the entry of the decision, if anything does.
    #[must_use]
    pub fn flaw(&self, decided: &Decided) -> Option<&'static str> {
        let leader = self.policies.first().filter(|answer| answer.mode == PanelRole::Leader);
        let leads = |answer: &Answer| answer.policy == decided.policy && answer.budget == decided.budget;
        if !leader.is_some_and(leads) {
            return Some("the policy of the entry does not lead the panel");
        }
        let cost = |usage: Usage| (usage.fuel, usage.memory);
        let leaders_cost = leader.and_then(|leader| leader.usage).map(cost);
        if leaders_cost != Some(cost(decided.usage)) {
            return Some("what the decision cost is not what the leader used");
        }
        if self.policies.iter().filter(|answer| answer.mode == PanelRole::Leader).count() > 1 {
            return Some("several policies lead the panel");
        }
        if !self.policies.iter().map(Answer::in_brief).eq(decided.panel.iter().cloned()) {
            return Some("the answers of the policies are not those of the entry");
        }
        let whole = Answer::deciding(&self.policies).map(|answer| answer.verdict);
        if whole != Some(PanelVerdict::from(decided.verdict)) {
            return Some("the verdict of the entry does not follow from the answers of the policies");
        }
        None
    }
}

impl Ledger {
    /// The archived answers of the policies that decided together; `None` if one policy decided alone. `ArtifactNotFound`
    /// when the document is missing, `Integrity` when it is not the recorded one.
    pub async fn answers(&self, record: &Record) -> Result<Option<DecisionDocument>> {
        let Some(sha256) = record.entry.decided.as_ref().and_then(|decided| decided.decision_sha256) else {
            return Ok(None);
        };
        let path = archive::decision_path(&record.entry.operation_id, sha256);
        DecisionDocument::decode(&self.read_document(&path, sha256).await?).map(Some)
    }
}
