//! Whether labels, scores and metrics fit together.

use hydra_base::{Error, ErrorKind, Result};

use crate::dataset::{Dataset, Kind};
use crate::measure::Options;
use crate::metric::{Metric, Task};
use crate::scores::Scores;

/// Checks the input of [`crate::measure`]: all metrics are of one task, which is that of the labels, and the scores are
/// what they need.
pub(crate) fn input(
    dataset: &Dataset,
    versions: &[Scores],
    baseline: usize,
    options: &Options,
) -> Result<Task> {
    let invalid = |message: &str| Err(Error::new(ErrorKind::InvalidArgument, message));
    if baseline >= versions.len() {
        return invalid("the baseline is not one of the versions");
    }
    if versions.iter().any(|scores| scores.rows() != dataset.rows()) {
        return invalid("the number of scores is not the number of labels");
    }
    if !options.threshold.is_finite() {
        return invalid("the threshold is not a finite number");
    }
    if let Some(other) = versions.iter().find(|scores| scores.outputs() != versions[0].outputs()) {
        return Err(Error::new(ErrorKind::ModelsDiffer, "the versions have different numbers of outputs")
            .with_context("outputs", versions[0].outputs())
            .with_context("others", other.outputs()));
    }
    let Some(first) = options.metrics.first() else { return invalid("there are no metrics to measure") };
    let task = first.task();
    let task_of_labels = task_of(dataset, versions[0].outputs());
    for (index, metric) in options.metrics.iter().enumerate() {
        if !metric.has_valid_parameter() {
            return Err(Error::new(ErrorKind::UnknownMetric, "the metric's parameter is out of range")
                .with_context("metric", metric));
        }
        if options.metrics[..index].contains(metric) {
            return invalid("a metric is asked for twice");
        }
        if Some(metric.task()) != task_of_labels {
            let task = task_of_labels.map_or("none", Task::as_str);
            return Err(Error::new(
                ErrorKind::MetricMismatch,
                format!("the metric is not for the task of these labels and scores: `{metric}`"),
            )
            .with_context("metric's task", metric.task())
            .with_context("task", task));
        }
        ranges(*metric, dataset, versions)?;
    }
    Ok(task)
}

/// The task that labels and scores are for.
fn task_of(dataset: &Dataset, outputs: usize) -> Option<Task> {
    match dataset.labels.0 {
        Kind::Classes { classes: 2, .. } if outputs == 1 => Some(Task::Binary),
        Kind::Classes { classes, .. } if outputs == classes => Some(Task::Multiclass),
        Kind::Values(_) if outputs == 1 => Some(Task::Regression),
        Kind::Grades(_) if outputs == 1 && dataset.groups.is_some() => Some(Task::Ranking),
        _ => None,
    }
}

/// Whether labels and scores are in the metric's domain.
fn ranges(metric: Metric, dataset: &Dataset, versions: &[Scores]) -> Result<()> {
    if metric.needs_probabilities() {
        for scores in versions {
            scores.check("the score is not a probability", |score| (0.0..=1.0).contains(&score))?;
        }
    }
    let (least, valid): (_, fn(f64) -> bool) = match metric {
        Metric::PoissonDeviance | Metric::TweedieDeviance { .. } => ("0 or more", |label| label >= 0.0),
        Metric::GammaDeviance => ("greater than 0", |label| label > 0.0),
        _ => return Ok(()),
    };
    let Kind::Values(labels) = &dataset.labels.0 else { return Ok(()) };
    if let Some(row) = labels.iter().position(|label| !valid(*label)) {
        let message = format!("the label is not {least}, as {metric} needs: `{}`", labels[row]);
        return Err(Error::new(ErrorKind::InvalidLabels, message).with_context("row", row + 1));
    }
    for scores in versions {
        scores.check(&format!("the score is not greater than 0, as {metric} needs"), |score| score > 0.0)?;
    }
    Ok(())
}
