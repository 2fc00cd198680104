//! What stands in front of a server: services that ask to sign in, and proxies that limit uploads.

use std::io::Write as _;

use crate::support::backends::fresh_name;
use crate::support::binary::{Outcome, Project};
use crate::support::proxy::{Proxy, listen, read_request};
use crate::support::root;
use crate::support::server::{NEWEST, Server};

const MODEL: &str = "tests/fixtures/models/regression/booster/model.lgb";

/// A service that answers every request with a page, after a redirect to `/oauth2/start` if it `redirects`.
fn sign_in(redirects: bool) -> String {
    listen(move |mut client| {
        let Some(request) = read_request(client)? else { return Ok(()) };
        let body = "<!DOCTYPE html>\n<html><head><title>Log in to Example</title></head></html>";
        let is_there = !redirects || request.starts_with(b"GET /oauth2/");
        let (status, body) = if is_there { ("200 OK", body) } else { ("302 Found", "") };
        write!(
            client,
            "HTTP/1.1 {status}\r\nContent-Type: text/html\r\nLocation: /oauth2/start?rd=%2F\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        )
    })
}

#[test]
fn a_page_to_sign_in_is_named_by_every_command() {
    let model = root().join(MODEL).display().to_string();
    let commands: [&[&str]; 10] = [
        &["champion"],
        &["list"],
        &["show", "--alias", "champion"],
        &["download", "copy.lgb"],
        &["predict", "rows.csv"],
        &["promote"],
        &["rollback"],
        &["history"],
        &["doctor"],
        &["log-candidate", &model, "--metric", "auc=1"],
    ];
    for redirects in [false, true] {
        let project = Project::new(Some(&sign_in(redirects)), "m");
        project.file("rows.csv", "f0\n1\n");
        for args in commands {
            let outcome = project.run(args);
            assert_eq!(outcome.code, 2, "{args:?}: {}", outcome.err);
            // The first request of some commands is a write, which follows no redirect.
            let named = if outcome.err.contains("redirects to") {
                outcome.err.contains("/oauth2/start") && outcome.err.contains("status: 302")
            } else {
                outcome.err.contains("the web page `Log in to Example`")
                    && outcome.err.contains("status: 200")
            };
            assert!(named, "{args:?}: {}", outcome.err);
            assert_eq!(outcome.err.contains("/oauth2/start"), redirects, "{args:?}: {}", outcome.err);
            assert!(outcome.err.contains("MLFLOW_TRACKING_TOKEN"), "{args:?}: {}", outcome.err);
        }
    }
}

/// A proxy that limits uploads, as nginx does to 1 MB by default.
#[test]
fn an_upload_that_a_proxy_refuses_leaves_nothing_registered() {
    let server = Server::shared(NEWEST);
    let proxy = Proxy::start(&server.url);
    let model = fresh_name("limited");
    let project = Project::new(Some(&proxy.url), &model);
    let file = root().join(MODEL);
    let bytes = std::fs::metadata(&file).expect("the model").len();
    let log = ["log-candidate", file.to_str().expect("a path"), "--metric", "auc=1"];
    // The configuration, which comes first, is small; the message is about the file that was refused.
    proxy.refuse("model.lgb", 413);
    let refused = project.run(log);
    assert_eq!(refused.code, 2, "{}", refused.err);
    let message =
        format!("an upload of {bytes} bytes is larger than the limit of a proxy in front of the server");
    assert!(refused.err.contains(&message), "{}", refused.err);
    assert!(refused.err.contains(&format!("to {bytes} bytes or more")), "{}", refused.err);
    assert_eq!(proxy.take().iter().filter(|line| line.contains("model.lgb")).count(), 1, "it is sent once");

    let listed = project.run(["list"]);
    assert_eq!(listed.code, 4, "no empty model is left: {}{}", listed.out, listed.err);
    let direct = Project::new(Some(&server.url), &model);
    assert_eq!(direct.run(log).code, 0, "the name is free");
    assert_eq!(direct.json(["list"])["versions"][0]["version"], 1);
}

#[test]
fn credentials_with_line_ends_and_spaces_are_cut_or_refused_by_name() {
    let server = listen(|mut client| {
        let Some(request) = read_request(client)? else { return Ok(()) };
        let is_clean = String::from_utf8_lossy(&request).to_ascii_lowercase().contains("bearer abc123\r\n");
        let body = if is_clean { r#"{"registered_model":{"name":"m"}}"# } else { "{}" };
        let status = if is_clean { "200 OK" } else { "401 Unauthorized" };
        write!(
            client,
            "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        )
    });
    let project = Project::new(Some(&server), "m");
    let ask = |variables: &[(&str, &str)]| {
        let output = project.command(["champion"]).envs(variables.iter().copied()).output();
        Outcome::from(output.expect("the binary runs"))
    };
    let cut = ask(&[("MLFLOW_TRACKING_TOKEN", "abc123\r\n")]);
    assert!(!cut.err.contains("401") && !cut.err.contains("MLFLOW_TRACKING_TOKEN"), "{}", cut.err);
    for (name, value, flaw) in [
        ("MLFLOW_TRACKING_TOKEN", "abc 123", "contains a space"),
        ("MLFLOW_TRACKING_TOKEN", "abc\n123", "contains a line end"),
        ("MLFLOW_TRACKING_USERNAME", " ann", "contains a space"),
        ("MLFLOW_TRACKING_PASSWORD", "se cret ", "contains a space"),
    ] {
        let refused = ask(&[(name, value)]);
        assert_eq!(refused.code, 2, "{name}: {}", refused.err);
        assert!(refused.err.contains(&format!("the value of `{name}` {flaw}")), "{}", refused.err);
        assert!(!refused.err.contains(value.trim()), "{}", refused.err);
    }
}
