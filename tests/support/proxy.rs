//! A proxy in front of a server: it keeps a record of the requests, slows them down, and spoils one of them.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

/// What happens to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It never reaches the server.
    Dropped,
    /// The server carries it out, and its answer is lost.
    AnswerLost,
    /// The server carries it out late.
    Late,
    /// The server carries it out twice.
    Twice,
    /// It never reaches the server; this status is answered.
    Answered(u16),
    /// The server carries it out; this status is answered all the same.
    DoneButAnswered(u16),
}

/// Hands requests on to a server.
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
}

#[derive(Debug)]
struct Seen {
    line: String,
    from: Instant,
    to: Option<Instant>,
    answered: usize,
}

impl Proxy {
    /// A proxy in front of the server at `http://host:port`; its threads end with the process.
    pub fn start(server: &str) -> Self {
        let server = server.trim_start_matches("http://").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let state = Arc::new(Mutex::new(State::default()));
        let shared = state.clone();
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let (server, state) = (server.clone(), shared.clone());
                // A client that goes away is its own business.
                thread::spawn(move || drop(hand_on(&client, &server, &state)));
            }
        });
        Self { url, state }
    }

    /// The requests since the last call: method and path, without the API's prefix and the query.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.state().seen).into_iter().map(|seen| seen.line).collect()
    }

    /// How many requests there were since the last call, and how many bytes were answered.
    pub fn take_cost(&self) -> (usize, usize) {
        let seen = std::mem::take(&mut self.state().seen);
        (seen.len(), seen.iter().map(|seen| seen.answered).sum())
    }

    /// Slows every answer down by `delay`, so that requests sent side by side are seen to overlap.
    pub fn slow_down(&self, delay: Duration) {
        self.state().delay = delay;
    }

    /// Spoils the request of that index, counted from now, from 0.
    pub fn spoil(&self, index: usize, fault: Fault) {
        let mut state = self.state();
        state.seen.clear();
        state.fault = Some((index, fault));
    }

    /// The longest sequence of requests since the last call each of which was sent after the one before was answered:
    /// the round trips that a client waited for one after the other.
    pub fn take_rounds(&self) -> usize {
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
        rounds
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// One request per connection: the server is asked to close it after its answer, and its answer says so.
fn hand_on(mut client: &TcpStream, server: &str, shared: &Mutex<State>) -> std::io::Result<()> {
    let Some(request) = read_request(client)? else { return Ok(()) };
    let lock = || shared.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let (index, delay, fault) = {
        let mut state = lock();
        let line = String::from_utf8_lossy(request.split(|byte| *byte == b'\r').next().unwrap_or_default());
        let line =
            line.split(['?', ' ']).take(2).collect::<Vec<_>>().join(" ").replace("/api/2.0/mlflow/", "");
        state.seen.push(Seen { line, from: Instant::now(), to: None, answered: 0 });
        let index = state.seen.len() - 1;
        (index, state.delay, state.fault.filter(|(at, _)| *at == index).map(|(_, fault)| fault))
    };
    thread::sleep(delay);
    let forward = || -> std::io::Result<Vec<u8>> {
        let mut upstream = TcpStream::connect(server)?;
        upstream.write_all(&request)?;
        let mut answer = Vec::new();
        upstream.read_to_end(&mut answer)?;
        Ok(answer)
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

/// The request as it is to be sent on; `None` for a connection that the client opened ahead and did not use.
fn read_request(client: &TcpStream) -> std::io::Result<Option<Vec<u8>>> {
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
        if !lower.starts_with("connection:") {
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
