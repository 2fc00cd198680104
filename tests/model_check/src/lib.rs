//! A model check of the ledger protocol: every interleaving of three writers on one registered model, with crashes, slow
//! writers, lost answers, outside alias moves and deletions, within stated bounds.
//!
//! The decisions are not modelled: [`rules`] is the host's own crate. What is modelled is everything around it: a ledger that hands out numbers, aliases without
//! compare-and-swap, writers that read, append and write in separate steps, and time.
//!
//! - [`world`]: the state and the steps of the environment.
//! - [`writer`]: the steps of a writer, the same loop as the host's driver.
//! - [`properties`]: what must hold, each property under its name.
//! - [`explore`]: breadth-first search with shortest counterexamples.
//! - [`mutation`]: deliberately broken rules, to show that the properties have teeth.

pub mod explore;
pub mod mutation;
pub mod properties;
pub mod world;
pub mod writer;

pub use hydra_ledger_rules as rules;
