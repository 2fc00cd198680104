//! Sequences of trees that share the results of their predicates.

use std::ops::Range;

use super::categories::Categories;
use super::predicates::{Asked, Predicate, Predicates};
use super::sliced::{MOST_LEAVES, SlicedTrees};
use super::trees::Trees;
use super::view::{Columns, View};
use crate::text::Tree;

/// The largest number of predicates in a segment: their numbers fit 16 bits, and their results the processor's
/// second-level cache.
const MOST_PREDICATES: usize = 16_384;

/// Consecutive trees with their predicates.
pub(super) struct Segment {
    pub predicates: Predicates,
    /// The method for each tree, with the tree's number for that method.
    pub plans: Vec<Plan>,
    pub sliced: SlicedTrees,
}

/// The method of evaluating a tree.
#[derive(Debug, Clone, Copy)]
pub(super) enum Plan {
    /// The segment's sliced tree with this number.
    Sliced(usize),
    /// By the walker.
    Walked,
}

/// Splits the trees into segments.
pub(super) fn compile(all: Trees<'_>, columns: &Columns, categories: &Categories) -> Vec<Segment> {
    let mut segments = Vec::new();
    let mut asked = Asked::default();
    let mut open: Vec<_> = std::iter::once(0..all.len()).collect();
    while let Some(trees) = open.pop() {
        if trees.is_empty() {
            continue;
        }
        let compiler = Compiler { all, columns, categories, trees: trees.clone() };
        let (predicates, numbers) = compiler.predicates(&mut asked);
        if predicates.len() > MOST_PREDICATES && trees.len() > 1 {
            let middle = trees.start + trees.len() / 2;
            open.extend([middle..trees.end, trees.start..middle]);
        } else {
            segments.push(compiler.segment(predicates, &numbers));
        }
    }
    segments
}

struct Compiler<'a> {
    all: Trees<'a>,
    columns: &'a Columns,
    categories: &'a Categories,
    trees: Range<usize>,
}

impl Compiler<'_> {
    /// The predicates of all sliced trees, and the number of each node's predicate, tree by tree.
    fn predicates(&self, asked: &mut Asked) -> (Predicates, Vec<u32>) {
        let trees = self.trees.clone().map(|index| (index, self.all.get(index)));
        let predicates = trees.filter(|(_, tree)| is_sliced(*tree)).flat_map(|(index, tree)| {
            (0..tree.num_nodes()).map(move |node| self.predicate(index, tree, node))
        });
        Predicates::number(self.columns.list(), self.categories, predicates, asked)
    }

    fn segment(&self, predicates: Predicates, numbers: &[u32]) -> Segment {
        let mut sliced = SlicedTrees::default();
        let mut count = 0;
        let mut plans = Vec::with_capacity(self.trees.len());
        let mut numbers = numbers.iter();
        for index in self.trees.clone() {
            let tree = self.all.get(index);
            plans.push(if is_sliced(tree) {
                // A segment of one tree may exceed the limit, but not 65,535: a tree has fewer nodes.
                let numbers = numbers.by_ref().take(tree.num_nodes());
                sliced.push(tree, &numbers.map(|number| *number as u16).collect::<Vec<u16>>());
                count += 1;
                Plan::Sliced(count - 1)
            } else {
                Plan::Walked
            });
        }
        Segment { predicates, plans, sliced }
    }

    fn predicate(&self, index: usize, tree: Tree<'_>, node: usize) -> (usize, Predicate) {
        let view = View::of(tree.decision_type()[node]);
        let column = self.columns.number(tree.split_feature()[node], view);
        let predicate = match view {
            View::Category => Predicate::Outside(self.categories.set(index, node)),
            _ => Predicate::Above(tree.threshold()[node]),
        };
        (column, predicate)
    }
}

fn is_sliced(tree: Tree<'_>) -> bool {
    tree.num_leaves() <= MOST_LEAVES
}
