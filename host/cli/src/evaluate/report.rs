//! What `evaluate` prints.

use schemars::JsonSchema;
use serde::Serialize;

use crate::printer::View;
use crate::report::schema;
use crate::report::{bounds, figure, number};
use crate::table::Table;
use hydra_base::Sha256;
use hydra_base::names::ModelName;
use hydra_base::text::{excerpt, printable};
use hydra_evaluation::{
    AgreementRecord, ComparisonRecord, Direction, Evaluation, MeasurementRecord, SegmentRecord, VersionId,
};
use hydra_registry::RecordedEvaluation;

/// The most characters of a path, a column or a value in a heading.
const TITLE_CHARS: usize = 35;

/// `evaluate`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct EvaluationReport {
    /// `hydra-registry/evaluation/1`.
    pub schema: &'static str,
    /// The registered model; none if only model files were measured.
    pub model: Option<String>,
    /// The SHA-256 of the evaluation's canonical JSON.
    #[schemars(with = "String")]
    pub sha256: Sha256,
    /// The evaluation.
    #[schemars(with = "schema::EvaluationDocument")]
    pub evaluation: Evaluation,
    /// Where it is recorded; none if it is not.
    pub recorded: Option<RecordedReport>,
}

/// Where an evaluation is recorded.
#[derive(Debug, Serialize, JsonSchema)]
pub struct RecordedReport {
    /// The run.
    pub run_id: String,
    /// The artifact URI of the document.
    pub uri: String,
}

impl EvaluationReport {
    /// What was measured of versions of `model`.
    pub fn new(model: Option<&ModelName>, evaluation: Evaluation) -> hydra_base::Result<Self> {
        Ok(Self {
            schema: "hydra-registry/evaluation/1",
            model: model.map(ToString::to_string),
            sha256: Sha256::of(&evaluation.to_json()?),
            evaluation,
            recorded: None,
        })
    }

    /// Adds where the evaluation is recorded.
    #[must_use]
    pub fn recorded(mut self, recorded: Option<&RecordedEvaluation>) -> Self {
        self.recorded = recorded.map(|recorded| RecordedReport {
            run_id: recorded.run_id.to_string(),
            uri: recorded.uri.clone(),
        });
        self
    }

    /// For people: a table for all rows and for each segment, with the versions as columns.
    #[must_use]
    pub fn text(&self, view: &View) -> String {
        let Evaluation { dataset, versions, segments, agreements, .. } = &self.evaluation;
        let mut text = format!("evaluation on {}: {} rows\n", dataset.name, dataset.rows);
        text += &format!("  digest    {}\n", dataset.digest);
        if versions.len() > 1 {
            text += &format!("  baseline  {}\n", title(&self.evaluation.baseline));
        }
        for segment in std::iter::once(None).chain((0..segments.len() as u32).map(Some)) {
            text += "\n";
            text += &self.segment(segment, view);
            for agreement in agreements.iter().filter(|one| one.segment == segment) {
                text += &agreement_line(agreement);
            }
        }
        if let Some(recorded) = &self.recorded {
            text += &format!("\nrecorded in run {}\n", recorded.run_id);
        }
        text
    }

    /// The table of a segment, or of all rows.
    fn segment(&self, segment: Option<u32>, view: &View) -> String {
        let Evaluation { versions, measurements, comparisons, baseline, .. } = &self.evaluation;
        let inside: Vec<&MeasurementRecord> =
            measurements.iter().filter(|one| one.segment == segment).collect();
        let mut table = Table::new(self.segment_title(segment));
        let others = || versions.iter().map(|one| &one.version).filter(|version| *version != baseline);
        let columns = [baseline].into_iter().chain(others());
        columns.clone().for_each(|version| table.heading(title(version)));
        others().for_each(|version| table.heading(format!("{} - baseline", title(version))));
        for first in inside.iter().filter(|one| one.version == *baseline) {
            table.row(first.metric.clone());
            for version in columns.clone() {
                let of_version =
                    |one: &&&MeasurementRecord| one.version == *version && one.metric == first.metric;
                let found = inside.iter().find(of_version);
                table.cell(
                    found.map_or_else(String::new, |one| figure(one.value, bounds(one.interval.as_ref()))),
                );
            }
            for version in others() {
                let compared = comparisons.iter().find(|one| {
                    one.challenger == *version && one.metric == first.metric && one.segment == segment
                });
                table.cell(compared.map_or_else(String::new, difference));
            }
        }
        table.text(view.width)
    }

    /// The name of a segment, and its number of rows.
    fn segment_title(&self, segment: Option<u32>) -> String {
        let found = segment.and_then(|index| self.evaluation.segments.get(index as usize));
        let Some(SegmentRecord { column, value, rows, .. }) = found else {
            return format!("all rows ({})", self.evaluation.dataset.rows);
        };
        let column = excerpt(column, TITLE_CHARS);
        match value.as_deref() {
            None => format!("{column}: rare values ({rows})"),
            Some("") => format!("{column}: no value ({rows})"),
            Some(value) => format!("{column}={} ({rows})", excerpt(value, TITLE_CHARS)),
        }
    }
}

fn title(version: &VersionId) -> String {
    match version {
        VersionId::Registered(version) => format!("version {version}"),
        VersionId::File(path) => {
            let path = printable(path);
            let cut = path.chars().count().saturating_sub(TITLE_CHARS);
            if cut == 0 { path } else { "…".to_owned() + &path.chars().skip(cut).collect::<String>() }
        }
        other => printable(&other.to_string()),
    }
}

/// A difference with its interval, and which version is better if the interval excludes 0.
fn difference(comparison: &ComparisonRecord) -> String {
    let text = figure(comparison.difference, bounds(comparison.interval.as_ref()));
    let sign = if comparison.difference > 0.0 { "+" } else { "" };
    let Some(interval) = &comparison.interval else { return sign.to_owned() + &text };
    let mark = match (comparison.direction, interval.low > 0.0, interval.high < 0.0) {
        (Direction::Higher, true, _) | (Direction::Lower, _, true) => " better",
        (Direction::Lower, true, _) | (Direction::Higher, _, true) => " worse",
        _ => "",
    };
    format!("{sign}{text}{mark}")
}

fn agreement_line(agreement: &AgreementRecord) -> String {
    let share = |share: f64| format!("{:.2} %", 100.0 * share);
    let labels = if agreement.label_changes.is_nan() {
        String::new()
    } else {
        format!(", other labels {}", share(agreement.label_changes))
    };
    format!(
        "  agreement of {} with {}: equal scores {}{labels}, mean |difference| {}, PSI {}, KS {}\n",
        title(&agreement.challenger),
        title(&agreement.baseline),
        share(agreement.equal),
        number(agreement.mean_difference),
        number(agreement.psi),
        number(agreement.ks)
    )
}
