//! Two versions side by side, for `diff` and for the evidence of a decision.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::{figure, json_number, signed};
use crate::table::Table;
use hydra_base::text::{excerpt, printable};
use hydra_evaluation::{Direction, IntervalRecord};

/// The most characters of a value.
const CELL_CHARS: usize = 200;

/// What is compared of one version.
#[derive(Debug, Clone, Default)]
pub(crate) struct Side {
    /// Its heading.
    pub title: String,
    pub metrics: BTreeMap<String, f64>,
    pub params: BTreeMap<String, String>,
    pub run_tags: BTreeMap<String, String>,
    pub tags: BTreeMap<String, String>,
    /// Facts about the version and its model, in the order in which they are shown.
    pub facts: Vec<(&'static str, String)>,
}

/// One value of two versions.
#[derive(Debug, Serialize, JsonSchema)]
pub struct RowReport {
    /// `metric`, `param`, `run tag`, `tag` or `fact`.
    pub part: &'static str,
    /// The name of the value.
    pub name: String,
    /// The value of the first version: a number or text; none if it does not have it.
    #[schemars(with = "Option<serde_json::Value>")]
    pub a: Value,
    /// The value of the second version.
    #[schemars(with = "Option<serde_json::Value>")]
    pub b: Value,
    /// The second number minus the first.
    pub difference: Option<f64>,
}

/// What an evaluation measured of two versions on all its rows.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct MeasuredReport {
    /// The name of the dataset.
    pub dataset: String,
    /// The name of the metric.
    pub metric: String,
    /// `higher` or `lower`: which way the metric is better.
    pub direction: &'static str,
    /// The figure of the first version.
    pub a: Option<FigureReport>,
    /// The figure of the second version.
    pub b: Option<FigureReport>,
    /// The second figure minus the first, with its paired interval; none if they were not compared on the same rows.
    pub difference: Option<FigureReport>,
}

/// A figure with its interval.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
pub struct FigureReport {
    /// The figure; none for one that the rows do not define.
    pub value: Option<f64>,
    /// The lower bound of its interval.
    pub low: Option<f64>,
    /// The upper bound of its interval.
    pub high: Option<f64>,
}

impl RowReport {
    fn numbers(part: &'static str, name: &str, a: Option<f64>, b: Option<f64>) -> Self {
        let value = |number: Option<f64>| number.map_or(Value::Null, json_number);
        let difference = a.zip(b).map(|(a, b)| b - a).filter(|difference| difference.is_finite());
        Self { part, name: name.to_owned(), a: value(a), b: value(b), difference }
    }

    fn texts(part: &'static str, name: &str, a: Option<&str>, b: Option<&str>) -> Self {
        let value = |text: Option<&str>| text.map_or(Value::Null, Value::from);
        Self { part, name: name.to_owned(), a: value(a), b: value(b), difference: None }
    }

    fn differs(&self) -> bool {
        self.a != self.b
    }
}

impl FigureReport {
    /// A figure, with the bounds of its interval if it has one.
    pub(crate) fn new(value: f64, interval: Option<(f64, f64)>) -> Self {
        let finite = |number: f64| Some(number).filter(|number| number.is_finite());
        let (low, high) = interval.map_or((None, None), |(low, high)| (finite(low), finite(high)));
        Self { value: finite(value), low, high }
    }

    pub(super) fn text(&self) -> String {
        figure(self.value.unwrap_or(f64::NAN), self.low.zip(self.high))
    }

    /// With a sign, and whether the interval says that the second version is better.
    pub(super) fn difference_text(&self, direction: &str) -> String {
        let sign = if self.value.is_some_and(|value| value > 0.0) { "+" } else { "" };
        let mark = match (
            direction,
            self.low.is_some_and(|low| low > 0.0),
            self.high.is_some_and(|high| high < 0.0),
        ) {
            ("higher", true, _) | ("lower", _, true) => " better",
            ("lower", true, _) | ("higher", _, true) => " worse",
            _ => "",
        };
        format!("{sign}{}{mark}", self.text())
    }
}

/// The values of two versions: all metrics, and of the others those that differ, or all of them.
pub(crate) fn rows(a: &Side, b: &Side, all: bool) -> Vec<RowReport> {
    let mut rows = Vec::new();
    let names: Vec<&str> = ordered(a.facts.iter().chain(&b.facts).map(|(name, _)| *name));
    let fact = |side: &Side, name: &str| {
        side.facts.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone())
    };
    for name in names {
        rows.push(RowReport::texts("fact", name, fact(a, name).as_deref(), fact(b, name).as_deref()));
    }
    for name in keys(&a.metrics, &b.metrics) {
        let of = |side: &Side| side.metrics.get(name).copied();
        rows.push(RowReport::numbers("metric", name, of(a), of(b)));
    }
    for (part, a, b) in
        [("param", &a.params, &b.params), ("run tag", &a.run_tags, &b.run_tags), ("tag", &a.tags, &b.tags)]
    {
        for name in keys(a, b) {
            rows.push(RowReport::texts(
                part,
                name,
                a.get(name).map(String::as_str),
                b.get(name).map(String::as_str),
            ));
        }
    }
    rows.retain(|row| all || row.part == "metric" || row.differs());
    rows
}

/// The rows as a table below the titles of the versions.
pub(crate) fn rows_text(titles: [&str; 2], rows: &[RowReport], width: Option<usize>) -> String {
    let mut table = Table::new("");
    for title in titles {
        table.heading(title);
    }
    table.heading("difference");
    for row in rows {
        table.row(format!("{} {}", row.part, printable(&row.name)));
        table.cell(cell(&row.a));
        table.cell(cell(&row.b));
        table.cell(row.difference.map_or_else(String::new, signed));
    }
    if table.is_empty() { String::new() } else { table.text(width) }
}

/// What evaluations measured, as a table for each dataset.
pub(crate) fn measured_text(titles: [&str; 2], measured: &[MeasuredReport], width: Option<usize>) -> String {
    let mut text = String::new();
    for dataset in ordered(measured.iter().map(|one| one.dataset.as_str())) {
        let mut table = Table::new(format!("evaluation on {}", printable(dataset)));
        for title in titles {
            table.heading(title);
        }
        table.heading("difference");
        for one in measured.iter().filter(|one| one.dataset == dataset) {
            table.row(printable(&one.metric));
            table.cell(one.a.map_or_else(|| "-".to_owned(), |figure| figure.text()));
            table.cell(one.b.map_or_else(|| "-".to_owned(), |figure| figure.text()));
            let difference = one.difference.map(|figure| figure.difference_text(one.direction));
            table.cell(difference.unwrap_or_default());
        }
        text += &table.text(width);
    }
    text
}

/// The bounds of an interval.
pub(crate) fn bounds(interval: Option<&IntervalRecord>) -> Option<(f64, f64)> {
    interval.map(|interval| (interval.low, interval.high))
}

/// The name of a direction.
pub(crate) fn direction(direction: Direction) -> &'static str {
    match direction {
        Direction::Higher => "higher",
        Direction::Lower => "lower",
    }
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => excerpt(text, CELL_CHARS),
        other => other.to_string(),
    }
}

fn keys<'a, T>(a: &'a BTreeMap<String, T>, b: &'a BTreeMap<String, T>) -> BTreeSet<&'a String> {
    a.keys().chain(b.keys()).collect()
}

/// The names without repetitions, in the order in which they come first.
fn ordered<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut seen = BTreeSet::new();
    names.filter(|name| seen.insert(*name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(title: &str, auc: f64, leaves: &str, facts: Vec<(&'static str, String)>) -> Side {
        Side {
            title: title.to_owned(),
            metrics: [("auc".to_owned(), auc)].into(),
            params: [("num_leaves".to_owned(), leaves.to_owned()), ("seed".to_owned(), "1".to_owned())]
                .into(),
            facts,
            ..Side::default()
        }
    }

    #[test]
    fn metrics_are_shown_and_of_the_others_what_differs() {
        let a = side("version 1", 0.9, "31", vec![("iterations", "100".to_owned())]);
        let b = side("version 2", 0.92, "15", Vec::new());
        let differing = rows(&a, &b, false);
        let shown = |rows: &[RowReport]| rows.iter().map(|row| row.name.clone()).collect::<Vec<_>>();
        assert_eq!(shown(&differing), ["iterations", "auc", "num_leaves"]);
        assert_eq!(shown(&rows(&a, &b, true)), ["iterations", "auc", "num_leaves", "seed"]);
        insta::assert_snapshot!(rows_text([&a.title, &b.title], &differing, Some(80)), @r"
                          version 1  version 2  difference
        fact iterations   100        -
        metric auc        0.9        0.92       +0.02000
        param num_leaves  31         15
        ");
        assert_eq!(rows_text(["a", "b"], &[], None), "");
    }

    #[test]
    fn an_interval_beside_zero_says_which_is_better() {
        let figure = |value, low, high| FigureReport::new(value, Some((low, high)));
        assert_eq!(figure(0.02, 0.01, 0.03).difference_text("higher"), "+0.02000 [0.01000, 0.03000] better");
        assert_eq!(figure(0.02, 0.01, 0.03).difference_text("lower"), "+0.02000 [0.01000, 0.03000] worse");
        assert_eq!(figure(-0.02, -0.03, 0.01).difference_text("lower"), "-0.02000 [-0.03000, 0.01000]");
        assert_eq!(FigureReport::new(f64::NAN, None).text(), "-");
    }

    #[test]
    fn foreign_names_and_values_stay_in_their_cells() {
        let hostile = "x\nforged\u{202e}";
        let a = side(hostile, 0.1, hostile, Vec::new());
        let text = rows_text(["a", "b"], &rows(&a, &Side::default(), true), None);
        assert!(text.lines().all(|line| !line.starts_with("forged")), "{text}");
        assert!(!text.contains('\u{202e}'));
    }
}
