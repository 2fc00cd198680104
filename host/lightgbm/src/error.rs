//! The errors that several modules return.

use hydra_base::{Error, ErrorKind};

/// A model file is damaged or exceeds a limit.
pub(crate) fn damaged(message: &str) -> Error {
    Error::new(ErrorKind::InvalidModel, message)
}

/// The data does not fit the model.
pub(crate) fn invalid(message: &str) -> Error {
    Error::new(ErrorKind::InvalidData, message)
}

/// The hint for what exceeds a limit of that name.
pub(crate) fn raised_by(limit: &str) -> String {
    format!(
        "if you trust the model, raise the limit with `--model-limit {limit}=NUMBER`, or in `[limits]` of hydra.toml"
    )
}

/// The hint, if a value exceeds its limit rather than being too small.
pub(crate) fn hinted(error: hydra_base::Error, exceeds: bool, limit: &str) -> hydra_base::Error {
    if exceeds { error.with_hint(raised_by(limit)) } else { error }
}
