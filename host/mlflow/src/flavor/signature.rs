//! Model signatures: the input columns and outputs of a model, in MLflow's format.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use hydra_base::{Error, ErrorKind, Result};

/// The inputs and outputs of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Signature {
    /// The input columns, in order. One unnamed tensor is one entry without a name.
    pub inputs: Vec<ColumnSpec>,
    /// The outputs as MLflow's JSON, unchanged.
    pub outputs: Option<Value>,
}

/// One input of a signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnSpec {
    /// The column's name.
    pub name: Option<String>,
    /// MLflow's name of the type: `double`, `long`, `string`, `tensor`, ...
    pub kind: String,
    /// Whether the column is required.
    pub required: bool,
}

impl ColumnSpec {
    /// A required column.
    #[must_use]
    pub fn required(name: impl Into<String>, kind: impl Into<String>) -> Self {
        Self { name: Some(name.into()), kind: kind.into(), required: true }
    }
}

impl Signature {
    /// The signature of a native booster: required columns of type `double`, and for each row one `float64`, or
    /// `outputs` of them if that is more than one.
    ///
    /// MLflow converts inputs with this signature to doubles before LightGBM receives them, so a model with pandas
    /// categories must not have it.
    pub fn of_booster(feature_names: &[impl AsRef<str>], outputs: usize) -> Self {
        let inputs = feature_names.iter().map(|name| ColumnSpec::required(name.as_ref(), "double")).collect();
        let shape = if outputs == 1 { json!([-1]) } else { json!([-1, outputs]) };
        let outputs = json!([{"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": shape}}]);
        Self { inputs, outputs: Some(outputs) }
    }

    /// Reads the JSON texts in `MLmodel`.
    pub(super) fn from_raw(raw: RawSignature) -> Result<Self> {
        let damaged = |error| {
            Error::new(ErrorKind::InvalidModel, "the signature in `MLmodel` is damaged").with_source(error)
        };
        let inputs: Vec<RawColumn> = match raw.inputs {
            Some(text) => serde_json::from_str(&text).map_err(damaged)?,
            None => Vec::new(),
        };
        let outputs = raw.outputs.map(|text| serde_json::from_str(&text)).transpose().map_err(damaged)?;
        let inputs = inputs
            .into_iter()
            .map(|column| ColumnSpec {
                name: column.name,
                kind: column.kind,
                required: column.required.unwrap_or(!column.optional.unwrap_or(false)),
            })
            .collect();
        Ok(Self { inputs, outputs })
    }
}

/// Columns as MLflow's JSON.
pub(crate) fn columns_json(columns: &[ColumnSpec]) -> Value {
    let column = |column: &ColumnSpec| {
        let mut spec = json!({"type": column.kind, "required": column.required});
        if let Some(name) = &column.name {
            spec["name"] = json!(name);
        }
        spec
    };
    Value::Array(columns.iter().map(column).collect())
}

#[derive(Deserialize)]
pub(super) struct RawSignature {
    inputs: Option<String>,
    outputs: Option<String>,
}

#[derive(Deserialize)]
struct RawColumn {
    name: Option<String>,
    #[serde(rename = "type")]
    kind: String,
    required: Option<bool>,
    /// The counterpart of `required` in files of MLflow before 2.7.
    optional: Option<bool>,
}
