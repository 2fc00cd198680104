//! A million decisions take no more memory than a few.

use super::*;

/// Enough decisions to detect a leak of 200 bytes per decision.
#[test]
fn decisions_do_not_grow_memory() {
    alone("memory::decisions_do_not_grow_memory", || assert_memory_stays(20_000));
}

#[test]
#[ignore = "takes minutes: cargo xtask test --all"]
fn a_million_decisions_do_not_grow_memory() {
    alone("memory::a_million_decisions_do_not_grow_memory", || assert_memory_stays(1_000_000));
}

fn assert_memory_stays(decisions: u32) {
    let mut context = context(Some(2), Some(1));
    context.champion = Some(rich_version(2));
    let input = Input::promotion(rich_version(3), context);
    let decide = |times| (0..times).for_each(|_| drop(default_policy().decide(&input).unwrap()));
    decide(2_000);
    let before = resident_bytes();
    decide(decisions);
    let grown = resident_bytes().saturating_sub(before);
    assert!(grown < 4 << 20, "{grown} bytes more after {decisions} decisions");
}

/// Runs a test of the sandbox in a separate process, because other tests in this process allocate at the same time.
pub(super) fn alone(test: &str, body: impl FnOnce()) {
    const ALONE: &str = "HYDRA_TEST_ALONE";
    if std::env::var_os(ALONE).is_some() {
        return body();
    }
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("tests::{test}"), "--include-ignored"])
        .env(ALONE, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

pub(super) fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("memory is measured on Linux");
    statm.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 4096
}
