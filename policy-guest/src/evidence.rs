//! Evidence for unit tests: a version and a context to start from. Change the fields that your rule reads.

use crate::contract::{
    Activity, Context, Direction, Entry, Evaluation, EvaluationKind, MeasuredMetric, Measurement, Metric,
    ModelState, ModelVersion, Panel, PanelRole, Requester, RunData,
};

/// A version whose run has these metrics, registered at time 0, whose files were not opened.
#[must_use]
pub fn version(version: u64, metrics: &[(&str, f64)]) -> ModelVersion {
    let metrics =
        metrics.iter().map(|(key, value)| Metric { key: (*key).to_owned(), value: *value }).collect();
    ModelVersion {
        version,
        run_id: None,
        created_at: 0,
        aliases: Vec::new(),
        run: Some(RunData { metrics, params: Vec::new(), tags: Vec::new() }),
        tags: Vec::new(),
        model: ModelState::Unopened,
        approvals: Vec::new(),
        quarantine: None,
    }
}

/// A request of `ann` for the model `churn` at time 0, without history and evaluations. Settings are in normal form.
#[must_use]
pub fn context(settings: &[(&str, &str)], champion: Option<ModelVersion>) -> Context {
    let entry = |(key, value): &(&str, &str)| Entry { key: (*key).to_owned(), value: (*value).to_owned() };
    Context {
        model_name: "churn".to_owned(),
        model_tags: Vec::new(),
        now: 0,
        clock_difference: None,
        requester: requester("ann"),
        reason: None,
        overrides: Vec::new(),
        target_origin: None,
        settings: settings.iter().map(entry).collect(),
        champion,
        champion_since: None,
        archived: None,
        aliases: Vec::new(),
        quarantined: Vec::new(),
        evaluations: Vec::new(),
        history: Vec::new(),
        activity: Activity {
            promotions_last_day: 0,
            promotions_last_week: 0,
            promotions_last_month: 0,
            rollbacks_last_month: 0,
        },
        panel: Panel { role: PanelRole::Leader, size: 1, active: false },
    }
}

/// A recorded evaluation of 10,000 labelled rows at time 0, in which versions were measured by one metric, without intervals.
#[must_use]
pub fn evaluation(dataset: &str, metric: &str, direction: Direction, figures: &[(u64, f64)]) -> Evaluation {
    let measurement = |(version, value): &(u64, f64)| Measurement {
        version: *version,
        segment: None,
        value: *value,
        interval: None,
    };
    Evaluation {
        dataset: dataset.to_owned(),
        dataset_digest: "0".repeat(36),
        rows: 10_000,
        kind: EvaluationKind::Holdout,
        label: Some("y".to_owned()),
        weight: None,
        first_hand: false,
        began_at: 0,
        measured_at: 0,
        sha256: "0".repeat(64),
        confidence: 0.95,
        segments: Vec::new(),
        metrics: vec![MeasuredMetric {
            name: metric.to_owned(),
            direction,
            measurements: figures.iter().map(measurement).collect(),
            comparisons: Vec::new(),
        }],
        agreements: Vec::new(),
    }
}

/// A requester whom no server has authenticated.
#[must_use]
pub fn requester(actor: &str) -> Requester {
    Requester { actor: actor.to_owned(), user: None }
}
