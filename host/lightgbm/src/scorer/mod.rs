//! Scores rows with a validated model: LightGBM's raw scores to the bit, several times as fast.
//!
//! Blocks of rows pass through the `sliced` trees together, as sets of bits; each of the model's `predicates`, which
//! are few, is evaluated once per block. Single rows, and trees that are too large, are walked node by node, several at
//! a time (`walk`). Both use a `view` of each value that turns LightGBM's rules for missing values into an order.

mod batch;
mod categories;
mod contributions;
mod layout;
mod linear;
mod membership;
mod predicates;
mod search;
mod segment;
mod sinks;
mod sliced;
#[cfg(test)]
mod tests;
mod trees;
mod view;
mod walk;

use std::fmt;
use std::num::NonZero;
use std::ops::Range;

use crate::matrix::Matrix;
use crate::objective::Objective;
use crate::text::TextModel;
use hydra_base::{Error, ErrorKind, Result};

use batch::{Batch, Block};
use categories::Categories;
use linear::LinearTree;
use segment::Segment;
use sinks::{LeafSink, ScoreSink};
use trees::Trees;
use view::Columns;
use walk::Walker;

pub(crate) use contributions::Contributions;

/// A model compiled for scoring.
///
/// Raw scores and leaf indices are equal to those of LightGBM 4.7 to the bit, for every model that [`TextModel::parse`]
/// accepts and every row, with missing, infinite and subnormal values and with unseen and negative categories. The
/// value is immutable, and threads can share it.
pub struct Scorer {
    num_features: usize,
    num_outputs: usize,
    /// Which iterations of the model these are.
    iterations: Range<usize>,
    average: bool,
    objective: Option<Objective>,
    walker: Walker,
    segments: Vec<Segment>,
    /// Per tree; empty if no tree has linear models.
    linear: Vec<Option<LinearTree>>,
}

/// The block size in words of 64 rows: large enough to hide the overhead per node, small enough that the results of all
/// predicates of a usual model stay in the processor's second-level cache.
const BLOCK_WORDS: usize = 4;

/// Fewer rows are scored one by one.
const FEW_ROWS: usize = 16;

/// How rows are shared between threads: whole blocks for all threads but the last.
const GRAIN: Grain = Grain { least: 512, multiple: Batch::<BLOCK_WORDS>::ROWS, most_threads: usize::MAX };

/// Rows with at most this many slots use memory on the stack.
const STACK_SLOTS: usize = 384;

impl Scorer {
    /// Compiles all iterations of `model`.
    #[must_use]
    pub fn compile(model: &TextModel) -> Self {
        Self::compile_with(model, None)
    }

    /// Compiles the first `num_iterations` iterations; all of them for `None` or if there are fewer.
    #[must_use]
    pub fn compile_with(model: &TextModel, num_iterations: Option<usize>) -> Self {
        Self::compile_range(model, 0, num_iterations)
    }

    /// Compiles `count` iterations from the iteration `start`, which counts from 0: all from there for `None` or if there are
    /// fewer, and none if `start` is beyond the last.
    #[must_use]
    pub fn compile_range(model: &TextModel, start: usize, count: Option<usize>) -> Self {
        let start = start.min(model.num_iterations());
        let count = count.unwrap_or(usize::MAX).min(model.num_iterations() - start);
        let iterations = start..start + count;
        let trees = Trees::new(model, &iterations);
        let columns = Columns::collect(trees);
        let categories = Categories::collect(trees, &columns);
        let segments = segment::compile(trees, &columns, &categories);
        let linear = if model.has_linear_trees() {
            trees.iter().map(LinearTree::compile).collect()
        } else {
            Vec::new()
        };
        Self {
            num_features: model.num_features(),
            num_outputs: model.trees_per_iteration(),
            iterations,
            average: model.average_output(),
            objective: model.objective().copied(),
            walker: Walker::compile(trees, &columns, categories),
            segments,
            linear,
        }
    }

    /// The number of columns that a row must have.
    #[must_use]
    pub fn num_features(&self) -> usize {
        self.num_features
    }

    /// The number of scores of a row: 1, or the number of classes.
    #[must_use]
    pub fn num_outputs(&self) -> usize {
        self.num_outputs
    }

    /// The number of iterations that are scored.
    #[must_use]
    pub fn num_iterations(&self) -> usize {
        self.iterations.len()
    }

    /// The number of scored trees: iterations times outputs.
    #[must_use]
    pub fn num_trees(&self) -> usize {
        self.walker.num_trees()
    }

    /// Writes the raw scores of every row of `data` to `out`, row-major: rows × [`num_outputs`](Self::num_outputs).
    ///
    /// Up to `threads` threads share the rows; 0 means all processors. Small inputs use fewer threads. Raw scores are
    /// sums over trees, also for random forests; [`convert`](Self::convert) averages.
    ///
    /// Fails with [`InvalidData`](ErrorKind::InvalidData) if the number of columns is not
    /// [`num_features`](Self::num_features), and with [`InvalidArgument`](ErrorKind::InvalidArgument) if the length of
    /// `out` is not as above.
    pub fn raw(&self, data: &Matrix<'_>, threads: usize, out: &mut [f64]) -> Result<()> {
        self.check(data.columns(), data.rows(), self.num_outputs, out.len())?;
        if data.rows() < FEW_ROWS {
            for (row, out) in out.chunks_exact_mut(self.num_outputs).enumerate() {
                self.sum_row(|feature| data.value(row, feature), out);
            }
            return Ok(());
        }
        share(threads, GRAIN, self.num_outputs, out, |first, out| {
            if out.len() <= 64 * self.num_outputs {
                self.sum_blocks::<1>(data, first, out);
            } else {
                self.sum_blocks::<BLOCK_WORDS>(data, first, out);
            }
        });
        Ok(())
    }

    /// Writes the index of each row's leaf in each tree: rows × [`num_trees`](Self::num_trees), row-major. Errors and
    /// threads as for [`raw`](Self::raw).
    pub fn leaves(&self, data: &Matrix<'_>, threads: usize, out: &mut [u32]) -> Result<()> {
        let trees = self.num_trees();
        self.check(data.columns(), data.rows(), trees, out.len())?;
        if trees == 0 {
            return Ok(());
        }
        share(threads, GRAIN, trees, out, |first, out| {
            let mut batch = Batch::<BLOCK_WORDS>::new(self);
            for (index, out) in out.chunks_mut(Batch::<BLOCK_WORDS>::ROWS * trees).enumerate() {
                let first = first + index * Batch::<BLOCK_WORDS>::ROWS;
                let rows = out.len() / trees;
                batch.run(Block { data, first, rows }, &mut LeafSink { trees, out });
            }
        });
        Ok(())
    }

    /// Writes the raw scores of one row to `out`, whose length is [`num_outputs`](Self::num_outputs).
    ///
    /// Allocates memory only if the model needs more than 383 slots: one for each feature in the trees (two if missing
    /// values go both ways), and one for every 64 sets of categories. Errors as for [`raw`](Self::raw).
    pub fn raw_row(&self, row: &[f64], out: &mut [f64]) -> Result<()> {
        self.check(row.len(), 1, self.num_outputs, out.len())?;
        self.sum_row(|feature| row[feature], out);
        Ok(())
    }

    /// Converts raw scores, row-major, to outputs in place: a random forest's average, then the objective's transform.
    ///
    /// # Panics
    /// If `scores` does not contain complete rows.
    pub fn convert(&self, scores: &mut [f64]) {
        assert!(
            scores.len().is_multiple_of(self.num_outputs),
            "the number of scores is not a multiple of the row length"
        );
        if self.average {
            let iterations = self.num_iterations() as f64;
            for score in &mut *scores {
                *score /= iterations;
            }
        }
        if let Some(objective) = &self.objective {
            for row in scores.chunks_exact_mut(self.num_outputs) {
                objective.convert(row);
            }
        }
    }

    /// Sums the rows from `first` until `out` is full, in blocks of `WORDS` times 64.
    fn sum_blocks<const WORDS: usize>(&self, data: &Matrix<'_>, first: usize, out: &mut [f64]) {
        let mut batch = Batch::<WORDS>::new(self);
        let mut sink = ScoreSink::new(self.num_outputs, &self.linear);
        for (index, out) in out.chunks_mut(Batch::<WORDS>::ROWS * self.num_outputs).enumerate() {
            let first = first + index * Batch::<WORDS>::ROWS;
            let block = Block { data, first, rows: out.len() / self.num_outputs };
            sink.begin(block);
            batch.run(block, &mut sink);
            sink.write(out);
        }
    }

    fn sum_row(&self, value: impl Fn(usize) -> f64, out: &mut [f64]) {
        let mut stack = [0; STACK_SLOTS];
        let mut heap;
        let slots = if self.walker.num_slots() <= STACK_SLOTS {
            &mut stack[..self.walker.num_slots()]
        } else {
            heap = vec![0; self.walker.num_slots()];
            &mut heap[..]
        };
        self.walker.load(&value, slots);
        out.fill(0.0);
        let mut output = 0;
        self.walker.each_tree(slots, |tree, place| {
            let linear = self.linear.get(tree).and_then(Option::as_ref);
            out[output] += match linear {
                None => self.walker.value(place),
                Some(linear) => linear.output(self.walker.leaf(place), &value),
            };
            output = if output + 1 == self.num_outputs { 0 } else { output + 1 };
        });
    }

    fn check(&self, columns: usize, rows: usize, per_row: usize, out: usize) -> Result<()> {
        if columns != self.num_features {
            return Err(Error::new(
                ErrorKind::InvalidData,
                "the number of columns is not the model's number of features",
            )
            .with_context("columns", columns)
            .with_context("features", self.num_features)
            .with_hint("pass one column for each feature, in the model's order"));
        }
        if rows.checked_mul(per_row) != Some(out) {
            return Err(Error::new(
                ErrorKind::InvalidArgument,
                "the length of the output is not rows × outputs",
            )
            .with_context("expected", rows.saturating_mul(per_row))
            .with_context("length", out));
        }
        Ok(())
    }
}

impl fmt::Debug for Scorer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scorer")
            .field("objective", &self.objective)
            .field("features", &self.num_features)
            .field("outputs", &self.num_outputs)
            .field("trees", &self.num_trees())
            .finish_non_exhaustive()
    }
}

/// How rows are shared between at most `most_threads` threads: each has at least `least` rows, and a multiple of `multiple`.
#[derive(Debug, Clone, Copy)]
struct Grain {
    least: usize,
    multiple: usize,
    most_threads: usize,
}

/// Shares rows, of which each has `per_row` places in `out`, between threads: `work` gets the first row and the places of a run of
/// rows.
fn share<T: Send>(
    threads: usize,
    grain: Grain,
    per_row: usize,
    out: &mut [T],
    work: impl Fn(usize, &mut [T]) + Sync,
) {
    let rows = out.len() / per_row;
    let most = (rows / grain.least).min(grain.most_threads);
    let threads = match threads {
        // The answer reads files of the operating system, which takes longer than scoring a few rows.
        0 if most > 1 => std::thread::available_parallelism().map_or(1, NonZero::get),
        threads => threads,
    };
    let threads = threads.min(most).max(1);
    if threads == 1 {
        return work(0, out);
    }
    let run = rows.div_ceil(threads).next_multiple_of(grain.multiple);
    let work = &work;
    std::thread::scope(|scope| {
        let mut runs = out.chunks_mut(run * per_row).enumerate();
        // The calling thread works, too.
        let own = runs.next();
        for (index, out) in runs {
            scope.spawn(move || work(index * run, out));
        }
        if let Some((_, out)) = own {
            work(0, out);
        }
    });
}
