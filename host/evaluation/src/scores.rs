//! The scores of one version, and their order.

use hydra_base::{Error, ErrorKind, Result};

use crate::dataset::Groups;

/// The scores of one version of a model on all rows: probabilities, values, or raw scores.
#[derive(Debug, Clone, PartialEq)]
pub struct Scores {
    values: Vec<f64>,
    outputs: usize,
}

impl Scores {
    /// Scores of `outputs` numbers per row, row by row.
    ///
    /// [`ErrorKind::InvalidScores`] for NaN or an infinite number; [`ErrorKind::InvalidArgument`] unless there is a whole number
    /// of rows.
    pub fn new(values: Vec<f64>, outputs: usize) -> Result<Self> {
        if outputs == 0 || !values.len().is_multiple_of(outputs) {
            return Err(Error::new(ErrorKind::InvalidArgument, "the number of scores is not rows × outputs")
                .with_context("scores", values.len())
                .with_context("outputs", outputs));
        }
        let scores = Self { values, outputs };
        scores.check("the score is not a finite number", f64::is_finite)?;
        Ok(scores)
    }

    /// The number of scores of each row.
    #[must_use]
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// The number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.values.len() / self.outputs
    }

    /// [`ErrorKind::InvalidScores`] with `message` if a score does not pass `test`.
    pub(crate) fn check(&self, message: &str, test: impl Fn(f64) -> bool) -> Result<()> {
        match self.values.iter().position(|score| !test(*score)) {
            None => Ok(()),
            Some(index) => {
                Err(Error::new(ErrorKind::InvalidScores, format!("{message}: `{}`", self.values[index]))
                    .with_context("row", index / self.outputs + 1))
            }
        }
    }

    /// The scores of a row.
    pub(crate) fn row(&self, row: usize) -> &[f64] {
        &self.values[row * self.outputs..(row + 1) * self.outputs]
    }

    /// One score of every row.
    pub(crate) fn output(&self, output: usize) -> Output<'_> {
        Output { scores: self, output }
    }
}

/// One of the outputs of a version.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output<'a> {
    scores: &'a Scores,
    output: usize,
}

impl Output<'_> {
    /// The score of a row. The two zeros are one, so that the order of scores is that of numbers.
    pub(crate) fn of(self, row: u32) -> f64 {
        self.scores.values[row as usize * self.scores.outputs + self.output] + 0.0
    }

    /// The rows from the greatest score to the least; rows with equal scores keep their order.
    pub(crate) fn descending(self) -> Vec<u32> {
        let mut order: Vec<u32> = (0..self.scores.rows() as u32).collect();
        order.sort_unstable_by(|a, b| self.of(*b).total_cmp(&self.of(*a)).then(a.cmp(b)));
        order
    }

    /// The rows group by group, each from the greatest score to the least; rows with equal scores keep their order.
    pub(crate) fn descending_in(self, groups: &Groups) -> Vec<u32> {
        let group = |row: u32| groups.ids[row as usize];
        let mut order: Vec<u32> = (0..self.scores.rows() as u32).collect();
        order.sort_unstable_by(|a, b| {
            group(*a).cmp(&group(*b)).then(self.of(*b).total_cmp(&self.of(*a))).then(a.cmp(b))
        });
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hydra_base::testing::kind;

    #[test]
    fn ties_keep_their_order_and_zeros_are_equal() {
        let scores = Scores::new(vec![0.0, 1.0, -0.0, 1.0, -2.0], 1).unwrap();
        assert_eq!(scores.output(0).descending(), [1, 3, 0, 2, 4]);
        let groups = Groups { ids: vec![1, 1, 0, 0, 1], count: 2 };
        assert_eq!(scores.output(0).descending_in(&groups), [3, 2, 1, 0, 4]);
    }

    #[test]
    fn scores_are_finite_and_whole_rows() {
        let error = Scores::new(vec![0.5, 0.5, 0.1, f64::NAN], 2).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidScores);
        assert_eq!(error.to_string(), "the score is not a finite number: `NaN` (row: 2)");
        assert_eq!(kind(Scores::new(vec![0.5; 3], 2)), ErrorKind::InvalidArgument);
        assert_eq!(kind(Scores::new(vec![], 0)), ErrorKind::InvalidArgument);
    }
}
