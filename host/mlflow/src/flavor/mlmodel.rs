//! Reads `MLmodel`, an untrusted file. Only the `lightgbm` flavor, or else the `sklearn` flavor, and the signature are used.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::BOOSTER_CLASS;
use super::signature::{RawSignature, Signature};
use hydra_base::text::{QUOTED_CHARS, excerpt, listed};
use hydra_base::{Error, ErrorKind, Result};

/// What stands for the class of a model in the `sklearn` flavor, which the file does not name.
pub const SKLEARN_CLASS: &str = "an estimator of the flavor sklearn";

/// Limits for reading an `MLmodel` file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MlModelLimits {
    /// The largest size in bytes; 1 MiB by default.
    pub bytes: usize,
    /// The deepest nesting; 32 by default.
    pub depth: usize,
    /// The largest number of YAML nodes, with repetitions by aliases; 100,000 by default.
    pub nodes: usize,
}

impl Default for MlModelLimits {
    fn default() -> Self {
        Self { bytes: 1 << 20, depth: 32, nodes: 100_000 }
    }
}

/// The description of a LightGBM model in an `MLmodel` file.
///
/// Code, loader modules and environments in the file are not read: it cannot make this host run or fetch anything
/// except the one data file.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct MlModel {
    /// The location and the kind of the model.
    pub lightgbm: LightGbmFlavor,
    /// Inputs and outputs, if the file declares them.
    pub signature: Option<Signature>,
    /// The run that logged the model.
    pub run_id: Option<String>,
    /// The LoggedModel of MLflow 3.
    pub model_id: Option<String>,
    /// MLflow's id of the saved model.
    pub model_uuid: Option<String>,
    /// The version of MLflow that wrote the file.
    pub mlflow_version: Option<String>,
    /// The time when the file was written, in MLflow's format.
    pub utc_time_created: Option<String>,
}

/// The `flavors.lightgbm` section, or what the `flavors.sklearn` section says of the same.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LightGbmFlavor {
    /// The model file, relative to the directory of `MLmodel`. It is checked to stay below it.
    pub data: String,
    /// The Python class of the model; `lightgbm.basic.Booster` if the file names none, and [`SKLEARN_CLASS`] for the flavor `sklearn`, which
    /// has estimators of any class.
    pub model_class: String,
    /// `skops`, `cloudpickle` or `pickle`; without meaning for boosters.
    pub serialization_format: Option<String>,
    /// The version of LightGBM that wrote the model.
    pub lgb_version: Option<String>,
}

impl MlModel {
    /// Reads an `MLmodel` file in YAML or JSON syntax.
    ///
    /// [`ErrorKind::InvalidModel`] if it is damaged or beyond the limits, [`ErrorKind::UnsupportedModel`] if it has neither a
    /// `lightgbm` flavor nor a `sklearn` flavor (the message lists its flavors), [`ErrorKind::Untrusted`] if the data path is absolute,
    /// contains `..`, or is not a plain relative path.
    pub fn parse(bytes: &[u8], limits: &MlModelLimits) -> Result<Self> {
        let raw = deserialize(bytes, limits)?;
        let Some(flavors) = raw.flavors else {
            return Err(invalid("`MLmodel` has no flavors"));
        };
        let lightgbm = match (flavors.lightgbm, flavors.sklearn) {
            (Some(flavor), _) => LightGbmFlavor {
                data: flavor.data.ok_or_else(|| invalid("`flavors.lightgbm` names no data file"))?,
                model_class: flavor.model_class.unwrap_or_else(|| BOOSTER_CLASS.to_owned()),
                serialization_format: flavor.serialization_format,
                lgb_version: flavor.lgb_version,
            },
            (None, Some(flavor)) => LightGbmFlavor {
                data: flavor.pickled_model.ok_or_else(|| invalid("`flavors.sklearn` names no model file"))?,
                model_class: SKLEARN_CLASS.to_owned(),
                serialization_format: flavor.serialization_format,
                lgb_version: None,
            },
            (None, None) => {
                let others: Vec<&str> = flavors.others.keys().map(String::as_str).collect();
                return Err(Error::new(ErrorKind::UnsupportedModel, "the model has no lightgbm flavor")
                    .with_context("flavors", listed(&others))
                    .with_hint("log the model with `mlflow.lightgbm`"));
            }
        };
        check_data_path(&lightgbm.data)?;
        Ok(Self {
            lightgbm,
            signature: raw.signature.map(Signature::from_raw).transpose()?,
            run_id: raw.run_id,
            model_id: raw.model_id,
            model_uuid: raw.model_uuid,
            mlflow_version: raw.mlflow_version,
            utc_time_created: raw.utc_time_created,
        })
    }
}

#[derive(Deserialize)]
struct RawMlModel {
    flavors: Option<RawFlavors>,
    signature: Option<RawSignature>,
    run_id: Option<String>,
    model_id: Option<String>,
    model_uuid: Option<String>,
    mlflow_version: Option<String>,
    utc_time_created: Option<String>,
}

#[derive(Deserialize)]
struct RawFlavors {
    lightgbm: Option<RawLightGbm>,
    sklearn: Option<RawSklearn>,
    #[serde(flatten)]
    #[expect(clippy::zero_sized_map_values, reason = "only the names of the other flavors matter")]
    others: BTreeMap<String, IgnoredAny>,
}

#[derive(Deserialize)]
struct RawLightGbm {
    data: Option<String>,
    model_class: Option<String>,
    serialization_format: Option<String>,
    lgb_version: Option<String>,
}

#[derive(Deserialize)]
struct RawSklearn {
    pickled_model: Option<String>,
    serialization_format: Option<String>,
}

fn deserialize(bytes: &[u8], limits: &MlModelLimits) -> Result<RawMlModel> {
    if bytes.len() > limits.bytes {
        return Err(invalid("`MLmodel` is too large")
            .with_context("bytes", bytes.len())
            .with_context("limit", limits.bytes));
    }
    let text =
        std::str::from_utf8(bytes).map_err(|error| invalid("`MLmodel` is not UTF-8").with_source(error))?;
    // YAML parsers differ in details of JSON (tabs, long keys), so a JSON parser reads JSON.
    if text.trim_start().starts_with('{') {
        return serde_json::from_str(text)
            .map_err(|error| invalid("`MLmodel` is damaged JSON").with_source(error));
    }
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: limits.depth,
            flow_nesting_limit: limits.depth,
            max_nodes: limits.nodes,
            max_events: limits.nodes.saturating_mul(2),
            max_aliases: 64,
            max_anchors: 64,
            max_documents: 1,
            max_total_scalar_bytes: limits.bytes,
            max_recorded_anchor_bytes: limits.bytes,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: limits.nodes,
            max_replay_stack_depth: 8,
        },
        emit_comments: false,
        with_snippet: false,
    };
    serde_saphyr::from_str_with_options(text, options)
        .map_err(|error| invalid("`MLmodel` is damaged YAML").with_source(error))
}

/// Accepts a relative path of plain names. Joined to a directory, a URI or an object key, it cannot leave that root.
fn check_data_path(path: &str) -> Result<()> {
    let problem = if path.is_empty() {
        "is empty"
    } else if path.chars().any(char::is_control) {
        "has control characters"
    } else if path.contains(['\\', ':']) {
        "has a backslash or a colon"
    } else if path.starts_with('/') {
        "is absolute"
    } else if path.split('/').any(|part| matches!(part, "" | "." | "..")) {
        "has an empty, `.` or `..` part"
    } else {
        return Ok(());
    };
    Err(Error::new(ErrorKind::Untrusted, format!("the data path of `MLmodel` {problem}"))
        .with_context("path", excerpt(path, QUOTED_CHARS)))
}

fn invalid(message: &str) -> Error {
    Error::new(ErrorKind::InvalidModel, message)
}
