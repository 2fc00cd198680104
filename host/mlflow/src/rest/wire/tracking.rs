//! Experiments, runs and logged models in MLflow's JSON.

use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use super::inputs::WireInputs;
use super::{WireTag, checked, entries, optional_int, optional_run, pairs};
use crate::entities::{
    Experiment, LifecycleStage, LoggedModel, LoggedModelStatus, Metric, Run, RunInputs, RunStatus,
};
use crate::rest::limits::Chunk;
use crate::rules::MeasuredModel;
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::names::{ExperimentId, LoggedModelId, RunId};
use hydra_base::text::{QUOTED_CHARS, excerpt};

#[derive(Debug, Deserialize)]
pub(in crate::rest) struct ExperimentAnswer {
    pub(in crate::rest) experiment: WireExperiment,
}

#[derive(Debug, Deserialize)]
pub(in crate::rest) struct ExperimentCreated {
    pub(in crate::rest) experiment_id: String,
}

#[derive(Debug, Deserialize)]
pub(in crate::rest) struct WireExperiment {
    experiment_id: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    artifact_location: String,
    #[serde(default)]
    lifecycle_stage: String,
    #[serde(default)]
    tags: Vec<WireTag>,
}

#[derive(Debug, Deserialize)]
pub(in crate::rest) struct RunAnswer {
    pub(in crate::rest) run: WireRun,
}

#[derive(Debug, Deserialize)]
pub(in crate::rest) struct RunsAnswer {
    #[serde(default)]
    pub(in crate::rest) runs: Vec<WireRun>,
    #[serde(default)]
    pub(in crate::rest) next_page_token: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(in crate::rest) struct WireRun {
    info: RunInfo,
    #[serde(default)]
    data: RunData,
    #[serde(default)]
    inputs: WireInputs,
    #[serde(default)]
    outputs: RunOutputs,
}

#[derive(Debug, Deserialize)]
struct RunInfo {
    run_id: String,
    experiment_id: String,
    #[serde(default)]
    run_name: Option<String>,
    #[serde(default)]
    status: Option<String>,
    #[serde(default, deserialize_with = "optional_int")]
    start_time: Option<i64>,
    #[serde(default, deserialize_with = "optional_int")]
    end_time: Option<i64>,
    #[serde(default)]
    artifact_uri: String,
    #[serde(default)]
    lifecycle_stage: String,
    #[serde(default)]
    user_id: String,
}

#[derive(Debug, Default, Deserialize)]
struct RunData {
    #[serde(default)]
    metrics: Vec<WireMetric>,
    #[serde(default)]
    params: Vec<WireTag>,
    #[serde(default)]
    tags: Vec<WireTag>,
}

#[derive(Debug, Default, Deserialize)]
struct RunOutputs {
    #[serde(default)]
    model_outputs: Vec<ModelOutput>,
}

#[derive(Debug, Deserialize)]
struct ModelOutput {
    model_id: String,
}

#[derive(Debug, Deserialize)]
struct WireMetric {
    key: String,
    #[serde(default, deserialize_with = "metric_value")]
    value: f64,
    #[serde(default, deserialize_with = "optional_int")]
    timestamp: Option<i64>,
    #[serde(default, deserialize_with = "optional_int")]
    step: Option<i64>,
}

#[derive(Debug, Deserialize)]
pub(in crate::rest) struct LoggedModelAnswer {
    pub(in crate::rest) model: WireLoggedModel,
}

#[derive(Debug, Deserialize)]
pub(in crate::rest) struct LoggedModelsAnswer {
    #[serde(default)]
    pub(in crate::rest) models: Vec<WireLoggedModel>,
}

#[derive(Debug, Deserialize)]
pub(in crate::rest) struct WireLoggedModel {
    info: LoggedModelInfo,
}

#[derive(Debug, Deserialize)]
struct LoggedModelInfo {
    model_id: String,
    experiment_id: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    artifact_uri: String,
    #[serde(default)]
    status: String,
    #[serde(default)]
    source_run_id: String,
}

impl WireExperiment {
    pub(in crate::rest) fn into_entity(self) -> Result<Experiment> {
        Ok(Experiment {
            id: checked("experiment id", ExperimentId::new(self.experiment_id))?,
            name: self.name,
            artifact_location: self.artifact_location,
            lifecycle_stage: LifecycleStage::of(Some(&self.lifecycle_stage)),
        })
    }

    pub(in crate::rest) fn id(&self) -> String {
        self.experiment_id.clone()
    }

    pub(in crate::rest) fn tag(&self, key: &str) -> Option<&str> {
        self.tags.iter().find(|tag| tag.key == key).map(|tag| tag.value.as_str())
    }
}

impl WireRun {
    /// Whether the LoggedModel is an output of the run.
    pub(in crate::rest) fn has_output(&self, model: &LoggedModelId) -> bool {
        self.outputs.model_outputs.iter().any(|output| output.model_id == model.as_str())
    }

    pub(in crate::rest) fn into_inputs(self) -> Result<RunInputs> {
        self.inputs.into_entity()
    }

    pub(in crate::rest) fn into_entity(self) -> Result<Run> {
        let mut metrics: Vec<Metric> = self.data.metrics.into_iter().map(WireMetric::into_entity).collect();
        metrics.sort_by(|a, b| a.key.cmp(&b.key));
        let tags = pairs(self.data.tags);
        let info = self.info;
        Ok(Run {
            id: checked("run id", RunId::new(info.run_id))?,
            experiment_id: checked("experiment id", ExperimentId::new(info.experiment_id))?,
            name: info.run_name.or_else(|| tags.get("mlflow.runName").cloned()).unwrap_or_default(),
            status: run_status(info.status.as_deref())?,
            start_time: info.start_time,
            end_time: info.end_time,
            artifact_uri: info.artifact_uri,
            lifecycle_stage: LifecycleStage::of(Some(&info.lifecycle_stage)),
            user_id: info.user_id,
            metrics,
            params: pairs(self.data.params),
            tags,
        })
    }
}

impl WireMetric {
    fn into_entity(self) -> Metric {
        Metric {
            key: self.key,
            value: self.value,
            timestamp: self.timestamp.unwrap_or(0),
            step: self.step.unwrap_or(0),
        }
    }
}

impl WireLoggedModel {
    pub(in crate::rest) fn into_entity(self) -> Result<LoggedModel> {
        let info = self.info;
        Ok(LoggedModel {
            id: checked("logged model id", LoggedModelId::new(info.model_id))?,
            experiment_id: checked("experiment id", ExperimentId::new(info.experiment_id))?,
            name: info.name,
            artifact_uri: info.artifact_uri,
            status: match info.status.as_str() {
                "LOGGED_MODEL_PENDING" => LoggedModelStatus::Pending,
                "LOGGED_MODEL_READY" => LoggedModelStatus::Ready,
                "LOGGED_MODEL_UPLOAD_FAILED" => LoggedModelStatus::UploadFailed,
                _ => LoggedModelStatus::Unspecified,
            },
            source_run_id: optional_run(info.source_run_id)?,
        })
    }
}

/// The body of a `log-batch` request. Non-finite values are sent as strings: given bare literals, a server reports
/// success and loses the rest of the batch. If `model` is given, metrics are stored with it, too.
pub(in crate::rest) fn batch(run: &RunId, chunk: &Chunk<'_>, model: Option<&MeasuredModel>) -> Value {
    let metric = |metric: &Metric| {
        let value = match metric.value {
            value if value.is_finite() => json!(value),
            value if value.is_nan() => json!("NaN"),
            value if value > 0.0 => json!("Infinity"),
            _ => json!("-Infinity"),
        };
        let mut point =
            json!({ "key": metric.key, "value": value, "timestamp": metric.timestamp, "step": metric.step });
        if let Some(model) = model {
            point["model_id"] = json!(model.id);
            if let Some((name, digest)) = &model.dataset {
                point["dataset_name"] = json!(name);
                point["dataset_digest"] = json!(digest);
            }
        }
        point
    };
    json!({
        "run_id": run,
        "metrics": chunk.metrics.iter().map(metric).collect::<Vec<_>>(),
        "params": entries(chunk.params.iter().copied()),
        "tags": entries(chunk.tags.iter().copied()),
    })
}

/// MLflow's name of a LoggedModel's state.
pub(in crate::rest) fn logged_model_status(status: LoggedModelStatus) -> &'static str {
    match status {
        LoggedModelStatus::Pending => "LOGGED_MODEL_PENDING",
        LoggedModelStatus::Ready => "LOGGED_MODEL_READY",
        LoggedModelStatus::UploadFailed => "LOGGED_MODEL_UPLOAD_FAILED",
        LoggedModelStatus::Unspecified => "LOGGED_MODEL_STATUS_UNSPECIFIED",
    }
}

fn run_status(status: Option<&str>) -> Result<RunStatus> {
    let Some(status) = status else { return Ok(RunStatus::Running) };
    RunStatus::of(status).ok_or_else(|| {
        Error::new(ErrorKind::Protocol, "the run status from the server is unknown")
            .with_context("status", excerpt(status, QUOTED_CHARS))
    })
}

fn metric_value<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let value = Value::deserialize(deserializer)?;
    let number = match &value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => match text.as_str() {
            "NaN" => Some(f64::NAN),
            "Infinity" => Some(f64::INFINITY),
            "-Infinity" => Some(f64::NEG_INFINITY),
            text => text.parse().ok(),
        },
        _ => None,
    };
    number.ok_or_else(|| serde::de::Error::custom("not a metric value"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn non_finite_metrics_are_never_bare_literals() {
        let metric = |value| Metric { key: "m".into(), value, timestamp: 7, step: -1 };
        let metrics = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.1, 1e22, f64::MIN_POSITIVE].map(metric);
        let chunk = Chunk { metrics: &metrics, params: vec![("p", "1")], tags: Vec::new() };
        let run = RunId::new("r").expect("an id");
        let text = batch(&run, &chunk, None).to_string();
        let values: Vec<_> =
            text.split("\"value\":").skip(1).filter_map(|rest| rest.split(['}', ',']).next()).collect();
        let expected =
            ["\"NaN\"", "\"Infinity\"", "\"-Infinity\"", "0.1", "1e+22", "2.2250738585072014e-308", "\"1\""];
        assert_eq!(values, expected);
    }

    #[test]
    fn defaults_may_be_left_out_and_numbers_may_be_strings() {
        let run: RunAnswer = serde_json::from_str(
            r#"{"run":{"info":{"run_id":"r1","experiment_id":"0","status":"FINISHED","start_time":"17","extra":{}},
                "data":{"metrics":[{"key":"b","value":"NaN","timestamp":5},{"key":"a","value":1,"step":"3"}],
                        "tags":[{"key":"mlflow.runName","value":"n"},{"key":"empty"}]}}}"#,
        )
        .expect("a run");
        let run = run.run.into_entity().expect("an entity");
        assert_eq!((run.name.as_str(), run.start_time, run.end_time), ("n", Some(17), None));
        assert_eq!((run.metrics[0].key.as_str(), run.metrics[0].step), ("a", 3));
        assert!(run.metrics[1].value.is_nan());
        assert_eq!(run.tags["empty"], "");
        let empty: RunsAnswer = serde_json::from_str("{}").expect("an empty page");
        assert!(empty.runs.is_empty() && empty.next_page_token.is_none());
    }
}
