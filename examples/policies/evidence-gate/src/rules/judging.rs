//! Judges one evaluation.

use std::fmt::{self, Display};

use example_common::contract::{Evaluation, MeasuredMetric, Segment};
use example_common::days_and_hours;
use example_common::evaluations::{
    Bar, Difference, Finding, Position, Rows, by_segment, metric, overall, value,
};
use example_common::words::{Excerpt, Figure};

use super::findings::Findings;
use super::settings::{SegmentRule, Settings};

/// How far in the future a clock that runs ahead may have put an evaluation, in milliseconds.
const CLOCKS: u64 = 5 * 60_000;

/// The metric of the expected calibration error.
const ECE: &str = "ece";

/// An evaluation, and the versions that it is about.
pub struct Judge<'a> {
    pub settings: &'a Settings<'a>,
    pub evaluation: &'a Evaluation,
    pub target: u64,
    pub champion: Option<u64>,
}

/// The name of a column in an explanation.
struct Column<'a>(&'a str);

impl Display for Column<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            "" => f.write_str("no column"),
            name => Excerpt(name, 48).fmt(f),
        }
    }
}

/// What a metric must reach.
struct Wanted<'a> {
    metric: &'a str,
    overall: Bar,
    in_segments: Bar,
}

impl<'a> Judge<'a> {
    /// Adds what the evaluation shows. The figures of one that cannot count are not judged.
    pub fn judge(&self, now: u64, findings: &mut Findings) {
        if self.object(now, findings) {
            return;
        }
        let Some(champion) = self.champion else {
            return self.judge_alone(findings);
        };
        let mut segments = self.segments(findings);
        for wanted in self.wanted() {
            match metric(self.evaluation, wanted.metric) {
                Some(found) => self.judge_metric(found, &wanted, champion, &mut segments, findings),
                None => findings.missing(self.not_measured(wanted.metric)),
            }
        }
        for segment in segments {
            match segment {
                Some(_) => findings.segment(),
                None => findings.left_out(),
            }
        }
        self.judge_psi(champion, findings);
        self.judge_calibration(champion, findings);
    }

    /// Adds why the evaluation cannot count, if anything speaks against it.
    fn object(&self, now: u64, findings: &mut Findings) -> bool {
        let Settings { min_rows, max_age, min_confidence, first_hand, label, weight, .. } = *self.settings;
        let evaluation = self.evaluation;
        let dataset = Excerpt(&evaluation.dataset, 100);
        let age = now.saturating_sub(evaluation.measured_at);
        let ahead = evaluation.measured_at.saturating_sub(now);
        let mut objects = false;
        let mut object = |objection: &dyn Display| {
            findings.missing(objection);
            objects = true;
        };
        if first_hand && !evaluation.first_hand {
            object(&format_args!(
                "the evaluation on {dataset} was recorded before, wanted one of this command"
            ));
        }
        // The digest of a dataset says which rows, not which of their columns were taken for what.
        for (what, wanted, found) in
            [("label", label, &evaluation.label), ("weight", weight, &evaluation.weight)]
        {
            let found = found.as_deref().unwrap_or_default();
            if let Some(wanted) = wanted.filter(|wanted| *wanted != found) {
                let (found, wanted) = (Column(found), Column(wanted));
                object(&format_args!("{dataset} was measured with {found} as {what}, wanted {wanted}"));
            }
        }
        if evaluation.rows < min_rows {
            object(&format_args!("{dataset} has {} rows, wanted at least {min_rows}", evaluation.rows));
        }
        if age > max_age {
            let (age, most) = (days_and_hours(age), days_and_hours(max_age));
            object(&format_args!("the evaluation on {dataset} is {age} old, wanted at most {most}"));
        }
        if ahead > CLOCKS {
            let ahead = days_and_hours(ahead);
            object(&format_args!("the evaluation on {dataset} is dated {ahead} ahead: check the clocks"));
        }
        if evaluation.confidence.is_nan() || evaluation.confidence < min_confidence {
            let found = Figure(evaluation.confidence);
            object(&format_args!(
                "the intervals on {dataset} have the confidence level {found}, wanted at least {min_confidence}"
            ));
        }
        objects
    }

    /// Without a champion there is nothing to compare: the goal must have been measured.
    fn judge_alone(&self, findings: &mut Findings) {
        let goal = self.settings.goal;
        let measured = metric(self.evaluation, goal).and_then(|metric| value(metric, self.target));
        match measured.filter(|value| !value.is_nan()) {
            Some(value) => {
                let (shown, goal, rows) = (Figure::beside(value, 0.0), Excerpt(goal, 64), self.rows(None));
                findings.met(format_args!("{goal} is {shown} {rows}"));
            }
            None => findings.missing(self.not_measured(goal)),
        }
    }

    /// The segments to judge, in the order of the evaluation; none for one that is left out.
    fn segments(&self, findings: &mut Findings) -> Vec<Option<&'a Segment>> {
        if self.settings.segments.is_none() {
            return Vec::new();
        }
        let evaluation = self.evaluation;
        for column in &self.settings.segment_columns {
            if !evaluation.segments.iter().any(|segment| segment.column == *column) {
                let column = Excerpt(column, 48);
                findings.missing(format_args!("there are no segments of {column} {}", self.rows(None)));
            }
        }
        let least = self.settings.min_segment_rows;
        let mut judged = Vec::with_capacity(evaluation.segments.len());
        for segment in &evaluation.segments {
            let weak = segment.rows < least;
            if weak && !self.settings.skips_weak_segments {
                let (count, rows) = (segment.rows, self.rows(Some(segment)));
                findings.missing(format_args!("{count} rows {rows}, wanted at least {least}"));
            }
            judged.push(Some(segment).filter(|_| !weak));
        }
        judged
    }

    fn wanted(&self) -> impl Iterator<Item = Wanted<'a>> {
        let settings = self.settings;
        let goal = Bar::Above(settings.superior_by);
        let goal = Wanted {
            metric: settings.goal,
            overall: goal,
            in_segments: match settings.segments {
                Some(SegmentRule::Superior) => goal,
                Some(SegmentRule::NonInferior) | None => Bar::From(-settings.goal_tolerance),
            },
        };
        let guards = settings.guards.iter().map(|guard| Wanted {
            metric: guard.metric,
            overall: Bar::From(-guard.tolerance),
            in_segments: Bar::From(-guard.segment_tolerance),
        });
        std::iter::once(goal).chain(guards)
    }

    fn judge_metric(
        &self,
        metric: &'a MeasuredMetric,
        wanted: &Wanted<'a>,
        champion: u64,
        segments: &mut [Option<&'a Segment>],
        findings: &mut Findings,
    ) {
        let all = self.rows(None);
        match overall(metric, self.target, champion) {
            Some(difference) => {
                self.place(Finding { metric, difference, bar: wanted.overall, rows: all }, findings);
            }
            None => findings.missing(self.not_measured(wanted.metric)),
        }
        let differences = by_segment(metric, self.target, champion, segments.len());
        for (slot, difference) in segments.iter_mut().zip(differences) {
            let Some(segment) = *slot else { continue };
            let rows = self.rows(Some(segment));
            let undefined = difference.is_some_and(|difference| difference.value.is_nan());
            match difference {
                Some(_) if undefined && self.settings.skips_weak_segments => *slot = None,
                Some(difference) => {
                    self.place(Finding { metric, difference, bar: wanted.in_segments, rows }, findings);
                }
                None => {
                    let name = Excerpt(&metric.name, 64);
                    findings.missing(format_args!("{name} was not compared {rows}"));
                }
            }
        }
    }

    /// Adds a difference to what speaks for or against the candidate, by the position of its interval. A difference in a segment
    /// that reaches its bar is not named.
    fn place(&self, finding: Finding<'_>, findings: &mut Findings) {
        let gain = finding.difference.gain(finding.metric.direction);
        match finding.bar.position(gain) {
            Some(Position::Over) if finding.rows.segment.is_none() => findings.met(finding),
            Some(Position::Over) => {}
            Some(Position::Under) => findings.against(finding),
            Some(Position::Across) if self.settings.inconclusive_rejects => findings.against(finding),
            Some(Position::Across) => findings.missing(finding),
            None => {
                let (name, rows) = (Excerpt(&finding.metric.name, 64), finding.rows);
                let what = if gain.value.is_nan() { "is not defined" } else { "has no paired interval" };
                findings.missing(format_args!("{name} {what} {rows}"));
            }
        }
    }

    fn judge_psi(&self, champion: u64, findings: &mut Findings) {
        let Some(most) = self.settings.max_psi else { return };
        let rows = self.rows(None);
        let agreement = self.evaluation.agreements.iter().find(|agreement| {
            (agreement.challenger, agreement.baseline, agreement.segment) == (self.target, champion, None)
        });
        let psi = agreement.and_then(|agreement| agreement.psi);
        match psi.filter(|psi| !psi.is_nan()) {
            Some(psi) => {
                let shown = Figure::beside(psi, most);
                let finding = format_args!("psi {shown} {rows}, wanted <= {}", Figure(most));
                if psi <= most { findings.met(finding) } else { findings.against(finding) }
            }
            None => findings.missing(self.not_measured("psi")),
        }
    }

    /// The calibration error has no interval, so its difference is compared.
    fn judge_calibration(&self, champion: u64, findings: &mut Findings) {
        let Some(increase) = self.settings.max_ece_increase else { return };
        let measured = metric(self.evaluation, ECE)
            .and_then(|metric| Some((metric, overall(metric, self.target, champion)?)))
            .filter(|(_, difference)| !difference.value.is_nan());
        let Some((metric, difference)) = measured else {
            return findings.missing(self.not_measured(ECE));
        };
        let difference = Difference { interval: None, ..difference };
        let finding = Finding { metric, difference, bar: Bar::From(-increase), rows: self.rows(None) };
        if finding.bar.is_reached_by(difference.gain(metric.direction).value) {
            findings.met(finding);
        } else {
            findings.against(finding);
        }
    }

    fn not_measured(&self, what: &str) -> String {
        let versions = self.champion.map_or_else(
            || format!("version {}", self.target),
            |champion| format!("versions {} and {champion}", self.target),
        );
        format!("{} was not measured for {versions} {}", Excerpt(what, 64), self.rows(None))
    }

    fn rows(&self, segment: Option<&'a Segment>) -> Rows<'a> {
        Rows { evaluation: self.evaluation, segment }
    }
}
