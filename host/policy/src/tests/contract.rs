//! What version 0.2 of the contract added: its JSON, its size, and that guests receive it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::*;

const HOUR: u64 = 3_600_000;

/// A promotion with a value in every field of the contract.
pub(super) fn all_of_0_2() -> Input {
    let mut target = described(3, OutputKind::Label);
    target.approvals = vec![ApprovalRecord {
        user: Some("bob@example.com".to_owned()),
        expires: Some(9 * HOUR),
        reason: Some("looks good".to_owned()),
        own: true,
        ..ApprovalRecord::new("bob", 7 * HOUR, Sha256::of(b"3"))
    }];
    target.quarantine = Some(QuarantineRecord {
        user: Some("eve@example.com".to_owned()),
        ..QuarantineRecord::new("eve", 8 * HOUR, "drifts")
    });
    let mut context = context(Some(2), Some(1));
    context.champion = Some(described(2, OutputKind::Probability));
    context.archived.as_mut().unwrap().model = ModelState::Unloadable { why: "the file is gone".to_owned() };
    context.model_tags.insert("team".to_owned(), "risk".to_owned());
    context.clock_difference_ms = Some(-1_500);
    context.user = Some("ann@example.com".to_owned());
    context.overrides = [OverrideKind::UnloadableModel, OverrideKind::InactivePolicy].into();
    context.target_origin = Some(TargetOrigin::Candidate);
    context.champion_since = Some(HOUR);
    context.aliases = [(alias("champion"), Some(version(2))), (alias("challenger"), None)].into();
    context.quarantined = [version(3), version(17)].into();
    context.evaluations = vec![evaluation(3, 2)];
    context.history = vec![Transition {
        user: Some("ann@example.com".to_owned()),
        overrides: [OverrideKind::UnloadableModel].into(),
        ..Transition::new(Operation::Promote, HOUR, "ann")
    }];
    context.activity = Activity {
        promotions_last_day: 1,
        promotions_last_week: 2,
        promotions_last_month: 3,
        rollbacks_last_month: 4,
    };
    context.panel = Panel { active: true, ..Panel::new(PanelRole::Gate, 3) };
    Input::promotion(target, context)
}

/// The same input as a release would have written it that knew version 0.1 only.
pub(super) fn forget_0_2(input: &Input) -> Input {
    let version = |version: &ModelVersion| ModelVersion {
        run_id: version.run_id.clone(),
        aliases: version.aliases.clone(),
        run: version.run.clone(),
        tags: version.tags.clone(),
        ..ModelVersion::new(version.version, version.created_at)
    };
    let known = input.context();
    let mut context = Context::new(known.model_name.clone(), known.now, known.actor.clone());
    context.reason.clone_from(&known.reason);
    context.settings.clone_from(&known.settings);
    context.champion = known.champion.as_ref().map(version);
    context.archived = known.archived.as_ref().map(version);
    let transition = |known: &Transition| Transition {
        target: known.target,
        moves: known.moves.clone(),
        reason: known.reason.clone(),
        explanation: known.explanation.clone(),
        ..Transition::new(known.operation, known.at, known.actor.clone())
    };
    context.history = known.history.iter().map(transition).collect();
    Input::promotion(version(input.target().unwrap()), context)
}

fn described(number: u64, output: OutputKind) -> ModelVersion {
    let mut described = rich_version(number);
    // The target is the better one.
    described.run.as_mut().unwrap().metrics.insert("metric_00".to_owned(), number as f64);
    let mut facts =
        ModelFacts::new(ModelFormat::Skops, Sha256::of(number.to_string().as_bytes()), 5_000, output)
            .with_features(vec!["age".to_owned(), "income".to_owned(), "region".to_owned()]);
    facts.objective = "binary".to_owned();
    facts.classes = vec!["no".to_owned(), "yes".to_owned()];
    facts.categories = ["region".to_owned()].into();
    facts.iterations = 500;
    facts.signature_inputs =
        Some(vec![SignatureColumn { name: "age".to_owned(), kind: "double".to_owned(), required: true }]);
    facts.signers =
        vec![Signer { identity: "release".to_owned(), issuer: Some("https://issuer.example".to_owned()) }];
    described.model = facts.into();
    described
}

/// Two versions on a dataset with a segment and the group of rare values.
fn evaluation(challenger: u64, baseline: u64) -> Evaluation {
    let (challenger, baseline) = (version(challenger), version(baseline));
    let mut metric = MeasuredMetric::new("auc", Direction::Higher);
    for (segment, value) in [(None, 0.9), (Some(0), 0.8), (Some(1), f64::NAN)] {
        let interval =
            segment.is_none().then(|| Interval::new(value - 0.1, value + 0.1, IntervalMethod::Delong));
        metric.measurements.push(Measurement { segment, interval, ..Measurement::new(challenger, value) });
        metric.measurements.push(Measurement { segment, interval, ..Measurement::new(baseline, value) });
        let comparison = Comparison::new(challenger, baseline, -0.0);
        let interval = Some(Interval::new(-0.01, f64::INFINITY, IntervalMethod::Bootstrap));
        metric.comparisons.push(Comparison { segment, interval, ..comparison });
    }
    let mut evaluation = Evaluation::new("holdout", "1f2e3d4c", 10_000, 2 * HOUR, Sha256::of(b"evaluation"));
    evaluation.kind = EvaluationKind::Shadow;
    evaluation.label = Some("churned".to_owned());
    evaluation.weight = Some("exposure".to_owned());
    evaluation.first_hand = true;
    evaluation.began_at = HOUR;
    evaluation.segments =
        vec![Segment::new("region", Some("north".to_owned()), 9_900), Segment::new("region", None, 100)];
    evaluation.metrics = vec![metric];
    evaluation.agreements = vec![Agreement {
        label_changes: Some(0.01.into()),
        difference_quantiles: vec![Quantile::new(0.5, 0.001), Quantile::new(0.99, 0.2)],
        psi: Some(0.05.into()),
        ks: Some(0.02.into()),
        latency_ratio: Some(1.5.into()),
        ..Agreement::new(challenger, baseline, 0.25, 0.003)
    }];
    evaluation
}

#[test]
fn json_keeps_all_of_it() {
    let input = all_of_0_2();
    let json = input.canonical_json().unwrap();
    let read = Input::from_json(&json).unwrap();
    assert_eq!(read, input);
    assert_eq!(read.canonical_json().unwrap(), json);

    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    let context = &json["context"];
    assert_eq!(context["aliases"], serde_json::json!({"champion": "2", "challenger": null}));
    assert_eq!(context["clock_difference_ms"], "-1500");
    assert_eq!(context["quarantined"], serde_json::json!(["3", "17"]));
    assert_eq!(context["overrides"], serde_json::json!(["unloadable-model", "inactive-policy"]));
    assert_eq!(context["panel"], serde_json::json!({"role": "gate", "size": 3, "active": true}));
    assert_eq!(context["archived"]["model"], serde_json::json!({"unloadable": {"why": "the file is gone"}}));
    let metric = &context["evaluations"][0]["metrics"][0];
    assert_eq!(metric["measurements"][4], serde_json::json!({"version": "3", "segment": 1, "value": "NaN"}));
    assert_eq!(metric["comparisons"][0]["difference"], "-0");
    assert_eq!(metric["comparisons"][0]["interval"]["high"], "Infinity");
    assert_eq!(json["target"]["model"]["loadable"]["features"][2], "region");
}

#[test]
fn what_is_not_known_is_not_written() {
    let plain = forget_0_2(&all_of_0_2());
    let json: serde_json::Value = serde_json::from_slice(&plain.canonical_json().unwrap()).unwrap();
    let keys =
        |value: &serde_json::Value| value.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
    let known = |keys: &[&str]| keys.iter().map(ToString::to_string).collect::<BTreeSet<_>>();
    assert_eq!(
        keys(&json["context"]),
        known(&["actor", "archived", "champion", "history", "model_name", "now", "reason", "settings"])
    );
    assert_eq!(keys(&json["target"]), known(&["aliases", "created_at", "run", "run_id", "tags", "version"]));
    assert_eq!(
        keys(&json["context"]["history"][0]),
        known(&["actor", "at", "explanation", "moves", "operation", "reason", "target"])
    );
}

#[test]
fn the_difference_of_the_clocks_does_not_change_the_evidence() {
    let digest = |change: fn(&mut Context)| {
        let mut input = all_of_0_2();
        change(input.context_mut());
        input.evidence_sha256().unwrap()
    };
    let evidence = digest(|_| {});
    assert_eq!(digest(|context| context.clock_difference_ms = Some(-1_480)), evidence);
    assert_ne!(digest(|context| context.user = None), evidence);
    assert_ne!(digest(|context| context.activity.promotions_last_day = 2), evidence);
}

#[test]
fn misspelt_fields_of_0_2_are_errors() {
    for (place, misspelt) in [
        ("/context/activity", "promotions"),
        ("/context/panel", "sise"),
        ("/context/evaluations/0", "confidense"),
        ("/context/evaluations/0/segments/0", "row"),
        ("/context/evaluations/0/metrics/0/measurements/0", "versions"),
        ("/context/evaluations/0/agreements/0", "kss"),
        ("/target/model/loadable", "feature"),
        ("/target/approvals/0", "sha"),
        ("/target/quarantine", "since"),
    ] {
        let mut json: serde_json::Value =
            serde_json::from_slice(&all_of_0_2().canonical_json().unwrap()).unwrap();
        json.pointer_mut(place).unwrap()[misspelt] = serde_json::Value::Null;
        let error = Input::from_json(json.to_string().as_bytes()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{place}");
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert!(source.contains(misspelt), "{place}: {source}");
    }
}

#[test]
fn inputs_that_release_0_1_archived_keep_their_bytes() {
    let ledgers = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/ledgers/schema-1");
    let mut inputs = 0;
    for path in files_below(&ledgers).into_iter().filter(|path| path.parent().unwrap().ends_with("decisions"))
    {
        let bytes = fs::read(&path).unwrap();
        let input = Input::from_json(&bytes).unwrap();
        assert_eq!(input.canonical_json().unwrap(), bytes, "{}", path.display());
        assert_eq!(forget_rollback(&input), input);
        inputs += 1;
    }
    assert_eq!(inputs, 8);
}

/// Like [`forget_0_2`], for rollbacks too.
fn forget_rollback(input: &Input) -> Input {
    match input {
        Input::Promote { .. } => forget_0_2(input),
        Input::Rollback { target, context } => {
            let filler = ModelVersion::new(version(1), 0);
            let known = forget_0_2(&Input::promotion(target.clone().unwrap_or(filler), context.clone()));
            let known_target = target.as_ref().and_then(|_| known.target().cloned());
            Input::rollback(known_target, known.context().clone())
        }
    }
}

fn files_below(dir: &Path) -> Vec<PathBuf> {
    let paths = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

#[test]
fn every_text_and_list_item_counts() {
    fn facts(version: &mut ModelVersion) -> &mut ModelFacts {
        let ModelState::Loadable(facts) = &mut version.model else { unreachable!() };
        facts
    }

    let weight = |input: &Input| input.weight_in_v0_2();
    let counted = |change: fn(&mut ModelVersion, &mut Context), bytes: u64| {
        let Input::Promote { mut target, mut context } = all_of_0_2() else { unreachable!() };
        let before = weight(&Input::promotion(target.clone(), context.clone()));
        change(&mut target, &mut context);
        assert_eq!(weight(&Input::promotion(target, context)), before + bytes);
    };
    counted(|_, context| context.model_tags.extend([("key".to_owned(), "value".to_owned())]), 16 + 8);
    counted(|_, context| context.user.as_mut().unwrap().push('x'), 1);
    counted(|_, context| context.aliases.extend([(alias("other"), None)]), 16 + 5);
    counted(|_, context| context.quarantined.extend([version(99)]), 16);
    counted(|_, context| context.history[0].user.as_mut().unwrap().push('x'), 1);
    counted(|target, _| target.approvals[0].reason.as_mut().unwrap().push('x'), 1);
    counted(|target, _| target.quarantine.as_mut().unwrap().reason.push('x'), 1);
    counted(|target, _| target.approvals.push(ApprovalRecord::new("ann", 0, Sha256::NONE)), 16 + 3 + 64);
    counted(|target, _| facts(target).objective.push('x'), 1);
    counted(|target, _| facts(target).classes.push("maybe".to_owned()), 16 + 5);
    counted(|target, _| facts(target).features.push("x".to_owned()), 16 + 1);
    counted(|target, _| facts(target).categories.extend(["x".to_owned()]), 16 + 1);
    counted(|target, _| facts(target).signers[0].identity.push('x'), 1);
    counted(|target, _| facts(target).signature_inputs.as_mut().unwrap()[0].kind.push('x'), 1);
    counted(
        |_, context| {
            let ModelState::Unloadable { why } = &mut context.archived.as_mut().unwrap().model else {
                unreachable!()
            };
            why.push('x');
        },
        1,
    );
    counted(|_, context| context.evaluations[0].label.as_mut().unwrap().push('x'), 1);
    counted(|_, context| context.evaluations[0].segments.push(Segment::new("age", None, 1)), 16 + 3);
    counted(
        |_, context| {
            let figure = Measurement::new(version(1), 0.5);
            context.evaluations[0].metrics[0].measurements.push(figure);
        },
        64,
    );
    counted(
        |_, context| {
            let quantile = Quantile::new(0.1, 0.1);
            context.evaluations[0].agreements[0].difference_quantiles.push(quantile);
        },
        16,
    );
}

#[test]
fn names_are_cut_and_their_digest_is_that_of_all() {
    let facts = |names: Vec<String>| {
        ModelFacts::new(ModelFormat::Text, Sha256::NONE, 1, OutputKind::Value).with_features(names)
    };
    let many = facts((0..5_000).map(|index| format!("f{index}")).collect());
    assert_eq!((many.feature_count, many.features.len()), (5_000, ModelFacts::NAMES));
    let long = facts(vec!["x".repeat(40_000); 3]);
    assert_eq!((long.feature_count, long.features.len()), (3, 1));

    // The digest tells names apart that run together as text, and those behind the cut.
    let [one, other] = [vec!["a\",\"b".to_owned()], vec!["a".to_owned(), "b".to_owned()]].map(facts);
    assert_ne!(one.features_sha256, other.features_sha256);
    assert_eq!(other.features_sha256, Sha256::of(br#"["a","b"]"#));
    let mut changed: Vec<String> = (0..5_000).map(|index| format!("f{index}")).collect();
    changed[4_999].push('x');
    assert_ne!(many.features_sha256, facts(changed).features_sha256);
    assert_eq!(ModelFacts::new(ModelFormat::Text, Sha256::NONE, 1, OutputKind::Value), facts(Vec::new()));
}

#[test]
fn the_default_policy_refuses_the_changes_that_the_host_finds() {
    let described = |change: fn(&mut ModelFacts)| {
        let Input::Promote { mut target, context } = all_of_0_2() else { unreachable!() };
        let champion = context.champion.unwrap().model.facts().unwrap().clone();
        let mut facts = champion.clone();
        change(&mut facts);
        let changes = facts.changes_from(&champion);
        target.model = facts.into();
        (target, changes)
    };
    // Without classes, the number of outputs is a matter of what `predict` answers.
    let values = || {
        let mut facts = all_of_0_2().target().unwrap().model.facts().unwrap().clone();
        (facts.output, facts.classes) = (OutputKind::Value, Vec::new());
        facts
    };
    let mut more = values();
    more.outputs += 2;
    assert_eq!(more.changes_from(&values()), [Change::Output].into());
    for (setting, kind) in [("output", VerdictKind::Reject), ("classes", VerdictKind::Approve)] {
        let Input::Promote { mut target, mut context } = all_of_0_2() else { unreachable!() };
        target.model = more.clone().into();
        context.champion.as_mut().unwrap().model = values().into();
        context.settings = BTreeMap::from([("refuse-changes".to_owned(), setting.to_owned())]);
        let verdict = default_policy().decide_promotion(&target, &context).unwrap().verdict;
        assert_eq!(verdict.kind(), kind, "{setting}: {verdict:?}");
    }
    for (change, expected) in [
        ((|_| {}) as fn(&mut ModelFacts), None),
        (|facts| facts.output = OutputKind::Scores, Some(Change::Output)),
        (|facts| facts.classes.reverse(), Some(Change::Classes)),
        (|facts| facts.outputs = 3, Some(Change::Classes)),
        (|facts| *facts = facts.clone().with_features(vec!["age".to_owned()]), Some(Change::Columns)),
        (|facts| facts.categories = ["income".to_owned()].into(), Some(Change::Columns)),
        (|facts| facts.iterations = 1, None),
    ] {
        let (target, changes) = described(change);
        assert_eq!(changes, expected.into_iter().collect());
        for setting in [Change::Output, Change::Classes, Change::Columns] {
            let Input::Promote { mut context, .. } = all_of_0_2() else { unreachable!() };
            context.settings = BTreeMap::from([("refuse-changes".to_owned(), setting.to_string())]);
            let verdict = default_policy().decide_promotion(&target, &context).unwrap().verdict;
            let kind = if expected == Some(setting) { VerdictKind::Reject } else { VerdictKind::Approve };
            assert_eq!(verdict.kind(), kind, "{expected:?} {setting}: {verdict:?}");
        }
    }
}
