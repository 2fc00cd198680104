//! The variance of the AUC and of paired differences (DeLong, DeLong and Clarke-Pearson, 1988), from ranks in O(n log n)
//! (Sun and Xu, 2014), without weights.
//!
//! A row's placement is the share of the other class's rows that the score puts in the right order with it; ties count
//! half. The AUC is the mean placement of either class, and its variance follows from those of the placements. Here
//! placements are whole numbers: twice the number of rows in the right order. So all sums are exact.

use crate::dataset::Partitions;
use crate::resample::interval::{Interval, Method, NORMAL_QUANTILE};
use crate::scores::Output;
use crate::threads::parallel;

/// Two classes, and the segments that their rows are in.
pub(crate) struct Classes<'a> {
    ids: &'a [u16],
    positive: u16,
    partitions: &'a Partitions<'a>,
    /// The rows of each segment: of the other class, and of the positive one.
    sizes: Vec<[u64; 2]>,
}

/// What is estimated for one version, in each segment.
pub(crate) struct Estimates {
    /// The AUC.
    pub(crate) values: Vec<Estimate>,
    /// The AUC minus that of the baseline.
    pub(crate) differences: Vec<Estimate>,
}

/// An AUC or a difference of two, with its interval, in a segment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Estimate {
    /// NaN if the segment has no rows of one class.
    pub(crate) value: f64,
    /// None if the segment has fewer than two rows of a class.
    pub(crate) interval: Option<Interval>,
}

impl<'a> Classes<'a> {
    /// The class `positive` against all others.
    pub(crate) fn new(ids: &'a [u16], positive: u16, partitions: &'a Partitions<'a>) -> Self {
        let mut sizes = vec![[0; 2]; partitions.len()];
        for (row, id) in ids.iter().enumerate() {
            partitions.each(row).for_each(|segment| sizes[segment][usize::from(*id == positive)] += 1);
        }
        Self { ids, positive, partitions, sizes }
    }

    /// The estimates for each of `versions`, which are outputs with their descending orders.
    pub(crate) fn estimates(
        &self,
        versions: &[(Output<'_>, &[u32])],
        baseline: usize,
        threads: usize,
    ) -> Vec<Estimates> {
        let unknown = || vec![Estimate { value: f64::NAN, interval: None }; self.sizes.len()];
        let mut estimates: Vec<Estimates> =
            versions.iter().map(|_| Estimates { values: unknown(), differences: unknown() }).collect();
        let mut placements = vec![0; self.ids.len()];
        for column in 0..self.partitions.per_row() {
            let (output, order) = versions[baseline];
            self.place(column, output, order, |row, _, placement| placements[row] = placement);
            let tasks = versions.iter().zip(&mut estimates).collect();
            parallel(
                threads,
                tasks,
                |((output, order), estimates): (&(Output<'_>, &[u32]), &mut Estimates)| {
                    self.version(column, *output, order, &placements, estimates);
                },
            );
        }
        estimates
    }

    /// The estimates of one version in the segments of one column.
    fn version(
        &self,
        column: usize,
        output: Output<'_>,
        order: &[u32],
        baseline: &[u32],
        estimates: &mut Estimates,
    ) {
        let mut own = vec![[Moments::default(); 2]; self.sizes.len()];
        let mut paired = own.clone();
        self.place(column, output, order, |row, segment, placement| {
            let class = usize::from(self.is_positive(row));
            own[segment][class].add(i64::from(placement));
            paired[segment][class].add(i64::from(placement) - i64::from(baseline[row]));
        });
        for segment in self.partitions.range(column) {
            let mut value = self.estimate(segment, own[segment]);
            if let Some(interval) = &mut value.interval {
                interval.low = interval.low.max(0.0);
                interval.high = interval.high.min(1.0);
            }
            estimates.values[segment] = value;
            estimates.differences[segment] = self.estimate(segment, paired[segment]);
        }
    }

    fn is_positive(&self, row: usize) -> bool {
        self.ids[row] == self.positive
    }

    /// Visits all rows with their segments and placements.
    fn place(
        &self,
        column: usize,
        output: Output<'_>,
        order: &[u32],
        mut visit: impl FnMut(usize, usize, u32),
    ) {
        let mut above = vec![[0_u32; 2]; self.sizes.len()];
        let mut tied = vec![[0_u32; 2]; self.sizes.len()];
        for rows in order.chunk_by(|a, b| output.of(*a) == output.of(*b)) {
            let rows = || rows.iter().map(|row| *row as usize);
            let segment = |row| self.partitions.of(column, row) as usize;
            let class = |row| usize::from(self.is_positive(row));
            rows().for_each(|row| tied[segment(row)][class(row)] += 1);
            for row in rows() {
                let segment = segment(row);
                let (other, class) = (1 - class(row), class(row));
                let (above, tied) = (above[segment][other], tied[segment][other]);
                let right = if class == 1 { self.sizes[segment][other] as u32 - above - tied } else { above };
                visit(row, segment, 2 * right + tied);
            }
            for row in rows() {
                let segment = segment(row);
                for (above, tied) in above[segment].iter_mut().zip(&mut tied[segment]) {
                    *above += std::mem::take(tied);
                }
            }
        }
    }

    fn estimate(&self, segment: usize, [of_negatives, of_positives]: [Moments; 2]) -> Estimate {
        let [negatives, positives] = self.sizes[segment].map(|size| size as f64);
        let value = of_positives.sum as f64 / (2.0 * positives * negatives);
        let variance = of_positives.variance() / (4.0 * negatives * negatives * positives)
            + of_negatives.variance() / (4.0 * positives * positives * negatives);
        let reach = NORMAL_QUANTILE * variance.sqrt();
        let interval = Interval { low: value - reach, high: value + reach, method: Method::DeLong };
        Estimate { value, interval: reach.is_finite().then_some(interval) }
    }
}

/// Sums of numbers and of their squares.
#[derive(Debug, Clone, Copy, Default)]
struct Moments {
    count: i128,
    sum: i128,
    squares: i128,
}

impl Moments {
    fn add(&mut self, number: i64) {
        self.count += 1;
        self.sum += i128::from(number);
        self.squares += i128::from(number) * i128::from(number);
    }

    /// The sample variance; NaN for fewer than two numbers.
    fn variance(self) -> f64 {
        let exact = self.count * self.squares - self.sum * self.sum;
        exact as f64 / (self.count * (self.count - 1)) as f64
    }
}
