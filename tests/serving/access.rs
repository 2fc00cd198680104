//! TLS and tokens.

use std::process::{Command, Output};
use std::thread::sleep;
use std::time::{Duration, Instant};

use hydra_registry::Alias;

use super::process::{JSON, Serving, split};
use super::{ROWS, project, registry};
use crate::support::backends::fresh_name;
use crate::support::binary::Project;
use crate::support::server::NEWEST;
use crate::support::{model, python_of, root};

/// Writes a new authority, and a certificate of it with its key, into the project.
fn certify(project: &Project) {
    let script = root().join("tests/python/certify.py");
    let status = Command::new(python_of(NEWEST)).arg(script).arg(project.path()).status();
    assert!(status.expect("python runs").success());
}

fn curl(project: &Project, args: &[&str]) -> Output {
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--max-time", "20"]).args(args);
    command.current_dir(project.path()).output().expect("curl runs")
}

#[test]
fn tls_serves_both_versions_of_http_and_takes_a_new_certificate() {
    let project = Project::new(None, &fresh_name("tls"));
    certify(&project);
    let file = model("regression");
    let args = ["--model-file", &file, "--tls-certificate", "server.pem", "--tls-key", "server.key"];
    let serving = Serving::begin(&project, &args, &[]);
    let url = format!("https://127.0.0.1:{}/v2/health/ready", serving.http.port());
    let ready = |version: &str| {
        curl(&project, &["--cacert", "ca.pem", version, "--write-out", "%{http_version}", &url])
    };
    let start = Instant::now();
    let ready_over = |version: &str| {
        loop {
            let output = ready(version);
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            if text.starts_with(r#"{"ready":true"#) {
                return text;
            }
            assert!(start.elapsed() < Duration::from_mins(1), "{output:?}\n{}", serving.log());
            sleep(Duration::from_millis(50));
        }
    };
    assert!(ready_over("--http1.1").ends_with("1.1"));
    assert!(ready_over("--http2").ends_with('2'));
    // Without TLS, there is no answer.
    let plain = url.replace("https", "http");
    assert!(!curl(&project, &["--fail", &plain]).status.success());

    // A certificate of another authority replaces the first one; one that is damaged does not.
    certify(&project);
    let start = Instant::now();
    while !ready("--http1.1").status.success() {
        assert!(start.elapsed() < Duration::from_secs(30), "{}", serving.log());
        sleep(Duration::from_millis(200));
    }
    project.file("server.pem", "damage");
    while !serving.log().contains("cannot read the certificate again") {
        assert!(start.elapsed() < Duration::from_secs(60), "{}", serving.log());
        sleep(Duration::from_millis(200));
    }
    assert!(ready("--http1.1").status.success());
}

#[test]
fn requests_need_a_token_and_load_balancers_do_not() {
    let project = Project::new(None, &fresh_name("tokens"));
    project.file("tokens", "# of the shop\nfirst\n");
    let file = model("regression");
    let serving = Serving::start(&project, &["--model-file", &file, "--token-file", "tokens"]);
    let body = split(&ROWS).to_string();
    let ask = |headers: &[(&str, &str)]| {
        let headers = [&[JSON], headers].concat();
        serving.connect().ask("POST", "/invocations", &headers, body.as_bytes()).status
    };
    assert_eq!(ask(&[]), 401);
    assert_eq!(ask(&[("authorization", "Bearer second")]), 401);
    assert_eq!(ask(&[("authorization", "Bearer first")]), 200);
    for (path, status) in
        [("/ping", 200), ("/v2/health/live", 200), ("/metrics", 401), ("/", 401), ("/v2/models/x/infer", 401)]
    {
        assert_eq!(serving.get(path).status, status, "{path}");
    }
    let refused = serving.get("/metrics");
    assert_eq!(refused.headers["www-authenticate"], "Bearer");

    project.file("tokens", "second of them\nsecond\n");
    let start = Instant::now();
    while ask(&[("authorization", "Bearer second")]) != 200 {
        assert!(start.elapsed() < Duration::from_secs(30), "{}", serving.log());
        sleep(Duration::from_millis(200));
    }
    assert_eq!(ask(&[("authorization", "Bearer first")]), 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn probes_without_a_token_are_not_told_what_is_wrong() {
    let project = project(&["regression"]);
    let registry = registry(&project).await;
    project.file("tokens", "first\n");
    let serving = Serving::start(&project, &["--token-file", "tokens"]);
    let store = &registry.backend().registry;
    store.delete_alias(registry.model(), &Alias::CHAMPION).await.expect("no champion");
    let token = [("authorization", "Bearer first")];
    let ready = |headers: &[(&str, &str)]| {
        let answer = serving.connect().ask("GET", "/v2/health/ready", headers, b"");
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    };
    let start = Instant::now();
    while ready(&token)["problems"][0]["problem"]["kind"] != "no-champion" {
        assert!(start.elapsed() < Duration::from_secs(30), "{}", serving.log());
        sleep(Duration::from_millis(20));
    }
    assert_eq!(ready(&[]), serde_json::json!({"ready": true}));
}
