//! A build without the feature `training`.

use std::path::Path;

use crate::Printer;
use crate::args::LogCandidateArgs;
use crate::commands::log_candidate::Trained;
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_lightgbm::loaded::{Engine, Model};

/// [`ErrorKind::InvalidArgument`]: this build does not train.
pub fn trained(_: &LogCandidateArgs, _: &Path, _: &str, _: &Printer) -> Result<Trained> {
    Err(without_training("--train"))
}

/// [`ErrorKind::InvalidArgument`]: this build does not have LightGBM's own scores.
pub fn engine(_: &Model) -> Result<Box<dyn Engine>> {
    Err(without_training("--engine lightgbm"))
}

fn without_training(flag: &str) -> Error {
    Error::new(ErrorKind::InvalidArgument, "this hydra-registry was built without the feature `training`")
        .with_context("flag", flag)
        .with_hint("install it with the feature: cargo install --path host/cli --locked")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_names_the_flag_and_the_feature() {
        let error = without_training("--train");
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        let text = error.to_string();
        assert!(text.contains("`training`") && text.contains("--train"), "{text}");
    }
}
