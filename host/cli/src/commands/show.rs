//! `show`: one version, with its run, its tags and its model.

use crate::args::ShowArgs;
use crate::report::ModelVersionReport;
use crate::selector::Selected;
use crate::{ExitStatus, Printer, Settings};
use hydra_evaluation::Subject;
use hydra_models::facts::Facts;
use hydra_registry::ModelRegistry;

/// Shows a version, or a model file.
pub async fn run(args: &ShowArgs, settings: &Settings, printer: &mut Printer) -> anyhow::Result<ExitStatus> {
    let report = match args.model.selected() {
        Selected::File(path) => {
            let size = std::fs::metadata(&path).map_or(0, |metadata| metadata.len());
            let Subject { model, model_sha256, .. } = Subject::open(&path)?;
            ModelVersionReport::of_file(&path, &Facts::of(&model, None, model_sha256, size))
        }
        Selected::Registered(selector) => {
            let registry = ModelRegistry::connect(settings.options.clone()).await?;
            ModelVersionReport::new(&registry.describe_version(&selector).await?)
        }
    };
    printer.report(&report, ModelVersionReport::text)?;
    Ok(ExitStatus::Done)
}
