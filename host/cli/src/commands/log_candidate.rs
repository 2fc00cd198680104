//! `log-candidate`: log a model file, or train a baseline and log that.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::args::LogCandidateArgs;
use crate::document::{self, Document};
use crate::report::CandidateReport;
use crate::settings::key_values;
use crate::{ExitStatus, Printer, Settings, interrupt};
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_models::config;
use hydra_registry::{Candidate, CandidateModel, ModelRegistry};
use hydra_training::baseline::{self, BaselineModel, TrainingParameters};

/// Logs a candidate.
pub async fn run(
    args: &LogCandidateArgs,
    settings: &Settings,
    printer: &mut Printer,
) -> anyhow::Result<ExitStatus> {
    let (model, mut metrics, mut config) = match (&args.model_file, &args.train, &args.label) {
        (Some(path), _, _) if path.as_os_str() == "-" => (CandidateModel::Stdin, BTreeMap::new(), Map::new()),
        (Some(path), _, _) => (path.as_path().into(), BTreeMap::new(), Map::new()),
        (None, Some(train), Some(label)) => trained(args, train, label, printer)?,
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

    // Before a store is made or a model created for it.
    let prepared = candidate.prepare().await?;
    let interrupted = interrupt::first()?;
    let registry = ModelRegistry::connect_or_create(settings.options.clone()).await?;
    let bar = printer.progress(None, true, "uploading");
    let logged = registry.log_prepared(prepared).progress(|bytes| bar.inc(bytes)).until(interrupted).await?;
    bar.finish_and_clear();
    let report = CandidateReport::new(registry.model(), &logged, &metrics);
    printer.report(&report, CandidateReport::text)?;
    Ok(ExitStatus::Done)
}

fn trained(
    args: &LogCandidateArgs,
    train: &Path,
    label: &str,
    printer: &Printer,
) -> anyhow::Result<(CandidateModel, BTreeMap<String, f64>, Map<String, Value>)> {
    let parameters = training_parameters(&args.params)?;
    let (data, held_out) = TrainingData::read(train, label)?.split(args.holdout)?;
    printer.note(format!("training on {} rows, measuring on {}", data.rows.len(), held_out.rows.len()));
    let model = BaselineModel::train_with(&parameters, &data.rows, &data.labels, &data.features)
        .map_err(|error| error.with_context("path", train.display()))?;
    let metrics = baseline::evaluate(&model, &held_out.rows, &held_out.labels)?;
    let data = json!({
        "file": train.file_name().map(|name| name.to_string_lossy()), "label": label,
        "rows": data.rows.len(), "holdout_rows": held_out.rows.len(), "features": data.features.len(),
    });
    let config = Map::from_iter([("data".to_owned(), data), ("params".to_owned(), json!(parameters))]);
    Ok((CandidateModel::Text(model.into_text()), metrics, config))
}

/// `--param` arguments over the defaults; an unknown one is an error that lists those there are.
fn training_parameters(given: &[String]) -> Result<TrainingParameters> {
    let values = key_values("--param", given)?;
    let object: Map<String, Value> =
        values.into_iter().map(|(key, text)| (key, document::json_or_text(text))).collect();
    serde_json::from_value(Value::Object(object)).map_err(|source| {
        Error::new(ErrorKind::InvalidArgument, "not a training parameter").with_source(source)
    })
}

fn add_metrics(metrics: &mut BTreeMap<String, f64>, args: &LogCandidateArgs) -> anyhow::Result<()> {
    if let Some(path) = &args.metrics_file {
        let Value::Object(given) = document::read(path)? else {
            anyhow::bail!("{} is not an object of metrics", path.display());
        };
        for (key, value) in given {
            let value =
                document::number(&key, &value).map_err(|error| error.with_context("path", path.display()))?;
            metrics.insert(key, value);
        }
    }
    for (key, text) in key_values("--metric", &args.metrics)? {
        let value = document::number(&key, &Value::String(text))?;
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
