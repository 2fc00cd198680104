//! Feature contributions: exact SHAP values of trees, as LightGBM's `pred_contrib` has them.
//!
//! The values are those of path-dependent `TreeSHAP` (S. Lundberg, G. Erion, S.-I. Lee, *Consistent Individualized Feature Attribution
//! for Tree Ensembles*, arXiv:1802.03888): a feature that is not known sends a row down both sides of a split, in proportion to the
//! rows in training. The algorithm is `Quadrature-TreeSHAP` (R. Wettenstein, R. Mitchell, P. Yu, arXiv:2605.04497), which goes down and
//! up a tree once like `Linear TreeShap` (P. Yu, A. Bifet, J. Read, C. Xu, arXiv:2209.08192):
//!
//! The Shapley value of a feature is the integral over `t` from 0 to 1 of how much it changes the output when each other feature is
//! known with probability `t` (G. Owen, *Multilinear Extensions of Games*, 1972). For a leaf below splits on `n` features, the integrand
//! is a polynomial of degree `n - 1`: Gauss–Legendre quadrature with at least `n / 2` points is exact. All points of a rule go through
//! the tree together.

mod compile;
mod evaluate;
mod quadrature;

use std::collections::BTreeMap;
use std::ops::Range;

use super::trees::Trees;
use super::walk::Walker;
use super::{Grain, Scorer, share};
use crate::matrix::Matrix;
use crate::text::TextModel;
use hydra_base::{Error, ErrorKind, Result};

use compile::{Compiler, Step};
use evaluate::{Row, evaluate, workspace_size};
use quadrature::{Point, rule};

/// A model compiled for contributions, beside a [`Scorer`] of the same trees.
pub(crate) struct Contributions {
    trees: Vec<CompiledTree>,
    steps: Vec<Step>,
    rules: BTreeMap<Shape, Vec<Point>>,
    /// Per output: the mean over the rows in training.
    expected: Vec<f64>,
    num_features: usize,
    most_threads: usize,
}

struct CompiledTree {
    steps: Range<usize>,
    shape: Shape,
}

/// How the points of a rule go through a tree: `lanes` at once, `passes` times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Shape {
    lanes: usize,
    passes: usize,
}

/// Limits on the work that a model can ask for; beyond them there are no contributions.
///
/// Splits on different features on the way to one leaf.
const MOST_PATH_FEATURES: usize = 4096;
/// Nodes times points per row: seconds of work.
const MOST_WORK: usize = 1 << 29;
/// Values per row: 128 MiB.
const MOST_VALUES: usize = 1 << 24;

/// The most lanes. More points take several passes.
const MOST_LANES: usize = 8;
/// Trees with more nodes have fewer lanes: the constants of all nodes are in memory.
const MOST_NODES_OF_WIDE_TREES: usize = 1 << 16;

/// Rows that go through a tree together, so that its constants are computed once.
const BLOCK: usize = 64;
/// A thread has at least this many rows.
const LEAST_ROWS: usize = BLOCK / 4;
/// The working memory of all threads: models with very large trees have fewer threads.
const MOST_WORKSPACE: usize = 1 << 30;
/// At most this many slots are filled at a time.
const MOST_SLOTS: usize = 1 << 18;

impl Contributions {
    /// Compiles the trees that `scorer` scores.
    ///
    /// [`ErrorKind::LinearContributions`] for linear trees, [`ErrorKind::ModelCounts`] when row counts are missing or contradict each
    /// other, and [`ErrorKind::ContributionsSize`] when a row would take more values or more work than the limit.
    pub fn compile(model: &TextModel, scorer: &Scorer) -> Result<Self> {
        if model.has_linear_trees() {
            return Err(Error::new(
                ErrorKind::LinearContributions,
                "feature contributions are not defined for linear trees",
            )
            .with_hint("train without `linear_tree`; LightGBM refuses such models too"));
        }
        let num_features = model.num_features();
        check_limit("values per row", scorer.num_outputs() * (num_features + 1), MOST_VALUES)?;
        let mut compiler = Compiler::new(num_features);
        let mut expected = vec![0.0; scorer.num_outputs()];
        let mut trees = Vec::with_capacity(scorer.num_trees());
        let mut rules = BTreeMap::new();
        let (mut work, mut workspace) = (0, 1);
        for (index, tree) in Trees::new(model, &scorer.iterations).iter().enumerate() {
            let first = compiler.steps.len();
            let summary = compiler.push(tree).ok_or_else(|| no_counts(index))?;
            check_limit("features above one leaf", summary.most_features, MOST_PATH_FEATURES)?;
            expected[index % scorer.num_outputs()] += summary.expected;
            let shape = Shape::of(summary.most_features, tree.num_nodes());
            work = shape.points().saturating_mul(tree.num_nodes()).saturating_add(work);
            check_limit("nodes × points", work, MOST_WORK)?;
            workspace = workspace.max(workspace_size(tree.num_nodes(), shape.lanes));
            rules.entry(shape).or_insert_with(|| rule(shape.points()));
            trees.push(CompiledTree { steps: first..compiler.steps.len(), shape });
        }
        let most_threads = (MOST_WORKSPACE / workspace).max(1);
        Ok(Self { trees, steps: compiler.steps, rules, expected, num_features, most_threads })
    }

    /// The number of values of a row: for each output those of the features, then the expected value.
    pub fn width(&self) -> usize {
        self.expected.len() * (self.num_features + 1)
    }

    /// Writes the contributions to the raw scores of every row of `data` to `out`, row-major: rows × [`width`](Self::width).
    ///
    /// `scorer` is the one that this was compiled beside. Threads as for [`Scorer::raw`], errors too.
    pub fn write(&self, scorer: &Scorer, data: &Matrix<'_>, threads: usize, out: &mut [f64]) -> Result<()> {
        scorer.check(data.columns(), data.rows(), self.width(), out.len())?;
        let grain = Grain { least: LEAST_ROWS, multiple: 1, most_threads: self.most_threads };
        share(threads, grain, self.width(), out, |first, out| {
            let block = (MOST_SLOTS / scorer.walker.num_slots()).clamp(1, BLOCK);
            let mut slots = Vec::new();
            for (index, out) in out.chunks_mut(block * self.width()).enumerate() {
                self.write_block(&scorer.walker, data, first + index * block, &mut slots, out);
            }
        });
        Ok(())
    }

    fn write_block(
        &self,
        walker: &Walker,
        data: &Matrix<'_>,
        first: usize,
        slots: &mut Vec<u64>,
        out: &mut [f64],
    ) {
        slots.resize(walker.num_slots() * (out.len() / self.width()), 0);
        for (row, slots) in slots.chunks_exact_mut(walker.num_slots()).enumerate() {
            walker.load(|feature| data.value(first + row, feature), slots);
        }
        for out in out.chunks_exact_mut(self.width()) {
            for (out, expected) in out.chunks_exact_mut(self.num_features + 1).zip(&self.expected) {
                out[..self.num_features].fill(0.0);
                out[self.num_features] = *expected;
            }
        }
        for (tree, CompiledTree { steps, shape }) in self.trees.iter().enumerate() {
            if steps.is_empty() {
                continue;
            }
            let steps = &self.steps[steps.clone()];
            let output = tree % self.expected.len() * (self.num_features + 1);
            let outs = out.chunks_exact_mut(self.width()).map(|out| &mut out[output..][..self.num_features]);
            let slots = slots.chunks_exact(walker.num_slots());
            let mut rows: Vec<_> =
                slots.zip(outs).map(|(slots, out)| WalkedRow { walker, tree, slots, out }).collect();
            let points = &self.rules[shape];
            match shape.lanes {
                2 => evaluate::<2, _>(steps, points, &mut rows),
                4 => evaluate::<4, _>(steps, points, &mut rows),
                6 => evaluate::<6, _>(steps, points, &mut rows),
                _ => evaluate::<MOST_LANES, _>(steps, points, &mut rows),
            }
        }
    }
}

struct WalkedRow<'a> {
    walker: &'a Walker,
    tree: usize,
    slots: &'a [u64],
    out: &'a mut [f64],
}

impl Row for WalkedRow<'_> {
    #[inline]
    fn goes_right(&self, place: u32) -> bool {
        self.walker.goes_right(self.tree, place, self.slots)
    }

    #[inline]
    fn add(&mut self, feature: u32, contribution: f64) {
        self.out[feature as usize] += contribution;
    }
}

impl Shape {
    /// At least half as many points as there are features above a leaf, in as few passes as possible.
    fn of(most_features: usize, num_nodes: usize) -> Self {
        let points = most_features.div_ceil(2);
        let most_lanes = if num_nodes > MOST_NODES_OF_WIDE_TREES { 2 } else { MOST_LANES };
        let passes = points.div_ceil(most_lanes);
        // Processors take two lanes at once, at least.
        Self { lanes: points.div_ceil(passes.max(1)).next_multiple_of(2), passes }
    }

    fn points(self) -> usize {
        self.lanes * self.passes
    }
}

fn no_counts(tree: usize) -> Error {
    Error::new(
        ErrorKind::ModelCounts,
        "the row counts of the model's trees are missing or contradict each other",
    )
    .with_context("tree", tree)
    .with_hint("save the model with LightGBM, which writes `leaf_count` and `internal_count`")
}

fn check_limit(what: &'static str, value: usize, limit: usize) -> Result<()> {
    if value <= limit {
        return Ok(());
    }
    Err(Error::new(ErrorKind::ContributionsSize, "the model is too large for feature contributions")
        .with_context("limit of", what)
        .with_context("limit", limit)
        .with_context("value", value))
}

#[cfg(test)]
mod tests;
