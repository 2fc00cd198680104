//! What the lifecycle is: where the aliases point, and which moves of them are allowed.

pub mod guards;
pub mod state;

pub use guards::{Facts, Plan, review};
pub use state::AliasState;

/// The alias of the version in use.
pub const CHAMPION: &str = "champion";
/// The alias of the version to roll back to.
pub const ARCHIVED: &str = "archived";
/// The alias of the version logged last.
pub const CANDIDATE: &str = "candidate";
