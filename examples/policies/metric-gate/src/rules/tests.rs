//! The gate on metrics, margins and guards.

use super::*;
use example_common::contract::{Comparison, Direction, Entry, Interval, IntervalMethod};
use example_common::evidence::{context, evaluation, version};

type Metrics<'a> = &'a [(&'a str, f64)];

fn decide(candidate: Metrics<'_>, champion: Option<Metrics<'_>>, settings: &[(&str, &str)]) -> Verdict {
    decide_on(Vec::new(), candidate, champion, settings)
}

fn decide_on(
    evaluations: Vec<Evaluation>,
    candidate: Metrics<'_>,
    champion: Option<Metrics<'_>>,
    settings: &[(&str, &str)],
) -> Verdict {
    let mut all = vec![("margin", "0"), ("guards", ""), ("tolerance", "0"), ("self-reported", "true")];
    all.retain(|(key, _)| settings.iter().all(|(given, _)| given != key));
    all.extend(settings);
    let mut context = context(&all, champion.map(|metrics| version(1, metrics)));
    context.evaluations = evaluations;
    promotion(&version(2, candidate), &context).unwrap()
}

/// An evaluation that measured this AUC of versions 1 and 2.
fn holdout(dataset: &str, champion: f64, candidate: f64) -> Evaluation {
    evaluation(dataset, "auc", Direction::HigherIsBetter, &[(1, champion), (2, candidate)])
}

#[track_caller]
fn words(verdict: Verdict) -> String {
    match verdict {
        Verdict::Approve(approval) => approval.explanation,
        Verdict::Reject(words) | Verdict::Hold(words) => words,
    }
}

#[test]
fn better_is_approved_and_equal_is_not() {
    let auc = [("metric", "auc")];
    assert!(matches!(decide(&[("auc", 0.9)], Some(&[("auc", 0.8)]), &auc), Verdict::Approve(_)));
    assert!(matches!(decide(&[("auc", 0.8)], Some(&[("auc", 0.8)]), &auc), Verdict::Reject(_)));
    assert!(matches!(decide(&[("auc", 0.1)], None, &auc), Verdict::Approve(_)));
}

#[test]
fn less_can_be_better() {
    let loss = [("metric", "log_loss:min")];
    assert!(matches!(decide(&[("log_loss", 0.2)], Some(&[("log_loss", 0.3)]), &loss), Verdict::Approve(_)));
    assert!(matches!(decide(&[("log_loss", 0.3)], Some(&[("log_loss", 0.2)]), &loss), Verdict::Reject(_)));
}

#[test]
fn the_margin_must_be_reached() {
    let settings = [("metric", "auc"), ("margin", "0.05")];
    assert!(matches!(decide(&[("auc", 0.84)], Some(&[("auc", 0.8)]), &settings), Verdict::Reject(_)));
    assert!(matches!(decide(&[("auc", 0.86)], Some(&[("auc", 0.8)]), &settings), Verdict::Approve(_)));
}

#[test]
fn a_guard_metric_stops_a_better_candidate() {
    let settings = [("metric", "auc"), ("guards", "recall,latency:min"), ("tolerance", "0.01")];
    let champion = [("auc", 0.8), ("recall", 0.7), ("latency", 0.5)];
    let decide = |recall, latency| {
        decide(&[("auc", 0.9), ("recall", recall), ("latency", latency)], Some(&champion), &settings)
    };
    assert!(matches!(decide(0.695, 0.505), Verdict::Approve(_)));
    assert!(matches!(decide(0.6, 0.5), Verdict::Reject(_)));
    assert!(matches!(decide(0.7, 0.6), Verdict::Reject(_)));
}

#[test]
fn what_cannot_be_compared_is_held() {
    let auc = [("metric", "auc")];
    assert!(matches!(decide(&[], Some(&[("auc", 0.8)]), &auc), Verdict::Hold(_)));
    assert!(matches!(decide(&[("auc", f64::NAN)], Some(&[("auc", 0.8)]), &auc), Verdict::Hold(_)));
    assert!(matches!(decide(&[("auc", 0.9)], Some(&[("auc", f64::NAN)]), &auc), Verdict::Hold(_)));
}

#[test]
fn what_evaluations_measured_comes_before_what_runs_reported() {
    let auc = [("metric", "auc")];
    let reports_better = |evaluations| decide_on(evaluations, &[("auc", 0.9)], Some(&[("auc", 0.8)]), &auc);
    let rejected = Verdict::Reject("measured: auc -0.125 on march, wanted > 0".to_owned());
    assert_eq!(reports_better(vec![holdout("march", 0.75, 0.625)]), rejected);
    // Each dataset counts.
    assert_eq!(reports_better(vec![holdout("april", 0.5, 0.75), holdout("march", 0.75, 0.625)]), rejected);
    let approved = words(reports_better(vec![holdout("april", 0.5, 0.75), holdout("march", 0.5, 0.625)]));
    assert_eq!(
        approved,
        "measured: auc +0.25 on april, wanted > 0; measured: auc +0.125 on march, wanted > 0"
    );
    // An evaluation of another metric or of other versions does not count.
    let mut other = holdout("march", 0.75, 0.625);
    other.metrics[0].name = "brier".to_owned();
    assert_eq!(
        words(reports_better(vec![other])),
        "self-reported: auc is 0.9, the champion has 0.8: a gain of 0.1"
    );
    let other = evaluation("march", "auc", Direction::HigherIsBetter, &[(1, 0.75), (3, 0.5)]);
    assert!(words(reports_better(vec![other])).starts_with("self-reported: "));
}

#[test]
fn a_comparison_shows_its_interval_and_the_evaluation_states_the_direction() {
    let mut measured = evaluation("may", "log_loss", Direction::LowerIsBetter, &[]);
    let interval = Some(Interval { low: -0.007, high: 0.001, method: IntervalMethod::Bootstrap });
    measured.metrics[0].comparisons =
        vec![Comparison { challenger: 2, baseline: 1, segment: None, difference: -0.003, interval }];
    let decide = |margin| {
        let settings = [("metric", "log_loss"), ("margin", margin)];
        words(decide_on(vec![measured.clone()], &[], Some(&[]), &settings))
    };
    assert_eq!(decide("0.003"), "measured: log_loss -0.003 [-0.007, 0.001] on may, wanted <= -0.003");
    assert_eq!(decide("0.0031"), "measured: log_loss -0.003 [-0.007, 0.001] on may, wanted <= -0.0031");
}

#[test]
fn the_settings_choose_the_evidence() {
    let march = || vec![holdout("march", 0.75, 0.625)];
    let decide = |datasets, self_reported| {
        let settings = [("metric", "auc"), ("datasets", datasets), ("self-reported", self_reported)];
        decide_on(march(), &[("auc", 0.9)], Some(&[("auc", 0.8)]), &settings)
    };
    assert!(matches!(decide("march,april", "true"), Verdict::Reject(_)));
    assert!(matches!(decide("april", "true"), Verdict::Approve(_)));
    let held = Verdict::Hold("no evaluation measured the metric auc of version 2".to_owned());
    assert_eq!(decide("april", "false"), held);
    let mut shadow = march();
    shadow[0].kind = EvaluationKind::Shadow;
    let auc = [("metric", "auc"), ("self-reported", "false")];
    assert_eq!(decide_on(shadow, &[], Some(&[]), &auc), held);
}

#[test]
fn a_measured_nan_is_held_and_the_first_champion_needs_a_value() {
    let auc = [("metric", "auc")];
    let on = |measured| decide_on(vec![measured], &[("auc", 0.9)], Some(&[("auc", 0.8)]), &auc);
    let held = Verdict::Hold("measured: auc is not defined on march".to_owned());
    assert_eq!(on(holdout("march", 0.75, f64::NAN)), held);
    let alone = |value| decide_on(vec![holdout("march", 0.5, value)], &[("auc", 0.9)], None, &auc);
    assert_eq!(words(alone(0.625)), "there is no champion to beat; measured: auc is 0.625 on march");
    assert!(matches!(alone(f64::NAN), Verdict::Hold(_)));
}

#[test]
fn explanations_stay_within_the_limit() {
    let name = "n\n".repeat(5_000);
    let huge = [(name.as_str(), 1e300)];
    let settings = [("metric", name.as_str())];
    for champion in [None, Some(&[][..]), Some(&[(name.as_str(), -1e300)][..])] {
        let explanation = words(decide(&huge, champion, &settings));
        assert!(explanation.len() <= 1_000 && !explanation.contains('\n'), "{explanation}");
    }
}

#[test]
fn reports_do_not_replace_an_evaluation_without_the_champion() {
    let settings =
        [("metric", "auc"), ("margin", "0"), ("guards", ""), ("tolerance", "0"), ("self-reported", "true")];
    let mut context = context(&settings, Some(version(1, &[("auc", 0.8)])));
    let mut target = version(2, &[("auc", 0.99)]);
    assert!(matches!(promotion(&target, &context).unwrap(), Verdict::Approve(_)));
    target.tags.push(Entry { key: "hydra.evaluation.june".to_owned(), value: String::new() });
    let held = promotion(&target, &context).unwrap();
    assert!(matches!(&held, Verdict::Hold(words) if words.contains("measured on june")), "{held:?}");
    // With a champion or without.
    context.champion = None;
    assert!(matches!(promotion(&target, &context).unwrap(), Verdict::Hold(_)));
    context.champion = Some(version(1, &[("auc", 0.8)]));
    // An evaluation of both counts, also beside one that was left out.
    context.evaluations = vec![holdout("june", 0.8, 0.9)];
    assert!(words(promotion(&target, &context).unwrap()).starts_with("measured: auc"));
    // A dataset that the settings do not name is not of interest.
    context.evaluations = Vec::new();
    context.settings.push(Entry { key: "datasets".to_owned(), value: "may".to_owned() });
    assert!(matches!(promotion(&target, &context).unwrap(), Verdict::Approve(_)));
}
