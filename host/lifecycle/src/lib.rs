//! The lifecycle: evidence, decisions and their effects, and the ledger that records them.

pub mod activation;
pub mod backtest;
pub mod clock;
pub mod doctor;
pub mod document_cache;
pub mod evaluations;
pub mod evidence;
pub mod governing;
pub mod guards;
pub mod ledger;
pub mod model_facts;
pub mod model_trust;
mod opening;
pub mod panel;
pub mod past;
pub mod recording;
pub mod statement;
pub mod status;
pub mod transition;
mod unfinished;
mod versions;
mod writer;

pub use guards::{Facts, Plan, review};
