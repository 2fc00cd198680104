//! `champion`: who it is, without loading it.

use crate::ModelRegistry;
use crate::cli::args::ChampionArgs;
use crate::cli::report::ChampionReport;
use crate::cli::{ExitStatus, Printer, Settings};

/// Shows the champion.
pub async fn run(
    _args: &ChampionArgs,
    settings: &Settings,
    printer: &mut Printer,
) -> anyhow::Result<ExitStatus> {
    let registry = ModelRegistry::open_existing(settings.options.clone())?;
    let info = registry.champion_info().await?;
    printer.report(&ChampionReport::new(registry.model(), &info), ChampionReport::text)?;
    Ok(ExitStatus::Done)
}
