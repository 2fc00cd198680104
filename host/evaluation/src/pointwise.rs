//! Metrics that are computed from sums over rows.

use crate::accumulate::{Accumulator as _, Compensated};
use crate::dataset::{Dataset, Kind, Partitions};
use crate::deviance;
use crate::metric::Metric;
use crate::resample::sums::{BLOCK, Block, Members, Source};
use crate::scores::Scores;

/// Python's `sys.float_info.epsilon`: scikit-learn's distance of probabilities from 0 and 1, and its least divisor.
const EPSILON: f64 = f64::EPSILON;

/// LightGBM's `kEpsilon`, of 32 bits.
const LIGHTGBM_EPSILON: f32 = 1e-15;

/// The part of the squares of labels below which their variance is only rounding.
const ROUNDING: f64 = 1e-13;

/// A sum over rows.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Sum {
    /// `Σ w`.
    Weight,
    /// `Σ w`, with weights of 32 bits.
    SingleWeight,
    /// `Σ w (y - c)`, where `c` is the mean label of the row's segment in this column of segments; of all rows for 0.
    Label(usize),
    /// `Σ w (y - c)²`.
    LabelSquared(usize),
    /// `Σ w` times the loss of one version's score by a metric.
    Loss(Metric, usize),
    /// `Σ w` over the rows of these true and predicted classes, by one version.
    Confusion { truth: bool, predicted: bool, version: usize },
}

/// Sums of all rows that some metrics of some versions need.
pub(crate) struct Pointwise<'a> {
    dataset: &'a Dataset,
    partitions: &'a Partitions<'a>,
    versions: &'a [Scores],
    threshold: f64,
    sums: Vec<Sum>,
    /// The mean of the labels of each segment; none if no metric needs it.
    centers: Vec<f64>,
}

impl<'a> Pointwise<'a> {
    /// The sums for `metrics`, without those that need more than sums. A score above `threshold` predicts the second class.
    pub(crate) fn new(
        dataset: &'a Dataset,
        partitions: &'a Partitions<'a>,
        versions: &'a [Scores],
        metrics: &[Metric],
        threshold: f64,
    ) -> Self {
        let mut sums = Vec::new();
        for metric in metrics {
            for version in 0..versions.len() {
                for sum in needed(*metric, version, partitions.per_row()) {
                    if !sums.contains(&sum) {
                        sums.push(sum);
                    }
                }
            }
        }
        let centers = match &dataset.labels.0 {
            Kind::Values(labels) if metrics.contains(&Metric::R2) => {
                spreads(labels, dataset, partitions).into_iter().map(|spread| spread.mean).collect()
            }
            _ => Vec::new(),
        };
        Self { dataset, partitions, versions, threshold, sums, centers }
    }

    /// A metric of a version from the sums of `segment`. NaN if they do not define it.
    pub(crate) fn metric(
        &self,
        metric: Metric,
        version: usize,
        segment: usize,
        sums: impl Fn(usize) -> f64,
    ) -> f64 {
        let sum = |wanted: Sum| self.sums.iter().position(|sum| *sum == wanted).map_or(f64::NAN, &sums);
        let weight = || sum(Sum::Weight);
        let loss = || sum(Sum::Loss(metric, version));
        let rows = |truth, predicted| sum(Sum::Confusion { truth, predicted, version });
        match metric {
            Metric::Accuracy => (rows(true, true) + rows(false, false)) / weight(),
            Metric::F1 => {
                let hits = 2.0 * rows(true, true);
                let all = hits + rows(true, false) + rows(false, true);
                if all == 0.0 { 0.0 } else { hits / all }
            }
            Metric::BalancedAccuracy => {
                let share = |class| rows(class, class) / (rows(class, class) + rows(class, !class));
                match (share(false), share(true)) {
                    (negative, positive) if positive.is_nan() => negative,
                    (negative, positive) if negative.is_nan() => positive,
                    (negative, positive) => f64::midpoint(negative, positive),
                }
            }
            Metric::Rmse => (loss() / weight()).sqrt(),
            Metric::R2 => {
                let column = self.partitions.column(segment);
                let (label, squares) = (sum(Sum::Label(column)), sum(Sum::LabelSquared(column)));
                let spread = squares - label * label / weight();
                if spread <= ROUNDING * squares { f64::NAN } else { 1.0 - loss() / spread }
            }
            Metric::MultiLogLoss | Metric::MultiError => loss() / sum(Sum::SingleWeight),
            _ => loss() / weight(),
        }
    }

    fn fill_column(&self, sum: Sum, first: usize, values: &mut [f64]) {
        let dataset = self.dataset;
        let weight = |row| dataset.weight(row);
        match (sum, &dataset.labels.0) {
            (Sum::Weight, _) => each(first, values, weight),
            (Sum::SingleWeight, _) => each(first, values, |row| single(weight(row))),
            (Sum::Label(column), Kind::Values(labels)) => {
                each(first, values, |row| weight(row) * self.apart(labels, column, row));
            }
            (Sum::LabelSquared(column), Kind::Values(labels)) => {
                each(first, values, |row| weight(row) * self.apart(labels, column, row).powi(2));
            }
            (Sum::Loss(metric, version), Kind::Classes { ids, .. }) => {
                let scores = &self.versions[version];
                each(first, values, |row| {
                    class_loss(metric, usize::from(ids[row]), scores.row(row), weight(row))
                });
            }
            (Sum::Loss(metric, version), Kind::Values(labels)) => {
                let scores = &self.versions[version];
                each(first, values, |row| weight(row) * value_loss(metric, labels[row], scores.row(row)[0]));
            }
            (Sum::Confusion { truth, predicted, version }, Kind::Classes { ids, .. }) => {
                let scores = &self.versions[version];
                each(first, values, |row| {
                    let found = (ids[row] == 1, scores.row(row)[0] > self.threshold);
                    if found == (truth, predicted) { weight(row) } else { 0.0 }
                });
            }
            // The metrics were checked to be of the labels' task.
            _ => values.fill(f64::NAN),
        }
    }

    /// How far a label is from the mean of its segment in a column of segments.
    fn apart(&self, labels: &[f64], column: usize, row: usize) -> f64 {
        labels[row] - self.centers[self.partitions.of(column, row) as usize]
    }
}

impl Source for Pointwise<'_> {
    fn items(&self) -> usize {
        self.dataset.rows()
    }

    fn columns(&self) -> usize {
        self.sums.len()
    }

    fn segments(&self) -> usize {
        self.partitions.len()
    }

    fn fill(&self, first: usize, block: &mut Block) {
        block.len = BLOCK.min(self.items() - first);
        for (unit, row) in block.units[..block.len].iter_mut().zip(first..) {
            *unit = self.dataset.unit(row);
        }
        for (sum, values) in self.sums.iter().zip(&mut block.values) {
            self.fill_column(*sum, first, &mut values[..block.len]);
        }
        let columns = 1..self.partitions.per_row();
        block.members.resize_with(columns.len() + 1, || Members::Each(Box::new([0; BLOCK])));
        block.members[0] = Members::All;
        for (column, members) in columns.zip(&mut block.members[1..]) {
            if let Members::Each(segments) = members {
                for (segment, row) in segments[..block.len].iter_mut().zip(first..) {
                    *segment = self.partitions.of(column, row);
                }
            }
        }
    }
}

/// R² of each segment, with the mean of its own labels: the difference of two large sums would lose digits.
pub(crate) fn r2(dataset: &Dataset, partitions: &Partitions<'_>, scores: &Scores) -> Vec<f64> {
    let Kind::Values(labels) = &dataset.labels.0 else { return vec![f64::NAN; partitions.len()] };
    let mut states = spreads(labels, dataset, partitions);
    for (row, label) in labels.iter().enumerate() {
        for segment in partitions.each(row) {
            states[segment].add(*label, scores.row(row)[0], dataset.weight(row));
        }
    }
    states.into_iter().map(Spread::r2).collect()
}

/// The labels of each segment, with their means.
fn spreads(labels: &[f64], dataset: &Dataset, partitions: &Partitions<'_>) -> Vec<Spread> {
    let mut states = vec![Spread::new(); partitions.len()];
    for (row, label) in labels.iter().enumerate() {
        for segment in partitions.each(row) {
            states[segment].count(*label, dataset.weight(row));
        }
    }
    for state in &mut states {
        state.mean = state.sum.value() / state.weight.value();
    }
    states
}

/// The labels of a segment, and how far the scores are from them.
#[derive(Debug, Clone, Copy)]
struct Spread {
    rows: u64,
    weight: Compensated,
    sum: Compensated,
    /// The least and the greatest label that have weight.
    least: f64,
    greatest: f64,
    /// The mean, rounded.
    mean: f64,
    residual: Compensated,
    total: Compensated,
    /// How far the labels are from the rounded mean, which they would not be from the mean itself.
    off: Compensated,
}

impl Spread {
    fn new() -> Self {
        let none = Compensated::default();
        Self {
            rows: 0,
            weight: none,
            sum: none,
            least: f64::INFINITY,
            greatest: f64::NEG_INFINITY,
            mean: f64::NAN,
            residual: none,
            total: none,
            off: none,
        }
    }

    fn count(&mut self, label: f64, weight: f64) {
        self.rows += 1;
        self.weight.add(weight);
        self.sum.add(weight * label);
        if weight > 0.0 {
            self.least = self.least.min(label);
            self.greatest = self.greatest.max(label);
        }
    }

    fn add(&mut self, label: f64, score: f64, weight: f64) {
        let apart = label - self.mean;
        self.residual.add(weight * (label - score).powi(2));
        self.total.add(weight * apart.powi(2));
        self.off.add(weight * apart);
    }

    fn r2(self) -> f64 {
        let (weight, residual, off) = (self.weight.value(), self.residual.value(), self.off.value());
        if self.rows < 2 || weight == 0.0 {
            return f64::NAN;
        }
        // The mean of equal labels can differ from them by rounding.
        if self.least == self.greatest {
            return if residual == 0.0 { 1.0 } else { 0.0 };
        }
        1.0 - residual / (self.total.value() - off * off / weight)
    }
}

/// The sums from which a metric of a version is computed, in segments of so many columns.
fn needed(metric: Metric, version: usize, columns: usize) -> Vec<Sum> {
    let confusion = |truth, predicted| Sum::Confusion { truth, predicted, version };
    let all = [(true, true), (true, false), (false, true), (false, false)];
    let loss = Sum::Loss(metric, version);
    match metric {
        Metric::Accuracy | Metric::F1 | Metric::BalancedAccuracy => {
            let cells = all.into_iter().map(|(truth, predicted)| confusion(truth, predicted));
            cells.chain([Sum::Weight]).collect()
        }
        Metric::R2 => {
            let labels = (0..columns).flat_map(|column| [Sum::Label(column), Sum::LabelSquared(column)]);
            [Sum::Weight, loss].into_iter().chain(labels).collect()
        }
        Metric::MultiLogLoss | Metric::MultiError => vec![Sum::SingleWeight, loss],
        Metric::Auc
        | Metric::AucOvr
        | Metric::AveragePrecision
        | Metric::Ece
        | Metric::Ndcg { .. }
        | Metric::Map { .. } => Vec::new(),
        _ => vec![Sum::Weight, loss],
    }
}

fn each(first: usize, values: &mut [f64], value_of: impl Fn(usize) -> f64) {
    for (value, row) in values.iter_mut().zip(first..) {
        *value = value_of(row);
    }
}

/// A weight as LightGBM keeps it.
pub(crate) fn single(weight: f64) -> f64 {
    f64::from(weight as f32)
}

/// The loss of a row of a class, times its weight.
fn class_loss(metric: Metric, class: usize, scores: &[f64], weight: f64) -> f64 {
    match metric {
        Metric::LogLoss => {
            let probability = if class == 1 { scores[0] } else { 1.0 - scores[0] };
            weight * -probability.clamp(EPSILON, 1.0 - EPSILON).ln()
        }
        Metric::Brier => {
            // As scikit-learn does, over both classes.
            let label = class as f64;
            let negative = (1.0 - label) - (1.0 - scores[0]);
            weight * (0.5 * (negative.powi(2) + (label - scores[0]).powi(2)))
        }
        Metric::MultiLogLoss => {
            let probability = scores[class];
            let loss = if probability > f64::from(LIGHTGBM_EPSILON) {
                -probability.ln()
            } else {
                f64::from(-LIGHTGBM_EPSILON.ln())
            };
            single(weight) * loss
        }
        Metric::MultiError => {
            let mut others = scores.iter().enumerate().filter(|(other, _)| *other != class);
            let wrong = others.any(|(_, score)| *score >= scores[class]);
            if wrong { single(weight) } else { 0.0 }
        }
        _ => f64::NAN,
    }
}

/// The loss of a row with a number as its label.
fn value_loss(metric: Metric, label: f64, score: f64) -> f64 {
    let difference = label - score;
    match metric {
        Metric::Rmse | Metric::R2 => difference.powi(2),
        Metric::Mae => difference.abs(),
        Metric::Mape => difference.abs() / label.abs().max(EPSILON),
        Metric::Pinball { alpha } if difference >= 0.0 => alpha * difference,
        Metric::Pinball { alpha } => -(1.0 - alpha) * difference,
        Metric::PoissonDeviance => 2.0 * deviance::poisson(label, score),
        Metric::GammaDeviance => 2.0 * deviance::gamma(label, score),
        Metric::TweedieDeviance { power } => 2.0 * deviance::tweedie(label, score, power),
        _ => f64::NAN,
    }
}
