//! Each limit obeyed and violated; after every violation the same engine decides correctly.

use std::time::Duration;

use super::guests::{component, load, promote};
use super::*;

fn with(change: impl FnOnce(&mut Budget)) -> Budget {
    let mut budget = Budget::default();
    change(&mut budget);
    budget
}

/// Runs `guest` under the budget that suffices and under the one that does not.
#[track_caller]
fn pair(guest: &str, obeyed: &Budget, violated: &Budget, kind: ErrorKind) {
    promote(guest, obeyed).unwrap_or_else(|error| panic!("{guest}: {error:?}"));
    let error = promote(guest, violated).unwrap_err();
    assert_eq!(error.kind(), kind, "{guest}: {error:?}");
    assert!(error.hint().is_some(), "{error:?}");
    assert_engine_is_sound();
}

#[test]
fn fuel() {
    let needed = promote("long_explanation", &Budget::default()).unwrap().usage.fuel;
    pair(
        "long_explanation",
        &with(|b| b.fuel = needed),
        &with(|b| b.fuel = needed - 1),
        ErrorKind::PolicyFuel,
    );
}

#[test]
fn wall_clock() {
    let limit = Duration::from_millis(100);
    promote("well_behaved", &with(|b| b.wall_clock = limit)).unwrap();
    let endless = with(|b| (b.wall_clock, b.fuel) = (limit, u64::MAX));
    let error = promote("infinite_loop", &endless).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PolicyTimeout, "{error:?}");
    assert_engine_is_sound();
}

#[test]
fn memory() {
    let pages = |count: u64| with(|b| b.memory = count << 16);
    pair("memory_user", &pages(32), &pages(31), ErrorKind::PolicyMemory);
    let decision = promote("memory_user", &pages(32)).unwrap();
    assert_eq!(decision.usage.memory, 32 << 16);
}

#[test]
fn memory_counts_tables() {
    let error = load("initial_table", &with(|b| b.memory = 30 << 20)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PolicyMemory, "{error:?}");
    let decision = promote("initial_table", &with(|b| b.memory = 32 << 20)).unwrap();
    assert_eq!(decision.usage.memory, 4 * 65536 + 4_000_000 * 8);
}

#[test]
fn instances() {
    pair("well_behaved", &with(|b| b.instances = 1), &with(|b| b.instances = 0), ErrorKind::PolicyMemory);
}

#[test]
fn input_bytes() {
    let policy = |limit| Policy::load_default(engine(), &with(|b| b.input_bytes = limit)).unwrap();
    let context = context(Some(2), None);
    let target = rich_version(3);
    let weight = Input::promotion(target.clone(), context.clone()).weight();
    policy(weight).decide_promotion(&target, &context).unwrap();
    let error = policy(weight - 1).decide_promotion(&target, &context).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PolicyInput, "{error:?}");
    assert_engine_is_sound();
}

#[test]
fn input_within_the_limit_fits_into_a_guest() {
    let mut target = rich_version(3);
    target.tags.insert("large".to_owned(), "x".repeat(4_000_000));
    default_policy().decide_promotion(&target, &context(Some(2), None)).unwrap();
    target.tags.insert("larger".to_owned(), "x".repeat(1_000_000));
    let error = default_policy().decide_promotion(&target, &context(Some(2), None)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PolicyInput, "{error:?}");
}

#[test]
fn answer_bytes() {
    let bytes = |limit| with(|b| b.answer_bytes = limit);
    pair("long_explanation", &bytes(900), &bytes(899), ErrorKind::PolicyAnswer);
}

#[test]
fn text_bytes() {
    let bytes = |limit| with(|b| b.text_bytes = limit);
    pair("long_explanation", &bytes(900), &bytes(899), ErrorKind::PolicyAnswer);
}

#[test]
fn list_items() {
    let items = |limit| with(|b| b.list_items = limit);
    pair("illegal_alias", &items(2), &items(1), ErrorKind::PolicyAnswer);
}

#[test]
fn component_bytes() {
    let size = component("well_behaved").len() as u64;
    let bytes = |limit| with(|b| b.component_bytes = limit);
    pair("well_behaved", &bytes(size), &bytes(size - 1), ErrorKind::PolicyIncompatible);
}
