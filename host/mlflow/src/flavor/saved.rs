//! The `MLmodel` of a directory that MLflow's Python client saved before it was known where the model goes.

use std::time::SystemTime;

use serde_json::{Map, Number, Value, json};

use super::Identity;
use super::directory::utc_time;
use super::yaml::quoted;

/// An `MLmodel` as MLflow's `save_model` wrote it, with the values as JSON.
///
/// ```
/// use std::time::SystemTime;
///
/// use hydra_mlflow::flavor::{Identity, SavedMlModel};
///
/// let serde_json::Value::Object(saved) = serde_json::json!({"flavors": {}, "model_uuid": "of the saved one"}) else {
///     unreachable!("an object")
/// };
/// let identity = Identity::RunArtifact { artifact_path: "model".to_owned(), model_uuid: "0".repeat(32) };
/// let text = SavedMlModel::new(saved).logged(&identity, "run-1", 4850, SystemTime::now());
/// assert!(text.starts_with("\"artifact_path\": \"model\"\n\"flavors\": {}\n"));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct SavedMlModel(Map<String, Value>);

impl SavedMlModel {
    /// The file with these keys.
    #[must_use]
    pub fn new(saved: Map<String, Value>) -> Self {
        Self(saved)
    }

    /// The file as JSON, which [`MlModel::parse`](super::MlModel::parse) reads.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        Value::Object(self.0.clone()).to_string().into_bytes()
    }

    /// The text of the file once the model is logged: with the identity that the stores gave it, in place of that of the saved one.
    #[must_use]
    pub fn logged(&self, identity: &Identity, run_id: &str, model_size: u64, created: SystemTime) -> String {
        let mut keys = self.0.clone();
        match identity {
            Identity::LoggedModel { model_id, .. } => {
                keys.insert("model_id".to_owned(), json!(model_id));
                keys.insert("model_uuid".to_owned(), json!(model_id));
            }
            Identity::RunArtifact { model_uuid, .. } => {
                keys.remove("model_id");
                keys.insert("model_uuid".to_owned(), json!(model_uuid));
            }
        }
        for (key, value) in [
            ("artifact_path", json!(identity.artifact_path())),
            ("model_size_bytes", json!(model_size)),
            ("run_id", json!(run_id)),
            ("utc_time_created", json!(utc_time(created))),
        ] {
            keys.insert(key.to_owned(), value);
        }
        keys.iter().map(|(key, value)| format!("{}: {}\n", quoted(key), flow(value))).collect()
    }
}

/// A value in YAML's flow style, which a reader of YAML 1.1 takes for the same value.
fn flow(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text),
        Value::Number(number) => decimal(number),
        Value::Array(items) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Value::Object(keys) => {
            let pairs = keys.iter().map(|(key, value)| format!("{}: {}", quoted(key), flow(value)));
            format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "))
        }
        Value::Null | Value::Bool(_) => value.to_string(),
    }
}

/// A number. YAML 1.1 has no exponent without a point before it and a sign.
fn decimal(number: &Number) -> String {
    let text = number.to_string();
    let Some((mantissa, exponent)) = text.split_once('e') else { return text };
    let point = if mantissa.contains('.') { "" } else { ".0" };
    let sign = if exponent.starts_with(['+', '-']) { "" } else { "+" };
    format!("{mantissa}{point}e{sign}{exponent}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flavor::{MlModel, MlModelLimits};

    #[test]
    fn the_identity_is_replaced_and_all_else_stays() {
        let Value::Object(saved) = json!({
            "flavors": {
                "lightgbm": {"data": "model.skops", "model_class": "lightgbm.sklearn.LGBMClassifier", "code": null},
                "python_function": {"loader_module": "mlflow.lightgbm", "n": 1e-7, "big": 1e300, "on": true},
            },
            "metadata": {"owner": "Åsa \u{1f980}: \"x\" \n#", "list": [1, "no", {"off": "1e5"}]},
            "model_id": null,
            "model_uuid": "5f2d",
            "utc_time_created": "2020-01-01 00:00:00.000000",
        }) else {
            panic!("an object")
        };
        let saved = SavedMlModel::new(saved);
        let logged =
            Identity::LoggedModel { model_id: "m-1".to_owned(), artifact_uri: "s3://b/m".to_owned() };
        let text = saved.logged(&logged, "run-1", 10, SystemTime::UNIX_EPOCH);
        let read = MlModel::parse(text.as_bytes(), &MlModelLimits::default()).expect("MLmodel");
        assert_eq!(read.lightgbm.model_class, "lightgbm.sklearn.LGBMClassifier");
        assert_eq!((read.model_id.as_deref(), read.model_uuid.as_deref()), (Some("m-1"), Some("m-1")));
        assert_eq!(read.run_id.as_deref(), Some("run-1"));
        assert_eq!(read.utc_time_created.as_deref(), Some("1970-01-01 00:00:00.000000"));
        assert!(text.contains(r#""n": 1.0e-7"#) && text.contains(r#""big": 1.0e+300"#), "{text}");
        assert!(text.contains(r#""\U0001f980"#) || text.contains(r"\U0001f980"), "{text}");
        let run = Identity::RunArtifact { artifact_path: "model".to_owned(), model_uuid: "0".repeat(32) };
        let text = saved.logged(&run, "run-1", 10, SystemTime::UNIX_EPOCH);
        let read = MlModel::parse(text.as_bytes(), &MlModelLimits::default()).expect("MLmodel");
        assert_eq!((read.model_id, read.model_uuid), (None, Some("0".repeat(32))));
        let json = MlModel::parse(&saved.to_json(), &MlModelLimits::default()).expect("JSON");
        assert_eq!(json.lightgbm.data, "model.skops");
    }
}
