//! `doctor`: finds problems, and repairs those that need no human decision.

use super::status_of;
use crate::args::DoctorArgs;
use crate::report::{DoctorReport, DoctorsReport, prometheus_metrics};
use crate::{ExitStatus, Printer, Settings, interrupt};
use hydra_base::error::Error;
use hydra_base::names::ModelName;
use hydra_base::time::now;
use hydra_registry::{Finding, ModelRegistry, OpenOptions};
use hydra_tables::NewFile;

/// Examines the model, or every model that fits a pattern; with `--fix` repairs it first. Exit status 1 if something is left.
pub async fn run(
    args: &DoctorArgs,
    settings: &Settings,
    printer: &mut Printer,
) -> anyhow::Result<ExitStatus> {
    let Some(pattern) = &args.models else {
        let examined = Box::pin(examine(args, settings.options.clone(), DoctorReport::new));
        let report = printer.waiting("examining the model", examined).await?;
        printer.report(&report, DoctorReport::text)?;
        write_metrics(args, &[&report])?;
        return Ok(if report.findings.is_empty() { ExitStatus::Done } else { ExitStatus::Rejected });
    };
    let registry = ModelRegistry::connect(settings.options.clone()).await?;
    let mut reports = Vec::new();
    let models = registry.models(pattern).await?;
    let bar = printer.progress(Some(models.len() as u64), false, "examining");
    for model in models {
        reports.push(
            match examine(args, settings.options.clone().with_model(model.as_str()), DoctorReport::of_several)
                .await
            {
                Err(error) => not_examined(&model, error)?,
                Ok(report) => report,
            },
        );
        bar.inc(1);
    }
    bar.finish_and_clear();
    let well: Vec<bool> = reports.iter().map(|report| report.findings.is_empty()).collect();
    let report = DoctorsReport::new(reports);
    printer.report(&report, DoctorsReport::text)?;
    write_metrics(args, &report.models.iter().collect::<Vec<_>>())?;
    Ok(status_of(pattern, &well, printer))
}

/// Writes the metrics, if a file is named. A run that fails leaves the former file, whose time of examination then is old.
fn write_metrics(args: &DoctorArgs, reports: &[&DoctorReport]) -> anyhow::Result<()> {
    let Some(file) = &args.prometheus else { return Ok(()) };
    interrupt::remove_partial_files()?;
    NewFile::create(file)?.write(prometheus_metrics(reports, now()).as_bytes())?;
    Ok(())
}

async fn examine(
    args: &DoctorArgs,
    options: OpenOptions,
    report: impl Fn(&ModelName, &[Finding], &[Finding]) -> DoctorReport,
) -> anyhow::Result<DoctorReport> {
    let registry = ModelRegistry::connect(options).await?;
    let before = if args.fix { Box::pin(registry.diagnose()).await? } else { Vec::new() };
    if !before.is_empty() {
        Box::pin(registry.repair()).await?;
    }
    let found = Box::pin(registry.diagnose()).await?;
    let fixed: Vec<_> = before.into_iter().filter(|finding| !found.contains(finding)).collect();
    Ok(report(registry.model(), &fixed, &found))
}

/// The report on a model that cannot be examined, unless the other models cannot be examined either.
fn not_examined(model: &ModelName, error: anyhow::Error) -> anyhow::Result<DoctorReport> {
    match error.downcast::<Error>() {
        Ok(error) if error.retryable() => Err(error.into()),
        Ok(error) => Ok(DoctorReport::of_several(model, &[], &[Finding::not_examined(&error)])),
        Err(error) => Err(error),
    }
}
