//! `diff`: two versions side by side.

use futures_util::future::try_join;

use crate::args::DiffArgs;
use crate::report::{DiffReport, ImportanceReport, Side, measured};
use crate::versions::{Facts, config_of};
use crate::{ExitStatus, Printer, Settings};
use hydra_base::error::Result;
use hydra_base::text::listed;
use hydra_evaluation::Evaluation;
use hydra_lifecycle::evaluations::EVALUATION_TAG;
use hydra_lightgbm::Model;
use hydra_mlflow::entities::OPERATION_ID_TAG;
use hydra_models::candidate::SHA256_TAG;
use hydra_models::preflight::Opened;
use hydra_registry::{ModelRegistry, Version, VersionSelector};

/// Compares two versions.
pub async fn run(args: &DiffArgs, settings: &Settings, printer: &mut Printer) -> anyhow::Result<ExitStatus> {
    let registry = ModelRegistry::connect(settings.options.clone()).await?;
    let read = try_join(Compared::read(&registry, &args.a.0), Compared::read(&registry, &args.b.0));
    let (a, b) = printer.waiting("reading the versions", read).await?;
    let mut report = DiffReport::new(registry.model(), [a.version, b.version], [&a.side, &b.side], args.all);
    if let (Some(of_a), Some(of_b)) = (&a.importances, &b.importances) {
        report.importances = ImportanceReport::all(of_a, of_b);
    }
    report.evaluations =
        measured((a.version, a.evaluations.as_slice()), (b.version, b.evaluations.as_slice()));
    for side in [&a, &b] {
        if let Some(why) = &side.unloadable {
            printer.note(format!("the model of version {} cannot be loaded: {why}", side.version));
        }
    }
    let view = printer.view();
    printer.page()?;
    printer.report(&report, |report| report.text(&view))?;
    Ok(ExitStatus::Done)
}

/// What is compared of one version.
struct Compared {
    version: Version,
    side: Side,
    /// The gain of the splits by each column; none if the model cannot be loaded.
    importances: Option<Vec<(String, f64)>>,
    unloadable: Option<String>,
    evaluations: Vec<Evaluation>,
}

impl Compared {
    async fn read(registry: &ModelRegistry, selector: &VersionSelector) -> Result<Self> {
        let details = registry.describe_version(selector).await?;
        let entity = &details.entity;
        let facts = Facts::of_run(registry, entity.run_id.as_ref()).await?;
        let evaluations = registry.evaluations_of(entity.version, &entity.tags).await;
        let (mut about, mut importances, mut unloadable) = (Vec::new(), None, None);
        match &details.model {
            Opened::Loadable(model) => {
                about.push(("sha256", model.sha256.to_string()));
                about.push(("format", model.format.to_string()));
                about.push(("size in bytes", model.size.to_string()));
                about.push(("objective", model.objective.clone()));
                about.push(("predicts", model.output.to_string()));
                about.push(("iterations", model.iterations.to_string()));
                about.push(("columns", format!("{}: {}", model.features.len(), listed(&model.features))));
                about.push(("categories", listed(&model.categories)));
                about.push(("classes", listed(&model.classes)));
                let loaded = registry.load_version(&entity.version.into()).await?;
                importances = Some(gains(&loaded.model));
            }
            Opened::Unloadable(why) => unloadable = Some(why.to_string()),
        }
        let (params, run_tags) = config_of(&facts);
        let run_tags = run_tags.into_iter().filter(|(key, _)| *key != OPERATION_ID_TAG);
        let run_tags = run_tags.map(|(key, value)| (key.clone(), value.clone())).collect();
        // Evaluations and digests are compared by themselves.
        let own = [OPERATION_ID_TAG, SHA256_TAG];
        let tags = entity.tags.iter().filter(|(key, _)| !key.starts_with(EVALUATION_TAG));
        let tags = tags.filter(|(key, _)| !own.contains(&key.as_str()));
        let tags = tags.map(|(key, value)| (key.clone(), value.clone())).collect();
        let side = Side {
            title: format!("version {}", entity.version),
            params: params.clone(),
            run_tags,
            tags,
            metrics: facts.metrics,
            facts: about,
        };
        Ok(Self { version: entity.version, side, importances, unloadable, evaluations })
    }
}

fn gains(model: &Model) -> Vec<(String, f64)> {
    let names = model.feature_names().iter().cloned();
    names.zip(model.importances()).map(|(name, importance)| (name, importance.gain)).collect()
}
