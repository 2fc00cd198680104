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
pub mod state;
pub mod transition;

pub use guards::{Facts, Plan, review};
pub use state::AliasState;

/// The alias of the version in production.
pub const CHAMPION: &str = "champion";

/// The alias of the version that was champion before: what a rollback goes back to.
pub const ARCHIVED: &str = "archived";

/// The alias of the version logged last.
pub const CANDIDATE: &str = "candidate";
