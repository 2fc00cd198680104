//! The evidence that came with version 0.2: model facts, approvals, quarantine and evaluations.

use super::{requester, wit};
use crate::json::Float;
use crate::types::{
    Agreement, ApprovalRecord, Comparison, Direction, Evaluation, EvaluationKind, Interval, IntervalMethod,
    MeasuredMetric, Measurement, ModelFacts, ModelFormat, ModelState, OutputKind, QuarantineRecord, Segment,
    SignatureColumn, Signer,
};

pub(super) fn model_state(state: &ModelState) -> wit::ModelState {
    match state {
        ModelState::Loadable(facts) => wit::ModelState::Loadable(model_facts(facts)),
        ModelState::Unloadable { why } => wit::ModelState::Unloadable(why.clone()),
        ModelState::Unopened => wit::ModelState::Unopened,
    }
}

pub(super) fn approval(approval: &ApprovalRecord) -> wit::ApprovalRecord {
    wit::ApprovalRecord {
        by: requester(&approval.actor, approval.user.as_ref()),
        at: approval.at,
        expires: approval.expires,
        sha256: approval.sha256.to_string(),
        reason: approval.reason.clone(),
        own_version: approval.own,
    }
}

pub(super) fn quarantine(quarantine: &QuarantineRecord) -> wit::QuarantineRecord {
    wit::QuarantineRecord {
        by: requester(&quarantine.actor, quarantine.user.as_ref()),
        at: quarantine.at,
        reason: quarantine.reason.clone(),
    }
}

pub(super) fn evaluation(evaluation: &Evaluation) -> wit::Evaluation {
    wit::Evaluation {
        dataset: evaluation.dataset.clone(),
        dataset_digest: evaluation.dataset_digest.clone(),
        rows: evaluation.rows,
        kind: match evaluation.kind {
            EvaluationKind::Holdout => wit::EvaluationKind::Holdout,
            EvaluationKind::Shadow => wit::EvaluationKind::Shadow,
        },
        label: evaluation.label.clone(),
        weight: evaluation.weight.clone(),
        first_hand: evaluation.first_hand,
        began_at: evaluation.began_at,
        measured_at: evaluation.measured_at,
        sha256: evaluation.sha256.to_string(),
        confidence: evaluation.confidence.get(),
        segments: evaluation.segments.iter().map(segment).collect(),
        metrics: evaluation.metrics.iter().map(measured_metric).collect(),
        agreements: evaluation.agreements.iter().map(agreement).collect(),
    }
}

fn model_facts(facts: &ModelFacts) -> wit::ModelFacts {
    wit::ModelFacts {
        flavor: facts.flavor.clone(),
        format: match facts.format {
            ModelFormat::Text => wit::ModelFormat::Text,
            ModelFormat::Pickle => wit::ModelFormat::Pickle,
            ModelFormat::Skops => wit::ModelFormat::Skops,
        },
        sha256: facts.sha256.to_string(),
        size: facts.size,
        objective: facts.objective.clone(),
        output: match facts.output {
            OutputKind::Probability => wit::OutputKind::Probability,
            OutputKind::Label => wit::OutputKind::Label,
            OutputKind::Value => wit::OutputKind::Value,
            OutputKind::Scores => wit::OutputKind::Scores,
        },
        outputs: facts.outputs,
        classes: facts.classes.clone(),
        feature_count: facts.feature_count,
        features: facts.features.clone(),
        features_sha256: facts.features_sha256.to_string(),
        categories: facts.categories.iter().cloned().collect(),
        iterations: facts.iterations,
        signature_inputs: facts
            .signature_inputs
            .as_ref()
            .map(|columns| columns.iter().map(signature_column).collect()),
        signers: facts.signers.iter().map(signer).collect(),
    }
}

fn signature_column(column: &SignatureColumn) -> wit::SignatureColumn {
    wit::SignatureColumn { name: column.name.clone(), kind: column.kind.clone(), required: column.required }
}

fn signer(signer: &Signer) -> wit::Signer {
    wit::Signer { identity: signer.identity.clone(), issuer: signer.issuer.clone() }
}

fn segment(segment: &Segment) -> wit::Segment {
    wit::Segment { column: segment.column.clone(), value: segment.value.clone(), rows: segment.rows }
}

fn measured_metric(metric: &MeasuredMetric) -> wit::MeasuredMetric {
    wit::MeasuredMetric {
        name: metric.name.clone(),
        direction: match metric.direction {
            Direction::Higher => wit::Direction::HigherIsBetter,
            Direction::Lower => wit::Direction::LowerIsBetter,
        },
        measurements: metric.measurements.iter().map(measurement).collect(),
        comparisons: metric.comparisons.iter().map(comparison).collect(),
    }
}

fn measurement(measurement: &Measurement) -> wit::Measurement {
    wit::Measurement {
        version: measurement.version.get(),
        segment: measurement.segment,
        value: measurement.value.get(),
        interval: measurement.interval.map(interval),
    }
}

fn comparison(comparison: &Comparison) -> wit::Comparison {
    wit::Comparison {
        challenger: comparison.challenger.get(),
        baseline: comparison.baseline.get(),
        segment: comparison.segment,
        difference: comparison.difference.get(),
        interval: comparison.interval.map(interval),
    }
}

fn interval(interval: Interval) -> wit::Interval {
    let method = match interval.method {
        IntervalMethod::Delong => wit::IntervalMethod::Delong,
        IntervalMethod::Bootstrap => wit::IntervalMethod::Bootstrap,
    };
    wit::Interval { low: interval.low.get(), high: interval.high.get(), method }
}

fn agreement(agreement: &Agreement) -> wit::Agreement {
    let quantiles = agreement.difference_quantiles.iter();
    wit::Agreement {
        challenger: agreement.challenger.get(),
        baseline: agreement.baseline.get(),
        segment: agreement.segment,
        equal: agreement.equal.get(),
        label_changes: agreement.label_changes.map(Float::get),
        mean_difference: agreement.mean_difference.get(),
        difference_quantiles: quantiles
            .map(|quantile| wit::Quantile { share: quantile.share.get(), value: quantile.value.get() })
            .collect(),
        psi: agreement.psi.map(Float::get),
        ks: agreement.ks.map(Float::get),
        latency_ratio: agreement.latency_ratio.map(Float::get),
    }
}
