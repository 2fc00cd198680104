//! A single change of the evidence, with the values to try.

use std::fmt;

use serde::Serialize;

use super::scale::Scale;
use hydra_base::names::Version;
use hydra_policy::{Input, ModelVersion};

/// What a change is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ChangeKind {
    /// An approval of the target, given or withdrawn.
    Approval,
    /// A setting of the policy.
    Setting,
    /// The time of the decision.
    Time,
    /// The age of a version or of an evaluation, or since when the champion has been champion.
    Age,
    /// A metric that a run reports itself.
    Metric,
    /// A figure that was measured on one version.
    Measurement,
    /// The difference of two versions.
    Difference,
    /// A bound of an interval.
    Bound,
    /// How far two versions agree.
    Agreement,
    /// A number of rows.
    Rows,
    /// Whether an evaluation was measured in the command that decides.
    Origin,
}

/// What has to move with a change, so that the evidence stays consistent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Moved {
    /// What moves.
    pub what: String,
    /// Its present value.
    pub from: String,
    /// Its value with the change.
    pub to: String,
}

/// Changes an input, and says what else it moved.
pub(super) type Apply = Box<dyn Fn(&mut Input, f64) -> Vec<Moved> + Send + Sync>;

/// [`Apply`] for a single value.
pub(super) type ApplyChoice = Box<dyn Fn(&mut Input) -> Vec<Moved> + Send + Sync>;

/// One thing that can change.
pub(super) struct Change {
    pub kind: ChangeKind,
    pub what: String,
    /// The present value; none for what is absent.
    pub from: Option<String>,
    pub values: Values,
}

/// The values that it can have.
pub(super) enum Values {
    /// Numbers.
    Range(Range),
    /// Single values.
    Choices(Vec<Choice>),
}

/// Numbers from `low` to `high`.
pub(super) struct Range {
    pub scale: Scale,
    /// The present value; none for what is absent or not a number.
    pub base: Option<f64>,
    pub low: f64,
    pub high: f64,
    /// Values of other evidence that a rule may compare with.
    pub landmarks: Vec<f64>,
    pub apply: Apply,
}

/// A single value.
pub(super) struct Choice {
    pub to: String,
    pub apply: ApplyChoice,
}

impl Change {
    /// A number that changes; `base` is NaN for what has no value.
    pub(super) fn range(kind: ChangeKind, what: impl Into<String>, range: Range) -> Self {
        let from = range.base.map(|base| range.scale.show(base));
        let base = range.base.filter(|base| base.is_finite());
        let low = range.low.min(base.unwrap_or(range.low));
        let high = range.high.max(base.unwrap_or(range.high)).max(low);
        Self { kind, what: what.into(), from, values: Values::Range(Range { base, low, high, ..range }) }
    }
}

impl Moved {
    pub(super) fn new(what: impl Into<String>, from: impl fmt::Display, to: impl fmt::Display) -> Self {
        Self { what: what.into(), from: from.to_string(), to: to.to_string() }
    }
}

impl fmt::Display for ChangeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Approval => "approval",
            Self::Setting => "setting",
            Self::Time => "time",
            Self::Age => "age",
            Self::Metric => "metric",
            Self::Measurement => "measurement",
            Self::Difference => "difference",
            Self::Bound => "bound",
            Self::Agreement => "agreement",
            Self::Rows => "rows",
            Self::Origin => "origin",
        })
    }
}

/// The versions that the decision is about: the target and the champion, or for a rollback without a target the archived
/// version and the champion.
pub(super) fn subjects(input: &Input) -> Vec<&ModelVersion> {
    let context = input.context();
    let first = input.target().or(context.archived.as_ref());
    let mut subjects: Vec<&ModelVersion> = first.into_iter().chain(&context.champion).collect();
    subjects.dedup_by_key(|version| version.version);
    subjects
}

/// Changes a version wherever it is in the evidence.
pub(super) fn with_version(input: &mut Input, version: Version, mut change: impl FnMut(&mut ModelVersion)) {
    input.versions_mut().filter(|found| found.version == version).for_each(&mut change);
}
