//! The gate on intervals, segments, datasets, calibration and the distribution of scores.

use super::*;
use example_common::contract::{
    Agreement, Comparison, Direction, Entry, Interval, IntervalMethod, MeasuredMetric, Measurement, Segment,
};
use example_common::evidence::{self, version};

const DAY: u64 = 24 * 3_600_000;

const DEFAULTS: [(&str, &str); 10] = [
    ("goal", "auc"),
    ("superior-by", "0"),
    ("tolerance", "0"),
    ("segments", "non-inferior"),
    ("weak-segments", "hold"),
    ("min-rows", "1000"),
    ("min-segment-rows", "100"),
    ("max-age", "2592000000"),
    ("min-confidence", "0.95"),
    ("first-hand", "false"),
];

/// An evaluation in which the AUC of version 2 is compared with that of version 1: difference, lower and upper bound.
fn holdout(figures: [f64; 3]) -> Evaluation {
    let auc = Direction::HigherIsBetter;
    let mut holdout = evidence::evaluation("holdout", "auc", auc, &[(1, 0.75), (2, 0.75 + figures[0])]);
    holdout.metrics[0].comparisons.push(compared(None, figures));
    holdout
}

fn compared(segment: Option<u32>, [difference, low, high]: [f64; 3]) -> Comparison {
    let interval = Some(Interval { low, high, method: IntervalMethod::Delong });
    Comparison { challenger: 2, baseline: 1, segment, difference, interval }
}

fn with_metric(mut to: Evaluation, name: &str, figures: [f64; 3]) -> Evaluation {
    to.metrics.push(MeasuredMetric {
        name: name.to_owned(),
        direction: Direction::LowerIsBetter,
        measurements: Vec::new(),
        comparisons: vec![compared(None, figures)],
    });
    to
}

/// Adds segments of a column with these rows, all with the same figures.
fn with_segments(mut to: Evaluation, rows: &[u64], figures: [f64; 3]) -> Evaluation {
    for (position, rows) in rows.iter().enumerate() {
        let value = Some(format!("s{position}"));
        to.segments.push(Segment { column: "region".to_owned(), value, rows: *rows });
        to.metrics[0].comparisons.push(compared(Some(position as u32), figures));
    }
    to
}

fn context(evaluations: Vec<Evaluation>, given: &[(&str, &str)]) -> Context {
    let mut context = evidence::context(&DEFAULTS, Some(version(1, &[])));
    let inconclusive = ("inconclusive", "hold");
    for (key, value) in std::iter::once(&inconclusive).chain(given) {
        context.settings.retain(|entry| entry.key != *key);
        context.settings.push(Entry { key: (*key).to_owned(), value: (*value).to_owned() });
    }
    context.evaluations = evaluations;
    context
}

fn decide(evaluations: Vec<Evaluation>, given: &[(&str, &str)]) -> Verdict {
    promotion(&version(2, &[]), &context(evaluations, given)).unwrap()
}

#[track_caller]
fn assert_approved(verdict: &Verdict, words: &str) {
    match verdict {
        Verdict::Approve(approval) => assert_eq!(approval.explanation, words),
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn assert_rejected(verdict: &Verdict, words: &str) {
    assert_eq!(*verdict, Verdict::Reject(words.to_owned()));
}

#[track_caller]
fn assert_held(verdict: &Verdict, words: &str) {
    assert_eq!(*verdict, Verdict::Hold(words.to_owned()));
}

#[test]
fn the_bound_of_the_goal_decides() {
    let on = |figures| decide(vec![holdout(figures)], &[]);
    assert_approved(&on([0.004, 0.001, 0.007]), "auc +0.004 [0.001, 0.007] on holdout, wanted > 0");
    assert_held(&on([0.004, 0.0, 0.008]), "auc +0.004 [0, 0.008] on holdout, wanted > 0");
    assert_rejected(&on([-0.004, -0.008, 0.0]), "auc -0.004 [-0.008, 0] on holdout, wanted > 0");
    let strict = decide(vec![holdout([0.004, -0.001, 0.009])], &[("inconclusive", "reject")]);
    assert_rejected(&strict, "auc +0.004 [-0.001, 0.009] on holdout, wanted > 0");
    let by = |margin| decide(vec![holdout([0.004, 0.001, 0.007])], &[("superior-by", margin)]);
    assert_held(&by("0.001"), "auc +0.004 [0.001, 0.007] on holdout, wanted > 0.001");
    assert!(matches!(by("0.0009"), Verdict::Approve(_)));
}

#[test]
fn guards_may_be_worse_up_to_their_tolerance() {
    let on = |high, guards| {
        let evaluation = with_metric(holdout([0.004, 0.001, 0.007]), "log_loss", [0.001, 0.0, high]);
        decide(vec![evaluation], &[("guards", guards), ("tolerance", "0.001")])
    };
    let approved = "auc +0.004 [0.001, 0.007] on holdout, wanted > 0; log_loss +0.001 [0, 0.002] on holdout, wanted <= 0.002";
    assert_approved(&on(0.002, "log_loss:0.002"), approved);
    assert_held(&on(0.002, "log_loss"), "log_loss +0.001 [0, 0.002] on holdout, wanted <= 0.001");
    // The figure is not rounded where that would hide the reason.
    let held = "log_loss +0.001 [0, 0.0020001] on holdout, wanted <= 0.002";
    assert_held(&on(0.002_000_1, "log_loss:0.002"), held);
    assert_held(&on(0.002, "brier"), "brier was not measured for versions 2 and 1 on holdout");
    let worse = with_metric(holdout([-0.004, -0.007, -0.001]), "log_loss", [0.005, 0.004, 0.006]);
    let rejected = "auc -0.004 [-0.007, -0.001] on holdout, wanted > 0; log_loss +0.005 [0.004, 0.006] on holdout, wanted <= 0";
    assert_rejected(&decide(vec![worse], &[("guards", "log_loss")]), rejected);
}

#[test]
fn each_segment_is_judged() {
    let on = |figures, given: &[(&str, &str)]| {
        decide(vec![with_segments(holdout([0.004, 0.001, 0.007]), &[500, 400], figures)], given)
    };
    let fine = "auc +0.004 [0.001, 0.007] on holdout, wanted > 0";
    assert_approved(&on([0.004, 0.0, 0.008], &[]), &format!("{fine}; 2 segments hold"));
    let held = "auc +0.004 [-0.001, 0.009] in region `s0` on holdout, wanted >= 0; auc +0.004 [-0.001, 0.009] in region `s1` on holdout, wanted >= 0";
    assert_held(&on([0.004, -0.001, 0.009], &[]), held);
    assert_approved(&on([0.004, -0.001, 0.009], &[("segments", "off")]), fine);
    let tolerant = [("segment-tolerance", "0.001")];
    assert!(matches!(on([0.004, -0.001, 0.009], &tolerant), Verdict::Approve(_)));
    let superior = on([0.004, 0.0, 0.008], &[("segments", "superior")]);
    assert!(matches!(&superior, Verdict::Hold(words) if words.contains("`s1` on holdout, wanted > 0")));
    let worse = on([-0.004, -0.008, -0.001], &[]);
    assert!(
        matches!(&worse, Verdict::Reject(words) if words.starts_with("auc -0.004 [-0.008, -0.001] in region `s0`"))
    );
    let held = "there are no segments of age on holdout";
    assert_held(&on([0.004, 0.0, 0.008], &[("segment-columns", "region,age")]), held);
}

#[test]
fn weak_segments_hold_or_are_left_out() {
    let small = with_segments(holdout([0.004, 0.001, 0.007]), &[500, 99], [0.004, 0.0, 0.008]);
    let fine = "auc +0.004 [0.001, 0.007] on holdout, wanted > 0; 1 segments hold, 1 are left out";
    let skip = [("weak-segments", "skip")];
    assert_held(&decide(vec![small.clone()], &[]), "99 rows in region `s1` on holdout, wanted at least 100");
    assert_approved(&decide(vec![small], &skip), fine);

    let mut one_class = with_segments(holdout([0.004, 0.001, 0.007]), &[500, 400], [0.004, 0.0, 0.008]);
    one_class.metrics[0].comparisons[2] = compared(Some(1), [f64::NAN; 3]);
    assert_held(&decide(vec![one_class.clone()], &[]), "auc is not defined in region `s1` on holdout");
    assert_approved(&decide(vec![one_class.clone()], &skip), fine);
    one_class.metrics[0].comparisons.pop();
    assert_held(&decide(vec![one_class.clone()], &skip), "auc was not compared in region `s1` on holdout");
    // All rows are never left out.
    one_class.metrics[0].comparisons[0] = compared(None, [f64::NAN; 3]);
    one_class.segments.pop();
    assert_held(&decide(vec![one_class], &skip), "auc is not defined on holdout");
}

#[test]
fn figures_without_an_interval_do_not_count() {
    let mut plain = holdout([0.004, 0.001, 0.007]);
    plain.metrics[0].comparisons.clear();
    assert_held(&decide(vec![plain], &[]), "auc has no paired interval on holdout");
    for figures in [[0.004, f64::NAN, 0.007], [0.004, 0.001, f64::NAN]] {
        assert_held(&decide(vec![holdout(figures)], &[]), "auc has no paired interval on holdout");
    }
}

#[test]
fn evaluations_that_cannot_count_are_not_judged() {
    let worse = holdout([-0.004, -0.008, -0.001]);
    let held = |change: fn(&mut Evaluation), given: &[(&str, &str)], words: &str| {
        let mut evaluation = worse.clone();
        change(&mut evaluation);
        let mut context = context(vec![evaluation], given);
        context.now = 40 * DAY;
        assert_held(&promotion(&version(2, &[]), &context).unwrap(), words);
    };
    held(|_| {}, &[], "the evaluation on holdout is 40 d old, wanted at most 30 d");
    held(
        |one| one.measured_at = 41 * DAY,
        &[],
        "the evaluation on holdout is dated 24 h ahead: check the clocks",
    );
    let few = "holdout has 999 rows, wanted at least 1000";
    held(|one| (one.measured_at, one.rows) = (40 * DAY, 999), &[], few);
    let narrow = "the intervals on holdout have the confidence level 0.5, wanted at least 0.95";
    held(|one| (one.measured_at, one.confidence) = (40 * DAY, 0.5), &[], narrow);
    let recorded = "the evaluation on holdout was recorded before, wanted one of this command";
    held(|one| one.measured_at = 40 * DAY, &[("first-hand", "true")], recorded);

    let mut own = holdout([0.004, 0.001, 0.007]);
    own.first_hand = true;
    let mut at_the_limits = context(vec![own], &[("first-hand", "true"), ("min-rows", "10000")]);
    at_the_limits.now = 30 * DAY;
    assert!(matches!(promotion(&version(2, &[]), &at_the_limits).unwrap(), Verdict::Approve(_)));
}

#[test]
fn named_datasets_must_be_there_and_the_others_do_not_count() {
    let on = |datasets: &str| {
        let mut other = holdout([-0.004, -0.008, -0.001]);
        other.dataset = "other".to_owned();
        decide(vec![holdout([0.004, 0.001, 0.007]), other], &[("datasets", datasets)])
    };
    let digest = "0".repeat(36);
    assert!(matches!(on("holdout"), Verdict::Approve(_)));
    assert!(matches!(on(&format!("holdout@{digest}")), Verdict::Approve(_)));
    assert!(matches!(on("holdout,other"), Verdict::Reject(_)));
    assert!(matches!(on(&format!("@{digest}")), Verdict::Reject(_)));
    assert_held(&on("holdout,missing"), "there is no evaluation on missing");
    assert_held(&on("holdout@abc"), &format!("holdout has the digest {digest}, wanted abc"));
    assert_held(&on("@abc"), "there is no evaluation on a dataset with the digest abc");
    let mut shadow = holdout([0.004, 0.001, 0.007]);
    shadow.kind = EvaluationKind::Shadow;
    let held = "no evaluation on labelled rows includes version 2 and the champion, version 1; run `hydra-registry evaluate`";
    assert_held(&decide(vec![shadow.clone()], &[]), held);
    assert!(matches!(decide(vec![shadow], &[("datasets", "holdout")]), Verdict::Approve(_)));
}

#[test]
fn scores_must_stay_distributed_alike_and_calibrated() {
    let on = |psi, ece, given: &[(&str, &str)]| {
        let mut evaluation = with_metric(holdout([0.004, 0.001, 0.007]), "ece", [ece, f64::NAN, f64::NAN]);
        evaluation.metrics[1].comparisons[0].interval = None;
        evaluation.agreements.push(Agreement {
            challenger: 2,
            baseline: 1,
            segment: None,
            equal: 0.0,
            label_changes: None,
            mean_difference: 0.0,
            difference_quantiles: Vec::new(),
            psi,
            ks: None,
            latency_ratio: None,
        });
        decide(vec![evaluation], given)
    };
    let (psi, ece) = ([("max-psi", "0.1")], [("max-ece-increase", "0.002")]);
    let fine = "auc +0.004 [0.001, 0.007] on holdout, wanted > 0";
    assert_approved(&on(Some(0.1), 0.0, &psi), &format!("{fine}; psi 0.1 on holdout, wanted <= 0.1"));
    assert_rejected(&on(Some(0.100_001), 0.0, &psi), "psi 0.100001 on holdout, wanted <= 0.1");
    for unusable in [None, Some(f64::NAN)] {
        let held = "psi was not measured for versions 2 and 1 on holdout";
        assert_held(&on(unusable, 0.0, &psi), held);
    }
    assert_approved(&on(None, 0.002, &ece), &format!("{fine}; ece +0.002 on holdout, wanted <= 0.002"));
    assert_rejected(&on(None, 0.003, &ece), "ece +0.003 on holdout, wanted <= 0.002");
    let held = "ece was not measured for versions 2 and 1 on holdout";
    assert_held(&on(None, f64::NAN, &ece), held);
    assert_held(&decide(vec![holdout([0.004, 0.001, 0.007])], &ece), held);
}

#[test]
fn the_first_champion_needs_an_evaluation_of_itself() {
    let alone = |evaluation: Evaluation| {
        let mut context = context(vec![evaluation], &[("guards", "brier"), ("max-psi", "0.1")]);
        context.champion = None;
        promotion(&version(2, &[]), &context).unwrap()
    };
    let mut evaluation = holdout([0.125, 0.0, 0.25]);
    evaluation.metrics[0].comparisons.clear();
    let approved = "auc is 0.875 on holdout; there is no champion to compare with";
    assert_approved(&alone(evaluation.clone()), approved);
    evaluation.metrics[0].measurements =
        vec![Measurement { version: 2, segment: None, value: f64::NAN, interval: None }];
    assert_held(&alone(evaluation.clone()), "auc was not measured for version 2 on holdout");
    evaluation.rows = 10;
    assert_held(&alone(evaluation), "holdout has 10 rows, wanted at least 1000");
    let mut nothing = context(Vec::new(), &[]);
    nothing.champion = None;
    let held = "no evaluation on labelled rows includes version 2; run `hydra-registry evaluate`";
    assert_held(&promotion(&version(2, &[]), &nothing).unwrap(), held);
}

#[test]
fn unusable_settings_are_errors() {
    for (key, value) in [
        ("superior-by", "-0.1"),
        ("tolerance", "-1"),
        ("segment-tolerance", "-1"),
        ("max-psi", "-1"),
        ("max-ece-increase", "-1"),
        ("min-confidence", "1"),
        ("min-confidence", "0"),
        ("min-rows", "-1"),
        ("min-segment-rows", "-1"),
        ("guards", "brier,log_loss:much"),
        ("guards", "log_loss:-0.1"),
        ("guards", "log_loss:inf"),
        ("guards", ":0.1"),
        ("datasets", "holdout@"),
    ] {
        let decided = promotion(&version(2, &[]), &context(Vec::new(), &[(key, value)]));
        assert!(
            matches!(&decided, Err(PolicyError::InvalidSettings(words)) if words.contains(key)),
            "{decided:?}"
        );
    }
}

#[test]
fn explanations_stay_within_the_limit() {
    let mut long = holdout([-0.004, -0.008, -0.001]);
    long.dataset = "é\n".repeat(400);
    long.metrics[0].name = "m\n".repeat(400);
    let mut long = with_segments(long, &[500; 300], [-0.004, -0.008, -0.001]);
    for segment in &mut long.segments {
        (segment.column, segment.value) = ("c\n".repeat(400), Some("é\u{2028}".repeat(400)));
    }
    let goal = long.metrics[0].name.clone();
    let Verdict::Reject(words) = decide(vec![long], &[("goal", &goal)]) else { panic!("not rejected") };
    assert!(words.len() <= 1_000 && words.ends_with(" more"), "{} {words}", words.len());
    assert!(!words.contains(['\n', '\u{2028}']), "{words}");
}
