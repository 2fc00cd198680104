//! The arguments of `copy`.

use clap::Args;

use super::versions::Named;
use hydra_mlflow::uri::GivenUri;

/// Arguments of `copy`.
#[derive(Debug, Args)]
#[command(after_help = COPY_HELP)]
pub struct CopyArgs {
    /// The version to copy, by its number or an alias
    #[arg(value_name = "VERSION")]
    pub version: Named,

    /// The store to copy it to: http(s)://…, sqlite:///file.db, file:///dir or a directory
    #[arg(long, value_name = "URI")]
    pub to: GivenUri,

    /// The registered model there [default: the name of the model here]
    #[arg(long, value_name = "NAME")]
    pub to_model: Option<String>,

    /// Leave the recorded evaluations behind
    #[arg(long)]
    pub without_evaluations: bool,
}

const COPY_HELP: &str = "\
The version becomes the candidate there: a new run with the metrics, params and tags of its run, every file of its model as it is,
its tags with the signatures of the model, and its evaluations. That goes for estimators that Python logged, too. The tag
`hydra.copied-from` says where it comes from. The variables with credentials are used for both stores.
Quarantines, approvals and decisions stay behind: they are about this store.

Examples:
  hydra-registry copy champion --to https://mlflow.prod.example.com
  hydra-registry --tracking-uri sqlite:///staging.db copy 12 --to sqlite:///production.db --to-model churn";
