//! `log-candidate`: log a model file, or train a baseline and log that.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::args::LogCandidateArgs;
use crate::document::{self, Document};
use crate::report::CandidateReport;
use crate::settings::key_values;
use crate::{ExitStatus, Printer, Settings, interrupt};
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_models::candidate::{Candidate, ModelSource};
use hydra_models::config;
use hydra_registry::ModelRegistry;

/// Logs a candidate.
pub async fn run(
    args: &LogCandidateArgs,
    settings: &Settings,
    printer: &mut Printer,
) -> anyhow::Result<ExitStatus> {
    let mut candidate = match (&args.model_file, &args.train, &args.label) {
        (Some(path), _, _) if path.as_os_str() == "-" => Candidate::new(ModelSource::Stdin, BTreeMap::new()),
        (Some(path), _, _) => Candidate::new(path.as_path(), BTreeMap::new()),
        (None, Some(train), Some(label)) => training::trained(args, train, label, printer)?,
        _ => anyhow::bail!("name a model file, or training data and its label column"),
    };
    add_metrics(&mut candidate, args)?;
    add_config(&mut candidate, args)?;
    candidate.tags = key_values("--tag", &args.tags)?;
    candidate.run_name.clone_from(&args.run_name);
    candidate.allow_non_finite = args.allow_non_finite;

    // Before a store is made or a model created for it.
    let prepared = candidate.prepare().await?;
    let interrupted = interrupt::first()?;
    let registry = ModelRegistry::open(settings.options.clone()).await?;
    let bar = printer.progress(None, true, "uploading");
    let logged = registry.log_prepared(&prepared, &|bytes| bar.inc(bytes), interrupted).await?;
    bar.finish_and_clear();
    let report = CandidateReport::new(registry.model(), &logged, &candidate.metrics);
    printer.report(&report, CandidateReport::text)?;
    Ok(ExitStatus::Done)
}

fn trained(
    args: &LogCandidateArgs,
    train: &Path,
    label: &str,
    printer: &Printer,
) -> anyhow::Result<Candidate> {
    let parameters = training_parameters(&args.params)?;
    let (data, held_out) = TrainingData::read(train, label)?.split(args.holdout)?;
    printer.note(format!("training on {} rows, measuring on {}", data.rows.len(), held_out.rows.len()));
    let model = BaselineModel::train_with(&parameters, &data.rows, &data.labels, &data.features)
        .map_err(|error| error.with_context("path", train.display()))?;
    let metrics = baseline::evaluate(&model, &held_out.rows, &held_out.labels)?;
    let mut candidate = Candidate::new(ModelSource::Text(model.into_text()), metrics);
    candidate.config = serde_json::json!({
        "data": { "file": train.file_name().map(|name| name.to_string_lossy()), "label": label,
                  "rows": data.rows.len(), "holdout_rows": held_out.rows.len(), "features": data.features.len() },
        "params": parameters,
    });
    Ok(candidate)
}

/// `--param` arguments over the defaults; an unknown one is an error that lists those there are.
fn training_parameters(given: &[String]) -> Result<TrainingParameters> {
    let values = key_values("--param", given)?;
    let object: serde_json::Map<String, Value> =
        values.into_iter().map(|(key, text)| (key, document::json_or_text(text))).collect();
    serde_json::from_value(Value::Object(object)).map_err(|source| {
        Error::new(ErrorKind::InvalidArgument, "not a training parameter").with_source(source)
    })
}

fn add_metrics(candidate: &mut Candidate, args: &LogCandidateArgs) -> anyhow::Result<()> {
    if let Some(path) = &args.metrics_file {
        candidate.metrics.extend(Document::read(path)?.metrics()?);
    }
    for (key, text) in key_values("--metric", &args.metrics)? {
        let value = document::number(&key, &text)?;
        candidate.metrics.insert(key, value);
    }
    Ok(())
}

fn add_config(candidate: &mut Candidate, args: &LogCandidateArgs) -> anyhow::Result<()> {
    let Value::Object(values) = &mut candidate.config else { return Ok(()) };
    if let Some(path) = &args.config_file {
        values.extend(Document::read(path)?.config()?);
    }
    for (key, text) in key_values("--config-value", &args.config_values)? {
        config::set(values, &key, document::json_or_text(text))
            .map_err(|error| error.with_context("flag", "--config-value"))?;
    }
    Ok(())
}
