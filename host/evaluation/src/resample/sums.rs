//! Sums over rows or groups, in all segments at once: of the data, and of each resample.

use super::random::{Counts, LANES};
use super::{LaneRange, Plan};
use crate::accumulate::{Accumulator as _, Compensated};

/// How many items are summed before they are added to the sum of a resample, which keeps rounding small.
pub(crate) const BLOCK: usize = 128;

/// What is summed: some columns of numbers, for each row or each group of rows.
pub(crate) trait Source: Sync {
    /// The number of items.
    fn items(&self) -> usize;

    /// The number of columns.
    fn columns(&self) -> usize;

    /// The number of segments.
    fn segments(&self) -> usize;

    /// Fills `block` with the items from `first` on.
    fn fill(&self, first: usize, block: &mut Block);
}

/// Some items.
#[derive(Debug)]
pub(crate) struct Block {
    /// The number of items.
    pub(crate) len: usize,
    /// What resamples draw for each item.
    pub(crate) units: [u32; BLOCK],
    /// The numbers of each column.
    pub(crate) values: Vec<[f64; BLOCK]>,
    /// The segments that the items are in.
    pub(crate) members: Vec<Members>,
}

/// Each item's segment, of one column of segments.
#[derive(Debug)]
pub(crate) enum Members {
    /// All items are in the segment of all rows.
    All,
    /// A segment for each item.
    Each(Box<[u32; BLOCK]>),
}

impl Block {
    fn new(columns: usize) -> Self {
        Self { len: 0, units: [0; BLOCK], values: vec![[0.0; BLOCK]; columns], members: Vec::new() }
    }
}

/// The sums of the data and of each resample.
pub(crate) struct Sums {
    columns: usize,
    /// For each segment, those of all columns.
    totals: Vec<f64>,
    /// Of [`LANES`] resamples at a time; for each segment, those of all columns.
    drawn: Vec<Vec<[f64; LANES]>>,
}

impl Sums {
    /// Sums the numbers of `source`.
    pub(crate) fn of(source: &dyn Source, plan: &Plan<'_>) -> Self {
        let drawn = plan.run(|range| range_sums(source, plan.counts, range));
        Self {
            columns: source.columns(),
            totals: totals(source),
            drawn: drawn.into_iter().flatten().collect(),
        }
    }

    /// The sum of a column in a segment.
    pub(crate) fn total(&self, segment: usize, column: usize) -> f64 {
        self.totals[segment * self.columns + column]
    }

    /// The sum of a column in a segment of a resample.
    pub(crate) fn drawn(&self, segment: usize, column: usize, resample: usize) -> f64 {
        self.drawn[resample / LANES][segment * self.columns + column][resample % LANES]
    }
}

fn totals(source: &dyn Source) -> Vec<f64> {
    let columns = source.columns();
    let mut sums = vec![Compensated::default(); source.segments() * columns];
    let mut block = Block::new(columns);
    for first in (0..source.items()).step_by(BLOCK) {
        source.fill(first, &mut block);
        for members in &block.members {
            for (column, values) in block.values.iter().enumerate() {
                for (item, value) in values[..block.len].iter().enumerate() {
                    let segment = match members {
                        Members::All => 0,
                        Members::Each(segments) => segments[item] as usize,
                    };
                    sums[segment * columns + column].add(*value);
                }
            }
        }
    }
    sums.into_iter().map(Compensated::value).collect()
}

fn range_sums(source: &dyn Source, counts: Counts, range: LaneRange) -> Vec<Vec<[f64; LANES]>> {
    let mut sums = vec![vec![[0.0; LANES]; source.segments() * source.columns()]; range.len()];
    let mut block = Block::new(source.columns());
    let mut drawn = [[0.0; LANES]; BLOCK];
    for first in (0..source.items()).step_by(BLOCK) {
        source.fill(first, &mut block);
        for (lanes, sums) in range.clone().zip(&mut sums) {
            counts.fill(&block.units[..block.len], lanes, &mut drawn);
            add(&block, &drawn, sums);
        }
    }
    sums
}

/// Adds the block's numbers to the sums of their segments, each as often as it was drawn.
fn add(block: &Block, drawn: &[[f64; LANES]; BLOCK], sums: &mut [[f64; LANES]]) {
    let columns = block.values.len();
    for members in &block.members {
        for (column, values) in block.values.iter().enumerate() {
            let items = values[..block.len].iter().zip(drawn);
            match members {
                Members::All => {
                    let mut partial = [0.0; LANES];
                    items.for_each(|(value, drawn)| add_drawn(&mut partial, *value, drawn));
                    add_drawn(&mut sums[column], 1.0, &partial);
                }
                Members::Each(segments) => {
                    for ((value, drawn), segment) in items.zip(segments.iter()) {
                        add_drawn(&mut sums[*segment as usize * columns + column], *value, drawn);
                    }
                }
            }
        }
    }
}

fn add_drawn(sums: &mut [f64; LANES], value: f64, drawn: &[f64; LANES]) {
    for (sum, drawn) in sums.iter_mut().zip(drawn) {
        *sum += value * drawn;
    }
}
