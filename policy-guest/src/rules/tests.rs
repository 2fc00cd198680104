//! The moves of the default policy.

use super::*;
use crate::contract::{Direction, ModelFacts, ModelFormat, ModelState, OutputKind};
use crate::evidence;

fn version(version: u64, aliases: &[&str]) -> ModelVersion {
    let mut found = evidence::version(version, &[]);
    found.aliases = aliases.iter().map(ToString::to_string).collect();
    found
}

fn context(champion: Option<u64>, archived: Option<u64>) -> Context {
    let mut context = evidence::context(&[], None);
    context.champion = champion.map(|number| version(number, &[CHAMPION]));
    context.archived = archived.map(|number| version(number, &[ARCHIVED]));
    context
}

fn moves(verdict: Result<Verdict, PolicyError>) -> Vec<AliasMove> {
    match verdict {
        Ok(Verdict::Approve(approval)) => approval.moves,
        other => panic!("not approved: {other:?}"),
    }
}

#[test]
fn the_default_rules_do_not_depend_on_what_was_measured() {
    let mut measured = context(Some(2), None);
    let worse = [(2, 0.9), (3, 0.5)];
    measured.evaluations = vec![evidence::evaluation("holdout", "auc", Direction::HigherIsBetter, &worse)];
    let target = version(3, &[]);
    assert_eq!(promotion(&target, &measured), promotion(&target, &context(Some(2), None)));
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
    assert_eq!(verdict, Ok(Verdict::Reject("No archived model to rollback to".to_owned())));
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

fn model(output: OutputKind, classes: &[&str], columns: &[&str]) -> ModelFacts {
    let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
    ModelFacts {
        flavor: "lightgbm".to_owned(),
        format: ModelFormat::Text,
        sha256: "a".repeat(64),
        size: 100,
        objective: "binary".to_owned(),
        output,
        outputs: 1,
        classes: names(classes),
        feature_count: u32::try_from(columns.len()).unwrap(),
        features: names(columns),
        features_sha256: columns.join(" "),
        categories: Vec::new(),
        iterations: 10,
        signature_inputs: None,
        signers: Vec::new(),
    }
}

/// Asks for version 3 in place of version 2, and to return from version 3 to version 2.
fn replace(champion: ModelFacts, target: ModelFacts, refused: &str) -> [Result<Verdict, PolicyError>; 2] {
    let [mut old, mut new] = [version(2, &[]), version(3, &[])];
    old.model = ModelState::Loadable(champion);
    new.model = ModelState::Loadable(target);
    let mut context = evidence::context(&[(changes::SETTING, refused)], None);
    context.champion = Some(old.clone());
    let promoted = promotion(&new, &context);
    context.champion = Some(new);
    context.archived = Some(old);
    [promoted, rollback(None, &context)]
}

#[test]
fn changes_are_rejected_where_the_settings_say_so() {
    let probability = || model(OutputKind::Probability, &["no", "yes"], &["age", "income"]);
    for (target, refused, difference) in [
        (
            model(OutputKind::Label, &["no", "yes"], &["age", "income"]),
            "output",
            "predict answers labels instead of probabilities",
        ),
        (
            model(OutputKind::Probability, &["yes", "no"], &["age", "income"]),
            "classes",
            "class 1 is `yes` instead of `no`",
        ),
        (
            model(OutputKind::Probability, &[], &["age", "income"]),
            "classes",
            "class 1 is absent instead of `no`",
        ),
        (
            model(OutputKind::Probability, &["no", "yes"], &["income", "age"]),
            "columns",
            "input column 1 is `income` instead of `age`",
        ),
        (
            model(OutputKind::Probability, &["no", "yes"], &["age", "income", "x"]),
            "columns",
            "input column 3 is `x` instead of absent",
        ),
        (
            ModelFacts {
                categories: vec!["income".to_owned()],
                ..model(OutputKind::Probability, &["no", "yes"], &["age", "income"])
            },
            "columns",
            "input column `income` is a category instead of a number",
        ),
        (
            ModelFacts { outputs: 3, ..model(OutputKind::Probability, &["no", "yes"], &["age", "income"]) },
            "classes",
            "3 outputs instead of 1",
        ),
    ] {
        let expected = format!(
            "version 3 differs from the champion, version 2, in what refuse-changes protects: {difference}; \
             to allow that, take {refused} out of refuse-changes"
        );
        let [promoted, rolled_back] = replace(probability(), target.clone(), refused);
        assert_eq!(promoted, Ok(Verdict::Reject(expected)));
        assert!(matches!(rolled_back, Ok(Verdict::Reject(_))), "{rolled_back:?}");
        // The other changes are allowed.
        for other in ["", "output", "classes", "columns"].into_iter().filter(|other| *other != refused) {
            let verdicts = replace(probability(), target.clone(), other);
            assert!(
                verdicts.iter().all(|verdict| matches!(verdict, Ok(Verdict::Approve(_)))),
                "{other}: {verdicts:?}"
            );
        }
    }
    let [same, _] = replace(probability(), probability(), "output,classes,columns");
    assert!(matches!(same, Ok(Verdict::Approve(_))));
}

/// The longest explanation is not longer than the budget's 1,000 bytes for a text.
#[test]
fn an_objection_fits_the_budget() {
    let long = |c: &str| c.repeat(100);
    let champion = model(OutputKind::Probability, &[&long("🦀")], &[&long("🐙")]);
    let target = model(OutputKind::Label, &[&long("🐢")], &[&long("🐳")]);
    let [promoted, rolled_back] = replace(champion, target, "output,classes,columns");
    for verdict in [promoted, rolled_back] {
        let Ok(Verdict::Reject(explanation)) = verdict else { panic!("{verdict:?}") };
        // The numbers of versions and of the position take up to 20 bytes each.
        assert!(explanation.len() + 4 * 20 <= 1_000, "{} bytes: {explanation}", explanation.len());
        assert!(explanation.ends_with("take output and classes and columns out of refuse-changes"));
    }
}

#[test]
fn models_that_were_not_opened_are_not_compared() {
    let mut context = context(Some(2), None);
    context.settings = evidence::context(&[(changes::SETTING, "output,classes,columns")], None).settings;
    let mut target = version(3, &[]);
    target.model = ModelState::Loadable(model(OutputKind::Label, &[], &[]));
    assert_eq!(moves(promotion(&target, &context))[0], set(CHAMPION, 3));
    context.champion = None;
    assert_eq!(moves(promotion(&target, &context))[0], set(CHAMPION, 3));
}

#[test]
fn an_unknown_change_is_an_error_of_the_settings() {
    let mut context = context(None, None);
    context.settings = evidence::context(&[(changes::SETTING, "output,colour")], None).settings;
    let error = promotion(&version(3, &[]), &context).unwrap_err();
    let PolicyError::InvalidSettings(message) = error else { panic!("{error:?}") };
    assert_eq!(message, "`refuse-changes` names `colour`, which is not one of output, classes, columns");
}
