//! Evaluations as evidence: which ones a promotion rests on, and which ones it leaves out.

mod flaws;

use hydra_base::Sha256;
use hydra_base::names::{DatasetName, Key};
use hydra_evaluation::Evaluation;
use hydra_lifecycle::evaluations::{EvaluationFlaw, EvaluationRef};
use hydra_lifecycle::ledger::chain::Record;
use hydra_mlflow::entities::{NewRun, RunStatus, Tags};
use hydra_policy::{Input, Policy};
use hydra_registry::{ModelRegistry, Outcome, Transition};
use serde_json::{Value, json};

use super::{assert_sound, ledger, registry};
use crate::support::backends::{Backend, fresh_name, sound_files};
use crate::support::binary::Project;
use crate::support::proxy::Proxy;
use crate::support::server::{NEWEST, Server};
use crate::support::version;

/// The SHA-256 of the model of the versions in these tests.
fn model_sha256() -> Sha256 {
    Sha256::of(&sound_files()[0].1)
}

/// A document in which these versions were measured, the last one as the baseline. No two documents are equal, so none is in a
/// cache yet.
pub(super) fn document(dataset: &str, measured_at: i64, versions: &[u64]) -> Evaluation {
    let sha256 = model_sha256();
    let baseline = versions.last().expect("a version").to_string();
    let figure = |version: &u64| {
        let value = if version.to_string() == baseline { 1.5 } else { 1.0 };
        json!({"version": version.to_string(), "metric": "rmse", "direction": "lower", "value": value})
    };
    let others = versions[..versions.len() - 1].iter().map(u64::to_string);
    let comparison = |challenger: String| {
        json!({"challenger": challenger, "baseline": baseline, "metric": "rmse", "direction": "lower", "difference": -0.5,
            "interval": {"low": -0.75, "high": -0.25, "method": "bootstrap"}})
    };
    let value = json!({
        "schema": 1,
        "kind": "holdout",
        "dataset": {"name": dataset, "digest": Sha256::of(dataset.as_bytes()), "rows": 1_000,
            "label": fresh_name("label"), "segments": []},
        "began_at": (measured_at - 5).to_string(),
        "measured_at": measured_at.to_string(),
        "host": "hydra-registry/0.1.0",
        "task": "regression",
        "classes": [],
        "settings": {"threshold": 0.5, "resamples": 1_000, "confidence": 0.95},
        "baseline": baseline,
        "versions": versions.iter().map(|version| json!({"version": version.to_string(), "model_sha256": sha256,
            "scores": [], "calibration": []})).collect::<Value>(),
        "segments": [],
        "measurements": versions.iter().map(figure).collect::<Value>(),
        "comparisons": others.map(comparison).collect::<Value>(),
        "agreements": [],
    });
    serde_json::from_value(value).expect("a document")
}

/// Stores a document's bytes, as an evaluation would.
pub(super) async fn store(registry: &ModelRegistry, bytes: Vec<u8>) -> EvaluationRef {
    let stores = registry.backend();
    let experiment = stores.tracking.create_experiment(&fresh_name("evaluations"), &Tags::new()).await;
    let new = NewRun::new(experiment.expect("an experiment"), "evaluation");
    let run = stores.tracking.create_run(&new).await.expect("a run");
    let artifacts =
        stores.artifact_store(&run.artifact_uri.parse().expect("a URI")).await.expect("artifacts");
    let sha256 = Sha256::of(&bytes);
    artifacts.put_bytes("evaluation.json", bytes).await.expect("an upload");
    EvaluationRef { sha256, uri: format!("{}/evaluation.json", run.artifact_uri) }
}

/// Sets the tags of these versions.
pub(super) async fn refer(
    registry: &ModelRegistry,
    dataset: &str,
    reference: &EvaluationRef,
    versions: &[u64],
) {
    let key = EvaluationRef::key(&DatasetName::new(dataset).expect("a name")).expect("a key");
    tag(registry, &key, &reference.to_string(), versions).await;
}

async fn tag(registry: &ModelRegistry, key: &Key, value: &str, versions: &[u64]) {
    for number in versions {
        let set = registry.backend().registry.set_version_tag(registry.model(), version(*number), key, value);
        set.await.expect("a tag");
    }
}

/// Stores a document and sets the tags of the versions in it.
pub(super) async fn record(
    registry: &ModelRegistry,
    dataset: &str,
    at: i64,
    versions: &[u64],
) -> EvaluationRef {
    let bytes = document(dataset, at, versions).to_json().expect("bytes");
    let reference = store(registry, bytes).await;
    refer(registry, dataset, &reference, versions).await;
    reference
}

fn used(transition: &Transition) -> Vec<(&str, Sha256, bool)> {
    let used = transition.evaluations.iter();
    used.map(|one| (one.dataset.as_str(), one.sha256, one.first_hand)).collect()
}

fn left_out(transition: &Transition) -> Vec<(&str, EvaluationFlaw)> {
    transition.left_out.iter().map(|one| (one.dataset.as_str(), one.flaw)).collect()
}

/// The newest entry, and the input behind it.
pub(crate) async fn newest(registry: &ModelRegistry) -> (Record, Input) {
    let ledger = ledger(registry).await;
    let record = ledger.history(Some(1), None).await.expect("a history").remove(0).0;
    let input = ledger.input(&record).await.expect("the archived input");
    (record, Input::from_json(&input).expect("an input"))
}

async fn a_promotion_rests_on_the_newest_evaluation_of_each_dataset(backend: &Backend) {
    let registry = registry(backend, &fresh_name("gather")).await;
    registry.promote(version(1)).await.expect("a promotion");
    let older = record(&registry, "may", 1_000, &[2, 1]).await;
    // The tag of the champion refers to an older one than that of the target.
    let newer = record(&registry, "may", 2_000, &[2, 1]).await;
    refer(&registry, "may", &older, &[1]).await;
    // For this dataset, only the champion has a tag.
    let june = store(&registry, document("june", 1_500, &[3, 2, 1]).to_json().expect("bytes")).await;
    refer(&registry, "june", &june, &[1]).await;
    // The champion was not measured on these rows.
    record(&registry, "april", 1_000, &[2]).await;

    let tried = registry.promote(version(2)).dry_run().await.expect("a dry run");
    let transition = registry.promote(version(2)).await.expect("a promotion");
    assert_eq!(transition.outcome, Outcome::Done);
    assert_eq!(used(&transition), [("june", june.sha256, false), ("may", newer.sha256, false)]);
    assert_eq!(left_out(&transition), [("april", EvaluationFlaw::NotMeasured)]);
    assert_eq!((&tried.evaluations, &tried.left_out), (&transition.evaluations, &transition.left_out));

    let (entry, input) = newest(&registry).await;
    let notes = &entry.entry.decided.as_ref().expect("a decision").evaluations;
    let recorded: Vec<_> = notes.iter().map(|note| (note.dataset.as_str(), note.sha256, note.flaw)).collect();
    assert_eq!(
        recorded,
        [
            ("april", transition.left_out[0].sha256, Some(EvaluationFlaw::NotMeasured)),
            ("june", Some(june.sha256), None),
            ("may", Some(newer.sha256), None),
        ]
    );
    let evaluations = &input.context().evaluations;
    let of: Vec<_> =
        evaluations.iter().map(|one| (one.dataset.as_str(), one.sha256, one.measured_at)).collect();
    assert_eq!(of, [("june", june.sha256, 1_500), ("may", newer.sha256, 2_000)]);
    let rmse = &evaluations[0].metrics[0];
    let measured: Vec<u64> = rmse.measurements.iter().map(|one| one.version.get()).collect();
    assert_eq!(measured, [1, 2], "version 3 is not part of the decision");
    assert_eq!(rmse.comparisons.len(), 1);
    // The decision can be repeated from the archive.
    assert_sound(&registry).await;

    // A rollback to a version that was measured receives the evaluation, too.
    let back = registry.rollback(version(1)).await.expect("a rollback");
    assert_eq!(used(&back), [("june", june.sha256, false), ("may", newer.sha256, false)]);
    assert_sound(&registry).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_rest() {
    a_promotion_rests_on_the_newest_evaluation_of_each_dataset(&Backend::rest()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_local_stores() {
    for backend in [Backend::file(), Backend::sqlite(), Backend::memory()] {
        a_promotion_rests_on_the_newest_evaluation_of_each_dataset(&backend).await;
    }
}

/// What one version has alone does not displace what compares it with the champion.
#[tokio::test(flavor = "multi_thread")]
async fn a_comparison_is_read_before_what_measures_one_version() {
    for backend in [Backend::rest(), Backend::sqlite()] {
        let registry = registry(&backend, &fresh_name("gather")).await;
        registry.promote(version(1)).await.expect("a promotion");
        let compared = record(&registry, "holdout", 1_000, &[2, 1]).await;
        for index in 0..16 {
            record(&registry, &format!("a{index}"), 2_000, &[2]).await;
        }
        let tried = registry.promote(version(2)).dry_run().await.expect("a dry run");
        assert_eq!(used(&tried), [("holdout", compared.sha256, false)]);
        assert!(left_out(&tried).contains(&("a9", EvaluationFlaw::TooMany)), "{:?}", tried.left_out);
    }
}

/// What the caller measured takes the place of what is recorded, also if that has a later time.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_caller_measured_counts_before_a_later_record() {
    let backend = Backend::sqlite();
    let registry = registry(&backend, &fresh_name("gather")).await;
    registry.promote(version(1)).await.expect("a promotion");
    record(&registry, "may", 2_000, &[2, 1]).await;
    let measured = document("may", 1_000, &[2, 1]);
    let sha256 = Sha256::of(&measured.to_json().expect("bytes"));
    let tried = registry.promote(version(2)).first_hand(measured).dry_run().await.expect("a dry run");
    assert_eq!(used(&tried), [("may", sha256, true)]);
}

/// The longest names, and as many datasets as are read: the entry stays within the size that every server stores.
#[tokio::test(flavor = "multi_thread")]
async fn an_entry_has_room_for_any_number_of_evaluations() {
    let registry = registry(&Backend::memory(), &fresh_name("room")).await;
    registry.promote(version(1)).await.expect("a promotion");
    for index in 0..16_i64 {
        record(&registry, &format!("{index:-<100}"), 1_000 + index, &[2, 1]).await;
    }
    let reason = "a reason ".repeat(2_000);
    let transition = registry.promote(version(2)).reason(reason).await.expect("a promotion");
    assert_eq!(transition.evaluations.len(), 16);
    let (mut newest, input) = newest(&registry).await;
    assert_eq!(input.context().evaluations.len(), 16);
    assert!(newest.entry.encode().expect("a text").len() <= 4_500);
    let decided = newest.entry.decided.expect("a decision");
    assert_eq!(decided.evaluations.len() as u32 + decided.more_evaluations, 16);
    assert!(decided.evaluations.len() >= 4);
    assert_sound(&registry).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_caller_measured_is_first_hand() {
    for backend in [Backend::rest(), Backend::memory()] {
        let registry = registry(&backend, &fresh_name("first")).await;
        registry.promote(version(1)).await.expect("a promotion");
        let recorded = record(&registry, "may", 1_000, &[2, 1]).await;
        record(&registry, "june", 1_000, &[2, 1]).await;
        let measured = document("may", 2_000, &[2, 1]);
        let sha256 = Sha256::of(&measured.to_json().expect("bytes"));
        let tried =
            registry.promote(version(2)).first_hand(measured.clone()).dry_run().await.expect("a dry run");
        assert_eq!(used(&tried).last(), Some(&("may", sha256, true)));
        // About another version: it is named, and the recorded one counts.
        let other = document("may", 3_000, &[3, 1]);
        let refused = registry.promote(version(2)).first_hand(other).dry_run().await.expect("a dry run");
        assert_eq!(used(&refused).last(), Some(&("may", recorded.sha256, false)));
        let transition = registry.promote(version(2)).first_hand(measured).await.expect("a promotion");
        assert_eq!(used(&transition).last(), Some(&("may", sha256, true)));
        let (entry, input) = newest(&registry).await;
        let first_hand: Vec<bool> = input.context().evaluations.iter().map(|one| one.first_hand).collect();
        assert_eq!(first_hand, [false, true]);
        let notes = entry.entry.decided.expect("a decision").evaluations;
        assert_eq!(notes.iter().map(|note| note.first_hand).collect::<Vec<_>>(), [false, true]);
        assert_sound(&registry).await;
    }
}

/// The evidence is read once: what replaces an evaluation afterwards counts for later decisions.
#[tokio::test(flavor = "multi_thread")]
async fn an_evaluation_that_is_replaced_meanwhile_is_one_or_the_other() {
    let registry = registry(&Backend::rest(), &fresh_name("race")).await;
    registry.promote(version(1)).await.expect("a promotion");
    let mut known = vec![record(&registry, "may", 1_000, &[2, 3, 1]).await.sha256];
    for round in 0..6_i64 {
        let target = version(2 + (round % 2).unsigned_abs());
        let replace = async {
            let reference = record(&registry, "may", 2_000 + round, &[2, 3, 1]).await;
            reference.sha256
        };
        let promote = registry.promote(target).dry_run();
        let (transition, replaced) = tokio::join!(promote, replace);
        known.push(replaced);
        let transition = transition.expect("a dry run");
        assert_eq!(transition.left_out, []);
        let [evaluation] = &transition.evaluations[..] else { panic!("{transition:?}") };
        assert!(known.contains(&evaluation.sha256), "{transition:?}");
    }
    // A document that another one has replaced at the same place, before the tag follows.
    let reference = record(&registry, "may", 9_000, &[2, 1]).await;
    let (root, file) = reference.uri.rsplit_once('/').expect("a path");
    let artifacts =
        registry.backend().artifact_store(&root.parse().expect("a URI")).await.expect("artifacts");
    let newer = document("may", 9_500, &[2, 1]).to_json().expect("bytes");
    artifacts.put_bytes(file, newer).await.expect("an upload");
    let transition = registry.promote(version(2)).await.expect("a promotion");
    assert_eq!((used(&transition), left_out(&transition)), (vec![], vec![("may", EvaluationFlaw::Altered)]));
    assert_sound(&registry).await;
}

/// The URI may be that of the run.
#[tokio::test(flavor = "multi_thread")]
async fn a_document_is_found_by_its_run() {
    for backend in [Backend::rest(), Backend::file(), Backend::memory()] {
        let registry = registry(&backend, &fresh_name("by-run")).await;
        let stores = registry.backend();
        registry.promote(version(1)).await.expect("a promotion");
        let experiment = stores.tracking.create_experiment(&fresh_name("evaluations"), &Tags::new()).await;
        let new = NewRun::new(experiment.expect("an experiment"), "evaluation");
        let run = stores.tracking.create_run(&new).await.expect("a run");
        let artifacts =
            stores.artifact_store(&run.artifact_uri.parse().expect("a URI")).await.expect("artifacts");
        let bytes = document("may", 1_000, &[2, 1]).to_json().expect("bytes");
        let sha256 = Sha256::of(&bytes);
        artifacts.put_bytes("evaluation.json", bytes).await.expect("an upload");
        stores.tracking.update_run(&run.id, RunStatus::Finished, None).await.expect("the run ends");
        let reference = EvaluationRef { sha256, uri: format!("runs:/{}/evaluation.json", run.id) };
        refer(&registry, "may", &reference, &[2]).await;
        let transition = registry.promote(version(2)).await.expect("a promotion");
        assert_eq!((used(&transition), &transition.left_out[..]), (vec![("may", sha256, false)], &[][..]));
    }
}

/// A promotion is not decided on less evidence because of an outage; a rollback does not wait for evaluations.
#[tokio::test(flavor = "multi_thread")]
async fn an_outage_is_no_missing_evaluation() {
    let server = Server::shared(NEWEST);
    let proxy = Proxy::start(&server.url);
    let model = fresh_name("outage");
    let project = Project::new(Some(&proxy.url), &model);
    let registry = registry(&Backend::on(server), &model).await;
    for number in [1, 2] {
        registry.promote(version(number)).await.expect("a promotion");
    }
    record(&registry, "outage", 1_000, &[3, 2, 1]).await;
    let answer = |args: &[&str]| {
        let mut command = project.command(["--output", "json"]);
        command.args(args).env("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0");
        let outcome = command.output().expect("the binary runs");
        (outcome.status.code(), String::from_utf8_lossy(&outcome.stderr).into_owned(), outcome.stdout)
    };
    proxy.refuse("evaluation.json", 503);
    let (code, err, _) = answer(&["promote", "3"]);
    assert_eq!(code, Some(5), "{err}");
    assert!(err.contains("evaluation: outage"), "{err}");
    let (code, err, out) = answer(&["rollback", "--to", "1"]);
    assert_eq!(code, Some(0), "{err}");
    let report: Value = serde_json::from_slice(&out).expect("a report");
    assert_eq!(report["evaluations"], json!([]));
    assert_eq!(report["evaluations_left_out"][0]["flaw"], "unreadable", "{report}");
    assert!(err.contains("WARNING: the evaluation on `outage` is left out"), "{err}");
    proxy.refuse("nothing", 0);
    // Version 2 is no longer the champion.
    let (code, err, out) = answer(&["promote", "3"]);
    assert_eq!(code, Some(0), "{err}");
    let report: Value = serde_json::from_slice(&out).expect("a report");
    assert_eq!(report["evaluations"][0]["dataset"], "outage", "{report}");
    assert_eq!(report["evaluations_left_out"], json!([]));
    // The archived input of every decision has its evaluations.
    let policy = project.file("default.wasm", Policy::default_bytes()).display().to_string();
    let report = project.json(["policy", "backtest", &policy]);
    assert_eq!((&report["decisions"], &report["agreements"]), (&json!(4), &json!(4)), "{report}");
    let text = project.run(["history", "--limit", "1"]).out;
    assert!(text.contains("evaluation on outage, sha256 "), "{text}");
    assert_sound(&registry).await;
}
