//! Predictions on Arrow record batches: columns by name in, named columns out.

mod columns;
mod contributions;
mod strings;

use std::collections::HashMap;
use std::num::NonZero;
use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, RecordBatchOptions, StringArray,
    UInt32Array,
};
use arrow_schema::{DataType, Field, Schema};

use crate::labels::ClassLabels;
use crate::loaded::{Engine, Model, OutputKind, Prediction, Survey};
use crate::matrix::Matrix;
use hydra_base::{Error, ErrorKind, Result};

pub use columns::{column_numbers, table};

/// Arrow's name of a column of JSON text, in a field's metadata.
const JSON_EXTENSION: (&str, &str) = ("ARROW:extension:name", "arrow.json");

/// Whether a column is text that is JSON, rather than text.
#[must_use]
pub fn is_json(field: &Field) -> bool {
    field.metadata().get(JSON_EXTENSION.0).is_some_and(|name| name == JSON_EXTENSION.1)
}

/// The field of a column of JSON text.
#[must_use]
pub fn json_field(name: &str) -> Field {
    let metadata = HashMap::from([(JSON_EXTENSION.0.to_owned(), JSON_EXTENSION.1.to_owned())]);
    Field::new(name, DataType::Utf8, true).with_metadata(metadata)
}

/// The values that a prediction returns for a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum OutputType {
    /// The result of Python's `predict`: labels for a classifier, else the objective's output.
    #[default]
    Predict,
    /// The sum of the trees, before the objective's transformation.
    Raw,
    /// The objective's output: probabilities, counts, values.
    Output,
    /// The probability of every class.
    Probabilities,
    /// The label of the most probable class.
    Labels,
    /// The index of the leaf that the row reaches, for every tree.
    Leaves,
    /// How much each feature moves the raw score, as [`Model::contributions`] has it.
    Contributions,
    /// This many features that move the raw score most, and their contributions.
    TopContributions(NonZero<usize>),
}

impl Model {
    /// The meaning of the values in the columns of a prediction: `probability`, `label`, `value` or `scores`, as
    /// [`OutputKind`] describes them, `leaf`, or `contribution`.
    #[must_use]
    pub fn meaning_of(&self, output: OutputType) -> &'static str {
        match output {
            OutputType::Predict => self.output_kind().as_str(),
            OutputType::Raw => OutputKind::Scores.as_str(),
            OutputType::Output => self.kind_of_outputs().as_str(),
            OutputType::Probabilities => OutputKind::Probability.as_str(),
            OutputType::Labels => OutputKind::Label.as_str(),
            OutputType::Leaves => "leaf",
            OutputType::Contributions | OutputType::TopContributions(_) => "contribution",
        }
    }

    /// Predicts for every row of a record batch.
    ///
    /// The batch must contain exactly the model's features, in any order: integers, floats, decimals, booleans, text
    /// for categories, or dictionaries of these; nulls are missing values. As in Python, the columns of text or
    /// dictionaries receive the model's lists of pandas categories, in the model's order, if their numbers are equal.
    /// The result has one row for each row of the batch, and these columns:
    /// - one column `prediction`, or `prediction_0`, `prediction_1`, ... for models with several outputs: numbers, or
    ///   labels with their type;
    /// - for [`OutputType::Probabilities`] `probability_LABEL` for every class;
    /// - for [`OutputType::Leaves`] `leaf_0`, `leaf_1`, ... for every tree;
    /// - for [`OutputType::Contributions`] `contribution_FEATURE` for every feature and `expected_value`; for models with several outputs
    ///   these for output 0, with names that end in `_0`, then for output 1, and so on;
    /// - for [`OutputType::TopContributions`] `top_1_feature`, `top_1_contribution`, `top_2_feature`, ..., with the same endings: the
    ///   features whose contributions are largest in size, the largest first, of equal ones the model's first. There are not more ranks
    ///   than features.
    ///
    /// [`ErrorKind::InvalidData`] when features are missing or columns are left over (the message lists them), or a column
    /// is of a type that a model cannot take; [`ErrorKind::UnsupportedModel`] when the model does not make what is asked
    /// for. Contributions also fail like [`Model::contributions`].
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use arrow_array::{ArrayRef, Float64Array, Int32Array, RecordBatch};
    /// use hydra_lightgbm::arrow::OutputType;
    /// use hydra_lightgbm::loaded::Model;
    /// use hydra_lightgbm::text::{Limits, TextModel};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let text = include_bytes!("../../../tests/fixtures/models/regression/booster/model.lgb");
    /// let model = Model::from_text_model(TextModel::parse(text, &Limits::default())?)?;
    /// let batch = RecordBatch::try_from_iter([
    ///     ("f1", Arc::new(Int32Array::from(vec![Some(1), None])) as ArrayRef),
    ///     ("f0", Arc::new(Float64Array::from(vec![0.5, -2.0]))),
    ///     ("f2", Arc::new(Float64Array::from(vec![0.0, 1.0]))),
    ///     ("f3", Arc::new(Float64Array::from(vec![0.0, 1.0]))),
    ///     ("f4", Arc::new(Float64Array::from(vec![0.0, 1.0]))),
    /// ])?;
    /// let predictions = model.predict_batch(&batch, OutputType::Predict)?;
    /// assert_eq!(predictions.schema().field(0).name(), "prediction");
    /// assert_eq!(predictions.num_rows(), 2);
    /// # Ok(())
    /// # }
    /// ```
    pub fn predict_batch(&self, batch: &RecordBatch, output: OutputType) -> Result<RecordBatch> {
        self.predict_batch_by(self, batch, output)
    }

    /// [`Model::predict_batch`] with the numbers of `engine`, except that this model computes the leaves.
    pub fn predict_batch_by(
        &self,
        engine: &dyn Engine,
        batch: &RecordBatch,
        output: OutputType,
    ) -> Result<RecordBatch> {
        let table = columns::table(batch)?;
        let encoded = self.encode(&table)?;
        let columns = self.predict_columns(engine, &encoded.matrix(), output)?;
        record_batch(columns, batch.num_rows())
    }

    /// [`Model::predict_batch_by`], and counts missing values and unknown categories in `survey`.
    pub fn predict_batch_noting(
        &self,
        engine: &dyn Engine,
        batch: &RecordBatch,
        output: OutputType,
        survey: &mut Survey,
    ) -> Result<RecordBatch> {
        let table = columns::table(batch)?;
        let encoded = self.encode_noting(&table, survey)?;
        let columns = self.predict_columns(engine, &encoded.matrix(), output)?;
        record_batch(columns, batch.num_rows())
    }

    fn predict_columns(
        &self,
        engine: &dyn Engine,
        data: &Matrix<'_>,
        output: OutputType,
    ) -> Result<Vec<(String, ArrayRef)>> {
        Ok(match output {
            OutputType::Predict => match self.predict_by(engine, data)? {
                Prediction::Values { values, width } => numbers(&values, numbered("prediction", width)),
                Prediction::Labels(labels) => vec![label_column(labels)],
            },
            OutputType::Raw => numbers(&engine.raw_scores(data)?, numbered("prediction", self.num_outputs())),
            OutputType::Output => numbers(&engine.outputs(data)?, numbered("prediction", self.num_outputs())),
            OutputType::Probabilities => {
                let probabilities = self.probabilities_by(engine, data)?;
                numbers(&probabilities, self.probability_names()?)
            }
            OutputType::Labels => vec![label_column(self.labels_by(engine, data)?)],
            OutputType::Leaves if self.num_trees() == 0 => {
                return Err(Error::new(
                    ErrorKind::UnsupportedModel,
                    "the model has no trees, so it has no leaves",
                ));
            }
            OutputType::Leaves => {
                let leaves = self.leaf_indices(data)?;
                let trees = self.num_trees();
                let column = |tree: usize| -> ArrayRef {
                    let rows = leaves.get(tree..).unwrap_or_default().iter().step_by(trees);
                    Arc::new(UInt32Array::from_iter_values(rows.copied()))
                };
                (0..trees).map(|tree| (format!("leaf_{tree}"), column(tree))).collect()
            }
            OutputType::Contributions => contributions::all(self, &engine.contributions(data)?),
            OutputType::TopContributions(top) => {
                contributions::strongest(self, &engine.contributions(data)?, top.get())?
            }
        })
    }

    /// A name for the probability of every class.
    fn probability_names(&self) -> Result<Vec<String>> {
        Ok(match self.classes() {
            // A classifier that was trained on one class has two probabilities, too.
            Some(classes) if classes.len() == self.num_classes()? => {
                classes.iter().map(|label| format!("probability_{label}")).collect()
            }
            _ => (0..self.num_classes()?).map(|class| format!("probability_{class}")).collect(),
        })
    }
}

/// `name` for one column, `name_0`, `name_1`, ... for several.
fn numbered(name: &str, width: usize) -> Vec<String> {
    if width == 1 {
        vec![name.to_owned()]
    } else {
        (0..width).map(|index| format!("{name}_{index}")).collect()
    }
}

/// Row-major numbers as one column for each name.
fn numbers(values: &[f64], names: Vec<String>) -> Vec<(String, ArrayRef)> {
    let width = names.len();
    let column = |index: usize| -> ArrayRef {
        let rows = values.get(index..).unwrap_or_default().iter().step_by(width);
        Arc::new(Float64Array::from_iter_values(rows.copied()))
    };
    names.into_iter().enumerate().map(|(index, name)| (name, column(index))).collect()
}

fn label_column(labels: ClassLabels) -> (String, ArrayRef) {
    let labels: ArrayRef = match labels {
        ClassLabels::Ints(labels) => Arc::new(Int64Array::from(labels)),
        ClassLabels::Bools(labels) => Arc::new(BooleanArray::from(labels)),
        ClassLabels::Floats(labels) => Arc::new(Float64Array::from(labels)),
        ClassLabels::Strings(labels) => Arc::new(StringArray::from(labels)),
    };
    ("prediction".to_owned(), labels)
}

/// A record batch of columns without nulls.
fn record_batch(columns: Vec<(String, ArrayRef)>, rows: usize) -> Result<RecordBatch> {
    let (fields, arrays): (Vec<Field>, Vec<ArrayRef>) = columns
        .into_iter()
        .map(|(name, array)| (Field::new(name, array.data_type().clone(), false), array))
        .unzip();
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options).map_err(|error| {
        Error::new(ErrorKind::Internal, "each prediction is not one column").with_source(error)
    })
}

#[cfg(test)]
mod tests;
