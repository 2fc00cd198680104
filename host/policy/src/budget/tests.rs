//! Limits by key, and the JSON that ledger entries hold.

use super::*;

#[test]
fn every_limit_reads_what_it_shows() {
    let mut budget = Budget { fuel: 0, memory: 0, ..Budget::default() };
    for limit in Budget::LIMITS {
        budget.set(limit.key, &limit.show(&Budget::default())).unwrap();
    }
    assert_eq!(budget, Budget::default());
}

#[test]
fn limits_are_set_with_units() {
    let mut budget = Budget::default();
    budget.set("wall-clock", "250ms").unwrap();
    budget.set("memory", "16 MiB").unwrap();
    budget.set("fuel", "1_000").unwrap();
    assert_eq!(budget.wall_clock, Duration::from_millis(250));
    assert_eq!(budget.memory, 16 << 20);
    assert_eq!(budget.fuel, 1_000);
}

#[test]
fn limits_that_no_policy_can_meet_are_refused() {
    for limit in Budget::LIMITS.iter().filter(|limit| limit.key != "list-items") {
        let mut budget = Budget::default();
        let error = budget.set(limit.key, if limit.key == "wall-clock" { "0s" } else { "0" }).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{}", limit.key);
        assert_eq!(budget, Budget::default());
    }
    Budget::default().set("list-items", "0").unwrap();
    let error = Budget { fuel: 0, ..Budget::default() }.check().unwrap_err();
    assert_eq!(error.to_string(), "the policy limit `fuel` is zero, which no policy can meet");
}

#[test]
fn unknown_and_malformed_limits_say_what_there_is() {
    let unknown = Budget::default().set("speed", "1").unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::Config);
    assert!(unknown.hint().unwrap().contains("wall-clock"), "{unknown:?}");
    let malformed = Budget::default().set("memory", "much").unwrap_err();
    assert_eq!(malformed.to_string(), "the policy limit `memory` is not valid: `much`");
    assert!(malformed.hint().unwrap().contains("128 MiB"), "{malformed:?}");
}

#[test]
fn canonical_json_keeps_every_limit_and_every_use() {
    let budget = Budget { fuel: u64::MAX, ..Budget::default() };
    let json = serde_json_canonicalizer::to_string(&budget).unwrap();
    assert!(json.contains(r#""fuel":"18446744073709551615""#), "{json}");
    assert!(json.contains(r#""wall-clock-ms":"5000""#), "{json}");
    assert_eq!(serde_json::from_str::<Budget>(&json).unwrap(), budget);
    assert_eq!(serde_json::from_str::<Budget>(r#"{"fuel": 7}"#).unwrap().fuel, 7);

    let usage = Usage { fuel: u64::MAX, elapsed: Duration::from_micros(42), memory: 1 << 60 };
    let json = serde_json_canonicalizer::to_string(&usage).unwrap();
    assert_eq!(
        json,
        r#"{"elapsed-us":"42","fuel":"18446744073709551615","memory-bytes":"1152921504606846976"}"#
    );
    assert_eq!(serde_json::from_str::<Usage>(&json).unwrap(), usage);
}
