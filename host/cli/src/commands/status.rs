//! `status`: several models at a glance.

use super::status_of;
use crate::args::StatusArgs;
use crate::report::StatusReport;
use crate::{ExitStatus, Printer, Settings};
use hydra_registry::ModelRegistry;

/// Shows the models whose names fit the pattern. Exit status 1 if one of them has a problem.
pub async fn run(
    args: &StatusArgs,
    settings: &Settings,
    printer: &mut Printer,
) -> anyhow::Result<ExitStatus> {
    let registry = ModelRegistry::connect(settings.options.clone()).await?;
    let read = registry.statuses(&args.models);
    let models = printer.waiting("reading the models", read).await?;
    let view = printer.view();
    printer.report(&StatusReport::new(&models), |report| report.text(&view))?;
    let well: Vec<bool> = models.iter().map(|model| model.trouble.is_empty()).collect();
    Ok(status_of(&args.models, &well, printer))
}
