//! The questions that splits ask, each answered once for a block of rows.
//!
//! A model asks few different questions: a feature has at most a few hundred thresholds, shared by thousands of splits.
//! A block is 64 rows per word; an answer is one bit per row, set where the row goes right.

use super::categories::{CodeSet, CodeSets, Dictionary};
use super::view::{Column, View, category, without_tiny};

/// One bit per row of a block.
pub(super) type Bits<const WORDS: usize> = [u64; WORDS];

/// A question, before it has a number.
#[derive(Debug, Clone, Copy)]
pub(super) enum Question {
    /// Is the value above the threshold?
    Above(f64),
    /// Is the category outside the set?
    Outside(CodeSet),
}

/// The questions of some trees, numbered.
#[derive(Default)]
pub(super) struct Predicates {
    numerical: Vec<Numerical>,
    categorical: Vec<Categorical>,
    len: usize,
}

/// The thresholds of one column. The question about the j-th, from 0, has the number `first + 1 + j`.
struct Numerical {
    column: usize,
    first: usize,
    len: usize,
    /// Ascending, filled up with infinity to one less than a power of two.
    thresholds: Vec<f64>,
}

/// The sets of one column. The question about the j-th, from 0, has the number `first + j`.
struct Categorical {
    column: usize,
    first: usize,
    /// Ascending by where they are stored.
    sets: Vec<CodeSet>,
}

/// Rows of the caller that are scored together.
pub(super) trait Rows {
    /// Fills the front of `values` with one feature's values, as many as there are rows.
    fn copy(&self, feature: usize, values: &mut [f64]);
}

/// Working memory for a block of rows.
pub(super) struct Answers<const WORDS: usize> {
    /// Per question.
    pub bits: Vec<Bits<WORDS>>,
    values: Vec<f64>,
    places: Vec<u32>,
    buckets: Vec<Bits<WORDS>>,
}

/// Sets and dictionaries of more codes are looked up row by row instead of being put together from the rows of each
/// code.
const MANY_CODES: usize = 1024;

impl Predicates {
    /// Numbers `questions`, each with its column; equal ones get one number.
    pub fn number(columns: &[Column], questions: impl Iterator<Item = (usize, Question)> + Clone) -> Self {
        let mut thresholds: Vec<Vec<f64>> = vec![Vec::new(); columns.len()];
        let mut sets: Vec<Vec<CodeSet>> = vec![Vec::new(); columns.len()];
        for (column, question) in questions {
            match question {
                // Minus zero becomes zero: they compare equal.
                Question::Above(threshold) => thresholds[column].push(threshold + 0.0),
                Question::Outside(set) => sets[column].push(set),
            }
        }
        let mut all = Self::default();
        for (column, mut thresholds) in
            thresholds.into_iter().enumerate().filter(|(_, list)| !list.is_empty())
        {
            thresholds.sort_unstable_by(f64::total_cmp);
            thresholds.dedup();
            let len = thresholds.len();
            thresholds.resize((len + 1).next_power_of_two() - 1, f64::INFINITY);
            thresholds.shrink_to_fit();
            all.numerical.push(Numerical { column, first: all.len, len, thresholds });
            all.len += len + 1;
        }
        for (column, mut sets) in sets.into_iter().enumerate().filter(|(_, list)| !list.is_empty()) {
            sets.sort_unstable_by_key(|set| set.to_bits());
            sets.dedup();
            let len = sets.len();
            all.categorical.push(Categorical { column, first: all.len, sets });
            all.len += len;
        }
        all
    }

    /// One more than the greatest number.
    pub fn len(&self) -> usize {
        self.len
    }

    /// The number of a question that was numbered.
    pub fn find(&self, column: usize, question: Question) -> usize {
        match question {
            Question::Above(threshold) => {
                let index = self.numerical.partition_point(|numerical| numerical.column < column);
                let numerical = &self.numerical[index];
                let known = &numerical.thresholds[..numerical.len];
                numerical.first + 1 + known.partition_point(|known| *known < threshold)
            }
            Question::Outside(set) => {
                let index = self.categorical.partition_point(|categorical| categorical.column < column);
                let categorical = &self.categorical[index];
                categorical.first + categorical.sets.partition_point(|known| known.to_bits() < set.to_bits())
            }
        }
    }
}

impl<const WORDS: usize> Answers<WORDS> {
    /// The rows of a block.
    pub const ROWS: usize = WORDS * 64;

    pub fn new() -> Self {
        Self {
            bits: Vec::new(),
            values: vec![0.0; Self::ROWS],
            places: vec![0; Self::ROWS],
            buckets: Vec::new(),
        }
    }

    /// Answers all questions of `predicates` about a block of `rows`; rows that the block lacks have any answer.
    pub fn answer(
        &mut self,
        predicates: &Predicates,
        columns: &[Column],
        dictionaries: &[Dictionary],
        sets: &CodeSets,
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
            let dictionary = &dictionaries[categorical.column];
            rows.copy(column.feature as usize, &mut self.values);
            for (place, value) in self.places.iter_mut().zip(&self.values) {
                *place = dictionary.code(category(without_tiny(*value))) as u32;
            }
            self.gather(categorical, dictionary.len(), sets);
        }
    }

    /// Sees the values as the splits of a column do.
    fn view(&mut self, view: View) {
        fn apply(values: &mut [f64], view: impl Fn(f64) -> f64) {
            values.iter_mut().for_each(|value| *value = view(without_tiny(*value)));
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
        ranks(&numerical.thresholds, &self.values, &mut self.places);
        let bits = &mut self.bits[numerical.first..=numerical.first + numerical.len];
        // Each row is noted at the last threshold below its value, and so is above all before.
        for (row, place) in self.places.iter().enumerate() {
            let place = (*place as usize).min(bits.len() - 1);
            bits[place][row / 64] |= 1 << (row % 64);
        }
        let mut above = [0; WORDS];
        for bits in bits.iter_mut().rev() {
            for (bits, above) in bits.iter_mut().zip(&mut above) {
                *above |= *bits;
                *bits = *above;
            }
        }
    }

    fn gather(&mut self, categorical: &Categorical, num_codes: usize, sets: &CodeSets) {
        let answers = &mut self.bits[categorical.first..][..categorical.sets.len()];
        if num_codes > MANY_CODES {
            for (answer, set) in answers.iter_mut().zip(&categorical.sets) {
                for (row, code) in self.places.iter().enumerate() {
                    answer[row / 64] |= u64::from(!sets.contains(*set, *code as usize)) << (row % 64);
                }
            }
            return;
        }
        self.buckets.clear();
        self.buckets.resize(num_codes + 1, [0; WORDS]);
        for (row, code) in self.places.iter().enumerate() {
            self.buckets[*code as usize][row / 64] |= 1 << (row % 64);
        }
        for (answer, set) in answers.iter_mut().zip(&categorical.sets) {
            let mut inside = [0; WORDS];
            for code in sets.codes(*set) {
                for (inside, bucket) in inside.iter_mut().zip(&self.buckets[code]) {
                    *inside |= bucket;
                }
            }
            *answer = inside.map(|word| !word);
        }
    }
}

/// For each value the number of `thresholds` below it; NaN is above all.
///
/// Eight searches go side by side, without a branch, so that their loads overlap.
fn ranks(thresholds: &[f64], values: &[f64], ranks: &mut [u32]) {
    const LANES: usize = 8;
    let half = thresholds.len().div_ceil(2);
    for (values, ranks) in values.chunks_exact(LANES).zip(ranks.chunks_exact_mut(LANES)) {
        let mut found = [0_usize; LANES];
        let mut step = half;
        while step > 0 {
            for (found, value) in found.iter_mut().zip(values) {
                #[expect(clippy::neg_cmp_op_on_partial_ord, reason = "NaN is above all")]
                let above = !(*value <= thresholds[*found + step - 1]);
                *found += if above { step } else { 0 };
            }
            step /= 2;
        }
        for (rank, found) in ranks.iter_mut().zip(found) {
            *rank = found as u32;
        }
    }
}
