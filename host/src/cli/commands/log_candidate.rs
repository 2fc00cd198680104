//! `log-candidate`: log a model file, or train a baseline and log that.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context as _;
use serde_json::Value;

use crate::ModelRegistry;
use crate::cli::args::LogCandidateArgs;
use crate::cli::commands::training_data::TrainingData;
use crate::cli::report::CandidateReport;
use crate::cli::settings::key_values;
use crate::cli::{ExitStatus, Printer, Settings, interrupt};
use crate::error::{Error, ErrorKind, Result};
use crate::lifecycle::candidate::{Candidate, CandidateModel};
use crate::lifecycle::config;
use crate::model::baseline::{self, BaselineModel, TrainingParameters};

/// Logs a candidate.
pub async fn run(
    args: &LogCandidateArgs,
    settings: &Settings,
    printer: &mut Printer,
) -> anyhow::Result<ExitStatus> {
    let mut candidate = match (&args.model_file, &args.train, &args.label) {
        (Some(path), _, _) if path.as_os_str() == "-" => {
            Candidate::new(CandidateModel::Stdin, BTreeMap::new())
        }
        (Some(path), _, _) => Candidate::new(path.as_path(), BTreeMap::new()),
        (None, Some(train), Some(label)) => trained(args, train, label, printer)?,
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
    let mut candidate = Candidate::new(model, metrics);
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
        values.into_iter().map(|(key, text)| (key, json_or_text(text))).collect();
    serde_json::from_value(Value::Object(object)).map_err(|source| {
        Error::new(ErrorKind::InvalidArgument, "not a training parameter").with_source(source)
    })
}

/// JSON where the text parses as such, else the text itself.
fn json_or_text(text: String) -> Value {
    serde_json::from_str(&text).unwrap_or(Value::String(text))
}

fn add_metrics(candidate: &mut Candidate, args: &LogCandidateArgs) -> anyhow::Result<()> {
    if let Some(path) = &args.metrics_file {
        let Value::Object(metrics) = read_document(path)? else {
            anyhow::bail!("{} is no JSON object of metrics", path.display());
        };
        for (key, value) in metrics {
            let value = metric_value(&key, &value.to_string().replace('"', ""))?;
            candidate.metrics.insert(key, value);
        }
    }
    for (key, text) in key_values("--metric", &args.metrics)? {
        let value = metric_value(&key, &text)?;
        candidate.metrics.insert(key, value);
    }
    Ok(())
}

/// Numbers as Rust, Python and JSON write them, `nan` and `inf` included.
fn metric_value(key: &str, text: &str) -> Result<f64> {
    text.parse().map_err(|source| {
        Error::new(ErrorKind::InvalidArgument, format!("metric `{key}` is no number: `{text}`"))
            .with_source(source)
    })
}

fn add_config(candidate: &mut Candidate, args: &LogCandidateArgs) -> anyhow::Result<()> {
    let Value::Object(values) = &mut candidate.config else { return Ok(()) };
    if let Some(path) = &args.config_file {
        let Value::Object(given) = read_document(path)? else {
            anyhow::bail!("{} holds no object", path.display());
        };
        values.extend(given);
    }
    for (key, text) in key_values("--config-value", &args.config_values)? {
        config::set(values, &key, json_or_text(text))
            .map_err(|error| error.with_context("flag", "--config-value"))?;
    }
    Ok(())
}

/// A JSON file, or a TOML file by its ending.
fn read_document(path: &Path) -> anyhow::Result<Value> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let is_toml = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("toml"));
    let parsed = if is_toml {
        toml::from_str(&text).map_err(anyhow::Error::from)
    } else {
        serde_json::from_str(&text).map_err(anyhow::Error::from)
    };
    parsed.with_context(|| format!("{} is damaged", path.display()))
}
