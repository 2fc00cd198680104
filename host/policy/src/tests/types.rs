//! The JSON form of the policy input.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use hydra_base::names::Version;

#[test]
fn canonical_json_is_what_the_ledger_archives() {
    let mut target = ModelVersion::new(version(9_007_199_254_740_993), 5);
    let metrics =
        [("auc", 0.9), ("nan", f64::NAN), ("inf", f64::NEG_INFINITY), ("zero", -0.0), ("large", 1e300)];
    let metrics: BTreeMap<String, f64> =
        metrics.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    target.run = Some(RunData { metrics, ..RunData::default() });
    let json = Input::promotion(target, Context::new("churn", 7, "me")).canonical_json().unwrap();
    assert_eq!(
        String::from_utf8(json).unwrap(),
        r#"{"context":{"actor":"me","archived":null,"champion":null,"history":[],"model_name":"churn","now":"7","reason":null,"settings":{}},"operation":"promote","target":{"aliases":[],"created_at":"5","run":{"metrics":{"auc":0.9,"inf":"-Infinity","large":1e+300,"nan":"NaN","zero":"-0"},"params":{},"tags":{}},"run_id":null,"tags":{},"version":"9007199254740993"}}"#
    );
}

#[test]
fn people_may_write_less() {
    let json = r#"{"operation": "rollback", "context": {"model_name": "churn", "now": 7, "actor": "me",
        "archived": {"version": 1, "created_at": 0, "run": {"metrics": {"auc": 1}}}}}"#;
    let input = Input::from_json(json.as_bytes()).unwrap();
    assert_eq!(input.operation(), Operation::Rollback);
    assert!(input.target().is_none());
    let archived = input.context().archived.as_ref().unwrap();
    assert_eq!(archived.run.as_ref().unwrap().metrics["auc"], 1.0);
}

#[test]
fn what_is_no_alias_or_version_is_an_error() {
    let read = |archived: &str, moved: &str| {
        let json = format!(
            r#"{{"operation": "rollback", "context": {{"model_name": "churn", "now": 7, "actor": "me",
            "archived": {{"version": {archived}, "created_at": 0}}, "history": [{{"operation": "external",
            "moves": [{moved}], "at": "1", "actor": "me"}}]}}}}"#
        );
        Input::from_json(json.as_bytes()).map_err(|error| error.kind())
    };
    assert_eq!(
        read("1", r#"{"alias": "champion", "version": "1"}"#).unwrap().context().history[0].moves.len(),
        1
    );
    for (archived, moved) in [
        ("0", r#"{"alias": "champion"}"#),
        ("1", r#"{"alias": "champion", "version": "0"}"#),
        ("1", r#"{"alias": "a b", "version": "1"}"#),
        ("1", r#"{"alias": "champion", "versoin": "1"}"#),
    ] {
        assert_eq!(read(archived, moved), Err(ErrorKind::InvalidArgument), "{archived} {moved}");
    }
}

#[test]
fn misspelt_fields_are_errors() {
    let json = r#"{"operation": "rollback", "context": {"model_name": "churn", "now": 7, "actor": "me", "champ": null}}"#;
    let error = Input::from_json(json.as_bytes()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
}

#[test]
fn the_digest_of_the_evidence_leaves_out_the_time_only() {
    let at = |now, actor: &str| Input::rollback(None, Context::new("churn", now, actor));
    assert_eq!(at(1, "me").evidence_sha256().unwrap(), at(2, "me").evidence_sha256().unwrap());
    assert_ne!(at(1, "me").evidence_sha256().unwrap(), at(1, "you").evidence_sha256().unwrap());
    assert_ne!(at(1, "me").sha256().unwrap(), at(2, "me").sha256().unwrap());
}

fn any_map() -> impl Strategy<Value = BTreeMap<String, String>> {
    prop::collection::btree_map(any::<String>(), any::<String>(), 0..4)
}

fn any_number() -> impl Strategy<Value = Version> {
    (1..=u64::MAX).prop_map(version)
}

fn any_version() -> impl Strategy<Value = ModelVersion> {
    let metrics = prop::collection::btree_map(any::<String>(), any::<f64>(), 0..6);
    let run =
        (metrics, any_map(), any_map()).prop_map(|(metrics, params, tags)| RunData { metrics, params, tags });
    (any_number(), any::<u64>(), prop::option::of(any::<String>()), prop::option::of(run), any_map())
        .prop_map(|(version, created_at, run_id, run, tags)| ModelVersion {
            run_id,
            run,
            tags,
            ..ModelVersion::new(version, created_at)
        })
}

fn any_transition() -> impl Strategy<Value = Transition> {
    let moves = prop::collection::vec(("[a-z]{1,20}[é_-]", prop::option::of(any_number())), 0..3);
    (prop::option::of(any_number()), any::<u64>(), any::<String>(), moves).prop_map(
        |(target, at, actor, moves)| Transition {
            target,
            moves: moves
                .into_iter()
                .map(|(name, version)| AliasMove { alias: alias(&name), version })
                .collect(),
            ..Transition::new(Operation::External, at, actor)
        },
    )
}

proptest! {
    #[test]
    fn json_keeps_everything(
        target in any_version(),
        champion in prop::option::of(any_version()),
        history in prop::collection::vec(any_transition(), 0..3),
        now in any::<u64>(),
        settings in any_map(),
    ) {
        let mut context = Context::new("churn", now, "me");
        context.champion = champion;
        context.history = history;
        context.settings = settings;
        let mut input = Input::promotion(target, context);
        // Every NaN is the same NaN to a policy.
        if let Input::Promote { target: ModelVersion { run: Some(run), .. }, .. } = &mut input {
            run.metrics.values_mut().filter(|value| value.is_nan()).for_each(|value| *value = f64::NAN);
        }
        if let Some(run) = input.context_mut().champion.as_mut().and_then(|version| version.run.as_mut()) {
            run.metrics.values_mut().filter(|value| value.is_nan()).for_each(|value| *value = f64::NAN);
        }
        let json = input.canonical_json().unwrap();
        let read = Input::from_json(&json).unwrap();
        prop_assert_eq!(&read, &input);
        prop_assert_eq!(read.canonical_json().unwrap(), json);
    }
}
