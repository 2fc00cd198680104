//! An HTTP server for tests that answers from a script, to inject faults.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// The reaction of the server to one request.
pub enum Answer {
    /// A status, more headers (each ends in `\r\n`) and a JSON body.
    Json(u16, &'static str, String),
    /// Sends these bytes after reading the request, then closes the connection.
    Raw(Vec<u8>),
    /// Closes the connection without an answer.
    Drop,
    /// Sends these bytes and keeps the connection open without sending more.
    Stall(Vec<u8>),
    /// Reads the body in pieces, with a pause before each, then continues with the inner answer.
    ReadSlowly(Duration, Box<Answer>),
}

/// A request that the server received.
#[derive(Debug, Clone)]
pub struct Request {
    /// Method and target.
    pub line: String,
    /// Headers by lower-case name.
    pub headers: BTreeMap<String, String>,
    /// The bytes of the body.
    pub body: Vec<u8>,
}

/// The server. Its threads end with the test process.
pub struct FaultServer {
    /// `http://127.0.0.1:PORT`.
    pub url: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl FaultServer {
    /// Serves `script`, one answer per request; further requests get status 418.
    #[must_use]
    pub fn start(script: Vec<Answer>) -> Self {
        Self::start_with(|_| script)
    }

    /// Serves a script that needs the server's address: `script` receives `host:port`.
    pub fn start_with(script: impl FnOnce(&str) -> Vec<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let authority = listener.local_addr().expect("an address").to_string();
        let url = format!("http://{authority}");
        let script = script(&authority);
        let requests = Arc::new(Mutex::new(Vec::new()));
        let log = requests.clone();
        thread::spawn(move || {
            let mut script = script.into_iter();
            for stream in listener.incoming().map_while(Result::ok) {
                let answer = script
                    .next()
                    .unwrap_or_else(|| Answer::Json(418, "", r#"{"message":"unscripted"}"#.into()));
                let log = log.clone();
                // Each answer has its own thread, so that a stalled one does not delay later requests. A client that
                // times out breaks the connection; tests expect that.
                thread::spawn(move || serve(&stream, answer, &log));
            }
        });
        Self { url, requests }
    }

    /// The requests so far.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().expect("no panic").clone()
    }

    /// The request lines, without the HTTP version and the API's prefix.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.requests().into_iter().map(|request| request.line.replace("/api/2.0/mlflow/", "")).collect()
    }
}

/// A JSON answer with status 200.
#[must_use]
pub fn ok(body: &str) -> Answer {
    Answer::Json(200, "", body.to_owned())
}

/// An empty answer with this status.
#[must_use]
pub fn status(status: u16) -> Answer {
    Answer::Json(status, "", "{}".to_owned())
}

fn serve(mut stream: &TcpStream, answer: Answer, log: &Mutex<Vec<Request>>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut headers = BTreeMap::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        match header.trim_end().split_once(':') {
            Some((name, value)) => headers.insert(name.to_ascii_lowercase(), value.trim().to_owned()),
            None => break,
        };
    }
    let length: usize = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    for piece in body.chunks_mut(1 << 20) {
        if let Answer::ReadSlowly(pause, _) = answer {
            thread::sleep(pause);
        }
        reader.read_exact(piece)?;
    }
    let line = line.rsplit_once(' ').map_or(line.clone(), |(line, _)| line.to_owned());
    log.lock().expect("no panic").push(Request { line, headers, body });
    let text = |status: u16, extra: &str, body: &str| {
        let head =
            format!("HTTP/1.1 {status} S\r\nContent-Type: application/json\r\nConnection: close\r\n{extra}");
        format!("{head}Content-Length: {}\r\n\r\n{body}", body.len())
    };
    let answer = match answer {
        Answer::ReadSlowly(_, then) => *then,
        answer => answer,
    };
    match answer {
        Answer::Json(status, extra, body) => stream.write_all(text(status, extra, &body).as_bytes()),
        Answer::Raw(bytes) => stream.write_all(&bytes),
        Answer::Drop | Answer::ReadSlowly(..) => Ok(()),
        Answer::Stall(bytes) => {
            stream.write_all(&bytes)?;
            thread::sleep(Duration::from_secs(30));
            Ok(())
        }
    }
}
