//! What the lifecycle is: candidates, evidence, decisions and what they change, and the ledger that keeps them.

pub mod backtest;
pub mod candidate;
pub mod config;
pub mod doctor;
pub mod evidence;
pub mod guards;
pub mod ledger;
pub mod loading;
pub mod model_cache;
pub mod model_file;
pub mod recording;
pub mod transition;

pub use guards::{Facts, Plan, review};
