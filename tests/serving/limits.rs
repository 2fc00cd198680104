//! Requests and connections that are too large, too slow or too many are refused at once.

use std::io::Read as _;
use std::net::Shutdown;
use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::json;

use super::client::head;
use super::process::{JSON, Serving, command, split};
use super::{ROWS, expected};
use crate::support::backends::fresh_name;
use crate::support::binary::Project;
use crate::support::model;

fn start(args: &[&str]) -> (Project, Serving) {
    let project = Project::new(None, &fresh_name("limits"));
    let file = model("regression");
    let serving = Serving::start(&project, &[&["--model-file", &file], args].concat());
    (project, serving)
}

#[test]
fn what_is_too_large_is_refused() {
    let (_project, serving) =
        start(&["--max-body", "2000", "--max-rows", "3", "--max-columns", "6", "--explain-errors"]);
    let rows = |count: usize| split(&vec![ROWS[0]; count]);
    assert_eq!(serving.invoke(&rows(3)).status, 200);
    let refused = serving.invoke(&rows(4));
    assert_eq!(refused.status, 413, "{}", refused.text());
    let names = ["f0", "f1", "f2", "f3", "f4", "x", "y"];
    let wide = json!({"dataframe_split": {"columns": names, "data": [[1, 2, 3, 4, 5, 6, 7]]}});
    assert_eq!(serving.invoke(&wide).status, 413);
    // By the length that the head says: the body is never sent.
    let mut connection = serving.connect();
    connection.send(&head("POST", "/invocations", &[JSON], 2001)).expect("a head");
    let refused = connection.answer().expect("an answer");
    assert_eq!(refused.status, 413, "{}", refused.text());
    // In chunks, without a length.
    let mut connection = serving.connect();
    let chunked = "POST /invocations HTTP/1.1\r\nhost: t\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
    connection.send(chunked.as_bytes()).expect("a head");
    connection.send(format!("{:x}\r\n{}\r\n", 2001, " ".repeat(2001)).as_bytes()).expect("a chunk");
    assert_eq!(connection.answer().expect("an answer").status, 413);
    for (cause, count) in [("row-count", 1.0), ("column-count", 1.0), ("body-size", 2.0)] {
        let cause = format!(r#"cause="{cause}""#);
        assert_eq!(serving.metric("hydra_serve_errors_total", &[&cause]), count, "{cause}");
    }
    assert_eq!(serving.invoke(&rows(1)).status, 200);
}

#[test]
fn what_is_too_slow_is_ended_and_others_are_answered() {
    let (_project, serving) = start(&["--header-time", "1s", "--body-time", "1s"]);
    // Heads that never end.
    let mut slow: Vec<_> = (0..20)
        .map(|_| {
            let mut connection = serving.connect();
            connection.send(b"POST /invocations HTTP/1.1\r\nhost: t\r\nx-").expect("a part of a head");
            connection
        })
        .collect();
    let mut body = serving.connect();
    body.send(&head("POST", "/invocations", &[JSON], 100)).expect("a head");
    body.send(b"{").expect("a part of a body");
    let start = Instant::now();
    assert_eq!(serving.invoke(&split(&ROWS)).status, 200);
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    assert_eq!(body.answer().expect("an answer").status, 408);
    for connection in &mut slow {
        // Bytes that trickle in do not help.
        let _ = connection.send(b"x");
        let mut rest = Vec::new();
        // A reset counts as an end, too.
        let _ = connection.stream().read_to_end(&mut rest);
        assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    }
    // An idle connection may stay.
    let mut idle = serving.connect();
    assert_eq!(idle.ask("GET", "/ping", &[], b"").status, 200);
    sleep(Duration::from_millis(1500));
    assert_eq!(idle.ask("GET", "/ping", &[], b"").status, 200);
}

#[test]
fn too_many_requests_and_connections_are_turned_away() {
    let (_project, serving) = start(&["--max-requests", "1", "--max-connections", "3", "--body-time", "30s"]);
    let body = split(&ROWS).to_string();
    let mut first = serving.connect();
    first.send(&head("POST", "/invocations", &[JSON], body.len())).expect("a head");
    // Another request could be there before it otherwise.
    let start = Instant::now();
    while serving.metric("hydra_serve_running_requests", &[]) < 1.0 {
        assert!(start.elapsed() < Duration::from_secs(25), "the request is not read");
    }
    // So can connections that the client has closed.
    let refused = loop {
        let answer = serving.invoke(&split(&ROWS));
        if answer.status != 503 || start.elapsed() > Duration::from_secs(25) {
            break answer;
        }
    };
    assert_eq!(refused.status, 429, "{}", refused.text());
    assert!(refused.headers.contains_key("retry-after"));
    assert_eq!(serving.get("/ping").status, 200);
    first.send(body.as_bytes()).expect("the body");
    assert_eq!(first.answer().expect("an answer").status, 200);

    // Connections that the client has closed may still count, so there may be less room than allowed, but never more.
    let mut open = Vec::new();
    let start = Instant::now();
    let refused = loop {
        let mut connection = serving.connect();
        let answer = connection.ask("GET", "/", &[], b"");
        if answer.status != 200 {
            break answer;
        }
        open.push(connection);
        assert!(open.len() <= 3 && start.elapsed() < Duration::from_secs(30), "{} connections", open.len());
    };
    // Those beyond the limit are for probes.
    for path in ["/ping", "/v2/health/live", "/v2/health/ready"] {
        assert_eq!(serving.get(path).status, 200, "{path}");
    }
    for path in ["/metrics", "/v2"] {
        assert_eq!(serving.get(path).status, 503, "{path}");
    }
    assert_eq!(refused.status, 503);
    drop(open);
    let start = Instant::now();
    while serving.connect().try_ask("GET", "/ping", &[], b"").map_or(true, |answer| answer.status != 200) {
        assert!(start.elapsed() < Duration::from_secs(10), "no connection became free");
    }
    assert!(serving.metric("hydra_serve_refused_connections_total", &[]) >= 1.0);
}

#[test]
fn connections_leave_open_files_for_other_things() {
    let project = Project::new(None, &fresh_name("files"));
    let server = command(&project, &["--model-file", &model("regression")], &[]);
    let mut limited = std::process::Command::new("sh");
    limited
        .args(["-c", r#"ulimit -n 300 && exec "$0" "$@""#])
        .arg(server.get_program())
        .args(server.get_args());
    limited.env_clear().current_dir(project.path()).stdin(Stdio::null()).stdout(Stdio::null());
    let serving = Serving::run(limited);
    let open: Vec<_> = (0..280)
        .map(|_| {
            let mut connection = serving.connect();
            let _ = connection.send(b"GET / HTTP/1.1\r\nx-");
            connection
        })
        .collect();
    let start = Instant::now();
    while serving.connect().try_ask("GET", "/ping", &[], b"").map_or(true, |answer| answer.status != 200) {
        assert!(start.elapsed() < Duration::from_secs(5), "{}", serving.log());
    }
    drop(open);
    assert!(serving.log().contains("the limit of open files"), "{}", serving.log());
    assert!(!serving.log().contains("cannot accept a connection"), "{}", serving.log());
}

#[test]
fn a_client_that_has_nothing_more_to_send_gets_its_answer() {
    let (_project, serving) = start(&[]);
    let body = split(&ROWS).to_string();
    let mut connection = serving.connect();
    connection.send(&head("POST", "/invocations", &[JSON], body.len())).expect("a head");
    connection.send(body.as_bytes()).expect("a body");
    connection.stream().shutdown(Shutdown::Write).expect("half closed");
    let answer = connection.answer().expect("an answer");
    assert_eq!(answer.status, 200);
    let predictions = answer.json()["predictions"].clone();
    assert_eq!(predictions, json!(expected("regression")));
    // One that goes away in the middle of a body disturbs no other.
    let mut gone = serving.connect();
    gone.send(&head("POST", "/invocations", &[JSON], 1_000)).expect("a head");
    gone.send(b"{\"inst").expect("a part of a body");
    drop(gone);
    assert_eq!(serving.invoke(&split(&ROWS)).status, 200);
}

#[test]
fn refusals_say_little_unless_they_are_to_explain() {
    let secret = json!({"dataframe_split": {"columns": ["f0", "f1", "f2", "f3", "f4"], "data": [[1, 2, 3, 4, "s3cret"]]}});
    let (_project, terse) = start(&[]);
    let answer = terse.invoke(&secret);
    assert_eq!(answer.status, 400);
    assert!(!answer.text().contains("s3cret") && !terse.log().contains("s3cret"), "{}", answer.text());
    let (_project, explaining) = start(&["--explain-errors"]);
    assert!(explaining.invoke(&secret).text().contains("s3cret"));
}
