//! How the scores of a version are distributed, and how two distributions differ.

use crate::accumulate::{Accumulator as _, Compensated};
use crate::dataset::Partitions;
use crate::resample::interval::{position, quantile};
use crate::scores::{Output, Scores};

/// The number of parts that deciles make.
const PARTS: usize = 10;

/// The distribution of one output of a version: what serving compares the scores of its requests with.
#[derive(Debug, Clone, PartialEq)]
pub struct Distribution {
    /// The least score, the nine deciles, and the greatest score, as `numpy.quantile` gives them.
    pub edges: Vec<f64>,
    /// How many rows have scores between each two edges. A score on an edge counts below it, the least score in the first
    /// part. Ties make the counts unequal.
    pub counts: Vec<u64>,
}

impl Distribution {
    /// The distribution of `output`, whose descending order is `order`.
    pub(crate) fn of(output: Output<'_>, order: &[u32]) -> Self {
        let at = |index: usize| output.of(order[order.len() - 1 - index]);
        let edges: Vec<f64> =
            (0..=PARTS).map(|edge| quantile(order.len(), edge as f64 / PARTS as f64, at)).collect();
        let mut counts = vec![0; PARTS];
        for row in order {
            counts[part(&edges[1..PARTS], output.of(*row))] += 1;
        }
        Self { edges, counts }
    }
}

/// The population stability index of `challenger` in each segment: `Σ (a - b) ln(a / b)` over the parts that the deciles
/// of `baseline` make, where `a` and `b` are the shares of the challenger's and the baseline's rows. A part that only one
/// of them has rows in counts half a row of the other. NaN without rows.
pub(crate) fn stability(
    partitions: &Partitions<'_>,
    sizes: &[u64],
    baseline: (Output<'_>, &[u32]),
    challenger: Output<'_>,
) -> Vec<f64> {
    let deciles = segment_deciles(partitions, sizes, baseline);
    let mut counts = vec![[[0_u64; 2]; PARTS]; sizes.len()];
    for row in 0..baseline.1.len() {
        for segment in partitions.each(row) {
            for (side, output) in [challenger, baseline.0].into_iter().enumerate() {
                counts[segment][part(&deciles[segment], output.of(row as u32))][side] += 1;
            }
        }
    }
    let index = |(counts, size): (&[[u64; 2]; PARTS], &u64)| match size {
        0 => f64::NAN,
        size => counts.iter().map(|counts| part_stability(*counts, *size as f64)).sum(),
    };
    counts.iter().zip(sizes).map(index).collect()
}

fn part_stability(counts: [u64; 2], rows: f64) -> f64 {
    if counts == [0, 0] {
        return 0.0;
    }
    let [a, b] = counts.map(|count| (count as f64).max(0.5) / rows);
    (a - b) * (a / b).ln()
}

/// The nine deciles of each segment.
fn segment_deciles(
    partitions: &Partitions<'_>,
    sizes: &[u64],
    (output, order): (Output<'_>, &[u32]),
) -> Vec<[f64; PARTS - 1]> {
    let mut deciles = vec![[f64::NAN; PARTS - 1]; sizes.len()];
    // How many scores of a segment came before, the last of them, and the next decile.
    let mut states = vec![(0_usize, f64::NAN, 0_usize); sizes.len()];
    for row in order.iter().rev() {
        let score = output.of(*row);
        for segment in partitions.each(*row as usize) {
            let (before, last, next) = &mut states[segment];
            while *next < PARTS - 1 {
                let (below, part) = position(sizes[segment] as usize, (*next + 1) as f64 / PARTS as f64);
                let needed = if part == 0.0 { below } else { below + 1 };
                if *before < needed {
                    break;
                }
                let between = *last + (score - *last) * part;
                deciles[segment][*next] = if part == 0.0 { score } else { between };
                *next += 1;
            }
            *last = score;
            *before += 1;
        }
    }
    deciles
}

/// The part of a score, given the edges between the parts.
fn part(edges: &[f64], score: f64) -> usize {
    edges.partition_point(|edge| *edge < score)
}

/// The Kolmogorov-Smirnov distance in each segment: the greatest difference of the shares of rows that two versions score
/// no higher than any one number. NaN without rows.
pub(crate) fn distance(
    partitions: &Partitions<'_>,
    sizes: &[u64],
    versions: [(Output<'_>, &[u32]); 2],
) -> Vec<f64> {
    let mut lead = vec![0_i64; sizes.len()];
    let mut greatest = vec![0_i64; sizes.len()];
    let mut next = [0_usize; 2];
    let score = |side: usize, index: usize| {
        let (output, order) = versions[side];
        order.get(index).map_or(f64::NEG_INFINITY, |row| output.of(*row))
    };
    let rows = versions[0].1.len();
    while next != [rows, rows] {
        let highest = score(0, next[0]).max(score(1, next[1]));
        let before = next;
        for (side, step) in [(0, 1), (1, -1)] {
            while next[side] < rows && score(side, next[side]) == highest {
                let row = versions[side].1[next[side]];
                partitions.each(row as usize).for_each(|segment| lead[segment] += step);
                next[side] += 1;
            }
        }
        for side in 0..2 {
            for row in &versions[side].1[before[side]..next[side]] {
                for segment in partitions.each(*row as usize) {
                    greatest[segment] = greatest[segment].max(lead[segment].abs());
                }
            }
        }
    }
    greatest.into_iter().zip(sizes).map(|(greatest, size)| greatest as f64 / *size as f64).collect()
}

/// How two versions score the same rows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct RowAgreement {
    /// The share of rows with scores that are equal to the bit.
    pub(crate) equal: f64,
    /// The share of rows whose label changes.
    pub(crate) label_changes: f64,
    /// The mean absolute difference of scores.
    pub(crate) mean_difference: f64,
}

/// The label of a row's scores.
pub(crate) type LabelOf<'a> = &'a dyn Fn(&[f64]) -> usize;

/// The agreement row by row in each segment.
///
/// Without `label_of`, there are no labels.
pub(crate) fn row_agreement(
    partitions: &Partitions<'_>,
    sizes: &[u64],
    baseline: &Scores,
    challenger: &Scores,
    label_of: Option<LabelOf<'_>>,
) -> Vec<RowAgreement> {
    let mut sums = vec![(0_u64, 0_u64, Compensated::default()); sizes.len()];
    for row in 0..baseline.rows() {
        let (a, b) = (baseline.row(row), challenger.row(row));
        let equal = a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits());
        let changed = label_of.is_some_and(|label_of| label_of(a) != label_of(b));
        let difference: f64 = a.iter().zip(b).map(|(a, b)| (a - b).abs()).sum();
        for segment in partitions.each(row) {
            let sums = &mut sums[segment];
            sums.0 += u64::from(equal);
            sums.1 += u64::from(changed);
            sums.2.add(difference);
        }
    }
    let agreement = |((equal, label_changes, difference), size): ((u64, u64, Compensated), &u64)| {
        let size = *size as f64;
        RowAgreement {
            equal: equal as f64 / size,
            label_changes: if label_of.is_some() { label_changes as f64 / size } else { f64::NAN },
            mean_difference: difference.value() / (size * baseline.outputs() as f64),
        }
    };
    sums.into_iter().zip(sizes).map(agreement).collect()
}
