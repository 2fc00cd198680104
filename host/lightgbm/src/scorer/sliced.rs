//! Evaluates trees for a block of rows at once, one bit per row.
//!
//! Walking a tree takes a dependent load and a comparison per row and level. Here, a whole block passes each node
//! together: the rows of a node are a set of bits, and a bitwise and with the result of its predicate selects those
//! that go right. That is a few instructions per node for hundreds of rows. The sets of the leaves are then converted
//! to a leaf number per row, one set for each binary digit of the number.

use std::ops::Range;

use super::layout::{Item, breadth_first};
use super::predicates::Bits;
use crate::text::Tree;

/// Trees with more leaves are walked: the work here grows with the number of leaves, that of walking with the depth.
pub(super) const MOST_LEAVES: usize = 1 << MOST_DIGITS;

/// The binary digits of a leaf's number.
const MOST_DIGITS: usize = 10;

/// One internal node: its index in breadth-first order, and the number of its predicate.
#[derive(Debug, Clone, Copy)]
struct Step {
    place: u16,
    predicate: u16,
}

/// All trees that are evaluated this way, stored flat.
#[derive(Default)]
pub(super) struct SlicedTrees {
    trees: Vec<Span>,
    steps: Vec<Step>,
    /// Indices whose rows have a digit of the leaf number set, digit by digit.
    digits: Vec<u16>,
    digit_ends: Vec<u32>,
    /// Per tree and leaf from left to right: its value.
    values: Vec<f64>,
    /// Per tree and leaf from left to right: its number in the model.
    leaves: Vec<u32>,
}

/// The ends of a tree's parts; they start at the ends of the previous tree's.
#[derive(Debug, Clone, Copy, Default)]
struct Span {
    steps: usize,
    digits: usize,
    values: usize,
}

/// Working memory to evaluate one tree.
pub(super) struct Workspace<const WORDS: usize> {
    /// Per index: the rows that reach it.
    reached: Vec<Bits<WORDS>>,
    /// Per row: its leaf, counted from left to right.
    pub leaves: Vec<u16>,
}

impl<const WORDS: usize> Workspace<WORDS> {
    pub fn new() -> Self {
        Self { reached: vec![[0; WORDS]; 2 * MOST_LEAVES], leaves: vec![0; WORDS * 64] }
    }
}

impl SlicedTrees {
    /// Adds a tree; `predicates` are the numbers of its nodes' predicates.
    pub fn push(&mut self, tree: Tree<'_>, predicates: &[u16]) {
        let items = breadth_first(tree);
        for (place, item) in items.iter().enumerate() {
            if let Item::Node { node, .. } = item {
                self.steps.push(Step { place: place as u16, predicate: predicates[*node as usize] });
            }
        }
        let ranges = leaf_ranges(&items);
        let start = self.leaves.len();
        self.leaves.resize(start + tree.num_leaves(), 0);
        for (item, range) in items.iter().zip(&ranges) {
            if let Item::Leaf(leaf) = item {
                self.leaves[start + range.start as usize] = *leaf;
            }
        }
        self.values.extend(self.leaves[start..].iter().map(|leaf| tree.leaf_value()[*leaf as usize]));
        let digits = digits_to_tell(0..tree.num_leaves() as u16);
        for places in &cover(&items, &ranges)[..digits as usize] {
            self.digits.extend_from_slice(places);
            self.digit_ends.push(self.digits.len() as u32);
        }
        self.trees.push(Span {
            steps: self.steps.len(),
            digits: self.digit_ends.len(),
            values: self.values.len(),
        });
    }

    /// Finds the leaf of every row of a block in the tree at `index`.
    pub fn evaluate<const WORDS: usize>(
        &self,
        index: usize,
        answers: &[Bits<WORDS>],
        work: &mut Workspace<WORDS>,
    ) {
        let before = self.before(index);
        let span = self.trees[index];
        let reached = &mut work.reached[..];
        reached[0] = [u64::MAX; WORDS];
        for (number, step) in self.steps[before.steps..span.steps].iter().enumerate() {
            let here = reached[step.place as usize];
            let answer = &answers[step.predicate as usize];
            let children = &mut reached[2 * number + 1..][..2];
            for word in 0..WORDS {
                let right = here[word] & answer[word];
                children[0][word] = here[word] ^ right;
                children[1][word] = right;
            }
        }
        let mut digits = [[0; WORDS]; MOST_DIGITS];
        let ends = &self.digit_ends[before.digits..span.digits];
        let mut start = if before.digits == 0 { 0 } else { self.digit_ends[before.digits - 1] as usize };
        for (digit, end) in digits.iter_mut().zip(ends) {
            let mut rows = [0; WORDS];
            for place in &self.digits[start..*end as usize] {
                let here = reached[*place as usize];
                for word in 0..WORDS {
                    rows[word] |= here[word];
                }
            }
            *digit = rows;
            start = *end as usize;
        }
        if ends.len() <= 8 {
            transpose::<WORDS, false>(&digits[..ends.len()], &mut work.leaves);
        } else {
            transpose::<WORDS, true>(&digits[..ends.len()], &mut work.leaves);
        }
    }

    /// The values of the leaves of the tree at `index`, from left to right.
    pub fn values(&self, index: usize) -> &[f64] {
        &self.values[self.before(index).values..self.trees[index].values]
    }

    /// The numbers in the model of the leaves of the tree at `index`, from left to right.
    pub fn leaves(&self, index: usize) -> &[u32] {
        &self.leaves[self.before(index).values..self.trees[index].values]
    }

    fn before(&self, index: usize) -> Span {
        if index == 0 { Span::default() } else { self.trees[index - 1] }
    }
}

/// For each index the leaves below it, counted from left to right.
fn leaf_ranges(items: &[Item]) -> Vec<Range<u16>> {
    // Children come after their parents, so one pass from the end counts leaves, and one from the start assigns their
    // numbers.
    let mut ranges = vec![0..1; items.len()];
    for (place, item) in items.iter().enumerate().rev() {
        if let Item::Node { left, .. } = item {
            ranges[place].end = ranges[*left as usize].end + ranges[*left as usize + 1].end;
        }
    }
    for (place, item) in items.iter().enumerate() {
        if let Item::Node { left, .. } = item {
            let Range { start, end } = ranges[place];
            let middle = start + ranges[*left as usize].end;
            ranges[*left as usize] = start..middle;
            ranges[*left as usize + 1] = middle..end;
        }
    }
    ranges
}

/// For each digit of the leaf number the smallest set of indices that covers exactly the leaves with this digit set.
///
/// An index determines the digits that are equal in all leaves below it but not in all leaves below its parent.
fn cover(items: &[Item], ranges: &[Range<u16>]) -> [Vec<u16>; MOST_DIGITS] {
    let mut places: [Vec<u16>; MOST_DIGITS] = Default::default();
    for (place, item) in items.iter().enumerate() {
        let Item::Node { left, .. } = item else { continue };
        let open = digits_to_tell(ranges[place].clone());
        for child in [*left as usize, *left as usize + 1] {
            let range = &ranges[child];
            for digit in digits_to_tell(range.clone())..open {
                if range.start >> digit & 1 != 0 {
                    places[digit as usize].push(child as u16);
                }
            }
        }
    }
    places
}

/// The number of low digits that distinguish the numbers of a range.
fn digits_to_tell(range: Range<u16>) -> u32 {
    u16::BITS - (range.start ^ (range.end - 1)).leading_zeros()
}

/// Converts digits, one set of bits each, to a number per row.
fn transpose<const WORDS: usize, const WIDE: bool>(digits: &[Bits<WORDS>], numbers: &mut [u16]) {
    for (group, numbers) in numbers.chunks_exact_mut(8).enumerate() {
        let (word, shift) = (group / 8, group % 8 * 8);
        let (mut low, mut high) = (0, 0);
        for (bit, digit) in digits.iter().take(8).enumerate() {
            low |= SPREAD[(digit[word] >> shift) as u8 as usize] << bit;
        }
        if WIDE {
            for (bit, digit) in digits.iter().skip(8).enumerate() {
                high |= SPREAD[(digit[word] >> shift) as u8 as usize] << bit;
            }
        }
        let bytes = low.to_le_bytes().into_iter().zip(high.to_le_bytes());
        for (number, (low, high)) in numbers.iter_mut().zip(bytes) {
            *number = u16::from_le_bytes([low, high]);
        }
    }
}

/// Spreads the bits of a byte over the bytes of a word: bit i becomes the lowest bit of byte i.
static SPREAD: [u64; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut bit = 0;
        while bit < 8 {
            table[byte] |= (byte as u64 >> bit & 1) << (8 * bit);
            bit += 1;
        }
        byte += 1;
    }
    table
};
