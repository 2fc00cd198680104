//! `log-candidate`: logs a model file, or trains a baseline and logs it.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value};

use crate::args::LogCandidateArgs;
use crate::document::{self, Document};
use crate::report::CandidateReport;
use crate::settings::key_values;
use crate::{ExitStatus, Printer, Settings, TrainRequest, Trained, interrupt};
use hydra_base::Result;
use hydra_models::config;
use hydra_registry::{Candidate, ModelRegistry, ModelSource};

/// Logs a candidate.
pub async fn run(
    args: &LogCandidateArgs,
    settings: &Settings,
    printer: &mut Printer,
) -> anyhow::Result<ExitStatus> {
    let (model, mut metrics, mut config) = match (&args.model_file, &args.train, &args.label) {
        (Some(path), _, _) if path.as_os_str() == "-" => (ModelSource::Stdin, BTreeMap::new(), Map::new()),
        (Some(path), _, _) => (path.as_path().into(), BTreeMap::new(), Map::new()),
        (None, Some(train), Some(label)) => trained(args, train, label, settings, printer)?,
        _ => anyhow::bail!("name a model file, or training data (--train) and its label column (--label)"),
    };
    add_metrics(&mut metrics, args)?;
    add_config(&mut config, args)?;
    let mut candidate = Candidate::new(model)
        .metrics(metrics.clone())
        .config(Value::Object(config))
        .tags(key_values("--tag", &args.tags)?);
    if let Some(name) = &args.run_name {
        candidate = candidate.run_name(name);
    }
    if args.allow_non_finite {
        candidate = candidate.allow_non_finite();
    }

    // Check this before creating a store or a registered model.
    let prepared = candidate.prepare().await?;
    let interrupted = interrupt::first()?;
    let registry = ModelRegistry::connect(settings.options.clone()).await?;
    let bar = printer.progress(None, true, "uploading");
    let logging = registry.log_prepared(prepared).create_missing();
    let logged = logging.progress(|bytes| bar.inc(bytes)).until(interrupted).await?;
    bar.finish_and_clear();
    let report = CandidateReport::new(registry.model(), &logged, &metrics);
    printer.report(&report, CandidateReport::text)?;
    Ok(ExitStatus::Done)
}

/// Trains with the `--param` arguments.
fn trained(
    args: &LogCandidateArgs,
    rows: &Path,
    label: &str,
    settings: &Settings,
    printer: &Printer,
) -> Result<Trained> {
    let values = key_values("--param", &args.params)?;
    let params = values.into_iter().map(|(key, text)| (key, document::json_or_text(text))).collect();
    settings.extras.trained(&TrainRequest { rows, label, holdout: args.holdout, params }, printer)
}

fn add_metrics(metrics: &mut BTreeMap<String, f64>, args: &LogCandidateArgs) -> anyhow::Result<()> {
    if let Some(path) = &args.metrics_file {
        metrics.extend(Document::read(path)?.metrics()?);
    }
    for (key, text) in key_values("--metric", &args.metrics)? {
        let value = document::number(&key, &text)?;
        metrics.insert(key, value);
    }
    Ok(())
}

fn add_config(values: &mut Map<String, Value>, args: &LogCandidateArgs) -> anyhow::Result<()> {
    if let Some(path) = &args.config_file {
        values.extend(Document::read(path)?.config()?);
    }
    for (key, text) in key_values("--config-value", &args.config_values)? {
        config::set(values, &key, document::json_or_text(text))
            .map_err(|error| error.with_context("flag", "--config-value"))?;
    }
    Ok(())
}
