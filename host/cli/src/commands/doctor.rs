//! `doctor`: finds problems, and repairs those that need no human decision.

use crate::args::DoctorArgs;
use crate::report::{DoctorReport, DoctorsReport};
use crate::{ExitStatus, Printer, Settings};
use hydra_registry::{ModelRegistry, OpenOptions};

/// Examines the model, or every model that fits a pattern; with `--fix` repairs it first. Exit status 1 if something is left.
pub async fn run(
    args: &DoctorArgs,
    settings: &Settings,
    printer: &mut Printer,
) -> anyhow::Result<ExitStatus> {
    let Some(pattern) = &args.models else {
        let report = examine(args, settings.options.clone()).await?;
        printer.report(&report, DoctorReport::text)?;
        return Ok(status(report.findings.is_empty()));
    };
    let registry = ModelRegistry::connect(settings.options.clone()).await?;
    let mut reports = Vec::new();
    for model in registry.models(pattern).await? {
        reports.push(examine(args, settings.options.clone().with_model(model.as_str())).await?);
    }
    if reports.is_empty() {
        printer.note(format!("no model fits `{pattern}`"));
    }
    let well = reports.iter().all(|report| report.findings.is_empty());
    printer.report(&DoctorsReport::new(reports), DoctorsReport::text)?;
    Ok(status(well))
}

async fn examine(args: &DoctorArgs, options: OpenOptions) -> anyhow::Result<DoctorReport> {
    let registry = ModelRegistry::connect(options).await?;
    let before = if args.fix { registry.diagnose().await? } else { Vec::new() };
    if !before.is_empty() {
        registry.repair().await?;
    }
    let found = registry.diagnose().await?;
    let fixed: Vec<_> = before.into_iter().filter(|finding| !found.contains(finding)).collect();
    Ok(DoctorReport::new(registry.model(), &fixed, &found))
}

fn status(well: bool) -> ExitStatus {
    if well { ExitStatus::Done } else { ExitStatus::Rejected }
}
