//! From an artifact's bytes to a model.

use std::path::Path;

use super::Model;
use crate::extracted::{Estimator, ExtractLimits, ExtractedModel};
use crate::pickle::read_pickle;
use crate::skops::read_skops;
use crate::text::{Limits, TextModel};
use hydra_base::text::{QUOTED_CHARS, excerpt};
use hydra_base::{Error, ErrorKind, Result};

/// What loading a model may cost.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModelLimits {
    /// Caps on LightGBM's text.
    pub text: Limits,
    /// Caps on the pickle or skops file around it.
    pub extract: ExtractLimits,
}

impl Model {
    /// Reads the data file of MLflow's `lightgbm` flavor: LightGBM's text, a skops file or a pickle, as its name and its
    /// first bytes say.
    ///
    /// No byte of it runs. `model_class` is the Python class that `MLmodel` names; it appears in errors only, since the
    /// file says itself what it holds. [`ErrorKind::InvalidModel`] for damage and for what exceeds the limits,
    /// [`ErrorKind::UnsupportedModel`] for other formats and for features that the readers do not know.
    pub fn from_artifact(
        data_file_name: &str,
        model_class: &str,
        bytes: &[u8],
        limits: &ModelLimits,
    ) -> Result<Self> {
        let load = || match format_of(data_file_name, bytes)? {
            Format::Text => {
                let text = TextModel::parse(bytes, &limits.text)?;
                Self::assemble(text, Estimator::Booster, None, None)
            }
            Format::Skops => Self::from_extracted(read_skops(bytes, &limits.extract)?, limits),
            Format::Pickle => Self::from_extracted(read_pickle(bytes, &limits.extract)?, limits),
        };
        load().map_err(|error: Error| {
            error
                .with_context("file", excerpt(data_file_name, QUOTED_CHARS))
                .with_context("class", excerpt(model_class, QUOTED_CHARS))
        })
    }

    fn from_extracted(extracted: ExtractedModel<'_>, limits: &ModelLimits) -> Result<Self> {
        let text = TextModel::parse(extracted.booster_text.as_bytes(), &limits.text)?;
        Self::assemble(text, extracted.estimator, extracted.classes, extracted.best_iteration)
    }
}

enum Format {
    Text,
    Skops,
    Pickle,
}

/// The name decides where MLflow's names are used; elsewhere the first bytes do.
fn format_of(name: &str, bytes: &[u8]) -> Result<Format> {
    let extension = Path::new(name).extension().and_then(|extension| extension.to_str());
    Ok(match extension.map(str::to_ascii_lowercase).as_deref() {
        Some("lgb" | "txt") => Format::Text,
        Some("skops") => Format::Skops,
        Some("pkl" | "pickle" | "cloudpickle") => Format::Pickle,
        _ if bytes.starts_with(b"tree") => Format::Text,
        _ if bytes.starts_with(b"PK\x03\x04") => Format::Skops,
        _ if bytes.starts_with(b"\x80") => Format::Pickle,
        _ => {
            return Err(Error::new(ErrorKind::UnsupportedModel, "the format of the model file is unknown")
                .with_hint(
                    "use LightGBM's text, a pickle or a skops file, as `mlflow.lightgbm` writes them",
                ));
        }
    })
}
