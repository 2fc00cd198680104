//! Bodies of every wrong kind: no panic, and no status that says the server failed.

use serde_json::json;

use super::ROWS;
use super::client::{Connection, head};
use super::http2::{DATA, END_STREAM, GRPC, Http2, INFER, RESET};
use super::process::{Serving, split};
use crate::support::backends::fresh_name;
use crate::support::binary::Project;
use crate::support::model;

/// Numbers that look random.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }

    fn of<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len())]
    }
}

#[test]
fn damaged_requests_are_refused_and_never_fail_the_server() {
    send_damaged(10_000, 7);
}

#[test]
#[ignore = "minutes; `cargo xtask test --all` runs it"]
fn many_damaged_requests_are_refused_and_never_fail_the_server() {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a time");
    send_damaged(300_000, now.as_secs());
}

/// Sends so many requests over HTTP, and a tenth of them over gRPC, with changes that `seed` decides.
fn send_damaged(requests: u64, seed: u64) {
    let project = Project::new(None, &fresh_name("hostile"));
    let serving = Serving::start(&project, &["--model-file", &model("regression"), "--grpc", "127.0.0.1:0"]);
    let name = serving.model()["name"].as_str().expect("a name").to_owned();
    let paths = [
        "/invocations".to_owned(),
        format!("/v1/models/{name}:predict"),
        format!("/v2/models/{name}/infer"),
        format!("/v2/models/{name}/versions/file/infer"),
        "/v2/models/%ff/infer".to_owned(),
    ];
    let tensor = json!({"id": "7", "parameters": {"binary_data_output": true}, "inputs": [
        {"name": "x", "shape": [4, 5], "datatype": "FP64", "data": ROWS.as_flattened()}
    ], "outputs": [{"name": "predict"}]});
    let mut raw =
        br#"{"inputs":[{"name":"x","shape":[1,5],"datatype":"FP64","parameters":{"binary_data_size":40}}]}"#
            .to_vec();
    raw.extend([0; 40]);
    let bodies = [
        split(&ROWS).to_string().into_bytes(),
        json!({"instances": ROWS, "params": {"raw_score": true, "num_iteration": 3}})
            .to_string()
            .into_bytes(),
        json!({"inputs": {"f0": [1, null], "f1": [0.5, 2]}}).to_string().into_bytes(),
        json!({"dataframe_records": [{"f0": 1, "f1": "a"}]}).to_string().into_bytes(),
        tensor.to_string().into_bytes(),
        raw,
        b"f0,f1,f2,f3,f4\n1,2,,NA,x\n".to_vec(),
        b"PAR1\x15\x04\x15\x00PAR1".to_vec(),
        vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3],
        Vec::new(),
    ];
    let headers: [&[(&str, &str)]; 9] = [
        &[("content-type", "application/json")],
        &[("content-type", "text/csv")],
        &[("content-type", "application/vnd.apache.parquet")],
        &[("content-type", "application/json"), ("content-encoding", "gzip")],
        &[("content-type", "application/json"), ("content-encoding", "br")],
        &[("inference-header-content-length", "94")],
        &[("inference-header-content-length", "99999999999999999999")],
        &[("content-type", "application/json; charset=latin-1"), ("accept-encoding", "gzip")],
        &[],
    ];
    let mut random = Random(seed);
    let mut connection = serving.connect();
    let mut statuses = std::collections::BTreeMap::new();
    for number in 0..requests {
        let mut body = random.of(&bodies).clone();
        for _ in 0..random.below(4) {
            damage(&mut body, &mut random);
        }
        let (path, headers) = (random.of(&paths).clone(), *random.of(&headers));
        let answer = connection.try_ask("POST", &path, headers, &body);
        let answer = answer.unwrap_or_else(|error| {
            panic!(
                "{seed} {number}: {error}: {path} {headers:?} {:?}\n{}",
                String::from_utf8_lossy(&body),
                serving.log()
            )
        });
        assert!(
            answer.status < 500,
            "{seed} {number}: {} {path} {headers:?}: {}",
            answer.status,
            answer.text()
        );
        *statuses.entry(answer.status).or_insert(0) += 1;
        if answer.headers.get("connection").is_some_and(|value| value == "close") {
            connection = serving.connect();
        }
    }
    assert!(
        statuses.contains_key(&200) && statuses.contains_key(&400) && statuses.contains_key(&415),
        "{statuses:?}"
    );
    assert!(!serving.log().contains("panicked"), "{}", serving.log());
    broken_http(&serving);
    damaged_messages(&serving, &name, requests / 10, &mut random);
    assert_eq!(serving.get("/ping").status, 200);
}

fn damage(body: &mut Vec<u8>, random: &mut Random) {
    let place = random.below(body.len() + 1);
    match random.below(5) {
        0 if place < body.len() => body[place] = random.below(256) as u8,
        1 if place < body.len() => drop(body.remove(place)),
        2 => body.truncate(place),
        3 => {
            let pieces = [
                &b"[[[["[..],
                &b"1e999"[..],
                &b"\"NaN\""[..],
                &b"null,"[..],
                &b"}"[..],
                &b"\xff\xfe"[..],
                &b"\\u"[..],
            ];
            let piece = *random.of(&pieces);
            body.splice(place..place, piece.iter().copied());
        }
        _ => {
            let copy = body[place..].to_vec();
            body.extend(copy);
        }
    }
}

/// A part of a message, with its field and length.
fn part(field: u8, content: &[u8]) -> Vec<u8> {
    let length = u8::try_from(content.len()).ok().filter(|length| *length < 128).expect("a short part");
    [&[field << 3 | 2, length], content].concat()
}

/// Messages of gRPC with changes.
fn damaged_messages(serving: &Serving, name: &str, messages: u64, random: &mut Random) {
    let tensor = |contents: &[u8]| {
        let head = [part(1, b"x"), part(2, b"FP64"), part(3, &[1, 5]), contents.to_vec()].concat();
        [part(1, name.as_bytes()), part(5, &head)].concat()
    };
    let seeds = [
        tensor(&part(5, &part(7, &[0; 40]))),
        [tensor(&[]), part(7, &[0; 40])].concat(),
        [tensor(&part(5, &part(8, b"a"))), part(4, &part(1, b"raw_score")), part(6, &part(1, b"predict"))]
            .concat(),
    ];
    let mut connection = Http2::open(serving.grpc.expect("gRPC"), 1 << 20);
    for number in 0..messages {
        let mut message = random.of(&seeds).clone();
        for _ in 0..random.below(4) {
            damage(&mut message, random);
        }
        let mut framed = vec![0];
        framed.extend(u32::try_from(message.len()).expect("a length").to_be_bytes());
        framed.extend(&message);
        if random.below(10) == 0 {
            damage(&mut framed, random);
        }
        let stream = u32::try_from(2 * number + 1).expect("a stream");
        let sent = connection.ask(stream, INFER, &GRPC, true);
        sent.and_then(|()| connection.send(DATA, END_STREAM, stream, &framed)).expect("a message");
        let ended = connection
            .find(|frame| frame.stream == stream && (frame.flags & END_STREAM > 0 || frame.kind == RESET));
        assert!(ended.is_ok(), "{number}: {ended:?} {message:?}\n{}", serving.log());
    }
    let answered = serving.metric("hydra_serve_requests_total", &[r#"protocol="grpc""#]);
    assert!(answered > 0.0 && answered < messages as f64, "{answered}");
    assert_eq!(serving.metric("hydra_serve_errors_total", &[r#"cause="internal""#]), 0.0);
    assert!(!serving.log().contains("panicked"), "{}", serving.log());
}

/// What is not HTTP, too.
fn broken_http(serving: &Serving) {
    let long = [b"GET / HTTP/1.1\r\nx: ".to_vec(), vec![b'a'; 200_000], b"\r\n\r\n".to_vec()].concat();
    let many = [b"GET / HTTP/1.1\r\n".to_vec(), b"x: y\r\n".repeat(2_000), b"\r\n".to_vec()].concat();
    let twice = head("POST", "/invocations", &[("content-length", "7")], 3);
    for bytes in
        [&b"\x16\x03\x01\x02\x00\x01\x00"[..], b"GET /\r\n\r\n", b"\0\0\0\0\r\n\r\n", &long, &many, &twice]
    {
        let mut connection = Connection::open(serving.http);
        // The server may end the connection while this is sent.
        let _ = connection.send(bytes);
        let _ = connection.stream().shutdown(std::net::Shutdown::Write);
        if let Ok(answer) = connection.answer() {
            assert!((400..500).contains(&answer.status), "{}: {}", answer.status, answer.text());
        }
    }
}
