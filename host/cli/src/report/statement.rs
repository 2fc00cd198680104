//! The JSON shape of what a statement about a version comes to, and its text for people.

use std::fmt::Write as _;

use schemars::JsonSchema;
use serde::Serialize;

use super::{ChangeReport, time};
use hydra_base::names::{Alias, Version};
use hydra_base::text::printable;
use hydra_registry::{Stated, Verb};

/// `nominate`, `approve`, `quarantine` and `release`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct StatementReport {
    /// `hydra-registry/statement/1`.
    pub schema: &'static str,
    /// The registered model.
    pub model: String,
    /// `nominate`, `approve`, `quarantine` or `release`.
    pub operation: String,
    /// The version.
    #[schemars(with = "u64")]
    pub version: Version,
    /// `done`, or `unchanged` if it held already.
    pub outcome: &'static str,
    /// What it means.
    pub explanation: String,
    /// The aliases that changed.
    pub changes: Vec<ChangeReport>,
    /// Whether the version is the champion.
    pub is_champion: bool,
    /// The SHA-256 of the model file that it is about, if it is known.
    pub sha256: Option<String>,
    /// When an approval ends; none if only its use ends it.
    pub expires: Option<String>,
    /// Whether an approver also logged the version.
    pub own: bool,
    /// Who said it.
    pub actor: String,
    /// Why.
    pub reason: Option<String>,
    /// When.
    pub at: String,
    /// Whether the version exists and is not in quarantine.
    pub can_become_champion: bool,
    /// The number of the ledger entry; none if there was nothing to record.
    pub sequence: Option<u64>,
}

impl From<&Stated> for StatementReport {
    fn from(stated: &Stated) -> Self {
        let nominated = stated.recorded && stated.verb == Verb::Nominate;
        let change = nominated.then(|| ChangeReport {
            alias: Alias::CANDIDATE.to_string(),
            from: stated.former_candidate,
            to: Some(stated.version),
        });
        Self {
            schema: "hydra-registry/statement/1",
            model: stated.model.to_string(),
            operation: stated.verb.to_string(),
            version: stated.version,
            outcome: if stated.recorded { "done" } else { "unchanged" },
            explanation: stated.explanation.clone(),
            changes: change.into_iter().collect(),
            is_champion: stated.is_champion,
            sha256: stated.sha256.clone(),
            expires: stated.expires.map(time),
            own: stated.own,
            actor: stated.actor.clone(),
            reason: stated.reason.clone(),
            at: time(stated.at),
            can_become_champion: stated.can_become_champion,
            sequence: stated.sequence,
        }
    }
}

impl StatementReport {
    /// For people: what holds now, and what to do next.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        let what = if self.sequence.is_some() { "done" } else { "nothing to do" };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{} of {} version {}: {what}", self.operation, self.model, self.version);
        let _ = writeln!(text, "  what    {}", printable(&self.explanation));
        for change in &self.changes {
            let _ = writeln!(text, "  alias   {}", change.text());
        }
        if let Some(sha256) = &self.sha256 {
            let _ = writeln!(text, "  sha256  {}", printable(sha256));
        }
        if let Some(expires) = &self.expires {
            let _ = writeln!(text, "  until   {expires}");
        }
        if let Some(sequence) = self.sequence {
            let _ = writeln!(text, "  ledger  entry {sequence}");
        }
        let version = self.version;
        let next = match self.operation.as_str() {
            "nominate" => Some("next: hydra-registry promote".to_owned()),
            "quarantine" if self.is_champion => Some(
                "next: hydra-registry rollback, which names another version if the archived one cannot be champion"
                    .to_owned(),
            ),
            "quarantine" => Some(format!("next: hydra-registry release {version} ends the quarantine")),
            "approve" | "release" if self.can_become_champion => {
                Some(format!("next: hydra-registry promote {version}"))
            }
            _ => None,
        };
        text + &next.unwrap_or_default()
    }
}
