//! Trains a baseline, and scores with LightGBM itself.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::data::TrainingData;
use crate::Printer;
use crate::args::LogCandidateArgs;
use crate::commands::log_candidate::Trained;
use crate::document;
use crate::settings::key_values;
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_lightgbm::loaded::{Engine, Model};
use hydra_models::candidate::ModelSource;
use hydra_training::baseline::{self, BaselineModel, TrainingParameters};
use hydra_training::booster::Booster;

/// LightGBM itself with the trees of `model`; fails like [`Booster::of`].
pub fn engine(model: &Model) -> Result<Box<dyn Engine>> {
    Ok(Box::new(Booster::of(model)?))
}

/// Trains the baseline on the rows of a file and measures it on the holdout.
pub fn trained(args: &LogCandidateArgs, train: &Path, label: &str, printer: &Printer) -> Result<Trained> {
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
    Ok((ModelSource::Text(model.into_text()), metrics, config))
}

/// Applies `--param` arguments to the defaults; an unknown name is an error that lists the known ones.
fn training_parameters(given: &[String]) -> Result<TrainingParameters> {
    let values = key_values("--param", given)?;
    let object: Map<String, Value> =
        values.into_iter().map(|(key, text)| (key, document::json_or_text(text))).collect();
    serde_json::from_value(Value::Object(object)).map_err(|source| {
        Error::new(ErrorKind::InvalidArgument, "not a training parameter").with_source(source)
    })
}
