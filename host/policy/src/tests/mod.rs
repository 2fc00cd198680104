//! Tests of the sandbox as a whole, with hostile guests.

mod compile_cost;
mod contract;
mod default_policy;
mod determinism;
mod guests;
mod hostile;
mod limits;
#[cfg(target_os = "linux")]
mod memory;
mod old_contract;
mod panics;
mod refused;
mod security;
mod types;

use std::sync::OnceLock;

use super::*;
use hydra_base::Sha256;
use hydra_base::aliases::AliasMove;
use hydra_base::error::{ErrorKind, Result};
use hydra_base::testing::{alias, set, unset, version};

/// One engine for all tests, as in a process.
fn engine() -> &'static PolicyEngine {
    static ENGINE: OnceLock<PolicyEngine> = OnceLock::new();
    ENGINE.get_or_init(|| PolicyEngine::new(&EngineOptions::default()).unwrap())
}

/// The default policy, compiled once.
fn default_policy() -> &'static Policy {
    static POLICY: OnceLock<Policy> = OnceLock::new();
    POLICY.get_or_init(|| Policy::load_default(engine(), &Budget::default()).unwrap())
}

/// Checks that the engine still decides correctly, after any guest.
fn assert_engine_is_sound() {
    let decision = default_policy()
        .decide_promotion(&ModelVersion::new(version(3), 0), &context(Some(2), None))
        .unwrap();
    assert_eq!(decision.verdict.moves(), [set("champion", 3), set("archived", 2)]);
}

fn context(champion: Option<u64>, archived: Option<u64>) -> Context {
    let behind = |number, name: &str| {
        let mut found = ModelVersion::new(version(number), 0);
        found.aliases.insert(alias(name));
        found
    };
    let mut context = Context::new("churn", 1_700_000_000_000, "tester");
    context.champion = champion.map(|number| behind(number, "champion"));
    context.archived = archived.map(|number| behind(number, "archived"));
    context
}

/// A version whose run has twenty metrics.
fn rich_version(number: u64) -> ModelVersion {
    let mut rich = ModelVersion::new(version(number), 1_690_000_000_000 + number);
    let mut run = RunData::default();
    for index in 0..20 {
        run.metrics.insert(format!("metric_{index:02}"), 1.0 / f64::from(index + 1));
    }
    run.metrics.insert("broken".to_owned(), f64::NAN);
    run.params.insert("num_leaves".to_owned(), "31".to_owned());
    rich.run = Some(run);
    rich
}
