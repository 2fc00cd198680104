//! The embedded policy, through the sandbox.

use super::*;

#[test]
fn it_describes_itself() {
    let policy = default_policy();
    assert_eq!(policy.descriptor().name, "default");
    assert_eq!(policy.descriptor().version, env!("CARGO_PKG_VERSION"));
    let settings: Vec<_> =
        policy.descriptor().settings.iter().map(|one| (one.key.as_str(), &one.kind)).collect();
    assert_eq!(settings, [("refuse-changes", &SettingKind::Texts)]);
    assert_eq!(policy.interface_version(), "0.2.0");
    assert!(policy.summary().imports.is_empty());
    assert_eq!(policy.sha256(), Sha256::of(Policy::default_bytes()));
}

#[test]
fn it_promotes() {
    let mut target = ModelVersion::new(version(3), 0);
    target.aliases.insert(alias("candidate"));
    let decision = default_policy().decide_promotion(&target, &context(Some(2), Some(1))).unwrap();
    let moves = [set("champion", 3), set("archived", 2), unset("candidate")];
    assert_eq!(decision.verdict.moves(), moves);
    assert_eq!(
        decision.verdict.explanation(),
        "version 3 becomes champion; version 2, champion until now, is archived; it is no longer the candidate"
    );
}

#[test]
fn it_rolls_back() {
    let decision = default_policy().decide_rollback(None, &context(Some(2), Some(1))).unwrap();
    assert_eq!(decision.verdict.moves(), [set("champion", 1), set("archived", 2)]);
}

#[test]
fn it_rejects_a_rollback_to_nothing() {
    let decision = default_policy().decide_rollback(None, &context(Some(2), None)).unwrap();
    assert_eq!(decision.verdict, Verdict::reject("No archived model to rollback to"));
}

#[test]
fn it_takes_a_thousandth_of_the_budget() {
    let decision = default_policy()
        .decide_promotion(&ModelVersion::new(version(3), 0), &context(Some(2), Some(1)))
        .unwrap();
    assert!(decision.usage.fuel > 0 && decision.usage.fuel < decision.budget.fuel / 1000, "{decision:?}");
    assert!(default_policy().bytes().len() < 96 << 10, "{}", default_policy().bytes().len());
}

#[test]
fn its_memory_grows_for_large_evidence_only() {
    let memory = |metrics| {
        let mut target = rich_version(3);
        let run = target.run.as_mut().unwrap();
        run.metrics = (0..metrics).map(|index| (format!("metric_{index}"), 0.5)).collect();
        let decision = default_policy().decide_promotion(&target, &context(Some(2), Some(1))).unwrap();
        assert_eq!(decision.verdict.moves()[0], set("champion", 3));
        decision.usage.memory
    };
    // Growing memory makes system calls under a lock that all threads of the host share.
    assert_eq!(memory(0), memory(200));
    assert_eq!(memory(0) >> 10, 128, "two pages, and a table");
    assert!(memory(20_000) > 20_000 * 24, "{}", memory(20_000));
}
