//! `download`: the model file of a version.

use std::io::Write as _;

use crate::args::DownloadArgs;
use crate::report::DownloadReport;
use crate::{ExitStatus, Printer, Settings};
use hydra_registry::ModelRegistry;
use hydra_tables::{is_dash, write_file};

/// Writes the model file of a version, which has the digest that was logged.
pub async fn run(
    args: &DownloadArgs,
    settings: &Settings,
    printer: &mut Printer,
) -> anyhow::Result<ExitStatus> {
    let registry = ModelRegistry::connect(settings.options.clone()).await?;
    let (version, file) = registry.model_file(&args.version.selector()).await?;
    if is_dash(&args.out) {
        printer.data().write_all(file.bytes())?;
        return Ok(ExitStatus::Done);
    }
    write_file(&args.out, file.bytes())?;
    let report = DownloadReport::new(&version, &file, &args.out);
    printer.report(&report, DownloadReport::text)?;
    Ok(ExitStatus::Done)
}
