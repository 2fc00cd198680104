//! The evidence of a recorded decision, side by side, for `history show`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::compare::{self, FigureReport, MeasuredReport, Side};
use super::time;
use crate::printer::View;
use hydra_base::Timestamp;
use hydra_base::names::Version;
use hydra_base::text::{listed, printable};
use hydra_policy::{Direction, Evaluation, Input, Interval, ModelState, ModelVersion};

/// The evidence for people: settings, the target beside the champion, and what was measured.
pub(crate) fn evidence_text(input: &Input, view: &View) -> String {
    let context = input.context();
    let mut text = String::new();
    // Writing to a string cannot fail.
    for (key, value) in &context.settings {
        let _ = writeln!(text, "       setting     {}", printable(&format!("{key} = {value}")));
    }
    let champion = context.champion.as_ref();
    let target = input.target();
    let sides = [side(champion, "no champion"), side(target, "no target")];
    let titles = [sides[0].title.as_str(), sides[1].title.as_str()];
    text += "evidence\n";
    text += &compare::rows_text(titles, &compare::rows(&sides[0], &sides[1], true), view.width);
    let versions = [champion, target].map(|version| version.map(|version| version.version));
    let measured: Vec<MeasuredReport> =
        context.evaluations.iter().flat_map(|evaluation| measured(evaluation, versions)).collect();
    text + &compare::measured_text(titles, &measured, view.width)
}

fn side(version: Option<&ModelVersion>, missing: &str) -> Side {
    let Some(version) = version else { return Side { title: missing.to_owned(), ..Side::default() } };
    let run = version.run.clone().unwrap_or_default();
    let own = |tags: BTreeMap<String, String>| -> BTreeMap<String, String> {
        tags.into_iter().filter(|(key, _)| !key.starts_with("mlflow.")).collect()
    };
    Side {
        title: format!("version {}", version.version),
        metrics: run.metrics,
        params: run.params,
        run_tags: own(run.tags),
        tags: own(version.tags.clone()),
        facts: facts(version),
    }
}

fn facts(version: &ModelVersion) -> Vec<(&'static str, String)> {
    let mut facts = vec![("created", time_of(version.created_at))];
    facts.extend(version.run_id.clone().map(|run| ("run", run)));
    if !version.aliases.is_empty() {
        let aliases: Vec<String> = version.aliases.iter().map(ToString::to_string).collect();
        facts.push(("aliases", aliases.join(", ")));
    }
    match &version.model {
        ModelState::Loadable(model) => {
            facts.push(("sha256", model.sha256.to_string()));
            facts.push(("objective", model.objective.clone()));
            facts.push(("iterations", model.iterations.to_string()));
            facts.push(("columns", format!("{}: {}", model.feature_count, listed(&model.features))));
            if !model.classes.is_empty() {
                facts.push(("classes", listed(&model.classes)));
            }
        }
        ModelState::Unloadable { why } => facts.push(("cannot be loaded", why.clone())),
        _ => {}
    }
    let approvals: Vec<String> = version.approvals.iter().map(|approval| approval.actor.clone()).collect();
    if !approvals.is_empty() {
        facts.push(("approved by", listed(&approvals)));
    }
    facts.extend(version.quarantine.as_ref().map(|quarantine| ("in quarantine", quarantine.reason.clone())));
    facts
}

fn time_of(milliseconds: u64) -> String {
    time(Timestamp::try_from(milliseconds).unwrap_or(Timestamp::MAX))
}

/// What an evaluation measured of the champion and the target on all rows.
fn measured(evaluation: &Evaluation, [champion, target]: [Option<Version>; 2]) -> Vec<MeasuredReport> {
    let bounds =
        |interval: Option<&Interval>| interval.map(|interval| (interval.low.get(), interval.high.get()));
    let rows = evaluation.metrics.iter().map(|metric| {
        let of = |version: Option<Version>| {
            let found = metric
                .measurements
                .iter()
                .find(|one| one.segment.is_none() && Some(one.version) == version)?;
            Some(FigureReport::new(found.value.get(), bounds(found.interval.as_ref())))
        };
        let compared = metric.comparisons.iter().find(|one| {
            one.segment.is_none() && Some(one.challenger) == target && Some(one.baseline) == champion
        });
        MeasuredReport {
            dataset: evaluation.dataset.clone(),
            metric: metric.name.clone(),
            direction: match metric.direction {
                Direction::Lower => "lower",
                Direction::Higher => "higher",
            },
            a: of(champion),
            b: of(target),
            difference: compared
                .map(|one| FigureReport::new(one.difference.get(), bounds(one.interval.as_ref()))),
        }
    });
    rows.filter(|row| row.a.is_some() || row.b.is_some()).collect()
}
