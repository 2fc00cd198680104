//! Trains a baseline, and scores with LightGBM itself.

use serde_json::{Map, Value, json};

use super::data::TrainingData;
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_lightgbm::loaded::{Engine, Model};
use hydra_models::candidate::ModelSource;
use hydra_registry_cli::{Printer, TrainRequest, Trained};
use hydra_training::baseline::{self, BaselineModel, TrainingParameters};
use hydra_training::booster::Booster;

/// LightGBM itself with the trees of `model`; fails like [`Booster::of`].
pub fn engine(model: &Model) -> Result<Box<dyn Engine>> {
    Ok(Box::new(Booster::of(model)?))
}

/// Trains the baseline on the rows of a file and measures it on the holdout. An unknown parameter is an error that lists the known
/// ones.
pub fn trained(request: &TrainRequest<'_>, printer: &Printer) -> Result<Trained> {
    let TrainRequest { rows: train, label, holdout, params } = request;
    let parameters: TrainingParameters =
        serde_json::from_value(Value::Object(params.clone())).map_err(|source| {
            Error::new(ErrorKind::InvalidArgument, "not a training parameter").with_source(source)
        })?;
    let (data, held_out) = TrainingData::read(train, label)?.split(*holdout)?;
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
