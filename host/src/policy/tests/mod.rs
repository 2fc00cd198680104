//! Tests of the sandbox as a whole.

mod default_policy;

use std::sync::OnceLock;

use super::*;

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

fn context(champion: Option<u64>, archived: Option<u64>) -> Context {
    let version = |number, alias: &str| {
        let mut version = ModelVersion::new(number, 0);
        version.aliases.insert(alias.to_owned());
        version
    };
    let mut context = Context::new("churn", 1_700_000_000_000, "tester");
    context.champion = champion.map(|number| version(number, "champion"));
    context.archived = archived.map(|number| version(number, "archived"));
    context
}
