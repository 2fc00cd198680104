//! The moves of the default policy.

use super::*;

fn version(version: u64, aliases: &[&str]) -> ModelVersion {
    ModelVersion {
        version,
        run_id: None,
        created_at: 0,
        aliases: aliases.iter().map(ToString::to_string).collect(),
        run: None,
        tags: Vec::new(),
    }
}

fn context(champion: Option<u64>, archived: Option<u64>) -> Context {
    Context {
        model_name: "m".to_owned(),
        now: 0,
        actor: "me".to_owned(),
        reason: None,
        settings: Vec::new(),
        champion: champion.map(|number| version(number, &[CHAMPION])),
        archived: archived.map(|number| version(number, &[ARCHIVED])),
        history: Vec::new(),
    }
}

fn moves(verdict: Verdict) -> Vec<AliasMove> {
    match verdict {
        Verdict::Approve(approval) => approval.moves,
        other => panic!("not approved: {other:?}"),
    }
}

#[test]
fn the_first_promotion_only_sets_the_champion() {
    let verdict = promotion(&version(1, &[]), &context(None, None));
    assert_eq!(moves(verdict), [set(CHAMPION, 1)]);
}

#[test]
fn a_promotion_archives_the_former_champion_and_ends_the_candidacy() {
    let verdict = promotion(&version(3, &[CANDIDATE]), &context(Some(2), Some(1)));
    assert_eq!(moves(verdict), [set(CHAMPION, 3), set(ARCHIVED, 2), unset(CANDIDATE)]);
}

#[test]
fn a_promotion_leaves_the_candidate_alone_when_it_is_another_version() {
    let verdict = promotion(&version(3, &["other"]), &context(Some(2), None));
    assert_eq!(moves(verdict), [set(CHAMPION, 3), set(ARCHIVED, 2)]);
}

#[test]
fn promoting_the_archived_version_without_a_champion_unarchives_it() {
    let verdict = promotion(&version(1, &[ARCHIVED]), &context(None, Some(1)));
    assert_eq!(moves(verdict), [set(CHAMPION, 1), unset(ARCHIVED)]);
}

#[test]
fn promoting_the_archived_version_swaps_it_with_the_champion() {
    let verdict = promotion(&version(1, &[ARCHIVED]), &context(Some(2), Some(1)));
    assert_eq!(moves(verdict), [set(CHAMPION, 1), set(ARCHIVED, 2)]);
}

#[test]
fn a_rollback_swaps_champion_and_archived() {
    let verdict = rollback(None, &context(Some(2), Some(1)));
    assert_eq!(moves(verdict), [set(CHAMPION, 1), set(ARCHIVED, 2)]);
}

#[test]
fn a_rollback_without_champion_takes_the_archived_version() {
    let verdict = rollback(None, &context(None, Some(1)));
    assert_eq!(moves(verdict), [set(CHAMPION, 1), unset(ARCHIVED)]);
}

#[test]
fn a_rollback_without_archived_version_is_rejected() {
    let verdict = rollback(None, &context(Some(2), None));
    assert_eq!(verdict, Verdict::Reject("No archived model to rollback to".to_owned()));
}

#[test]
fn a_rollback_to_a_named_version_archives_the_champion() {
    let verdict = rollback(Some(&version(1, &[])), &context(Some(5), Some(4)));
    assert_eq!(moves(verdict), [set(CHAMPION, 1), set(ARCHIVED, 5)]);
}

#[test]
fn a_rollback_to_a_named_version_without_champion_keeps_another_archived_version() {
    let verdict = rollback(Some(&version(1, &[])), &context(None, Some(4)));
    assert_eq!(moves(verdict), [set(CHAMPION, 1)]);
}
