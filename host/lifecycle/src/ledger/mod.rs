//! The ledger: promotions that are ordered, recoverable and auditable on a plain MLflow server.
//!
//! MLflow moves one alias per call, the last writer wins, and no history is kept. But creating a model version is atomic,
//! hands out increasing numbers and stores its tags in the same transaction: an append-only log. The ledger of a model is
//! the registered model `<name>_ledger`; each of its versions is an entry. The aliases are a view of the newest valid entry.
//!
//! - [`hydra_ledger_rules`]: which entries count, and what the aliases mean. Pure; the model check in `tests/model_check` explores them.
//! - [`entry`]: what an entry holds, and its canonical text.
//! - [`chain`]: the newest entries as read, and the head among them.
//! - `identity`, `look`, `settle`, `commit`, `archive`: the driver, the same loop over the store traits.
//! - [`history`], [`verify`], [`doctor`]: reading, auditing, repairing.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, OnceCell};

use hydra_base::names::{ModelName, RunId};
use hydra_mlflow::connect::Backend;

pub(super) mod archive;
pub mod chain;
mod commit;
pub mod doctor;
pub mod entry;
pub mod history;
mod identity;
mod look;
mod settle;
pub mod verify;
mod view;

#[cfg(test)]
mod chain_tests;
#[cfg(test)]
pub(super) mod driver_tests;
#[cfg(test)]
mod entry_tests;

pub use commit::{Answer, Decide, Proposal, Recorded};
pub use identity::{ledger_name, refuse_ledger};
pub use view::View;

/// What writes entries.
const HOST: &str = concat!("hydra-registry/", env!("CARGO_PKG_VERSION"));

/// How a ledger is written.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Who acts, for the record.
    pub actor: String,
    /// How long to keep trying when others are faster, or requests fail.
    pub deadline: Duration,
    /// The protocol's time limits. All writers of a ledger must agree on them.
    pub windows: hydra_ledger_rules::Windows,
}

impl Settings {
    /// The limits in use, and two minutes of patience.
    #[must_use]
    pub fn new(actor: impl Into<String>) -> Self {
        let deadline = Duration::from_mins(2);
        Self { actor: actor.into(), deadline, windows: hydra_ledger_rules::Windows::MILLISECONDS }
    }
}

/// The ledger of one registered model.
#[derive(Debug, Clone)]
pub struct Ledger {
    backend: Backend,
    model: ModelName,
    /// The registered model that holds the entries.
    name: ModelName,
    id: String,
    run_id: RunId,
    settings: Settings,
    artifact_uri: Arc<OnceCell<String>>,
    /// What was read when it was opened, for the first transition.
    opened: Arc<Mutex<Option<look::Snapshot>>>,
}

impl Ledger {
    /// The registered model whose ledger it is.
    #[must_use]
    pub fn model(&self) -> &ModelName {
        &self.model
    }

    /// The registered model that holds the entries.
    #[must_use]
    pub fn name(&self) -> &ModelName {
        &self.name
    }

    /// The ledger's random id.
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
