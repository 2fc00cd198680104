//! Each limit obeyed and violated; after every violation the same engine decides correctly.

use std::time::Duration;

use wasmparser::{Parser, Payload};

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
    assert_engine_is_sound();
    let decision = promote("initial_table", &with(|b| b.memory = 32 << 20)).unwrap();
    assert_eq!(decision.usage.memory, 4 * 65536 + 4_000_000 * 8);
}

#[test]
fn memory_counts_the_state_of_instances() {
    // 17 more instances of a module with 3,000 globals, which is the largest.
    let bytes = many_instances(17, "(global i64 (i64.const 1))", 3_000);
    let load = |memory| Policy::load(engine(), &bytes, &with(|b| b.memory = memory));
    // Its exports are an instance of a component, which may double them.
    let state = 2 * (17 + 1) * 3_000 * 16;
    // The memory that instances take themselves is counted separately from their linear memories.
    load(state).unwrap();
    let error = load(state - 1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PolicyMemory, "{error:?}");
    assert_engine_is_sound();
}

#[test]
fn instances() {
    three(&many_instances(2, "", 1));
}

#[test]
fn instances_counts_memories() {
    // Each of these is an instance too; the memory of the policy itself is the first.
    three(&many_instances(2, "(memory 0)", 1));
}

#[test]
fn instances_counts_tables() {
    three(&many_instances(1, "(table 0 funcref)", 3));
}

/// A component that needs three instances, memories or tables.
#[track_caller]
fn three(bytes: &[u8]) {
    let load = |instances| Policy::load(engine(), bytes, &with(|b| b.instances = instances));
    load(3).unwrap();
    let error = load(2).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PolicyInstances, "{error:?}");
    assert_engine_is_sound();
}

/// The well-behaved guest with `instances` instances of a module made of `fields` times `field`.
pub(super) fn many_instances(instances: usize, field: &str, fields: usize) -> Vec<u8> {
    let mut bytes = component("well_behaved");
    let module = wat::parse_str(format!("(module {})", field.repeat(fields))).unwrap();
    let index = Parser::new(0)
        .parse_all(&bytes)
        .filter(|payload| matches!(payload, Ok(Payload::ModuleSection { .. })))
        .count();
    bytes.push(1);
    refused::leb128(&mut bytes, module.len());
    bytes.extend(module);
    let mut section = Vec::new();
    refused::leb128(&mut section, instances);
    for _ in 0..instances {
        section.extend([0, u8::try_from(index).unwrap(), 0]);
    }
    bytes.push(2);
    refused::leb128(&mut bytes, section.len());
    bytes.extend(section);
    bytes
}

#[test]
fn input_bytes() {
    let policy = |limit| Policy::load_default(engine(), &with(|b| b.input_bytes = limit)).unwrap();
    let context = context(Some(2), None);
    let target = rich_version(3);
    let weight = Input::promotion(target.clone(), context.clone()).weight_in_v0_2();
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
    // What is too large, and a limit that is large enough.
    assert!(error.to_string().contains("the run and tags of version 3, 500"), "{error}");
    let hint = error.hint().expect("a hint");
    let limit = hint.split_once("`--budget input-bytes=").and_then(|(_, rest)| rest.split_once('`'));
    let limit = limit.and_then(|(limit, _)| limit.parse().ok()).expect("a limit");
    let larger = Policy::load_default(engine(), &with(|budget| budget.input_bytes = limit)).unwrap();
    larger.decide_promotion(&target, &context(Some(2), None)).unwrap();
    let mut approved = rich_version(3);
    let approval = || ApprovalRecord::new("x".repeat(5_000), 0, Sha256::NONE);
    approved.approvals = std::iter::repeat_with(approval).take(1_000).collect();
    let error = default_policy().decide_rollback(Some(&approved), &context(Some(2), None)).unwrap_err();
    assert!(error.to_string().contains("the approvals of version 3, 50"), "{error}");
    assert_engine_is_sound();
}

#[test]
fn answer_bytes() {
    let bytes = |limit| with(|b| b.answer_bytes = limit);
    pair("long_explanation", &bytes(900), &bytes(899), ErrorKind::PolicyAnswer);
}

#[test]
fn text_bytes() {
    let bytes = |limit| with(|b| b.text_bytes = limit);
    pair("long_explanation", &bytes(900), &bytes(899), ErrorKind::PolicyText);
}

#[test]
fn list_items() {
    let items = |limit| with(|b| b.list_items = limit);
    pair("illegal_alias", &items(2), &items(1), ErrorKind::PolicyList);
}

#[test]
fn component_bytes() {
    let size = component("well_behaved").len() as u64;
    let bytes = |limit| with(|b| b.component_bytes = limit);
    pair("well_behaved", &bytes(size), &bytes(size - 1), ErrorKind::PolicySize);
}

#[test]
fn what_is_instantiated_without_fuel_is_bounded() {
    // Initialisers cost no fuel; the caps bound them to some hundred thousand stores.
    let bytes = many_instances(120, "(global i64 (i64.const 1))", 3_900);
    let tight = with(|b| b.fuel = 1_000_000);
    Policy::load(engine(), &bytes, &tight).unwrap();
    let more = many_instances(120, "(global i64 (i64.const 1))", 4_001);
    let error = Policy::load(engine(), &more, &tight).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PolicyIncompatible, "{error:?}");
    assert_engine_is_sound();
}
