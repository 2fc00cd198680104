//! `copy`: a version with its evidence, from one store to another.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::args::CopyArgs;
use crate::report::{CopyReport, OriginReport};
use crate::versions::{Facts, config_of};
use crate::{ExitStatus, Printer, Settings, interrupt};
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::names::{Key, Version};
use hydra_evaluation::{Evaluation, VersionId};
use hydra_mlflow::entities::DatasetInput;
use hydra_mlflow::uri::redact;
use hydra_models::candidate::SHA256_TAG;
use hydra_registry::{Candidate, ModelRegistry, OpenOptions};

/// The tag of a run and of a version that says where the version was copied from.
const COPIED_FROM: &str = "hydra.copied-from";

/// Copies a version.
pub async fn run(args: &CopyArgs, settings: &Settings, printer: &mut Printer) -> anyhow::Result<ExitStatus> {
    let source = ModelRegistry::connect(settings.options.clone()).await?;
    let options = target(args, &source, settings);
    let (here, there) = (
        redact(settings.options.resolved_tracking_uri()?.expose()),
        redact(options.resolved_tracking_uri()?.expose()),
    );
    let reading = printer.spinner("reading the version");
    let (entity, file) = source.model_file(&args.version.0).await?;
    let facts = Facts::of_run(&source, entity.run_id.as_ref()).await?;
    let evaluations = if args.without_evaluations {
        Vec::new()
    } else {
        source.evaluations_of(entity.version, &entity.tags).await
    };
    reading.finish_and_clear();
    let text = String::from_utf8(file.bytes().to_vec()).ok().filter(|text| text.starts_with("tree"));
    let text = text.ok_or_else(|| {
        Error::new(
            ErrorKind::Unsupported,
            "the model file is not LightGBM's text, and only such models can be copied",
        )
        .with_context("file", file.data_file())
        .with_hint("log the estimator to the other store with Python")
    })?;
    let origin = OriginReport {
        store: here,
        model: source.model().to_string(),
        version: entity.version,
        run_id: entity.run_id.as_ref().map(ToString::to_string),
    };
    let from = serde_json::to_string(&origin)?;
    let (params, tags) = config_of(&facts);
    let tags = tags.into_iter().filter(|(key, _)| !key.starts_with("hydra."));
    let tags = tags.map(|(key, value)| (key.clone(), value.clone()));
    let candidate = Candidate::from_text(text)
        .metrics(facts.metrics.clone())
        .config(Value::Object(config(params)))
        .tags(tags)
        .tag(COPIED_FROM, &from)
        .run_name(format!("copy of {} version {}", origin.model, origin.version))
        .allow_non_finite();

    let prepared = candidate.prepare().await?;
    let interrupted = interrupt::first()?;
    let registry = ModelRegistry::connect(options).await?;
    let bar = printer.progress(None, true, "copying");
    let logging = registry.log_prepared(prepared).create_missing();
    let logged = logging.progress(|bytes| bar.inc(bytes)).until(interrupted).await?;
    bar.finish_and_clear();
    if logged.sha256 != file.sha256() {
        return Err(Error::new(ErrorKind::Integrity, "the copy does not have the bytes of the version")
            .with_context("expected sha256", file.sha256())
            .with_context("sha256", logged.sha256)
            .into());
    }
    let key = Key::new(COPIED_FROM)?;
    registry.backend().registry.set_version_tag(registry.model(), logged.version, &key, &from).await?;
    let mut copied = Vec::new();
    let known = known(&registry).await?;
    for evaluation in evaluations {
        let moved = renumbered(evaluation, entity.version, logged.version, &known, &origin);
        let (name, digest) = (moved.dataset.name.as_str(), moved.dataset.short_digest());
        let dataset = DatasetInput::new(name, digest, "code", from.clone()).context("eval");
        registry.record_evaluation(&moved, &dataset).await?;
        copied.push(moved.dataset.name.to_string());
    }
    let report = CopyReport {
        schema: "hydra-registry/copy/1",
        from: origin,
        store: there,
        model: registry.model().to_string(),
        version: logged.version,
        run_id: logged.run_id.to_string(),
        sha256: logged.sha256,
        evaluations: copied,
    };
    printer.report(&report, CopyReport::text)?;
    Ok(ExitStatus::Done)
}

/// The settings of the other store: those of this command, with another place.
fn target(args: &CopyArgs, source: &ModelRegistry, settings: &Settings) -> OpenOptions {
    let name = args.to_model.as_deref().unwrap_or(source.model().as_str());
    settings
        .options
        .clone()
        .with_tracking_uri(args.to.clone())
        .with_registry_uri(args.to.clone())
        .with_model(name)
        .with_experiment_name(name)
}

/// Params as a configuration: each value as it was logged.
fn config(params: &BTreeMap<String, String>) -> Map<String, Value> {
    params.iter().map(|(key, value)| (key.clone(), Value::from(value.clone()))).collect()
}

/// The versions of the other store by the digests of their model files, the newest of each.
async fn known(registry: &ModelRegistry) -> Result<BTreeMap<String, Version>> {
    use futures_util::TryStreamExt as _;
    let mut known = BTreeMap::new();
    let mut versions = registry.list_versions();
    while let Some(version) = versions.try_next().await? {
        if let Some(sha256) = version.tags.get(SHA256_TAG) {
            known.entry(sha256.clone()).or_insert(version.version);
        }
    }
    Ok(known)
}

/// The evaluation with the numbers of the other store. A version that the other store does not have becomes a model file whose
/// name says where it is.
fn renumbered(
    mut evaluation: Evaluation,
    old: Version,
    new: Version,
    known: &BTreeMap<String, Version>,
    origin: &OriginReport,
) -> Evaluation {
    let mut ids: Vec<(VersionId, VersionId)> = Vec::new();
    for record in &evaluation.versions {
        let id = match &record.version {
            VersionId::Registered(version) if *version == old => VersionId::Registered(new),
            VersionId::Registered(version) => match known.get(&record.model_sha256.to_string()) {
                Some(there) if *there != new => VersionId::Registered(*there),
                _ => VersionId::File(format!("{} of {} in {}", version, origin.model, origin.store)),
            },
            other => other.clone(),
        };
        ids.push((record.version.clone(), id));
    }
    let moved = |id: &mut VersionId| {
        if let Some((_, new)) = ids.iter().find(|(old, _)| old == id) {
            *id = new.clone();
        }
    };
    moved(&mut evaluation.baseline);
    evaluation.versions.iter_mut().for_each(|one| moved(&mut one.version));
    evaluation.measurements.iter_mut().for_each(|one| moved(&mut one.version));
    for one in &mut evaluation.comparisons {
        moved(&mut one.challenger);
        moved(&mut one.baseline);
    }
    for one in &mut evaluation.agreements {
        moved(&mut one.challenger);
        moved(&mut one.baseline);
    }
    evaluation
}
