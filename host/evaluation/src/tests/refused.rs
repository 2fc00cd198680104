//! Labels, scores and metrics that do not fit together.

use super::{classes, metrics, scores};
use crate::{Dataset, Labels, Options, Scores, Segments, measure};
use hydra_base::testing::kind;
use hydra_base::{ErrorKind, Result, Sha256};

fn refused(dataset: &Dataset, versions: &[Scores], names: &[&str]) -> ErrorKind {
    kind(measure(dataset, versions, 0, &Options::new(metrics(names)), &|_, _| ()))
}

fn dataset(labels: Result<Labels>) -> Dataset {
    Dataset::new(labels.unwrap(), Sha256::of(b"rows"))
}

#[test]
fn labels_are_checked() {
    assert_eq!(kind(Labels::classes(vec![], 2)), ErrorKind::NoRows);
    assert_eq!(kind(Labels::classes(vec![0, 2], 2)), ErrorKind::UnknownLabel);
    assert_eq!(kind(Labels::classes(vec![1, 1], 2)), ErrorKind::OneClass);
    assert_eq!(kind(Labels::values(vec![])), ErrorKind::NoRows);
    assert_eq!(kind(Labels::values(vec![f64::INFINITY])), ErrorKind::InvalidLabels);
    for grade in [-1.0, 0.5, 31.0, f64::NAN] {
        assert_eq!(kind(Labels::grades(&[0.0, grade])), ErrorKind::InvalidLabels, "{grade}");
    }
    let error = Labels::values(vec![1.0, f64::NAN]).unwrap_err();
    assert_eq!(error.to_string(), "the label is not a finite number: `NaN` (row: 2)");
}

#[test]
fn weights_groups_and_segments_are_checked() {
    let labels = || classes(&[0, 1]);
    for weights in [[1.0, -0.5], [f64::NAN, 1.0], [f64::INFINITY, 1.0], [1e39, 1.0], [0.0, 0.0], [1e-60, 0.0]]
    {
        assert_eq!(kind(labels().with_weights(weights.to_vec())), ErrorKind::InvalidWeights, "{weights:?}");
    }
    assert_eq!(kind(labels().with_weights(vec![1.0])), ErrorKind::InvalidArgument);
    assert_eq!(kind(labels().with_groups(vec![0, 2], 2)), ErrorKind::InvalidArgument);
    let many = dataset(Labels::grades(&vec![1.0; 10_001]));
    assert_eq!(kind(many.with_groups(vec![0; 10_001], 1)), ErrorKind::InvalidGroups);
    assert_eq!(kind(Segments::new("a", vec![0, 1], vec![None])), ErrorKind::InvalidArgument);
}

#[test]
fn metrics_are_for_the_task_of_labels_and_scores() {
    let binary = classes(&[0, 1, 1]);
    let one = || vec![scores([0.1, 0.9, 0.5])];
    assert_eq!(refused(&binary, &one(), &["rmse"]), ErrorKind::MetricMismatch);
    assert_eq!(refused(&binary, &one(), &["auc", "multi_error"]), ErrorKind::MetricMismatch);
    assert_eq!(refused(&binary, &one(), &[]), ErrorKind::InvalidArgument);
    assert_eq!(refused(&binary, &one(), &["auc", "auc"]), ErrorKind::InvalidArgument);
    let three = Scores::new(vec![0.2; 9], 3).unwrap();
    assert_eq!(refused(&binary, std::slice::from_ref(&three), &["auc"]), ErrorKind::MetricMismatch);
    assert_eq!(refused(&binary, &[one().remove(0), three], &["auc"]), ErrorKind::ModelsDiffer);
    // Grades without groups do not form a ranking.
    assert_eq!(
        refused(&dataset(Labels::grades(&[0.0, 1.0, 1.0])), &one(), &["ndcg@3"]),
        ErrorKind::MetricMismatch
    );
    let error = measure(&binary, &one(), 0, &Options::new(metrics(&["r2"])), &|_, _| ()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the metric is not for the task of these labels and scores: `r2` (metric's task: regression, task: binary)"
    );
}

#[test]
fn labels_and_scores_are_in_the_metrics_domain() {
    let binary = classes(&[0, 1]);
    assert_eq!(refused(&binary, &[scores([0.5, 1.5])], &["log_loss"]), ErrorKind::InvalidScores);
    // The order of raw scores is enough for the AUC.
    let raw = [scores([-3.0, 1.5])];
    assert!(measure(&binary, &raw, 0, &Options::new(metrics(&["auc"])), &|_, _| ()).is_ok());
    let values = |labels: &[f64]| dataset(Labels::values(labels.to_vec()));
    let one = || vec![scores([1.0, 2.0])];
    assert_eq!(refused(&values(&[1.0, -1.0]), &one(), &["poisson_deviance"]), ErrorKind::InvalidLabels);
    assert_eq!(refused(&values(&[1.0, 0.0]), &one(), &["gamma_deviance"]), ErrorKind::InvalidLabels);
    let negative = [scores([1.0, 0.0])];
    assert_eq!(refused(&values(&[1.0, 0.0]), &negative, &["tweedie_deviance@1.5"]), ErrorKind::InvalidScores);
    assert_eq!(refused(&values(&[1.0, 0.0, 3.0]), &one(), &["mae"]), ErrorKind::InvalidArgument);
}
