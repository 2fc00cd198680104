//! `copy`: a version with its evidence, from one store to another.

use std::collections::BTreeMap;
use std::pin::pin;

use serde_json::Value;

use crate::args::CopyArgs;
use crate::report::{CopyReport, OriginReport};
use crate::versions::Facts;
use crate::{ExitStatus, Printer, Settings, interrupt};
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::names::{Key, Version};
use hydra_evaluation::{Evaluation, VersionId};
use hydra_mlflow::artifacts::read_whole;
use hydra_mlflow::entities::DatasetInput;
use hydra_mlflow::uri::redact;
use hydra_models::candidate::SHA256_TAG;
use hydra_models::config::{CONFIG_ARTIFACT, flatten};
use hydra_registry::trust::model::SIGNATURE_TAG;
use hydra_registry::{Candidate, ModelRegistry, ModelSource, OpenOptions, RunId};

/// The tag of a run and of a version that says where the version was copied from.
const COPIED_FROM: &str = "hydra.copied-from";

/// The most bytes of a configuration that is taken along.
const CONFIG_BYTES: u64 = 16 << 20;

/// Copies a version.
pub async fn run(args: &CopyArgs, settings: &Settings, printer: &mut Printer) -> anyhow::Result<ExitStatus> {
    let source = ModelRegistry::connect(settings.options.clone()).await?;
    let options = target(args, &source, settings);
    let (here, there) = (
        redact(settings.options.resolved_tracking_uri()?.expose()),
        redact(options.resolved_tracking_uri()?.expose()),
    );
    let home = tempfile::tempdir().map_err(|error| {
        Error::new(ErrorKind::Storage, "cannot make a temporary directory for the model").with_source(error)
    })?;
    let mut interrupted = pin!(interrupt::first()?);
    let downloaded = printer.progress(None, true, "reading the version");
    let progress = |bytes| downloaded.inc(bytes);
    let (entity, sha256) = tokio::select! {
        () = interrupted.as_mut() => {
            return Err(Error::new(ErrorKind::Interrupted, "interrupted: nothing was copied").into());
        }
        read = source.model_directory(&args.version.0, home.path(), &progress) => read?,
    };
    downloaded.finish_and_clear();
    let reading = printer.spinner("reading its evidence");
    let facts = Facts::of_run(&source, entity.run_id.as_ref()).await?;
    let evaluations = if args.without_evaluations {
        Vec::new()
    } else {
        source.evaluations_of(entity.version, &entity.tags).await
    };
    reading.finish_and_clear();
    let origin = OriginReport {
        store: here,
        model: source.model().to_string(),
        version: entity.version,
        run_id: entity.run_id.as_ref().map(ToString::to_string),
    };
    let from = serde_json::to_string(&origin)?;
    let candidate = Candidate::new(ModelSource::Stored(home.path().to_path_buf()))
        .metrics(facts.metrics.clone())
        .config(config(&source, entity.run_id.as_ref(), &facts.params).await?)
        .tags(facts.run_tags.iter().filter(|(key, _)| is_of_the_run(key)).map(owned))
        .tag(COPIED_FROM, &from)
        .version_tags(entity.tags.iter().filter(|(key, _)| is_of_the_version(key)).map(owned))
        .version_tags([(COPIED_FROM, &from)])
        .run_name(format!("copy of {} version {}", origin.model, origin.version))
        .allow_non_finite()
        .allow_no_metrics();

    let prepared = candidate.prepare().await?;
    if prepared.sha256() != sha256 {
        return Err(Error::new(ErrorKind::Integrity, "the copy does not have the bytes of the version")
            .with_context("expected sha256", sha256)
            .with_context("sha256", prepared.sha256())
            .into());
    }
    let registry = ModelRegistry::connect(options).await?;
    let bar = printer.progress(None, true, "copying");
    let logging = registry.log_prepared(prepared).create_missing();
    let logged = logging.progress(|bytes| bar.inc(bytes)).until(interrupted.as_mut()).await?;
    bar.finish_and_clear();
    let mut copied = Vec::new();
    // The version is there, and is the candidate, whatever becomes of its evaluations.
    let without_all = |error: Error| {
        error.with_context("copied to version", logged.version).with_hint(
            "the version is there without all of its evaluations: copy it again, or measure it there with `hydra-registry evaluate`",
        )
    };
    let known = known(&registry).await.map_err(without_all)?;
    for evaluation in evaluations {
        let moved = renumbered(evaluation, entity.version, logged.version, &known, &origin);
        let (name, digest) = (moved.dataset.name.as_str(), moved.dataset.short_digest());
        let dataset = DatasetInput::new(name, digest, "code", from.clone()).context("eval");
        registry.record_evaluation(&moved, &dataset).await.map_err(without_all)?;
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

/// Whether a tag of the run goes along: what people set, and where the run comes from.
fn is_of_the_run(key: &str) -> bool {
    let is_own = key.starts_with("hydra.") || key.starts_with("mlflow.");
    let is_origin = key.starts_with("mlflow.source.") || key == "mlflow.note.content";
    (is_origin || !is_own) && Key::new(key).is_ok()
}

/// Whether a tag of the version goes along: what people set, and the signatures of the model file, which hold for its bytes anywhere.
fn is_of_the_version(key: &str) -> bool {
    let is_own = key.starts_with("hydra.") || key.starts_with("mlflow.");
    (key == SIGNATURE_TAG || !is_own) && Key::new(key).is_ok()
}

fn owned((key, value): (&String, &String)) -> (String, String) {
    (key.clone(), value.clone())
}

/// The configuration: that of the run, if its leaves are the params, which may be truncated; else the params, each as it was logged.
async fn config(
    source: &ModelRegistry,
    run: Option<&RunId>,
    params: &BTreeMap<String, String>,
) -> Result<Value> {
    let is_of_params = |whole: &Value| {
        let is_param = |(key, value): &(String, String)| {
            params.get(key).is_some_and(|logged| value.starts_with(logged.as_str()))
        };
        flatten(whole).is_ok_and(|leaves| leaves.len() == params.len() && leaves.iter().all(is_param))
    };
    let whole = match whole_config(source, run).await {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ArtifactNotFound) => None,
        read => read?,
    };
    let as_logged = || params.iter().map(|(key, value)| (key.clone(), Value::from(value.clone()))).collect();
    Ok(whole.filter(is_of_params).unwrap_or_else(|| Value::Object(as_logged())))
}

/// `config.json` of a run, if it has one that is JSON.
async fn whole_config(source: &ModelRegistry, run: Option<&RunId>) -> Result<Option<Value>> {
    let Some(id) = run else { return Ok(None) };
    let run = source.backend().tracking.run(id).await?;
    let artifacts = source.backend().artifact_store(&run.artifact_uri.parse()?).await?;
    let bytes = read_whole(artifacts.as_ref(), CONFIG_ARTIFACT, CONFIG_BYTES).await?;
    Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
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
