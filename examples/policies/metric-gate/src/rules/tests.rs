//! The gate on metrics, margins and guards.

use super::*;
use example_common::evidence::{context, version};

fn decide(candidate: &[(&str, f64)], champion: Option<&[(&str, f64)]>, settings: &[(&str, &str)]) -> Verdict {
    let mut all = vec![("margin", "0"), ("guards", ""), ("tolerance", "0")];
    all.retain(|(key, _)| settings.iter().all(|(given, _)| given != key));
    all.extend(settings);
    let context = context(&all, champion.map(|metrics| version(1, metrics)));
    promotion(&version(2, candidate), &context).unwrap()
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
    let settings = [("metric", "auc"), ("guards", "recall, latency:min"), ("tolerance", "0.01")];
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
