//! Ranks of values in sorted tables.

use std::hint::select_unpredictable;

/// Sorted values to search.
#[derive(Default)]
pub(super) struct SearchTable {
    /// Padded with infinity to one less than a power of two.
    values: Vec<f64>,
    len: usize,
}

impl SearchTable {
    /// A table of ascending `values` without NaN.
    pub fn new(mut values: Vec<f64>) -> Self {
        let len = values.len();
        values.resize((len + 1).next_power_of_two() - 1, f64::INFINITY);
        values.shrink_to_fit();
        Self { values, len }
    }

    /// The number of values.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Counts for each of `values` the table's values below it; all are below NaN. The length of `values` is a multiple
    /// of four.
    pub fn ranks(&self, values: &[f64], ranks: &mut [u32]) {
        for (values, ranks) in values.as_chunks::<4>().0.iter().zip(ranks.as_chunks_mut::<4>().0) {
            *ranks = self.side_by_side(values).map(|rank| rank as u32);
        }
    }

    /// Searches without branches, so that the loads of several searches overlap.
    #[inline]
    fn side_by_side<const LANES: usize>(&self, values: &[f64; LANES]) -> [usize; LANES] {
        let mut below = [0; LANES];
        let mut step = self.values.len().div_ceil(2);
        while step > 0 {
            for (below, value) in below.iter_mut().zip(values) {
                #[expect(clippy::neg_cmp_op_on_partial_ord, reason = "NaN is above all")]
                let above = !(*value <= self.values[*below + step - 1]);
                *below += select_unpredictable(above, step, 0);
            }
            step /= 2;
        }
        // NaN is above the padding, too.
        below.map(|below| below.min(self.len))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rank(table: &SearchTable, value: f64) -> usize {
        let mut ranks = [0; 8];
        table.ranks(&[0.0, 1.0, 2.0, 3.0, 4.0, value, 5.0, f64::NAN], &mut ranks);
        ranks[5] as usize
    }

    #[test]
    fn ranks_count_the_values_below() {
        for len in 0..40 {
            let table = SearchTable::new((0..len).map(f64::from).collect());
            for value in
                [-1.0, -0.0, 0.0, 0.5, 1.0, 6.5, 7.0, 31.0, 38.5, 1e300, f64::INFINITY, f64::NEG_INFINITY]
            {
                let below = (0..len).filter(|known| f64::from(*known) < value).count();
                assert_eq!(rank(&table, value), below, "{value} among {len}");
            }
            assert_eq!(rank(&table, f64::NAN), len as usize);
        }
    }

    #[test]
    fn infinite_values_differ_from_padding() {
        let table = SearchTable::new(vec![f64::NEG_INFINITY, 0.0, f64::INFINITY]);
        assert_eq!(rank(&table, f64::NEG_INFINITY), 0);
        assert_eq!(rank(&table, 1.0), 2);
        assert_eq!(rank(&table, f64::INFINITY), 2);
        assert_eq!(rank(&table, f64::NAN), 3);
    }
}
