//! A proxy in front of a server that records requests, delays answers, and can inject a fault into one request.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

/// The fault in a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The request never reaches the server.
    Dropped,
    /// The server handles the request, but the answer is lost.
    AnswerLost,
    /// The server handles the request late.
    Late,
    /// The server handles the request twice.
    Twice,
    /// The request never reaches the server; the proxy answers with this status.
    Answered(u16),
    /// The server handles the request, but the proxy answers with this status.
    DoneButAnswered(u16),
}

/// A fault of each kind.
pub const FAULTS: [Fault; 8] = [
    Fault::Dropped,
    Fault::AnswerLost,
    Fault::Late,
    Fault::Twice,
    Fault::Answered(500),
    Fault::Answered(503),
    Fault::DoneButAnswered(500),
    Fault::DoneButAnswered(503),
];

/// A proxy that forwards requests to a server.
#[derive(Debug)]
pub struct Proxy {
    /// `http://127.0.0.1:port`.
    pub url: String,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    seen: Vec<Seen>,
    delay: Duration,
    fault: Option<(usize, Fault)>,
    /// One request of so many has a fault, at random; 0 for none.
    one_in: u64,
    refused: Option<(&'static str, u16)>,
    answered: Option<(&'static str, String)>,
    stalled: Option<&'static str>,
    /// By how many milliseconds the dates of answers are wrong.
    dates_by: i64,
}

#[derive(Debug)]
struct Seen {
    line: String,
    from: Instant,
    to: Option<Instant>,
    answered: usize,
}

impl Proxy {
    /// Starts a proxy for the server at `http://host:port`; its threads end with the process.
    pub fn start(server: &str) -> Self {
        let server = server.trim_start_matches("http://").to_owned();
        let state = Arc::new(Mutex::new(State::default()));
        let shared = state.clone();
        Self { url: listen(move |client| hand_on(client, &server, &shared)), state }
    }

    /// The requests since the last call: method and path, without API prefix and query.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.state().seen).into_iter().map(|seen| seen.line).collect()
    }

    /// The number of requests and the bytes of their answers since the last call.
    pub fn take_cost(&self) -> (usize, usize) {
        let seen = std::mem::take(&mut self.state().seen);
        (seen.len(), seen.iter().map(|seen| seen.answered).sum())
    }

    /// Delays every answer by `delay`, so that concurrent requests overlap measurably.
    pub fn slow_down(&self, delay: Duration) {
        self.state().delay = delay;
    }

    /// Injects `fault` into request number `index`, counted from this call, from 0.
    pub fn spoil(&self, index: usize, fault: Fault) {
        let mut state = self.state();
        state.seen.clear();
        state.fault = Some((index, fault));
    }

    /// Answers every request whose method and path contain `part` with this JSON; the server never sees them.
    pub fn answer(&self, part: &'static str, json: &str) {
        self.state().answered = Some((part, json.to_owned()));
    }

    /// Makes the dates of all answers wrong by so many milliseconds.
    pub fn shift_dates(&self, by: i64) {
        self.state().dates_by = by;
    }

    /// Injects a fault of a random kind into one request of `count`, at random.
    pub fn spoil_at_random(&self, count: u64) {
        self.state().one_in = count;
    }

    /// Answers every request whose method and path contain `part` with this status; the server never sees them.
    pub fn refuse(&self, part: &'static str, status: u16) {
        self.state().refused = Some((part, status));
    }

    /// Does not answer requests whose method and path contain `part` until it is called with another one.
    pub fn stall(&self, part: Option<&'static str>) {
        self.state().stalled = part;
    }

    /// The number of sequential round trips since the last call: the longest sequence in which each request was sent
    /// after the answer to the previous one.
    pub fn take_rounds(&self) -> usize {
        self.take_with_rounds().1
    }

    /// The requests since the last call, and their round trips.
    pub fn take_with_rounds(&self) -> (Vec<String>, usize) {
        let seen = std::mem::take(&mut self.state().seen);
        let mut spans: Vec<(Instant, Instant)> =
            seen.iter().filter_map(|seen| Some((seen.to?, seen.from))).collect();
        spans.sort_unstable();
        let (mut rounds, mut last) = (0, None);
        for (to, from) in spans {
            if last.is_none_or(|last| from >= last) {
                (rounds, last) = (rounds + 1, Some(to));
            }
        }
        (seen.into_iter().map(|seen| seen.line).collect(), rounds)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

fn random_fault(one_in: u64) -> Option<Fault> {
    let (choice, kind) = uuid::Uuid::new_v4().as_u64_pair();
    let spoiled = choice.checked_rem(one_in)? == 0;
    spoiled.then(|| FAULTS[(kind % FAULTS.len() as u64) as usize])
}

/// Handles one request per connection: the proxy sends `Connection: close` to the server and to the client.
fn hand_on(mut client: &TcpStream, server: &str, shared: &Mutex<State>) -> std::io::Result<()> {
    let Some(request) = read_request(client)? else { return Ok(()) };
    let lock = || shared.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let (index, line, delay, fault, own, dates_by) = {
        let mut state = lock();
        let line = String::from_utf8_lossy(request.split(|byte| *byte == b'\r').next().unwrap_or_default());
        let line =
            line.split(['?', ' ']).take(2).collect::<Vec<_>>().join(" ").replace("/api/2.0/mlflow/", "");
        let refused = state.refused.filter(|(part, _)| line.contains(part));
        state.seen.push(Seen { line: line.clone(), from: Instant::now(), to: None, answered: 0 });
        let index = state.seen.len() - 1;
        let fault = state.fault.filter(|(at, _)| *at == index).map(|(_, fault)| fault);
        let fault = fault.or_else(|| random_fault(state.one_in));
        let own = state.answered.as_ref().filter(|(part, _)| state.seen[index].line.contains(part));
        let own = own.map(|(_, json)| json.clone());
        let fault = fault.or(refused.map(|(_, status)| Fault::Answered(status)));
        (index, line, state.delay, fault, own, state.dates_by)
    };
    thread::sleep(delay);
    while lock().stalled.is_some_and(|part| line.contains(part)) {
        thread::sleep(Duration::from_millis(20));
    }
    let forward = || -> std::io::Result<Vec<u8>> {
        if let Some(json) = &own {
            let length = json.len();
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n";
            return Ok(format!("{head}Content-Length: {length}\r\n\r\n{json}").into_bytes());
        }
        let mut upstream = TcpStream::connect(server)?;
        upstream.write_all(&request)?;
        let mut answer = Vec::new();
        upstream.read_to_end(&mut answer)?;
        Ok(if dates_by == 0 { answer } else { with_date(&answer, dates_by) })
    };
    let status =
        |status: u16| format!("HTTP/1.1 {status} Spoiled\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    let answer = match fault {
        None => forward()?,
        Some(Fault::Dropped) => Vec::new(),
        Some(Fault::AnswerLost) => forward().map(|_| Vec::new())?,
        Some(Fault::Late) => {
            thread::sleep(Duration::from_millis(700));
            forward()?
        }
        Some(Fault::Twice) => {
            forward()?;
            forward()?
        }
        Some(Fault::Answered(code)) => status(code).into_bytes(),
        Some(Fault::DoneButAnswered(code)) => forward().map(|_| status(code).into_bytes())?,
    };
    if let Some(seen) = lock().seen.get_mut(index) {
        seen.to = Some(Instant::now());
        seen.answered = answer.len();
    }
    client.write_all(&answer)?;
    client.shutdown(Shutdown::Both)
}

/// The answer with a date that is wrong by so many milliseconds.
fn with_date(answer: &[u8], by: i64) -> Vec<u8> {
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").expect("the end of the head");
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    let others = head.split("\r\n").filter(|line| !line.to_ascii_lowercase().starts_with("date:"));
    let wrong = jiff::Timestamp::now() + jiff::SignedDuration::from_millis(by);
    let date =
        jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&wrong).expect("a date");
    let head: Vec<&str> = others.collect();
    [format!("{}\r\ndate: {date}", head.join("\r\n")).as_bytes(), &answer[end..]].concat()
}

/// Serves each connection to a free port on a thread of its own, and returns `http://127.0.0.1:port`. The threads end with the process.
pub fn listen(serve: impl Fn(&TcpStream) -> std::io::Result<()> + Clone + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let serve = serve.clone();
            // A client that closes the connection is not an error here.
            thread::spawn(move || drop(serve(&client)));
        }
    });
    url
}

/// The request to forward; `None` for a connection that the client opened in advance and did not use.
pub fn read_request(client: &TcpStream) -> std::io::Result<Option<Vec<u8>>> {
    let mut reader = BufReader::new(client);
    let mut request = Vec::new();
    let (mut length, mut chunked) = (0, false);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let lower = line.to_ascii_lowercase();
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
        chunked |= lower.starts_with("transfer-encoding:") && lower.contains("chunked");
        if lower == "\r\n" {
            request.extend_from_slice(b"Connection: close\r\n\r\n");
            break;
        }
        // A compressed answer could not be changed.
        if !lower.starts_with("connection:") && !lower.starts_with("accept-encoding:") {
            request.extend_from_slice(line.as_bytes());
        }
    }
    if chunked {
        while !request.ends_with(b"0\r\n\r\n") {
            let mut byte = [0];
            reader.read_exact(&mut byte)?;
            request.push(byte[0]);
        }
    } else {
        let start = request.len();
        request.resize(start + length, 0);
        reader.read_exact(&mut request[start..])?;
    }
    Ok(Some(request))
}
