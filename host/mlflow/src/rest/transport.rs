//! Requests to one server: URLs, headers, attempts, deadlines.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_LENGTH, HeaderValue, LOCATION};
use reqwest::{Client, Method, Request, RequestBuilder, Response, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout, timeout_at};
use url::Url;

use super::body::{Bodies, JSON, LISTING, Most, read_beginning};
use super::clock::Clock;
use super::config::RestConfig;
use super::failure::Failure;
use super::retry::RetryBudget;
use super::web_page::Page;
use hydra_base::error::Result;
use hydra_base::time::now;

/// The number of calls in progress at the same time.
const CALLS_AT_ONCE: usize = 16;
const MAX_ERROR_BYTES: usize = 64 * 1024;
const MAX_REDIRECTS: usize = 5;
/// How long a server may be silent before a message says so.
const SILENCE: Duration = Duration::from_secs(1);
/// The path of the artifact proxy.
pub(super) const ARTIFACTS: [&str; 4] = ["api", "2.0", "mlflow-artifacts", "artifacts"];
const WORKSPACE_HEADER: &str = "x-mlflow-workspace";

/// A request to the REST API with a JSON answer. [`Transport::json`] may send it several times, so it must be
/// idempotent; other requests go through [`create`](super::create::create).
#[derive(Debug, Clone)]
pub(super) struct Call {
    method: Method,
    segments: Vec<String>,
    /// The name in logs and errors.
    name: String,
    query: Vec<(&'static str, String)>,
    body: Option<Value>,
    /// The limits of the answer.
    most: Most,
}

impl Call {
    /// `GET /api/2.0/mlflow/<path>` with parameters in the query.
    pub(super) fn get(path: &str, query: Vec<(&'static str, String)>) -> Self {
        Self::new(Method::GET, path, query, None)
    }

    /// `POST /api/2.0/mlflow/<path>` with a JSON body.
    pub(super) fn post(path: &str, body: Value) -> Self {
        Self::new(Method::POST, path, Vec::new(), Some(body))
    }

    /// `PATCH /api/2.0/mlflow/<path>` with a JSON body.
    pub(super) fn patch(path: &str, body: Value) -> Self {
        Self::new(Method::PATCH, path, Vec::new(), Some(body))
    }

    /// `DELETE /api/2.0/mlflow/<path>` with a JSON body, because MLflow ignores the query here.
    pub(super) fn delete(path: &str, body: Value) -> Self {
        Self::new(Method::DELETE, path, Vec::new(), Some(body))
    }

    /// A request about transfers of files: `/api/2.0/mlflow-artifacts/<verbs>/<path>`.
    pub(super) fn artifacts(method: Method, verbs: &[&str], path: Vec<String>, body: Option<Value>) -> Self {
        let name = format!("{} of {}", verbs.join(" "), path.join("/"));
        let segments =
            ARTIFACTS[..3].iter().chain(verbs).map(|&segment| segment.to_owned()).chain(path).collect();
        Self { method, segments, name, query: Vec::new(), body, most: JSON }
    }

    /// Lists the directory `path` of the artifact proxy.
    pub(super) fn list_artifacts(path: String) -> Self {
        Self {
            method: Method::GET,
            segments: ARTIFACTS.map(str::to_owned).to_vec(),
            name: format!("artifacts of {path}"),
            query: vec![("path", path)],
            body: None,
            most: LISTING,
        }
    }

    fn new(method: Method, path: &str, query: Vec<(&'static str, String)>, body: Option<Value>) -> Self {
        let segments =
            ["api", "2.0", "mlflow"].into_iter().chain(path.split('/')).map(str::to_owned).collect();
        Self { method, segments, name: path.to_owned(), query, body, most: JSON }
    }

    fn url(&self, transport: &Transport) -> Url {
        let mut url = transport.url(self.segments.iter().map(String::as_str));
        if !self.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&self.query);
        }
        url
    }
}

/// The connection to one server. The HTTP client is created on the first request.
#[derive(Debug)]
pub(super) struct Transport {
    config: RestConfig,
    client: OnceLock<Client>,
    /// For the store to which the server sends its clients, by whether it uses TLS.
    store_clients: [OnceLock<Client>; 2],
    /// Whether the server passes no files on, and signs addresses in its store instead.
    signs_transfers: AtomicBool,
    turns: Semaphore,
    bodies: Bodies,
    /// The server's clock.
    pub(super) clock: Clock,
    /// Whether the server has answered, and whether a message said that it has not.
    has_answered: AtomicBool,
    has_warned: AtomicBool,
}

impl Transport {
    pub(super) fn new(config: RestConfig) -> Self {
        Self {
            config,
            client: OnceLock::new(),
            store_clients: Default::default(),
            signs_transfers: AtomicBool::new(false),
            turns: Semaphore::new(CALLS_AT_ONCE),
            bodies: Bodies::default(),
            clock: Clock::default(),
            has_answered: AtomicBool::new(false),
            has_warned: AtomicBool::new(false),
        }
    }

    pub(super) fn config(&self) -> &RestConfig {
        &self.config
    }

    /// The budget of attempts and time for one call.
    pub(super) fn budget(&self) -> RetryBudget {
        if self.has_answered.load(Ordering::Relaxed) {
            RetryBudget::new(&self.config.retry)
        } else {
            RetryBudget::of_first_call(&self.config.retry)
        }
    }

    /// Sends a request. A server that has not answered yet may not exist, so a message says soon what is waited for.
    async fn execute(&self, client: &Client, request: Request) -> reqwest::Result<Response> {
        let mut sending = std::pin::pin!(client.execute(request));
        let answer = if self.has_answered.load(Ordering::Relaxed) {
            sending.await
        } else {
            match timeout(SILENCE, &mut sending).await {
                Ok(answer) => answer,
                Err(_) => {
                    self.warn_of_silence();
                    sending.await
                }
            }
        };
        if answer.is_ok() {
            self.has_answered.store(true, Ordering::Relaxed);
        }
        answer
    }

    fn warn_of_silence(&self) {
        if !self.has_warned.swap(true, Ordering::Relaxed) {
            let server = self.config.base.origin().ascii_serialization();
            let gives_up_s = self.config.retry.connect.as_secs();
            tracing::warn!(
                server,
                gives_up_s,
                "no answer yet; check the tracking URI if the server cannot be reached"
            );
        }
    }

    /// Whether the server has said that it signs addresses in its store.
    pub(super) fn signs_transfers(&self) -> bool {
        self.signs_transfers.load(Ordering::Relaxed)
    }

    /// Notes that the server said so.
    pub(super) fn sign_transfers(&self) {
        self.signs_transfers.store(true, Ordering::Relaxed);
    }

    /// The client for the store to which the server sends its clients.
    pub(super) fn store_client(&self, name: &str, scheme: &str) -> Result<&Client, Failure> {
        let client = &self.store_clients[usize::from(scheme == "https")];
        if let Some(client) = client.get() {
            return Ok(client);
        }
        let made = self.config.store_tls.client(scheme).map_err(|error| Failure::of_setup(name, &error))?;
        Ok(client.get_or_init(|| made))
    }

    /// The longest pause within a body.
    pub(super) fn idle_timeout(&self) -> Duration {
        self.config.retry.timeout
    }

    /// The time limit of an attempt that is not the last.
    pub(super) fn attempt_timeout(&self) -> Duration {
        self.config.retry.attempt
    }

    /// Sends a call until success, a final failure, or the end of `budget`.
    pub(super) async fn json<T: DeserializeOwned>(
        &self,
        call: &Call,
        budget: &mut RetryBudget,
    ) -> Result<T, Failure> {
        loop {
            match self.attempt(call, budget.attempt_deadline()).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => budget.wait_after(failure).await?,
            }
        }
    }

    /// Sends a call once.
    pub(super) async fn attempt<T: DeserializeOwned>(
        &self,
        call: &Call,
        deadline: Instant,
    ) -> Result<T, Failure> {
        let name = format!("{} {}", call.method, call.name);
        let exchange = async {
            // Closing is an error, and this semaphore is never closed.
            let _turn = self.turns.acquire().await.ok();
            let asked = call.url(self);
            let mut request = self.request(&name, &call.method, asked.clone())?;
            if let Some(body) = &call.body {
                request = request.json(body);
            }
            let answer = self.send(&name, request).await?;
            let (status, headers, reached) =
                (answer.status(), answer.headers().clone(), answer.url().clone());
            let body = self.bodies.read(&name, answer, call.most).await?;
            let text = if body.bytes.is_empty() { b"{}".as_slice() } else { &body.bytes };
            serde_json::from_slice(text).map_err(|error| {
                let failure = match Page::of(&headers, text) {
                    Some(page) => Failure::page(&name, status, &page, "JSON"),
                    None => Failure::protocol(&name, error),
                };
                failure.reached(&asked, &reached)
            })
        };
        let started = Instant::now();
        let result = timeout_at(deadline, exchange).await.unwrap_or_else(|_| Err(Failure::timed_out(&name)));
        tracing::debug!(
            request = name,
            ok = result.is_ok(),
            ms = started.elapsed().as_millis() as u64,
            "mlflow"
        );
        result
    }

    /// The URL below the server's prefix. Each segment is percent-encoded once.
    pub(super) fn url<'a>(&self, segments: impl IntoIterator<Item = &'a str>) -> Url {
        let mut url = self.config.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        url
    }

    /// A request with the headers that every request has.
    pub(super) fn request(&self, name: &str, method: &Method, url: Url) -> Result<RequestBuilder, Failure> {
        let client = if let Some(client) = self.client.get() {
            client
        } else {
            let client = self.config.tls.client(self.config.base.scheme());
            let client = client.map_err(|error| Failure::of_setup(name, &error))?;
            self.client.get_or_init(|| client)
        };
        let mut request = client.request(method.clone(), url).header(ACCEPT, HeaderValue::from_static("*/*"));
        if let Some(authorization) = &self.config.authorization {
            request = request.header(AUTHORIZATION, authorization.clone());
        }
        if let Some(workspace) = &self.config.workspace {
            request = request.header(WORKSPACE_HEADER, workspace.clone());
        }
        Ok(request)
    }

    /// Sends a request once and returns a successful answer, whose body is not read yet. Only reads follow redirects,
    /// and only within the server, so that credentials stay with it.
    pub(super) async fn send(&self, name: &str, request: RequestBuilder) -> Result<Response, Failure> {
        let transport = |error| Failure::of_transport(name, error);
        let (client, request) = request.build_split();
        let mut request = request.map_err(transport)?;
        let (asked, bytes) = (request.url().clone(), length_of(&request));
        for _ in 0..MAX_REDIRECTS {
            let again = (request.method() == Method::GET).then(|| request.try_clone()).flatten();
            let from = request.url().clone();
            let sent = now();
            let answer = self.execute(&client, request).await.map_err(transport)?;
            let status = answer.status();
            if status.is_success() {
                self.clock.note(sent, answer.headers());
                return Ok(answer);
            }
            if !status.is_redirection() {
                let (headers, reached) = (answer.headers().clone(), answer.url().clone());
                let body = read_beginning(answer, MAX_ERROR_BYTES).await;
                let failure = Failure::of_answer(name, status, &headers, &body).reached(&asked, &reached);
                let is_too_large = status == StatusCode::PAYLOAD_TOO_LARGE;
                return Err(if is_too_large { failure.of_size(bytes, &headers, &body) } else { failure });
            }
            let headers = answer.headers().clone();
            let location = headers.get(LOCATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
            let target = from.join(location).ok().filter(|target| target.origin() == from.origin());
            match (again, target) {
                (Some(mut next), Some(target)) => {
                    *next.url_mut() = target;
                    request = next;
                }
                _ => {
                    let page = Page::of(&headers, &read_beginning(answer, MAX_ERROR_BYTES).await);
                    return Err(Failure::redirected(name, status, (&from, location), page.as_ref()));
                }
            }
        }
        Err(Failure::protocol(name, "it redirects in a loop"))
    }
}

/// The number of bytes of a request's body, if that is known before it is sent.
fn length_of(request: &Request) -> Option<u64> {
    let announced = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    announced.or_else(|| request.body()?.as_bytes().map(|bytes| bytes.len() as u64))
}
