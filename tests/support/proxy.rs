//! A proxy in front of a server that keeps a record of the requests.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// Hands requests without a body on to a server and notes their first lines.
#[derive(Debug)]
pub struct RecordingProxy {
    /// `http://127.0.0.1:port`.
    pub url: String,
    lines: Arc<Mutex<Vec<String>>>,
}

impl RecordingProxy {
    /// A proxy in front of the server at `http://host:port`; its threads end with the process.
    pub fn start(server: &str) -> Self {
        let server = server.trim_start_matches("http://").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let lines = Arc::new(Mutex::new(Vec::new()));
        let record = lines.clone();
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let (server, record) = (server.clone(), record.clone());
                thread::spawn(move || hand_on(&client, &server, &record).expect("the server answers"));
            }
        });
        Self { url, lines }
    }

    /// The requests since the last call: method and path, without the API's prefix and the query.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.lines.lock().expect("no panic"))
    }
}

/// One request per connection: the server is asked to close it after its answer, and its answer says so.
fn hand_on(mut client: &TcpStream, server: &str, record: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut reader = BufReader::new(client);
    let mut head = String::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            // A connection that the client opened ahead and did not use.
            return Ok(());
        }
        match line.to_ascii_lowercase() {
            name if name.starts_with("connection:") => {}
            name if name == "\r\n" => break,
            _ => head.push_str(&line),
        }
    }
    let first = head.lines().next().unwrap_or_default();
    let request = first.split(['?', ' ']).take(2).collect::<Vec<_>>().join(" ");
    record.lock().expect("no panic").push(request.replace("/api/2.0/mlflow/", ""));
    let mut upstream = TcpStream::connect(server)?;
    upstream.write_all(format!("{head}Connection: close\r\n\r\n").as_bytes())?;
    std::io::copy(&mut upstream, &mut client)?;
    Ok(())
}
