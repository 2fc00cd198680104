//! Evaluations in the stores: a run for each, and a tag on each version that was measured.

pub mod record;
mod reference;

pub use record::{RecordedEvaluation, Recording};
pub use reference::{EVALUATION_TAG, EvaluationRef};
