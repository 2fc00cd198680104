//! `show`: one version, with its run, its tags and its model.

use crate::args::ShowArgs;
use crate::report::ModelVersionReport;
use crate::selector::Selected;
use crate::{ExitStatus, Printer, Settings};
use hydra_base::Sha256;
use hydra_lightgbm::Model;
use hydra_models::facts::Facts;
use hydra_registry::ModelRegistry;

/// Shows a version, or a model file.
pub async fn run(args: &ShowArgs, settings: &Settings, printer: &mut Printer) -> anyhow::Result<ExitStatus> {
    let report = match args.model.selected() {
        Selected::File(path) => {
            let (model, bytes) = Model::open_with_bytes(&path)?;
            let facts = Facts::of(&model, None, Sha256::of(&bytes), bytes.len() as u64);
            ModelVersionReport::of_file(&path, &facts)
        }
        Selected::Registered(selector) => {
            let registry = ModelRegistry::connect(settings.options.clone()).await?;
            ModelVersionReport::new(&registry.describe_version(&selector).await?)
        }
    };
    printer.report(&report, ModelVersionReport::text)?;
    Ok(ExitStatus::Done)
}
