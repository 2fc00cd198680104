//! The `MLmodel` of a directory that MLflow's Python client saved before it was known where the model goes, or that another store has.

use std::time::SystemTime;

use hydra_base::error::{Error, ErrorKind, Result};
use serde_json::{Map, Number, Value, json};

use super::directory::utc_time;
use super::yaml::quoted;
use super::{Identity, MlModel, MlModelLimits};

/// The keys that say where a model is, which differ between two stores.
const OF_PLACE: [&str; 6] =
    ["artifact_path", "model_id", "model_uuid", "model_size_bytes", "run_id", "utc_time_created"];

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
pub struct SavedMlModel(Form);

#[derive(Debug, Clone, PartialEq)]
enum Form {
    Json(Map<String, Value>),
    /// YAML in block style, with each key at the start of a line.
    Block(String),
}

impl SavedMlModel {
    /// The file with these keys.
    #[must_use]
    pub fn new(saved: Map<String, Value>) -> Self {
        Self(Form::Json(saved))
    }

    /// The file as a store has it, in JSON or in the block style of YAML, in which MLflow writes it. All that does not say where the
    /// model is keeps its bytes, because readers of YAML disagree about values such as `1e5`.
    ///
    /// Fails like [`MlModel::parse`], and with [`ErrorKind::Unsupported`] for other styles.
    pub fn from_text(bytes: &[u8], limits: &MlModelLimits) -> Result<Self> {
        let read = MlModel::parse(bytes, limits)?;
        let text = String::from_utf8_lossy(bytes);
        let form = match serde_json::from_slice(bytes) {
            Ok(keys) => Form::Json(keys),
            Err(_) => Form::Block(text.trim_start_matches('\u{feff}').replace("\r\n", "\n")),
        };
        let saved = Self(form);
        let place = Identity::RunArtifact { artifact_path: "model".to_owned(), model_uuid: "0".repeat(32) };
        let again = saved.logged(&place, "run", 1, SystemTime::UNIX_EPOCH);
        let is_same = MlModel::parse(again.as_bytes(), &MlModelLimits { bytes: limits.bytes * 2, ..*limits })
            .is_ok_and(|again| {
                (&again.lightgbm, &again.signature, again.run_id.as_deref(), &again.model_id)
                    == (&read.lightgbm, &read.signature, Some("run"), &None)
            });
        if is_same {
            return Ok(saved);
        }
        Err(Error::new(ErrorKind::Unsupported, "`MLmodel` is not in the style in which MLflow writes it")
            .with_hint("log the model to the other store with MLflow's Python client"))
    }

    /// The file as [`MlModel::parse`] reads it.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        match &self.0 {
            Form::Json(keys) => Value::Object(keys.clone()).to_string().into_bytes(),
            Form::Block(text) => text.clone().into_bytes(),
        }
    }

    /// The text of the file once the model is logged: with the identity that the stores gave it, in place of that of the saved one.
    #[must_use]
    pub fn logged(&self, identity: &Identity, run_id: &str, model_size: u64, created: SystemTime) -> String {
        let model_id = match identity {
            Identity::LoggedModel { model_id, .. } => Some(model_id),
            Identity::RunArtifact { .. } => None,
        };
        let model_uuid = match identity {
            Identity::LoggedModel { model_id, .. } => model_id,
            Identity::RunArtifact { model_uuid, .. } => model_uuid,
        };
        let mut place = Map::from_iter([
            ("artifact_path".to_owned(), json!(identity.artifact_path())),
            ("model_size_bytes".to_owned(), json!(model_size)),
            ("model_uuid".to_owned(), json!(model_uuid)),
            ("run_id".to_owned(), json!(run_id)),
            ("utc_time_created".to_owned(), json!(utc_time(created))),
        ]);
        place.extend(model_id.map(|id| ("model_id".to_owned(), json!(id))));
        let (before, keys) = match &self.0 {
            Form::Json(keys) => {
                let others = keys.clone().into_iter().filter(|(key, _)| !OF_PLACE.contains(&key.as_str()));
                (String::new(), others.chain(place).collect())
            }
            Form::Block(text) => (without(text, &OF_PLACE), place),
        };
        keys.iter().fold(before, |text, (key, value)| text + &format!("{}: {}\n", quoted(key), flow(value)))
    }
}

/// The text of a file in block style without these keys and their values.
fn without(text: &str, keys: &[&str]) -> String {
    let mut is_left_out = false;
    let mut rest = String::with_capacity(text.len());
    for line in text.lines() {
        let key = line.split_once(':').map(|(key, _)| key.trim_matches(['"', '\'']));
        // Values go on in lines that are indented, or begin with the sign of a list.
        let begins = !line.starts_with([' ', '\t', '-', '#']) && !line.is_empty();
        if let Some(key) = key.filter(|_| begins) {
            is_left_out = keys.contains(&key);
        }
        if !is_left_out {
            rest.push_str(line);
            rest.push('\n');
        }
    }
    rest
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

    const STORED: &str = "artifact_path: mlflow-artifacts:/1/models/m-7b/artifacts\nflavors:\n  lightgbm:\n    data: model.skops\n    \
        extra_files:\n    - path: extra_files/notes.txt\n    model_class: lightgbm.sklearn.LGBMClassifier\nmetadata:\n  commit: 1e5\n  \
        run_id: inner\nmlflow_version: 3.17.2\nmodel_id: m-7b\nmodel_size_bytes: 45748\nmodel_uuid: m-7b\nprompts:\n- 0o17\nrun_id: \
        71\n  7a\nutc_time_created: '2026-11-30 21:30:17.061000'\n";

    /// A copy keeps what the file says of the model, byte by byte, and says where the copy is.
    #[test]
    fn what_a_store_has_keeps_its_bytes() {
        let limits = MlModelLimits::default();
        let saved = SavedMlModel::from_text(STORED.as_bytes(), &limits).expect("MLmodel");
        let run = Identity::RunArtifact { artifact_path: "model".to_owned(), model_uuid: "0".repeat(32) };
        let text = saved.logged(&run, "run-1", 10, SystemTime::UNIX_EPOCH);
        assert!(
            text.contains("  commit: 1e5\n  run_id: inner\nmlflow_version: 3.17.2\nprompts:\n- 0o17\n\""),
            "{text}"
        );
        assert!(!text.contains("7a") && !text.contains("m-7b") && !text.contains("2026"), "{text}");
        let read = MlModel::parse(text.as_bytes(), &limits).expect("MLmodel");
        assert_eq!((read.run_id.as_deref(), read.model_id), (Some("run-1"), None));
        let json =
            br#"{"flavors": {"lightgbm": {"data": "m.lgb"}}, "run_id": "a", "metadata": {"commit": "1e5"}}"#;
        let text = SavedMlModel::from_text(json, &limits).expect("JSON").logged(
            &run,
            "run-1",
            10,
            SystemTime::UNIX_EPOCH,
        );
        assert!(text.contains(r#""commit": "1e5""#) && text.contains(r#""run_id": "run-1""#), "{text}");
    }

    #[test]
    fn a_file_of_another_style_is_refused() {
        for text in [
            "{flavors: {lightgbm: {data: m.lgb}},\n run_id: a}",
            "flavors: {lightgbm: {data: m.lgb}}\n\"run\\x5fid\": a\n",
            "flavors: {lightgbm: {data: m.lgb}}\n---\nflavors: {}\n",
        ] {
            let refused = SavedMlModel::from_text(text.as_bytes(), &MlModelLimits::default());
            assert!(refused.is_err(), "{text}: {refused:?}");
        }
    }

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
        let json = MlModel::parse(&saved.to_bytes(), &MlModelLimits::default()).expect("JSON");
        assert_eq!(json.lightgbm.data, "model.skops");
    }
}
