//! What the server says about itself.

use serde::Serialize;

use hydra_base::Timestamp;
use hydra_evaluation::VersionId;

use crate::app::App;
use crate::served::{Problem, Seat, Served};
use crate::shadow::Compared;
use crate::slot::Slot;

/// The state of the server, as `GET /` answers it.
#[derive(Debug, Serialize)]
pub(crate) struct Status {
    /// `alive`, as KServe's servers say.
    #[serde(rename = "status")]
    life: &'static str,
    ready: bool,
    draining: bool,
    /// The release of the server.
    release: &'static str,
    models: Vec<ModelStatus>,
}

/// The state of a model.
#[derive(Debug, Serialize)]
struct ModelStatus {
    name: String,
    #[serde(flatten)]
    champion: SeatStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    drift: Option<DriftStatus>,
    #[serde(skip_serializing_if = "Option::is_none")]
    canary: Option<CanaryStatus>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shadow: Option<ShadowStatus>,
}

/// The state of a version behind an alias.
#[derive(Debug, Serialize)]
struct SeatStatus {
    alias: String,
    ready: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    run_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
    /// When the version was swapped in, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    serving_since: Option<Timestamp>,
    /// Why the version is not the one behind the alias.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<Problem>,
}

#[derive(Debug, Serialize)]
struct DriftStatus {
    dataset: String,
    psi: Option<f64>,
}

#[derive(Debug, Serialize)]
struct CanaryStatus {
    share: String,
    #[serde(flatten)]
    seat: SeatStatus,
}

#[derive(Debug, Serialize)]
struct ShadowStatus {
    #[serde(flatten)]
    seat: SeatStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    agreement: Option<AgreementStatus>,
}

#[derive(Debug, Serialize)]
struct AgreementStatus {
    rows: u64,
    /// Why the two versions cannot be compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    obstacle: Option<&'static str>,
    /// The share of rows with scores that are equal to the bit.
    #[serde(skip_serializing_if = "Option::is_none")]
    equal: Option<f64>,
    /// The share of rows whose label changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    label_changes: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mean_difference: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    psi: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    latency_ratio: Option<f64>,
}

impl Status {
    /// The state of the server now.
    pub(crate) fn of(app: &App) -> Self {
        Self {
            life: "alive",
            ready: app.is_ready(),
            draining: app.is_draining(),
            release: env!("CARGO_PKG_VERSION"),
            models: app.slots.iter().map(|slot| ModelStatus::of(slot)).collect(),
        }
    }
}

impl ModelStatus {
    fn of(slot: &Slot) -> Self {
        let drift = slot.champion.served().and_then(|served| {
            let drift = served.drift.load_full()?;
            Some(DriftStatus { dataset: drift.dataset.clone(), psi: drift.index() })
        });
        let canary = slot.canary.as_ref().map(|(canary, seat)| CanaryStatus {
            share: canary.share.to_string(),
            seat: SeatStatus::of(seat),
        });
        let shadow = slot.shadow.as_ref().map(|shadow| ShadowStatus {
            seat: SeatStatus::of(&shadow.seat),
            agreement: shadow.pairs().latest().as_ref().map(AgreementStatus::of),
        });
        Self { name: slot.name.to_string(), champion: SeatStatus::of(&slot.champion), drift, canary, shadow }
    }
}

impl AgreementStatus {
    fn of(compared: &Compared) -> Self {
        let [champion, challenger] = compared.versions.map(|side| VersionId::File(side.sha256.to_string()));
        let record = compared.agreement.record(compared.task, champion, challenger);
        let known = |figure: f64| Some(figure).filter(|figure| figure.is_finite());
        Self {
            rows: compared.agreement.rows(),
            obstacle: compared.order.as_ref().err().copied(),
            equal: known(record.equal),
            label_changes: known(record.label_changes),
            mean_difference: known(record.mean_difference),
            psi: known(record.psi),
            latency_ratio: record.latency_ratio,
        }
    }
}

impl SeatStatus {
    fn of(seat: &Seat) -> Self {
        let served = seat.served();
        let with = |what: fn(&Served) -> Option<String>| served.as_ref().and_then(|served| what(served));
        Self {
            alias: seat.alias.to_string(),
            ready: served.is_some(),
            version: with(|served| Some(served.label.clone())),
            run_id: with(|served| served.run_id.as_ref().map(ToString::to_string)),
            sha256: with(|served| Some(served.sha256.to_string())),
            serving_since: served.as_ref().map(|served| served.since),
            problem: seat.problem(),
        }
    }
}
