//! Scoring rows with a validated model: LightGBM's raw scores, bit for bit, at a multiple of its speed.

use crate::Result;
use crate::model::matrix::Matrix;
use crate::model::text::TextModel;

/// A model compiled for scoring.
///
/// Raw scores and leaf indices are equal to those of LightGBM 4.7, bit for bit, for every model that
/// [`TextModel::parse`] accepts and every row: missing, infinite, subnormal, unseen or negative categories. The value is
/// immutable and can be shared by threads.
pub struct Scorer {}

impl Scorer {
    /// Compiles all iterations of `model`.
    #[must_use]
    pub fn compile(model: &TextModel) -> Self {
        Self::compile_with(model, None)
    }

    /// Compiles the first `num_iterations` iterations, or all of them if there are fewer or `None` is given.
    #[must_use]
    pub fn compile_with(model: &TextModel, num_iterations: Option<usize>) -> Self {
        todo!("{model:?} {num_iterations:?}")
    }

    /// The number of columns that a row must have.
    #[must_use]
    pub fn num_features(&self) -> usize {
        todo!()
    }

    /// The number of scores of a row: 1, or the number of classes.
    #[must_use]
    pub fn num_outputs(&self) -> usize {
        todo!()
    }

    /// The number of iterations that are scored.
    #[must_use]
    pub fn num_iterations(&self) -> usize {
        todo!()
    }

    /// The number of trees that are scored: iterations times outputs.
    #[must_use]
    pub fn num_trees(&self) -> usize {
        todo!()
    }

    /// Writes the raw scores of every row of `data` to `out`, row-major: rows × [`num_outputs`](Self::num_outputs).
    ///
    /// Up to `threads` threads share the rows; 0 means as many as the machine has. Small inputs use fewer. Raw scores
    /// are sums over trees also for random forests: [`convert`](Self::convert) averages.
    ///
    /// Fails with [`InvalidData`](crate::ErrorKind::InvalidData) when the number of columns is not
    /// [`num_features`](Self::num_features), and with [`InvalidArgument`](crate::ErrorKind::InvalidArgument) when `out`
    /// has another length than said above.
    pub fn raw(&self, data: &Matrix<'_>, threads: usize, out: &mut [f64]) -> Result<()> {
        todo!("{data:?} {threads} {out:?}")
    }

    /// Writes the index of the leaf that every row of `data` ends in, for every tree: rows × [`num_trees`](Self::num_trees),
    /// row-major. Errors and threads as for [`raw`](Self::raw).
    pub fn leaves(&self, data: &Matrix<'_>, threads: usize, out: &mut [u32]) -> Result<()> {
        todo!("{data:?} {threads} {out:?}")
    }

    /// Writes the raw scores of one row to `out`, which has [`num_outputs`](Self::num_outputs) places, without allocating.
    ///
    /// Errors as for [`raw`](Self::raw).
    pub fn raw_row(&self, row: &[f64], out: &mut [f64]) -> Result<()> {
        todo!("{row:?} {out:?}")
    }

    /// Turns raw scores, row-major, into outputs in place: a random forest's average, then the objective's transform.
    ///
    /// # Panics
    /// If `scores` is not a whole number of rows.
    pub fn convert(&self, scores: &mut [f64]) {
        todo!("{scores:?}")
    }
}
