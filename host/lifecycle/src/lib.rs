//! The lifecycle: evidence, decisions and what they change, and the ledger that keeps them.

pub mod backtest;
pub mod doctor;
pub mod evidence;
pub mod guards;
pub mod ledger;
pub mod model_facts;
mod opening;
pub mod recording;
pub mod transition;
mod versions;

pub use guards::{Facts, Plan, review};
