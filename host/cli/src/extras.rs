//! What a program adds to the command line: LightGBM itself, which is C++ and takes long to build.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value};

use crate::Printer;
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_lightgbm::loaded::{Engine, Model};
use hydra_models::candidate::ModelSource;
use hydra_policy::CompilerCommand;

/// A model with its metrics and configuration, before the flags are applied.
pub type Trained = (ModelSource, BTreeMap<String, f64>, Map<String, Value>);

/// Trains a baseline, for `log-candidate --train`.
pub type Train = fn(&TrainRequest<'_>, &Printer) -> Result<Trained>;

/// LightGBM itself with the trees of a model, for `predict --engine lightgbm`.
pub type MakeEngine = fn(&Model) -> Result<Box<dyn Engine>>;

/// What the program that runs the command line brings along.
#[derive(Debug, Clone, Copy)]
pub struct Extras {
    /// Training; none if the program cannot train.
    pub train: Option<Train>,
    /// LightGBM's own scores; none if the program does not have them.
    pub engine: Option<MakeEngine>,
    /// The command that compiles policies in a process of its own; none if it is not known.
    pub compiler: fn() -> Option<CompilerCommand>,
    /// What a user who needs training or scores that are missing can do.
    pub hint: &'static str,
}

/// A baseline to train.
#[derive(Debug)]
pub struct TrainRequest<'a> {
    /// The file of rows.
    pub rows: &'a Path,
    /// The column of the labels.
    pub label: &'a str,
    /// The share of rows to measure on, between 0 and 1.
    pub holdout: f64,
    /// LightGBM's parameters that are not those of the baseline.
    pub params: Map<String, Value>,
}

/// A program of its own, built without the feature `training`.
impl Default for Extras {
    fn default() -> Self {
        let hint = "install it with the feature: cargo install --path host/cli --locked";
        Self { train: None, engine: None, compiler: CompilerCommand::of_this_program, hint }
    }
}

impl Extras {
    /// Trains a baseline. [`ErrorKind::InvalidArgument`] if the program cannot.
    pub(crate) fn trained(&self, request: &TrainRequest<'_>, printer: &Printer) -> Result<Trained> {
        let train = self.train.ok_or_else(|| self.without_training("--train"))?;
        train(request, printer)
    }

    /// LightGBM's own scores of a model. [`ErrorKind::InvalidArgument`] if the program does not have them.
    pub(crate) fn engine(&self, model: &Model) -> Result<Box<dyn Engine>> {
        let engine = self.engine.ok_or_else(|| self.without_training("--engine lightgbm"))?;
        engine(model)
    }

    fn without_training(&self, flag: &str) -> Error {
        Error::new(ErrorKind::InvalidArgument, "this hydra-registry was built without the feature `training`")
            .with_context("flag", flag)
            .with_hint(self.hint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_names_the_flag_and_the_feature() {
        let error = Extras::default().without_training("--train");
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        let text = error.to_string();
        assert!(text.contains("`training`") && text.contains("--train"), "{text}");
    }
}
