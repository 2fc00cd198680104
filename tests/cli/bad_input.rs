//! Bad input: an error with a specific kind and its exit code, and no partly registered version.

use serde_json::Value;

use super::{LOG, training_csv};
use crate::support::backends::fresh_name;
use crate::support::binary::{Outcome, Project};
use crate::support::server::{NEWEST, Server};

/// Runs a command that must fail and returns its error report.
fn error_of<'a>(project: &Project, args: impl IntoIterator<Item = &'a str>) -> Value {
    let outcome = project.run(["--output", "json"].into_iter().chain(args));
    assert_eq!(outcome.out, "", "an error leaves stdout empty");
    let last = outcome.err.lines().last().unwrap_or_default();
    let error: Value =
        serde_json::from_str(last).unwrap_or_else(|error| panic!("{error} in {}", outcome.err));
    let expected = match error["kind"].as_str().unwrap_or_default() {
        "ModelNotFound" | "VersionNotFound" | "NoChampion" | "NoCandidate" | "NotFound" => 4,
        "Unreachable" | "Server" | "Locked" => 5,
        _ => 2,
    };
    assert_eq!(outcome.code, expected, "{}{}", outcome.out, outcome.err);
    error
}

fn kind_of<'a>(project: &Project, args: impl IntoIterator<Item = &'a str>) -> String {
    error_of(project, args)["kind"].as_str().unwrap_or_default().to_owned()
}

fn embedded() -> Project {
    let project = Project::new(None, &fresh_name("bad"));
    project.file("train.csv", training_csv());
    project
}

fn on_server() -> Project {
    let project = Project::new(Some(&Server::shared(NEWEST).url), &fresh_name("bad"));
    project.file("train.csv", training_csv());
    project
}

fn log_with<'a>(more: &[&'a str]) -> Vec<&'a str> {
    LOG.into_iter().chain(more.iter().copied()).collect()
}

/// Asserts that the model has no versions.
fn assert_nothing_registered(project: &Project) {
    let listed = project.run(["--output", "jsonl", "list"]);
    assert_eq!(listed.out, "", "{}", listed.out);
}

#[test]
fn an_unknown_version() {
    for project in [embedded(), on_server()] {
        project.json(LOG);
        let error = error_of(&project, ["promote", "99"]);
        assert_eq!(error["kind"], "VersionNotFound");
        assert_eq!(project.run(["promote", "0"]).code, 2);
    }
}

#[test]
fn no_such_model() {
    for project in [embedded(), on_server()] {
        assert_eq!(kind_of(&project, ["--model", "no-such-model", "promote", "1"]), "ModelNotFound");
        let error = error_of(&project, ["--model", "no-such-model", "champion"]);
        assert_eq!(error["kind"], "NoChampion");
        assert!(error["hint"].as_str().is_some_and(|hint| hint.contains("the tracking URI")), "{error}");
        assert_eq!(kind_of(&project, ["--model", "no/model", "list"]), "InvalidName");
    }
}

#[test]
fn no_champion_and_no_candidate() {
    let project = embedded();
    project.json(LOG);
    assert_eq!(kind_of(&project, ["champion"]), "NoChampion");
    project.file("rows.csv", "size,weekday\n1,1\n");
    let error = error_of(&project, ["predict", "rows.csv"]);
    assert_eq!(
        error["message"].as_str().map(|text| text.starts_with("No champion model set")),
        Some(true),
        "{error}"
    );
    project.json(["promote"]);
    assert_eq!(kind_of(&project, ["promote"]), "NoCandidate");
}

#[test]
fn an_unreachable_server_and_an_unknown_scheme() {
    let project = embedded();
    let port =
        std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port").port();
    let mut command =
        project.command(["--output", "json", "--tracking-uri", &format!("http://127.0.0.1:{port}"), "list"]);
    command.env("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2").env("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0.01");
    let output = command.env("MLFLOW_HTTP_REQUEST_BACKOFF_JITTER", "0.01").output().expect("the binary runs");
    assert_eq!(output.status.code(), Some(5));
    let stderr = String::from_utf8_lossy(&output.stderr);
    let warnings: Vec<&str> = stderr.lines().filter(|line| line.contains("trying again")).collect();
    assert_eq!(warnings.len(), 2, "{stderr}");
    for (retry, warning) in warnings.iter().enumerate() {
        let event: Value = serde_json::from_str(warning).expect("an event in JSON");
        let server = format!("cannot reach http://127.0.0.1:{port}");
        assert!(event["failure"].as_str().is_some_and(|failure| failure.contains(&server)), "{event}");
        assert_eq!((&event["retry"], &event["of"]), (&Value::from(retry + 1), &Value::from(2)), "{event}");
        assert_eq!(event["level"], "WARN");
    }
    let error: Value = serde_json::from_str(stderr.lines().last().unwrap_or_default()).expect("a report");
    assert_eq!(error["kind"], "Unreachable");
    assert!(error["hint"].as_str().is_some_and(|hint| hint.contains("is running")), "{error}");
    let error = error_of(&project, ["--tracking-uri", "postgresql://db/x", "list"]);
    assert_eq!(error["kind"], "UnsupportedScheme");
    assert!(
        error["hint"].as_str().is_some_and(|hint| hint.contains("sqlite:") && hint.contains("http")),
        "{error}"
    );
}

#[test]
fn a_missing_or_damaged_policy_changes_nothing() {
    let project = embedded();
    project.json(LOG);
    project.file("damaged.wasm", b"\0asm\x0d\0\x01\0 and then nonsense");
    assert_eq!(kind_of(&project, ["--policy", "missing.wasm", "promote"]), "PolicyNotFound");
    assert_eq!(kind_of(&project, ["--policy", "damaged.wasm", "promote"]), "PolicyIncompatible");
    assert_eq!(kind_of(&project, ["--set", "no-such-setting=1", "promote"]), "PolicySettings");
    assert_eq!(kind_of(&project, ["champion"]), "NoChampion");
}

#[test]
fn metrics_that_no_policy_could_compare() {
    let project = embedded();
    let model = crate::support::root().join("tests/fixtures/models/binary_int/booster/model.lgb");
    let model = model.to_str().expect("a path");
    let long = format!("{}=1", "k".repeat(251));
    assert_eq!(kind_of(&project, ["log-candidate", model]), "InvalidArgument", "no metrics");
    assert_eq!(kind_of(&project, ["log-candidate", model, "--metric", "auc=nan"]), "InvalidArgument");
    assert_eq!(kind_of(&project, ["log-candidate", model, "--metric", "auc=-inf"]), "InvalidArgument");
    assert_eq!(kind_of(&project, ["log-candidate", model, "--metric", "auc=high"]), "InvalidArgument");
    assert_eq!(kind_of(&project, ["log-candidate", model, "--metric", &long]), "InvalidName");
    assert_eq!(
        kind_of(&project, ["log-candidate", model, "--metric", "auc=1", "--tag", "a//b=1"]),
        "InvalidName"
    );
    assert_nothing_registered(&project);
    project.json(["log-candidate", model, "--metric", "auc=nan", "--metric", "x=inf", "--allow-non-finite"]);
    project.json(["promote"]);
    assert_eq!(project.json(["champion"])["metrics"]["auc"], "NaN");
}

#[test]
fn training_data_and_rows_with_a_bad_cell() {
    let project = embedded();
    project.file("train.csv", "size,weekday,label\n1,2,0\n1,monday,1\n");
    let error = error_of(&project, LOG);
    assert_eq!(error["kind"], "InvalidData");
    let message = error["message"].as_str().unwrap_or_default();
    assert!(message.contains("line: 3") && message.contains("column: weekday"), "{message}");
    assert_nothing_registered(&project);

    project.file("train.csv", training_csv());
    project.json(LOG);
    project.json(["promote"]);
    project.file("rows.csv", "size,weekday\n1,2\n3,monday\n");
    let error = error_of(&project, ["predict", "rows.csv"]);
    assert_eq!(error["kind"], "InvalidData");
    project.file("rows.csv", "size,day\n1,2\n");
    let error = error_of(&project, ["predict", "rows.csv"]);
    assert_eq!(error["kind"], "InvalidData");
    assert!(error.to_string().contains("weekday"), "{error}");
}

#[test]
fn a_malformed_log_filter_is_reported_and_ignored() {
    let project = embedded();
    let run = |filter: &str| {
        let output = project.command(["list"]).env("HYDRA_LOG", filter).output().expect("the binary runs");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, err) = run("hydra=loud");
    assert!(err.contains("ignoring HYDRA_LOG: not a valid log filter"), "{err}");
    for fine in ["", "debug", "hydra=info,warn"] {
        let (same_code, err) = run(fine);
        assert_eq!(code, same_code, "{err}");
        assert!(!err.contains("HYDRA_LOG"), "{err}");
    }
}

#[test]
fn the_log_is_json_on_request() {
    let project = embedded();
    let run = |format: &str| {
        // A malformed filter is a warning.
        let mut command = project.command(["list"]);
        command.env("HYDRA_LOG_FORMAT", format).env("HYDRA_LOG", "hydra=loud");
        let output = command.output().expect("the binary runs");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let err = run("json");
    let events: Vec<serde_json::Value> =
        err.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    assert!(events.iter().any(|event| event["timestamp"].is_string() && event["level"].is_string()), "{err}");
    for text in ["", "text"] {
        assert!(!run(text).contains("\"timestamp\""));
    }
    assert!(run("xml").contains("ignoring HYDRA_LOG_FORMAT: not a valid log format"));
}

/// Errors that need no store to be found are reported before a store is created.
#[test]
fn a_candidate_that_cannot_be_logged_makes_no_store() {
    let project = embedded();
    let model = &*fixture();
    let before = std::fs::read_dir(project.path()).expect("a directory").count();
    project.file("train.csv", training_csv());
    for args in [
        &["log-candidate", model, "--metric", "a=1", "--tag", "a:b//=1"][..],
        &["log-candidate", model],
        &["log-candidate", "train.csv", "--metric", "a=1"],
        &["log-candidate", model, "--metric", "a=1", "--config-value", "a//b=1"],
    ] {
        error_of(&project, args.iter().copied());
        assert_eq!(std::fs::read_dir(project.path()).expect("a directory").count(), before, "{args:?}");
    }
}

fn fixture() -> String {
    crate::support::root().join("tests/fixtures/models/binary_int/booster/model.lgb").display().to_string()
}

#[test]
fn truncated_values_are_reported() {
    for project in [embedded(), on_server()] {
        let (tag, value) = (format!("note={}", "é".repeat(8001)), format!("text={}", "é".repeat(6001)));
        let log = ["log-candidate", &fixture(), "--metric", "a=1", "--tag", &tag, "--config-value", &value];
        let outcome = project.run(log);
        assert_eq!(outcome.code, 0, "{}", outcome.err);
        let warnings = |words: &[&str]| {
            outcome.err.lines().filter(|line| words.iter().all(|word| line.contains(word))).count()
        };
        assert_eq!(warnings(&["WARN", "note", "8001", "8000"]), 1, "{}", outcome.err);
        assert_eq!(warnings(&["WARN", "text", "6001", "6000"]), 1, "{}", outcome.err);
    }
}

#[test]
fn metrics_and_configurations_that_json_cannot_hold() {
    let project = embedded();
    let model = fixture();
    project.file("metrics.json", "{\"auc\": NaN, \"loss\": -Infinity}");
    let log = ["log-candidate", &model, "--metrics-file", "metrics.json"];
    let error = error_of(&project, log);
    assert_eq!(error["message"], "metric `auc` is not finite: NaN");
    project.file("config.toml", "[lr]\nrate = inf\n");
    let error =
        error_of(&project, ["log-candidate", &model, "--metric", "a=1", "--config-file", "config.toml"]);
    assert!(error["message"].as_str().is_some_and(|text| text.contains("`lr.rate`")), "{error}");
    let logged = project.json(log.into_iter().chain(["--allow-non-finite"]));
    assert_eq!((&logged["metrics"]["auc"], &logged["metrics"]["loss"]), (&"NaN".into(), &"-Infinity".into()));
}

#[test]
fn tags_that_the_program_sets_itself_and_an_empty_run_name() {
    let project = embedded();
    let log = ["log-candidate", &fixture(), "--metric", "a=1"];
    for tag in ["hydra.operation_id=x", "mlflow.runName=x", "mlflow.user=x"] {
        let error = error_of(&project, log.into_iter().chain(["--tag", tag]));
        assert_eq!(error["kind"], "InvalidArgument", "{error}");
    }
    assert_nothing_registered(&project);
    let source = ["--tag", "mlflow.source.name=train.py", "--run-name", ""];
    project.json(log.into_iter().chain(source));
    project.json(["promote"]);
    let tags = &project.json(["champion"])["tags"];
    assert_eq!(tags["mlflow.source.name"], "train.py");
    assert!(tags["mlflow.runName"].as_str().is_some_and(|name| name.starts_with("bad")), "{tags}");
}

#[test]
fn a_name_that_would_break_a_file_store() {
    let project = embedded();
    let uri = project.path().join("mlruns").display().to_string();
    let log = ["--tracking-uri", &uri, "--model", "50%", "log-candidate", &fixture(), "--metric", "a=1"];
    let error = error_of(&project, log);
    assert_eq!(error["kind"], "InvalidName");
    assert!(error["message"].as_str().is_some_and(|text| text.contains("contains `%`")), "{error}");
    assert!(!project.path().join("mlruns").exists());
    project.json(["--model", "50%", "log-candidate", &fixture(), "--metric", "a=1"]);
}

/// SynapseML's `saveNativeModel` makes a directory with one file; MLflow's has several.
#[test]
fn directories_in_the_place_of_a_model_file() {
    let project = embedded();
    std::fs::create_dir(project.path().join("spark")).expect("a directory");
    project.file("spark/_SUCCESS", "");
    project.file("spark/.part-00000-c000.txt.crc", "crc");
    project.file("spark/part-00000-c000.txt", std::fs::read_to_string(fixture()).expect("the model") + "\n");
    project.json(["log-candidate", "spark", "--metric", "a=1"]);
    let shown = project.json(["show", "--model-file", "spark"]);
    assert_eq!(shown["model_file"]["format"], "text");
    let saved = crate::support::root().join("tests/fixtures/models/regression/booster").display().to_string();
    for args in [vec!["log-candidate", &saved, "--metric", "a=1"], vec!["show", "--model-file", &saved]] {
        let outcome = project.run(args);
        assert_eq!(outcome.code, 2);
        assert!(outcome.err.contains("is a directory, not the file of a model"), "{}", outcome.err);
        assert!(outcome.err.contains("booster/model.lgb"), "{}", outcome.err);
    }
}

/// What else is given to `log-candidate` is named.
#[test]
fn models_of_other_formats() {
    let project = embedded();
    let pickle = crate::support::root()
        .join("tests/fixtures/models/binary_int/pickle/model.pkl")
        .display()
        .to_string();
    project.file(
        "model.json",
        "{\"name\": \"tree\", \"version\": \"v4\", \"num_class\": 1, \"num_tree_per_iteration\": 1}",
    );
    project.file("model.txt", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n");
    project.file("model.gz", [0x1f, 0x8b, 8, 0]);
    for (file, word) in [
        (pickle.as_str(), "a pickle of Python"),
        ("model.json", "the JSON of `dump_model`"),
        ("model.txt", "a pointer of Git LFS"),
        ("model.gz", "a file that gzip compressed"),
    ] {
        let error = error_of(&project, ["log-candidate", file, "--metric", "a=1"]);
        assert_eq!(error["kind"], "UnsupportedModel", "{error}");
        assert!(error["message"].as_str().is_some_and(|text| text.contains(word)), "{error}");
    }
    let error = error_of(&project, ["show", "--model-file", "model.gz"]);
    assert!(error["message"].as_str().is_some_and(|text| text.contains("gzip")), "{error}");
    assert_nothing_registered(&project);
}

#[cfg(unix)]
#[test]
fn a_model_that_can_be_read_only_once() {
    let project = embedded();
    let text = std::fs::read(fixture()).expect("the model");
    let log_from = |path: &str| {
        let mut command = project.command(["--output", "json", "log-candidate", path, "--metric", "a=1"]);
        command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
        let mut child = command.spawn().expect("the binary runs");
        let mut stdin = child.stdin.take().expect("stdin");
        std::io::Write::write_all(&mut stdin, &text).expect("the model is read");
        drop(stdin);
        let output = child.wait_with_output().expect("it ends");
        serde_json::from_slice::<Value>(&output.stdout).expect("a report")["sha256"].clone()
    };
    let of_file = project.json(["log-candidate", &fixture(), "--metric", "a=1"])["sha256"].clone();
    assert_eq!(log_from("/dev/stdin"), of_file);
    assert_eq!(log_from("-"), of_file);
}

#[test]
fn a_limit_of_zero_lists_nothing_without_a_warning() {
    let project = embedded();
    project.json(["log-candidate", &fixture(), "--metric", "a=1"]);
    let listed = project.run(["list", "--limit", "0"]);
    assert_eq!((listed.code, listed.out.as_str(), listed.err.as_str()), (0, "", ""));
}

#[test]
fn a_damaged_model_file() {
    let project = embedded();
    project.file("model.lgb", "tree\nversion=v4\nnum_class=1\n");
    assert_eq!(kind_of(&project, ["log-candidate", "model.lgb", "--metric", "auc=1"]), "InvalidModel");
    assert_eq!(kind_of(&project, ["log-candidate", "no.lgb", "--metric", "auc=1"]), "Storage");
    assert_nothing_registered(&project);
}

#[test]
fn a_model_whose_bytes_were_changed_is_refused_with_both_digests() {
    let project = embedded();
    project.json(LOG);
    project.json(["promote"]);
    let artifact = std::process::Command::new("find")
        .arg(project.path().join("mlruns"))
        .args(["-name", "model.lgb"])
        .output()
        .expect("find runs");
    let path = String::from_utf8_lossy(&artifact.stdout).trim().to_owned();
    let text = std::fs::read_to_string(&path)
        .expect("the artifact")
        .replace("learning_rate: 0.1", "learning_rate: 0.2");
    std::fs::write(&path, text).expect("a changed artifact");
    project.file("rows.csv", "size,weekday\n1,2\n");
    assert_eq!(
        project.run(["predict", "rows.csv"]).code,
        0,
        "the promotion has kept the bytes that were logged"
    );
    let mut uncached = project.command(["--output", "json", "predict", "rows.csv"]);
    let outcome = Outcome::from(uncached.env("HYDRA_CACHE_BYTES", "0").output().expect("the binary runs"));
    assert_eq!((outcome.code, outcome.out.as_str()), (2, ""), "{}", outcome.err);
    let error: Value =
        serde_json::from_str(outcome.err.lines().last().unwrap_or_default()).expect("an error");
    assert_eq!(error["kind"], "Integrity");
    let message = error["message"].as_str().unwrap_or_default();
    assert!(message.contains("logged sha256: ") && message.contains("found sha256: "), "{message}");
}

#[test]
fn a_failed_upload_leaves_a_failed_run_and_no_version() {
    let project = embedded();
    project.json(LOG);
    let mlruns = project.path().join("mlruns");
    // A file at the path of the run's artifact directory makes every upload fail.
    std::fs::remove_dir_all(&mlruns).expect("the artifacts go");
    std::fs::write(&mlruns, "in the way").expect("a file");
    let failed = project.run(log_with(&["--run-name", "doomed"]));
    assert_eq!(failed.code, 2, "{}", failed.err);
    let listed = project.run(["--output", "jsonl", "list"]);
    assert_eq!(listed.out.lines().count(), 1, "only the first version: {}", listed.out);
}
