//! Tells receivers when the scores of a champion drift away from its evaluation.

use std::sync::Arc;
use std::time::Duration;

use hydra_base::Timestamp;
use hydra_base::names::Version;
use hydra_notify::{Event, Notifier};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::slot::Slot;

/// The population stability index from which on a distribution counts as another one, by the usual rule of thumb.
const DRIFTED: f64 = 0.25;

/// The drift of one model.
#[derive(Debug)]
pub(crate) struct Alarm {
    pub(crate) slot: Arc<Slot>,
    pub(crate) notifier: Notifier,
    /// What was told last: the version, and the end of its evaluation.
    pub(crate) told: Option<(Version, Timestamp)>,
}

impl Alarm {
    /// Looks every `pause` until `stop`. Each version and evaluation is reported once; what a receiver does not take is sent again.
    pub(crate) async fn watch(mut self, pause: Duration, mut stop: watch::Receiver<bool>) {
        loop {
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return,
                () = sleep(pause) => {}
            }
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return,
                () = self.look() => {}
            }
        }
    }

    async fn look(&mut self) {
        let Some((served, drift)) = self.slot.champion.served().and_then(|served| {
            let drift = served.drift.load_full()?;
            Some((served, drift))
        }) else {
            return;
        };
        let (Some(version), Some(index)) = (served.version, drift.index()) else { return };
        let about = (version, drift.measured_at);
        if index < DRIFTED || self.told == Some(about) {
            return;
        }
        let event = Event::drift(&self.slot.name, version, &drift.dataset, drift.measured_at, index);
        let errors: Vec<_> =
            self.notifier.announce(&event).await.into_iter().filter_map(|one| one.error).collect();
        if errors.is_empty() {
            self.told = Some(about);
        }
        for error in errors {
            tracing::warn!(model = &*self.slot.name, %error, "cannot tell a receiver that the scores drift");
        }
    }
}
