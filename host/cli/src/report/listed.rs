//! The JSON forms of `list`, and their text for people.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::{VersionReport, json_number, number};
use crate::printer::View;
use crate::table::Table;
use crate::versions::Listed;
use hydra_base::text::printable;
use hydra_lifecycle::evaluations::EVALUATION_TAG;

/// One version of `list` with `--metrics`, `--sort` or `--where`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ListedReport {
    /// The version, as without these options.
    #[serde(flatten)]
    pub version: VersionReport,
    /// The metrics that were named; none for those that the version lacks.
    #[schemars(with = "BTreeMap<String, Option<hydra_policy::Float>>")]
    pub metrics: BTreeMap<String, serde_json::Value>,
    /// The names of the datasets on which the version was evaluated.
    pub evaluations: Vec<String>,
    #[serde(skip)]
    pub(crate) figures: Vec<Option<f64>>,
}

impl ListedReport {
    /// A version with these metrics.
    pub(crate) fn new(listed: Listed, columns: &[String]) -> Self {
        let figures: Vec<Option<f64>> = columns.iter().map(|name| listed.metric(name)).collect();
        let value = |figure: &Option<f64>| figure.map_or(serde_json::Value::Null, json_number);
        let tags = listed.info.tags.keys().filter_map(|key| key.strip_prefix(EVALUATION_TAG));
        Self {
            metrics: columns.iter().cloned().zip(figures.iter().map(value)).collect(),
            evaluations: tags.map(str::to_owned).collect(),
            version: VersionReport::from(listed.info),
            figures,
        }
    }

    /// For people: all versions in a table.
    pub(crate) fn table(reports: &[Self], columns: &[String], view: &View) -> String {
        let mut table = Table::new("version");
        table.heading("created");
        for column in columns {
            table.number_heading(printable(column));
        }
        table.heading("aliases");
        table.heading("evaluations");
        for report in reports {
            let version = &report.version;
            let mark = if version.quarantine.is_some() { " (in quarantine)" } else { "" };
            table.row(format!("{}{mark}", version.version));
            table.cell(view.time(&version.created_at));
            for figure in &report.figures {
                table.cell(figure.map_or_else(|| "-".to_owned(), number));
            }
            table.cell(printable(&version.aliases.join(", ")));
            table.cell(printable(&report.evaluations.join(", ")));
        }
        table.text(view.width)
    }
}
