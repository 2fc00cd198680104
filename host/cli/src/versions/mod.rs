//! Versions side by side: what `list` filters and sorts by, and what `diff` compares.

mod condition;
mod figures;
mod order;

pub use condition::Condition;
pub(crate) use figures::{Facts, Listed, config_of};
pub use order::Order;
