//! Walks trees node by node: for single rows, and for trees that are too large to be sliced.

use std::collections::HashMap;
use std::hint::select_unpredictable;

use super::categories::Categories;
use super::layout::{Item, breadth_first};
use super::membership::Membership;
use super::trees::Trees;
use super::view::{Column, Columns, View, category, without_tiny};

/// One node. A row goes right unless the value in `slot` is at most `threshold`; the right child follows the left one.
///
/// A leaf is its own left child and reads a slot that always contains minus infinity, so that further steps stay there.
/// Its threshold is the leaf's value.
#[derive(Debug, Clone, Copy)]
struct Node {
    threshold: f64,
    slot: u32,
    left: u32,
}

/// Marks the slot of a categorical split. The slot contains the results for 64 sets, and the bits of the threshold
/// select one of them.
const CATEGORICAL: u32 = 1 << 31;

/// The slot that leaves read.
const LOWEST: u32 = 0;

/// The number of trees or rows that are walked at the same time, so that their loads overlap.
const LANES: usize = 8;

/// The size limit of the tables of sets, in words of 64 bits, plus as many per node. Other sets are looked up.
const MOST_TABLE_WORDS: usize = 1 << 16;
const TABLE_WORDS_PER_NODE: usize = 2;

/// The number of steps between two checks whether all lanes have reached a leaf.
const STEPS: usize = 4;

/// All trees, as nodes.
pub(super) struct Walker {
    columns: Vec<Column>,
    categories: Categories,
    /// Per categorical column: its number, the first of its slots, and its sets.
    members: Vec<(usize, usize, Membership)>,
    num_slots: usize,
    nodes: Vec<Node>,
    /// Per node that is a leaf: the leaf's number.
    leaves: Vec<u32>,
    roots: Vec<u32>,
    /// Per tree: whether it has categorical splits.
    categorical: Vec<bool>,
}

impl Walker {
    pub fn compile(trees: Trees<'_>, columns: &Columns, categories: Categories) -> Self {
        let mut walker = Self {
            columns: columns.list().to_vec(),
            categories,
            members: Vec::new(),
            num_slots: columns.list().len() + 1,
            nodes: Vec::new(),
            leaves: Vec::new(),
            roots: Vec::with_capacity(trees.len()),
            categorical: Vec::with_capacity(trees.len()),
        };
        let places = walker.collect_sets(trees, columns);
        for (index, tree) in trees.iter().enumerate() {
            let root = walker.nodes.len() as u32;
            walker.roots.push(root);
            walker.categorical.push(tree.num_categorical() > 0);
            for (place, item) in (root..).zip(breadth_first(tree)) {
                let (node, leaf) = match item {
                    Item::Leaf(leaf) => (
                        Node { threshold: tree.leaf_value()[leaf as usize], slot: LOWEST, left: place },
                        leaf,
                    ),
                    Item::Node { node, left } => {
                        let node = node as usize;
                        let view = View::of(tree.decision_type()[node]);
                        let column = columns.number(tree.split_feature()[node], view);
                        let left = root + left;
                        let node = if view == View::Category {
                            let set = walker.categories.set(index, node);
                            let (slot, bit) = places[&(column, set.to_bits())];
                            Node { threshold: f64::from_bits(bit), slot: slot | CATEGORICAL, left }
                        } else {
                            Node { threshold: tree.threshold()[node], slot: column as u32 + 1, left }
                        };
                        (node, 0)
                    }
                };
                walker.nodes.push(node);
                walker.leaves.push(leaf);
            }
        }
        walker
    }

    /// Assigns a slot and a bit in it to every set of categories.
    fn collect_sets(&mut self, trees: Trees<'_>, columns: &Columns) -> HashMap<(usize, u64), (u32, u64)> {
        let mut sets = vec![Vec::new(); columns.list().len()];
        let mut budget = MOST_TABLE_WORDS;
        for (index, tree) in trees.iter().enumerate() {
            budget += TABLE_WORDS_PER_NODE * tree.num_nodes();
            for (node, decision) in tree.decision_type().iter().enumerate() {
                if decision.is_categorical() {
                    let column = columns.number(tree.split_feature()[node], View::Category);
                    sets[column].push(self.categories.set(index, node));
                }
            }
        }
        let mut places = HashMap::new();
        for (column, mut sets) in sets.into_iter().enumerate().filter(|(_, sets)| !sets.is_empty()) {
            sets.sort_unstable_by_key(|set| set.to_bits());
            sets.dedup();
            for (index, set) in sets.iter().enumerate() {
                let slot = (self.num_slots + index / 64) as u32;
                places.insert((column, set.to_bits()), (slot, index as u64 % 64));
            }
            let Categories { sets: all, dictionaries, .. } = &self.categories;
            let members = Membership::new(sets, all, &dictionaries[column], budget);
            budget -= members.table_len();
            let first = self.num_slots;
            self.num_slots += members.len();
            self.members.push((column, first, members));
        }
        places
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
        self.num_slots
    }

    /// Fills `slots` with the values of a row in the form that splits compare: the bits of the value for each column,
    /// and the results for every 64 sets of categories.
    pub fn load(&self, value: impl Fn(usize) -> f64, slots: &mut [u64]) {
        slots[LOWEST as usize] = f64::NEG_INFINITY.to_bits();
        for (column, slot) in self.columns.iter().zip(&mut slots[1..]) {
            *slot = column.view.apply(without_tiny(value(column.feature as usize))).to_bits();
        }
        let Categories { sets, dictionaries, .. } = &self.categories;
        for (column, first, members) in &self.members {
            let code = dictionaries[*column].code(category(f64::from_bits(slots[column + 1])));
            for (index, slot) in slots[*first..][..members.len()].iter_mut().enumerate() {
                *slot = members.outside(index, code, sets);
            }
        }
    }

    /// Calls `visit` for every tree, from 0, with the index of the leaf of the row in `slots`.
    pub fn each_tree(&self, slots: &[u64], mut visit: impl FnMut(usize, Place)) {
        let groups = self.roots.chunks(LANES).zip(self.categorical.chunks(LANES));
        for (group, (roots, categorical)) in groups.enumerate() {
            // Lanes without a tree stay at an index that is a leaf.
            let mut places = [self.nodes.len() as u32 - 1; LANES];
            places[..roots.len()].copy_from_slice(roots);
            if categorical.contains(&true) {
                self.walk(&mut places, |_, node| goes_right_any(node, slots));
            } else {
                self.walk(&mut places, |_, node| goes_right(node, slots));
            }
            for (lane, place) in places[..roots.len()].iter().enumerate() {
                visit(group * LANES + lane, Place(*place));
            }
        }
    }

    /// Calls `visit` for every row, from 0, with the index of its leaf in `tree`; `rows` contains the slots of one row
    /// after the other.
    pub fn each_row(&self, tree: usize, rows: &[u64], mut visit: impl FnMut(usize, Place)) {
        for (group, rows) in rows.chunks(LANES * self.num_slots()).enumerate() {
            let count = rows.len() / self.num_slots();
            let mut places = [self.roots[tree]; LANES];
            // Lanes without a row repeat the last one.
            let slots = |lane: usize| &rows[lane.min(count - 1) * self.num_slots()..];
            if self.categorical[tree] {
                self.walk(&mut places, |lane, node| goes_right_any(node, slots(lane)));
            } else {
                self.walk(&mut places, |lane, node| goes_right(node, slots(lane)));
            }
            for (lane, place) in places[..count].iter().enumerate() {
                visit(group * LANES + lane, Place(*place));
            }
        }
    }

    /// Whether the row in `slots` goes right at the internal node at `place` of a tree, in breadth-first order.
    #[inline]
    pub fn goes_right(&self, tree: usize, place: u32, slots: &[u64]) -> bool {
        goes_right_any(&self.nodes[(self.roots[tree] + place) as usize], slots)
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

    /// Moves all indices down to leaves.
    #[inline]
    fn walk(&self, places: &mut [u32; LANES], goes_right: impl Fn(usize, &Node) -> bool) {
        loop {
            // A step at a leaf does not move, so an occasional check whether all lanes have stopped is enough.
            let mut moved = 0;
            for _ in 0..STEPS {
                moved = 0;
                for (lane, place) in places.iter_mut().enumerate() {
                    let node = &self.nodes[*place as usize];
                    let next = node.left + u32::from(goes_right(lane, node));
                    moved |= *place ^ next;
                    *place = next;
                }
            }
            if moved == 0 {
                return;
            }
        }
    }
}

/// A leaf of the walker.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place(u32);

#[inline]
#[expect(clippy::neg_cmp_op_on_partial_ord, reason = "NaN stands for values that go right")]
fn goes_right(node: &Node, slots: &[u64]) -> bool {
    !(f64::from_bits(slots[node.slot as usize]) <= node.threshold)
}

/// [`goes_right`] for splits of both kinds. The processor cannot predict the kind of the next split, so both results
/// are computed.
#[inline]
#[expect(clippy::neg_cmp_op_on_partial_ord, reason = "NaN stands for values that go right")]
fn goes_right_any(node: &Node, slots: &[u64]) -> bool {
    let slot = slots[(node.slot & !CATEGORICAL) as usize];
    let above = !(f64::from_bits(slot) <= node.threshold);
    let outside = slot >> (node.threshold.to_bits() % 64) & 1 != 0;
    select_unpredictable(node.slot & CATEGORICAL != 0, outside, above)
}
