//! `status`: several models at a glance.

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
    let models = registry.statuses(&args.models).await?;
    printer.report(&StatusReport::new(&models), StatusReport::text)?;
    if models.is_empty() {
        printer.note(format!("no model fits `{}`; `hydra-registry log-candidate` creates one", args.models));
    }
    // A pattern with a typing error must not look like models without problems.
    let any = !models.is_empty() || args.models.to_string() == "*";
    let well = any && models.iter().all(|model| model.trouble.is_empty());
    Ok(if well { ExitStatus::Done } else { ExitStatus::Rejected })
}
