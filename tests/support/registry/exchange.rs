//! Requests and answers of the registry as bytes.

use std::io::Write as _;
use std::net::{Shutdown, TcpStream};

use serde_json::{Value, json};

use super::Fault;

/// A request, taken apart.
pub struct Request {
    pub method: String,
    pub path: String,
    pub query: String,
    pub content_type: String,
    pub authorization: Option<String>,
    pub body: Vec<u8>,
}

/// An answer.
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn new(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new() }
    }

    pub fn with(mut self, header: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((header, value.into()));
        self
    }

    pub fn spoiled(mut self, fault: &Fault, is_blob: bool, is_manifest: bool, part: &str) -> Self {
        let redirect = |to: &str| Self::new(307).with("Location", format!("{to}/elsewhere"));
        match fault {
            Fault::OtherBlob if is_blob => self.body.iter_mut().for_each(|byte| *byte ^= 1),
            Fault::HalfBlob if is_blob => self.body.truncate(self.body.len() / 2),
            Fault::LongerBlob if is_blob => self.body.extend_from_slice(b"more"),
            Fault::RedirectBlobs(to) if is_blob => return redirect(to),
            Fault::RedirectManifests(to) if is_manifest => return redirect(to),
            Fault::RefusedReferrers(status) if part == "referrers" => return Self::new(*status),
            Fault::RedirectUploads(to) if self.status == 202 => {
                return Self::new(202).with("Location", format!("{to}/upload"));
            }
            Fault::OtherManifest if is_manifest => {
                self.headers.clear();
                self.body.push(b' ');
            }
            Fault::Html if is_manifest => {
                self.headers = vec![("Content-Type", "text/html".to_owned())];
                self.body = b"<html>welcome</html>".to_vec();
            }
            Fault::TinyValues if is_manifest => {
                self.headers.retain(|(name, _)| *name != "Docker-Content-Digest");
                self.body = format!("[{}1]", "1,".repeat(300_000)).into_bytes();
            }
            Fault::BothForms if is_manifest => {
                let mut document: Value = serde_json::from_slice(&self.body).unwrap_or_default();
                document["manifests"] = json!([]);
                self.headers.retain(|(name, _)| *name != "Docker-Content-Digest");
                self.body = document.to_string().into_bytes();
            }
            _ => {}
        }
        self
    }

    pub fn send(self, mut client: &TcpStream) -> std::io::Result<()> {
        let mut head = format!("HTTP/1.1 {} -\r\nConnection: close\r\n", self.status);
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        head += &format!("Content-Length: {}\r\n\r\n", self.body.len());
        client.write_all(&[head.as_bytes(), &self.body].concat())?;
        client.shutdown(Shutdown::Both)
    }
}

pub fn take_apart(bytes: &[u8]) -> Request {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap_or(bytes.len());
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut words = head.split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let header = |name: &str| {
        let of = |line: &str| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        };
        head.lines().find_map(of)
    };
    Request {
        method: method.to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        content_type: header("content-type").unwrap_or_default(),
        authorization: header("authorization"),
        body: bytes.get(end + 4..).unwrap_or_default().to_vec(),
    }
}

/// A body that never ends, as fast as it is read.
pub fn endless(mut client: &TcpStream, status: u16) -> std::io::Result<()> {
    let head = format!("HTTP/1.1 {status} -\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n");
    client.write_all(head.as_bytes())?;
    loop {
        client.write_all(&vec![b' '; 1 << 16])?;
    }
}
