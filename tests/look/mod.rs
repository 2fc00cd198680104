//! The page of the history, as files and in a browser.

mod browser;
pub mod scale;
mod server;
mod story;

use std::path::PathBuf;
use std::sync::OnceLock;

use hydra_registry::{Alias, ModelRegistry, OpenOptions};
use serde_json::json;

use crate::support::backends::fresh_name;
use crate::support::binary::Project;
use crate::support::{files_below, model, version};
use story::{MODEL, Story};

/// The registry of a project in its own database.
async fn registry(project: &Project, name: &str) -> ModelRegistry {
    let database = project.path().join("mlflow.db");
    let options = OpenOptions::new()
        .with_tracking_uri(format!("sqlite:///{}", database.display()))
        .with_cache_dir(env!("CARGO_TARGET_TMPDIR"))
        .with_actor("tester")
        .with_model(name);
    ModelRegistry::connect(options).await.expect("a registry")
}

/// The story, told once for all tests that only read it, with a move outside of the ledger at its end.
fn told() -> &'static Story {
    static STORY: OnceLock<Story> = OnceLock::new();
    STORY.get_or_init(|| {
        let story = Story::told();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let registry = registry(&story.project, MODEL).await;
            let versions = &registry.backend().registry;
            versions.set_alias(registry.model(), &Alias::CHAMPION, version(2)).await.expect("a moved alias");
        });
        story.on(41.0, "oncall", "rollback --reason the_alias_was_moved_by_hand");
        story.on(20.0, "ann@example.org", "approve 8 --reason reviewed_with_the_retention_team");
        story
    })
}

/// The champion of the story.
fn champion(story: &Story) -> u64 {
    story.project.json(["champion"])["version"].as_u64().expect("a version")
}

/// Writes the page of a project into a file of its own, because tests share the story.
fn page_file(project: &Project, args: &[&str]) -> PathBuf {
    let name = format!("{}.html", fresh_name("page"));
    let outcome = project.run([&["history", "--html", &name], args].concat());
    assert_eq!(outcome.code, 0, "{}", outcome.err);
    assert!(outcome.err.starts_with(&format!("wrote {name}: ")) && outcome.out.is_empty(), "{}", outcome.err);
    project.path().join(name)
}

/// The page of a project.
fn page(project: &Project, args: &[&str]) -> String {
    std::fs::read_to_string(page_file(project, args)).expect("a page")
}

#[test]
fn a_page_has_the_whole_story() {
    let story = told();
    let page_of = page(&story.project, &[]);
    for part in [
        "<bdi>churn</bdi>",
        "move outside of the ledger, found then",
        "<span class=\"dim\">found by</span> <bdi>oncall</bdi>",
        "wrong scores in the north, see incident 412",
        "soak-time",
        "what it lacked:",
        "Measured on",
        "logged metric",
        "num_leaves",
        "unbroken",
        "hydra-registry --model churn history verify",
    ] {
        assert!(page_of.contains(part), "`{part}` is missing");
    }
    assert_eq!(page_of, page(&story.project, &[]), "equal input gives equal bytes");
    // Without evidence, and from a part of the ledger.
    let brief = page(&story.project, &["--evidence", "0", "--limit", "3"]);
    assert!(brief.len() < page_of.len() && !brief.contains("Measured on"), "{}", brief.len());
    assert_eq!(brief.matches("<details class=\"e ").count(), 3);
    let out = story.project.run(["history", "--html", "-"]);
    assert_eq!(out.out, page_of, "the same on stdout");
}

#[test]
fn a_model_without_a_history_has_a_page() {
    let project = Project::new(None, &fresh_name("look"));
    let outcome = project.run(["history", "--html", "page.html"]);
    assert_eq!(outcome.code, 4, "the model does not exist: {}", outcome.err);
    assert!(!project.path().join("page.html").exists());
    project.json(["log-candidate", &model("binary_int"), "--metric", "auc=0.9"]);
    assert!(page(&project, &[]).contains("has no history yet"));
}

/// A decision whose archived evidence is gone or altered is shown from its entry, with the reason.
#[test]
fn lost_evidence_is_named() {
    let project = Project::new(None, &fresh_name("look"));
    for _ in 0..2 {
        project.json(["log-candidate", &model("binary_int"), "--metric", "auc=0.9"]);
        project.run(["promote"]);
    }
    let mut inputs: Vec<_> = files_below(project.path())
        .into_iter()
        .filter(|path| path.parent().is_some_and(|parent| parent.ends_with("decisions")))
        .collect();
    inputs.sort();
    assert_eq!(inputs.len(), 2, "{inputs:?}");
    std::fs::remove_file(&inputs[0]).expect("removed");
    std::fs::write(&inputs[1], "{}").expect("altered");
    let page = page(&project, &[]);
    assert_eq!(page.matches("The evidence cannot be shown:").count(), 2, "{page}");
    assert!(page.contains("of 2 decisions cannot be shown"));
    assert!(page.contains("does not have the digest that the ledger recorded"));
}

/// The evidence that a page showed is read from the private cache the next time; an audit reads the archive.
#[test]
fn evidence_is_cached_and_audits_do_not_use_the_cache() {
    let project = Project::new(None, &fresh_name("look"));
    project.json(["log-candidate", &model("binary_int"), "--metric", "auc=0.9"]);
    project.run(["promote"]);
    let first = page(&project, &[]);
    let input = files_below(project.path())
        .into_iter()
        .find(|path| path.parent().is_some_and(|parent| parent.ends_with("decisions")))
        .expect("an input");
    std::fs::remove_file(&input).expect("removed");
    assert_eq!(page(&project, &[]), first);
    let audit = project.run(["--output", "json", "history", "verify"]);
    let audit: serde_json::Value = serde_json::from_str(&audit.out).expect("a report");
    assert_eq!(audit["sound"], json!(false), "{audit}");
}

/// Names, reasons and metrics of other programs stay text.
#[test]
fn hostile_text_stays_text() {
    let project = Project::new(None, "hostile & <b>");
    let metric = "<img src=x onerror=alert(2)>";
    let note = "note=</style><script>alert(3)</script>";
    project.json(["log-candidate", &model("binary_int"), "--metric", "auc=0.9", "--config-value", note]);
    let reason = format!("{metric} \u{202e} </script><script>alert(4)</script>");
    let promoted = project.run(["promote", "--reason", &reason, "--actor", "<b onmouseover=alert(5)>ann"]);
    assert_eq!(promoted.code, 0, "{}", promoted.err);
    let page = page(&project, &[]);
    assert!(page.contains("&#60;img src=x onerror=alert(2)&#62; \u{fffd} "), "the reason is there as text");
    assert!(!page.contains("<img") && !page.contains("<script>alert") && !page.contains('\u{202e}'));
    assert_eq!((page.matches("<script").count(), page.matches("<style").count()), (1, 1));
}
