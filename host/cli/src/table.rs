//! A table of text with aligned columns.

/// Rows of cells below headings.
pub(super) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with this heading above the names of its rows.
    pub(super) fn new(corner: String) -> Self {
        Self { rows: vec![vec![corner]] }
    }

    /// Adds the heading of another column.
    pub(super) fn heading(&mut self, text: String) {
        if let [headings, ..] = self.rows.as_mut_slice() {
            headings.push(text);
        }
    }

    /// Starts a row.
    pub(super) fn row(&mut self, name: String) {
        self.rows.push(vec![name]);
    }

    /// Adds a cell to the last row.
    pub(super) fn cell(&mut self, text: String) {
        if let Some(row) = self.rows.last_mut() {
            row.push(text);
        }
    }

    /// The table, a line for each row.
    pub(super) fn text(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let line = |row: &Vec<String>| {
            let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
            let line = cells.collect::<Vec<String>>().join("  ");
            line.trim_end().to_owned() + "\n"
        };
        self.rows.iter().map(line).collect()
    }
}
