//! The order of the work: sums over rows, ranks output by output, and what comes of them.

use crate::calibration::{Calibration, calibrations};
use crate::dataset::{Dataset, Partitions};
use crate::delong::Classes;
use crate::distribution::{self, Distribution, LabelOf, RowAgreement};
use crate::figures::Figures;
use crate::grouped::Lists;
use crate::measure::{Agreement, Comparison, Measured, Measurement, Options};
use crate::metric::{Metric, Task};
use crate::pointwise::{self, Pointwise};
use crate::resample::ranked::{Ranked, Ranking, Sweeps};
use crate::resample::sums::{Source, Sums};
use crate::resample::{Counts, Plan, Progress};
use crate::scores::{Output, Scores};
use crate::threads::parallel;

/// The input of [`crate::measure`], checked.
pub(crate) struct Run<'a> {
    pub(crate) dataset: &'a Dataset,
    pub(crate) partitions: &'a Partitions<'a>,
    /// The number of rows in each segment.
    pub(crate) sizes: &'a [u64],
    pub(crate) versions: &'a [Scores],
    pub(crate) baseline: usize,
    pub(crate) options: &'a Options,
    pub(crate) task: Task,
}

/// What is computed from the order of scores.
struct Ranks {
    distributions: Vec<Vec<Distribution>>,
    /// By version and segment.
    psi: Vec<Vec<f64>>,
    ks: Vec<Vec<f64>>,
}

impl Run<'_> {
    pub(crate) fn measure(&self, report: &(dyn Fn(u64, u64) + Sync)) -> Measured {
        let (counts, resamples, threads) =
            (Counts::of(self.dataset.digest), self.options.resamples, self.options.threads);
        let sources = self.sources();
        let passes =
            sources.len() + if self.sweeps_resamples() { self.outputs() * self.versions.len() } else { 0 };
        let progress = Progress::new(passes as u64 * Plan::length(resamples), report);
        let plan = Plan { counts, resamples, threads, progress: &progress };

        let mut figures = vec![None; self.options.metrics.len()];
        for source in &sources {
            self.summed(source, &plan, &mut figures);
        }
        let ranks = self.ranks(&plan, &mut figures);
        self.assemble(figures, ranks)
    }

    /// What is summed: nothing if no metric needs it.
    fn sources(&self) -> Vec<Summed<'_>> {
        let Self { dataset, partitions, versions, options, .. } = self;
        let source = match &dataset.groups {
            Some(groups) if self.task == Task::Ranking => {
                Summed::Lists(Lists::new(dataset, groups, partitions, versions, &options.metrics))
            }
            _ => Summed::Rows(Pointwise::new(
                dataset,
                partitions,
                versions,
                &options.metrics,
                options.threshold,
            )),
        };
        if source.as_source().columns() == 0 { Vec::new() } else { vec![source] }
    }

    /// Fills in the figures of the metrics that are computed from sums.
    fn summed(&self, source: &Summed<'_>, plan: &Plan<'_>, figures: &mut [Option<Figures>]) {
        let sums = Sums::of(source.as_source(), plan);
        for (index, metric) in self.options.metrics.iter().enumerate() {
            if metric.is_ranked() || *metric == Metric::Ece {
                continue;
            }
            let value = |version, segment, sum: &dyn Fn(usize) -> f64| match source {
                Summed::Lists(lists) => lists.metric(index, version, sum),
                Summed::Rows(rows) => rows.metric(*metric, version, segment, sum),
            };
            let values = match metric {
                Metric::R2 => {
                    self.each_version(|_, scores| pointwise::r2(self.dataset, self.partitions, scores))
                }
                _ => self.each_version(|version, _| {
                    let segments = 0..self.partitions.len();
                    segments
                        .map(|segment| value(version, segment, &|column| sums.total(segment, column)))
                        .collect()
                }),
            };
            figures[index] = Some(self.with_percentiles(values, |version, segment, resample| {
                value(version, segment, &|column| sums.drawn(segment, column, resample))
            }));
        }
    }

    /// Goes through the outputs one by one, so that each version needs only one order at a time.
    fn ranks(&self, plan: &Plan<'_>, figures: &mut [Option<Figures>]) -> Ranks {
        let unknown = || self.each_version(|_, _| vec![f64::NAN; self.partitions.len()]);
        let mut ranks =
            Ranks { distributions: self.each_version(|_, _| Vec::new()), psi: unknown(), ks: unknown() };
        let mut sweeps: Option<Vec<Sweeps>> = None;
        for number in 0..self.outputs() {
            let outputs = self.each_version(|_, scores| scores.output(number));
            let orders = parallel(self.options.threads, outputs.clone(), Output::descending);
            let versions: Vec<(Output<'_>, &[u32])> =
                outputs.into_iter().zip(orders.iter().map(Vec::as_slice)).collect();
            self.distributions(&versions, &mut ranks);
            let positive = if self.task == Task::Binary { 1 } else { number as u16 };
            if self.sweeps() {
                let share = 1.0 / self.outputs() as f64;
                let swept = versions.iter().map(|version| self.sweep(*version, positive, plan, share));
                match &mut sweeps {
                    None => sweeps = Some(swept.collect()),
                    Some(sweeps) => sweeps.iter_mut().zip(swept).for_each(|(all, one)| all.add(&one)),
                }
            }
            if self.task == Task::Binary && self.has_delong() {
                let classes = Classes::new(self.dataset.class_ids(), positive, self.partitions);
                let estimates = classes.estimates(&versions, self.baseline, self.options.threads);
                self.set(figures, Metric::Auc, || Figures::of(&estimates));
            }
        }
        if let Some(sweeps) = sweeps {
            self.swept(&sweeps, figures);
        }
        ranks
    }

    fn distributions(&self, versions: &[(Output<'_>, &[u32])], ranks: &mut Ranks) {
        let (partitions, sizes, baseline) = (self.partitions, self.sizes, versions[self.baseline]);
        let tasks = versions.to_vec();
        let compared = parallel(self.options.threads, tasks, |(output, order)| {
            let psi = distribution::stability(partitions, sizes, baseline, output);
            let ks = distribution::distance(partitions, sizes, [baseline, (output, order)]);
            (Distribution::of(output, order), psi, ks)
        });
        for (version, (distribution, psi, ks)) in compared.into_iter().enumerate() {
            ranks.distributions[version].push(distribution);
            for (greatest, of_output) in [(&mut ranks.psi[version], psi), (&mut ranks.ks[version], ks)] {
                // The greatest so far is NaN before the first output.
                greatest.iter_mut().zip(of_output).for_each(|(all, one)| *all = all.max(one));
            }
        }
    }

    fn sweep(
        &self,
        (output, order): (Output<'_>, &[u32]),
        positive: u16,
        plan: &Plan<'_>,
        share: f64,
    ) -> Sweeps {
        let (dataset, partitions) = (self.dataset, self.partitions);
        let precision = self.options.metrics.contains(&Metric::AveragePrecision);
        let ranking = Ranking { dataset, partitions, output, order, positive, precision };
        Sweeps::of(&ranking, self.sweeps_resamples().then_some(plan), share)
    }

    fn swept(&self, sweeps: &[Sweeps], figures: &mut [Option<Figures>]) {
        for metric in [Metric::Auc, Metric::AucOvr] {
            self.set(figures, metric, || {
                let values = sweeps.iter().map(|sweeps| sweeps.data.iter().map(|data| data.auc).collect());
                self.with_percentiles(values.collect(), |version, segment, resample| {
                    sweeps[version].drawn(segment, resample).auc
                })
            });
        }
        self.set(figures, Metric::AveragePrecision, || {
            // It is 0 without positive rows.
            let value =
                |data: &Ranked| if data.average_precision.is_nan() { 0.0 } else { data.average_precision };
            let values = sweeps.iter().map(|sweeps| sweeps.data.iter().map(value).collect());
            self.with_percentiles(values.collect(), |version, segment, resample| {
                sweeps[version].drawn(segment, resample).average_precision
            })
        });
    }

    fn assemble(&self, mut figures: Vec<Option<Figures>>, ranks: Ranks) -> Measured {
        let (partitions, baseline) = (self.partitions, self.baseline);
        let calibrated = self.options.metrics.contains(&Metric::Ece);
        let calibrations = if calibrated {
            self.each_version(|_, scores| calibrations(self.dataset, partitions, scores))
        } else {
            Vec::new()
        };
        self.set(&mut figures, Metric::Ece, || {
            let errors =
                calibrations.iter().map(|segments| segments.iter().map(Calibration::error).collect());
            Figures::without_intervals(errors.collect())
        });

        let mut measured = Measured {
            task: self.task,
            baseline,
            segments: partitions.described(self.sizes),
            measurements: Vec::new(),
            comparisons: Vec::new(),
            agreements: Vec::new(),
            distributions: ranks.distributions,
            calibrations: calibrations.iter().map(|segments| segments[0].bins()).collect(),
        };
        // All rows have the index 0.
        let segments =
            || (0..partitions.len()).map(|index| (index, index.checked_sub(1).map(|index| index as u32)));
        for version in 0..self.versions.len() {
            for (metric, figures) in self.options.metrics.iter().zip(figures.iter().flatten()) {
                for (index, segment) in segments() {
                    let metric = *metric;
                    let value = figures.values[version][index];
                    let interval = figures.intervals[version][index];
                    if version != baseline {
                        measured.comparisons.push(Comparison {
                            challenger: version,
                            baseline,
                            metric,
                            segment,
                            difference: value - figures.values[baseline][index],
                            interval: figures.differences[version][index],
                        });
                    }
                    measured.measurements.push(Measurement { version, metric, segment, value, interval });
                }
            }
            if version == baseline {
                continue;
            }
            for ((index, segment), row) in segments().zip(self.row_agreement(version)) {
                measured.agreements.push(Agreement {
                    challenger: version,
                    baseline,
                    segment,
                    equal: row.equal,
                    label_changes: row.label_changes,
                    mean_difference: row.mean_difference,
                    psi: ranks.psi[version][index],
                    ks: ranks.ks[version][index],
                });
            }
        }
        measured
    }

    fn row_agreement(&self, version: usize) -> Vec<RowAgreement> {
        let above = |scores: &[f64]| usize::from(scores[0] > self.options.threshold);
        let label_of: Option<LabelOf<'_>> = match self.task {
            Task::Binary => Some(&above),
            Task::Multiclass => Some(&most_probable),
            Task::Regression | Task::Ranking => None,
        };
        let [baseline, version] = [self.baseline, version].map(|version| &self.versions[version]);
        distribution::row_agreement(self.partitions, self.sizes, baseline, version, label_of)
    }

    /// Sets the figures of a metric, if it was asked for and has none yet.
    fn set(&self, figures: &mut [Option<Figures>], metric: Metric, compute: impl FnOnce() -> Figures) {
        let index = self.options.metrics.iter().position(|wanted| *wanted == metric);
        if let Some(place @ None) = index.map(|index| &mut figures[index]) {
            *place = Some(compute());
        }
    }

    /// Figures with the bootstrap's intervals, where there are rows to resample.
    fn with_percentiles(&self, values: Vec<Vec<f64>>, drawn: impl Fn(usize, usize, usize) -> f64) -> Figures {
        let resamples = self.options.resamples;
        if resamples == 0 || self.dataset.units() < 2 {
            return Figures::without_intervals(values);
        }
        let is_large = |segment: usize| self.sizes[segment] > 1;
        Figures::with_percentiles(values, self.baseline, resamples, is_large, drawn)
    }

    fn each_version<'s, T>(&'s self, of: impl Fn(usize, &'s Scores) -> T) -> Vec<T> {
        self.versions.iter().enumerate().map(|(version, scores)| of(version, scores)).collect()
    }

    fn outputs(&self) -> usize {
        self.versions[0].outputs()
    }

    /// Whether DeLong's method applies: rows are independent and count the same.
    fn has_delong(&self) -> bool {
        self.dataset.weights.is_none() && self.dataset.groups.is_none()
    }

    /// Whether a metric needs a sweep along the order of scores.
    fn sweeps(&self) -> bool {
        let needs = |metric: &Metric| metric.is_ranked() && !(*metric == Metric::Auc && self.has_delong());
        self.options.metrics.iter().any(needs)
    }

    fn sweeps_resamples(&self) -> bool {
        self.sweeps() && self.options.resamples > 0
    }
}

/// What sums are made of.
enum Summed<'a> {
    Rows(Pointwise<'a>),
    Lists(Lists),
}

impl Summed<'_> {
    fn as_source(&self) -> &dyn Source {
        match self {
            Self::Rows(rows) => rows,
            Self::Lists(lists) => lists,
        }
    }
}

/// The index of the greatest score, the first of equals.
fn most_probable(scores: &[f64]) -> usize {
    (1..scores.len()).fold(0, |best, index| if scores[index] > scores[best] { index } else { best })
}
