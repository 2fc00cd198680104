//! Evaluates all trees for blocks of rows.

use super::Scorer;
use super::predicates::{Answers, Rows};
use super::segment::Plan;
use super::sliced::Workspace;
use crate::matrix::Matrix;

/// A block of rows of a matrix.
#[derive(Clone, Copy)]
pub(super) struct Block<'a> {
    pub data: &'a Matrix<'a>,
    pub first: usize,
    pub rows: usize,
}

impl Rows for Block<'_> {
    fn copy(&self, feature: usize, values: &mut [f64]) {
        self.data.copy_column(feature, self.first, &mut values[..self.rows]);
    }
}

/// Receives the leaves of rows.
pub(super) trait Sink {
    /// Receives all rows of the block, in tree `tree`: `leaves` contains each row's leaf, an index into `values` and
    /// `numbers`.
    fn tree(&mut self, tree: usize, leaves: &[u16], values: &[f64], numbers: &[u32]);

    /// Receives one row of the block, in tree `tree`.
    fn row(&mut self, tree: usize, row: usize, value: f64, number: u32);
}

/// Working memory of one thread.
pub(super) struct Batch<'s, const WORDS: usize> {
    scorer: &'s Scorer,
    answers: Answers<WORDS>,
    work: Workspace<WORDS>,
    /// The slots of rows for walked trees, and whether they are those of the whole block.
    slots: Vec<u64>,
    loaded: bool,
}

/// The largest number of slots that are filled at a time; models with very many columns walk fewer rows at once.
const MOST_SLOTS: usize = 1 << 20;

impl<'s, const WORDS: usize> Batch<'s, WORDS> {
    /// The largest number of rows in a block.
    pub const ROWS: usize = Answers::<WORDS>::ROWS;

    pub fn new(scorer: &'s Scorer) -> Self {
        Self { scorer, answers: Answers::new(), work: Workspace::new(), slots: Vec::new(), loaded: false }
    }

    /// Evaluates all trees for a block, in order.
    pub fn run(&mut self, block: Block<'_>, sink: &mut impl Sink) {
        let walker = &self.scorer.walker;
        self.loaded = false;
        let mut tree = 0;
        for segment in &self.scorer.segments {
            self.answers.answer(&segment.predicates, walker.columns(), walker.categories(), &block);
            for plan in &segment.plans {
                match *plan {
                    Plan::Sliced(index) => {
                        segment.sliced.evaluate(index, &self.answers.bits, &mut self.work);
                        let leaves = &self.work.leaves[..block.rows];
                        sink.tree(tree, leaves, segment.sliced.values(index), segment.sliced.leaves(index));
                    }
                    Plan::Walked => self.walk(tree, block, sink),
                }
                tree += 1;
            }
        }
    }

    fn walk(&mut self, tree: usize, block: Block<'_>, sink: &mut impl Sink) {
        let walker = &self.scorer.walker;
        let at_once = (MOST_SLOTS / walker.num_slots()).clamp(1, block.rows);
        for first in (0..block.rows).step_by(at_once) {
            let rows = at_once.min(block.rows - first);
            if !self.loaded {
                self.load(block, first, rows);
                self.loaded = rows == block.rows;
            }
            walker.each_row(tree, &self.slots, |row, place| {
                sink.row(tree, first + row, walker.value(place), walker.leaf(place));
            });
        }
    }

    fn load(&mut self, block: Block<'_>, first: usize, rows: usize) {
        let walker = &self.scorer.walker;
        self.slots.resize(walker.num_slots() * rows, 0);
        for (row, slots) in self.slots.chunks_exact_mut(walker.num_slots()).enumerate() {
            walker.load(|feature| block.data.value(block.first + first + row, feature), slots);
        }
    }
}
