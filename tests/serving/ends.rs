//! The server ends without failing what is running.

use std::os::unix::net::UnixDatagram;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::client::head;
use super::process::{JSON, Serving, command, split};
use super::{ROWS, project};
use crate::support::backends::fresh_name;
use crate::support::binary::Project;
use crate::support::model;

#[test]
fn running_requests_are_answered_before_the_end() {
    let project = project(&["regression"]);
    let serving = Serving::start(&project, &[]);
    let body = split(&ROWS).to_string();
    let mut idle = serving.connect();
    assert_eq!(idle.ask("GET", "/ping", &[], b"").status, 200);
    let mut running = serving.connect();
    running.send(&head("POST", "/invocations", &[JSON], body.len())).expect("a head");
    while serving.metric("hydra_serve_running_requests", &[]) < 1.0 {
        sleep(Duration::from_millis(10));
    }
    let address = serving.http;
    serving.terminate();
    // The connection that waits for a request ends, and no new one is accepted.
    assert!(idle.answer().is_err());
    let start = Instant::now();
    while std::net::TcpStream::connect(address).is_ok() {
        assert!(start.elapsed() < Duration::from_secs(10), "connections are still accepted");
        sleep(Duration::from_millis(10));
    }
    running.send(body.as_bytes()).expect("the body");
    let answer = running.answer().expect("an answer");
    assert_eq!(answer.status, 200, "{}", answer.text());
    let ended = serving.wait();
    assert_eq!(ended.code, 0, "{}", ended.log);
}

#[test]
fn a_request_that_does_not_end_is_waited_for_no_longer_than_allowed() {
    let project = Project::new(None, &fresh_name("drain"));
    let serving = Serving::start(&project, &["--model-file", &model("regression"), "--drain", "1s"]);
    let mut running = serving.connect();
    running.send(&head("POST", "/invocations", &[JSON], 100)).expect("a head");
    while serving.metric("hydra_serve_running_requests", &[]) < 1.0 {
        sleep(Duration::from_millis(10));
    }
    let start = Instant::now();
    serving.terminate();
    let ended = serving.wait();
    assert_eq!(ended.code, 0, "{}", ended.log);
    assert!((1..10).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
    assert!(ended.log.contains("requests were still running at the end"), "{}", ended.log);
}

#[test]
fn the_service_manager_learns_when_the_server_is_ready_and_when_it_ends() {
    let project = project(&["regression"]);
    let path = project.path().join("notify");
    let socket = UnixDatagram::bind(&path).expect("a socket");
    socket.set_read_timeout(Some(Duration::from_mins(1))).expect("a timeout");
    let serving = Serving::start_with(&project, &[], &[("NOTIFY_SOCKET", path.to_str().expect("a path"))]);
    let message = || {
        let mut bytes = [0; 64];
        let length = socket.recv(&mut bytes).expect("a message");
        String::from_utf8_lossy(&bytes[..length]).into_owned()
    };
    assert_eq!(message(), "READY=1");
    serving.terminate();
    assert_eq!(message(), "STOPPING=1");
    assert_eq!(serving.wait().code, 0);
}

#[test]
fn what_cannot_be_served_is_an_error_at_the_start() {
    let project = Project::new(None, &fresh_name("nothing"));
    let run = |args: &[&str]| {
        let output = command(&project, args, &[]).output().expect("it ends");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, log) = run(&[]);
    assert_eq!(code, Some(4), "{log}");
    assert!(log.contains("No champion model set") || log.contains("is not set"), "{log}");
    let (code, log) = run(&["--model-file", "missing.lgb"]);
    assert_eq!(code, Some(2), "{log}");
    for (args, reason) in [
        (&["--record-shadow"][..], "there is no shadow"),
        (&["--shadow", "champion"], "the shadow is the served alias"),
        (&["--canary", "candidate=200%", "--canary-key", "header:x"], "not a percentage"),
        (&["--token-file", "missing"], "cannot read the file of tokens"),
        (&["--grpc", "nowhere"], "not an IP address"),
        (&["a", "a"], "named twice"),
    ] {
        let (code, log) = run(args);
        assert_eq!(code, Some(2), "{args:?}: {log}");
        assert!(log.contains(reason), "{args:?}: {log}");
    }
}
