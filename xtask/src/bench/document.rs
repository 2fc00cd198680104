//! The text of `docs/benchmarks.md`.

use std::fmt::Write as _;

/// A builder of Markdown text.
#[derive(Debug, Default)]
pub struct Document {
    text: String,
}

/// A promise, and this run's result for it.
#[derive(Debug, Clone)]
pub struct Goal {
    /// The promise, as a sentence.
    pub what: String,
    /// The limit, with its unit.
    pub wanted: String,
    /// The measured value, with its unit.
    pub measured: String,
    /// Whether the measured value meets the limit; `None` without a number.
    pub holds: Option<bool>,
}

impl Goal {
    /// A promise with a lower limit.
    pub fn at_least(what: impl Into<String>, wanted: f64, measured: f64, unit: &str) -> Self {
        Self::new(what, format!("≥ {wanted}{unit}"), measured, unit, measured >= wanted)
    }

    /// A promise with an upper limit.
    pub fn at_most(what: impl Into<String>, wanted: f64, measured: f64, unit: &str) -> Self {
        Self::new(what, format!("≤ {wanted}{unit}"), measured, unit, measured <= wanted)
    }

    /// A promise without a number in this run, and the reason.
    pub fn not_measured(what: impl Into<String>, wanted: &str, reason: impl Into<String>) -> Self {
        Self { what: what.into(), wanted: wanted.to_owned(), measured: reason.into(), holds: None }
    }

    fn new(what: impl Into<String>, wanted: String, measured: f64, unit: &str, holds: bool) -> Self {
        Self {
            what: what.into(),
            wanted,
            measured: format!("{}{unit}", super::samples::digits(measured)),
            // A tool that did not take part has no number.
            holds: measured.is_finite().then_some(holds),
        }
    }
}

impl Document {
    /// The Markdown text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The command line of a part, and its machine.
    pub fn origin(&mut self, command: &str, facts: &[(&str, String)]) {
        self.paragraph(&format!("Written by `{command}` in one run on one machine:"));
        let rows: Vec<_> =
            facts.iter().map(|(what, value)| vec![(*what).to_owned(), value.clone()]).collect();
        self.table(&["", ""], &rows);
    }

    /// A table of promises and whether they are kept.
    pub fn goals(&mut self, goals: &[Goal]) {
        if goals.is_empty() {
            return;
        }
        self.paragraph("### What must hold");
        let holds = |goal: &Goal| match goal.holds {
            Some(true) => "yes".to_owned(),
            Some(false) => "**no**".to_owned(),
            None => "not measured".to_owned(),
        };
        let rows: Vec<_> = goals
            .iter()
            .map(|goal| vec![goal.what.clone(), goal.wanted.clone(), goal.measured.clone(), holds(goal)])
            .collect();
        self.table(&["", "wanted", "measured", "holds"], &rows);
    }

    /// Appends another document's text.
    pub fn push(&mut self, section: &Document) {
        self.text.push_str(&section.text);
    }

    /// Adds a section's heading.
    pub fn heading(&mut self, text: &str) {
        let _ = writeln!(self.text, "## {text}\n");
    }

    /// Adds a paragraph.
    pub fn paragraph(&mut self, text: &str) {
        let _ = writeln!(self.text, "{text}\n");
    }

    /// Adds a table, padded to be readable as plain text.
    pub fn table(&mut self, head: &[&str], rows: &[Vec<String>]) {
        let width = |column: usize| {
            let cells = rows.iter().map(|row| row[column].chars().count());
            cells.chain([head[column].chars().count(), 3]).max().unwrap_or(3)
        };
        let widths: Vec<usize> = (0..head.len()).map(width).collect();
        let line = |cells: Vec<&str>| {
            let padded = cells.iter().zip(&widths).map(|(cell, width)| format!(" {cell:width$} |"));
            format!("|{}\n", padded.collect::<String>())
        };
        self.text.push_str(&line(head.to_vec()));
        let rule: String = widths.iter().map(|width| format!(" {} |", "-".repeat(*width))).collect();
        let _ = writeln!(self.text, "|{rule}");
        for row in rows {
            self.text.push_str(&line(row.iter().map(String::as_str).collect()));
        }
        self.text.push('\n');
    }
}
