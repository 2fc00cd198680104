//! The errors that all stores share.

use std::fmt::Display;

use hydra_base::error::{Error, ErrorKind};
use hydra_base::names::{Alias, ModelName, Version};

/// A run, experiment or LoggedModel does not exist.
pub(crate) fn not_found(what: &str, id: impl Display) -> Error {
    Error::new(ErrorKind::NotFound, format!("there is no such {what}")).with_context("id", id)
}

/// A registered model does not exist.
pub(crate) fn model_not_found(name: &ModelName) -> Error {
    Error::new(ErrorKind::ModelNotFound, "there is no such registered model").with_context("model", name)
}

/// A version is missing or deleted.
pub(crate) fn version_not_found(name: &ModelName, version: Version) -> Error {
    Error::new(ErrorKind::VersionNotFound, "there is no such model version")
        .with_context("model", name)
        .with_context("version", version)
}

/// A version should be copied from an alias that is not set.
pub(crate) fn alias_not_set(name: &ModelName, alias: &Alias) -> Error {
    Error::new(ErrorKind::VersionNotFound, "the alias of the source is not set")
        .with_context("model", name)
        .with_context("alias", alias)
}

/// A name is taken.
pub(crate) fn already_exists(what: &str, name: impl Display) -> Error {
    Error::new(ErrorKind::AlreadyExists, format!("{what} with this name already exists"))
        .with_context("name", name)
}

/// A run or experiment is in the trash.
pub(crate) fn is_deleted(what: &str, id: impl Display) -> Error {
    Error::new(ErrorKind::InvalidState, format!("the {what} is deleted"))
        .with_context("id", id)
        .with_hint(format!("restore the {what} with MLflow's client, or use another"))
}

/// The scheme needs a feature of this crate that is turned off.
#[cfg(not(all(feature = "rest", feature = "sqlite", feature = "object-stores")))]
pub(crate) fn left_out(uri: impl Display, feature: &str) -> Error {
    Error::new(ErrorKind::UnsupportedScheme, "this program was built without support for the URI's scheme")
        .with_context("uri", uri)
        .with_hint(format!("build it with the feature `{feature}` of the crate hydra-mlflow"))
}
