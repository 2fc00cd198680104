//! The same component and the same input give the same verdict, explanation and fuel.

use super::*;
use crate::testing::compiled_code;

fn input() -> Input {
    let mut context = context(Some(2), Some(1));
    context.champion = Some(rich_version(2));
    Input::promotion(rich_version(3), context)
}

#[test]
fn a_thousand_runs_give_equal_results() {
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
    let options = EngineOptions::default().with_cache_dir(dir.path().join("code"));
    let first = default_policy().decide(&input()).unwrap();
    let compiled = [(); 2].map(|()| {
        let engine = PolicyEngine::new(&options).unwrap();
        let again = Policy::load_default(&engine, &Budget::default()).unwrap().decide(&input()).unwrap();
        assert_eq!((&again.verdict, again.usage.fuel), (&first.verdict, first.usage.fuel));
        compiled_code(dir.path())
    });
    assert!(!compiled[0].is_empty(), "nothing was cached");
    assert_eq!(compiled[0], compiled[1], "it was compiled again");
}

#[test]
fn code_without_signal_handlers_decides_the_same_and_is_cached_separately() {
    let dir = tempfile::tempdir().unwrap();
    let options = EngineOptions::default().with_cache_dir(dir.path().join("code"));
    let first = default_policy().decide(&input()).unwrap();
    let compiled = [options.clone(), options.without_signal_handlers()].map(|options| {
        let engine = PolicyEngine::new(&options).unwrap();
        let again = Policy::load_default(&engine, &Budget::default()).unwrap().decide(&input()).unwrap();
        assert_eq!((&again.verdict, again.usage.fuel), (&first.verdict, first.usage.fuel));
        compiled_code(dir.path()).len()
    });
    assert!(compiled[1] > compiled[0], "{compiled:?}");
}

#[test]
fn a_pool_that_cannot_grant_the_budget_or_hold_the_component_says_so() {
    let load = |pooling| {
        let engine = PolicyEngine::new(&EngineOptions::default().with_pooling(pooling)).unwrap();
        Policy::load_default(&engine, &Budget::default())
    };
    let error = load(Pooling { decisions: 1, memory: 1 << 20, ..Pooling::default() }).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);

    load(Pooling { decisions: 1, instances: 1, ..Pooling::default() }).unwrap();
    let error = load(Pooling { decisions: 1, instances: 0, ..Pooling::default() }).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PolicyIncompatible, "{error:?}");
    assert!(error.hint().unwrap().contains("`Pooling::instances`"), "{error:?}");
}
