//! Applies the guards to verdicts of hostile guests.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use hydra_base::ErrorKind;
use hydra_base::aliases::AliasState;
use hydra_base::testing::{alias, version};
use hydra_lifecycle::ledger::Standing;
use hydra_lifecycle::{Facts, guards};
use hydra_policy::{Budget, Context, Decision, EngineOptions, ModelVersion, Operation, Policy, PolicyEngine};
use hydra_test_guests::{component_of, read};

/// Asks a guest to promote version 3 over version 2, with version 1 archived.
fn promote(engine: &PolicyEngine, guest: &str) -> Decision {
    let component = component_of(guest, &read(guest), Policy::default_bytes());
    let policy = Policy::load(engine, &component, &Budget::default()).unwrap();
    let mut context = Context::new("churn", 1_700_000_000_000, "tester");
    context.champion = Some(ModelVersion::new(version(2), 0));
    context.archived = Some(ModelVersion::new(version(1), 0));
    policy.decide_promotion(&ModelVersion::new(version(3), 0), &context).unwrap()
}

#[test]
fn verdicts_that_break_a_guard_move_nothing() {
    let aliases: AliasState = [("champion", 2), ("archived", 1), ("production", 2)]
        .map(|(name, number)| (alias(name), version(number)))
        .into_iter()
        .collect();
    let managed = ["champion", "archived", "candidate"].map(alias);
    let versions = BTreeMap::from([1, 2, 3].map(|number| (version(number), true)));
    let engine = PolicyEngine::new(&EngineOptions::default()).unwrap();
    for (guest, objection) in [
        ("champion_elsewhere", "the policy moves `champion` to version 1, but the request was for version 3"),
        (
            "missing_version",
            "the policy moves `archived` to version 4000000000000000000, which does not exist",
        ),
        ("archived_champion", "the policy would leave version 3 both `champion` and `archived`"),
        ("illegal_alias", "the policy moves the alias `production`, which is not managed"),
        ("moves_twice", "the policy moves the alias `candidate` twice"),
        ("removes_champion", "the policy removes the alias `champion`"),
    ] {
        let decision = promote(&engine, guest);
        let facts = Facts {
            operation: Operation::Promote,
            target: Some(version(3)),
            aliases: &aliases,
            managed: &managed,
            standing: &Standing::none(""),
            versions: &versions,
        };
        let error = guards::review(&decision.verdict, &facts).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Guard);
        assert_eq!(error.to_string(), objection);
    }
}
