//! What a model answers, and how each protocol writes it.

use bytes::Bytes;
use serde_json::json;

use super::grpc::InferTensorContents;
use crate::options::NonFinite;

use super::rows::{Cause, Datatype, OUTPUT, Params, Refusal, Rows, Schema, Wanted};
use hydra_lightgbm::labels::ClassLabels;
use hydra_lightgbm::{OutputKind, Prediction};

/// The length of the longest double in its shortest form, such as `-2.2250738585072014e-308`, with a comma.
const LONGEST_NUMBER: usize = 25;

/// The result of `predict` for the rows of a request, as Python's LightGBM would return it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Output {
    /// Numbers, row-major.
    Values {
        /// The numbers, `width` per row.
        values: Vec<f64>,
        /// The number of numbers per row.
        width: usize,
    },
    /// One class label per row.
    Labels(ClassLabels),
    /// The index of the leaf that each row reaches in each tree, row-major.
    Leaves {
        /// The indices, `width` per row.
        leaves: Vec<u32>,
        /// The number of trees.
        width: usize,
    },
}

/// The values of an output, by their type.
enum Values<'a> {
    Numbers(&'a [f64]),
    Leaves(&'a [u32]),
    Ints(&'a [i64]),
    Bools(&'a [bool]),
    Texts(Vec<String>),
}

/// The body of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Body {
    /// The bytes.
    pub(crate) bytes: Bytes,
    /// The length of the JSON if raw tensors follow it: the header `Inference-Header-Content-Length`.
    pub(crate) json_length: Option<usize>,
}

impl Schema {
    /// The most bytes that an answer takes for a row.
    pub(crate) fn longest_row(&self, params: &Params, wanted: &Wanted) -> usize {
        /// What encloses the values of a row in JSON.
        const BRACKETS: usize = 2;
        let model = self.model();
        let (width, value) = if params.pred_leaf {
            // An index has at most ten digits, and a comma.
            (self.num_trees(params), if wanted.binary { 4 } else { 11 })
        } else if !params.raw_score && model.output_kind() == OutputKind::Label {
            (1, self.longest_label())
        } else {
            (model.num_outputs(), if wanted.binary { 8 } else { LONGEST_NUMBER })
        };
        width.saturating_mul(value).saturating_add(BRACKETS)
    }

    /// The model's output for the rows of a request, by its parameters.
    pub(crate) fn predict(&self, rows: &Rows) -> Result<Output, Refusal> {
        let (params, matrix) = (rows.params(), rows.matrix());
        let model = self.model_for(params);
        let refused = |error| Refusal::of(Cause::Internal, &error);
        if params.pred_leaf {
            let width = model.num_trees();
            if width == 0 {
                return Err(Refusal::because(
                    Cause::Unsupported,
                    "the model has no trees, so it has no leaves",
                ));
            }
            return Ok(Output::Leaves { leaves: model.leaf_indices(&matrix).map_err(refused)?, width });
        }
        if params.raw_score {
            let values = model.raw_scores(&matrix).map_err(refused)?;
            return Ok(Output::Values { values, width: model.num_outputs() });
        }
        match model.predict(&matrix).map_err(refused)? {
            Prediction::Values { values, width } => Ok(Output::Values { values, width }),
            Prediction::Labels(labels) => Ok(Output::Labels(labels)),
            _ => Err(Refusal::because(Cause::Internal, "the model answers values of an unknown kind")),
        }
    }
}

impl NonFinite {
    /// What a query such as `nan=bare` asks for; without one, what the server writes.
    pub(crate) fn of_query(self, query: Option<&str>) -> Result<Self, Refusal> {
        let mut pairs = query.unwrap_or_default().split('&');
        match pairs.find_map(|pair| pair.strip_prefix("nan=")) {
            None => Ok(self),
            Some("null") => Ok(Self::Null),
            Some("bare") => Ok(Self::Bare),
            Some(_) => Err(Refusal::because(Cause::Params, "`nan` in the query is not null or bare")),
        }
    }
}

impl Output {
    /// The number of values per row.
    pub(crate) fn width(&self) -> usize {
        match self {
            Self::Values { width, .. } | Self::Leaves { width, .. } => *width,
            Self::Labels(_) => 1,
        }
    }

    /// The datatype in the Open Inference Protocol.
    pub(crate) fn datatype(&self) -> Datatype {
        match self.values() {
            Values::Numbers(_) => Datatype::Fp64,
            Values::Leaves(_) => Datatype::Int32,
            Values::Ints(_) => Datatype::Int64,
            Values::Bools(_) => Datatype::Bool,
            Values::Texts(_) => Datatype::Bytes,
        }
    }

    /// The shape in the Open Inference Protocol: rows × values per row.
    pub(crate) fn shape(&self) -> [usize; 2] {
        let width = self.width();
        [self.values().len().checked_div(width).unwrap_or(0), width]
    }

    /// The answer of MLflow's and of KServe's first protocol: a list of values, or of rows of several values.
    pub(crate) fn predictions(&self, non_finite: NonFinite) -> Body {
        let values = self.values();
        let mut json = Json::new(values.len(), non_finite);
        json.bytes.extend_from_slice(b"{\"predictions\":");
        json.values(&values, Some(self.width()).filter(|width| *width > 1));
        json.bytes.push(b'}');
        Body { bytes: json.bytes.into(), json_length: None }
    }

    /// The answer of the Open Inference Protocol.
    pub(crate) fn infer(&self, model: &str, version: &str, wanted: &Wanted) -> Body {
        let mut head = json!({"model_name": model, "model_version": version});
        if let Some(id) = &wanted.id {
            head["id"] = json!(id);
        }
        let mut tensor = json!({"name": OUTPUT, "shape": self.shape(), "datatype": self.datatype().as_str()});
        let raw = wanted.binary.then(|| self.raw());
        if let Some(raw) = &raw {
            tensor["parameters"] = json!({"binary_data_size": raw.len()});
        }
        let values = self.values();
        let mut json = Json::new(if raw.is_some() { 0 } else { values.len() }, NonFinite::Null);
        let open = |value: serde_json::Value| {
            let mut text = value.to_string();
            text.pop();
            text
        };
        json.bytes.extend_from_slice(open(head).as_bytes());
        json.bytes.extend_from_slice(b",\"outputs\":[");
        json.bytes.extend_from_slice(open(tensor).as_bytes());
        if raw.is_none() {
            json.bytes.extend_from_slice(b",\"data\":");
            json.values(&values, None);
        }
        json.bytes.extend_from_slice(b"}]}");
        let json_length = raw.is_some().then_some(json.bytes.len());
        json.bytes.extend_from_slice(&raw.unwrap_or_default());
        Body { bytes: json.bytes.into(), json_length }
    }

    /// The values as raw bytes, as [`Datatype::decode`] reads them.
    pub(crate) fn raw(&self) -> Vec<u8> {
        match self.values() {
            Values::Numbers(values) => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
            Values::Leaves(values) => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
            Values::Ints(values) => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
            Values::Bools(values) => values.iter().map(|value| u8::from(*value)).collect(),
            Values::Texts(values) => {
                let length = |text: &String| (text.len() as u32).to_le_bytes();
                values.iter().flat_map(|text| length(text).into_iter().chain(text.bytes())).collect()
            }
        }
    }

    /// The values as a typed tensor of gRPC.
    pub(super) fn contents(&self) -> InferTensorContents {
        let mut contents = InferTensorContents::default();
        match self.values() {
            Values::Numbers(values) => contents.fp64_contents = values.to_vec(),
            // The index of a leaf is below the largest number of leaves that a model may have.
            Values::Leaves(values) => {
                contents.int_contents = values.iter().map(|leaf| *leaf as i32).collect();
            }
            Values::Ints(values) => contents.int64_contents = values.to_vec(),
            Values::Bools(values) => contents.bool_contents = values.to_vec(),
            Values::Texts(values) => contents.bytes_contents = values.into_iter().map(Bytes::from).collect(),
        }
        contents
    }

    fn values(&self) -> Values<'_> {
        match self {
            Self::Leaves { leaves, .. } => Values::Leaves(leaves),
            Self::Values { values, .. } | Self::Labels(ClassLabels::Floats(values)) => {
                Values::Numbers(values)
            }
            Self::Labels(ClassLabels::Ints(labels)) => Values::Ints(labels),
            Self::Labels(ClassLabels::Bools(labels)) => Values::Bools(labels),
            Self::Labels(labels) => Values::Texts(labels.iter().map(|label| label.to_string()).collect()),
        }
    }
}

impl Values<'_> {
    fn len(&self) -> usize {
        match self {
            Self::Numbers(values) => values.len(),
            Self::Leaves(values) => values.len(),
            Self::Ints(values) => values.len(),
            Self::Bools(values) => values.len(),
            Self::Texts(values) => values.len(),
        }
    }
}

/// JSON that is being written.
struct Json {
    bytes: Vec<u8>,
    non_finite: NonFinite,
}

impl Json {
    /// Room for this many numbers.
    fn new(numbers: usize, non_finite: NonFinite) -> Self {
        /// The length of most doubles in their shortest form, with a comma.
        const LENGTH: usize = 20;
        Self { bytes: Vec::with_capacity(256 + numbers.saturating_mul(LENGTH)), non_finite }
    }

    /// A flat list of values, or a list of rows of this width.
    fn values(&mut self, values: &Values<'_>, width: Option<usize>) {
        match values {
            Values::Numbers(values) => self.list(values, width, |json, value| json.number(*value)),
            Values::Leaves(values) => self.list(values, width, |json, value| json.serde(value)),
            Values::Ints(values) => self.list(values, width, |json, value| json.serde(value)),
            Values::Bools(values) => self.list(values, width, |json, value| json.serde(value)),
            Values::Texts(values) => self.list(values, width, |json, value| json.serde(value)),
        }
    }

    fn list<T>(&mut self, values: &[T], width: Option<usize>, write: impl Fn(&mut Self, &T)) {
        let flat = |json: &mut Self, values: &[T]| {
            json.bytes.push(b'[');
            for (index, value) in values.iter().enumerate() {
                if index > 0 {
                    json.bytes.push(b',');
                }
                write(json, value);
            }
            json.bytes.push(b']');
        };
        let Some(width) = width else { return flat(self, values) };
        self.bytes.push(b'[');
        for (index, row) in values.chunks(width).enumerate() {
            if index > 0 {
                self.bytes.push(b',');
            }
            flat(self, row);
        }
        self.bytes.push(b']');
    }

    /// A double in its shortest form that reads back the same.
    fn number(&mut self, number: f64) {
        if number.is_finite() {
            return self.serde(&number);
        }
        self.bytes.extend_from_slice(match self.non_finite {
            NonFinite::Null => b"null",
            NonFinite::Bare if number.is_nan() => b"NaN",
            NonFinite::Bare if number > 0.0 => b"Infinity",
            NonFinite::Bare => b"-Infinity",
        });
    }

    fn serde(&mut self, value: &impl serde::Serialize) {
        // Writing numbers, booleans and texts to memory does not fail.
        if serde_json::to_writer(&mut self.bytes, value).is_err() {
            self.bytes.extend_from_slice(b"null");
        }
    }
}
