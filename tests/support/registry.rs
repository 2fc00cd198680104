//! An OCI registry in memory, which can misbehave.

mod exchange;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use hydra_base::Sha256;
use serde_json::{Value, json};

use super::proxy::{listen, read_request};
use exchange::{Reply, Request, endless, take_apart};

/// How the registry misbehaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// A manifest without an end.
    EndlessManifest,
    /// A manifest of very many small values.
    TinyValues,
    /// A manifest whose bytes come one by one.
    SlowManifest,
    /// Another manifest than the one of the digest.
    OtherManifest,
    /// A page for people instead of a manifest.
    Html,
    /// A document that can be read as a manifest and as a list.
    BothForms,
    /// A component without an end.
    EndlessBlob,
    /// Other bytes of the same length.
    OtherBlob,
    /// The first half of the component, as if it were all.
    HalfBlob,
    /// The connection breaks in the middle of the component.
    BrokenBlob,
    /// The component, and more.
    LongerBlob,
    /// No answer, ever.
    Silence,
    /// This status for everything, with an endless body.
    Status(u16),
    /// Redirects of components to there.
    RedirectBlobs(String),
    /// Redirects of manifests to there.
    RedirectManifests(String),
    /// Uploads go to there.
    RedirectUploads(String),
    /// Tokens are to be had there.
    ForeignTokens(String),
    /// A token without an end.
    EndlessToken,
    /// A list of signatures without an end.
    EndlessReferrers,
    /// This status for lists of signatures.
    RefusedReferrers(u16),
    /// The tag names another artifact each time that it is resolved.
    MovingTag,
}

/// How the registry asks who calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Login {
    /// It does not ask.
    #[default]
    None,
    /// By user name and password.
    Basic,
    /// By a token of its own service.
    Token,
}

/// The user name and the password that it knows, as a header.
const KNOWN: &str = "Basic YW5uOmh1bnRlcjI=";

/// A running registry; its threads end with the process.
#[derive(Debug)]
pub struct Registry {
    /// `127.0.0.1:port`.
    pub host: String,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    host: String,
    /// By repository, and tag or digest.
    manifests: BTreeMap<(String, String), (String, Vec<u8>)>,
    blobs: BTreeMap<String, Vec<u8>>,
    seen: Vec<Seen>,
    fault: Option<Fault>,
    login: Login,
    lists_referrers: bool,
    moves: usize,
    is_down: bool,
}

/// A request.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Method and path.
    pub line: String,
    /// The header with credentials.
    pub authorization: Option<String>,
}

impl Registry {
    pub fn start() -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let shared = state.clone();
        let url = listen(move |client| answer(client, &shared));
        let host = url.trim_start_matches("http://").to_owned();
        let registry = Self { host: host.clone(), state };
        registry.state().host = host;
        registry
    }

    /// With the API of OCI 1.1 that lists signatures.
    pub fn listing_referrers(self) -> Self {
        self.state().lists_referrers = true;
        self
    }

    pub fn with_login(self, login: Login) -> Self {
        self.state().login = login;
        self
    }

    pub fn misbehave(&self, fault: impl Into<Option<Fault>>) {
        self.state().fault = fault.into();
    }

    /// Breaks every connection from now on, or no more.
    pub fn be_down(&self, is_down: bool) {
        self.state().is_down = is_down;
    }

    /// The requests since the last call.
    pub fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut self.state().seen)
    }

    /// A reference of an artifact here.
    pub fn reference(&self, rest: &str) -> String {
        format!("oci://{}/{rest}", self.host)
    }

    /// Puts a document under a tag and its digest, and returns the digest.
    pub fn put(&self, repository: &str, tag: &str, media_type: &str, document: &Value) -> Sha256 {
        let bytes = document.to_string().into_bytes();
        let digest = Sha256::of(&bytes);
        for name in [tag.to_owned(), format!("sha256:{digest}")] {
            let stored = (media_type.to_owned(), bytes.clone());
            self.state().manifests.insert((repository.to_owned(), name), stored);
        }
        digest
    }

    /// The document under a tag or a digest.
    pub fn document(&self, repository: &str, name: &str) -> Option<Value> {
        let state = self.state();
        let (_, bytes) = state.manifests.get(&(repository.to_owned(), name.to_owned()))?;
        serde_json::from_slice(bytes).ok()
    }

    /// A blob by its digest, such as `sha256:…`.
    pub fn blob(&self, digest: &str) -> Option<Vec<u8>> {
        self.state().blobs.get(digest).cloned()
    }

    /// Puts a blob, and returns its digest.
    pub fn put_blob(&self, bytes: &[u8]) -> String {
        let digest = format!("sha256:{}", Sha256::of(bytes));
        self.state().blobs.insert(digest.clone(), bytes.to_vec());
        digest
    }

    /// Removes what is under a tag or a digest.
    pub fn remove(&self, repository: &str, name: &str) {
        self.state().manifests.remove(&(repository.to_owned(), name.to_owned()));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn answer(mut client: &TcpStream, shared: &Mutex<State>) -> std::io::Result<()> {
    let Some(bytes) = read_request(client)? else { return Ok(()) };
    let request = take_apart(&bytes);
    let mut state = shared.lock().unwrap_or_else(PoisonError::into_inner);
    if state.is_down {
        return client.shutdown(Shutdown::Both);
    }
    state.seen.push(Seen {
        line: format!("{} {}", request.method, request.path),
        authorization: request.authorization.clone(),
    });
    let fault = state.fault.clone();
    let reply = state.reply(&request);
    drop(state);
    let part = request.path.split('/').rev().nth(1).unwrap_or_default().to_owned();
    let is_blob = request.method == "GET" && part == "blobs";
    let is_manifest = request.method == "GET" && part == "manifests";
    match fault {
        Some(Fault::Silence) => {
            thread::sleep(Duration::from_secs(60));
            Ok(())
        }
        Some(Fault::Status(status)) => endless(client, status),
        Some(Fault::EndlessManifest) if is_manifest => endless(client, 200),
        Some(Fault::EndlessBlob) if is_blob => endless(client, 200),
        Some(Fault::EndlessToken) if request.path == "/token" => endless(client, 200),
        Some(Fault::EndlessReferrers) if part == "referrers" => endless(client, 200),
        Some(Fault::SlowManifest) if is_manifest => {
            client.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\nConnection: close\r\n\r\n")?;
            for _ in 0..1000 {
                client.write_all(b" ")?;
                thread::sleep(Duration::from_millis(100));
            }
            Ok(())
        }
        Some(Fault::BrokenBlob) if is_blob => {
            let body = &reply.body[..reply.body.len() / 2];
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", reply.body.len());
            client.write_all(&[head.as_bytes(), body].concat())?;
            client.shutdown(Shutdown::Both)
        }
        Some(fault) => reply.spoiled(&fault, is_blob, is_manifest, &part).send(client),
        None => reply.send(client),
    }
}

impl State {
    fn reply(&mut self, request: &Request) -> Reply {
        if request.path == "/token" {
            let is_known = request.authorization.as_deref() == Some(KNOWN);
            let mut reply = Reply::new(if is_known { 200 } else { 401 });
            reply.body = json!({"token": "granted"}).to_string().into_bytes();
            return reply;
        }
        let own = format!("http://{}", self.host);
        let (wanted, asks) = match self.login {
            Login::None => (None, String::new()),
            Login::Basic => (Some(KNOWN), "Basic realm=\"test\"".to_owned()),
            Login::Token => {
                let realm = match &self.fault {
                    Some(Fault::ForeignTokens(elsewhere)) => elsewhere,
                    _ => &own,
                };
                (Some("Bearer granted"), format!("Bearer realm=\"{realm}/token\",service=\"test\""))
            }
        };
        if wanted.is_some() && wanted != request.authorization.as_deref() {
            return Reply::new(401).with("WWW-Authenticate", asks);
        }
        let Some(path) = request.path.strip_prefix("/v2/") else { return Reply::new(404) };
        if let Some(repository) = path.strip_suffix("/blobs/uploads/") {
            return Reply::new(202).with("Location", format!("/v2/{repository}/blobs/uploads/1?state=x"));
        }
        if path.ends_with("/blobs/uploads/1") {
            let digest = request.query.split("digest=").nth(1).unwrap_or_default().replace("%3A", ":");
            if digest != format!("sha256:{}", Sha256::of(&request.body)) {
                return Reply::new(400);
            }
            self.blobs.insert(digest, request.body.clone());
            return Reply::new(201);
        }
        let mut parts = path.rsplitn(3, '/');
        let (name, kind, repository) = (parts.next(), parts.next(), parts.next());
        let (Some(name), Some(kind), Some(repository)) = (name, kind, repository) else {
            return Reply::new(404);
        };
        match (kind, request.method.as_str()) {
            ("blobs", _) => match self.blobs.get(name) {
                Some(bytes) => Reply { body: bytes.clone(), ..Reply::new(200) },
                None => Reply::new(404),
            },
            ("manifests", "PUT") => self.store(repository, name, request),
            ("manifests", _) => self.manifest(repository, name),
            ("referrers", _) if self.lists_referrers => self.referrers(repository, name),
            _ => Reply::new(404),
        }
    }

    fn store(&mut self, repository: &str, name: &str, request: &Request) -> Reply {
        let digest = format!("sha256:{}", Sha256::of(&request.body));
        for name in [name.to_owned(), digest.clone()] {
            let stored = (request.content_type.clone(), request.body.clone());
            self.manifests.insert((repository.to_owned(), name), stored);
        }
        let document: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let reply = Reply::new(201).with("Docker-Content-Digest", digest);
        match document["subject"]["digest"].as_str().filter(|_| self.lists_referrers) {
            Some(subject) => reply.with("OCI-Subject", subject),
            None => reply,
        }
    }

    fn manifest(&mut self, repository: &str, name: &str) -> Reply {
        let stored = self.manifests.get(&(repository.to_owned(), name.to_owned()));
        let Some((media_type, bytes)) = stored.cloned() else {
            let body = json!({"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}]});
            return Reply { body: body.to_string().into_bytes(), ..Reply::new(404) };
        };
        let mut body = bytes;
        if self.fault == Some(Fault::MovingTag) && !name.starts_with("sha256:") {
            self.moves += 1;
            let mut document: Value = serde_json::from_slice(&body).unwrap_or_default();
            document["annotations"] = json!({"moved": self.moves.to_string()});
            body = document.to_string().into_bytes();
        }
        let digest = format!("sha256:{}", Sha256::of(&body));
        let reply = Reply::new(200).with("Content-Type", media_type).with("Docker-Content-Digest", digest);
        Reply { body, ..reply }
    }

    fn referrers(&self, repository: &str, subject: &str) -> Reply {
        let mut listed = BTreeMap::new();
        for ((of, name), (media_type, bytes)) in &self.manifests {
            let document: Value = serde_json::from_slice(bytes).unwrap_or_default();
            if of == repository && name.starts_with("sha256:") && document["subject"]["digest"] == subject {
                listed.insert(
                    name.clone(),
                    json!({"mediaType": media_type, "digest": name, "size": bytes.len(),
                           "artifactType": document["artifactType"]}),
                );
            }
        }
        let media_type = "application/vnd.oci.image.index.v1+json";
        let manifests: Vec<Value> = listed.into_values().collect();
        let index = json!({"schemaVersion": 2, "mediaType": media_type, "manifests": manifests});
        let reply = Reply::new(200).with("Content-Type", media_type);
        Reply { body: index.to_string().into_bytes(), ..reply }
    }
}
