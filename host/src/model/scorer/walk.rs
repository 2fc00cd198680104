//! Trees as nodes to walk: for single rows, and for trees too large to evaluate as a whole.

use super::categories::{Categories, CodeSet};
use super::layout::{Item, breadth_first};
use super::view::{Column, Columns, View, category, without_tiny};
use crate::model::text::TextModel;

/// One node. A row goes right unless the value in `slot` is at most `threshold`; the right child follows the left.
///
/// A leaf is its own left child and looks at a slot that always holds minus infinity, so that walking on stays there;
/// its threshold is the leaf's value.
#[derive(Debug, Clone, Copy)]
struct Node {
    threshold: f64,
    slot: u32,
    left: u32,
}

/// Marks the slot of a categorical split, whose threshold is the bits of a [`CodeSet`] and whose slot holds the bits of
/// a code.
const CATEGORICAL: u32 = 1 << 31;

/// The slot that leaves look at.
const LOWEST: u32 = 0;

/// How many trees, or rows, are walked side by side: enough for their loads to overlap.
const LANES: usize = 8;

/// All trees, as nodes.
pub(super) struct Walker {
    columns: Vec<Column>,
    categories: Categories,
    nodes: Vec<Node>,
    /// Per node that is a leaf: the leaf's number.
    leaves: Vec<u32>,
    roots: Vec<u32>,
    /// Per tree: whether it has categorical splits.
    categorical: Vec<bool>,
}

impl Walker {
    pub fn compile(model: &TextModel, num_trees: usize, columns: &Columns, categories: Categories) -> Self {
        let mut nodes = Vec::new();
        let mut leaves = Vec::new();
        let mut roots = Vec::with_capacity(num_trees);
        let mut categorical = Vec::with_capacity(num_trees);
        for (index, tree) in model.trees().take(num_trees).enumerate() {
            let root = nodes.len() as u32;
            roots.push(root);
            categorical.push(tree.num_categorical() > 0);
            for (place, item) in (root..).zip(breadth_first(tree)) {
                let (node, leaf) = match item {
                    Item::Leaf(leaf) => (
                        Node { threshold: tree.leaf_value()[leaf as usize], slot: LOWEST, left: place },
                        leaf,
                    ),
                    Item::Node { node, left } => {
                        let node = node as usize;
                        let view = View::of(tree.decision_type()[node]);
                        let slot = columns.number(tree.split_feature()[node], view) as u32 + 1;
                        let left = root + left;
                        let node = if view == View::Category {
                            let set = categories.set(index, node).to_bits();
                            Node { threshold: f64::from_bits(set), slot: slot | CATEGORICAL, left }
                        } else {
                            Node { threshold: tree.threshold()[node], slot, left }
                        };
                        (node, 0)
                    }
                };
                nodes.push(node);
                leaves.push(leaf);
            }
        }
        let columns = columns.list().to_vec();
        Self { columns, categories, nodes, leaves, roots, categorical }
    }

    pub fn num_trees(&self) -> usize {
        self.roots.len()
    }

    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    pub fn categories(&self) -> &Categories {
        &self.categories
    }

    /// The number of slots that [`load`](Self::load) fills.
    pub fn num_slots(&self) -> usize {
        self.columns.len() + 1
    }

    /// Fills `slots` with the values of a row, each as its column sees it.
    pub fn load(&self, value: impl Fn(usize) -> f64, slots: &mut [f64]) {
        slots[LOWEST as usize] = f64::NEG_INFINITY;
        let columns = self.columns.iter().zip(&self.categories.dictionaries);
        for ((column, dictionary), slot) in columns.zip(&mut slots[1..]) {
            let value = without_tiny(value(column.feature as usize));
            *slot = match column.view {
                View::Category => f64::from_bits(dictionary.code(category(value)) as u64),
                view => view.apply(value),
            };
        }
    }

    /// Calls `visit` with every tree from 0 and the place of the leaf where the row in `slots` ends.
    pub fn each_tree(&self, slots: &[f64], mut visit: impl FnMut(usize, Place)) {
        let groups = self.roots.chunks(LANES).zip(self.categorical.chunks(LANES));
        for (group, (roots, categorical)) in groups.enumerate() {
            // Lanes without a tree walk nowhere: a place that is a leaf.
            let mut places = [self.nodes.len() as u32 - 1; LANES];
            places[..roots.len()].copy_from_slice(roots);
            if categorical.contains(&true) {
                self.walk(&mut places, |_, node| self.goes_right_any(node, slots));
            } else {
                self.walk(&mut places, |_, node| goes_right(node, slots));
            }
            for (lane, place) in places[..roots.len()].iter().enumerate() {
                visit(group * LANES + lane, Place(*place));
            }
        }
    }

    /// Calls `visit` with every row from 0 and the place of the leaf of `tree` where it ends; `rows` holds the slots
    /// of one row after the other.
    pub fn each_row(&self, tree: usize, rows: &[f64], mut visit: impl FnMut(usize, Place)) {
        for (group, rows) in rows.chunks(LANES * self.num_slots()).enumerate() {
            let count = rows.len() / self.num_slots();
            let mut places = [self.roots[tree]; LANES];
            // Lanes without a row repeat the last.
            let slots = |lane: usize| &rows[lane.min(count - 1) * self.num_slots()..];
            if self.categorical[tree] {
                self.walk(&mut places, |lane, node| self.goes_right_any(node, slots(lane)));
            } else {
                self.walk(&mut places, |lane, node| goes_right(node, slots(lane)));
            }
            for (lane, place) in places[..count].iter().enumerate() {
                visit(group * LANES + lane, Place(*place));
            }
        }
    }

    /// The value of a leaf.
    #[inline]
    pub fn value(&self, place: Place) -> f64 {
        self.nodes[place.0 as usize].threshold
    }

    /// The number of a leaf in its tree.
    #[inline]
    pub fn leaf(&self, place: Place) -> u32 {
        self.leaves[place.0 as usize]
    }

    /// Moves all places down to leaves.
    #[inline]
    fn walk(&self, places: &mut [u32; LANES], goes_right: impl Fn(usize, &Node) -> bool) {
        let step = |places: &mut [u32; LANES]| {
            for (lane, place) in places.iter_mut().enumerate() {
                let node = &self.nodes[*place as usize];
                *place = node.left + u32::from(goes_right(lane, node));
            }
        };
        loop {
            // At a leaf a step leads nowhere, so that it is enough to look now and then whether all have stopped.
            step(places);
            step(places);
            step(places);
            let before = *places;
            step(places);
            if *places == before {
                return;
            }
        }
    }

    #[inline]
    fn goes_right_any(&self, node: &Node, slots: &[f64]) -> bool {
        if node.slot & CATEGORICAL == 0 {
            return goes_right(node, slots);
        }
        let code = slots[(node.slot & !CATEGORICAL) as usize].to_bits() as usize;
        !self.categories.sets.contains(CodeSet::from_bits(node.threshold.to_bits()), code)
    }
}

/// A leaf, as the walker knows it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place(u32);

#[inline]
#[expect(clippy::neg_cmp_op_on_partial_ord, reason = "NaN stands for values that go right")]
fn goes_right(node: &Node, slots: &[f64]) -> bool {
    !(slots[node.slot as usize] <= node.threshold)
}
