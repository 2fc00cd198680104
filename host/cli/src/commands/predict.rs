//! `predict`: score a file with the champion.

use crate::predict::{self, PredictArgs};
use crate::{ExitStatus, Printer, Settings};
use hydra_registry::ModelRegistry;

/// Loads the champion and scores the rows of a file.
pub async fn run(
    args: &PredictArgs,
    settings: &Settings,
    printer: &mut Printer,
) -> anyhow::Result<ExitStatus> {
    let registry = ModelRegistry::connect(settings.options.clone()).await?;
    let champion = registry.load_champion().await?;
    let rows = predict::run(champion.model, registry.model(), champion.version, args, printer)?;
    tracing::info!(rows, version = %champion.version, "predicted with the champion");
    Ok(ExitStatus::Done)
}
