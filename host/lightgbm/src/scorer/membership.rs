//! The membership of categories in sets, 64 sets at a time.

use super::categories::{CodeSet, CodeSets, Dictionary};

/// Sets of one column, and a table of the codes that are outside of them.
pub(super) struct Membership {
    sets: Vec<CodeSet>,
    num_codes: usize,
    /// Per 64 sets and code: one bit per set, which is 1 if the code is outside. Empty if the table would be too large.
    table: Vec<u64>,
}

impl Membership {
    /// The membership in `sets`, with a table if it needs at most `most_words` words.
    pub fn new(sets: Vec<CodeSet>, all: &CodeSets, dictionary: &Dictionary, most_words: usize) -> Self {
        // One more code, for all categories that are in no set.
        let num_codes = dictionary.len() + 1;
        let size = sets.len().div_ceil(64).saturating_mul(num_codes);
        let mut table = Vec::new();
        if size <= most_words {
            table.resize(size, u64::MAX);
            for (index, set) in sets.iter().enumerate() {
                for code in all.codes(*set) {
                    table[index / 64 * num_codes + code] &= !(1 << (index % 64));
                }
            }
        }
        Self { sets, num_codes, table }
    }

    /// The number of words for 64 sets.
    pub fn len(&self) -> usize {
        self.sets.len().div_ceil(64)
    }

    /// The number of words in the table.
    pub fn table_len(&self) -> usize {
        self.table.len()
    }

    /// One bit per set of the word at `index`, which is 1 if `code` is outside.
    #[inline]
    pub fn outside(&self, index: usize, code: usize, all: &CodeSets) -> u64 {
        match self.table.get(index * self.num_codes + code) {
            Some(word) => *word,
            None => self.look_up(index, code, all),
        }
    }

    #[cold]
    fn look_up(&self, index: usize, code: usize, all: &CodeSets) -> u64 {
        let sets = self.sets[index * 64..].iter().take(64).enumerate();
        sets.fold(0, |word, (bit, set)| word | u64::from(!all.contains(*set, code)) << bit)
    }
}
