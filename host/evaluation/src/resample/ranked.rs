//! Metrics of the order of scores, of the data and of each resample, in one sweep along one sorted order.

use super::Plan;
use super::random::LANES;
use super::sums::BLOCK;
use crate::accumulate::{Accumulator, Compensated};
use crate::dataset::{Dataset, Partitions};
use crate::scores::Output;

/// One class against all others, by one output of a version.
pub(crate) struct Ranking<'a> {
    pub(crate) dataset: &'a Dataset,
    pub(crate) partitions: &'a Partitions<'a>,
    pub(crate) output: Output<'a>,
    /// The rows from the greatest score to the least.
    pub(crate) order: &'a [u32],
    /// The class whose rows are the positive ones.
    pub(crate) positive: u16,
    /// Whether the average precision is wanted.
    pub(crate) precision: bool,
}

/// The metrics of one segment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Ranked {
    pub(crate) auc: f64,
    pub(crate) average_precision: f64,
}

/// The metrics of a version in all segments, of the data and of each resample.
pub(crate) struct Sweeps {
    /// In each segment.
    pub(crate) data: Vec<Ranked>,
    /// Of [`LANES`] resamples at a time, in each segment.
    drawn: Vec<Vec<[Ranked; LANES]>>,
}

impl Sweeps {
    /// Sweeps over the data, and over resamples if there is a plan for them; all metrics times `share`.
    pub(crate) fn of(ranking: &Ranking<'_>, plan: Option<&Plan<'_>>, share: f64) -> Self {
        let drawn = plan.map(|plan| resampled(ranking, plan)).unwrap_or_default();
        let mut sweeps = Self { data: ranked(ranking), drawn };
        sweeps.each(|ranked| {
            ranked.auc *= share;
            ranked.average_precision *= share;
        });
        sweeps
    }

    /// The metrics of a resample.
    pub(crate) fn drawn(&self, segment: usize, resample: usize) -> Ranked {
        self.drawn[resample / LANES][segment][resample % LANES]
    }

    /// Adds the metrics of another output.
    pub(crate) fn add(&mut self, other: &Self) {
        let mut others = other.data.iter().chain(other.drawn.iter().flatten().flatten());
        self.each(|ranked| {
            if let Some(other) = others.next() {
                ranked.auc += other.auc;
                ranked.average_precision += other.average_precision;
            }
        });
    }

    fn each(&mut self, change: impl FnMut(&mut Ranked)) {
        self.data.iter_mut().chain(self.drawn.iter_mut().flatten().flatten()).for_each(change);
    }
}

/// The metrics of the data in each segment.
fn ranked(ranking: &Ranking<'_>) -> Vec<Ranked> {
    let states = sweep::<Compensated, 1>(ranking, 1, |_, _, drawn| drawn.fill([1.0]));
    states.into_iter().flatten().map(|state| state.finish()[0]).collect()
}

/// The metrics of resamples, [`LANES`] at a time, in each segment. Those that a resample does not define are NaN.
fn resampled(ranking: &Ranking<'_>, plan: &Plan<'_>) -> Vec<Vec<[Ranked; LANES]>> {
    let passes = plan.run(|range| {
        sweep::<f64, LANES>(ranking, range.len(), |pass, units, drawn| {
            plan.counts.fill(units, range.start + pass as u32, drawn);
        })
    });
    let finish = |states: Vec<State<f64, LANES>>| states.into_iter().map(|state| state.finish()).collect();
    passes.into_iter().flatten().map(finish).collect()
}

/// Goes along the order once, for `passes` sets of counts, and returns the states of all segments for each of them.
fn sweep<A: Accumulator, const N: usize>(
    ranking: &Ranking<'_>,
    passes: usize,
    fill: impl Fn(usize, &[u32], &mut [[f64; N]]),
) -> Vec<Vec<State<A, N>>> {
    let Ranking { dataset, partitions, output, order, positive, precision } = ranking;
    let classes = dataset.class_ids();
    let mut states = vec![vec![State::<A, N>::new(); partitions.len()]; passes];
    let score = |place: usize| order.get(place).map_or(f64::NAN, |row| output.of(*row));
    let (mut tie, mut last, mut this) = (0, f64::NAN, score(0));
    let mut units = [0; BLOCK];
    let mut items = [Item::default(); BLOCK];
    let mut segments = vec![[0_u32; BLOCK]; partitions.per_row()];
    let mut drawn = [[0.0; N]; BLOCK];
    for (block, rows) in order.chunks(BLOCK).enumerate() {
        for (index, row) in rows.iter().enumerate() {
            let next = score(block * BLOCK + index + 1);
            tie += u32::from(this != last);
            let alone = this != last && this != next;
            (last, this) = (this, next);
            let row = *row as usize;
            units[index] = dataset.unit(row);
            let positive = classes[row] == *positive;
            items[index] = Item { tie, alone, weight: dataset.weight(row), positive };
            for (column, segments) in segments.iter_mut().enumerate() {
                segments[index] = partitions.of(column, row);
            }
        }
        for (pass, states) in states.iter_mut().enumerate() {
            fill(pass, &units[..rows.len()], &mut drawn[..rows.len()]);
            for segments in &segments {
                let items = items[..rows.len()].iter().zip(&drawn).zip(segments);
                // Precisions need divisions, which take longer than everything else.
                if *precision {
                    items.for_each(|((item, drawn), segment)| {
                        states[*segment as usize].push::<true>(*item, drawn);
                    });
                } else {
                    items.for_each(|((item, drawn), segment)| {
                        states[*segment as usize].push::<false>(*item, drawn);
                    });
                }
            }
        }
    }
    for state in states.iter_mut().flatten() {
        state.end_tie::<true>();
    }
    states
}

/// A row in its place.
#[derive(Debug, Clone, Copy, Default)]
struct Item {
    /// Equal for equal scores, from 1.
    tie: u32,
    /// Whether no other row has the same score.
    alone: bool,
    weight: f64,
    positive: bool,
}

/// What is known of a segment after some of its rows.
#[derive(Debug, Clone, Copy)]
struct State<A, const N: usize> {
    /// The tie whose rows are not counted in the sums below; 0 if there is none.
    tie: u32,
    tied_positive: [A; N],
    tied_negative: [A; N],
    positive: [A; N],
    negative: [A; N],
    /// The weight of the pairs in order, half of those with equal scores.
    area: [A; N],
    /// The sum of precisions, each times the positive weight at its score.
    precision: [A; N],
}

impl<A: Accumulator, const N: usize> State<A, N> {
    fn new() -> Self {
        let zero = [A::default(); N];
        Self {
            tie: 0,
            tied_positive: zero,
            tied_negative: zero,
            positive: zero,
            negative: zero,
            area: zero,
            precision: zero,
        }
    }

    fn push<const PRECISION: bool>(&mut self, item: Item, drawn: &[f64; N]) {
        if item.tie != self.tie && self.tie != 0 {
            self.end_tie::<PRECISION>();
        }
        if !item.alone {
            self.tie = item.tie;
            let tied = if item.positive { &mut self.tied_positive } else { &mut self.tied_negative };
            add(tied, item.weight, drawn);
        } else if item.positive {
            add(&mut self.positive, item.weight, drawn);
            if PRECISION {
                let weights: [f64; N] = std::array::from_fn(|lane| item.weight * drawn[lane]);
                self.add_precision(&weights);
            }
        } else {
            add(&mut self.negative, item.weight, drawn);
            for ((area, positive), drawn) in self.area.iter_mut().zip(&self.positive).zip(drawn) {
                area.add(item.weight * drawn * positive.value());
            }
        }
    }

    /// Counts the rows of the last tie.
    fn end_tie<const PRECISION: bool>(&mut self) {
        let [positive, negative] = [self.tied_positive, self.tied_negative].map(|tied| tied.map(A::value));
        for lane in 0..N {
            self.area[lane].add(negative[lane] * (self.positive[lane].value() + 0.5 * positive[lane]));
        }
        add(&mut self.positive, 1.0, &positive);
        add(&mut self.negative, 1.0, &negative);
        if PRECISION {
            self.add_precision(&positive);
        }
        self.tied_positive = [A::default(); N];
        self.tied_negative = [A::default(); N];
        self.tie = 0;
    }

    /// Adds the precision of the rows so far for positive rows of these weights.
    fn add_precision(&mut self, weights: &[f64; N]) {
        for (lane, weight) in weights.iter().enumerate() {
            let positive = self.positive[lane].value();
            // Without weight there is no positive weight either.
            let above = (positive + self.negative[lane].value()).max(f64::MIN_POSITIVE);
            self.precision[lane].add(weight * (positive / above));
        }
    }

    fn finish(&self) -> [Ranked; N] {
        std::array::from_fn(|lane| {
            let positive = self.positive[lane].value();
            Ranked {
                // 0 / 0 is NaN.
                auc: self.area[lane].value() / (positive * self.negative[lane].value()),
                average_precision: self.precision[lane].value() / positive,
            }
        })
    }
}

fn add<A: Accumulator, const N: usize>(sums: &mut [A; N], value: f64, drawn: &[f64; N]) {
    for (sum, drawn) in sums.iter_mut().zip(drawn) {
        sum.add(value * drawn);
    }
}
