//! Results for the leaves of rows: sums or leaf numbers.

use super::batch::{Block, Sink};
use super::linear::LinearTree;

/// Sums of leaf values per output and row, in the order of the trees, which determines the last bit.
pub(super) struct ScoreSink<'s> {
    num_outputs: usize,
    linear: &'s [Option<LinearTree>],
    block: Option<Block<'s>>,
    /// Output by output.
    sums: Vec<f64>,
}

impl<'s> ScoreSink<'s> {
    pub fn new(num_outputs: usize, linear: &'s [Option<LinearTree>]) -> Self {
        Self { num_outputs, linear, block: None, sums: Vec::new() }
    }

    /// Starts a block from zero.
    pub fn begin(&mut self, block: Block<'s>) {
        self.sums.clear();
        self.sums.resize(self.num_outputs * block.rows, 0.0);
        self.block = Some(block);
    }

    /// Writes the sums, row-major.
    pub fn write(&self, out: &mut [f64]) {
        if self.num_outputs == 1 {
            out.copy_from_slice(&self.sums);
            return;
        }
        let rows = out.len() / self.num_outputs;
        for (row, out) in out.chunks_exact_mut(self.num_outputs).enumerate() {
            for (output, out) in out.iter_mut().enumerate() {
                *out = self.sums[output * rows + row];
            }
        }
    }

    fn linear(&self, tree: usize) -> Option<(&'s LinearTree, Block<'s>)> {
        Some((self.linear.get(tree)?.as_ref()?, self.block?))
    }
}

impl Sink for ScoreSink<'_> {
    fn tree(&mut self, tree: usize, leaves: &[u16], values: &[f64], numbers: &[u32]) {
        let linear = self.linear(tree);
        let sums = &mut self.sums[tree % self.num_outputs * leaves.len()..][..leaves.len()];
        match linear {
            None => {
                for (sum, leaf) in sums.iter_mut().zip(leaves) {
                    *sum += values[*leaf as usize];
                }
            }
            Some((linear, block)) => {
                for (row, (sum, leaf)) in sums.iter_mut().zip(leaves).enumerate() {
                    let value = |feature| block.data.value(block.first + row, feature);
                    *sum += linear.output(numbers[*leaf as usize], value);
                }
            }
        }
    }

    fn row(&mut self, tree: usize, row: usize, value: f64, number: u32) {
        let rows = self.sums.len() / self.num_outputs;
        let value = match self.linear(tree) {
            None => value,
            Some((linear, block)) => {
                linear.output(number, |feature| block.data.value(block.first + row, feature))
            }
        };
        self.sums[tree % self.num_outputs * rows + row] += value;
    }
}

/// Leaf numbers, row-major.
pub(super) struct LeafSink<'o> {
    pub trees: usize,
    pub out: &'o mut [u32],
}

impl Sink for LeafSink<'_> {
    fn tree(&mut self, tree: usize, leaves: &[u16], _: &[f64], numbers: &[u32]) {
        for (out, leaf) in self.out[tree..].iter_mut().step_by(self.trees).zip(leaves) {
            *out = numbers[*leaf as usize];
        }
    }

    fn row(&mut self, tree: usize, row: usize, _: f64, number: u32) {
        self.out[row * self.trees + tree] = number;
    }
}
