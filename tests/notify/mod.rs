//! Webhooks: a real HTTP server gets what the real binary recorded.

mod trouble;

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use hydra_registry::{Alias, ModelRegistry, OpenOptions};
use ring::hmac;
use serde_json::{Value, json};

use crate::serving::process::Serving;
use crate::support::backends::fresh_name;
use crate::support::binary::Project;
use crate::support::server::NEWEST;
use crate::support::{example_policy, model, python_of, root, version};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// A receiver, which is killed when this is dropped.
struct Receiver {
    child: Child,
    directory: tempfile::TempDir,
    port: u16,
}

impl Receiver {
    fn start() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        std::fs::write(directory.path().join("mode"), "ok").expect("a mode");
        let mut child = Command::new(python_of(NEWEST))
            .arg(root().join("tests/python/receiver.py"))
            .arg(directory.path())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the receiver starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("its output")).read_line(&mut line).expect("its port");
        let port = line.trim().parse().expect("a port");
        Self { child, directory, port }
    }

    fn answer(&self, mode: &str) {
        std::fs::write(self.directory.path().join("mode"), mode).expect("a mode");
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// The requests so far.
    fn requests(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.file()).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).expect("a request")).collect()
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join("requests.jsonl")
    }

    /// The events so far, those that the receiver took.
    fn taken(&self) -> Vec<Value> {
        let requests = self.requests().into_iter().filter(|request| request["mode"] == "ok");
        requests
            .map(|request| serde_json::from_str(request["body"].as_str().expect("a body")).expect("JSON"))
            .collect()
    }

    /// The kinds of the events that the receiver took.
    fn kinds(&self) -> Vec<String> {
        let kind = |event: &Value| {
            event["type"].as_str().expect("a type").rsplit('.').next().expect("a kind").to_owned()
        };
        self.taken().iter().map(kind).collect()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A project with a first champion, and then a receiver in `hydra.toml`.
fn project(receiver: &Receiver, config: &str) -> (Project, String) {
    let name = fresh_name("notify");
    let project = Project::new(None, &name);
    log(&project, "auc=0.8");
    project.json(["promote"]);
    project.file("secret", SECRET);
    let url = receiver.url("/hook/T0K3N");
    project.file("hydra.toml", format!("model = \"{name}\"\n[notify.team]\nurl = \"{url}\"\n{config}"));
    (project, name)
}

fn log(project: &Project, metric: &str) {
    project.json(["log-candidate", &model("binary_int"), "--metric", metric]);
}

#[test]
fn every_kind_of_event_is_told_once_in_order_with_a_signature() {
    let receiver = Receiver::start();
    let (project, name) = project(&receiver, "secret-file = \"secret\"\n");
    let gate = example_policy("metric-gate");
    let soak = example_policy("soak-time");
    log(&project, "auc=0.9");
    project.json(["promote", "--reason", "weekly\u{202e}"]);
    log(&project, "auc=0.1");
    assert_eq!(project.run(["--policy", &gate, "--set", "metric=auc", "promote"]).code, 1);
    assert_eq!(project.run(["--policy", &soak, "--set", "min-age=36h", "promote"]).code, 3);
    project.json(["rollback", "--quarantine", "--reason", "wrong prices"]);
    project.json(["release", "2"]);
    project.json(["quarantine", "3", "--reason", "leaked labels"]);
    point(&project, &name, 2);
    project.json(["approve", "2"]);
    project.run(["promote", "2", "--dry-run"]);
    let kinds = receiver.kinds();
    assert_eq!(
        kinds,
        ["promoted", "rejected", "held", "rolled-back", "quarantined", "quarantined", "external"]
    );
    let ledger = project.json(["history", "export", "--head"])["ledger"].as_str().expect("an id").to_owned();
    let requests = receiver.requests();
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    for (request, event) in requests.iter().zip(receiver.taken()) {
        let header =
            |name: &str| request["headers"][name].as_str().unwrap_or_else(|| panic!("{name} in {request}"));
        assert_eq!(header("content-type"), "application/cloudevents+json; charset=utf-8");
        assert_eq!(request["path"], "/hook/T0K3N");
        let body = request["body"].as_str().expect("a body");
        let signed = format!("{}.{}.{body}", header("webhook-id"), header("webhook-timestamp"));
        let signature = header("webhook-signature").strip_prefix("v1,").expect("a version");
        let signature = base64::engine::general_purpose::STANDARD.decode(signature).expect("base64");
        hmac::verify(&key, signed.as_bytes(), &signature).expect("the signature is that of the body");
        let at: i64 = header("webhook-timestamp").parse().expect("seconds");
        assert!((hydra_base::time::now() / 1_000 - at).abs() < 60, "{at}");
        let (id, number) =
            (event["id"].as_str().expect("an id"), event["data"]["entry"].as_u64().expect("a number"));
        assert_eq!(id, header("webhook-id"));
        assert!(
            id == format!("{ledger}:{number}") || id.starts_with(&format!("{ledger}:{number}:quarantined:")),
            "{id}"
        );
        assert_eq!(
            [&event["specversion"], &event["source"]],
            [&json!("1.0"), &json!(format!("hydra-ledger:/{ledger}"))]
        );
    }
    let promoted = &receiver.taken()[0];
    assert_eq!(promoted["subject"], format!("{name}/versions/2"));
    assert_eq!(promoted["data"]["reason"], "weekly\u{202e}");
    assert_eq!(
        promoted["data"]["changes"][1],
        json!({"alias": "champion", "from": 1, "to": 2}),
        "{promoted}"
    );
}

/// Moves the champion without the ledger.
fn point(project: &Project, name: &str, number: u64) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let uri = format!("sqlite:///{}", project.path().join("mlflow.db").display());
        let options = OpenOptions::new().with_tracking_uri(uri).with_actor("other").with_model(name);
        let registry = ModelRegistry::connect(options).await.expect("a registry");
        let store = &registry.backend().registry;
        store.set_alias(registry.model(), &Alias::CHAMPION, version(number)).await.expect("a moved alias");
    });
}

#[test]
fn receivers_are_tested_and_their_mistakes_are_named() {
    let receiver = Receiver::start();
    let (project, name) = project(&receiver, "template = \"slack\"\n");
    let tested = project.json(["notify", "test"]);
    assert_eq!(tested["receivers"][0]["sent"], 1, "{tested}");
    let body: Value =
        serde_json::from_str(receiver.requests()[0]["body"].as_str().expect("a body")).expect("JSON");
    assert_eq!(body["text"], format!("{name}: a test of this receiver"));
    assert_eq!(body["blocks"][0]["text"]["type"], "plain_text");
    receiver.answer("500");
    let failed = project.run(["notify", "test", "--receiver", "team"]);
    assert!(
        failed.code == 1 && failed.out.contains("status 500") && !failed.out.contains("T0K3N"),
        "{}",
        failed.out
    );
    let unknown = project.run(["notify", "test", "--receiver", "other"]);
    assert!(unknown.code == 2 && unknown.err.contains("`other`"), "{}", unknown.err);
    // A malformed receiver is a warning of a decision and an error of a test.
    let url = receiver.url("/");
    project.file(
        "hydra.toml",
        format!("model = \"{name}\"\n[notify.team]\nurl = \"{url}\"\nsecret-variable = \"MISSING\"\n"),
    );
    let decided = project.run(["rollback"]);
    assert_eq!(decided.code, 1, "nothing is archived: {}", decided.err);
    assert!(decided.err.contains("`MISSING`") && decided.err.contains("left out"), "{}", decided.err);
    let tested = project.run(["notify", "test"]);
    assert!(tested.code == 1 && tested.out.contains("`MISSING`"), "{}{}", tested.out, tested.err);
    project.file("hydra.toml", format!("model = \"{name}\"\n"));
    let none = project.run(["notify", "catch-up"]);
    assert!(none.code == 2 && none.err.contains("there is no receiver"), "{}", none.err);
}

/// A receiver that is configured later does not get the past unless `--from` asks for it; of a new ledger it gets everything.
#[test]
fn the_past_is_told_on_request_only() {
    let receiver = Receiver::start();
    let (project, _) = project(&receiver, "");
    let nothing = project.json(["notify", "catch-up"]);
    assert_eq!((&nothing["receivers"][0]["sent"], receiver.requests().len()), (&json!(0), 0), "{nothing}");
    let first = project.json(["notify", "catch-up", "--from", "1"]);
    assert_eq!(first["receivers"][0]["sent"], 1, "{first}");
    assert_eq!(receiver.kinds(), ["promoted"]);
    let whole = project.json(["notify", "catch-up"]);
    assert_eq!(whole["receivers"][0]["sent"], 0, "{whole}");
    let name = fresh_name("notify");
    let new = Project::new(None, &name);
    new.file(
        "hydra.toml",
        format!("model = \"{name}\"\n[notify.team]\nurl = \"{}\"\n", receiver.url("/new")),
    );
    log(&new, "auc=0.8");
    new.json(["promote"]);
    let last = receiver.requests().pop().expect("a request");
    assert_eq!((receiver.kinds().len(), &last["path"]), (2, &json!("/new")));
}

/// A server tells once that the scores of its champion drift.
#[test]
fn drift_is_told_by_the_server_that_finds_it() {
    let receiver = Receiver::start();
    let name = fresh_name("notify");
    let project = Project::new(None, &name);
    let url = receiver.url("/drift");
    project.file(
        "hydra.toml",
        format!("model = \"{name}\"\n[notify.team]\nurl = \"{url}\"\nevents = [\"drift\"]\n"),
    );
    project.json(["log-candidate", &model("regression"), "--metric", "rmse=1"]);
    project.json(["promote"]);
    let mut csv = "f0,f1,f2,f3,f4,y\n".to_owned();
    for index in 0..400 {
        let cells = [0.1, 0.37, 0.73, 0.19, 0.53].map(|step| (f64::from(index) * step).fract() * 6.0 - 3.0);
        csv += &format!("{},{}\n", cells.map(|cell| cell.to_string()).join(","), index % 7);
    }
    project.file("holdout.csv", csv);
    project.json(["evaluate", "holdout.csv", "--label", "y", "--resamples", "0"]);
    let serving = Serving::start(&project, &["--poll", "200ms"]);
    let row = json!([0.5, -1.0, 2.0, 0.25, 1.5]);
    let body =
        json!({"dataframe_split": {"columns": ["f0", "f1", "f2", "f3", "f4"], "data": vec![row; 2_000]}});
    let start = Instant::now();
    while receiver.requests().is_empty() {
        assert!(start.elapsed() < Duration::from_mins(1), "no drift was told: {}", serving.log());
        assert_eq!(serving.invoke(&body).status, 200);
        std::thread::sleep(Duration::from_millis(200));
    }
    std::thread::sleep(Duration::from_millis(800));
    assert_eq!(receiver.kinds(), ["drift"], "once");
    let event = &receiver.taken()[0];
    assert_eq!((&event["data"]["dataset"], &event["data"]["version"]), (&json!("holdout"), &json!(1)));
    assert!(event["data"]["psi"].as_f64().expect("an index") >= 0.25, "{event}");
}
