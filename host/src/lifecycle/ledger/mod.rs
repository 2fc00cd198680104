//! The ledger: promotions that are ordered, recoverable and auditable on a plain MLflow server.
//!
//! MLflow moves one alias per call, the last writer wins, and no history is kept. But creating a model version is atomic,
//! hands out increasing numbers and stores its tags in the same transaction: an append-only log. The ledger of a model is
//! the registered model `<name>_ledger`; each of its versions is an entry. The aliases are a view of the newest valid entry.
//!
//! - [`rules`]: which entries count, and what the aliases mean. Pure; the model check in `tests/model_check` explores them.
//! - [`entry`]: what an entry holds, and its canonical text.
//! - [`chain`]: the newest entries as read, and the head among them.

pub mod chain;
pub mod entry;
pub mod rules;

#[cfg(test)]
mod chain_tests;
#[cfg(test)]
mod entry_tests;
