//! Predictions, as Python's LightGBM makes them.

use super::Model;
use crate::labels::ClassLabels;
use crate::matrix::Matrix;
use crate::objective::Objective;
use crate::scorer::Contributions;
use hydra_base::{Error, ErrorKind, Result};

/// The result of `predict`.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Prediction {
    /// Numbers, row-major.
    Values {
        /// The numbers, `width` per row.
        values: Vec<f64>,
        /// The number of numbers per row.
        width: usize,
    },
    /// One class label per row.
    Labels(ClassLabels),
}

/// Computes the numbers of predictions: a [`Model`] itself, or LightGBM as a reference.
///
/// The `_by` methods of [`Model`] derive probabilities, labels and tables from the numbers of any engine.
pub trait Engine {
    /// The sum of the trees per row and output, row-major. [`ErrorKind::InvalidData`] if the matrix does not have one
    /// column per feature.
    fn raw_scores(&self, data: &Matrix<'_>) -> Result<Vec<f64>>;

    /// The objective's output per row and output, row-major. Fails like [`Engine::raw_scores`].
    fn outputs(&self, data: &Matrix<'_>) -> Result<Vec<f64>>;

    /// The contributions of the features to the raw scores, as [`Model::contributions`] lays them out. Fails like it, and with
    /// [`ErrorKind::UnsupportedModel`] for models of which the engine has no contributions.
    fn contributions(&self, data: &Matrix<'_>) -> Result<Vec<f64>>;
}

impl Engine for Model {
    fn raw_scores(&self, data: &Matrix<'_>) -> Result<Vec<f64>> {
        Model::raw_scores(self, data)
    }

    fn outputs(&self, data: &Matrix<'_>) -> Result<Vec<f64>> {
        Model::outputs(self, data)
    }

    fn contributions(&self, data: &Matrix<'_>) -> Result<Vec<f64>> {
        Model::contributions(self, data)
    }
}

impl Model {
    /// The result of Python's `predict`: labels for a classifier, else the objective's output.
    ///
    /// A classifier trained with a custom objective returns raw scores, as in Python.
    ///
    /// Like every prediction, it fails with [`ErrorKind::InvalidData`] if the matrix does not have one column per
    /// feature.
    pub fn predict(&self, data: &Matrix<'_>) -> Result<Prediction> {
        self.predict_by(self, data)
    }

    /// [`Model::predict`] with the numbers of `engine`.
    pub fn predict_by(&self, engine: &dyn Engine, data: &Matrix<'_>) -> Result<Prediction> {
        if self.predicts_labels() {
            return self.labels_by(engine, data).map(Prediction::Labels);
        }
        Ok(Prediction::Values { values: engine.outputs(data)?, width: self.num_outputs() })
    }

    /// The sum of the trees per row and output, row-major.
    pub fn raw_scores(&self, data: &Matrix<'_>) -> Result<Vec<f64>> {
        self.check_width(data)?;
        let mut scores = vec![0.0; data.rows() * self.num_outputs()];
        self.scorer.raw(data, self.threads, &mut scores)?;
        Ok(scores)
    }

    /// The objective's output per row and output, row-major: probabilities, counts, values.
    ///
    /// Equal to Python's numbers on the same C library, and within one unit in the last place on every fixture;
    /// [`crate::objective`] explains why another C library can round differently.
    pub fn outputs(&self, data: &Matrix<'_>) -> Result<Vec<f64>> {
        let mut scores = self.raw_scores(data)?;
        self.scorer.convert(&mut scores);
        Ok(scores)
    }

    /// The probability of every class per row, row-major: two columns for a binary model.
    ///
    /// [`ErrorKind::UnsupportedModel`] if the objective does not produce probabilities of classes.
    pub fn probabilities(&self, data: &Matrix<'_>) -> Result<Vec<f64>> {
        self.probabilities_by(self, data)
    }

    /// [`Model::probabilities`] with the numbers of `engine`.
    pub fn probabilities_by(&self, engine: &dyn Engine, data: &Matrix<'_>) -> Result<Vec<f64>> {
        self.num_classes()?;
        let outputs = engine.outputs(data)?;
        if self.num_outputs() > 1 {
            return Ok(outputs);
        }
        Ok(outputs.into_iter().flat_map(|probability| [1.0 - probability, probability]).collect())
    }

    /// The number of classes in [`Model::probabilities`].
    ///
    /// [`ErrorKind::UnsupportedModel`] if the objective does not produce probabilities of classes.
    pub fn num_classes(&self) -> Result<usize> {
        let classifies = match self.text.objective() {
            Some(
                Objective::Binary { .. } | Objective::Multiclass { .. } | Objective::MulticlassOva { .. },
            ) => true,
            // As in scikit-learn's classifier, a single output is the probability of the second class.
            _ => self.predicts_labels(),
        };
        if classifies {
            return Ok(self.num_outputs().max(2));
        }
        Err(Error::new(
            ErrorKind::UnsupportedModel,
            "the model's objective does not produce class probabilities",
        )
        .with_context("objective", self.text.objective_text().unwrap_or("none"))
        .with_hint("use the output type `output` or `raw`"))
    }

    /// The label of the most probable class per row; the first of equally probable ones.
    ///
    /// A native booster has no labels, so class indices are returned. [`ErrorKind::UnsupportedModel`] if the objective
    /// does not produce probabilities of classes.
    pub fn labels(&self, data: &Matrix<'_>) -> Result<ClassLabels> {
        self.labels_by(self, data)
    }

    /// [`Model::labels`] with the numbers of `engine`.
    pub fn labels_by(&self, engine: &dyn Engine, data: &Matrix<'_>) -> Result<ClassLabels> {
        self.num_classes()?;
        self.labels_of(&engine.outputs(data)?)
    }

    /// [`Model::labels`] of rows whose [outputs](Model::outputs) are known.
    pub fn labels_of(&self, outputs: &[f64]) -> Result<ClassLabels> {
        self.num_classes()?;
        let indices: Vec<usize> = outputs.chunks_exact(self.num_outputs()).map(most_probable_class).collect();
        match &self.classes {
            Some(labels) => labels.select(&indices).ok_or_else(|| {
                Error::new(ErrorKind::InvalidModel, "the model predicts a class that has no label")
            }),
            None => Ok(ClassLabels::Ints(indices.into_iter().map(|index| index as i64).collect())),
        }
    }

    /// The index of the leaf that each row reaches in each tree, row-major.
    pub fn leaf_indices(&self, data: &Matrix<'_>) -> Result<Vec<u32>> {
        self.check_width(data)?;
        let mut leaves = vec![0; data.rows() * self.num_trees()];
        self.scorer.leaves(data, self.threads, &mut leaves)?;
        Ok(leaves)
    }

    /// How much each feature moves each row's raw scores away from their mean, as LightGBM's `pred_contrib` answers it: row-major,
    /// and per row for each output one value per feature, then the expected value. An output's values add up to its raw score.
    ///
    /// These are the exact SHAP values of path-dependent `TreeSHAP` (Lundberg, Erion and Lee, arXiv:1802.03888), computed as in
    /// `Quadrature-TreeSHAP` (Wettenstein, Mitchell and Yu, arXiv:2605.04497), with errors of the size of rounding. The first call
    /// prepares the trees; later ones only evaluate them.
    ///
    /// Fails with
    /// - [`ErrorKind::LinearContributions`] for linear trees, as LightGBM does;
    /// - [`ErrorKind::ModelCounts`] when the model's text lacks the row counts of its leaves and nodes, or they contradict each other;
    /// - [`ErrorKind::ContributionsSize`] when a row would take more than 16,777,216 values or 536,870,912 evaluations of a node, or
    ///   splits on more than 4,096 features lie above one leaf;
    /// - [`ErrorKind::InvalidData`] when the matrix has another width than the model.
    ///
    /// ```
    /// use hydra_lightgbm::{Matrix, Model};
    ///
    /// # fn main() -> hydra_lightgbm::Result<()> {
    /// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/models/binary_int/skops/model.skops");
    /// let model = Model::open(path)?;
    /// let rows = [0.5, -1.0, f64::NAN, 2.0, 0.0];
    /// let rows = Matrix::from_rows(&rows, 5)?;
    /// let contributions = model.contributions(&rows)?;
    /// assert_eq!(contributions.len(), 5 + 1);
    /// let sum: f64 = contributions.iter().sum();
    /// assert!((sum - model.raw_scores(&rows)?[0]).abs() < 1e-12);
    /// # Ok(())
    /// # }
    /// ```
    pub fn contributions(&self, data: &Matrix<'_>) -> Result<Vec<f64>> {
        self.check_width(data)?;
        let compiled = match self.contributions.get() {
            Some(compiled) => compiled,
            None => {
                let compiled = Contributions::compile(&self.text, &self.scorer)?;
                self.contributions.get_or_init(|| compiled)
            }
        };
        let mut values = vec![0.0; data.rows() * compiled.width()];
        compiled.write(&self.scorer, data, self.threads, &mut values)?;
        Ok(values)
    }

    /// How many trees take part in predictions.
    #[must_use]
    pub fn num_trees(&self) -> usize {
        self.scorer.num_trees()
    }

    /// Writes the raw scores of one row to `scores` without allocating memory, for hot loops.
    pub fn raw_row(&self, row: &[f64], scores: &mut [f64]) -> Result<()> {
        self.scorer.raw_row(row, scores)
    }

    /// Writes the objective's output of one row to `outputs` without allocating memory, for hot loops.
    pub fn output_row(&self, row: &[f64], outputs: &mut [f64]) -> Result<()> {
        self.scorer.raw_row(row, outputs)?;
        self.scorer.convert(outputs);
        Ok(())
    }

    /// Whether the objective is custom, so that LightGBM's text does not define the output.
    pub(super) fn is_custom(&self) -> bool {
        matches!(self.text.objective(), None | Some(Objective::Custom))
    }

    fn check_width(&self, data: &Matrix<'_>) -> Result<()> {
        let features = self.text.num_features();
        if data.columns() == features {
            return Ok(());
        }
        Err(Error::new(ErrorKind::InvalidData, "the number of columns is not the model's number of features")
            .with_context("columns", data.columns())
            .with_context("features", features)
            .with_hint("pass one column for each feature, in the model's order"))
    }
}

/// The index of the most probable class, from the outputs of one row: a single one is the probability of the second class.
#[must_use]
pub fn most_probable_class(outputs: &[f64]) -> usize {
    match outputs {
        [probability] => argmax(&[1.0 - probability, *probability]),
        probabilities => argmax(probabilities),
    }
}

/// The index of the greatest value, the first of equal ones. NaN is greater than all numbers, as in NumPy.
fn argmax(values: &[f64]) -> usize {
    let mut best = 0;
    for (index, value) in values.iter().enumerate() {
        if values[best].is_nan() {
            break;
        }
        if value.is_nan() || *value > values[best] {
            best = index;
        }
    }
    best
}
