//! What all requests of a process share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Semaphore;

use crate::admission::Room;
use crate::clients::Clients;
use crate::metrics::Metrics;
use crate::options::ServeOptions;
use crate::protocol::{Cause, Limits, Refusal};
use crate::served::Served;
use crate::slot::Slot;
use crate::tokens::Tokens;

/// What all requests of a process share.
#[derive(Debug)]
pub(crate) struct App {
    /// The options.
    pub(crate) options: ServeOptions,
    /// What a request may have.
    pub(crate) limits: Limits,
    /// The models, in the order of the command line.
    pub(crate) slots: Vec<Arc<Slot>>,
    /// What Prometheus sees.
    pub(crate) metrics: Arc<Metrics>,
    /// Room for connections, requests, the bytes of bodies and answers, and rows.
    pub(crate) clients: Clients,
    /// The rows that are scored.
    pub(crate) rows: Arc<Room>,
    /// One permit for each processor.
    pub(crate) processors: Arc<Semaphore>,
    /// The tokens that requests need.
    pub(crate) tokens: Option<Arc<Tokens>>,
    draining: AtomicBool,
}

impl App {
    /// What requests share, without any of them.
    pub(crate) fn new(
        options: ServeOptions,
        slots: Vec<Arc<Slot>>,
        metrics: Arc<Metrics>,
        tokens: Option<Arc<Tokens>>,
    ) -> Self {
        let limits = &options.limits;
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            limits: Limits { body: limits.body, rows: limits.rows, columns: limits.columns },
            slots,
            metrics,
            clients: Clients::new(limits),
            rows: Room::new(usize::MAX),
            processors: Arc::new(Semaphore::new(processors)),
            tokens,
            draining: AtomicBool::new(false),
            options,
        }
    }

    /// The model of this name; the first one without a name.
    pub(crate) fn slot(&self, name: Option<&str>) -> Option<&Arc<Slot>> {
        match name {
            Some(name) => self.slots.iter().find(|slot| *slot.name == *name),
            None => self.slots.first(),
        }
    }

    /// The version of a model that is served; another one than the champion if the canary has that number.
    pub(crate) fn describe(&self, model: &str, version: Option<&str>) -> Result<Arc<Served>, Refusal> {
        let slot = self.slot(Some(model)).ok_or(Refusal::new(Cause::UnknownModel))?;
        match version {
            None => slot.champion.served().ok_or(Refusal::new(Cause::NotReady)),
            Some(version) => {
                let found = slot.of_version(version).ok_or(Refusal::new(Cause::UnknownVersion))?;
                Ok(found.0)
            }
        }
    }

    /// Whether every model has a verified version, and the server is not ending.
    pub(crate) fn is_ready(&self) -> bool {
        !self.is_draining() && self.slots.iter().all(|slot| slot.champion.served().is_some())
    }

    /// Whether the server is ending.
    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// Says that the server is ending.
    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::Release);
    }

    /// The metrics, with what changes all the time.
    pub(crate) fn metrics_text(&self) -> String {
        self.metrics.running_requests.set(self.clients.running() as i64);
        self.metrics.running_bytes.set(self.clients.bytes() as i64);
        self.metrics.running_rows.set(self.rows.used() as i64);
        for slot in &self.slots {
            let Some(served) = slot.champion.served() else { continue };
            if let Some(index) = served.drift.load().as_ref().and_then(|drift| drift.index()) {
                self.metrics.drift.get_or_create(&served.labels).set(index);
            }
        }
        self.metrics.text()
    }
}
