//! Categories of categorical splits, numbered densely per column.

use std::collections::HashMap;

use super::trees::Trees;
use super::view::{Columns, View};
use crate::text::Tree;

/// The categories that at least one split of a column sends left, numbered in order: their codes.
///
/// All other categories, including missing and negative ones, share the code after the last, which no split sends left.
#[derive(Default)]
pub(super) struct Dictionary {
    /// Per 32 categories: one bit per category, and the number of bits in the words before.
    words: Vec<(u32, u32)>,
    len: usize,
}

impl Dictionary {
    fn new(bitset: &[u32]) -> Self {
        let mut len = 0;
        let count = |word: &u32| {
            let before = len;
            len += word.count_ones();
            (*word, before)
        };
        let words = bitset.iter().map(count).collect();
        Self { words, len: len as usize }
    }

    /// The number of codes, without the shared one.
    pub fn len(&self) -> usize {
        self.len
    }

    /// The code of a category as returned by [`super::view::category`].
    #[inline]
    pub fn code(&self, category: Option<u32>) -> usize {
        let known = || {
            let category = category?;
            let (word, before) = self.words.get(category as usize / 32)?;
            let bit = category % 32;
            (word >> bit & 1 != 0).then(|| (before + (word & !(u32::MAX << bit)).count_ones()) as usize)
        };
        known().unwrap_or(self.len)
    }
}

/// A set of codes: the position of its words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CodeSet {
    start: u32,
    words: u32,
}

/// The sets of all categorical splits, as codes.
#[derive(Default)]
pub(super) struct CodeSets {
    words: Vec<u64>,
}

impl CodeSets {
    #[inline]
    pub fn contains(&self, set: CodeSet, code: usize) -> bool {
        // The word after each set's last is zero.
        let word = (code / 64).min(set.words as usize);
        (self.words[set.start as usize + word] >> (code % 64)) & 1 != 0
    }

    /// The codes in `set`, in order.
    pub fn codes(&self, set: CodeSet) -> impl Iterator<Item = usize> {
        let words = &self.words[set.start as usize..][..set.words as usize];
        words.iter().enumerate().flat_map(|(index, &word)| {
            let rests = std::iter::successors(Some(word), |rest| Some(rest & rest.wrapping_sub(1)));
            rests.take_while(|rest| *rest != 0).map(move |rest| index * 64 + rest.trailing_zeros() as usize)
        })
    }

    fn push(&mut self, codes: impl Iterator<Item = usize>) -> CodeSet {
        let start = self.words.len();
        self.words.push(0);
        for code in codes {
            let place = start + code / 64;
            if place >= self.words.len() {
                self.words.resize(place + 1, 0);
            }
            self.words[place] |= 1 << (code % 64);
        }
        let words = self.words.len() - start;
        self.words.push(0);
        CodeSet { start: start as u32, words: words as u32 }
    }
}

impl CodeSet {
    /// The set as a number, to be stored in place of a threshold.
    pub fn to_bits(self) -> u64 {
        u64::from(self.words) << 32 | u64::from(self.start)
    }

    #[inline]
    pub fn from_bits(bits: u64) -> Self {
        Self { start: bits as u32, words: (bits >> 32) as u32 }
    }
}

/// The data of categorical splits: a dictionary per column, and a set per split.
#[derive(Default)]
pub(super) struct Categories {
    /// Per column; empty for numerical ones.
    pub dictionaries: Vec<Dictionary>,
    pub sets: CodeSets,
    /// Per node of trees that have categorical splits; those of tree `t` begin at `first_of_tree[t]`.
    set_of_node: Vec<CodeSet>,
    first_of_tree: Vec<usize>,
}

impl Categories {
    /// Collects the categories of these trees.
    pub fn collect(trees: Trees<'_>, columns: &Columns) -> Self {
        let mut all = Self { dictionaries: dictionaries(trees, columns), ..Self::default() };
        let mut known: HashMap<(usize, &[u32]), CodeSet> = HashMap::new();
        for tree in trees.iter() {
            let first = all.set_of_node.len();
            all.first_of_tree.push(first);
            if tree.num_categorical() > 0 {
                all.set_of_node.resize(first + tree.num_nodes(), CodeSet { start: 0, words: 0 });
            }
            for (node, column, bitset) in categorical_splits(tree, columns) {
                let dictionary = &all.dictionaries[column];
                let sets = &mut all.sets;
                let set = *known.entry((column, bitset)).or_insert_with(|| {
                    sets.push(members(bitset).map(|category| dictionary.code(Some(category))))
                });
                all.set_of_node[first + node] = set;
            }
        }
        all
    }

    /// The set of codes that the categorical split `node` of `tree` sends left.
    pub fn set(&self, tree: usize, node: usize) -> CodeSet {
        self.set_of_node[self.first_of_tree[tree] + node]
    }
}

fn dictionaries(trees: Trees<'_>, columns: &Columns) -> Vec<Dictionary> {
    let mut unions = vec![Vec::new(); columns.list().len()];
    for tree in trees.iter() {
        for (_, column, bitset) in categorical_splits(tree, columns) {
            let union: &mut Vec<u32> = &mut unions[column];
            union.resize(union.len().max(bitset.len()), 0);
            union.iter_mut().zip(bitset).for_each(|(all, word)| *all |= word);
        }
    }
    unions.iter().map(|union| Dictionary::new(union)).collect()
}

/// Node, column and bitset of every categorical split.
fn categorical_splits<'a>(
    tree: Tree<'a>,
    columns: &'a Columns,
) -> impl Iterator<Item = (usize, usize, &'a [u32])> {
    let nodes = if tree.num_categorical() > 0 { tree.num_nodes() } else { 0 };
    (0..nodes).filter(move |node| tree.decision_type()[*node].is_categorical()).map(move |node| {
        let column = columns.number(tree.split_feature()[node], View::Category);
        (node, column, tree.bitset(tree.threshold()[node] as usize))
    })
}

/// The categories in a bitset of the text.
fn members(bitset: &[u32]) -> impl Iterator<Item = u32> {
    (0..).zip(bitset).flat_map(|(index, &word)| {
        (0..32).filter(move |bit| word >> bit & 1 != 0).map(move |bit| index * 32 + bit)
    })
}
