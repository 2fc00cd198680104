//! The lifecycle: evidence, decisions and their effects, and the ledger that records them.

pub mod backtest;
pub mod doctor;
pub mod evidence;
pub mod guards;
pub mod ledger;
pub mod recording;
pub mod transition;

pub use guards::{Facts, Plan, review};
