//! Whether a document, which anyone can have written, says what an evaluation can say.

use std::collections::{HashMap, HashSet};

use super::EvaluationFlaw;
use super::convert::Flawed;
use hydra_base::text::{QUOTED_CHARS, excerpt};
use hydra_evaluation::{
    AgreementRecord, Evaluation as Document, FEWEST_RESAMPLES, IntervalRecord, Method, Metric, SegmentRecord,
    VersionId,
};

/// Refuses a document that contradicts itself.
pub(super) fn check(document: &Document) -> Result<(), Flawed> {
    let dataset = &document.dataset;
    rule(dataset.rows > 0, || "its dataset has no rows")?;
    rule(
        document.began_at >= 0 && document.began_at <= document.measured_at,
        || "it ended before it began, or it began before 1970",
    )?;
    let confidence = document.settings.confidence;
    rule(confidence > 0.0 && confidence < 1.0, || "its confidence level is not between 0 and 1")?;
    let mut versions = HashSet::new();
    for record in &document.versions {
        rule(versions.insert(&record.version), || format!("it lists version {} twice", record.version))?;
    }
    let mut segments = HashSet::new();
    for segment in &document.segments {
        let SegmentRecord { column, value, rows, .. } = segment;
        let named = || excerpt(column, QUOTED_CHARS);
        rule(dataset.segments.contains(column), || {
            format!("it has a segment of the column `{}`, which is not one of its dataset's", named())
        })?;
        rule(segments.insert((column, value)), || {
            format!("it lists a segment of the column `{}` twice", named())
        })?;
        rule(*rows <= dataset.rows, || {
            format!("a segment of the column `{}` has more rows than its dataset", named())
        })?;
    }
    figures(document, &Listed { versions, segments: document.segments.len() })
}

/// Refuses figures of what the document does not list, figures that are given twice, and impossible ones.
fn figures(document: &Document, listed: &Listed<'_>) -> Result<(), Flawed> {
    let mut directions = HashMap::new();
    let mut seen = HashSet::new();
    let mut values = HashMap::new();
    for one in &document.measurements {
        let metric = excerpt(&one.metric, QUOTED_CHARS);
        listed.version(&one.version)?;
        listed.segment(one.segment)?;
        interval(document, one.interval, &metric)?;
        rule(*directions.entry(&one.metric).or_insert(one.direction) == one.direction, || {
            format!("`{metric}` is better both ways")
        })?;
        rule(seen.insert((&one.metric, &one.version, one.segment)), || {
            format!("it measures `{metric}` of version {} twice", one.version)
        })?;
        let known = one.metric.parse::<Metric>().ok().map(Metric::direction);
        rule(known.is_none_or(|known| known == one.direction), || {
            format!("`{metric}` is better the other way")
        })?;
        values.insert((&one.metric, &one.version, one.segment), one.value);
    }
    let mut seen = HashSet::new();
    for one in &document.comparisons {
        let metric = excerpt(&one.metric, QUOTED_CHARS);
        listed.pair(&one.challenger, &one.baseline)?;
        listed.segment(one.segment)?;
        interval(document, one.interval, &metric)?;
        rule(*directions.entry(&one.metric).or_insert(one.direction) == one.direction, || {
            format!("`{metric}` is better both ways")
        })?;
        let key = (&one.metric, &one.challenger, &one.baseline, one.segment);
        rule(seen.insert(key), || format!("it compares `{metric}` of version {} twice", one.challenger))?;
        let value = |version| values.get(&(&one.metric, version, one.segment)).copied();
        let values = value(&one.challenger).zip(value(&one.baseline));
        rule(values.is_none_or(|(of, to)| is_difference(one.difference, of, to)), || {
            format!(
                "the difference of `{metric}` is not that of the values of version {} and {}",
                one.challenger, one.baseline
            )
        })?;
    }
    let mut seen = HashSet::new();
    for one in &document.agreements {
        listed.pair(&one.challenger, &one.baseline)?;
        listed.segment(one.segment)?;
        let key = (&one.challenger, &one.baseline, one.segment);
        rule(seen.insert(key), || format!("it states the agreement of version {} twice", one.challenger))?;
        let share = |value: f64| value.is_nan() || (0.0..=1.0).contains(&value);
        let shares = (0.0..=1.0).contains(&one.equal) && share(one.label_changes) && share(one.ks);
        rule(shares, || format!("an agreement of version {} is not a share", one.challenger))?;
        let negative = one.mean_difference < 0.0 || one.psi < 0.0;
        rule(!negative, || format!("a difference of version {} is negative", one.challenger))?;
        quantiles(one)?;
    }
    Ok(())
}

/// Refuses quantiles that are not in the order of different shares, and times that are not positive.
fn quantiles(one: &AgreementRecord) -> Result<(), Flawed> {
    let of = |what: &str| format!("{what} of version {}", one.challenger);
    let quantiles = &one.difference_quantiles;
    rule(quantiles.iter().all(|quantile| (0.0..=1.0).contains(&quantile.share)), || {
        format!("{} is not for a share", of("a quantile"))
    })?;
    let in_order = quantiles.is_sorted_by(|one, next| {
        one.share < next.share && (one.value <= next.value || one.value.is_nan() || next.value.is_nan())
    });
    let negative = quantiles.iter().any(|quantile| quantile.value < 0.0);
    rule(in_order && !negative, || format!("{} are not in order", of("the quantiles")))?;
    rule(one.latency_ratio.is_none_or(|ratio| ratio > 0.0), || {
        format!("{} is not positive", of("the ratio of the latencies"))
    })
}

/// What a document lists.
struct Listed<'a> {
    versions: HashSet<&'a VersionId>,
    segments: usize,
}

impl Listed<'_> {
    fn version(&self, version: &VersionId) -> Result<(), Flawed> {
        rule(self.versions.contains(version), || {
            format!("it has a figure of version {version}, which it does not list")
        })
    }

    fn pair(&self, challenger: &VersionId, baseline: &VersionId) -> Result<(), Flawed> {
        self.version(challenger)?;
        self.version(baseline)?;
        rule(challenger != baseline, || format!("it compares version {challenger} with itself"))
    }

    /// The document's reader checks this, too; an evaluation of the same program need not have been read.
    fn segment(&self, segment: Option<u32>) -> Result<(), Flawed> {
        let in_list =
            segment.is_none_or(|index| usize::try_from(index).is_ok_and(|index| index < self.segments));
        rule(in_list, || "a segment is not in its list of segments")
    }
}

/// Whether `difference` is `of` less `to`, up to rounding. A value that is not a number has no difference.
fn is_difference(difference: f64, of: f64, to: f64) -> bool {
    let expected = of - to;
    expected.is_nan()
        || difference == expected
        || (difference - expected).abs() <= 1e-9 * of.abs().max(to.abs())
}

fn interval(document: &Document, interval: Option<IntervalRecord>, metric: &str) -> Result<(), Flawed> {
    let few = interval.is_some_and(|interval| {
        interval.method == Method::Bootstrap && document.settings.resamples < FEWEST_RESAMPLES
    });
    rule(!few, || format!("an interval of `{metric}` has too few resamples"))?;
    let reversed = interval.is_some_and(|interval| interval.low > interval.high);
    rule(!reversed, || format!("an interval of `{metric}` ends below its beginning"))
}

fn rule<T: Into<String>>(holds: bool, broken: impl FnOnce() -> T) -> Result<(), Flawed> {
    if holds { Ok(()) } else { Err((EvaluationFlaw::Malformed, broken().into())) }
}
