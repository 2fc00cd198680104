//! The predicates of splits, each evaluated once for a block of rows.
//!
//! A model has few different predicates: a feature has at most a few hundred thresholds, which thousands of splits
//! share. A block has 64 rows per word; a result has one bit per row, which is 1 if the row goes right.

use super::categories::{Categories, CodeSet, CodeSets};
use super::membership::Membership;
use super::search::SearchTable;
use super::view::{Column, View, category, without_tiny};

/// One bit per row of a block.
pub(super) type Bits<const WORDS: usize> = [u64; WORDS];

/// A predicate, before it has a number.
#[derive(Debug, Clone, Copy)]
pub(super) enum Predicate {
    /// Is the value above the threshold?
    Above(f64),
    /// Is the category outside the set?
    Outside(CodeSet),
}

/// The numbered predicates of some trees.
#[derive(Default)]
pub(super) struct Predicates {
    numerical: Vec<Numerical>,
    categorical: Vec<Categorical>,
    len: usize,
}

/// The thresholds of one column. The predicate of the j-th, counted from 0, has the number `first + 1 + j`.
struct Numerical {
    column: usize,
    first: usize,
    thresholds: SearchTable,
}

/// The sets of one column. The predicate of the j-th, counted from 0, has the number `first + j`.
struct Categorical {
    column: usize,
    first: usize,
    len: usize,
    members: Membership,
}

/// Rows that are scored together.
pub(super) trait Rows {
    /// Fills the front of `values` with one feature's values, one for each row.
    fn copy(&self, feature: usize, values: &mut [f64]);
}

/// Working memory for a block of rows.
pub(super) struct Answers<const WORDS: usize> {
    /// The result of each predicate.
    pub bits: Vec<Bits<WORDS>>,
    values: Vec<f64>,
    places: Vec<u32>,
}

/// The size limit of the tables of sets in words: 2 MiB.
const MOST_TABLE_WORDS: usize = 1 << 18;

impl Predicates {
    /// Numbers `predicates`, each with its column; equal ones share a number. Returns the number of each, too.
    pub fn number(
        columns: &[Column],
        categories: &Categories,
        predicates: impl Iterator<Item = (usize, Predicate)>,
        asked: &mut Asked,
    ) -> (Self, Vec<u32>) {
        let count = asked.sort(columns.len(), predicates);
        let mut all = Self::default();
        let mut budget = MOST_TABLE_WORDS;
        let mut numbers = vec![0; count];
        for column in std::mem::take(&mut asked.columns) {
            let first = all.len;
            let above = usize::from(columns[column].view != View::Category);
            let mut keys: Vec<u64> = Vec::new();
            for (key, predicate) in std::mem::take(&mut asked.by_column[column]) {
                if keys.last() != Some(&key) {
                    keys.push(key);
                }
                numbers[predicate as usize] = (first + above + keys.len() - 1) as u32;
            }
            all.len += above + keys.len();
            if above == 1 {
                let thresholds = SearchTable::new(keys.into_iter().map(Predicate::threshold).collect());
                all.numerical.push(Numerical { column, first, thresholds });
            } else {
                let sets: Vec<_> = keys.into_iter().map(CodeSet::from_bits).collect();
                let len = sets.len();
                let dictionary = &categories.dictionaries[column];
                let members = Membership::new(sets, &categories.sets, dictionary, budget);
                budget -= members.table_len();
                all.categorical.push(Categorical { column, first, len, members });
            }
        }
        (all, numbers)
    }

    /// One more than the greatest number.
    pub fn len(&self) -> usize {
        self.len
    }
}

/// Working memory for numbering predicates, reused for all segments.
#[derive(Default)]
pub(super) struct Asked {
    /// Key and index of each predicate.
    by_column: Vec<Vec<(u64, u32)>>,
    /// Columns with at least one predicate.
    columns: Vec<usize>,
}

impl Asked {
    /// Sorts predicates by column and key; returns the number of different ones.
    fn sort(&mut self, num_columns: usize, predicates: impl Iterator<Item = (usize, Predicate)>) -> usize {
        self.by_column.resize_with(num_columns, Vec::new);
        let mut count = 0;
        for (column, predicate) in predicates {
            let asked = &mut self.by_column[column];
            if asked.is_empty() {
                self.columns.push(column);
            }
            asked.push((predicate.key(), count));
            count += 1;
        }
        self.columns.sort_unstable();
        for column in &self.columns {
            self.by_column[*column].sort_unstable_by_key(|(key, _)| *key);
        }
        count as usize
    }
}

impl Predicate {
    /// A number that is equal for equal predicates and increases with thresholds.
    fn key(self) -> u64 {
        match self {
            Self::Above(threshold) => {
                // Minus zero becomes zero, because they compare equal. Then doubles have the order of their bits, after
                // negative ones are inverted.
                let bits = (threshold + 0.0).to_bits();
                if bits >> 63 == 0 { bits | 1 << 63 } else { !bits }
            }
            Self::Outside(set) => set.to_bits(),
        }
    }

    /// The threshold of a key.
    fn threshold(key: u64) -> f64 {
        f64::from_bits(if key >> 63 == 0 { !key } else { key & !(1 << 63) })
    }
}

impl<const WORDS: usize> Answers<WORDS> {
    /// The rows of a block.
    pub const ROWS: usize = WORDS * 64;

    pub fn new() -> Self {
        Self { bits: Vec::new(), values: vec![0.0; Self::ROWS], places: vec![0; Self::ROWS] }
    }

    /// Evaluates all predicates of `predicates` for a block of `rows`; the results for missing rows are arbitrary.
    pub fn answer(
        &mut self,
        predicates: &Predicates,
        columns: &[Column],
        categories: &Categories,
        rows: &impl Rows,
    ) {
        self.bits.clear();
        self.bits.resize(predicates.len, [0; WORDS]);
        for numerical in &predicates.numerical {
            let column = columns[numerical.column];
            rows.copy(column.feature as usize, &mut self.values);
            self.view(column.view);
            self.compare(numerical);
        }
        for categorical in &predicates.categorical {
            let column = columns[categorical.column];
            rows.copy(column.feature as usize, &mut self.values);
            let dictionary = &categories.dictionaries[categorical.column];
            for (place, value) in self.places.iter_mut().zip(&self.values) {
                *place = dictionary.code(category(*value)) as u32;
            }
            let answers = &mut self.bits[categorical.first..][..categorical.len];
            put_together(answers, &self.places, &categorical.members, &categories.sets);
        }
    }

    /// Sets the values in the form that the splits of a column compare.
    fn view(&mut self, view: View) {
        fn apply(values: &mut [f64], view: impl Fn(f64) -> f64) {
            for value in values {
                *value = view(without_tiny(*value));
            }
        }
        let values = &mut self.values;
        match view {
            View::Plain => apply(values, |value| View::Plain.apply(value)),
            View::ZeroLeft => apply(values, |value| View::ZeroLeft.apply(value)),
            View::ZeroRight => apply(values, |value| View::ZeroRight.apply(value)),
            View::NanLeft => apply(values, |value| View::NanLeft.apply(value)),
            View::NanRight | View::Category => apply(values, |value| value),
        }
    }

    fn compare(&mut self, numerical: &Numerical) {
        numerical.thresholds.ranks(&self.values, &mut self.places);
        let bits = &mut self.bits[numerical.first..=numerical.first + numerical.thresholds.len()];
        // Each row is entered at the last threshold below its value, so it is also above all thresholds before.
        for (row, place) in self.places.iter().enumerate() {
            bits[*place as usize][row / 64] |= 1 << (row % 64);
        }
        let mut above = [0; WORDS];
        for bits in bits.iter_mut().rev() {
            for (bits, above) in bits.iter_mut().zip(&mut above) {
                *above |= *bits;
                *bits = *above;
            }
        }
    }
}

/// Computes each row's results for 64 sets at once, then transposes rows to sets.
fn put_together<const WORDS: usize>(
    answers: &mut [Bits<WORDS>],
    codes: &[u32],
    members: &Membership,
    sets: &CodeSets,
) {
    let mut square = [[0; WORDS]; 64];
    for (index, answers) in answers.chunks_mut(64).enumerate() {
        for (word, codes) in codes.chunks_exact(64).enumerate() {
            for (row, code) in square.iter_mut().zip(codes) {
                row[word] = members.outside(index, *code as usize, sets);
            }
        }
        transpose(&mut square);
        answers.copy_from_slice(&square[..answers.len()]);
    }
}

/// Transposes as many 64 × 64 squares of bits as there are words, by halves, quarters, and so on.
fn transpose<const WORDS: usize>(square: &mut [Bits<WORDS>; 64]) {
    let mut size = 32;
    let mut low = u64::from(u32::MAX);
    while size > 0 {
        for first in (0..64).filter(|row| row & size == 0) {
            let (upper, lower) = square.split_at_mut(first + size);
            for (upper, lower) in upper[first].iter_mut().zip(&mut lower[0]) {
                let swap = ((*upper >> size) ^ *lower) & low;
                *upper ^= swap << size;
                *lower ^= swap;
            }
        }
        size /= 2;
        low ^= low << size;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transposing_swaps_rows_and_bits() {
        let mut square = [[0, 0]; 64];
        for (row, words) in square.iter_mut().enumerate() {
            *words = [0x9E37_79B9_7F4A_7C15_u64.wrapping_mul(row as u64 + 1), 1 << row];
        }
        let before = square;
        transpose(&mut square);
        for (row, words) in square.iter().enumerate() {
            for (bit, before) in before.iter().enumerate() {
                for (word, before) in words.iter().zip(before) {
                    assert_eq!(word >> bit & 1, before >> row & 1);
                }
            }
        }
    }
}
