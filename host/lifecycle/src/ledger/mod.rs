//! The ledger: promotions that are ordered, recoverable and auditable on a plain MLflow server.
//!
//! MLflow moves one alias per call, the last writer wins, and no history is kept. But creating a model version is atomic,
//! hands out increasing numbers and stores its tags in the same transaction: an append-only log. The ledger of a model is
//! the registered model `<name>_ledger`; each of its versions is an entry. The aliases are a view of the newest valid entry.
//!
//! - [`hydra_ledger_rules`]: which entries count, and what the aliases mean. Pure; the model check in `tests/model_check` explores them.
//! - [`entry`], [`mark`]: what an entry holds, its canonical text, and the mark that it was carried out.
//! - `document`: documents in the archive, with their schemas.
//! - [`standing`], `mirror`: what holds beside the aliases, and its mirror in tags. [`active`]: the document of the active policy.
//! - [`chain`]: the newest entries as read, and the head among them.
//! - `decide`: what the ledger and its caller exchange in a transition. [`decision`]: the answers of several policies, in the archive.
//! - `founding`, `identity`, `numbering`, `look`, `settle`, `draft`, `commit`, `archive`, `view`, `remembered`, `foreseen`: the driver, the same loop over the store traits.
//! - [`head`], [`witness`]: what a person keeps of the ledger elsewhere, and compares later.
//! - [`clocks`]: what the entries say of the clocks of their authors.
//! - [`history`], `known`, `champions`, [`verify`], [`rerun`], [`doctor`], `diagnosis`, `unrecorded`, `repair`, `requarantine`, `new_archive`: reading, auditing, diagnosing, repairing.
//!
//! A [`Ledger`] reads and cannot write; what writes is a method of [`LedgerWriter`].

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, OnceCell};

use crate::document_cache::DocumentCache;
use hydra_base::names::{ModelName, RunId};
use hydra_mlflow::connect::Backend;

pub mod active;
mod archive;
pub mod chain;
mod champions;
pub mod clocks;
mod commit;
pub(crate) mod decide;
pub mod decision;
mod diagnosis;
pub mod doctor;
mod document;
mod draft;
pub mod entry;
pub(super) mod errors;
mod foreseen;
mod founding;
pub(crate) mod glance;
pub mod head;
pub mod history;
mod identity;
mod known;
mod look;
pub mod mark;
mod mirror;
mod new_archive;
mod numbering;
mod policy_audit;
mod policy_doctor;
pub(crate) mod policy_proofs;
mod remembered;
mod repair;
mod requarantine;
pub mod rerun;
mod settle;
mod single;
pub mod standing;
#[cfg(test)]
mod tests;
mod unlinked;
mod unrecorded;
pub mod verify;
mod view;
pub mod witness;

pub use decide::{Decide, DecideOutcome, LedgerView, Proposal, ProposedDecision, Recorded};
pub use identity::{
    MODEL_TAG, Opened, is_ledger, ledger_name, refuse_foreign, refuse_prompt, renamed_hint, renamed_to,
};
pub use mirror::{POLICY_TAG, QUARANTINE_TAG, names_active_policy};
pub use single::no_entry;
pub use standing::Standing;
pub use unlinked::Former;

/// What writes entries.
const HOST: &str = concat!("hydra-registry/", env!("CARGO_PKG_VERSION"));

/// How a [`LedgerWriter`] writes.
#[derive(Debug, Clone)]
pub struct WriterSettings {
    /// The actor of the entries that it appends.
    pub actor: String,
    /// The user that the server says this program is authenticated as.
    pub user: Option<String>,
    /// How long a transition keeps trying while other writers are faster, or requests fail.
    pub deadline: Duration,
    /// The protocol's time limits, in milliseconds. All writers of a ledger must agree on them.
    pub windows: hydra_ledger_rules::Windows,
}

impl WriterSettings {
    /// The limits in use, and a deadline of two minutes.
    #[must_use]
    pub fn new(actor: impl Into<String>) -> Self {
        let deadline = Duration::from_mins(2);
        Self { actor: actor.into(), user: None, deadline, windows: hydra_ledger_rules::Windows::MILLISECONDS }
    }
}

/// The ledger of one registered model, for readers.
#[derive(Debug, Clone)]
pub struct Ledger {
    backend: Backend,
    model: ModelName,
    /// The registered model that holds the entries.
    name: ModelName,
    id: String,
    run_id: RunId,
    /// The runs with earlier archives, newest first.
    older_runs: Vec<RunId>,
    /// Whether it was found by a search, because the model or the ledger was renamed.
    renamed: bool,
    artifact_uri: Arc<OnceCell<String>>,
    cache: Option<DocumentCache>,
    /// Documents and components of active policies.
    policies: Option<DocumentCache>,
    /// What decisions rested on.
    decisions: Option<DocumentCache>,
    clock_tolerance: Duration,
    /// What was read when it was opened, for the first transition.
    opened: Arc<Mutex<Option<look::Snapshot>>>,
    numbering: Arc<numbering::Shown>,
}

/// The ledger of one registered model, for writers: transitions and repairs.
#[derive(Debug, Clone)]
pub struct LedgerWriter {
    ledger: Ledger,
    settings: WriterSettings,
}

impl LedgerWriter {
    /// A writer of `ledger`.
    #[must_use]
    pub fn new(ledger: Ledger, settings: WriterSettings) -> Self {
        Self { ledger, settings }
    }

    /// The ledger, for reading.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The actor of the entries that it appends.
    #[must_use]
    pub fn actor(&self) -> &str {
        &self.settings.actor
    }

    /// The user that the server says the writer is authenticated as.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.settings.user.as_deref()
    }

    /// The same writer of the ledger that `change` makes of its own.
    #[must_use]
    pub fn map_ledger(self, change: impl FnOnce(Ledger) -> Ledger) -> Self {
        Self { ledger: change(self.ledger), ..self }
    }
}

impl Ledger {
    /// The same ledger, with a cache of standing documents and of what is known of the past.
    #[must_use]
    pub fn with_cache(self, cache: Option<DocumentCache>) -> Self {
        Self { cache, ..self }
    }

    /// The same ledger, with a cache of active policies.
    #[must_use]
    pub fn with_policy_cache(self, policies: Option<DocumentCache>) -> Self {
        Self { policies, ..self }
    }

    /// The same ledger, with another tolerance of clocks than [`DEFAULT_TOLERANCE`](crate::clock::DEFAULT_TOLERANCE).
    #[must_use]
    pub fn with_clock_tolerance(self, clock_tolerance: Duration) -> Self {
        Self { clock_tolerance, ..self }
    }

    /// The registered model that the decisions are about.
    #[must_use]
    pub fn model(&self) -> &ModelName {
        &self.model
    }

    /// The registered model that holds the entries.
    #[must_use]
    pub fn name(&self) -> &ModelName {
        &self.name
    }

    /// The ledger's random id: 32 hexadecimal digits.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The run whose artifacts hold inputs and policies.
    #[must_use]
    pub fn run_id(&self) -> &RunId {
        &self.run_id
    }
}
