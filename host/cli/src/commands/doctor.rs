//! `doctor`: finds problems, and repairs those that need no human decision.

use crate::args::DoctorArgs;
use crate::report::DoctorReport;
use crate::{ExitStatus, Printer, Settings};
use hydra_registry::ModelRegistry;

/// Examines the model; repairs it first with `--fix`. Exit status 1 if a problem is left.
pub async fn run(
    args: &DoctorArgs,
    settings: &Settings,
    printer: &mut Printer,
) -> anyhow::Result<ExitStatus> {
    let registry = ModelRegistry::connect(settings.options.clone()).await?;
    let before = if args.fix { registry.diagnose().await? } else { Vec::new() };
    if !before.is_empty() {
        registry.repair().await?;
    }
    let found = registry.diagnose().await?;
    let fixed: Vec<_> = before.into_iter().filter(|finding| !found.contains(finding)).collect();
    printer.report(&DoctorReport::new(registry.model(), &fixed, &found), DoctorReport::text)?;
    Ok(if found.is_empty() { ExitStatus::Done } else { ExitStatus::Rejected })
}
