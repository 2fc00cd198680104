//! `status` and `doctor --models`: several models of a registry at once.

use hydra_lifecycle::ledger::POLICY_TAG;
use hydra_mlflow::entities::NewModelVersion;
use hydra_registry::{Finding, ModelRegistry, PanelOptions, PanelPolicy};
use serde_json::{Value, json};

use super::activation::component;
use super::registry;
use crate::cli::{LOG, training_csv};
use crate::support::backends::{Backend, fresh_name};
use crate::support::binary::Project;
use crate::support::server::{NEWEST, Server};
use crate::support::version;

fn several_models(tracking_uri: Option<&str>) {
    let prefix = fresh_name("several");
    let project = Project::new(tracking_uri, "unused");
    project.file("train.csv", training_csv());
    let (eu, us) = (format!("{prefix}-eu"), format!("{prefix}-us"));
    for model in [&eu, &us] {
        let log: Vec<&str> = LOG.into_iter().chain(["--model", model]).collect();
        project.json(log);
    }
    for _ in 0..2 {
        project.json(["promote", "1", "--model", &eu]);
    }
    let pattern = format!("{prefix}-*");
    let show = |command: &[&str]| {
        let outcome = project.run([&["--output", "json"], command].concat());
        let report: Value = serde_json::from_str(&outcome.out).expect(&outcome.err);
        (outcome.code, report)
    };
    let (code, report) = show(&["status", "--models", &pattern]);
    assert_eq!((code, &report["schema"]), (0, &json!("hydra-registry/status/1")), "{report}");
    let models = report["models"].as_array().expect("models");
    let told: Vec<_> = models
        .iter()
        .map(|model| (&model["model"], &model["champion"], &model["candidate"], &model["ledger"]))
        .collect();
    // The ledger of the first is a registered model too, but not shown.
    assert_eq!(
        told,
        [
            (&json!(eu), &json!(1), &json!(null), &json!(true)),
            (&json!(us), &json!(null), &json!(1), &json!(false)),
        ]
    );
    let history = crate::ledger::commands::lines(&project, &["history", "--model", &eu]);
    assert_eq!(models[0]["since"], history[0]["at"], "since the promotion");
    assert_eq!(models[1]["since"], json!(null));
    let text = project.run(["status", "--models", &pattern]).out;
    assert_eq!(text.lines().count(), 3, "{text}");
    project.json(["quarantine", "1", "--reason", "bad rows", "--model", &eu]);
    let (code, report) = show(&["status", "--models", &pattern]);
    let trouble = &report["models"][0]["trouble"];
    assert_eq!((code, &trouble[0]["code"]), (1, &json!("quarantined-champion")), "{report}");
    // Readers trust the tag of a version: whether it says what the ledger says is seen at a glance.
    let tag = |value: Option<&str>| {
        let uri = tracking_uri
            .map_or_else(|| project.path().join("mlflow.db").display().to_string(), str::to_owned);
        let uri = if tracking_uri.is_none() { format!("sqlite:///{uri}") } else { uri };
        let action = value.map_or("delete-version-tag", |_| "set-version-tag");
        let args = [&uri, action, &eu, "1", "hydra.quarantine"].into_iter().chain(value).collect::<Vec<_>>();
        crate::support::python::ask(NEWEST, "life.py", &args);
    };
    let codes = || {
        let (_, report) = show(&["status", "--models", &pattern]);
        let trouble = report["models"][0]["trouble"].as_array().expect("trouble").clone();
        trouble.iter().map(|trouble| trouble["code"].as_str().expect("a code").to_owned()).collect::<Vec<_>>()
    };
    tag(None);
    assert_eq!(codes(), ["quarantined-champion", "missing-quarantine-tag"]);
    project.json(["release", "1", "--model", &eu]);
    assert!(codes().is_empty());
    tag(Some("since evil"));
    assert_eq!(codes(), ["stray-quarantine-tag"]);
    tag(None);

    let (code, report) = show(&["doctor", "--models", &pattern]);
    assert_eq!((code, &report["schema"]), (0, &json!("hydra-registry/doctor-models/1")), "{report}");
    assert_eq!(report["models"].as_array().map(Vec::len), Some(2));
    if tracking_uri.is_none() {
        let database = rusqlite::Connection::open(project.path().join("mlflow.db")).expect("the database");
        let sql = "INSERT INTO registered_model_aliases (name, alias, version) VALUES (?1, 'Champion', 1)";
        assert_eq!(database.execute(sql, [&us]).expect("an alias"), 1);
        for command in ["status", "doctor"] {
            let (code, report) = show(&[command, "--models", &pattern]);
            let found = &report["models"][1][if command == "status" { "trouble" } else { "findings" }];
            assert_eq!((code, &found[0]["code"]), (1, &json!("alias-spelling")), "{report}");
        }
        let text = project.run(["status"]).out;
        assert!(text.contains("alias-spelling") && text.contains("remedy"), "{text}");
    }
    // A pattern with a typing error must not look like models without problems.
    for command in ["status", "doctor"] {
        let nothing = project.run([command, "--models", &fresh_name("nothing")]);
        assert_eq!(nothing.code, 1, "{command}");
        assert!(nothing.err.contains("no model fits"), "{}", nothing.err);
    }
}

#[test]
fn on_rest() {
    several_models(Some(&Server::shared(NEWEST).url));
}

#[test]
fn on_sqlite() {
    several_models(None);
}

/// The metrics of `doctor`, for the textfile collector: written whole, and left as they are by a run that fails.
#[test]
fn the_findings_are_metrics_for_prometheus() {
    let name = fresh_name("metrics");
    let project = Project::new(None, &name);
    project.file("train.csv", training_csv());
    project.json(LOG);
    project.json(["promote"]);
    let metrics = || std::fs::read_to_string(project.path().join("hydra.prom")).expect("metrics");
    let sample = |metric: &str| format!("{metric}{{model=\"{name}\"}} ");
    assert_eq!(project.run(["doctor", "--prometheus", "hydra.prom"]).code, 0);
    assert!(metrics().contains(&(sample("hydra_doctor_problems") + "0\n")), "{}", metrics());
    let pattern = format!("{name}*");
    let every =
        project.run(["--output", "json", "doctor", "--models", &pattern, "--prometheus", "hydra.prom"]);
    let report: Value = serde_json::from_str(&every.out).expect("a report");
    let problems = report["models"][0]["findings"].as_array().expect("findings").len();
    assert!(metrics().contains(&format!("{}{problems}\n", sample("hydra_doctor_problems"))), "{}", metrics());
    let time = |text: &str| text.lines().last().expect("a time").to_owned();
    let before = metrics();
    let failed = project.run([
        "--tracking-uri",
        "http://127.0.0.1:1",
        "--timeout",
        "1s",
        "doctor",
        "--prometheus",
        "hydra.prom",
    ]);
    assert_eq!((failed.code, time(&metrics())), (5, time(&before)));
}

/// What stands until a person acts is seen at a glance, as `doctor` names it.
async fn what_stands(backend: &Backend) {
    let registry = registry(backend, &fresh_name("stands")).await;
    let stores = &registry.backend().registry;
    let seen = async |expected: &[&str]| -> Vec<Finding> {
        let pattern = registry.model().as_str().parse().expect("a pattern");
        let status = registry.statuses(&pattern).await.expect("a status").remove(0);
        let seen: Vec<&str> = status.trouble.iter().map(Finding::code).collect();
        let found = registry.diagnose().await.expect("a diagnosis");
        let found: Vec<&str> = found.iter().map(Finding::code).collect();
        assert_eq!((&seen[..], &found[..]), (expected, expected));
        status.trouble
    };
    // A champion that cannot be loaded, on request.
    let unknown = NewModelVersion::new(registry.model().clone(), "dbfs:/model");
    let unknown = stores.create_model_version(&unknown).await.expect("a version").version;
    registry.promote(unknown).allow_unloadable().await.expect("a promotion");
    let trouble = seen(&["unreadable-model"]).await.remove(0).to_string();
    assert!(trouble.contains("entry 2 made it champion with --allow-unloadable"), "{trouble}");
    registry.promote(version(1)).await.expect("a promotion");
    let archived = registry.diagnose().await.expect("a diagnosis");
    assert_eq!(archived.iter().map(Finding::code).collect::<Vec<_>>(), ["unreadable-model"], "`archived`");
    registry.promote(version(2)).await.expect("a promotion");
    seen(&[]).await;
    // A decision that set the active policy aside.
    let files = tempfile::tempdir().expect("a directory");
    let policy = |name| PanelPolicy::new(component(files.path(), name));
    let options = || backend.options(registry.model().as_str());
    let strict = PanelOptions::led_by(policy("default")).with_gate(policy("well_behaved"));
    let strict = ModelRegistry::connect(options().with_panel(strict)).await.expect("a registry");
    strict.activate_policy().await.expect("an activation");
    let lax = options().with_panel(PanelOptions::led_by(policy("default")));
    let lax = ModelRegistry::connect(lax).await.expect("a registry");
    lax.promote(version(3)).override_policy().reason("an outage").await.expect("a promotion");
    seen(&["overridden-policy"]).await;
    registry.deactivate_policy().await.expect("an end");
    registry.promote(version(4)).await.expect("a promotion");
    seen(&[]).await;
    // A tag that names an activation which the ledger has not.
    let tag = hydra_base::testing::key(POLICY_TAG);
    let value = format!("{} 0 2026-01-01T00:00:00.000Z ann: for all", "ab".repeat(32));
    stores.set_registered_model_tag(registry.model(), &tag, &value).await.expect("a tag");
    seen(&["lost-activation"]).await;
    registry.deactivate_policy().reason("none").await.expect("an end");
    // A champion in quarantine.
    registry.quarantine(version(4), "a leak").await.expect("a quarantine");
    seen(&["quarantined-champion"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stands_on_rest() {
    Box::pin(what_stands(&Backend::rest())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stands_on_local_stores() {
    for backend in [Backend::file(), Backend::sqlite(), Backend::memory()] {
        Box::pin(what_stands(&backend)).await;
    }
}

/// A model whose ledger cannot be read is shown with its aliases, and why.
#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_that_cannot_be_read_is_trouble_beside_the_aliases() {
    let backend = Backend::sqlite();
    let registry = registry(&backend, &fresh_name("unread")).await;
    registry.promote(version(2)).await.expect("a promotion");
    let stores = &registry.backend().registry;
    let tag = hydra_base::testing::key("hydra.ledger.run");
    stores.set_registered_model_tag(registry.model(), &tag, "not/a/run").await.expect("a tag");
    let pattern = registry.model().as_str().parse().expect("a pattern");
    let status = registry.statuses(&pattern).await.expect("a status").remove(0);
    assert_eq!(status.champion, Some(version(2)));
    assert_eq!(status.trouble.iter().map(Finding::code).collect::<Vec<_>>(), ["not-examined"]);
}
