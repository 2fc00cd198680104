//! The task of models, their classes, and the metrics that their objectives ask for.

use hydra_base::text::listed;
use hydra_base::{Error, ErrorKind, Result};
use hydra_lightgbm::{ClassLabel, ClassLabels, Estimator, Model, Objective};

use crate::metric::{Metric, Task};

/// The metrics of a two-class model whose scores are probabilities.
const BINARY: [Metric; 8] = [
    Metric::Auc,
    Metric::AveragePrecision,
    Metric::LogLoss,
    Metric::Brier,
    Metric::Accuracy,
    Metric::F1,
    Metric::BalancedAccuracy,
    Metric::Ece,
];

/// The metrics of the models, and the task that the metrics have in common.
///
/// Without `wanted`, they follow from the objective of the first model. [`ErrorKind::MetricMismatch`] if a metric is for another
/// task than a model, or the objective does not determine the metrics; [`ErrorKind::ModelsDiffer`] if the models have different
/// tasks.
pub(super) fn metrics_of(models: &[&Model], wanted: Option<&[Metric]>) -> Result<(Task, Vec<Metric>)> {
    let mut task = None;
    for own in models.iter().filter_map(|model| task_of(model)) {
        if *task.get_or_insert(own) != own {
            return Err(Error::new(ErrorKind::ModelsDiffer, "the models have different tasks")
                .with_context("task", task.map_or("none", Task::as_str))
                .with_context("other", own));
        }
    }
    let metrics = match wanted {
        Some(metrics) => metrics.to_vec(),
        None => models.first().map(|model| usual(model)).unwrap_or_default(),
    };
    let Some(first) = metrics.first() else {
        return Err(Error::new(
            ErrorKind::MetricMismatch,
            "the models' objective does not determine which metrics to measure",
        )
        .with_hint("name the metrics with --metrics"));
    };
    let task = task.unwrap_or(first.task());
    match metrics.iter().find(|metric| metric.task() != task) {
        Some(other) => Err(Error::new(
            ErrorKind::MetricMismatch,
            format!("the metric is not for the models' task: `{other}`"),
        )
        .with_context("metric's task", other.task())
        .with_context("models' task", task)),
        None => Ok((task, metrics)),
    }
}

/// The task that a model was trained for; none if neither its objective nor its class determines it.
#[must_use]
pub fn task_of(model: &Model) -> Option<Task> {
    let classifies = |outputs: usize| if outputs == 1 { Task::Binary } else { Task::Multiclass };
    match (model.text_model().objective(), model.estimator()) {
        (Some(Objective::Binary { .. } | Objective::CrossEntropy), _) => Some(Task::Binary),
        (Some(Objective::Multiclass { .. } | Objective::MulticlassOva { .. }), _) => Some(Task::Multiclass),
        (Some(Objective::Lambdarank | Objective::RankXendcg), _) | (_, Estimator::Ranker) => {
            Some(Task::Ranking)
        }
        (_, Estimator::Classifier) => Some(classifies(model.num_outputs())),
        (_, Estimator::Regressor) => Some(Task::Regression),
        (None | Some(Objective::Custom), _) => None,
        (Some(_), _) => Some(Task::Regression),
    }
}

/// The classes of a model as text, in the order of their probabilities; empty without classes.
#[must_use]
pub fn class_names(model: &Model) -> Vec<String> {
    match task_of(model) {
        Some(Task::Binary | Task::Multiclass) => Classes::of_one(model).names(),
        _ => Vec::new(),
    }
}

/// The metrics that a model's objective asks for.
fn usual(model: &Model) -> Vec<Metric> {
    let regression = [Metric::Rmse, Metric::Mae];
    let with = |metric: Metric| [metric].into_iter().chain(regression).collect();
    match (task_of(model), model.text_model().objective()) {
        (None, _) => Vec::new(),
        (Some(Task::Binary), None | Some(Objective::Custom)) => vec![Metric::Auc, Metric::AveragePrecision],
        (Some(Task::Binary), _) => BINARY.to_vec(),
        (Some(Task::Multiclass), None | Some(Objective::Custom)) => vec![Metric::MultiError, Metric::AucOvr],
        (Some(Task::Multiclass), _) => vec![Metric::MultiLogLoss, Metric::MultiError, Metric::AucOvr],
        (Some(Task::Ranking), _) => {
            vec![
                Metric::Ndcg { at: 1 },
                Metric::Ndcg { at: 5 },
                Metric::Ndcg { at: 10 },
                Metric::Map { at: 10 },
            ]
        }
        (_, Some(Objective::Poisson)) => with(Metric::PoissonDeviance),
        (_, Some(Objective::Gamma)) => with(Metric::GammaDeviance),
        (_, Some(Objective::Mape { .. })) => with(Metric::Mape),
        (Some(Task::Regression), _) => regression.into_iter().chain([Metric::R2]).collect(),
    }
}

/// The classes of models, in the order of their probabilities.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Classes {
    /// Numbers; booleans are 0 and 1.
    Numbers(Vec<f64>),
    /// Text.
    Texts(Vec<String>),
}

impl Classes {
    /// The classes that all `models` have. [`ErrorKind::ModelsDiffer`] if they have different ones.
    pub(super) fn of(models: &[&Model]) -> Result<Self> {
        let mut classes = models.iter().map(|model| Self::of_one(model));
        let first = classes.next().unwrap_or(Self::Numbers(Vec::new()));
        match classes.find(|other| *other != first) {
            Some(other) => Err(Error::new(ErrorKind::ModelsDiffer, "the models have different classes")
                .with_context("classes", listed(&first.names()))
                .with_context("other", listed(&other.names()))),
            None => Ok(first),
        }
    }

    /// The labels of a classifier, or the indices of a booster's classes.
    fn of_one(model: &Model) -> Self {
        let number = |label: ClassLabel<'_>| match label {
            ClassLabel::Int(label) => label as f64,
            ClassLabel::Bool(label) => f64::from(u8::from(label)),
            ClassLabel::Float(label) => label,
            _ => f64::NAN,
        };
        match model.classes() {
            Some(ClassLabels::Strings(labels)) => Self::Texts(labels.clone()),
            Some(labels) => Self::Numbers(labels.iter().map(number).collect()),
            None => Self::Numbers((0..model.num_outputs().max(2)).map(|class| class as f64).collect()),
        }
    }

    /// The number of classes that a model with so many labels has: a classifier of one class has two probabilities.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Numbers(labels) => labels.len(),
            Self::Texts(labels) => labels.len(),
        }
        .max(2)
    }

    /// The classes as text.
    pub(super) fn names(&self) -> Vec<String> {
        match self {
            Self::Numbers(labels) => labels.iter().map(ToString::to_string).collect(),
            Self::Texts(labels) => labels.clone(),
        }
    }
}
