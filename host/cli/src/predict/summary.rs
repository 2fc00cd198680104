//! What `predict` read and wrote: as a report, and as lines for people.

use std::fmt::Write as _;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use super::Origin;
use hydra_base::names::Version;
use hydra_base::text::{QUOTED_CHARS, excerpt, listed};
use hydra_tables::ScoringSummary;

/// The most columns with unknown categories that a line names; the report has all.
const COLUMNS_LISTED: usize = 10;

/// The report of `predict --report`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct PredictionReport {
    /// `hydra-registry/prediction/1`.
    pub schema: &'static str,
    /// The inputs as they were named, without credentials.
    pub inputs: Vec<String>,
    /// How many files were read.
    pub files: u64,
    /// How many rows were scored.
    pub rows: u64,
    /// The registered model; none for a model file.
    pub model: Option<String>,
    /// The version of the registered model.
    #[schemars(with = "Option<u64>")]
    pub version: Option<Version>,
    /// The model file; none for a registered model.
    pub model_file: Option<String>,
    /// What the predictions are: `probability`, `label`, `value`, `scores`, `leaf` or `contribution`.
    pub output: &'static str,
    /// The file that was written; none for stdout.
    pub out: Option<String>,
    /// The features of the model, in its order.
    pub columns: Vec<ColumnReport>,
    /// The columns of the first file that were neither features nor kept.
    pub ignored: Vec<String>,
    /// How long reading, scoring and writing took, in seconds.
    pub seconds: f64,
    /// Rows per second.
    pub rows_per_second: f64,
}

/// What a feature's column has.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ColumnReport {
    /// The feature.
    pub name: String,
    /// How many values are missing.
    pub missing: u64,
    /// How many values are categories that the model does not know.
    pub unseen: u64,
    /// Up to five of these categories.
    pub examples: Vec<String>,
}

impl PredictionReport {
    /// The report of what was read, which took so long.
    pub(super) fn new(
        origin: &Origin,
        output: &'static str,
        inputs: Vec<String>,
        out: Option<String>,
        summary: ScoringSummary,
        taken: Duration,
    ) -> Self {
        let (model, version, model_file) = match origin {
            Origin::Registered(model, version) => (Some(model.to_string()), Some(*version), None),
            Origin::File(path) => (None, None, Some(path.display().to_string())),
        };
        let columns = summary.columns.into_iter().map(|(name, found)| ColumnReport {
            name,
            missing: found.missing,
            unseen: found.unseen,
            examples: found.examples,
        });
        let seconds = taken.as_secs_f64();
        Self {
            schema: "hydra-registry/prediction/1",
            inputs,
            files: summary.files,
            rows: summary.rows,
            model,
            version,
            model_file,
            output,
            out,
            columns: columns.collect(),
            ignored: summary.ignored,
            seconds,
            rows_per_second: summary.rows as f64 / seconds.max(1e-9),
        }
    }

    /// For people: what is missing and unknown, then how much was done.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let name = |column: &ColumnReport| excerpt(&column.name, QUOTED_CHARS);
        let missing = self.columns.iter().filter(|column| column.missing > 0);
        let missing: Vec<String> =
            missing.map(|column| format!("{} {}", name(column), column.missing)).collect();
        if !missing.is_empty() {
            lines.push(format!("missing values: {}", listed(&missing)));
        }
        let unseen = self.columns.iter().filter(|column| column.unseen > 0);
        let unseen: Vec<String> = unseen
            .map(|column| {
                let examples: Vec<String> = column
                    .examples
                    .iter()
                    .map(|example| format!("`{}`", excerpt(example, QUOTED_CHARS)))
                    .collect();
                format!("{} {} ({})", name(column), column.unseen, examples.join(", "))
            })
            .collect();
        if !unseen.is_empty() {
            // Not `text::listed`, which would cut the examples.
            let (first, rest) = unseen.split_at(unseen.len().min(COLUMNS_LISTED));
            let more =
                if rest.is_empty() { String::new() } else { format!(" and {} more columns", rest.len()) };
            lines.push(format!("unknown categories: {}{more}", first.join("; ")));
        }
        let mut done = format!("scored {} rows", self.rows);
        // Writing to a string cannot fail.
        if self.files > 1 {
            let _ = write!(done, " of {} files", self.files);
        }
        let _ = write!(done, " in {:.2} s ({:.0} rows per second)", self.seconds, self.rows_per_second);
        lines.push(done);
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_see_what_is_missing_and_unknown() {
        let column = |name: &str, missing, unseen, examples: &[&str]| ColumnReport {
            name: name.to_owned(),
            missing,
            unseen,
            examples: examples.iter().map(ToString::to_string).collect(),
        };
        let mut report = PredictionReport {
            schema: "",
            inputs: Vec::new(),
            files: 1,
            rows: 1000,
            model: None,
            version: None,
            model_file: None,
            output: "value",
            out: None,
            columns: vec![column("a", 0, 0, &[]), column("b\u{1b}", 7, 0, &[])],
            ignored: Vec::new(),
            seconds: 0.5,
            rows_per_second: 2000.0,
        };
        let done = "scored 1000 rows in 0.50 s (2000 rows per second)";
        assert_eq!(report.lines(), ["missing values: b\u{fffd} 7", done]);
        report.columns = (0..12).map(|number| column(&number.to_string(), 0, 1, &["x"])).collect();
        assert!(report.lines()[0].ends_with("9 1 (`x`) and 2 more columns"), "{:?}", report.lines());
        report.columns = vec![column("city", 1, 3, &["Bonn", "x\n"]), column("tier", 0, 1, &["9"])];
        report.files = 2;
        assert_eq!(
            report.lines(),
            [
                "missing values: city 1",
                "unknown categories: city 3 (`Bonn`, `x\u{fffd}`); tier 1 (`9`)",
                "scored 1000 rows of 2 files in 0.50 s (2000 rows per second)",
            ]
        );
    }
}
