//! Components of version 0.1 of the contract run unchanged on a host of 0.2.

use std::collections::BTreeMap;

use super::contract::{all_of_0_2, forget_0_2};
use super::guests::{load, load_0_1};
use super::*;
use hydra_test_guests::policy_of_0_1;

fn policy(name: &str) -> Policy {
    Policy::load(engine(), &policy_of_0_1(name), &Budget::default()).unwrap()
}

#[test]
fn they_decide_the_same_with_and_without_evidence_of_0_2() {
    let input = all_of_0_2();
    let plain = forget_0_2(&input);
    for name in ["default", "metric-gate"] {
        let policy = policy(name);
        assert_eq!(policy.interface_version(), "0.1.0");
        let decide = |input: &Input| {
            let mut input = input.clone();
            let settings = BTreeMap::from([("metric".to_owned(), "metric_00".to_owned())]);
            let settings = if name == "default" { BTreeMap::new() } else { settings };
            input.context_mut().settings = policy.descriptor().resolve(&settings).unwrap();
            let decision = policy.decide(&input).unwrap();
            (decision.verdict, decision.usage.fuel, decision.usage.memory)
        };
        assert_eq!(decide(&input), decide(&plain), "{name}");
        assert!(matches!(decide(&input).0, Verdict::Approve(_)), "{name}: {:?}", decide(&input));
    }
}

#[test]
fn evidence_that_they_do_not_receive_does_not_count_against_their_budget() {
    let input = all_of_0_2();
    let plain = forget_0_2(&input);
    assert_eq!(input.weight_in_v0_1(), plain.weight_in_v0_1());
    assert_eq!(plain.weight_in_v0_1(), plain.weight_in_v0_2());
    assert!(input.weight_in_v0_2() > input.weight_in_v0_1());
    let budget = Budget { input_bytes: plain.weight_in_v0_1(), ..Budget::default() };
    let old = Policy::load(engine(), &policy_of_0_1("default"), &budget).unwrap();
    old.decide(&input).unwrap();
    let error = Policy::load_default(engine(), &budget).unwrap().decide(&input).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PolicyInput);
}

#[test]
fn hostile_guests_of_0_1_fail_like_those_of_0_2() {
    let budget = Budget { fuel: 5_000_000, ..Budget::default() };
    for guest in [
        "well_behaved",
        "infinite_loop",
        "start_loops",
        "unreachable",
        "recursion",
        "memory_bomb",
        "huge_answer",
        "few_share_string",
        "lies_about_settings",
        "nameless",
        "invalid_utf8",
        "bad_discriminant",
        "wild_pointer",
        "silent",
        "reports_error",
        "forges_lines",
        "forges_settings",
        "forges_errors",
        "long_explanation",
        "illegal_alias",
        "missing_version",
    ] {
        let outcome = |policy: Result<Policy>| {
            let decided = policy.and_then(|policy| {
                let decision = policy.decide(&Input::rollback(None, context(Some(2), Some(1))))?;
                let promoted = policy
                    .decide_promotion(&ModelVersion::new(version(3), 0), &context(Some(2), Some(1)))
                    .map_err(|error| (error.kind(), error.message().to_owned()));
                Ok((policy.descriptor().clone(), decision.verdict, promoted.map(|decision| decision.verdict)))
            });
            decided.map_err(|error| (error.kind(), error.message().to_owned()))
        };
        assert_eq!(outcome(load_0_1(guest, &budget)), outcome(load(guest, &budget)), "{guest}");
    }
    assert_engine_is_sound();
}
