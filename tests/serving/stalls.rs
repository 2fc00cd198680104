//! Clients that stall, flood, announce much, or take nothing: each holds little, for a limited time, and others are answered.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::json;

use super::ROWS;
use super::client::head;
use super::http2::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, GRPC, HEADERS, Http2, INFER, LIVE, PING, PREFACE, RESET,
    SETTINGS, frame,
};
use super::process::{JSON, Serving, split};
use crate::support::backends::fresh_name;
use crate::support::binary::Project;
use crate::support::model;

fn start(args: &[&str]) -> (Project, Serving) {
    let project = Project::new(None, &fresh_name("stalls"));
    let file = model("regression");
    let serving =
        Serving::start(&project, &[&["--model-file", &file, "--grpc", "127.0.0.1:0"], args].concat());
    (project, serving)
}

/// Waits until a metric is in a range.
fn wait_for(serving: &Serving, name: &str, holds: impl Fn(f64) -> bool) {
    let start = Instant::now();
    while !holds(serving.metric(name, &[])) {
        assert!(start.elapsed() < Duration::from_secs(20), "{name}: {}", serving.metric(name, &[]));
        sleep(Duration::from_millis(20));
    }
}

fn errors(serving: &Serving, cause: &str, protocol: &str) -> f64 {
    let (cause, protocol) = (format!(r#"cause="{cause}""#), format!(r#"protocol="{protocol}""#));
    serving.metric("hydra_serve_errors_total", &[&cause, &protocol])
}

fn megabytes(serving: &Serving) -> f64 {
    serving.metric("hydra_serve_resident_memory_bytes", &[]) / 1e6
}

#[test]
fn bodies_take_room_as_they_arrive() {
    let limit = "1000000";
    let args =
        ["--max-body", limit, "--max-answer", limit, "--max-concurrent-bytes", limit, "--body-time", "1m"];
    let (_project, serving) = start(&args);
    // What is announced takes none.
    let chunked = b"POST /invocations HTTP/1.1\r\nhost: t\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
    let mut announced = Vec::new();
    for number in 0..16 {
        let mut connection = serving.connect();
        let long = head("POST", "/invocations", &[JSON], 1_000_000);
        connection.send(if number % 2 == 0 { &long } else { chunked }).expect("a head");
        announced.push(connection);
    }
    wait_for(&serving, "hydra_serve_running_requests", |running| running >= 16.0);
    assert_eq!(serving.invoke(&split(&ROWS)).status, 200);
    // What has arrived does, and small requests are answered nevertheless.
    let mut large = serving.connect();
    large.send(&head("POST", "/invocations", &[JSON], 1_000_000)).expect("a head");
    large.send(&vec![b' '; 700_000]).expect("a part of a body");
    wait_for(&serving, "hydra_serve_running_bytes", |bytes| bytes > 600_000.0);
    // The server may end the connection before it has the whole body.
    let _ = serving.connect().try_ask("POST", "/invocations", &[JSON], &vec![b' '; 400_000]);
    assert_eq!(errors(&serving, "busy", "mlflow"), 1.0);
    assert_eq!(serving.invoke(&split(&ROWS)).status, 200);
    drop(large);
    wait_for(&serving, "hydra_serve_running_bytes", |bytes| bytes == 0.0);
    let other = serving.connect().ask("POST", "/invocations", &[JSON], &vec![b' '; 400_000]);
    assert_eq!(other.status, 400, "{}", other.text());
}

#[test]
fn bodies_that_arrive_byte_by_byte_take_no_more_memory() {
    let (_project, serving) = start(&[]);
    let before = megabytes(&serving);
    let mut connection = serving.connect();
    connection.send(&head("POST", "/invocations", &[JSON], 40_000)).expect("a head");
    for _ in 0..20_000 {
        connection.send(b" ").expect("a byte");
    }
    // A buffer of 8 KiB for each byte would be 160 MB.
    assert!(megabytes(&serving) < before + 50.0, "{before} {}", megabytes(&serving));
}

#[test]
fn connections_that_send_nothing_end() {
    let (_project, serving) = start(&["--header-time", "1s", "--idle-time", "2s"]);
    let settings = [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat();
    let start = Instant::now();
    let mut open: Vec<(TcpStream, String)> = Vec::new();
    for address in [serving.http, serving.grpc.expect("gRPC")] {
        for bytes in [&b""[..], b"P", b"PRI * HT", PREFACE, &settings, b"GET /ping HTTP/1.1\r\n"] {
            let mut stream = TcpStream::connect(address).expect("a connection");
            stream.write_all(bytes).expect("the bytes");
            stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
            open.push((stream, format!("{address} {}", String::from_utf8_lossy(bytes))));
        }
    }
    for (stream, what) in &mut open {
        // A reset is an end, too.
        let ended = stream.read_to_end(&mut Vec::new());
        let late = ended.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock);
        assert!(!late && start.elapsed() < Duration::from_secs(10), "{what:?} {:?}", start.elapsed());
    }
    assert!(start.elapsed() >= Duration::from_secs(1));
    wait_for(&serving, "hydra_serve_connections", |open| open <= 1.0);
}

#[test]
fn answers_that_are_too_large_are_not_made() {
    let (_project, serving) = start(&["--max-answer", "100000"]);
    let leaves = |rows: usize| json!({"instances": vec![ROWS[0]; rows], "params": {"pred_leaf": true}});
    assert_eq!(serving.invoke(&leaves(800)).status, 200);
    let refused = serving.invoke(&leaves(2_000));
    assert_eq!(refused.status, 413, "{}", refused.text());
    assert_eq!(serving.invoke(&json!({"instances": vec![ROWS[0]; 2_000]})).status, 200);
    assert_eq!(serving.invoke(&json!({"instances": vec![ROWS[0]; 5_000]})).status, 413);
    assert_eq!(errors(&serving, "answer-size", "mlflow"), 2.0);
}

#[test]
fn answers_that_are_not_read_hold_room_until_their_time_is_over() {
    let (_project, serving) = start(&["--answer-time", "2s", "--body-time", "1m"]);
    // More than the buffers of the operating system.
    let rows = "[1,2,3,4,5],".repeat(400_000);
    let body = format!(r#"{{"instances":[{}],"params":{{"pred_leaf":true}}}}"#, rows.trim_end_matches(','));
    let mut connection = serving.connect();
    connection.send(&head("POST", "/invocations", &[JSON], body.len())).expect("a head");
    connection.send(body.as_bytes()).expect("the body");
    wait_for(&serving, "hydra_serve_requests_total", |answered| answered == 1.0);
    assert_eq!(serving.metric("hydra_serve_running_requests", &[]), 1.0);
    assert!(serving.metric("hydra_serve_running_bytes", &[]) > 1e6);
    wait_for(&serving, "hydra_serve_running_requests", |running| running == 0.0);
    assert_eq!(serving.metric("hydra_serve_running_bytes", &[]), 0.0);
    assert!(connection.answer().is_err());

    // In HTTP/2 a client withholds a window, so that the smallest answer stays.
    let body = split(&ROWS).to_string();
    for (address, path, headers, body) in [
        (serving.http, "/invocations", &[JSON][..], body.as_bytes()),
        (serving.grpc.expect("gRPC"), LIVE, &GRPC[..], &[0; 5][..]),
    ] {
        let mut connection = Http2::open(address, 0);
        connection.ask(1, path, headers, true).expect("a head");
        connection.send(DATA, END_STREAM, 1, body).expect("a body");
        connection.find(|frame| frame.kind == HEADERS && frame.stream == 1).expect("the head of an answer");
        let start = Instant::now();
        let ended = connection.find(|frame| frame.kind == DATA);
        assert!(
            ended.is_err() && start.elapsed() < Duration::from_secs(8),
            "{ended:?} {:?}",
            start.elapsed()
        );
    }
    assert_eq!(serving.invoke(&split(&ROWS)).status, 200);
}

#[test]
fn a_slow_reader_has_its_whole_answer_when_the_server_ends() {
    let (_project, serving) = start(&[]);
    let rows = "[1,2,3,4,5],".repeat(300_000);
    let body = format!(r#"{{"instances":[{}],"params":{{"pred_leaf":true}}}}"#, rows.trim_end_matches(','));
    let mut connection = serving.connect();
    connection.send(&head("POST", "/invocations", &[JSON], body.len())).expect("a head");
    connection.send(body.as_bytes()).expect("the body");
    wait_for(&serving, "hydra_serve_requests_total", |answered| answered == 1.0);
    serving.terminate();
    sleep(Duration::from_secs(1));
    let answer = connection.answer().expect("the whole answer");
    assert_eq!(answer.json()["predictions"].as_array().map(Vec::len), Some(300_000));
    let ended = serving.wait();
    assert_eq!(ended.code, 0, "{}", ended.log);
    assert!(!ended.log.contains("still running"), "{}", ended.log);
}

#[test]
fn messages_of_grpc_that_stall_end_and_probes_are_answered() {
    let (_project, serving) = start(&["--body-time", "2s", "--max-requests", "1"]);
    let mut connection = Http2::open(serving.grpc.expect("gRPC"), 65_535);
    connection.ask(1, INFER, &GRPC, true).expect("a head");
    // 60 MB are announced.
    let announced = [&[0, 3, 0x93, 0x87, 0][..], &[0; 10_000]].concat();
    connection.send(DATA, 0, 1, &announced).expect("a part of a message");
    wait_for(&serving, "hydra_serve_running_requests", |running| running == 1.0);
    let start = Instant::now();
    connection.ask(3, INFER, &GRPC, true).expect("a head");
    connection.find(|frame| frame.stream == 3 && frame.flags & END_STREAM > 0).expect("a refusal");
    assert_eq!(errors(&serving, "busy", "grpc"), 1.0);
    connection.ask(5, LIVE, &GRPC, true).expect("a head");
    connection.send(DATA, END_STREAM, 5, &[0; 5]).expect("a message");
    let live = connection.find(|frame| frame.stream == 5 && frame.kind == DATA).expect("an answer");
    assert_eq!(live.payload, [0, 0, 0, 0, 2, 8, 1]);
    connection.find(|frame| frame.stream == 1 && frame.flags & END_STREAM > 0).expect("a refusal");
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    assert_eq!(errors(&serving, "slow-body", "grpc"), 1.0);
    wait_for(&serving, "hydra_serve_running_requests", |running| running == 0.0);
}

#[test]
fn clients_that_do_not_close_do_not_delay_the_end() {
    let (_project, serving) = start(&[]);
    let mut second = Http2::open(serving.http, 65_535);
    second.ask(1, "/ping", &[], false).expect("a request");
    second.find(|frame| frame.stream == 1 && frame.flags & END_STREAM > 0).expect("an answer");
    let mut first = serving.connect();
    assert_eq!(first.ask("GET", "/ping", &[], b"").status, 200);
    let start = Instant::now();
    serving.terminate();
    let ended = serving.wait();
    assert_eq!(ended.code, 0, "{}", ended.log);
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    assert!(!ended.log.contains("still running"), "{}", ended.log);
}

/// Sends the same bytes again and again, until the server ends the connection or does not read them.
fn flood(address: SocketAddr, first: &[u8], again: impl Fn(u32) -> Vec<u8>, times: u32) {
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream.set_write_timeout(Some(Duration::from_millis(500))).expect("a timeout");
    stream.write_all(PREFACE).expect("the preface");
    stream.write_all(&frame(SETTINGS, 0, 0, &[])).expect("the settings");
    let _ = stream.write_all(first);
    for time in 0..times {
        if stream.write_all(&again(time)).is_err() {
            break;
        }
    }
}

#[test]
fn floods_of_frames_disturb_no_other_client() {
    let (_project, serving) = start(&[]);
    let before = megabytes(&serving);
    // `GET /ping`, with fields of the static table and one literal.
    let get = [&[0x82, 0x86, 0x44, 5][..], b"/ping", &[0x41, 1], b"t"].concat();
    for address in [serving.http, serving.grpc.expect("gRPC")] {
        let reset = |time: u32| {
            let stream = 2 * time + 1;
            [frame(HEADERS, END_HEADERS, stream, &get), frame(RESET, 0, stream, &[0, 0, 0, 8])].concat()
        };
        flood(address, b"", reset, 20_000);
        flood(address, b"", |_| frame(PING, 0, 0, &[0; 8]), 50_000);
        flood(address, b"", |_| frame(SETTINGS, 0, 0, &[]), 50_000);
        let open = frame(HEADERS, 0, 1, &get);
        flood(address, &open, |_| frame(CONTINUATION, 0, 1, &[0x40, 1, b'x', 1, b'y']), 50_000);
        flood(address, &open, |_| frame(CONTINUATION, 0, 1, &[]), 50_000);
        assert_eq!(serving.invoke(&split(&ROWS)).status, 200);
    }
    wait_for(&serving, "hydra_serve_connections", |open| open <= 1.0);
    assert!(megabytes(&serving) < before + 50.0, "{before} {}", megabytes(&serving));
    assert!(!serving.log().contains("panicked"), "{}", serving.log());
}
