//! A proxy in front of a real server that spoils the answers of some endpoints, each in its own way.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::proxy::{listen, read_request};

/// How an answer is spoiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spoil {
    /// Each page names a next one, with a new token.
    NewTokens,
    /// Each page names the same next one.
    SameToken,
    /// Each page is empty, and names a next one.
    EmptyPages,
    /// Each page has far more items than it was asked for.
    TooManyItems,
    /// The numbers of the items start again on each page.
    SameItems,
    /// 240 MB of very small items.
    TinyItems,
    /// An answer of more than a hundred megabytes in one text.
    LongText,
    /// An answer without an end.
    EndlessBody,
    /// A compressed answer that never ends.
    Bomb,
    /// An answer whose bytes come one by one.
    SlowBody,
    /// A list in a list in a list, without an end.
    Nested,
    /// An empty object.
    Empty,
    /// `null`.
    Null,
    /// A page for people.
    Html,
    /// The first half of the answer.
    HalfJson,
    /// The answer with all texts replaced by numbers, and all numbers by texts.
    OtherTypes,
    /// The answer with the greatest numbers, also as texts.
    GreatestNumbers,
    /// The answer with texts that end lines, move the cursor and hide other text.
    HostileTexts,
    /// Very many aliases, tags and metrics.
    ManyParts,
    /// The server asks for patience, for an hour.
    Unavailable,
    /// The answer leads to itself.
    RedirectLoop,
    /// Very many headers.
    ManyHeaders,
    /// No answer, ever.
    Silence,
}

/// Every way.
pub const SPOILS: [Spoil; 23] = [
    Spoil::NewTokens,
    Spoil::SameToken,
    Spoil::EmptyPages,
    Spoil::TooManyItems,
    Spoil::SameItems,
    Spoil::TinyItems,
    Spoil::LongText,
    Spoil::EndlessBody,
    Spoil::Bomb,
    Spoil::SlowBody,
    Spoil::Nested,
    Spoil::Empty,
    Spoil::Null,
    Spoil::Html,
    Spoil::HalfJson,
    Spoil::OtherTypes,
    Spoil::GreatestNumbers,
    Spoil::HostileTexts,
    Spoil::ManyParts,
    Spoil::Unavailable,
    Spoil::RedirectLoop,
    Spoil::ManyHeaders,
    Spoil::Silence,
];

/// What a hostile text consists of: escape sequences, line ends, bidirectional controls, invisible characters.
const TEXT: &str = "x\u{1b}[2J\u{9b}2J\u{85}\u{2028}\u{2029}\u{202e}\u{feff}\u{ad}\u{e0041}\u{fff9}y";

/// The proxy. Its threads end with the process.
#[derive(Debug)]
pub struct HostileServer {
    /// `http://127.0.0.1:port`.
    pub url: String,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    mode: Mode,
    /// The number of requests so far.
    requests: u64,
    /// The number of answers that were spoiled since the mode was set.
    spoiled: usize,
}

/// Which answers are spoiled.
#[derive(Debug, Default)]
enum Mode {
    #[default]
    None,
    /// Those to requests whose line contains the text.
    Of(String, Spoil),
    /// One of five, by this seed.
    AtRandom(u64),
}

impl HostileServer {
    /// Starts a proxy for the server at `http://host:port`.
    pub fn start(server: &str) -> Self {
        let server = server.trim_start_matches("http://").to_owned();
        let state = Arc::new(Mutex::new(State::default()));
        let shared = state.clone();
        Self { url: listen(move |client| serve(client, &server, &shared)), state }
    }

    /// From now on, answers to requests whose line contains `part` are spoiled; no answers for `None`.
    pub fn spoil(&self, spoiled: Option<(&str, Spoil)>) {
        self.set(spoiled.map_or(Mode::None, |(part, spoil)| Mode::Of(part.to_owned(), spoil)));
    }

    /// From now on, one of five answers is spoiled, in ways that `seed` determines.
    pub fn spoil_at_random(&self, seed: u64) {
        self.set(Mode::AtRandom(seed));
    }

    /// The number of answers that were spoiled since the last call of the functions above.
    pub fn spoiled(&self) -> usize {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).spoiled
    }

    fn set(&self, mode: Mode) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        (state.mode, state.spoiled) = (mode, 0);
    }
}

/// A number that looks random (`SplitMix64`).
pub fn scrambled(seed: u64, number: u64) -> u64 {
    let mut bits =
        seed.wrapping_mul(0xd6e8_feb8_6659_fd93).wrapping_add(number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ bits >> 31
}

/// Handles one request per connection.
fn serve(client: &TcpStream, server: &str, state: &Mutex<State>) -> std::io::Result<()> {
    let Some(request) = read_request(client)? else { return Ok(()) };
    let line =
        String::from_utf8_lossy(request.split(|byte| *byte == b'\r').next().unwrap_or_default()).into_owned();
    let (number, spoil) = {
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        state.requests += 1;
        let number = state.requests;
        let spoil = match &state.mode {
            Mode::None => None,
            Mode::Of(part, spoil) => line.contains(part.as_str()).then_some(*spoil),
            Mode::AtRandom(seed) => {
                let random = scrambled(*seed, number);
                let index = usize::try_from(random >> 32).unwrap_or(0) % SPOILS.len();
                random.is_multiple_of(5).then(|| SPOILS[index])
            }
        };
        state.spoiled += usize::from(spoil.is_some());
        (number, spoil)
    };
    let forward = || -> std::io::Result<Vec<u8>> {
        let mut upstream = TcpStream::connect(server)?;
        upstream.write_all(&request)?;
        let mut answer = Vec::new();
        upstream.read_to_end(&mut answer)?;
        Ok(answer)
    };
    let mut out = client;
    match spoil {
        None => out.write_all(&forward()?)?,
        Some(spoil) => send(client, spoil, number, &forward()?)?,
    }
    out.shutdown(Shutdown::Both)
}

/// Sends the spoiled form of an answer.
fn send(mut out: &TcpStream, spoil: Spoil, number: u64, answer: &[u8]) -> std::io::Result<()> {
    let body_at = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").map_or(0, |at| at + 4);
    let body = &answer[body_at..];
    let json: Value = serde_json::from_slice(body).unwrap_or_else(|_| json!({}));
    let token = |name: &str| json!(format!("{name}{number}"));
    let whole = |out: &mut &TcpStream, body: &[u8]| {
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        out.write_all(head.as_bytes())?;
        out.write_all(body)
    };
    let changed = |out: &mut &TcpStream, value: Value| whole(out, value.to_string().as_bytes());
    let open = |out: &mut &TcpStream, headers: &str| {
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{headers}Connection: close\r\n\r\n"
        );
        out.write_all(head.as_bytes())
    };
    match spoil {
        Spoil::NewTokens => changed(&mut out, with(json, "next_page_token", token("t"))),
        Spoil::SameToken => changed(&mut out, with(json, "next_page_token", json!("again"))),
        Spoil::EmptyPages => changed(&mut out, with(with_lists(json, |_| Vec::new()), "next_page_token", token("e"))),
        Spoil::TooManyItems => changed(&mut out, with_lists(json, |items| items.iter().cycle().take(3000).cloned().collect())),
        Spoil::SameItems => {
            let first = with_lists(json, |items| items.into_iter().take(1).collect());
            changed(&mut out, with(first, "next_page_token", token("s")))
        }
        Spoil::TinyItems => {
            open(&mut out, "")?;
            out.write_all(format!("{{\"{}\":[", list_of(&json)).as_bytes())?;
            let items = r#"{"version":"1"},"#.repeat(64 << 10);
            (0..240).try_for_each(|_| out.write_all(items.as_bytes()))?;
            out.write_all(b"{}]}")
        }
        Spoil::LongText => {
            open(&mut out, "")?;
            out.write_all(b"{\"description\":\"")?;
            let text = "x".repeat(1 << 20);
            (0..150).try_for_each(|_| out.write_all(text.as_bytes()))?;
            out.write_all(b"\"}")
        }
        Spoil::EndlessBody => {
            open(&mut out, "")?;
            let spaces = " ".repeat(1 << 16);
            loop {
                out.write_all(spaces.as_bytes())?;
            }
        }
        Spoil::Bomb => {
            open(&mut out, "Content-Encoding: gzip\r\n")?;
            out.write_all(&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3])?;
            let (start, more) = bomb();
            out.write_all(&start)?;
            loop {
                out.write_all(&more)?;
            }
        }
        Spoil::SlowBody => {
            open(&mut out, "")?;
            for byte in body.iter().chain(std::iter::repeat(&b' ')) {
                out.write_all(&[*byte])?;
                thread::sleep(Duration::from_millis(50));
            }
            Ok(())
        }
        Spoil::Nested => whole(&mut out, "[".repeat(1 << 20).as_bytes()),
        Spoil::Empty => whole(&mut out, b"{}"),
        Spoil::Null => whole(&mut out, b"null"),
        Spoil::Html => whole(&mut out, b"<!doctype html><title>Welcome</title>"),
        Spoil::HalfJson => whole(&mut out, &body[..body.len() / 2]),
        Spoil::OtherTypes => changed(&mut out, each(json, &|value| match value {
            Value::String(_) => json!(7),
            Value::Number(number) => json!(number.to_string()),
            other => other,
        })),
        Spoil::GreatestNumbers => changed(&mut out, each(json, &|value| match value {
            Value::Number(_) => json!(i64::MIN),
            Value::String(text) if text.parse::<u64>().is_ok() => json!(u64::MAX.to_string()),
            other => other,
        })),
        Spoil::HostileTexts => changed(&mut out, each(json, &|value| match value {
            Value::String(text) if text.parse::<u64>().is_err() => json!(TEXT),
            other => other,
        })),
        Spoil::ManyParts => changed(&mut out, many_parts(json)),
        Spoil::Unavailable => {
            out.write_all(b"HTTP/1.1 503 Busy\r\nRetry-After: 3600\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        }
        Spoil::RedirectLoop => out.write_all(
            b"HTTP/1.1 307 Here\r\nLocation: /api/2.0/mlflow/again\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        ),
        Spoil::ManyHeaders => {
            open(&mut out, &"X-Header: x\r\n".repeat(100_000))?;
            out.write_all(body)
        }
        Spoil::Silence => {
            let started = Instant::now();
            while started.elapsed() < Duration::from_mins(2) {
                thread::sleep(Duration::from_millis(100));
            }
            Ok(())
        }
    }
}

/// The value with a member more, if it is an object.
fn with(mut value: Value, key: &str, member: Value) -> Value {
    if let Some(object) = value.as_object_mut() {
        object.insert(key.to_owned(), member);
    }
    value
}

/// The value with the lists of its members changed.
fn with_lists(mut value: Value, change: impl Fn(Vec<Value>) -> Vec<Value>) -> Value {
    for member in value.as_object_mut().into_iter().flat_map(serde_json::Map::values_mut) {
        if let Value::Array(items) = member {
            *items = change(std::mem::take(items));
        }
    }
    value
}

/// The name of the list in an answer.
fn list_of(value: &Value) -> String {
    let members = value.as_object().into_iter().flatten();
    let name = members.filter(|(_, member)| member.is_array()).map(|(name, _)| name.clone()).next();
    name.unwrap_or_else(|| "model_versions".to_owned())
}

/// The value with `change` applied to all values in it.
fn each(value: Value, change: &dyn Fn(Value) -> Value) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(|item| each(item, change)).collect(),
        Value::Object(members) => {
            members.into_iter().map(|(key, member)| (key, each(member, change))).collect()
        }
        other => change(other),
    }
}

/// The value with very many aliases, tags and metrics in each object.
fn many_parts(value: Value) -> Value {
    let Value::Object(members) = value else { return value };
    let mut members: serde_json::Map<_, _> =
        members.into_iter().map(|(key, member)| (key, many_parts(member))).collect();
    if ["name", "version", "info", "run_id"].iter().any(|key| members.contains_key(*key)) {
        let tags: Value = (0..20_000)
            .map(|number| json!({ "key": format!("hydra.evaluation.{number}"), "value": "{}", "alias": format!("a{number}"), "version": "1" }))
            .collect();
        members.insert("aliases".to_owned(), tags.clone());
        members.insert("tags".to_owned(), tags);
    }
    Value::Object(members)
}

/// The beginning of a deflate stream, and what can follow it for ever: 13 bits stand for 258 spaces.
fn bomb() -> (Vec<u8>, Vec<u8>) {
    let mut bits: Vec<bool> = vec![true, true, false];
    let code = |bits: &mut Vec<bool>, value: u32, length: u32| {
        bits.extend((0..length).rev().map(|bit| value >> bit & 1 == 1));
    };
    // The fixed code of a space, then the code of a match of 258 bytes at distance 1.
    code(&mut bits, 0x30 + 0x20, 8);
    let repeat = |bits: &mut Vec<bool>| {
        code(bits, 0b1100_0101, 8);
        code(bits, 0, 5);
    };
    // Up to a whole number of bytes; eight repetitions are one as well.
    while !bits.len().is_multiple_of(8) {
        repeat(&mut bits);
    }
    let mut more = Vec::new();
    (0..8 << 10).for_each(|_| repeat(&mut more));
    (packed(&bits), packed(&more))
}

fn packed(bits: &[bool]) -> Vec<u8> {
    let byte = |bits: &[bool]| bits.iter().rev().fold(0, |byte, bit| byte << 1 | u8::from(*bit));
    bits.chunks(8).map(byte).collect()
}
