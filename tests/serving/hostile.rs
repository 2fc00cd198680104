//! Bodies of every wrong kind: no panic, and no status that says the server failed.

use serde_json::json;

use super::ROWS;
use super::client::{Connection, head};
use super::process::{Serving, split};
use crate::support::backends::fresh_name;
use crate::support::binary::Project;
use crate::support::model;

/// How many requests are sent.
const REQUESTS: u64 = 10_000;

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
    let project = Project::new(None, &fresh_name("hostile"));
    let serving = Serving::start(&project, &["--model-file", &model("regression")]);
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
    let mut random = Random(7);
    let mut connection = serving.connect();
    let mut statuses = std::collections::BTreeMap::new();
    for number in 0..REQUESTS {
        let mut body = random.of(&bodies).clone();
        for _ in 0..random.below(4) {
            damage(&mut body, &mut random);
        }
        let (path, headers) = (random.of(&paths).clone(), *random.of(&headers));
        let answer = connection.try_ask("POST", &path, headers, &body);
        let answer = answer.unwrap_or_else(|error| {
            panic!(
                "{number}: {error}: {path} {headers:?} {:?}\n{}",
                String::from_utf8_lossy(&body),
                serving.log()
            )
        });
        assert!(answer.status < 500, "{number}: {} {path} {headers:?}: {}", answer.status, answer.text());
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
