//! Equal component, equal input: equal verdict, equal words, equal fuel.

use super::*;

fn input() -> Input {
    let mut context = context(Some(2), Some(1));
    context.champion = Some(rich_version(2));
    Input::promotion(rich_version(3), context)
}

#[test]
fn a_thousand_runs_are_one() {
    let first = default_policy().decide(&input()).unwrap();
    for _ in 0..1000 {
        let again = default_policy().decide(&input()).unwrap();
        assert_eq!(
            (&again.verdict, again.usage.fuel, again.usage.memory),
            (&first.verdict, first.usage.fuel, first.usage.memory)
        );
    }
}

#[test]
fn threads_engines_and_pools_make_no_difference() {
    let first = default_policy().decide(&input()).unwrap();
    let pooling = Pooling { decisions: 3, ..Pooling::default() };
    let pooled = PolicyEngine::new(&EngineOptions::default().with_pooling(pooling)).unwrap();
    let pooled = Policy::load_default(&pooled, &Budget::default()).unwrap();
    std::thread::scope(|scope| {
        for policy in [default_policy(), &pooled] {
            for _ in 0..6 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        let again = policy.decide(&input()).unwrap();
                        assert_eq!((&again.verdict, again.usage.fuel), (&first.verdict, first.usage.fuel));
                    }
                });
            }
        }
    });
}

#[test]
fn compiled_code_from_the_cache_decides_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let first = default_policy().decide(&input()).unwrap();
    for _ in 0..2 {
        let options = EngineOptions::default().with_cache_dir(dir.path().join("code"));
        let engine = PolicyEngine::new(&options).unwrap();
        let again = Policy::load_default(&engine, &Budget::default()).unwrap().decide(&input()).unwrap();
        assert_eq!((&again.verdict, again.usage.fuel), (&first.verdict, first.usage.fuel));
    }
    assert!(walk(dir.path()) > 0, "nothing was cached");
}

#[test]
fn a_pool_that_cannot_grant_the_budget_says_so() {
    let pooling = Pooling { decisions: 1, memory: 1 << 20 };
    let engine = PolicyEngine::new(&EngineOptions::default().with_pooling(pooling)).unwrap();
    let error = Policy::load_default(&engine, &Budget::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
}

/// The bench counts a million; this is enough to see a leak of a hundred bytes a decision. Measured in a process of its
/// own: other tests of this one allocate at the same time.
#[cfg(target_os = "linux")]
#[test]
fn decisions_do_not_grow_memory() {
    const ALONE: &str = "HYDRA_TEST_ALONE";
    if std::env::var_os(ALONE).is_none() {
        let status = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "policy::tests::determinism::decisions_do_not_grow_memory"])
            .env(ALONE, "1")
            .status()
            .unwrap();
        assert!(status.success(), "{status}");
        return;
    }
    let input = input();
    let decide = |times| (0..times).for_each(|_| drop(default_policy().decide(&input).unwrap()));
    decide(2_000);
    let before = resident_bytes();
    decide(20_000);
    let grown = resident_bytes().saturating_sub(before);
    assert!(grown < 4 << 20, "{grown} bytes more after 20,000 decisions");
}

#[cfg(target_os = "linux")]
fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

fn walk(dir: &std::path::Path) -> usize {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| if path.is_dir() { walk(&path) } else { 1 }).sum()
}
