//! A model check of the ledger protocol: every interleaving of three writers on one registered model, with crashes,
//! slow writers, lost answers, outside alias moves and deletions, within stated bounds.
//!
//! The model takes the decisions from the host: [`rules`] is a crate of the host. It models everything around them: a
//! ledger that assigns numbers, aliases without compare-and-swap, writers that read, append and write in separate
//! steps, and time.
//!
//! - [`world`]: the state and the steps of the environment.
//! - [`standing`]: quarantines and approvals, which entries carry on.
//! - [`canonical`]: one form for all equivalent states.
//! - [`writer`]: the steps of a writer, the same loop as the host's driver.
//! - [`judging`]: what a writer makes of its reads.
//! - [`deciding`]: the entries that a writer appends.
//! - [`properties`]: the named properties that must hold.
//! - [`explore`]: breadth-first search with shortest counterexamples.
//! - [`mutation`]: deliberately broken rules, which the properties must detect.

pub mod canonical;
pub mod deciding;
pub mod explore;
pub mod judging;
pub mod mutation;
pub mod properties;
pub mod standing;
pub mod world;
pub mod writer;

pub use hydra_ledger_rules as rules;
