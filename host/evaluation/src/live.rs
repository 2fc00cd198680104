//! How far two versions agree on rows that arrive one after the other, in memory that does not grow with them.

use std::collections::BTreeMap;

use hydra_base::names::DatasetName;
use hydra_base::{Sha256, Timestamp};

use crate::document::{
    AgreementRecord, DatasetRecord, DistributionRecord, Evaluation, QuantileRecord, VersionId, VersionRecord,
};
use crate::metric::Task;

/// What the names of the datasets of live rows begin with.
pub const LIVE_DATASETS: &str = "shadow-";

/// The number of parts that deciles make.
const PARTS: usize = 10;

/// The shares of rows whose greatest difference is stated.
const SHARES: [f64; 4] = [0.5, 0.9, 0.99, 1.0];

/// The bits of a number that tell buckets apart: sign, exponent, and seven bits of the mantissa, so that a bucket is at most 0.8 %
/// wide.
const BUCKET_BITS: u32 = 19;

/// Scores in buckets of nearly equal relative width. Counts of several processes add up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Buckets(BTreeMap<u32, u64>);

/// How far a challenger agrees with a baseline: sums over rows, which add up over processes.
///
/// Scores are the outputs of the models' objectives. What depends on their order (the stability index, the Kolmogorov-Smirnov
/// distance, quantiles) is exact up to the width of a bucket, at most 0.8 % of a score.
///
/// ```
/// use hydra_evaluation::LiveAgreement;
///
/// let mut agreement = LiveAgreement::new(1);
/// agreement.count(&[0.2, 0.7], &[0.2, 0.4], |row| usize::from(row[0] > 0.5));
/// let mut other = LiveAgreement::new(1);
/// other.count(&[0.9], &[0.9], |row| usize::from(row[0] > 0.5));
/// agreement.merge(&other);
/// assert_eq!(agreement.rows(), 3);
/// assert_eq!(agreement.equal_share(), 2.0 / 3.0);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct LiveAgreement {
    rows: u64,
    equal: u64,
    label_changes: u64,
    difference: f64,
    greatest: f64,
    differences: Buckets,
    /// Of the baseline and of the challenger, by output.
    scores: [Vec<Buckets>; 2],
    /// The seconds that the baseline and the challenger took.
    seconds: [f64; 2],
}

/// A version whose scores were compared, with the SHA-256 of its model file.
pub type LiveVersion = (VersionId, Sha256);

impl LiveAgreement {
    /// No rows yet, of models with this many outputs.
    #[must_use]
    pub fn new(outputs: usize) -> Self {
        let none = vec![Buckets::default(); outputs];
        Self {
            rows: 0,
            equal: 0,
            label_changes: 0,
            difference: 0.0,
            greatest: 0.0,
            differences: Buckets::default(),
            scores: [none.clone(), none],
            seconds: [0.0; 2],
        }
    }

    /// Counts rows that both versions scored, row-major. `label_of` is the label of a row's scores.
    ///
    /// # Panics
    /// If the two are not scores of as many rows.
    pub fn count(&mut self, baseline: &[f64], challenger: &[f64], label_of: impl Fn(&[f64]) -> usize) {
        assert_eq!(baseline.len(), challenger.len(), "the versions scored other rows");
        let outputs = self.scores[0].len();
        for (a, b) in baseline.chunks_exact(outputs).zip(challenger.chunks_exact(outputs)) {
            self.rows += 1;
            self.equal += u64::from(a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits()));
            self.label_changes += u64::from(label_of(a) != label_of(b));
            let mut greatest = 0.0_f64;
            for (output, (a, b)) in a.iter().zip(b).enumerate() {
                // Two infinities of one sign do not differ.
                let difference = if a.to_bits() == b.to_bits() { 0.0 } else { (a - b).abs() };
                self.difference += difference;
                greatest = greatest.max(difference);
                self.scores[0][output].add(*a);
                self.scores[1][output].add(*b);
            }
            self.greatest = self.greatest.max(greatest);
            self.differences.add(greatest);
        }
    }

    /// Adds the time that the versions took for the same rows, in seconds.
    pub fn time(&mut self, baseline: f64, challenger: f64) {
        self.seconds[0] += baseline;
        self.seconds[1] += challenger;
    }

    /// Adds what another process counted, of models with as many outputs.
    pub fn merge(&mut self, other: &Self) {
        self.rows += other.rows;
        self.equal += other.equal;
        self.label_changes += other.label_changes;
        self.difference += other.difference;
        self.greatest = self.greatest.max(other.greatest);
        self.differences.merge(&other.differences);
        for (own, others) in self.scores.iter_mut().zip(&other.scores) {
            own.iter_mut().zip(others).for_each(|(own, other)| own.merge(other));
        }
        self.time(other.seconds[0], other.seconds[1]);
    }

    /// The number of rows.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The share of rows with scores that are equal to the bit.
    #[must_use]
    pub fn equal_share(&self) -> f64 {
        self.equal as f64 / self.rows as f64
    }

    /// The figures, for `challenger` compared with `baseline`. Label changes are NaN for tasks without labels.
    #[must_use]
    pub fn record(&self, task: Task, baseline: VersionId, challenger: VersionId) -> AgreementRecord {
        let has_labels = matches!(task, Task::Binary | Task::Multiclass);
        let pairs = || self.scores[0].iter().zip(&self.scores[1]);
        let (rows, outputs) = (self.rows as f64, self.scores[0].len() as f64);
        let greatest = |figures: Vec<f64>| figures.into_iter().fold(0.0, f64::max);
        let quantile = |share| QuantileRecord {
            share,
            value: if share < 1.0 { self.differences.quantile(share) } else { self.greatest },
        };
        AgreementRecord {
            challenger,
            baseline,
            segment: None,
            equal: self.equal_share(),
            label_changes: if has_labels { self.label_changes as f64 / rows } else { f64::NAN },
            mean_difference: self.difference / (rows * outputs),
            psi: greatest(pairs().map(|(a, b)| a.stability(b)).collect()),
            ks: greatest(pairs().map(|(a, b)| a.distance(b)).collect()),
            difference_quantiles: SHARES.map(quantile).to_vec(),
            latency_ratio: Some(self.seconds[1] / self.seconds[0]).filter(|ratio| ratio.is_finite()),
        }
    }

    /// The document of what was counted of live rows between the two times. There are no labels, so it has no metrics.
    #[must_use]
    pub fn evaluation(
        &self,
        (name, digest): (DatasetName, Sha256),
        task: Task,
        classes: Vec<String>,
        [baseline, challenger]: [LiveVersion; 2],
        times: [Timestamp; 2],
    ) -> Evaluation {
        let record = |(id, sha256): &LiveVersion, scores: &[Buckets]| VersionRecord {
            version: id.clone(),
            model_sha256: *sha256,
            scores: scores.iter().map(Buckets::distribution).collect(),
            calibration: Vec::new(),
        };
        let versions = vec![record(&baseline, &self.scores[0]), record(&challenger, &self.scores[1])];
        let agreement = self.record(task, baseline.0.clone(), challenger.0);
        let dataset = DatasetRecord::new(name, digest, self.rows);
        Evaluation::of_live_rows(dataset, task, classes, versions, agreement, times)
    }
}

/// The population stability index of two distributions in the same parts, by the number of rows in each: `Σ (a - b) ln(a / b)`,
/// where `a` and `b` are the shares of the rows. A part that only one of them has rows in counts half a row of the other. NaN if one
/// has no rows.
#[must_use]
pub fn stability_of_counts(baseline: &[u64], challenger: &[u64]) -> f64 {
    let total = |counts: &[u64]| counts.iter().sum::<u64>() as f64;
    let (rows, other_rows) = (total(baseline), total(challenger));
    if rows == 0.0 || other_rows == 0.0 {
        return f64::NAN;
    }
    let part = |(b, a): (&u64, &u64)| {
        if (*a, *b) == (0, 0) {
            return 0.0;
        }
        let share = |count: u64, rows: f64| (count as f64).max(0.5) / rows;
        let (a, b) = (share(*a, other_rows), share(*b, rows));
        (a - b) * (a / b).ln()
    };
    baseline.iter().zip(challenger).map(part).sum()
}

impl Buckets {
    /// The bucket of a number. Buckets are in the order of the numbers.
    fn bucket(value: f64) -> u32 {
        let bits = value.to_bits();
        let ordered = if value.is_sign_negative() { !bits } else { bits | 1 << 63 };
        (ordered >> (64 - BUCKET_BITS)) as u32
    }

    /// A number in the middle of a bucket.
    fn middle(bucket: u32) -> f64 {
        let ordered = u64::from(bucket) << (64 - BUCKET_BITS) | 1 << (63 - BUCKET_BITS);
        let of =
            |ordered: u64| f64::from_bits(if ordered >> 63 == 1 { ordered & !(1 << 63) } else { !ordered });
        // Zero is a number that many scores and most differences are.
        if bucket == Self::bucket(0.0) || bucket == Self::bucket(-0.0) { 0.0 } else { of(ordered) }
    }

    fn add(&mut self, value: f64) {
        *self.0.entry(Self::bucket(value)).or_default() += 1;
    }

    fn merge(&mut self, other: &Self) {
        for (bucket, count) in &other.0 {
            *self.0.entry(*bucket).or_default() += count;
        }
    }

    fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// The bucket with the number that this share of the rows does not exceed.
    fn bucket_at(&self, share: f64) -> Option<u32> {
        let needed = ((self.total() as f64 * share).ceil() as u64).max(1);
        let mut before = 0;
        let mut buckets = self.0.iter();
        let found = buckets.find(|(_, count)| {
            before += *count;
            before >= needed
        });
        found.map(|(bucket, _)| *bucket)
    }

    fn quantile(&self, share: f64) -> f64 {
        self.bucket_at(share).map_or(f64::NAN, Self::middle)
    }

    /// The last buckets of the nine lower parts that the deciles make.
    fn deciles(&self) -> Vec<u32> {
        (1..PARTS).filter_map(|decile| self.bucket_at(decile as f64 / PARTS as f64)).collect()
    }

    /// How many rows are in each part that these last buckets make.
    fn counts(&self, deciles: &[u32]) -> [u64; PARTS] {
        let mut counts = [0; PARTS];
        for (bucket, count) in &self.0 {
            counts[deciles.partition_point(|last| last < bucket)] += count;
        }
        counts
    }

    /// The stability index of `other`, by the deciles of this one.
    fn stability(&self, other: &Self) -> f64 {
        let deciles = self.deciles();
        stability_of_counts(&self.counts(&deciles), &other.counts(&deciles))
    }

    /// The Kolmogorov-Smirnov distance.
    fn distance(&self, other: &Self) -> f64 {
        let mut steps: BTreeMap<u32, f64> = BTreeMap::new();
        for (buckets, sign) in [(self, 1.0), (other, -1.0)] {
            let rows = buckets.total() as f64;
            for (bucket, count) in &buckets.0 {
                *steps.entry(*bucket).or_default() += sign * *count as f64 / rows;
            }
        }
        let mut lead = 0.0_f64;
        let leads = steps.into_values().map(|step| {
            lead += step;
            lead.abs()
        });
        leads.fold(0.0, f64::max).min(1.0)
    }

    fn distribution(&self) -> DistributionRecord {
        let deciles = self.deciles();
        let ends = [self.0.first_key_value(), self.0.last_key_value()];
        let [least, greatest] = ends.map(|end| end.map_or(f64::NAN, |(bucket, _)| Self::middle(*bucket)));
        let between = deciles.iter().map(|bucket| Self::middle(*bucket));
        let edges = [least].into_iter().chain(between).chain([greatest]);
        // JSON has no infinities.
        let edges = edges.map(|edge| edge.clamp(f64::MIN, f64::MAX)).collect();
        DistributionRecord { edges, counts: self.counts(&deciles).to_vec() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers that look random, from 0 to 1.
    fn numbers(seed: u64, count: usize) -> Vec<f64> {
        let mut state = seed;
        let next = || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 11) as f64 / (1_u64 << 53) as f64
        };
        std::iter::repeat_with(next).take(count).collect()
    }

    fn label(row: &[f64]) -> usize {
        usize::from(row[0] > 0.5)
    }

    fn agreement(baseline: &[f64], challenger: &[f64]) -> AgreementRecord {
        let mut live = LiveAgreement::new(1);
        live.count(baseline, challenger, label);
        live.time(2.0, 3.0);
        let id = |path: &str| VersionId::File(path.to_owned());
        live.record(Task::Binary, id("a"), id("b"))
    }

    #[test]
    fn equal_scores_agree() {
        let scores = numbers(1, 10_000);
        let record = agreement(&scores, &scores);
        assert_eq!((record.equal, record.label_changes, record.mean_difference), (1.0, 0.0, 0.0));
        assert!(record.psi.abs() < 1e-12 && record.ks.abs() < 1e-9, "{record:?}");
        assert!(record.difference_quantiles.iter().all(|quantile| quantile.value == 0.0), "{record:?}");
        assert_eq!(record.latency_ratio, Some(1.5));
    }

    #[test]
    fn figures_are_those_of_exact_ones_up_to_a_bucket() {
        let scores = numbers(2, 50_000);
        let moved: Vec<f64> = scores.iter().map(|score| score * score).collect();
        let record = agreement(&scores, &moved);
        // x - x² is at most 1/4, on average 1/6; P(x² <= t) - P(x <= t) = √t - t.
        assert!((record.mean_difference - 1.0 / 6.0).abs() < 2e-3, "{record:?}");
        assert!((record.ks - 0.25).abs() < 1e-2, "{record:?}");
        assert!((record.label_changes - (0.5_f64.sqrt() - 0.5)).abs() < 1e-2, "{record:?}");
        let quantiles: Vec<f64> = record.difference_quantiles.iter().map(|one| one.value).collect();
        assert!(quantiles.is_sorted() && (quantiles[3] - 0.25).abs() < 1e-9, "{quantiles:?}");
        let expected: f64 = (0..10)
            .map(|part| {
                let edges = [f64::from(part) / 10.0, f64::from(part + 1) / 10.0];
                let (a, b) = (edges[1].sqrt() - edges[0].sqrt(), 0.1_f64);
                (a - b) * (a / b).ln()
            })
            .sum();
        assert!((record.psi - expected).abs() < 0.05 * expected, "{} {expected}", record.psi);
    }

    #[test]
    fn what_two_processes_counted_adds_up() {
        let (a, b) = (numbers(3, 6_000), numbers(4, 6_000));
        let mut whole = LiveAgreement::new(2);
        whole.count(&a, &b, label);
        let mut merged = LiveAgreement::new(2);
        merged.count(&a[..1_000], &b[..1_000], label);
        let mut other = LiveAgreement::new(2);
        other.count(&a[1_000..], &b[1_000..], label);
        merged.merge(&other);
        assert_eq!(merged.rows(), 3_000);
        assert!((merged.difference - whole.difference).abs() < 1e-6);
        let exact = |live: &LiveAgreement| LiveAgreement { difference: 0.0, ..live.clone() };
        assert_eq!(exact(&merged), exact(&whole));
    }

    #[test]
    fn buckets_are_in_the_order_of_the_numbers() {
        let numbers =
            [f64::NEG_INFINITY, -1e300, -2.0, -1e-300, -0.0, 0.0, 5e-324, 1e-300, 1.0, 1e300, f64::INFINITY];
        let buckets: Vec<u32> = numbers.into_iter().map(Buckets::bucket).collect();
        assert!(buckets.is_sorted(), "{buckets:?}");
        for number in [-1234.5, -1e-9, 1e-9, 0.3, 1.0, 7e7] {
            let middle = Buckets::middle(Buckets::bucket(number));
            assert!(((middle - number) / number).abs() < 0.008, "{number} {middle}");
        }
        assert_eq!(Buckets::middle(Buckets::bucket(0.0)), 0.0);
    }

    #[test]
    fn the_document_reads_back() {
        let mut live = LiveAgreement::new(1);
        live.count(&numbers(5, 100), &numbers(6, 100), label);
        let name: DatasetName = "shadow".parse().expect("a name");
        let of = |path: &str| (VersionId::File(path.to_owned()), Sha256::of(path.as_bytes()));
        let evaluation =
            live.evaluation((name, Sha256::NONE), Task::Binary, Vec::new(), [of("a"), of("b")], [1, 2]);
        let json = evaluation.to_json().expect("JSON");
        assert_eq!(Evaluation::from_json(&json).expect("a document"), evaluation);
        assert_eq!(evaluation.dataset.rows, 100);
        assert_eq!(evaluation.versions[0].scores[0].edges.len(), 11);
        assert_eq!(evaluation.versions[0].scores[0].counts.iter().sum::<u64>(), 100);
    }
}
