//! What Prometheus sees.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicI64, AtomicU64};

use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use crate::protocol::Cause;

/// The media type of [`Metrics::text`].
pub(crate) const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A protocol, as the label of its requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Protocol {
    /// MLflow's `/invocations`, which is SageMaker's too.
    Mlflow,
    /// KServe's v1.
    V1,
    /// The Open Inference Protocol over HTTP.
    V2,
    /// The Open Inference Protocol over gRPC.
    Grpc,
}

impl Protocol {
    /// Every protocol, in the order of [`Protocol::index`].
    pub(crate) const ALL: [Self; 4] = [Self::Mlflow, Self::V1, Self::V2, Self::Grpc];

    /// The place of the protocol in lists of all.
    pub(crate) const fn index(self) -> usize {
        self as usize
    }

    /// The protocol's name.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Mlflow => "mlflow",
            Self::V1 => "v1",
            Self::V2 => "v2",
            Self::Grpc => "grpc",
        }
    }
}

impl EncodeLabelValue for Protocol {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> std::fmt::Result {
        encoder.write_str(self.as_str())
    }
}

/// The labels of answers.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Answers {
    model: String,
    version: String,
    protocol: Protocol,
}

/// The labels of refusals.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Errors {
    /// The cause, one of few.
    pub(crate) cause: &'static str,
    /// The protocol of the request.
    pub(crate) protocol: Protocol,
}

/// The labels of what belongs to a version behind an alias.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Behind {
    /// The model.
    pub(crate) model: String,
    /// The alias.
    pub(crate) alias: String,
}

/// The labels of what belongs to a version.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct OfVersion {
    /// The model.
    pub(crate) model: String,
    /// The version.
    pub(crate) version: String,
}

type FloatGauge = Gauge<f64, AtomicU64>;

/// All metrics of a process.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<Answers, Counter>,
    rows: Family<Answers, Counter>,
    latency: Family<Answers, Histogram, fn() -> Histogram>,
    /// Refused requests, by cause.
    pub(crate) errors: Family<Errors, Counter>,
    /// Columns of requests that are not features.
    pub(crate) ignored_columns: Family<OfVersion, Counter>,
    /// Versions that took the place of another.
    pub(crate) swaps: Family<Behind, Counter>,
    /// 1 while the version behind the alias is the one that is served, else 0.
    pub(crate) following: Family<Behind, Gauge<i64, AtomicI64>>,
    /// When the served version was swapped in, in seconds since 1970.
    pub(crate) serving_since: Family<OfVersion, FloatGauge>,
    /// Rows that the shadow scored.
    pub(crate) shadow_rows: Family<OfVersion, Counter>,
    /// Rows that the shadow did not score, because its queue was full.
    pub(crate) shadow_dropped: Family<OfVersion, Counter>,
    /// Rows that wait for the shadow.
    pub(crate) shadow_queue: Gauge<i64, AtomicI64>,
    /// The population stability index of the live scores against the recorded ones.
    pub(crate) drift: Family<OfVersion, FloatGauge>,
    /// Requests that are read or answered.
    pub(crate) running_requests: Gauge<i64, AtomicI64>,
    /// Bytes of bodies and answers.
    pub(crate) running_bytes: Gauge<i64, AtomicI64>,
    /// Rows that are scored.
    pub(crate) running_rows: Gauge<i64, AtomicI64>,
    /// Connections beyond the limit.
    pub(crate) refused_connections: Counter,
    /// Open connections.
    pub(crate) connections: Gauge<i64, AtomicI64>,
    memory: Gauge<i64, AtomicI64>,
}

/// What is counted of the answers of one version in one protocol. Found once, because finding it takes longer than scoring a row.
#[derive(Debug, Clone)]
pub(crate) struct Series {
    /// Answered requests.
    pub(crate) requests: Counter,
    /// Their rows.
    pub(crate) rows: Counter,
    /// The seconds from the whole request to the whole answer.
    pub(crate) latency: Histogram,
}

/// Doubling from 10 µs to 5 s.
fn latency_buckets() -> Histogram {
    Histogram::new(exponential_buckets(10e-6, 2.0, 20))
}

impl Metrics {
    /// Metrics without any values.
    pub(crate) fn new() -> Self {
        let mut registry = Registry::with_prefix("hydra_serve");
        let buckets: fn() -> Histogram = latency_buckets;
        let latency = Family::new_with_constructor(buckets);
        let metrics = Self {
            requests: Family::default(),
            rows: Family::default(),
            latency,
            errors: Family::default(),
            ignored_columns: Family::default(),
            swaps: Family::default(),
            following: Family::default(),
            serving_since: Family::default(),
            shadow_rows: Family::default(),
            shadow_dropped: Family::default(),
            shadow_queue: Gauge::default(),
            drift: Family::default(),
            running_requests: Gauge::default(),
            running_bytes: Gauge::default(),
            running_rows: Gauge::default(),
            refused_connections: Counter::default(),
            connections: Gauge::default(),
            memory: Gauge::default(),
            registry: Registry::default(),
        };
        registry.register("requests", "Answered requests", metrics.requests.clone());
        registry.register("rows", "Scored rows of answered requests", metrics.rows.clone());
        registry.register_with_unit(
            "latency",
            "Time from the whole request to the whole answer",
            Unit::Seconds,
            metrics.latency.clone(),
        );
        registry.register("errors", "Refused requests, by cause", metrics.errors.clone());
        registry.register(
            "ignored_columns",
            "Columns of requests that are not features of the model",
            metrics.ignored_columns.clone(),
        );
        registry.register("swaps", "Versions that took the place of another", metrics.swaps.clone());
        registry.register(
            "following",
            "1 while the version behind the alias is the one that is served",
            metrics.following.clone(),
        );
        registry.register_with_unit(
            "serving_since",
            "When the version was swapped in, since 1970",
            Unit::Seconds,
            metrics.serving_since.clone(),
        );
        registry.register("shadow_rows", "Rows that the shadow scored", metrics.shadow_rows.clone());
        registry.register(
            "shadow_dropped_rows",
            "Rows that the shadow did not score because its queue was full",
            metrics.shadow_dropped.clone(),
        );
        registry.register("shadow_queue_rows", "Rows that wait for the shadow", metrics.shadow_queue.clone());
        registry.register(
            "score_drift",
            "Population stability index of the live scores against those of the recorded evaluation",
            metrics.drift.clone(),
        );
        registry.register(
            "running_requests",
            "Requests that are read, scored or answered",
            metrics.running_requests.clone(),
        );
        registry.register_with_unit(
            "running",
            "Bodies that have arrived and answers that are not written, beyond the first 16 KiB of each",
            Unit::Bytes,
            metrics.running_bytes.clone(),
        );
        registry.register("running_rows", "Rows that are scored", metrics.running_rows.clone());
        registry.register(
            "refused_connections",
            "Connections beyond the limit",
            metrics.refused_connections.clone(),
        );
        registry.register("connections", "Open connections", metrics.connections.clone());
        registry.register_with_unit(
            "resident_memory",
            "Memory of the process",
            Unit::Bytes,
            metrics.memory.clone(),
        );
        let metrics = Self { registry, ..metrics };
        // A counter that is there from the beginning shows its first increase.
        for protocol in Protocol::ALL {
            for cause in Cause::ALL {
                drop(metrics.errors.get_or_create(&Errors { cause: cause.label(), protocol }));
            }
        }
        metrics
    }

    /// What is counted of the answers of a version, by protocol.
    pub(crate) fn series(&self, model: &str, version: &str) -> [Series; Protocol::ALL.len()] {
        Protocol::ALL.map(|protocol| {
            let of = Answers { model: model.to_owned(), version: version.to_owned(), protocol };
            Series {
                requests: self.requests.get_or_create_owned(&of),
                rows: self.rows.get_or_create_owned(&of),
                latency: self.latency.get_or_create_owned(&of),
            }
        })
    }

    /// Counts a refusal.
    pub(crate) fn refused(&self, cause: &'static str, protocol: Protocol) {
        self.errors.get_or_create(&Errors { cause, protocol }).inc();
    }

    /// All metrics in the text format of OpenMetrics.
    pub(crate) fn text(&self) -> String {
        self.memory.set(resident_memory().unwrap_or(0));
        let mut text = String::new();
        if let Err(error) = encode(&mut text, &self.registry) {
            tracing::warn!(%error, "cannot write the metrics");
        }
        text
    }
}

/// The bytes of memory that the process has in use; none if the operating system does not say.
fn resident_memory() -> Option<i64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: i64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_names_model_version_and_protocol() {
        let metrics = Metrics::new();
        let series = metrics.series("churn", "7");
        series[Protocol::V2.index()].requests.inc();
        series[Protocol::V2.index()].latency.observe(15e-6);
        metrics.refused("too-large", Protocol::Mlflow);
        let text = metrics.text();
        let line = r#"hydra_serve_requests_total{model="churn",version="7",protocol="v2"} 1"#;
        assert!(text.contains(line), "{text}");
        assert!(
            text.contains(r#"hydra_serve_errors_total{cause="too-large",protocol="mlflow"} 1"#),
            "{text}"
        );
        assert!(text.contains(r#"le="2e-5""#) || text.contains(r#"le="0.00002""#), "{text}");
        assert!(text.contains("hydra_serve_resident_memory_bytes") && text.ends_with("# EOF\n"), "{text}");
    }
}
