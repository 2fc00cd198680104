//! Compares the metrics of candidate and champion: those that evaluations measured on the same rows, or else those that the runs
//! reported.

use example_common::contract::{
    Context, Evaluation, EvaluationKind, ModelVersion, PolicyError, Setting, SettingKind, Verdict,
};
use example_common::evaluations::{self, Bar, Finding, Rows, overall};
use example_common::words::{Excerpt, Figure, Reasons};
use example_common::{approve, declare, metric, optional, parsed, setting, take_over, texts};

/// A metric and its better direction in what runs report. Evaluations state the direction of theirs.
struct Gate<'a> {
    metric: &'a str,
    larger_is_better: bool,
}

/// What a metric must reach.
struct Wanted<'a> {
    gate: Gate<'a>,
    bar: Bar,
    part: Part,
}

/// The part of a metric in the decision.
enum Part {
    /// The candidate must be better.
    Goal,
    /// The candidate must not be worse than tolerated.
    Guard,
}

/// What the decision may use.
struct Evidence<'a> {
    target: &'a ModelVersion,
    evaluations: Vec<&'a Evaluation>,
    /// A dataset on which the target was measured, and whose evaluation the host did not pass: it lacks the champion, or is
    /// missing or altered. What the runs reported must not take its place.
    left_out: Option<&'a str>,
    self_reported: bool,
}

/// What the keys of the tags of measured versions start with; the name of the dataset follows.
const EVALUATION_TAG: &str = "hydra.evaluation.";

pub fn settings() -> Vec<Setting> {
    vec![
        declare(
            "metric",
            SettingKind::Text,
            None,
            "the metric to beat, `name` or `name:min` where less is better",
        ),
        declare("margin", SettingKind::Number, Some("0"), "by how much the candidate must be better"),
        declare("guards", SettingKind::Texts, Some(""), "metrics that must not get worse"),
        declare("tolerance", SettingKind::Number, Some("0"), "by how much a guard metric may be worse"),
        optional(
            "datasets",
            SettingKind::Texts,
            "the datasets whose evaluations count; without it, all on labelled rows",
        ),
        declare(
            "self-reported",
            SettingKind::Boolean,
            Some("true"),
            "whether a metric counts as the runs reported it where the candidate has no evaluation; with one that lacks the champion, never",
        ),
    ]
}

pub fn promotion(target: &ModelVersion, context: &Context) -> Result<Verdict, PolicyError> {
    let goal = Gate::parse(setting(context, "metric")?);
    let margin: f64 = parsed(context, "margin")?;
    let tolerance: f64 = parsed(context, "tolerance")?;
    let evidence = Evidence::of(target, context)?;

    let Some(champion) = &context.champion else {
        return Ok(match evidence.value(&goal) {
            Some(shown) => {
                let explanation = format!("there is no champion to beat; {shown}");
                approve(take_over(target, context), explanation)
            }
            None => evidence.missing(&goal, target),
        });
    };
    let bar = if margin > 0.0 { Bar::From(margin) } else { Bar::Above(0.0) };
    let goal = Wanted { gate: goal, bar, part: Part::Goal };
    let guards = texts(context, "guards").map(|text| Wanted {
        gate: Gate::parse(text),
        bar: Bar::From(-tolerance),
        part: Part::Guard,
    });
    let mut reasons = Reasons::default();
    for wanted in std::iter::once(goal).chain(guards) {
        if let Err(verdict) = evidence.judge(&wanted, champion, &mut reasons) {
            return Ok(verdict);
        }
    }
    Ok(approve(take_over(target, context), reasons.into_text()))
}

impl<'a> Evidence<'a> {
    fn of(target: &'a ModelVersion, context: &'a Context) -> Result<Self, PolicyError> {
        let names: Vec<&str> = texts(context, "datasets").collect();
        let counts = |evaluation: &&Evaluation| {
            if names.is_empty() {
                evaluation.kind == EvaluationKind::Holdout
            } else {
                names.contains(&evaluation.dataset.as_str())
            }
        };
        let left_out = target
            .tags
            .iter()
            .filter_map(|tag| tag.key.strip_prefix(EVALUATION_TAG))
            .filter(|name| names.is_empty() || names.contains(name))
            .find(|name| context.evaluations.iter().all(|evaluation| evaluation.dataset != **name));
        Ok(Self {
            target,
            evaluations: context.evaluations.iter().filter(counts).collect(),
            left_out,
            self_reported: setting(context, "self-reported")? == "true",
        })
    }

    /// The value of the target, with its source.
    fn value(&self, gate: &Gate<'_>) -> Option<String> {
        let name = Excerpt(gate.metric, 64);
        let measured = self.evaluations.iter().find_map(|evaluation| {
            let found = evaluations::metric(evaluation, gate.metric)?;
            Some((evaluations::value(found, self.target.version)?, Rows { evaluation, segment: None }))
        });
        match measured {
            Some((value, _)) if value.is_nan() => None,
            Some((value, rows)) => Some(format!("measured: {name} is {} {rows}", Figure(value))),
            None => {
                let value = self.reported(gate, self.target)?;
                Some(format!("self-reported: {name} is {}", Figure(value)))
            }
        }
    }

    /// Adds how a metric reaches its bar: in every evaluation that measured both versions, or else in what the runs reported. The
    /// error is the verdict if it does not.
    fn judge(
        &self,
        wanted: &Wanted<'_>,
        champion: &ModelVersion,
        reasons: &mut Reasons,
    ) -> Result<(), Verdict> {
        let Wanted { gate, bar, .. } = wanted;
        let mut measured = false;
        for evaluation in &self.evaluations {
            let rows = Rows { evaluation, segment: None };
            let Some(metric) = evaluations::metric(evaluation, gate.metric) else { continue };
            let Some(difference) = overall(metric, self.target.version, champion.version) else { continue };
            if difference.value.is_nan() {
                let name = Excerpt(gate.metric, 64);
                return Err(Verdict::Hold(format!("measured: {name} is not defined {rows}")));
            }
            let finding = Finding { metric, difference, bar: *bar, rows };
            if !bar.is_reached_by(difference.gain(metric.direction).value) {
                return Err(Verdict::Reject(format!("measured: {finding}")));
            }
            reasons.add(format_args!("measured: {finding}"));
            measured = true;
        }
        if measured { Ok(()) } else { self.judge_reported(wanted, champion, reasons) }
    }

    fn judge_reported(
        &self,
        Wanted { gate, bar, part }: &Wanted<'_>,
        champion: &ModelVersion,
        reasons: &mut Reasons,
    ) -> Result<(), Verdict> {
        let Some(value) = self.reported(gate, self.target) else {
            return Err(self.missing(gate, self.target));
        };
        let before = match (self.reported(gate, champion), part) {
            (Some(before), _) => before,
            (None, Part::Goal) => return Err(self.missing(gate, champion)),
            // Without a value of the champion there is nothing to compare.
            (None, Part::Guard) => return Ok(()),
        };
        let gain = gate.gain(value, before);
        let (Bar::Above(least) | Bar::From(least)) = *bar;
        let shown = Figure::beside(gain, least);
        let words = format!(
            "self-reported: {} is {}, the champion has {}",
            Excerpt(gate.metric, 64),
            Figure(value),
            Figure(before)
        );
        if bar.is_reached_by(gain) {
            reasons.add(format_args!("{words}: a gain of {shown}"));
            return Ok(());
        }
        Err(Verdict::Reject(match part {
            Part::Goal => format!("{words}: a gain of {shown}, {} is required", Figure(least)),
            Part::Guard => {
                format!("{words}: a loss of {}, {} is tolerated", Figure(-shown.0), Figure(-least))
            }
        }))
    }

    /// What the run of a version reported, where that counts.
    fn reported(&self, gate: &Gate<'_>, version: &ModelVersion) -> Option<f64> {
        gate.of(version).filter(|_| self.self_reported && self.left_out.is_none())
    }

    /// A missing value is not evidence against the candidate, so the policy holds.
    fn missing(&self, gate: &Gate<'_>, version: &ModelVersion) -> Verdict {
        let name = Excerpt(gate.metric, 64);
        if let Some(dataset) = self.left_out {
            return Verdict::Hold(format!(
                "version {} was measured on {}, but not together with the champion, or the evaluation is damaged: measure both \
                 in one evaluation to compare the metric {name}",
                self.target.version,
                Excerpt(dataset, 100)
            ));
        }
        let version = version.version;
        Verdict::Hold(if self.self_reported {
            format!("version {version} has no usable value of the metric {name}, measured or self-reported")
        } else {
            format!("no evaluation measured the metric {name} of version {version}")
        })
    }
}

impl<'a> Gate<'a> {
    fn parse(text: &'a str) -> Self {
        match text.rsplit_once(':') {
            Some((metric, "min")) => Self { metric, larger_is_better: false },
            Some((metric, "max")) => Self { metric, larger_is_better: true },
            _ => Self { metric: text, larger_is_better: true },
        }
    }

    /// The value if the run has one that is not NaN.
    fn of(&self, version: &ModelVersion) -> Option<f64> {
        metric(version, self.metric).filter(|value| !value.is_nan())
    }

    fn gain(&self, value: f64, than: f64) -> f64 {
        if self.larger_is_better { value - than } else { than - value }
    }
}

#[cfg(test)]
mod tests;
