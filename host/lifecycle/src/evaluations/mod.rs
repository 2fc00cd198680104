//! Evaluations in the stores, and as evidence of decisions.
//!
//! `record` makes a run for each, and sets a tag on each version that was measured. `gather` finds those that a decision rests on, and
//! says which ones it leaves out: a version that was measured refers to the newest evaluation of each dataset by a tag
//! ([`EvaluationRef`]), and for each dataset, a decision receives the newest document in which the target was measured, and the champion
//! too if there is one.

mod audit;
mod check;
mod convert;
mod gather;
mod reading;
pub mod record;
mod reference;

use std::fmt;

use serde::{Deserialize, Serialize};

use hydra_base::Sha256;

pub(crate) use audit::{Unusable, unusable};
pub(crate) use gather::{Gathered, select};
pub use reading::recorded;
pub use record::{RecordedEvaluation, Recording};
pub use reference::{EVALUATION_TAG, EvaluationRef};

/// An evaluation that a policy received.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UsedEvaluation {
    /// The name of the dataset.
    pub dataset: String,
    /// The SHA-256 of the document.
    pub sha256: Sha256,
    /// When the measurement ended, in milliseconds.
    pub measured_at: u64,
    /// Whether the command that decided also measured.
    pub first_hand: bool,
}

impl From<&hydra_policy::Evaluation> for UsedEvaluation {
    fn from(evaluation: &hydra_policy::Evaluation) -> Self {
        Self {
            dataset: evaluation.dataset.clone(),
            sha256: evaluation.sha256,
            measured_at: evaluation.measured_at,
            first_hand: evaluation.first_hand,
        }
    }
}

/// An evaluation that no policy received.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LeftOut {
    /// The name of the dataset, or what the tag has in its place.
    pub dataset: String,
    /// The SHA-256 that the document should have, if the tag says.
    pub sha256: Option<Sha256>,
    /// What is wrong.
    pub flaw: EvaluationFlaw,
    /// What is wrong, in a sentence without its subject, the evaluation.
    pub why: String,
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the evaluation on `{}` is left out: {}", self.dataset, self.why)
    }
}

/// Why an evaluation is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum EvaluationFlaw {
    /// The tag does not name a dataset, or does not refer to a document.
    MalformedTag,
    /// The document does not exist.
    Missing,
    /// The store does not deliver the document.
    Unreadable,
    /// The document is larger than 8 MiB, or the evaluations of a decision are larger than 2 MiB together and it is the largest.
    TooLarge,
    /// The document does not have the digest in the tag.
    Altered,
    /// The document has a schema that this release cannot read.
    Unsupported,
    /// The document is not an evaluation, or contradicts itself.
    Malformed,
    /// The document is about another dataset than the tag.
    OtherDataset,
    /// The target or the champion was not measured.
    NotMeasured,
    /// Another model file was measured than that of the version, or the digest of the version's is not known.
    OtherModel,
    /// The versions have evaluations on more than 16 datasets.
    TooMany,
}

impl fmt::Display for EvaluationFlaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::MalformedTag => "malformed tag",
            Self::Missing => "missing",
            Self::Unreadable => "unreadable",
            Self::TooLarge => "too large",
            Self::Altered => "altered",
            Self::Unsupported => "of a schema that this release does not know",
            Self::Malformed => "malformed",
            Self::OtherDataset => "about another dataset",
            Self::NotMeasured => "without the version or the champion",
            Self::OtherModel => "of another model file",
            Self::TooMany => "too many datasets",
        })
    }
}
