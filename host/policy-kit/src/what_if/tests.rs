//! The search on rules that are plain functions.

mod evaluations;

use super::*;
use evaluations::evaluation;
use hydra_base::Sha256;
use hydra_base::error::ErrorKind;
use hydra_base::testing::{set, version};
use hydra_policy::{
    ApprovalRecord, Context, Interval, IntervalMethod, ModelVersion, Operation, RunData, SettingKind,
    Transition, VerdictKind,
};

const HOUR: u64 = 3_600_000;
const NOW: u64 = 1_795_392_000_000;

fn measured(number: u64, auc: f64) -> ModelVersion {
    let mut found = ModelVersion::new(version(number), NOW - number * HOUR);
    found.run = Some(RunData::default().with_metrics([("auc".to_owned(), auc)]));
    found
}

/// Version 3 with an AUC of 0.91 against version 2 with 0.905.
fn input() -> Input {
    let mut context = Context::new("churn", NOW, "ann");
    context.champion = Some(measured(2, 0.905));
    Input::promotion(measured(3, 0.91), context)
}

fn setting(key: &str, kind: &SettingKind) -> Setting {
    let text = format!(
        r#"{{"key": "{key}", "kind": {}, "default": null, "required": false, "doc": ""}}"#,
        serde_json::to_string(kind).unwrap()
    );
    serde_json::from_str(&text).unwrap()
}

fn effort() -> Effort {
    Effort { threads: 2, ..Effort::default() }
}

fn search(input: &Input, settings: &[Setting], rule: impl Fn(&Input) -> bool + Sync) -> WhatIf {
    let decide = |input: &Input| {
        Ok(if rule(input) { Verdict::approve(Vec::new(), "good") } else { Verdict::reject("bad") })
    };
    what_if(input, settings, effort(), &decide, &|| ()).unwrap()
}

/// Each flip in a line: what changes, and to which value.
fn flips(found: &WhatIf) -> Vec<String> {
    let line = |flip: &Flip| {
        let relation = match flip.relation {
            Relation::AtLeast => ">=",
            Relation::AtMost => "<=",
            Relation::Exactly => "=",
            Relation::Any => "any, such as",
        };
        format!("{}: {} {relation} {}", flip.verdict, flip.what, flip.to)
    };
    found.flips.iter().map(line).collect()
}

fn auc(version: Option<&ModelVersion>) -> f64 {
    version.and_then(|version| version.run.as_ref()?.metrics.get("auc").copied()).unwrap_or(f64::NAN)
}

#[test]
fn a_margin_is_met_by_either_version_or_by_the_setting() {
    let mut input = input();
    input.context_mut().settings.insert("margin".to_owned(), "0.01".to_owned());
    let rule = |input: &Input| {
        let margin: f64 = input.context().settings["margin"].parse().unwrap();
        auc(input.target()) - auc(input.context().champion.as_ref()) > margin
    };
    let found = search(&input, &[setting("margin", &SettingKind::Number)], rule);
    let shown = flips(&found);
    assert_eq!(shown.len(), 3, "{shown:?}");
    for (line, start, limit) in [
        (&shown[0], "approve: the setting `margin` <= ", 0.005),
        (&shown[1], "approve: auc of version 3, which its run reports >= ", 0.915),
        (&shown[2], "approve: auc of version 2, which its run reports <= ", 0.9),
    ] {
        let value: f64 = line.strip_prefix(start).expect(line).parse().unwrap();
        assert!((value - limit).abs() < 2e-5, "{line}");
    }
    assert_eq!((found.flips[1].from.as_deref(), found.flips[1].explanation.as_str()), (Some("0.91"), "good"));
    assert_eq!((found.tried > 5, found.left_out, found.inexact, found.failed), (true, 0, 0, 0));
}

#[test]
fn a_threshold_is_found_to_three_digits() {
    let found = search(&input(), &[], |input| auc(input.target()) >= 0.912);
    assert_eq!(flips(&found), ["approve: auc of version 3, which its run reports >= 0.912"]);
    let found = search(&input(), &[], |input| (0.912..0.99).contains(&auc(input.target())));
    assert_eq!(found.flips[0].to, "0.912");
    assert_eq!(found.flips[0].until.as_deref(), Some("1"), "it is too good to be true");
}

#[test]
fn a_metric_that_only_the_champion_has_can_be_added() {
    let mut input = input();
    for version in input.versions_mut().take(1) {
        version.run = Some(RunData::default());
    }
    let found = search(&input, &[], |input| auc(input.target()) > 0.9);
    let flip = &found.flips[0];
    assert_eq!((flip.from.as_deref(), flip.relation), (None, Relation::AtLeast));
    assert!(flip.to.starts_with("0.900"), "{flip:?}");
}

#[test]
fn ages_and_the_time_flip_a_soak_time() {
    let mut input = input();
    input.context_mut().settings.insert("min-age".to_owned(), (24 * HOUR).to_string());
    let rule = |input: &Input| {
        let age = input.context().now - input.target().unwrap().created_at;
        age >= input.context().settings["min-age"].parse().unwrap()
    };
    let found = search(&input, &[setting("min-age", &SettingKind::Duration)], rule);
    let shown = flips(&found);
    assert_eq!(
        shown,
        [
            "approve: the setting `min-age` <= 3h",
            "approve: the time of the decision >= 2026-11-23T21:00:00Z",
            "approve: the age of version 3 >= 1d",
        ]
    );
}

#[test]
fn an_approval_is_given_or_withdrawn() {
    let by_another = |input: &Input| {
        let approvals = &input.target().unwrap().approvals;
        approvals.iter().any(|approval| approval.actor != input.context().actor)
    };
    let mut input = input();
    let found = search(&input, &[], by_another);
    assert_eq!(
        flips(&found),
        ["approve: an approval of version 3 by another person, named `another-person` = given"]
    );
    for version in input.versions_mut().take(1) {
        version.approvals.push(ApprovalRecord::new("another-person", NOW - HOUR, Sha256::NONE));
    }
    let found = search(&input, &[], by_another);
    assert_eq!(flips(&found), ["reject: the approval of version 3 by `another-person` = withdrawn"]);
}

#[test]
fn an_approval_that_expires_and_counts_that_fall_move_with_the_time() {
    let mut input = input();
    let crowned = |hours: u64| {
        let mut transition = Transition::new(Operation::Promote, NOW - hours * HOUR, "ann");
        transition.moves = vec![set("champion", 2)];
        transition
    };
    let context = input.context_mut();
    context.history = vec![crowned(20), crowned(30)];
    context.activity.promotions_last_day = 1;
    context.activity.promotions_last_week = 2;
    context.activity.promotions_last_month = 5;
    for version in input.versions_mut().take(1) {
        let mut approval = ApprovalRecord::new("bob", NOW - HOUR, Sha256::NONE);
        approval.expires = Some(NOW + 10 * HOUR);
        version.approvals.push(approval);
    }
    let found = search(&input, &[], |input| input.context().activity.promotions_last_day == 0);
    let flip = &found.flips[0];
    assert_eq!((flip.kind, flip.to.as_str()), (ChangeKind::Time, "2026-11-23T04:00:00Z"));
    assert_eq!(flip.moves, [Moved::new("promotions in the last day", 1, 0)]);
    let found = search(&input, &[], |input| input.target().unwrap().approvals.is_empty());
    let time = found.flips.iter().find(|flip| flip.kind == ChangeKind::Time).unwrap();
    assert_eq!(time.to, "2026-11-23T10:00:00Z");
    assert!(time.moves.contains(&Moved::new("approvals of the target", 1, 0)), "{time:?}");
}

#[test]
fn the_reign_of_the_champion_moves_with_the_history() {
    let mut input = input();
    let mut crowned = Transition::new(Operation::Promote, NOW - HOUR, "ann");
    crowned.moves = vec![set("champion", 2)];
    let context = input.context_mut();
    context.champion_since = Some(NOW - HOUR);
    context.history = vec![crowned];
    let found = search(&input, &[], |input| {
        let context = input.context();
        assert_eq!(context.champion_since, context.history.first().map(|newest| newest.at));
        context.now - context.champion_since.unwrap() >= 90 * 60_000
    });
    assert_eq!(
        flips(&found),
        [
            "approve: the time of the decision >= 2026-11-23T00:30:00Z",
            "approve: the time that version 2 has been champion >= 1h30m",
        ]
    );
}

#[test]
fn settings_of_every_kind_are_tried() {
    let mut input = input();
    let choices = SettingKind::Choice(vec!["strict".to_owned(), "loose".to_owned()]);
    let settings = [
        setting("force", &SettingKind::Boolean),
        setting("mode", &choices),
        setting("guards", &SettingKind::Texts),
        setting("zone", &SettingKind::UtcOffset),
        setting("runs", &SettingKind::Integer),
        setting("free", &SettingKind::Text),
    ];
    for (key, value) in
        [("force", "false"), ("mode", "strict"), ("guards", "auc,f1"), ("zone", "0"), ("runs", "7")]
    {
        input.context_mut().settings.insert(key.to_owned(), value.to_owned());
    }
    let when = |key: &'static str, wanted: fn(&str) -> bool| {
        flips(&search(&input, &settings, |input| wanted(&input.context().settings[key])))
    };
    assert_eq!(when("force", |value| value == "true"), ["approve: the setting `force` = true"]);
    assert_eq!(when("mode", |value| value == "loose"), ["approve: the setting `mode` = loose"]);
    assert_eq!(when("guards", |value| value == "f1"), ["approve: the setting `guards` = f1"]);
    assert_eq!(when("zone", |value| value == "60"), ["approve: the setting `zone` = +01:00"]);
    assert_eq!(when("runs", |value| value == "4"), [""; 0], "a single value between is not found");
    assert_eq!(when("runs", |value| value.parse::<i64>().unwrap() < 3), ["approve: the setting `runs` <= 2"]);
}

#[test]
fn no_single_change_does() {
    let rule = |input: &Input| {
        auc(input.target()) > 0.95 && input.context().now - input.target().unwrap().created_at > 24 * HOUR
    };
    let found = search(&input(), &[], rule);
    assert_eq!((flips(&found), found.verdict.kind()), (Vec::new(), VerdictKind::Reject));
    assert!(found.decisions > 20, "{found:?}");
}

#[test]
fn the_effort_is_bounded_and_any_number_of_threads_finds_the_same() {
    let mut input = input();
    input.context_mut().evaluations.push(evaluation());
    let rule = |input: &Input| {
        let good = auc(input.target()) >= 0.912;
        Ok(if good { Verdict::approve(Vec::new(), "good") } else { Verdict::hold("not yet") })
    };
    let search = |decisions, time, threads| {
        let effort = Effort { decisions, time, threads };
        what_if(&input, &[], effort, &rule, &|| ()).unwrap()
    };
    let minute = Duration::from_mins(1);
    for decisions in [1, 2, 10, 50, 200, 1_000, 20_000] {
        let alone = search(decisions, minute, 1);
        assert!((1..=decisions).contains(&alone.decisions), "{decisions}: {alone:?}");
        let together = search(decisions, minute, 8);
        let summary = |found: &WhatIf| (found.flips.clone(), found.tried, found.left_out, found.decisions);
        assert_eq!(summary(&alone), summary(&together));
        assert_eq!(alone.left_out == 0, decisions >= 1_000, "{decisions}: {alone:?}");
    }
    let late = search(20_000, Duration::ZERO, 4);
    assert_eq!((late.decisions, late.tried, late.flips.len()), (1, 0, 0));
    assert!(late.left_out > 0);
}

#[test]
fn failures_are_counted_and_do_not_flip() {
    let rule = |input: &Input| {
        if auc(input.target()) > 0.95 {
            return Err(Error::new(ErrorKind::PolicyTrap, "the policy trapped"));
        }
        Ok(Verdict::reject("bad"))
    };
    let found = what_if(&input(), &[], effort(), &rule, &|| ()).unwrap();
    assert_eq!(
        (found.failed, found.failure.as_deref(), found.flips.len()),
        (1, Some("the policy trapped"), 0)
    );
    let error = what_if(&input(), &[], effort(), &|_| Err(Error::new(ErrorKind::PolicyFuel, "no")), &|| ());
    assert_eq!(error.unwrap_err().kind(), ErrorKind::PolicyFuel);
}

#[test]
fn hostile_evidence_ends_in_no_panic() {
    let mut input = input();
    let mut odd = evaluation();
    odd.rows = u64::MAX;
    odd.measured_at = u64::MAX;
    odd.began_at = 0;
    odd.metrics[0].measurements[0].value = f64::NAN.into();
    odd.metrics[0].measurements[1].value = f64::INFINITY.into();
    odd.metrics[0].measurements[1].segment = Some(u32::MAX);
    odd.metrics[0].comparisons[0].interval = Some(Interval::new(f64::NAN, -0.0, IntervalMethod::Bootstrap));
    let context = input.context_mut();
    context.evaluations = vec![odd];
    context.champion_since = Some(u64::MAX);
    for now in [0, u64::MAX] {
        input.context_mut().now = now;
        for version in input.versions_mut() {
            version.created_at = u64::MAX - now;
            version.run = Some(RunData::default().with_metrics([
                ("auc".to_owned(), f64::NAN),
                ("loss".to_owned(), f64::NEG_INFINITY),
                ("x".to_owned(), f64::MAX),
                ("y".to_owned(), -0.0),
                ("z".to_owned(), f64::MIN_POSITIVE),
            ]));
        }
        for modulus in [1, 2, 3, 7] {
            search(&input, &[], |input| {
                let metrics = input.target().and_then(|target| target.run.as_ref()).map(|run| &run.metrics);
                let bits = metrics.into_iter().flatten().map(|(_, value)| value.to_bits());
                bits.fold(input.context().now, u64::wrapping_add) % modulus == 0
            });
        }
    }
}
