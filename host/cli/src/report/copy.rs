//! The JSON form of `copy`, and its text for people.

use std::fmt::Write as _;

use schemars::JsonSchema;
use serde::Serialize;

use hydra_base::Sha256;
use hydra_base::names::Version;
use hydra_base::text::printable;

/// `copy`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct CopyReport {
    /// `hydra-registry/copy/1`.
    pub schema: &'static str,
    /// Where the version comes from; also the value of the tag `hydra.copied-from`, as JSON.
    pub from: OriginReport,
    /// The store that has the copy, without credentials.
    pub store: String,
    /// The registered model there.
    pub model: String,
    /// The version there.
    #[schemars(with = "u64")]
    pub version: Version,
    /// The run there.
    pub run_id: String,
    /// The SHA-256 of the model file, the same in both stores.
    #[schemars(with = "String")]
    pub sha256: Sha256,
    /// The names of the datasets whose evaluations were copied.
    pub evaluations: Vec<String>,
}

/// Where a version comes from.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct OriginReport {
    /// The store, without credentials.
    pub store: String,
    /// The registered model.
    pub model: String,
    /// The version.
    #[schemars(with = "u64")]
    pub version: Version,
    /// Its run.
    pub run_id: Option<String>,
}

impl CopyReport {
    /// For people.
    #[must_use]
    pub fn text(&self) -> String {
        let OriginReport { store, model, version, .. } = &self.from;
        let mut text =
            format!("copied {model} version {version} to {} version {}\n", self.model, self.version);
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  from    {}", printable(store));
        let _ = writeln!(text, "  to      {}", printable(&self.store));
        let _ = writeln!(text, "  run     {}\n  sha256  {}", self.run_id, self.sha256);
        for dataset in &self.evaluations {
            let _ = writeln!(text, "  evaluation on {}", printable(dataset));
        }
        text
    }
}
