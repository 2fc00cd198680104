//! Loads the guests of `tests/guests`.

use super::*;

use hydra_test_guests as shared;

/// The component made of `tests/guests/<name>.wat`.
pub(super) fn component(name: &str) -> Vec<u8> {
    shared::component_of(name, &shared::read(name), Policy::default_bytes())
}

/// The policy made of `tests/guests/<name>.wat`.
pub(super) fn load(name: &str, budget: &Budget) -> Result<Policy> {
    Policy::load(engine(), &component(name), budget)
}

/// The same for version 0.1 of the contract.
pub(super) fn load_0_1(name: &str, budget: &Budget) -> Result<Policy> {
    let bytes = shared::component_of(name, &shared::read(name), &shared::policy_of_0_1("default"));
    Policy::load(engine(), &bytes, budget)
}

/// Asks a guest to promote version 3 over version 2, with version 1 archived.
pub(super) fn promote(name: &str, budget: &Budget) -> Result<Decision> {
    load(name, budget)?.decide_promotion(&ModelVersion::new(version(3), 0), &super::context(Some(2), Some(1)))
}

/// Asks a guest to roll back from version 2 to version 1.
pub(super) fn rollback(name: &str, budget: &Budget) -> Result<Decision> {
    load(name, budget)?.decide_rollback(None, &super::context(Some(2), Some(1)))
}
