//! Whether probabilities are as great as the shares that they predict.

use crate::accumulate::{Accumulator as _, Compensated};
use crate::dataset::{Dataset, Partitions};
use crate::scores::Scores;

/// The number of bins.
const BINS: usize = 10;

/// The rows with probabilities in one of ten bins of equal width.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct CalibrationBin {
    /// The number of rows.
    pub rows: u64,
    /// The sum of the rows' weights.
    pub weight: f64,
    /// The weighted mean of the probabilities; NaN without weight.
    pub mean_score: f64,
    /// The share of the weight that the second class has; NaN without weight.
    pub positive_share: f64,
}

/// The bins of a segment, from probability 0 to 1.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Calibration([Sums; BINS]);

#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    rows: u64,
    weight: Compensated,
    scores: Compensated,
    positive: Compensated,
}

/// The bins of each segment.
pub(crate) fn calibrations(
    dataset: &Dataset,
    partitions: &Partitions<'_>,
    scores: &Scores,
) -> Vec<Calibration> {
    let mut bins = vec![Calibration::default(); partitions.len()];
    for (row, class) in dataset.class_ids().iter().enumerate() {
        let (score, weight) = (scores.row(row)[0], dataset.weight(row));
        let bin = bin(score);
        for segment in partitions.each(row) {
            let sums = &mut bins[segment].0[bin];
            sums.rows += 1;
            sums.weight.add(weight);
            sums.scores.add(weight * score);
            sums.positive.add(if *class == 1 { weight } else { 0.0 });
        }
    }
    bins
}

impl Calibration {
    /// [`crate::Metric::Ece`].
    pub(crate) fn error(&self) -> f64 {
        let weight: f64 = self.0.iter().map(|sums| sums.weight.value()).sum();
        self.0.iter().map(|sums| sums.positive.minus(sums.scores).abs()).sum::<f64>() / weight
    }

    /// The bins.
    pub(crate) fn bins(&self) -> Vec<CalibrationBin> {
        let bin = |sums: &Sums| CalibrationBin {
            rows: sums.rows,
            weight: sums.weight.value(),
            mean_score: sums.scores.value() / sums.weight.value(),
            positive_share: sums.positive.value() / sums.weight.value(),
        };
        self.0.iter().map(bin).collect()
    }
}

/// The bin of a probability: an inner edge belongs to the bin below it. The edges are those of `numpy.linspace(0, 1, 11)`.
fn bin(score: f64) -> usize {
    (1..BINS).take_while(|edge| *edge as f64 * 0.1 < score).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inner_edges_belong_to_the_bin_below() {
        for (score, expected) in
            [(0.0, 0), (0.1, 0), (0.1 + 1e-16, 1), (0.3, 2), (0.30000000000000004, 2), (0.9, 8), (1.0, 9)]
        {
            assert_eq!(bin(score), expected, "{score}");
        }
    }
}
