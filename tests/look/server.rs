//! `GET /` of a server, for browsers and for other clients.

use serde_json::json;

use super::told;
use crate::serving::process::Serving;
use crate::support::backends::fresh_name;
use crate::support::binary::Project;
use crate::support::model;

const BROWSER: [(&str, &str); 1] = [("accept", "text/html,application/xhtml+xml,*/*;q=0.8")];

#[test]
fn browsers_get_a_page_with_the_history_and_others_get_json() {
    let serving = Serving::start(&told().project, &[]);
    let json = serving.get("/");
    assert_eq!(json.headers["content-type"], "application/json");
    assert_eq!(json.json()["models"][0]["version"], super::champion(told()).to_string());
    let page = serving.connect().ask("GET", "/", &BROWSER, b"");
    assert_eq!((page.status, page.headers["content-type"].as_str()), (200, "text/html; charset=utf-8"));
    let policy = &page.headers["content-security-policy"];
    assert!(
        policy.starts_with("default-src 'none'; script-src 'sha256-")
            && policy.ends_with("frame-ancestors 'none'")
    );
    assert_eq!(
        (page.headers["vary"].as_str(), page.headers["cache-control"].as_str()),
        ("accept", "no-store")
    );
    let text = page.text();
    for part in [
        "<h1>Ready</h1>",
        "answers requests",
        "serving since",
        "Timeline",
        "wrong scores in the north",
        "id=\"m0-",
    ] {
        assert!(text.contains(part), "`{part}` is missing in:\n{text}");
    }
    assert_eq!(
        text,
        serving.connect().ask("GET", "/", &BROWSER, b"").text(),
        "the history is kept for a while"
    );
}

/// The page of a server whose model is a file, or whose registry is gone.
#[test]
fn a_server_without_a_history_has_a_page() {
    let project = Project::new(None, &fresh_name("look"));
    let serving = Serving::start(&project, &["--model-file", &model("binary_int")]);
    let page = serving.connect().ask("GET", "/", &BROWSER, b"").text();
    assert!(page.contains("answers requests") && !page.contains("Timeline"), "{page}");
    drop(serving);
    project.json(["log-candidate", &model("binary_int"), "--metric", "auc=0.9"]);
    project.json(["promote"]);
    let serving = Serving::start(&project, &["--poll", "1h"]);
    std::fs::remove_file(project.path().join("mlflow.db")).expect("removed");
    let page = serving.connect().ask("GET", "/", &BROWSER, b"");
    assert_eq!(page.status, 200);
    assert!(page.text().contains("<h1>Ready</h1>"), "{}", page.text());
    assert_eq!(serving.get("/").json()["models"][0]["ready"], json!(true));
}
