//! Rows to score, borrowed from the caller.

use hydra_base::{Error, ErrorKind, Result};

/// The memory layout of a [`Matrix`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// One row after the other, as in a NumPy array of order C.
    RowMajor,
    /// One column after the other, as in a NumPy array of order F and in Arrow.
    ColumnMajor,
}

/// A borrowed table of `f64` values: one row per prediction, one column per feature, NaN for missing values.
#[derive(Debug, Clone, Copy)]
pub struct Matrix<'a> {
    data: &'a [f64],
    rows: usize,
    columns: usize,
    layout: Layout,
}

impl<'a> Matrix<'a> {
    /// A matrix of `rows` × `columns` over `data`.
    ///
    /// Fails with [`ErrorKind::InvalidArgument`] unless `data` contains exactly `rows * columns` values.
    pub fn new(data: &'a [f64], rows: usize, columns: usize, layout: Layout) -> Result<Self> {
        if rows.checked_mul(columns) != Some(data.len()) {
            return Err(Error::new(ErrorKind::InvalidArgument, "the number of values is not rows × columns")
                .with_context("rows", rows)
                .with_context("columns", columns)
                .with_context("values", data.len()));
        }
        Ok(Self { data, rows, columns, layout })
    }

    /// A row-major matrix of all rows in `data`.
    ///
    /// Fails with [`ErrorKind::InvalidArgument`] if `data` is not a whole number of rows.
    pub fn from_rows(data: &'a [f64], columns: usize) -> Result<Self> {
        Self::new(data, data.len().checked_div(columns).unwrap_or(0), columns, Layout::RowMajor)
    }

    /// A column-major matrix of all rows in `data`.
    ///
    /// Fails with [`ErrorKind::InvalidArgument`] if `data` is not a whole number of columns.
    pub fn from_columns(data: &'a [f64], columns: usize) -> Result<Self> {
        Self::new(data, data.len().checked_div(columns).unwrap_or(0), columns, Layout::ColumnMajor)
    }

    /// The number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The number of columns.
    #[must_use]
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// The memory layout.
    #[must_use]
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// The value at `row` and `column`.
    ///
    /// # Panics
    /// If either is out of range.
    #[must_use]
    pub fn value(&self, row: usize, column: usize) -> f64 {
        assert!(row < self.rows && column < self.columns, "index out of the matrix");
        match self.layout {
            Layout::RowMajor => self.data[row * self.columns + column],
            Layout::ColumnMajor => self.data[column * self.rows + row],
        }
    }

    /// A copy of the values in row-major order.
    #[must_use]
    pub fn to_row_major(&self) -> Vec<f64> {
        match self.layout {
            Layout::RowMajor => self.data.to_vec(),
            Layout::ColumnMajor => (0..self.rows)
                .flat_map(|row| (0..self.columns).map(move |column| self.data[column * self.rows + row]))
                .collect(),
        }
    }

    /// Writes the values of `column` in the rows from `first` to `out`, until `out` is full.
    ///
    /// # Panics
    /// If a row or the column is out of range.
    pub(crate) fn copy_column(&self, column: usize, first: usize, out: &mut [f64]) {
        assert!(column < self.columns && first + out.len() <= self.rows, "index out of the matrix");
        match self.layout {
            Layout::RowMajor => {
                let values = self.data[first * self.columns + column..].iter().step_by(self.columns);
                for (out, value) in out.iter_mut().zip(values) {
                    *out = *value;
                }
            }
            Layout::ColumnMajor => {
                let start = column * self.rows + first;
                out.copy_from_slice(&self.data[start..start + out.len()]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_layouts_name_the_same_cells() {
        let by_row = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let by_column = [1.0, 3.0, 5.0, 2.0, 4.0, 6.0];
        let rows = Matrix::from_rows(&by_row, 2).unwrap();
        let columns = Matrix::from_columns(&by_column, 2).unwrap();
        for row in 0..3 {
            for column in 0..2 {
                assert_eq!(rows.value(row, column), columns.value(row, column));
            }
        }
        assert_eq!((rows.to_row_major(), columns.to_row_major()), (by_row.to_vec(), by_row.to_vec()));
        let (mut a, mut b) = ([0.0; 2], [0.0; 2]);
        rows.copy_column(1, 1, &mut a);
        columns.copy_column(1, 1, &mut b);
        assert_eq!((a, b), ([4.0, 6.0], [4.0, 6.0]));
    }

    #[test]
    fn a_wrong_number_of_values_is_refused() {
        for (len, rows, columns) in [(5, 2, 3), (7, 2, 3), (0, usize::MAX, 2)] {
            let data = vec![0.0; len];
            let error = Matrix::new(&data, rows, columns, Layout::RowMajor).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        }
        assert_eq!(Matrix::from_rows(&[1.0; 5], 2).unwrap_err().kind(), ErrorKind::InvalidArgument);
        assert_eq!(Matrix::from_rows(&[1.0], 0).unwrap_err().kind(), ErrorKind::InvalidArgument);
        assert_eq!(Matrix::from_rows(&[], 3).unwrap().rows(), 0);
    }
}
