//! `doctor`: what is not as it should be, and the repair of what can be repaired.

use crate::args::DoctorArgs;
use crate::report::DoctorReport;
use crate::{ExitStatus, Printer, Settings};
use hydra_registry::ModelRegistry;

/// Examines the model; with `--fix` repairs it first. Exit status 1 if something is left.
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
