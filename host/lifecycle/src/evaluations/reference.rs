//! The tags by which versions refer to the documents of their evaluations.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use hydra_base::Sha256;
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::names::{DatasetName, Key};
use hydra_mlflow::entities::Tags;

/// What the keys of these tags start with; the name of the dataset follows.
pub const EVALUATION_TAG: &str = "hydra.evaluation.";

/// The value of such a tag: JSON, such as `{"sha256":"1a2b…","uri":"mlflow-artifacts:/1/2c3d…/artifacts/evaluation.json"}`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct EvaluationRef {
    /// The SHA-256 of the document.
    pub sha256: Sha256,
    /// The artifact URI of the document.
    pub uri: String,
}

impl EvaluationRef {
    /// The key of the tag for a dataset.
    pub fn key(dataset: &DatasetName) -> Result<Key> {
        Key::new(format!("{EVALUATION_TAG}{dataset}"))
    }
}

/// The references in the tags of a version, each after what its tag has in place of the dataset's name.
pub(super) fn references(tags: &Tags) -> impl Iterator<Item = (&str, Result<(DatasetName, EvaluationRef)>)> {
    tags.iter().filter_map(|(key, value)| {
        let dataset = key.strip_prefix(EVALUATION_TAG)?;
        Some((dataset, DatasetName::new(dataset).and_then(|name| Ok((name, value.parse()?)))))
    })
}

impl fmt::Display for EvaluationRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

impl FromStr for EvaluationRef {
    type Err = Error;

    /// Reads the value of a tag; [`ErrorKind::Protocol`] for another text. Keys that a later release adds are skipped.
    fn from_str(text: &str) -> Result<Self> {
        serde_json::from_str(text).map_err(|error| {
            Error::new(ErrorKind::Protocol, "the tag is not a reference to an evaluation").with_source(error)
        })
    }
}
