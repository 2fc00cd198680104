//! What the host found in the files of a version.

use std::collections::BTreeSet;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::is_default;
use crate::json::{self, Decimal};
use hydra_base::Sha256;

/// The state of the files of a version.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ModelState {
    /// The host opened the model and can score with it.
    Loadable(Box<ModelFacts>),
    /// The host cannot load the model.
    Unloadable {
        /// The reason, for people.
        why: String,
    },
    /// The host did not open the model.
    #[default]
    Unopened,
}

/// What the host found in the files of a version when it opened them. Lists of names are cut ([`cut_names`]); the numbers
/// and `features_sha256` are about all of them.
///
/// [`cut_names`]: ModelFacts::cut_names
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ModelFacts {
    /// The MLflow flavor that the host read, such as `lightgbm`.
    pub flavor: String,
    /// The format of the model file.
    pub format: ModelFormat,
    /// The SHA-256 of the model file.
    #[schemars(with = "String")]
    pub sha256: Sha256,
    /// The size of the model file in bytes.
    #[serde(with = "json::decimal")]
    #[schemars(with = "Decimal")]
    pub size: u64,
    /// LightGBM's name of the objective, such as `binary`; empty for a custom one.
    #[serde(default)]
    pub objective: String,
    /// What `predict` answers.
    pub output: OutputKind,
    /// The number of columns of raw scores: 1, or one for each class.
    pub outputs: u32,
    /// The labels of the classes in the order of the probabilities, as text; empty if the file has none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<String>,
    /// The number of input columns.
    pub feature_count: u32,
    /// The names of the input columns, in the model's order.
    #[serde(default)]
    pub features: Vec<String>,
    /// The SHA-256 of the names of all input columns: of the JSON list of the names, in canonical form.
    #[schemars(with = "String")]
    pub features_sha256: Sha256,
    /// The names of the input columns that are categories.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub categories: BTreeSet<String>,
    /// The number of boosting iterations.
    pub iterations: u32,
    /// The input columns of the signature in `MLmodel`, if it has one with columns. It comes from the program that logged the version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature_inputs: Option<Vec<SignatureColumn>>,
    /// The verified signatures over the model file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signers: Vec<Signer>,
}

/// The file format of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ModelFormat {
    /// LightGBM's own text.
    Text,
    /// A pickle, by pickle or cloudpickle.
    Pickle,
    /// A skops file.
    Skops,
}

/// What `predict` answers for a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OutputKind {
    /// The probability of the second of two classes, or one probability for each class.
    Probability,
    /// The label of a class.
    Label,
    /// A value in the unit of the target, such as that of a regression.
    Value,
    /// Scores without a unit, such as those of a ranking or of a custom objective.
    Scores,
}

impl OutputKind {
    /// Whether a model with these answers tells classes apart.
    #[must_use]
    pub fn is_of_classes(self) -> bool {
        matches!(self, Self::Probability | Self::Label)
    }
}

/// A column of the signature in `MLmodel`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct SignatureColumn {
    /// The column's name; empty for a column without a name.
    #[serde(default)]
    pub name: String,
    /// MLflow's name of its type, such as `double`.
    pub kind: String,
    /// Whether a value is required.
    #[serde(default, skip_serializing_if = "is_default")]
    pub required: bool,
}

/// A verified signature over a model file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Signer {
    /// The name that the trust rules give the key, or the subject of a keyless identity.
    pub identity: String,
    /// The issuer of a keyless identity; none for a key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
}

impl Signer {
    /// The holder of a key, or with an issuer a keyless identity.
    #[must_use]
    pub fn new(identity: impl Into<String>, issuer: Option<String>) -> Self {
        Self { identity: identity.into(), issuer }
    }
}

/// What changes for the users of the predictions when another version becomes champion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// What `predict` answers; also the number of outputs of a model without classes.
    Output,
    /// The classes: their labels, their order or their number.
    Classes,
    /// The input columns: their names, their order, their number, or which of them are categories.
    Columns,
}

impl ModelState {
    /// What the host found, if it could load the model.
    #[must_use]
    pub fn facts(&self) -> Option<&ModelFacts> {
        match self {
            Self::Loadable(facts) => Some(facts),
            Self::Unloadable { .. } | Self::Unopened => None,
        }
    }
}

impl From<ModelFacts> for ModelState {
    fn from(facts: ModelFacts) -> Self {
        Self::Loadable(Box::new(facts))
    }
}

impl ModelFacts {
    /// The most names that a list of facts holds.
    pub const NAMES: usize = 4_096;
    /// The most bytes that the names of a list of facts have together.
    pub const NAME_BYTES: usize = 65_536;

    /// A model in the flavor `lightgbm` with one output, without columns, classes, signature and signers.
    #[must_use]
    pub fn new(format: ModelFormat, sha256: Sha256, size: u64, output: OutputKind) -> Self {
        Self {
            flavor: "lightgbm".to_owned(),
            format,
            sha256,
            size,
            objective: String::new(),
            output,
            outputs: 1,
            classes: Vec::new(),
            feature_count: 0,
            features: Vec::new(),
            features_sha256: Sha256::of(b"[]"),
            categories: BTreeSet::new(),
            iterations: 0,
            signature_inputs: None,
            signers: Vec::new(),
        }
    }

    /// The same model with these input columns: their number, their digest, and as many names as policies see.
    #[must_use]
    pub fn with_features(mut self, names: Vec<String>) -> Self {
        self.feature_count = u32::try_from(names.len()).unwrap_or(u32::MAX);
        self.features = Self::cut_names(names.iter().cloned());
        // Compact JSON of text is canonical.
        self.features_sha256 = Sha256::of(serde_json::Value::from(names).to_string().as_bytes());
        self
    }

    /// As many of the names, from the first on, as a list of facts holds: [`Self::NAMES`], in [`Self::NAME_BYTES`].
    pub fn cut_names<L: FromIterator<String>>(names: impl IntoIterator<Item = String>) -> L {
        let mut bytes = 0_usize;
        names
            .into_iter()
            .take(Self::NAMES)
            .take_while(|name| {
                bytes = bytes.saturating_add(name.len());
                bytes <= Self::NAME_BYTES
            })
            .collect()
    }

    /// What changes for the users of the predictions if this model replaces `champion`.
    #[must_use]
    pub fn changes_from(&self, champion: &Self) -> BTreeSet<Change> {
        let outputs = self.outputs != champion.outputs;
        // Only those of a classifier are classes.
        let are_classes = self.output.is_of_classes() || champion.output.is_of_classes();
        let output = self.output != champion.output || outputs && !are_classes;
        let classes = self.classes != champion.classes || outputs && are_classes;
        let columns =
            self.features_sha256 != champion.features_sha256 || self.categories != champion.categories;
        let changes = [(Change::Output, output), (Change::Classes, classes), (Change::Columns, columns)];
        changes.into_iter().filter_map(|(change, is)| is.then_some(change)).collect()
    }
}

impl SignatureColumn {
    /// A column of that name and type; an empty name stands for none.
    #[must_use]
    pub fn new(name: impl Into<String>, kind: impl Into<String>, required: bool) -> Self {
        Self { name: name.into(), kind: kind.into(), required }
    }
}

impl fmt::Display for OutputKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Probability => "probability",
            Self::Label => "label",
            Self::Value => "value",
            Self::Scores => "scores",
        })
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Output => "output",
            Self::Classes => "classes",
            Self::Columns => "columns",
        })
    }
}
