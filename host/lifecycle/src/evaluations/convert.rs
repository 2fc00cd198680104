//! From an evaluation's document to what a policy receives of it.

use std::collections::{BTreeMap, BTreeSet};

use super::EvaluationFlaw;
use super::check::check;
use crate::evidence::{Evidence, timestamp};
use hydra_base::Sha256;
use hydra_base::names::Version;
use hydra_evaluation::{
    AgreementRecord, Direction as DocumentDirection, Evaluation as Document, EvaluationKind as DocumentKind,
    IntervalRecord, Method, SegmentRecord, VersionId,
};
use hydra_policy::{
    Agreement, Comparison, Direction, Evaluation, EvaluationKind, Interval, IntervalMethod, MeasuredMetric,
    Measurement, Quantile, Segment,
};

/// What is wrong with an evaluation, and that in words.
pub(super) type Flawed = (EvaluationFlaw, String);

/// The versions that a decision is about, with the digests of their model files.
pub(super) struct Subjects {
    /// The target, and the champion if there is one.
    needed: Vec<Version>,
    /// The digests of these and of the archived version, as far as they are known.
    digests: BTreeMap<Version, Sha256>,
}

impl Subjects {
    /// Those of a decision; `None` if it has no target.
    pub(super) fn of(evidence: &Evidence) -> Option<Self> {
        let needed = [evidence.target.as_ref()?].into_iter().chain(&evidence.champion);
        let all = needed.clone().chain(&evidence.archived);
        Some(Self {
            needed: needed.map(|version| version.version).collect(),
            digests: all
                .filter_map(|version| Some((version.version, evidence.model_sha256(version)?)))
                .collect(),
        })
    }

    /// The versions of these whose model files were measured. An error unless the needed ones are among them.
    fn measured(&self, document: &Document) -> Result<BTreeSet<Version>, Flawed> {
        let measured: BTreeMap<Version, Sha256> = document
            .versions
            .iter()
            .filter_map(|record| Some((registered(&record.version)?, record.model_sha256)))
            .collect();
        for version in &self.needed {
            let flawed = match (measured.get(version), self.digests.get(version)) {
                (None, _) => (EvaluationFlaw::NotMeasured, format!("it does not measure version {version}")),
                (Some(_), None) => (
                    EvaluationFlaw::OtherModel,
                    format!("the digest of the model file of version {version} is not known"),
                ),
                (Some(measured), Some(digest)) if measured != digest => (
                    EvaluationFlaw::OtherModel,
                    format!("it measures another model file than that of version {version}"),
                ),
                _ => continue,
            };
            return Err(flawed);
        }
        let same = self.digests.iter().filter(|(version, digest)| measured.get(version) == Some(digest));
        Ok(same.map(|(version, _)| *version).collect())
    }
}

/// What a policy receives of a document: the figures of the versions that the decision is about, in the contract's order. The
/// caller sets the digest of the document, and whether it is first-hand.
pub(super) fn evaluation(document: &Document, subjects: &Subjects) -> Result<Evaluation, Flawed> {
    check(document)?;
    let versions = subjects.measured(document)?;
    let time = |at| timestamp(at).map_err(|error| (EvaluationFlaw::Malformed, error.to_string()));
    let dataset = &document.dataset;
    let measured_at = time(document.measured_at)?;
    let digest = dataset.short_digest();
    let mut evaluation =
        Evaluation::new(dataset.name.as_str(), digest, dataset.rows, measured_at, Sha256::NONE);
    evaluation.kind = match document.kind {
        DocumentKind::Shadow => EvaluationKind::Shadow,
        _ => EvaluationKind::Holdout,
    };
    evaluation.label.clone_from(&dataset.label);
    evaluation.weight.clone_from(&dataset.weight);
    evaluation.began_at = time(document.began_at)?;
    evaluation.confidence = document.settings.confidence.into();
    let segments = Sorted::of(&document.segments);
    evaluation.segments = segments.list();
    evaluation.metrics = metrics(document, &versions, &segments);
    evaluation.agreements = agreements(document, &versions, &segments);
    Ok(evaluation)
}

/// The segments of a document in the contract's order: by column, then by value, and the rest last.
struct Sorted<'a> {
    segments: &'a [SegmentRecord],
    /// Which segment of the document is at each position.
    order: Vec<usize>,
    /// At which position each segment of the document is.
    positions: Vec<u32>,
}

impl<'a> Sorted<'a> {
    fn of(segments: &'a [SegmentRecord]) -> Self {
        let mut order: Vec<usize> = (0..segments.len()).collect();
        let key = |index: usize| {
            let SegmentRecord { column, value, .. } = &segments[index];
            (column, value.is_none(), value)
        };
        order.sort_by_key(|index| key(*index));
        let mut positions = vec![0; segments.len()];
        for (position, index) in (0..).zip(&order) {
            positions[*index] = position;
        }
        Self { segments, order, positions }
    }

    fn list(&self) -> Vec<Segment> {
        let segments = self.order.iter().map(|index| &self.segments[*index]);
        segments.map(|of| Segment::new(of.column.clone(), of.value.clone(), of.rows)).collect()
    }

    /// The position of the segment that is at `index` in the document.
    fn position(&self, index: Option<u32>) -> Option<u32> {
        let index = usize::try_from(index?).ok()?;
        self.positions.get(index).copied()
    }
}

fn metrics(document: &Document, versions: &BTreeSet<Version>, segments: &Sorted<'_>) -> Vec<MeasuredMetric> {
    let mut metrics: BTreeMap<&str, MeasuredMetric> = BTreeMap::new();
    for record in &document.measurements {
        let Some(version) = one_of(versions, &record.version) else { continue };
        let mut measurement = Measurement::new(version, record.value);
        measurement.segment = segments.position(record.segment);
        measurement.interval = record.interval.and_then(interval);
        of(&mut metrics, &record.metric, record.direction).measurements.push(measurement);
    }
    for record in &document.comparisons {
        let Some((challenger, baseline)) = pair(versions, &record.challenger, &record.baseline) else {
            continue;
        };
        let mut comparison = Comparison::new(challenger, baseline, record.difference);
        comparison.segment = segments.position(record.segment);
        comparison.interval = record.interval.and_then(interval);
        of(&mut metrics, &record.metric, record.direction).comparisons.push(comparison);
    }
    let sorted = metrics.into_values().map(|mut metric| {
        metric.measurements.sort_by_key(|one| (one.version, one.segment));
        metric.comparisons.sort_by_key(|one| (one.challenger, one.baseline, one.segment));
        metric
    });
    sorted.collect()
}

fn of<'a, 'b>(
    metrics: &'b mut BTreeMap<&'a str, MeasuredMetric>,
    name: &'a str,
    direction: DocumentDirection,
) -> &'b mut MeasuredMetric {
    metrics.entry(name).or_insert_with(|| {
        let direction = match direction {
            DocumentDirection::Higher => Direction::Higher,
            DocumentDirection::Lower => Direction::Lower,
        };
        MeasuredMetric::new(name, direction)
    })
}

fn agreements(document: &Document, versions: &BTreeSet<Version>, segments: &Sorted<'_>) -> Vec<Agreement> {
    let agreement = |record: &AgreementRecord| {
        let (challenger, baseline) = pair(versions, &record.challenger, &record.baseline)?;
        let mut agreement = Agreement::new(challenger, baseline, record.equal, record.mean_difference);
        agreement.segment = segments.position(record.segment);
        let figure = |value: f64| (!value.is_nan()).then(|| value.into());
        agreement.label_changes = figure(record.label_changes);
        agreement.psi = figure(record.psi);
        agreement.ks = figure(record.ks);
        agreement.latency_ratio = record.latency_ratio.and_then(figure);
        let quantiles = record.difference_quantiles.iter();
        agreement.difference_quantiles = quantiles
            .filter(|one| !one.value.is_nan())
            .map(|one| Quantile::new(one.share, one.value))
            .collect();
        Some(agreement)
    };
    let mut agreements: Vec<Agreement> = document.agreements.iter().filter_map(agreement).collect();
    agreements.sort_by_key(|one| (one.challenger, one.baseline, one.segment));
    agreements
}

/// An interval with two bounds: a policy that compares with a bound that is not a number could take that for a good sign.
fn interval(IntervalRecord { low, high, method, .. }: IntervalRecord) -> Option<Interval> {
    let method = match method {
        Method::DeLong => IntervalMethod::Delong,
        Method::Bootstrap => IntervalMethod::Bootstrap,
    };
    (!low.is_nan() && !high.is_nan()).then(|| Interval::new(low, high, method))
}

fn registered(id: &VersionId) -> Option<Version> {
    match id {
        VersionId::Registered(version) => Some(*version),
        _ => None,
    }
}

fn one_of(versions: &BTreeSet<Version>, id: &VersionId) -> Option<Version> {
    registered(id).filter(|version| versions.contains(version))
}

fn pair(
    versions: &BTreeSet<Version>,
    challenger: &VersionId,
    baseline: &VersionId,
) -> Option<(Version, Version)> {
    Some((one_of(versions, challenger)?, one_of(versions, baseline)?))
}

#[cfg(test)]
mod tests;
