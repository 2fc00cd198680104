//! Rows to score, borrowed from the caller.

use std::borrow::Cow;

use hydra_base::{Error, ErrorKind, Result};

/// The memory layout of the values of a [`Matrix`] that are in one slice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// One row after the other, as in a NumPy array of order C.
    RowMajor,
    /// One column after the other, as in a NumPy array of order F.
    ColumnMajor,
}

/// A borrowed table of `f64` values: one row per prediction, one column per feature, NaN for missing values.
#[derive(Debug, Clone, Copy)]
pub struct Matrix<'a> {
    values: Values<'a>,
    rows: usize,
    /// The columns of the values, of which `order` may leave some out.
    width: usize,
    /// The column of the values for each column of the matrix; all of them in order for `None`.
    order: Option<&'a [usize]>,
}

#[derive(Debug, Clone, Copy)]
enum Values<'a> {
    RowMajor(&'a [f64]),
    ColumnMajor(&'a [f64]),
    Columns(&'a [Cow<'a, [f64]>]),
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
        let values = match layout {
            Layout::RowMajor => Values::RowMajor(data),
            Layout::ColumnMajor => Values::ColumnMajor(data),
        };
        Ok(Self { values, rows, width: columns, order: None })
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

    /// A matrix of columns that are each in their own memory, as in Arrow.
    ///
    /// Fails with [`ErrorKind::InvalidArgument`] unless every column has `rows` values.
    pub fn from_column_slices(columns: &'a [Cow<'a, [f64]>], rows: usize) -> Result<Self> {
        if let Some(other) = columns.iter().find(|column| column.len() != rows) {
            return Err(Error::new(ErrorKind::InvalidArgument, "the columns have different lengths")
                .with_context("rows", rows)
                .with_context("values", other.len()));
        }
        Ok(Self { values: Values::Columns(columns), rows, width: columns.len(), order: None })
    }

    /// The columns with these indices, in this order.
    ///
    /// Fails with [`ErrorKind::InvalidArgument`] if an index is not below [`Matrix::columns`], or if the matrix has an order
    /// already.
    pub fn with_order(self, order: &'a [usize]) -> Result<Self> {
        if self.order.is_some() {
            return Err(Error::new(ErrorKind::InvalidArgument, "the matrix has an order already"));
        }
        if let Some(index) = order.iter().find(|index| **index >= self.width) {
            return Err(Error::new(ErrorKind::InvalidArgument, "the index is not that of a column")
                .with_context("index", index)
                .with_context("columns", self.width));
        }
        Ok(Self { order: Some(order), ..self })
    }

    /// The number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The number of columns.
    #[must_use]
    pub fn columns(&self) -> usize {
        self.order.map_or(self.width, <[usize]>::len)
    }

    /// The value at `row` and `column`.
    ///
    /// # Panics
    /// If either is out of range.
    #[must_use]
    pub fn value(&self, row: usize, column: usize) -> f64 {
        assert!(row < self.rows && column < self.columns(), "index out of the matrix");
        let column = self.place(column);
        match self.values {
            Values::RowMajor(data) => data[row * self.width + column],
            Values::ColumnMajor(data) => data[column * self.rows + row],
            Values::Columns(columns) => columns[column][row],
        }
    }

    /// A copy of the values in row-major order.
    #[must_use]
    pub fn to_row_major(&self) -> Vec<f64> {
        match (self.values, self.order) {
            (Values::RowMajor(data), None) => data.to_vec(),
            _ => (0..self.rows)
                .flat_map(|row| (0..self.columns()).map(move |column| self.value(row, column)))
                .collect(),
        }
    }

    /// Writes the values of `column` in the rows from `first` to `out`, until `out` is full.
    ///
    /// # Panics
    /// If a row or the column is out of range.
    pub(crate) fn copy_column(&self, column: usize, first: usize, out: &mut [f64]) {
        assert!(column < self.columns() && first + out.len() <= self.rows, "index out of the matrix");
        let column = self.place(column);
        match self.values {
            Values::RowMajor(data) => {
                let values = data[first * self.width + column..].iter().step_by(self.width);
                for (out, value) in out.iter_mut().zip(values) {
                    *out = *value;
                }
            }
            Values::ColumnMajor(data) => {
                let start = column * self.rows + first;
                out.copy_from_slice(&data[start..start + out.len()]);
            }
            Values::Columns(columns) => out.copy_from_slice(&columns[column][first..first + out.len()]),
        }
    }

    /// The column of the values for a column of the matrix.
    #[inline]
    fn place(&self, column: usize) -> usize {
        self.order.map_or(column, |order| order[column])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_layout_names_the_same_cells() {
        let by_row = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let by_column = [1.0, 3.0, 5.0, 2.0, 4.0, 6.0];
        let slices = [Cow::Borrowed(&by_column[..3]), Cow::Owned(by_column[3..].to_vec())];
        // The same cells, from columns in another order and beside one that is not used.
        let wide = [2.0, 0.0, 1.0, 4.0, 0.0, 3.0, 6.0, 0.0, 5.0];
        let matrices = [
            Matrix::from_rows(&by_row, 2).unwrap(),
            Matrix::from_columns(&by_column, 2).unwrap(),
            Matrix::from_column_slices(&slices, 3).unwrap(),
            Matrix::from_rows(&wide, 3).unwrap().with_order(&[2, 0]).unwrap(),
        ];
        for matrix in matrices {
            assert_eq!((matrix.rows(), matrix.columns()), (3, 2));
            for row in 0..3 {
                for column in 0..2 {
                    assert_eq!(matrix.value(row, column), by_row[row * 2 + column]);
                }
            }
            assert_eq!(matrix.to_row_major(), by_row);
            let mut out = [0.0; 2];
            matrix.copy_column(1, 1, &mut out);
            assert_eq!(out, [4.0, 6.0]);
        }
    }

    #[test]
    fn an_order_of_other_columns_is_refused() {
        let rows = Matrix::from_rows(&[1.0, 2.0], 2).unwrap();
        assert_eq!(rows.with_order(&[0, 2]).unwrap_err().kind(), ErrorKind::InvalidArgument);
        let ordered = rows.with_order(&[1, 1, 0]).unwrap();
        assert_eq!(ordered.to_row_major(), [2.0, 2.0, 1.0]);
        assert_eq!(ordered.with_order(&[0]).unwrap_err().kind(), ErrorKind::InvalidArgument);
        assert_eq!(Matrix::from_column_slices(&[], 7).unwrap().rows(), 7);
    }

    #[test]
    fn a_wrong_number_of_values_is_refused() {
        for (len, rows, columns) in [(5, 2, 3), (7, 2, 3), (0, usize::MAX, 2)] {
            let data = vec![0.0; len];
            let error = Matrix::new(&data, rows, columns, Layout::RowMajor).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        }
        let short = [Cow::Borrowed(&[0.0, 1.0][..]), Cow::Borrowed(&[0.0][..])];
        assert_eq!(Matrix::from_column_slices(&short, 2).unwrap_err().kind(), ErrorKind::InvalidArgument);
        assert_eq!(Matrix::from_rows(&[1.0; 5], 2).unwrap_err().kind(), ErrorKind::InvalidArgument);
        assert_eq!(Matrix::from_rows(&[1.0], 0).unwrap_err().kind(), ErrorKind::InvalidArgument);
        assert_eq!(Matrix::from_rows(&[], 3).unwrap().rows(), 0);
    }
}
