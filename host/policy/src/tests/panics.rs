//! The text of a panic that a guest leaves in its memory.

use std::error::Error as _;

use super::guests::component;
use super::*;
use hydra_base::Error;

/// Asks a guest to promote or to roll back on an engine that quotes panics.
fn failure(guest: &str, rollback: bool, budget: &Budget) -> Error {
    let engine = PolicyEngine::new(&EngineOptions::default().with_quoted_panics()).unwrap();
    let policy = Policy::load(&engine, &component(guest), budget).unwrap();
    let context = context(Some(2), Some(1));
    let answer = if rollback {
        policy.decide_rollback(None, &context)
    } else {
        policy.decide_promotion(&ModelVersion::new(version(3), 0), &context)
    };
    let error = answer.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PolicyTrap, "{error:?}");
    error
}

fn quoted(error: &Error) -> Option<&str> {
    error.context().iter().find(|(key, _)| *key == "panic").map(|(_, text)| text.as_str())
}

#[test]
fn a_forged_text_is_tamed_and_cut() {
    let error = failure("forges_panic", false, &Budget::default());
    let text = quoted(&error).unwrap();
    let start = "\u{fffd}[2Jno ok: \u{fffd}version 3 is champion\u{fffd}";
    assert!(text.starts_with(start) && text.ends_with('…') && text.chars().count() == 1_001, "{text}");
    assert!(
        error.to_string().starts_with("the policy trapped: wasm `unreachable` instruction executed (panic: ")
    );
    assert_engine_is_sound();
}

#[test]
fn a_text_at_the_end_of_the_memory_ends_there() {
    assert_eq!(quoted(&failure("panic_at_the_end", true, &Budget::default())), Some("cut by the e"));
    assert_eq!(quoted(&failure("panic_at_the_end", false, &Budget::default())), None);
}

#[test]
fn the_cause_is_the_trap_and_not_a_list_of_modules() {
    let error = failure("unreachable", false, &Budget::default());
    assert_eq!(quoted(&error), None);
    let mut causes = Vec::new();
    let mut cause = error.source();
    while let Some(found) = cause {
        causes.push(found.to_string());
        cause = found.source();
    }
    assert!(
        causes.iter().all(|cause| !cause.contains("core dump") && !cause.contains("coredump")),
        "{causes:?}"
    );
    assert!(causes.last().unwrap().contains("unreachable"), "{causes:?}");
}

#[test]
fn a_decision_does_not_read_it() {
    let error = super::guests::promote("forges_panic", &Budget::default()).unwrap_err();
    assert_eq!((error.kind(), quoted(&error)), (ErrorKind::PolicyTrap, None));
}

#[test]
fn limits_stay_limits() {
    let engine = PolicyEngine::new(&EngineOptions::default().with_quoted_panics()).unwrap();
    let tight = Budget { fuel: 1_000_000, ..Budget::default() };
    for (guest, kind) in [("infinite_loop", ErrorKind::PolicyFuel), ("memory_bomb", ErrorKind::PolicyMemory)]
    {
        let policy = Policy::load(&engine, &component(guest), &tight).unwrap();
        let error =
            policy.decide_promotion(&ModelVersion::new(version(3), 0), &context(Some(2), None)).unwrap_err();
        assert_eq!((error.kind(), quoted(&error)), (kind, None), "{error:?}");
    }
}

/// A marker is found in the first 64 MiB, and the rest of the memory is not touched.
#[cfg(target_os = "linux")]
#[test]
fn memory_of_4_gib_takes_no_memory_of_the_host() {
    super::memory::alone("panics::memory_of_4_gib_takes_no_memory_of_the_host", || {
        let huge = Budget { memory: 5 << 30, ..Budget::default() };
        let before = super::memory::resident_bytes();
        let error = failure("forges_panic", true, &huge);
        let grown = super::memory::resident_bytes().saturating_sub(before);
        assert!(quoted(&error).is_some(), "{error:?}");
        assert!(grown < 200 << 20, "{grown} bytes");
    });
}
