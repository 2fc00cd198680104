//! What the Open Inference Protocol says about a server and its models.

use serde_json::{Value, json};

use super::rows::{Datatype, OUTPUT, Schema};
use hydra_lightgbm::labels::ClassLabels;
use hydra_lightgbm::loaded::{FeatureKind, are_placeholders};
use hydra_lightgbm::{Estimator, OutputKind};

/// The name of the server.
pub(crate) const SERVER_NAME: &str = "hydra-registry";

/// The extension of the REST protocol with raw tensors after the JSON.
pub(crate) const BINARY_EXTENSION: &str = "binary_tensor_data";

/// A tensor that a model takes or answers; -1 is a dimension of any size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TensorMetadata {
    pub(crate) name: String,
    pub(crate) datatype: Datatype,
    pub(crate) shape: [i64; 2],
}

impl Schema {
    /// The inputs: a column for each feature, or a matrix if the features have no names. A model also takes the other form.
    pub(crate) fn inputs(&self) -> Vec<TensorMetadata> {
        let features = self.model().feature_names();
        if are_placeholders(features) {
            let shape = [-1, features.len() as i64];
            return vec![TensorMetadata { name: "input-0".to_owned(), datatype: Datatype::Fp64, shape }];
        }
        let column = |(feature, name): (usize, &String)| TensorMetadata {
            name: name.clone(),
            datatype: self.input_type(feature),
            shape: [-1, 1],
        };
        features.iter().enumerate().map(column).collect()
    }

    /// The output of `predict`.
    pub(crate) fn outputs(&self) -> Vec<TensorMetadata> {
        let model = self.model();
        let is_label = model.estimator() == Estimator::Classifier && model.output_kind() == OutputKind::Label;
        let (datatype, width) = if is_label {
            let datatype = match model.classes() {
                Some(ClassLabels::Bools(_)) => Datatype::Bool,
                Some(ClassLabels::Floats(_)) => Datatype::Fp64,
                Some(ClassLabels::Strings(_)) => Datatype::Bytes,
                _ => Datatype::Int64,
            };
            (datatype, 1)
        } else {
            (Datatype::Fp64, model.num_outputs())
        };
        vec![TensorMetadata { name: OUTPUT.to_owned(), datatype, shape: [-1, width as i64] }]
    }

    /// The platform, `<project>_<format>`.
    pub(crate) fn platform(&self) -> String {
        format!("lightgbm_{}", self.model().format())
    }

    /// The metadata of the model in the REST protocol.
    pub(crate) fn metadata(&self, model: &str, version: &str) -> Value {
        let tensors = |tensors: Vec<TensorMetadata>| -> Vec<Value> {
            tensors.iter().map(TensorMetadata::json).collect()
        };
        json!({
            "name": model,
            "versions": [version],
            "platform": self.platform(),
            "inputs": tensors(self.inputs()),
            "outputs": tensors(self.outputs()),
        })
    }

    /// The datatypes of MLServer's runtime for MLflow; those of text are categories of text.
    fn input_type(&self, feature: usize) -> Datatype {
        match self.declared(feature) {
            Some("boolean") => Datatype::Bool,
            Some("integer") => Datatype::Int32,
            Some("long") => Datatype::Int64,
            Some("float") => Datatype::Fp32,
            Some("string") => Datatype::Bytes,
            _ if self.kind(feature) == Some(FeatureKind::TextCategory) => Datatype::Bytes,
            _ => Datatype::Fp64,
        }
    }
}

impl TensorMetadata {
    fn json(&self) -> Value {
        json!({"name": self.name, "datatype": self.datatype.as_str(), "shape": self.shape})
    }
}

/// The metadata of the server in the REST protocol.
pub(crate) fn server(version: &str) -> Value {
    json!({"name": SERVER_NAME, "version": version, "extensions": [BINARY_EXTENSION]})
}
