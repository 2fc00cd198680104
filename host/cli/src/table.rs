//! A table of text with aligned columns, which fits the width of a terminal.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// The space between two columns.
const GAP: &str = "  ";

/// The fewest columns of a terminal to which a column of the table is cut.
const LEAST: usize = 6;

/// Rows of cells below headings.
#[derive(Debug, Default)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
    /// The places of the columns with numbers, which end where their heading ends.
    right: Vec<usize>,
}

impl Table {
    /// A table with this heading above the names of its rows.
    pub(crate) fn new(corner: impl Into<String>) -> Self {
        Self { rows: vec![vec![corner.into()]], right: Vec::new() }
    }

    /// Adds the heading of another column.
    pub(crate) fn heading(&mut self, text: impl Into<String>) {
        if let [headings, ..] = self.rows.as_mut_slice() {
            headings.push(text.into());
        }
    }

    /// Adds the heading of a column of numbers.
    pub(crate) fn number_heading(&mut self, text: impl Into<String>) {
        self.right.extend(self.rows.first().map(Vec::len));
        self.heading(text);
    }

    /// Starts a row.
    pub(crate) fn row(&mut self, name: impl Into<String>) {
        self.rows.push(vec![name.into()]);
    }

    /// Adds a cell to the last row.
    pub(crate) fn cell(&mut self, text: impl Into<String>) {
        if let Some(row) = self.rows.last_mut() {
            row.push(text.into());
        }
    }

    /// Whether there are no rows below the headings.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.len() < 2
    }

    /// The table, a line for each row. Where `width` is known, the widest columns are cut until the lines fit.
    pub(crate) fn text(&self, width: Option<usize>) -> String {
        let widths = self.widths(width);
        let line = |row: &Vec<String>| {
            let cells = row.iter().zip(&widths).enumerate().map(|(place, (cell, width))| {
                let cell = fitted(cell, *width);
                let space = " ".repeat(width.saturating_sub(cell.width()));
                if self.right.contains(&place) { space + &cell } else { cell + &space }
            });
            let line = cells.collect::<Vec<String>>().join(GAP);
            line.trim_end().to_owned() + "\n"
        };
        self.rows.iter().map(line).collect()
    }

    fn widths(&self, width: Option<usize>) -> Vec<usize> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let widest = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.width()).max().unwrap_or(0)
        };
        let mut widths: Vec<usize> = (0..columns).map(widest).collect();
        let Some(width) = width else { return widths };
        let room = width.saturating_sub(GAP.len() * columns.saturating_sub(1));
        while widths.iter().sum::<usize>() > room {
            let excess = widths.iter().sum::<usize>() - room;
            // Of the columns of equal width, the last one is cut first.
            let Some(widest) = (0..columns).max_by_key(|column| (widths[*column], *column)) else { break };
            let next = widths.iter().filter(|other| **other < widths[widest]).max().copied();
            // Columns of equal width are cut in turn.
            let next = next.unwrap_or(widths[widest].saturating_sub(1));
            let cut = excess.min((widths[widest] - next).max(1)).min(widths[widest].saturating_sub(LEAST));
            if cut == 0 {
                break;
            }
            widths[widest] -= cut;
        }
        widths
    }
}

/// The text in at most `width` columns of a terminal, with a sign at its end if it was cut.
pub(crate) fn fitted(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut cut = String::new();
    let mut used = 1;
    for sign in text.chars() {
        used += sign.width().unwrap_or(0);
        if used > width {
            break;
        }
        cut.push(sign);
    }
    if width == 0 { String::new() } else { cut + "…" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new("version");
        table.number_heading("auc");
        table.heading("aliases");
        for (version, auc, aliases) in [
            ("12", "0.9131", "candidate"),
            ("11", "0.9", "champion, challenger-of-the-week, 日本語の別名"),
            ("9", "-", "🦀🦀🦀"),
        ] {
            table.row(version);
            table.cell(auc);
            table.cell(aliases);
        }
        table
    }

    #[test]
    fn columns_are_aligned_whatever_the_signs_are() {
        insta::assert_snapshot!(table().text(None), @r"
        version     auc  aliases
        12       0.9131  candidate
        11          0.9  champion, challenger-of-the-week, 日本語の別名
        9             -  🦀🦀🦀
        ");
    }

    #[test]
    fn the_widest_column_is_cut_to_the_width() {
        for width in [24, 40, 41, 80] {
            let text = table().text(Some(width));
            assert!(text.lines().all(|line| line.width() <= width), "{width}:\n{text}");
            assert_eq!(text.lines().count(), 4);
        }
        insta::assert_snapshot!(table().text(Some(40)), @r"
        version     auc  aliases
        12       0.9131  candidate
        11          0.9  champion, challenger-o…
        9             -  🦀🦀🦀
        ");
        // Too narrow for the table: cut as far as it can be read.
        assert!(table().text(Some(3)).lines().all(|line| line.width() <= 3 * LEAST + 4));
    }

    #[test]
    fn a_wide_sign_is_not_cut_in_two() {
        assert_eq!(fitted("日本語", 6), "日本語");
        assert_eq!(fitted("日本語", 5), "日本…");
        assert_eq!(fitted("日本語", 4), "日…");
        assert_eq!((fitted("ab", 1), fitted("ab", 0)), ("…".to_owned(), String::new()));
    }
}
