//! placeholder until the predict branch is merged
use crate::cli::Printer;
use crate::model::loaded::Model;
use std::path::PathBuf;
/// Arguments.
#[derive(Debug, clap::Args)]
pub struct PredictArgs {
    /// Input.
    pub input: PathBuf,
}
/// Predicts.
pub fn run(_model: &Model, _args: &PredictArgs, _printer: &mut Printer) -> anyhow::Result<u64> {
    Ok(0)
}
