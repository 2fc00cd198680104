//! `predict`: score a file with the champion, or another version.

use crate::predict::{self, Origin, PredictArgs};
use crate::selector::Selected;
use crate::{ExitStatus, Printer, Settings, interrupt};
use hydra_base::text::printable;
use hydra_lifecycle::ledger::QUARANTINE_TAG;
use hydra_lightgbm::Model;
use hydra_registry::ModelRegistry;

/// Loads the model and scores the rows of a file.
pub async fn run(
    args: &PredictArgs,
    settings: &Settings,
    printer: &mut Printer,
) -> anyhow::Result<ExitStatus> {
    // What is wrong with the arguments shows before a model is downloaded.
    let files = args.files(&settings.environment)?;
    let (model, origin) = match args.model.selected() {
        Selected::File(path) => (Model::open(&path)?, Origin::File(path)),
        Selected::Registered(selector) => {
            let registry = ModelRegistry::connect(settings.options.clone()).await?;
            let loaded = registry.load_version(&selector).await?;
            if let Some(since) = loaded.entity.tags.get(QUARANTINE_TAG) {
                printer.note(format!(
                    "WARNING: version {} is in quarantine since {}",
                    loaded.version,
                    printable(since)
                ));
            }
            (loaded.model, Origin::Registered(registry.model().clone(), loaded.version))
        }
    };
    if args.out_file().is_some() || args.report.is_some() {
        interrupt::remove_partial_files()?;
    }
    let environment = &settings.environment;
    let rows = predict::run(model, &origin, args, files, environment, &settings.extras, printer)?;
    tracing::info!(rows, %origin, "predicted");
    Ok(ExitStatus::Done)
}
