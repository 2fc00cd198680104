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
