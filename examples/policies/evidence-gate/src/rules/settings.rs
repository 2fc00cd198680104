//! The settings, declared and read.

use example_common::contract::{Context, PolicyError, Setting, SettingKind};
use example_common::{declare, given, optional, parsed, parsed_if_given, setting, texts, unusable};

/// What the settings ask for.
pub struct Settings<'a> {
    /// The metric that must be better.
    pub goal: &'a str,
    /// The lower bound of its gain must be above this.
    pub superior_by: f64,
    /// The metrics that must not be worse than tolerated.
    pub guards: Vec<Guard<'a>>,
    /// How much worse the goal may be in a segment.
    pub goal_tolerance: f64,
    /// How the goal is judged in segments; none if segments are not judged.
    pub segments: Option<SegmentRule>,
    /// Columns that the evaluation must have segments of.
    pub segment_columns: Vec<&'a str>,
    /// Whether a segment that cannot be judged is left out.
    pub skips_weak_segments: bool,
    /// The least rows of a dataset.
    pub min_rows: u64,
    /// The least rows of a segment.
    pub min_segment_rows: u64,
    /// The greatest age of an evaluation, in milliseconds.
    pub max_age: u64,
    /// The datasets that must be among the evaluations, and that count.
    pub datasets: Vec<Dataset<'a>>,
    /// The column with the labels that evaluations must have used.
    pub label: Option<&'a str>,
    /// The column with the weights that evaluations must have used; empty for none.
    pub weight: Option<&'a str>,
    /// The greatest population stability index.
    pub max_psi: Option<f64>,
    /// By how much the calibration error may grow.
    pub max_ece_increase: Option<f64>,
    /// The least confidence level of the intervals.
    pub min_confidence: f64,
    /// Whether only what this host measured in the same command counts.
    pub first_hand: bool,
    /// Whether an interval that may turn out either way is a rejection.
    pub inconclusive_rejects: bool,
}

/// A metric that must not be worse.
pub struct Guard<'a> {
    /// The metric.
    pub metric: &'a str,
    /// How much worse it may be, by the bound of the interval.
    pub tolerance: f64,
    /// The same in a segment.
    pub segment_tolerance: f64,
}

/// What the goal must be in each segment.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum SegmentRule {
    /// Better, as on all rows.
    Superior,
    /// Not worse than tolerated.
    NonInferior,
}

/// A dataset that the settings name, by its name, its digest or both.
pub struct Dataset<'a> {
    /// The name.
    pub name: Option<&'a str>,
    /// The digest, as in MLflow's record of the dataset.
    pub digest: Option<&'a str>,
}

pub fn settings() -> Vec<Setting> {
    let choice = |names: [&str; 2]| SettingKind::Choice(names.map(str::to_owned).to_vec());
    let segment_rules = ["superior", "non-inferior", "off"].map(str::to_owned).to_vec();
    vec![
        declare("goal", SettingKind::Text, None, "the metric that must be better, such as `auc`"),
        declare(
            "superior-by",
            SettingKind::Number,
            Some("0"),
            "the bound of the goal's interval must show a gain above this",
        ),
        optional(
            "guards",
            SettingKind::Texts,
            "metrics that must not be worse, such as `brier`, or `log_loss:0.002` with a tolerance of its own",
        ),
        declare(
            "tolerance",
            SettingKind::Number,
            Some("0"),
            "how much worse a guard metric may be, by the bound of its interval",
        ),
        declare(
            "segments",
            SettingKind::Choice(segment_rules),
            Some("non-inferior"),
            "what the goal must be in each segment; guard metrics must hold there too; `off` judges all rows only",
        ),
        optional(
            "segment-tolerance",
            SettingKind::Number,
            "how much worse the goal and the guard metrics may be in a segment; without it, as on all rows",
        ),
        optional("segment-columns", SettingKind::Texts, "columns that the evaluation must have segments of"),
        declare(
            "weak-segments",
            choice(["hold", "skip"]),
            Some("hold"),
            "what becomes of a segment with few rows, or whose rows do not define a metric",
        ),
        declare("min-rows", SettingKind::Integer, Some("1000"), "the least rows of a dataset"),
        declare("min-segment-rows", SettingKind::Integer, Some("100"), "the least rows of a segment"),
        declare("max-age", SettingKind::Duration, Some("30d"), "the greatest age of an evaluation"),
        optional(
            "datasets",
            SettingKind::Texts,
            "datasets that must be evaluated, each `NAME`, `NAME@DIGEST` or `@DIGEST`; without it, each on labelled rows counts",
        ),
        optional("label", SettingKind::Text, "the column with the labels that evaluations must have used"),
        optional(
            "weight",
            SettingKind::Text,
            "the column with the weights that evaluations must have used; `--set weight=` allows none",
        ),
        optional(
            "max-psi",
            SettingKind::Number,
            "the greatest population stability index of the scores against the champion's",
        ),
        optional(
            "max-ece-increase",
            SettingKind::Number,
            "by how much the expected calibration error may grow; it has no interval",
        ),
        declare(
            "min-confidence",
            SettingKind::Number,
            Some("0.95"),
            "the least confidence level of the intervals",
        ),
        declare(
            "first-hand",
            SettingKind::Boolean,
            Some("false"),
            "whether only evaluations count that this host measured in the same command",
        ),
        declare(
            "inconclusive",
            choice(["hold", "reject"]),
            Some("hold"),
            "the verdict if an interval may turn out either way with more rows",
        ),
    ]
}

impl<'a> Settings<'a> {
    pub fn read(context: &'a Context) -> Result<Self, PolicyError> {
        let tolerance = at_least_0(context, "tolerance")?;
        let segment_tolerance = at_least_0_if_given(context, "segment-tolerance")?;
        let min_confidence: f64 = parsed(context, "min-confidence")?;
        if min_confidence <= 0.0 || min_confidence >= 1.0 {
            return Err(unusable("min-confidence", setting(context, "min-confidence")?));
        }
        Ok(Self {
            goal: setting(context, "goal")?,
            superior_by: at_least_0(context, "superior-by")?,
            guards: texts(context, "guards")
                .map(|text| Guard::parse(text, tolerance, segment_tolerance))
                .collect::<Result<_, _>>()?,
            goal_tolerance: segment_tolerance.unwrap_or(tolerance),
            segments: match setting(context, "segments")? {
                "superior" => Some(SegmentRule::Superior),
                "non-inferior" => Some(SegmentRule::NonInferior),
                _ => None,
            },
            segment_columns: texts(context, "segment-columns").collect(),
            skips_weak_segments: setting(context, "weak-segments")? == "skip",
            min_rows: parsed(context, "min-rows")?,
            min_segment_rows: parsed(context, "min-segment-rows")?,
            max_age: parsed(context, "max-age")?,
            datasets: texts(context, "datasets").map(Dataset::parse).collect::<Result<_, _>>()?,
            label: given(context, "label"),
            weight: given(context, "weight"),
            max_psi: at_least_0_if_given(context, "max-psi")?,
            max_ece_increase: at_least_0_if_given(context, "max-ece-increase")?,
            min_confidence,
            first_hand: setting(context, "first-hand")? == "true",
            inconclusive_rejects: setting(context, "inconclusive")? == "reject",
        })
    }
}

impl<'a> Guard<'a> {
    fn parse(text: &'a str, tolerance: f64, segment_tolerance: Option<f64>) -> Result<Self, PolicyError> {
        let (metric, tolerance) = match text.rsplit_once(':') {
            None => (text, tolerance),
            Some((metric, own)) => {
                let own = own.trim().parse().ok().filter(|own: &f64| own.is_finite() && *own >= 0.0);
                (metric.trim(), own.ok_or_else(|| unusable("guards", text))?)
            }
        };
        if metric.is_empty() {
            return Err(unusable("guards", text));
        }
        Ok(Self { metric, tolerance, segment_tolerance: segment_tolerance.unwrap_or(tolerance) })
    }
}

impl<'a> Dataset<'a> {
    fn parse(text: &'a str) -> Result<Self, PolicyError> {
        let (name, digest) = match text.split_once('@') {
            Some((_, "")) => return Err(unusable("datasets", text)),
            Some((name, digest)) => (name, Some(digest)),
            None => (text, None),
        };
        Ok(Self { name: Some(name).filter(|name| !name.is_empty()), digest })
    }
}

fn at_least_0(context: &Context, key: &str) -> Result<f64, PolicyError> {
    at_least_0_if_given(context, key)?.ok_or_else(|| unusable(key, ""))
}

fn at_least_0_if_given(context: &Context, key: &str) -> Result<Option<f64>, PolicyError> {
    let value: Option<f64> = parsed_if_given(context, key)?;
    match value.filter(|value| *value < 0.0) {
        Some(negative) => Err(unusable(key, &negative.to_string())),
        None => Ok(value),
    }
}
