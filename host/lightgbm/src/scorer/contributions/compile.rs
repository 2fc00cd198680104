//! Trees as steps, with what does not depend on a row.

use super::quadrature::Point;
use crate::scorer::layout::{Item, breadth_first};
use crate::text::Tree;

/// An internal node, in breadth-first order: the children of the k-th are at the places 2k + 1 and 2k + 2.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Step {
    pub place: u32,
    pub feature: u32,
    /// The place below the nearest split above on the same feature, on the way to this node; the root if there is none.
    pub outer: u32,
    /// The share of the rows at that split that came to `outer`, times the shares at all splits on the feature above it; 1 if there
    /// is none.
    outer_share: f64,
    /// The share of the rows here that goes left, and right.
    shares: [f64; 2],
    /// What the children's factors are multiplied by: a leaf's value, or 1.
    values: [f64; 2],
}

/// How a row meets a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Left,
    Right,
    /// The row leaves the way to this node at a split above on the same feature.
    Neither,
}

/// The factors and gains of a node's children at `N` points, for one [`Side`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Constants<const N: usize> {
    pub factors: [[f64; N]; 2],
    pub gains: [[f64; N]; 2],
}

/// What is known of a tree besides its steps.
pub(super) struct Summary {
    /// The mean of the leaves over the rows in training.
    pub expected: f64,
    /// How many different features the splits above one leaf have at most.
    pub most_features: usize,
}

/// Compiles trees into one list of steps.
pub(super) struct Compiler {
    /// Per feature: the place below the last split on it, on the way to the node that is being visited.
    last: Vec<u32>,
    pub steps: Vec<Step>,
}

/// What is to be done next on the walk through a tree.
enum Visit {
    Enter(u32),
    Leave(u32),
}

impl Compiler {
    pub fn new(num_features: usize) -> Self {
        Self { last: vec![0; num_features], steps: Vec::new() }
    }

    /// Adds the steps of a tree with row counts. `None` if the counts contradict each other, or are missing.
    pub fn push(&mut self, tree: Tree<'_>) -> Option<Summary> {
        if tree.num_leaves() == 1 {
            return Some(Summary { expected: tree.leaf_value()[0], most_features: 0 });
        }
        if !tree.has_counts() {
            return None;
        }
        let expected = expected_value(tree);
        // Contributions are the same when a constant is added to all leaves. Around zero they have the smallest rounding errors.
        let center = if expected.is_finite() { expected } else { 0.0 };
        let most_features = self.walk(tree, center);
        Some(Summary { expected, most_features })
    }

    fn walk(&mut self, tree: Tree<'_>, center: f64) -> usize {
        let items = breadth_first(tree);
        let first = self.steps.len();
        self.steps.resize(first + tree.num_nodes(), Step::default());
        let steps = &mut self.steps[first..];
        // Per place: how many different features are split on above it, and the share that `Step::outer_share` says of it.
        let mut above = vec![(0, 1.0); items.len()];
        let mut visits = vec![Visit::Enter(0)];
        while let Some(visit) = visits.pop() {
            let place = match visit {
                Visit::Leave(place) => {
                    let parent = &steps[parent(place)];
                    self.last[parent.feature as usize] = parent.outer;
                    continue;
                }
                Visit::Enter(place) => place,
            };
            if place > 0 {
                self.last[steps[parent(place)].feature as usize] = place;
                visits.push(Visit::Leave(place));
            }
            let Item::Node { node, left } = items[place as usize] else { continue };
            let feature = tree.split_feature()[node as usize];
            let outer = self.last[feature as usize];
            let (features, _) = above[place as usize];
            let outer_share = if outer == 0 { 1.0 } else { above[outer as usize].1 };
            let children = [tree.left_child()[node as usize], tree.right_child()[node as usize]];
            let shares = children.map(|child| share(tree, child, node as i32));
            let value =
                |child: i32| if child < 0 { tree.leaf_value()[!child as usize] - center } else { 1.0 };
            steps[parent(left)] =
                Step { place, feature, outer, outer_share, shares, values: children.map(value) };
            for (child, share) in (left..).zip(shares) {
                above[child as usize] = (features + usize::from(outer == 0), outer_share * share);
                if matches!(items[child as usize], Item::Node { .. }) {
                    visits.push(Visit::Enter(child));
                }
            }
        }
        above.iter().map(|(features, _)| *features).max().unwrap_or_default()
    }
}

/// The step whose child is at `place`.
fn parent(place: u32) -> usize {
    (place as usize - 1) / 2
}

/// The rows in training of a child, as a share of those of a node above.
fn share(tree: Tree<'_>, child: i32, node: i32) -> f64 {
    f64::from(tree.count(child)) / f64::from(tree.count(node))
}

/// The mean of the leaves over the rows in training, added up as LightGBM's `Tree::ExpectedValue` does.
fn expected_value(tree: Tree<'_>) -> f64 {
    (0..).zip(tree.leaf_value()).fold(0.0, |sum, (leaf, value): (i32, _)| sum + share(tree, !leaf, 0) * value)
}

impl Step {
    /// The constants for each [`Side`], at some of a rule's points.
    ///
    /// With `t` the position, `z` the outer share and `s` a child's share, the factor of the splits on this feature is
    /// `t + z (1 - t)` before the step for a row on this way, and after it `t + z s (1 - t)` on the side where the row goes and
    /// `z s (1 - t)` on the other. A child's factor is the quotient. A gain is what the step adds to the derivative of the factor's
    /// logarithm, `(1 - z) / (t + z (1 - t))` or `-1 / (1 - t)`, simplified so that nothing cancels.
    pub fn constants<const N: usize>(&self, points: &[Point; N]) -> [Constants<N>; 3] {
        let z = self.outer_share;
        let [left, right] = self.shares;
        let [left_value, right_value] = self.values;
        let zero = [[0.0; N]; 2];
        let mut sides = [Constants { factors: zero, gains: zero }; 3];
        for (lane, point) in points.iter().enumerate() {
            let before = point.t + z * point.rest;
            let hot = self.shares.map(|share| point.t + z * share * point.rest);
            let cold = self.shares.map(|share| z * share * point.rest);
            let loss = -1.0 / (point.rest * before);
            let [on_left, on_right, on_neither] = &mut sides;
            on_left.factors[0][lane] = hot[0] / before * left_value;
            on_left.factors[1][lane] = cold[1] / before * right_value;
            on_left.gains[0][lane] = z * right / (hot[0] * before);
            on_left.gains[1][lane] = loss;
            on_right.factors[0][lane] = cold[0] / before * left_value;
            on_right.factors[1][lane] = hot[1] / before * right_value;
            on_right.gains[0][lane] = loss;
            on_right.gains[1][lane] = z * left / (hot[1] * before);
            on_neither.factors[0][lane] = left * left_value;
            on_neither.factors[1][lane] = right * right_value;
        }
        sides
    }
}
