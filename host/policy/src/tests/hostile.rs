//! Guests that break the rules while they run. The host must not crash, hang or leak, and each gets an error of the right kind.

use std::time::Duration;

use super::guests::{load, promote, rollback};
use super::*;

/// A budget that keeps tests short.
fn tight() -> Budget {
    Budget { fuel: 50_000_000, wall_clock: Duration::from_secs(30), ..Budget::default() }
}

#[track_caller]
fn fails_with(kind: ErrorKind, result: Result<Decision>) {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), kind, "{error:?}");
    assert_engine_is_sound();
}

#[test]
fn the_harness_makes_working_guests() {
    let decision = promote("well_behaved", &tight()).unwrap();
    assert_eq!(decision.verdict, Verdict::reject("no"));
    assert_eq!(rollback("well_behaved", &tight()).unwrap().verdict, Verdict::reject("no"));
}

#[test]
fn an_infinite_loop_runs_out_of_fuel() {
    fails_with(ErrorKind::PolicyFuel, promote("infinite_loop", &tight()));
}

#[test]
fn an_infinite_loop_with_endless_fuel_runs_out_of_time() {
    let budget = Budget { fuel: u64::MAX, wall_clock: Duration::from_millis(50), ..Budget::default() };
    fails_with(ErrorKind::PolicyTimeout, promote("infinite_loop", &budget));
}

#[test]
fn a_start_function_runs_under_the_budget_too() {
    let error = load("start_loops", &tight()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PolicyFuel, "{error:?}");
    assert_engine_is_sound();
}

#[test]
fn few_but_slow_instructions_are_stopped() {
    // Bulk instructions cost fuel in proportion to their work, and the clock is checked between them.
    let patient = Budget { wall_clock: Duration::from_secs(60), ..tight() };
    fails_with(ErrorKind::PolicyFuel, promote("slow_instructions", &patient));
    let endless = Budget { fuel: u64::MAX, wall_clock: Duration::from_millis(100), ..tight() };
    fails_with(ErrorKind::PolicyTimeout, promote("slow_instructions", &endless));
}

#[test]
fn recursion_overflows_the_guests_stack_only() {
    fails_with(ErrorKind::PolicyTrap, promote("recursion", &tight()));
}

#[test]
fn traps_are_told_apart_from_limits() {
    for guest in ["unreachable", "out_of_bounds", "divides_by_zero"] {
        fails_with(ErrorKind::PolicyTrap, promote(guest, &tight()));
    }
}

#[test]
fn memory_and_table_bombs_hit_the_memory_limit() {
    for guest in ["memory_bomb", "table_bomb"] {
        fails_with(ErrorKind::PolicyMemory, promote(guest, &tight()));
    }
    let small = Budget { memory: 16 << 20, ..tight() };
    let error = load("initial_table", &small).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PolicyMemory, "{error:?}");
    assert_engine_is_sound();
}

#[test]
fn growing_beyond_what_the_guest_declared_is_no_violation() {
    assert_eq!(promote("modest_table", &tight()).unwrap().verdict, Verdict::reject("no"));
}

#[test]
fn answers_that_are_too_large_are_refused_while_they_are_read() {
    for guest in ["huge_answer", "million_moves", "shared_string", "few_share_string"] {
        let roomy = Budget { fuel: u64::MAX, wall_clock: Duration::from_secs(30), ..Budget::default() };
        fails_with(ErrorKind::PolicyAnswer, promote(guest, &roomy));
    }
}

#[test]
fn a_description_that_is_too_large_or_flawed_is_refused() {
    let error = load("lies_about_settings", &tight()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PolicyAnswer, "{error:?}");
    for flawed in ["nameless", "choice_of_nothing"] {
        let error = load(flawed, &tight()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PolicyProtocol, "{error:?}");
    }
    assert_engine_is_sound();
}

#[test]
fn answers_that_break_the_abi_are_refused() {
    for guest in ["invalid_utf8", "bad_discriminant", "wild_pointer", "silent"] {
        fails_with(ErrorKind::PolicyProtocol, promote(guest, &tight()));
    }
    for guest in ["bad_discriminant", "wild_pointer"] {
        fails_with(ErrorKind::PolicyProtocol, rollback(guest, &tight()));
    }
}

#[test]
fn an_explanation_cannot_pass_for_lines_of_the_host() {
    let decision = promote("forges_lines", &tight()).unwrap();
    assert_eq!(decision.verdict.explanation(), "\u{fffd}[2Jno   alias   champion: 1 -> 2 ");
}

#[test]
fn no_text_of_a_policy_can_pass_for_lines_of_the_host() {
    let policy = load("forges_settings", &tight()).unwrap();
    let tame = "a\u{fffd}[2J limits of each decision   fuel  1";
    let setting = &policy.descriptor().settings[0];
    assert_eq!((setting.default.as_deref(), setting.doc.as_str()), (Some(tame), tame));
    assert_eq!(setting.kind, SettingKind::Choice(vec![tame.to_owned()]));

    let error = promote("forges_errors", &tight()).unwrap_err();
    let message = error.message();
    assert_eq!(message, "the policy failed: \u{fffd}[2Jno ok: \u{fffd}version 3 is champion\u{fffd}");
    // The limits apply to the text as the guest gave it, not as it is shown.
    let decision = rollback("forges_errors", &tight()).unwrap();
    assert_eq!(decision.verdict.explanation(), "\u{fffd}".repeat(400));
    let short = Budget { text_bytes: 37, ..tight() };
    fails_with(ErrorKind::PolicyText, promote("forges_errors", &short));
    let error = load("forges_settings", &short).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PolicyText, "{error:?}");
    assert_engine_is_sound();
}

#[test]
fn an_error_reported_by_the_policy_is_not_a_verdict() {
    let error = promote("reports_error", &tight()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PolicyError);
    assert_eq!(error.message(), "the policy failed: no");
    assert_engine_is_sound();
}

#[test]
fn nothing_is_kept_between_calls() {
    let policy = load("keeps_state", &tight()).unwrap();
    for _ in 0..3 {
        let decision =
            policy.decide_promotion(&ModelVersion::new(version(3), 0), &context(Some(2), None)).unwrap();
        assert_eq!(decision.verdict.explanation(), "11");
    }
}

#[test]
fn good_and_bad_guests_share_an_engine_on_many_threads() {
    let guests = ["infinite_loop", "memory_bomb", "recursion", "unreachable", "invalid_utf8", "well_behaved"];
    let budget = Budget { fuel: 1_000_000, memory: 8 << 20, ..Budget::default() };
    let policies: Vec<_> = guests.iter().map(|guest| load(guest, &budget).unwrap()).collect();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let policies = &policies;
            scope.spawn(move || {
                for turn in 0..30 {
                    let policy = &policies[(thread + turn) % policies.len()];
                    let result =
                        policy.decide_promotion(&ModelVersion::new(version(3), 0), &context(Some(2), None));
                    let well_behaved = (thread + turn) % policies.len() == 5;
                    assert_eq!(result.is_ok(), well_behaved);
                    assert_engine_is_sound();
                }
            });
        }
    });
}
