//! The trees that a scorer evaluates.

use std::ops::Range;

use crate::text::{TextModel, Tree};

/// The trees of consecutive iterations of a model, numbered from 0.
#[derive(Debug, Clone, Copy)]
pub(super) struct Trees<'a> {
    pub model: &'a TextModel,
    first: usize,
    len: usize,
}

impl<'a> Trees<'a> {
    /// The trees of `iterations`, which the model has.
    pub fn new(model: &'a TextModel, iterations: &Range<usize>) -> Self {
        let per_iteration = model.trees_per_iteration();
        Self { model, first: iterations.start * per_iteration, len: iterations.len() * per_iteration }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    /// The tree at `index`, which is below [`len`](Self::len).
    pub fn get(&self, index: usize) -> Tree<'a> {
        self.model.tree(self.first + index)
    }

    /// The trees, in order.
    pub fn iter(self) -> impl Iterator<Item = Tree<'a>> {
        (0..self.len).map(move |index| self.get(index))
    }
}
