//! Predictions, as Python's LightGBM makes them.

use super::Model;
use crate::labels::ClassLabels;
use crate::matrix::Matrix;
use crate::objective::Objective;
use hydra_base::{Error, ErrorKind, Result};

/// What `predict` answers.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Prediction {
    /// Numbers, row-major.
    Values {
        /// The numbers, `width` per row.
        values: Vec<f64>,
        /// How many numbers a row has.
        width: usize,
    },
    /// One class label per row.
    Labels(ClassLabels),
}

/// What computes the numbers behind predictions: a [`Model`] itself, or LightGBM as an oracle.
///
/// The `_by` methods of [`Model`] derive probabilities, labels and tables from the numbers of any engine.
pub trait Engine {
    /// The sum of the trees per row and output, row-major. [`ErrorKind::InvalidData`] when the matrix has another width
    /// than the model.
    fn raw_scores(&self, data: &Matrix<'_>) -> Result<Vec<f64>>;

    /// The objective's output per row and output, row-major. Fails like [`Engine::raw_scores`].
    fn outputs(&self, data: &Matrix<'_>) -> Result<Vec<f64>>;
}

impl Engine for Model {
    fn raw_scores(&self, data: &Matrix<'_>) -> Result<Vec<f64>> {
        Model::raw_scores(self, data)
    }

    fn outputs(&self, data: &Matrix<'_>) -> Result<Vec<f64>> {
        Model::outputs(self, data)
    }
}

impl Model {
    /// What Python's `predict` answers: labels for a classifier, else the objective's output.
    ///
    /// A classifier trained with a custom objective answers raw scores, as in Python.
    ///
    /// Like every prediction, it fails with [`ErrorKind::InvalidData`] when the matrix has another width than the model.
    pub fn predict(&self, data: &Matrix<'_>) -> Result<Prediction> {
        self.predict_by(self, data)
    }

    /// [`Model::predict`] from the numbers of `engine`.
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
    /// Within one unit in the last place of Python's numbers on every fixture, and equal to them on the same C library;
    /// [`crate::objective`] says why another one can round otherwise.
    pub fn outputs(&self, data: &Matrix<'_>) -> Result<Vec<f64>> {
        let mut scores = self.raw_scores(data)?;
        self.scorer.convert(&mut scores);
        Ok(scores)
    }

    /// The probability of every class per row, row-major: two columns for a binary model.
    ///
    /// [`ErrorKind::UnsupportedModel`] when the objective does not make probabilities of classes.
    pub fn probabilities(&self, data: &Matrix<'_>) -> Result<Vec<f64>> {
        self.probabilities_by(self, data)
    }

    /// [`Model::probabilities`] from the numbers of `engine`.
    pub fn probabilities_by(&self, engine: &dyn Engine, data: &Matrix<'_>) -> Result<Vec<f64>> {
        self.num_classes()?;
        let outputs = engine.outputs(data)?;
        if self.num_outputs() > 1 {
            return Ok(outputs);
        }
        Ok(outputs.into_iter().flat_map(|probability| [1.0 - probability, probability]).collect())
    }

    /// How many classes [`Model::probabilities`] tells apart.
    ///
    /// [`ErrorKind::UnsupportedModel`] when the objective does not make probabilities of classes.
    pub fn num_classes(&self) -> Result<usize> {
        let classifies = match self.text.objective() {
            Some(
                Objective::Binary { .. } | Objective::Multiclass { .. } | Objective::MulticlassOva { .. },
            ) => true,
            // scikit-learn's classifier reads any single output as the probability of its second class.
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

    /// The label of the most probable class per row, the first of equals.
    ///
    /// A native booster has no labels: class indices stand for them. [`ErrorKind::UnsupportedModel`] when the objective
    /// does not make probabilities of classes.
    pub fn labels(&self, data: &Matrix<'_>) -> Result<ClassLabels> {
        self.labels_by(self, data)
    }

    /// [`Model::labels`] from the numbers of `engine`.
    pub fn labels_by(&self, engine: &dyn Engine, data: &Matrix<'_>) -> Result<ClassLabels> {
        let classes = self.num_classes()?;
        let probabilities = self.probabilities_by(engine, data)?;
        let indices: Vec<usize> = probabilities.chunks_exact(classes).map(argmax).collect();
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

    /// How many trees take part in predictions.
    #[must_use]
    pub fn num_trees(&self) -> usize {
        self.scorer.num_trees()
    }

    /// Writes the raw scores of one row to `scores` without allocating, for hot loops.
    pub fn raw_row(&self, row: &[f64], scores: &mut [f64]) -> Result<()> {
        self.scorer.raw_row(row, scores)
    }

    /// Writes the objective's output of one row to `outputs` without allocating, for hot loops.
    pub fn output_row(&self, row: &[f64], outputs: &mut [f64]) -> Result<()> {
        self.scorer.raw_row(row, outputs)?;
        self.scorer.convert(outputs);
        Ok(())
    }

    /// Whether the objective is the user's own, so that LightGBM's text cannot tell how scores become outputs.
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
            .with_context("features", features))
    }
}

/// The index of the greatest value, the first of equals; NaN is greater than everything, as in NumPy.
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
