//! From what was measured to the document, and between the document and its bytes.

use hydra_base::names::DatasetName;
use hydra_base::{Error, ErrorKind, Result, Sha256, Timestamp};

use super::{
    AgreementRecord, CalibrationRecord, ComparisonRecord, DatasetRecord, DistributionRecord, Evaluation,
    EvaluationKind, IntervalRecord, MeasurementRecord, SCHEMA, SegmentRecord, SettingsRecord, VersionId,
    VersionRecord,
};
use crate::calibration::CalibrationBin;
use crate::distribution::Distribution;
use crate::measure::{Measured, Options, Segment};
use crate::metric::Task;
use crate::resample::interval::{Interval, LEVEL};

/// The release that measures.
const HOST: &str = concat!("hydra-registry/", env!("CARGO_PKG_VERSION"));

/// The length of a digest in MLflow's records of datasets.
const SHORT_DIGEST: usize = 36;

impl DatasetRecord {
    /// Rows without any named columns.
    #[must_use]
    pub fn new(name: DatasetName, digest: Sha256, rows: u64) -> Self {
        Self { name, digest, rows, label: None, weight: None, group: None, segments: Vec::new() }
    }

    /// The first 36 digits of the digest: that of MLflow's record of the dataset, which has room for no more.
    #[must_use]
    pub fn short_digest(&self) -> String {
        let mut digest = self.digest.to_string();
        digest.truncate(SHORT_DIGEST);
        digest
    }
}

impl Evaluation {
    /// The document of what [`measure`](crate::measure()) measured with `options` of `versions`, each with the SHA-256 of its model
    /// file, between the two times.
    ///
    /// [`ErrorKind::InvalidArgument`] if there are not as many versions as were measured.
    pub fn new(
        dataset: DatasetRecord,
        versions: &[(VersionId, Sha256)],
        classes: Vec<String>,
        measured: Measured,
        options: &Options,
        [began_at, measured_at]: [Timestamp; 2],
    ) -> Result<Self> {
        if versions.len() != measured.distributions.len() {
            let message = "the number of versions is not that of the measured ones";
            return Err(Error::new(ErrorKind::InvalidArgument, message)
                .with_context("versions", versions.len())
                .with_context("measured", measured.distributions.len()));
        }
        let id = |version: usize| versions[version].0.clone();
        let mut calibrations = measured.calibrations.into_iter();
        let records =
            versions.iter().zip(measured.distributions).map(|((id, sha256), scores)| VersionRecord {
                version: id.clone(),
                model_sha256: *sha256,
                scores: scores.into_iter().map(DistributionRecord::from).collect(),
                calibration: calibrations.next().into_iter().flatten().map(CalibrationRecord::from).collect(),
            });
        let measurements = measured.measurements.into_iter().map(|one| MeasurementRecord {
            version: id(one.version),
            metric: one.metric.to_string(),
            direction: one.metric.direction(),
            segment: one.segment,
            value: one.value,
            interval: one.interval.map(IntervalRecord::from),
        });
        let comparisons = measured.comparisons.into_iter().map(|one| ComparisonRecord {
            challenger: id(one.challenger),
            baseline: id(one.baseline),
            metric: one.metric.to_string(),
            direction: one.metric.direction(),
            segment: one.segment,
            difference: one.difference,
            interval: one.interval.map(IntervalRecord::from),
        });
        let agreements = measured.agreements.into_iter().map(|one| AgreementRecord {
            challenger: id(one.challenger),
            baseline: id(one.baseline),
            segment: one.segment,
            equal: one.equal,
            label_changes: one.label_changes,
            mean_difference: one.mean_difference,
            psi: one.psi,
            ks: one.ks,
            difference_quantiles: Vec::new(),
            latency_ratio: None,
        });
        Ok(Self {
            schema: SCHEMA,
            kind: EvaluationKind::Holdout,
            dataset,
            began_at,
            measured_at,
            host: HOST.to_owned(),
            task: measured.task,
            classes,
            settings: SettingsRecord {
                threshold: options.threshold,
                resamples: options.resamples,
                confidence: LEVEL,
            },
            baseline: id(measured.baseline),
            versions: records.collect(),
            segments: measured.segments.into_iter().map(SegmentRecord::from).collect(),
            measurements: measurements.collect(),
            comparisons: comparisons.collect(),
            agreements: agreements.collect(),
        })
    }

    /// The document of live rows that two versions scored, which have no labels.
    pub(crate) fn of_live_rows(
        dataset: DatasetRecord,
        task: Task,
        classes: Vec<String>,
        versions: Vec<VersionRecord>,
        agreement: AgreementRecord,
        [began_at, measured_at]: [Timestamp; 2],
    ) -> Self {
        let Options { threshold, .. } = Options::new(Vec::new());
        Self {
            schema: SCHEMA,
            kind: EvaluationKind::Shadow,
            dataset,
            began_at,
            measured_at,
            host: HOST.to_owned(),
            task,
            classes,
            settings: SettingsRecord { threshold, resamples: 0, confidence: LEVEL },
            baseline: agreement.baseline.clone(),
            versions,
            segments: Vec::new(),
            measurements: Vec::new(),
            comparisons: Vec::new(),
            agreements: vec![agreement],
        }
    }

    /// The document's bytes: canonical JSON (RFC 8785).
    ///
    /// [`ErrorKind::Internal`] if a number cannot be written, which does not happen to what [`crate::evaluate`] returns.
    pub fn to_json(&self) -> Result<Vec<u8>> {
        serde_json_canonicalizer::to_vec(self).map_err(|error| {
            Error::new(ErrorKind::Internal, "cannot write the evaluation as JSON").with_source(error)
        })
    }

    /// Reads the bytes of a document of this release's schema.
    ///
    /// [`ErrorKind::Unsupported`] for another schema, [`ErrorKind::Protocol`] if the bytes are not a document in canonical form
    /// that refers to its own segments only.
    pub fn from_json(bytes: &[u8]) -> Result<Self> {
        #[derive(serde::Deserialize)]
        struct Schema {
            schema: u32,
        }
        let damaged = |source: String| {
            Error::new(ErrorKind::Protocol, "the evaluation is not a document in canonical form")
                .with_source(source)
        };
        let Schema { schema } = serde_json::from_slice(bytes).map_err(|error| damaged(error.to_string()))?;
        if schema != SCHEMA {
            return Err(Error::new(ErrorKind::Unsupported, "the evaluation has another schema")
                .with_context("schema", schema)
                .with_context("known", SCHEMA));
        }
        let read: Self = serde_json::from_slice(bytes).map_err(|error| damaged(error.to_string()))?;
        if read.to_json()? != bytes {
            return Err(damaged("the canonical form of its content has other bytes".to_owned()));
        }
        if !read.refers_to_its_segments() {
            return Err(damaged("a segment is not in its list of segments".to_owned()));
        }
        Ok(read)
    }

    fn refers_to_its_segments(&self) -> bool {
        let measured = self.measurements.iter().map(|one| one.segment);
        let compared = self.comparisons.iter().map(|one| one.segment);
        let agreed = self.agreements.iter().map(|one| one.segment);
        let exists = |segment: u32| (segment as usize) < self.segments.len();
        measured.chain(compared).chain(agreed).flatten().all(exists)
    }
}

impl From<Segment> for SegmentRecord {
    fn from(Segment { column, value, rows }: Segment) -> Self {
        Self { column, value, rows }
    }
}

impl From<Distribution> for DistributionRecord {
    fn from(distribution: Distribution) -> Self {
        Self { edges: distribution.edges, counts: distribution.counts }
    }
}

impl From<CalibrationBin> for CalibrationRecord {
    fn from(bin: CalibrationBin) -> Self {
        Self { rows: bin.rows, mean_score: bin.mean_score, positive_share: bin.positive_share }
    }
}

impl From<Interval> for IntervalRecord {
    fn from(interval: Interval) -> Self {
        let Interval { low, high, method } = interval;
        Self { low, high, method }
    }
}

/// Numbers, or `NaN`, `Infinity` and `-Infinity` as text, because JSON has no numbers for these.
pub(super) mod number {
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serialize as _, Serializer};

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Number {
        Finite(f64),
        Other(String),
    }

    pub(crate) fn serialize<S: Serializer>(number: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        match number {
            number if number.is_finite() => number.serialize(serializer),
            number if number.is_nan() => "NaN".serialize(serializer),
            number if *number > 0.0 => "Infinity".serialize(serializer),
            _ => "-Infinity".serialize(serializer),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        match Number::deserialize(deserializer)? {
            Number::Finite(number) => Ok(number),
            Number::Other(text) => match text.as_str() {
                "NaN" => Ok(f64::NAN),
                "Infinity" => Ok(f64::INFINITY),
                "-Infinity" => Ok(f64::NEG_INFINITY),
                _ => Err(D::Error::custom("the text is not a number")),
            },
        }
    }
}

/// Whole numbers as text, because readers of JSON disagree about those over 2^53.
pub(super) mod decimal {
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(number: &i64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(number)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}
