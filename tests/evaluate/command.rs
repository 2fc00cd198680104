//! What the commands `evaluate` and `promote --evaluate` record: everything, or nothing.

use hydra_mlflow::entities::RunStatus;
use hydra_policy::TargetOrigin;
use hydra_registry::{ErrorKind, ModelRegistry, OpenOptions, Sha256, Target};
use serde_json::{Value, json};

use super::{Scene, rows};
use crate::support::backends::fresh_name;
use crate::support::binary::{Outcome, Project};
use crate::support::server::{NEWEST, Server};
use crate::support::{model, version};

impl Scene {
    /// On each kind of store.
    pub(super) fn all() -> [Self; 3] {
        [None, Some("mlruns"), Some(Server::shared(NEWEST).url.as_str())].map(Self::new)
    }

    pub(super) async fn registry(&self) -> ModelRegistry {
        let options = OpenOptions::new()
            .with_project(hydra_registry::Project::around(self.project.path()))
            .with_cache_dir(env!("CARGO_TARGET_TMPDIR"))
            .with_tracking_uri(self.uri.as_str())
            .with_model(&self.model);
        ModelRegistry::connect(options).await.expect("a registry")
    }

    /// The states of the runs of evaluations.
    pub(super) async fn runs(&self) -> Vec<RunStatus> {
        let registry = self.registry().await;
        let tracking = &registry.backend().tracking;
        let experiment = tracking.experiment_by_name(&self.model).await.expect("an answer");
        let experiment = experiment.expect("an experiment").id;
        let mut states = Vec::new();
        for status in [RunStatus::Running, RunStatus::Failed, RunStatus::Finished] {
            let runs = tracking.runs_by_status(&experiment, status, 50, None).await.expect("runs").items;
            for run in runs {
                let run = tracking.run(&run.id).await.expect("a run");
                let name = run.tags.get("mlflow.runName").cloned().unwrap_or_default();
                if name.starts_with("evaluation of ") {
                    states.push(run.status);
                }
            }
        }
        states
    }

    /// The values of the tag of the evaluation on `may`, of versions 1 and 2.
    pub(super) async fn tags(&self) -> [Option<Value>; 2] {
        let registry = self.registry().await;
        let tag = async |number: u64| {
            let found = registry.find_version(&version(number).into()).await.expect("a version");
            let tag = found.tags.get("hydra.evaluation.may");
            tag.map(|tag| serde_json::from_str(tag).expect("JSON"))
        };
        [tag(1).await, tag(2).await]
    }

    pub(super) fn evaluate(&self, more: &[&str]) -> Value {
        let line = ["evaluate", "may.csv", "--label", "label", "--resamples", "100"].into_iter();
        self.project.json(line.chain(more.iter().copied()))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_evaluation_is_recorded_on_every_store() {
    for scene in Scene::all() {
        let report = scene.evaluate(&[]);
        let expected = json!({"sha256": report["sha256"], "uri": report["recorded"]["uri"]});
        assert_eq!(scene.tags().await, [Some(expected.clone()), Some(expected.clone())], "{}", scene.uri);
        assert_eq!(scene.runs().await, [RunStatus::Finished]);
        // Neither of these records anything.
        assert_eq!(scene.evaluate(&["--no-record"])["recorded"], Value::Null);
        let of_a_file = scene.evaluate(&["--model-file", &model("binary_int")]);
        assert_eq!(of_a_file["recorded"], Value::Null);
        assert_eq!(scene.runs().await, [RunStatus::Finished]);
        // A later evaluation replaces the tags of the versions that it measures.
        let later = scene.evaluate(&["--version", "2", "--model-file", &model("binary_int")]);
        let replaced = json!({"sha256": later["sha256"], "uri": later["recorded"]["uri"]});
        assert_eq!(scene.tags().await, [Some(expected), Some(replaced)]);
        assert_eq!(scene.runs().await, [RunStatus::Finished; 2]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_is_named_and_leaves_nothing() {
    refuse_bad_input(Scene::new(None)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_is_named_and_leaves_nothing_on_a_server() {
    refuse_bad_input(Scene::new(Some(&Server::shared(NEWEST).url))).await;
}

async fn refuse_bad_input(scene: Scene) {
    let file = |name: &str, change: &dyn Fn(&mut Vec<&str>) -> String| {
        let text = rows();
        let mut lines: Vec<&str> = text.lines().collect();
        let changed = change(&mut lines);
        scene.project.file(name, if changed.is_empty() { lines.join("\n") } else { changed });
    };
    let with = |row: &'static str| {
        move |lines: &mut Vec<&str>| {
            lines.truncate(5);
            lines.push(row);
            String::new()
        }
    };
    file("text-label.csv", &with("1,1,,1,-1,yes,1,north"));
    file("nan-label.csv", &with("1,1,,1,-1,NaN,1,north"));
    file("other-class.csv", &with("1,1,,1,-1,2,1,north"));
    file("negative.csv", &with("1,1,,1,-1,1,-1,north"));
    file("empty.csv", &|lines| lines[0].to_owned() + "\n");
    file("one-class.csv", &|lines| {
        lines.retain(|line| line.contains("label") || line.split(',').nth(5) == Some("0"));
        String::new()
    });
    file("no-feature.csv", &|lines| lines.join("\n").replacen("f4", "g4", 1));
    file("damaged.csv", &|lines| lines[0].to_owned() + "\n1,2\n");
    std::fs::create_dir(scene.project.path().join("nothing")).expect("a directory");
    for (rows, more, kind) in [
        ("may.csv", "--label missing", "MissingColumns"),
        ("may.csv", "--label label --weight missing", "MissingColumns"),
        ("may.csv", "--label label --segment missing", "MissingColumns"),
        ("may.csv", "--label region", "InvalidLabels"),
        ("text-label.csv", "--label label", "InvalidLabels"),
        ("nan-label.csv", "--label label", "InvalidLabels"),
        ("other-class.csv", "--label label", "UnknownLabel"),
        ("one-class.csv", "--label label", "OneClass"),
        ("negative.csv", "--label label --weight weight", "InvalidWeights"),
        ("may.csv", "--label label --weight region", "InvalidWeights"),
        ("empty.csv", "--label label", "NoRows"),
        ("nothing", "--label label", "NoRows"),
        ("no-feature.csv", "--label label", "MissingColumns"),
        ("damaged.csv", "--label label", "InvalidData"),
        ("absent.csv", "--label label", "Storage"),
        ("may.csv", "--label label --metrics rmse", "MetricMismatch"),
        ("may.csv", "--label label --threshold nan", "InvalidArgument"),
        ("may.csv", "--label label --alias shadow", "NoAlias"),
        ("may.csv", "--label label --version 9", "VersionNotFound"),
    ] {
        for command in [&["evaluate"][..], &["promote", "--evaluate"]] {
            if command[0] == "promote" && (more.contains("--alias") || more.contains("--version")) {
                continue;
            }
            let line = ["--output", "json"].iter().chain(command).copied().chain([rows]);
            let outcome = scene.project.run(line.chain(more.split(' ')));
            let expected = if matches!(kind, "NoAlias" | "VersionNotFound") { 4 } else { 2 };
            assert_eq!(outcome.code, expected, "{command:?} {rows} {more}: {}", outcome.out);
            assert_eq!(outcome.out, "", "{command:?} {rows} {more}");
            let last = outcome.err.lines().last().unwrap_or_default();
            let error: Value = serde_json::from_str(last).expect("an error");
            assert_eq!(error["kind"], kind, "{command:?} {rows} {more}: {error}");
        }
    }
    assert_eq!(scene.runs().await, []);
    assert_eq!(scene.tags().await, [None, None]);
    assert_eq!(scene.project.json(["champion"])["version"], 1);
}

/// Measures and decides.
fn promote(scene: &Scene, more: &[&str]) -> Value {
    let line = ["promote", "--evaluate", "may.csv", "--label", "label", "--resamples", "100"].into_iter();
    scene.project.json(line.chain(more.iter().copied()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promotion_measures_and_decides() {
    for scene in Scene::all() {
        let dry = promote(&scene, &["--dry-run"]);
        assert_eq!((&dry["outcome"], &dry["evaluations"][0]["first_hand"]), (&json!("done"), &json!(true)));
        assert_eq!(scene.runs().await, [], "a dry run records nothing");
        assert_eq!(scene.tags().await, [None, None]);

        let done = promote(&scene, &[]);
        assert_eq!((&done["outcome"], &done["target"]), (&json!("done"), &json!(2)));
        let used = &done["evaluations"];
        assert_eq!(
            (&used[0]["dataset"], &used[0]["first_hand"], &used[1]),
            (&json!("may"), &json!(true), &Value::Null)
        );
        assert_eq!(done["evaluations_left_out"], json!([]));
        let [first, second] = scene.tags().await.map(|tag| tag.expect("a tag")["sha256"].clone());
        assert_eq!([&first, &second], [&used[0]["sha256"]; 2]);
        assert_eq!(scene.runs().await, [RunStatus::Finished]);
        // The policy learns that the request was about the candidate.
        let (_, input) = crate::ledger::evaluations::newest(&scene.registry().await).await;
        assert_eq!(input.context().target_origin, Some(TargetOrigin::Candidate));
        // What the policy saw is what was measured, and `history verify` decides alike again.
        let verified = scene.project.run(["history", "verify"]);
        assert_eq!(verified.code, 0, "{}{}", verified.out, verified.err);

        // Nothing is measured for a version that is the champion already.
        let unchanged = promote(&scene, &["2"]);
        assert_eq!(unchanged["outcome"], "unchanged");
        assert_eq!(scene.runs().await, [RunStatus::Finished]);
    }
}

/// The version that was measured stays the target, and the policy learns that it is the candidate only while it is.
#[tokio::test(flavor = "multi_thread")]
async fn a_candidate_that_was_measured_stays_the_target() {
    let scene = Scene::new(Some("mlruns"));
    let registry = scene.registry().await;
    scene.project.json(["log-candidate", &model("binary_earlystop"), "--metric", "auc=1"]);
    let done = registry.promote(Target::CandidateThen(version(2))).await.expect("a promotion");
    assert_eq!(done.target, Some(version(2)));
    let (_, input) = crate::ledger::evaluations::newest(&registry).await;
    assert_eq!(input.context().target_origin, Some(TargetOrigin::Request));
    let missing = registry.promote(Target::CandidateThen(version(9))).await.expect_err("no version");
    assert_eq!(missing.kind(), ErrorKind::VersionNotFound);
    let back = registry.rollback(Target::CandidateThen(version(1))).await.expect_err("no rollback");
    assert_eq!(back.kind(), ErrorKind::InvalidArgument);
}

/// The version behind an alias that dangles is not there to be measured.
#[tokio::test(flavor = "multi_thread")]
async fn without_a_deleted_champion_the_candidate_is_measured_alone() {
    for scene in Scene::all() {
        let registry = scene.registry().await;
        let stores = &registry.backend().registry;
        stores.delete_model_version(registry.model(), version(1)).await.expect("a deletion");
        let report = scene.evaluate(&["--no-record"]);
        assert_eq!(report["evaluation"]["versions"].as_array().map(Vec::len), Some(1), "{}", scene.uri);
        assert_eq!(report["evaluation"]["baseline"], "2");
        let done = promote(&scene, &[]);
        assert_eq!((&done["outcome"], &done["target"]), (&json!("done"), &json!(2)), "{}", scene.uri);
        assert_eq!(done["evaluations"][0]["first_hand"], true);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_goes_to_stdout_in_place_of_the_report() {
    let scene = Scene::new(None);
    for out in ["-", "document.json"] {
        let line = ["evaluate", "may.csv", "--label", "label", "--resamples", "100", "--out", out];
        let Outcome { code, out: printed, err } = scene.project.run(line);
        assert_eq!(code, 0, "{err}");
        let document = if out == "-" {
            assert!(!scene.project.path().join("-").exists());
            printed.into_bytes()
        } else {
            assert!(printed.starts_with("evaluation on may: "), "{printed}");
            std::fs::read(scene.project.path().join(out)).expect("a document")
        };
        let [tag, _] = scene.tags().await;
        assert_eq!(tag.expect("a tag")["sha256"], Sha256::of(&document).to_string(), "{out}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_measured_or_recorded_if_the_document_cannot_be_written() {
    let scene = Scene::new(None);
    for out in ["no-such-directory/document.json", "."] {
        let line = ["evaluate", "may.csv", "--label", "label", "--resamples", "100", "--out", out];
        let Outcome { code, out: printed, err } = scene.project.run(line);
        assert_eq!(code, 2, "{err}");
        assert!(printed.is_empty() && err.starts_with("error: cannot write"), "{printed}{err}");
        assert_eq!(scene.tags().await, [None, None]);
    }
}

/// A pipe can be opened only once.
#[cfg(unix)]
#[test]
fn rows_come_through_a_named_pipe() {
    let scene = Scene::new(None);
    let pipe = scene.project.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo");
    assert!(made.success());
    for command in ["evaluate pipe", "promote --evaluate pipe"] {
        let path = pipe.clone();
        let writer = std::thread::spawn(move || std::fs::write(path, rows()));
        let line = format!("{command} --in-format csv --name may --label label --resamples 100");
        scene.project.json(line.split(' '));
        writer.join().expect("an end").expect("rows");
    }
}

#[test]
fn the_first_champion_is_measured_alone() {
    let project = Project::new(None, &fresh_name("evaluate"));
    project.json(["log-candidate", &model("binary_int"), "--metric", "auc=1"]);
    project.file("may.csv", rows());
    let done = project.json(["promote", "--evaluate", "may.csv", "--label", "label", "--resamples", "100"]);
    assert_eq!((&done["outcome"], &done["evaluations"][0]["first_hand"]), (&json!("done"), &json!(true)));
}

#[test]
fn options_of_the_measuring_need_rows_and_a_label() {
    let project = Project::new(None, "m");
    let refused = |line: &str| {
        let Outcome { code, err, .. } = project.run(line.split(' '));
        assert_eq!(code, 2, "{line}: {err}");
        err
    };
    for line in [
        "promote --evaluate may.csv",
        "promote --label y",
        "promote --segment region",
        "promote --resamples 100",
        "promote --evaluate may.csv --label y --allow-unloadable",
        "evaluate may.csv",
        "evaluate may.csv --weight w",
    ] {
        let err = refused(line);
        assert!(
            err.contains("the following required arguments") || err.contains("cannot be used with"),
            "{line}: {err}"
        );
    }
}
