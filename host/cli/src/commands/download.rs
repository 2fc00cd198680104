//! `download`: the model file of a version.

use std::io::Write as _;

use crate::args::DownloadArgs;
use crate::report::DownloadReport;
use crate::selector::Selected;
use crate::{ExitStatus, Printer, Settings, interrupt};
use hydra_lightgbm::Model;
use hydra_registry::ModelRegistry;
use hydra_tables::{NewFile, is_dash};

/// Writes the model file of a version, which has the digest that was logged, or copies a model file.
pub async fn run(
    args: &DownloadArgs,
    settings: &Settings,
    printer: &mut Printer,
) -> anyhow::Result<ExitStatus> {
    let (bytes, report) = match args.model.selected() {
        Selected::File(path) => {
            let (_, bytes) = Model::open_with_bytes(&path)?;
            let report = DownloadReport::of_file(&path, &bytes, &args.out);
            (bytes, report)
        }
        Selected::Registered(selector) => {
            let registry = ModelRegistry::connect(settings.options.clone()).await?;
            let read = registry.model_file(&selector);
            let (version, file) = printer.waiting("reading the model", read).await?;
            let report = DownloadReport::new(&version, &file, &args.out);
            (file.bytes().to_vec(), report)
        }
    };
    if is_dash(&args.out) {
        printer.data().write_all(&bytes)?;
        return Ok(ExitStatus::Done);
    }
    interrupt::remove_partial_files()?;
    NewFile::create(&args.out)?.write(&bytes)?;
    printer.report(&report, DownloadReport::text)?;
    Ok(ExitStatus::Done)
}
