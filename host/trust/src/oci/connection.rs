//! Requests to one repository of a registry: authentication, redirects, and bodies within limits.
//!
//! The registry may be hostile: it sends endless bodies, slow ones, redirects, and addresses of token services. Every request has a
//! deadline, every body a limit, and credentials go to the registry and its own token service only.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue, LOCATION, WWW_AUTHENTICATE};
use reqwest::{Certificate, Client, Method, Response, StatusCode, redirect};
use serde::Deserialize;
use url::Url;

use super::challenge::Challenge;
use super::credentials::{Credentials, TOKEN_VARIABLE};
use super::failure::{of_status, of_transport, protocol};
use super::reference::{Reference, is_loopback};
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::text::{QUOTED_CHARS, excerpt};
use hydra_base::tls;

/// The most redirects of one request.
const MAX_REDIRECTS: usize = 5;

/// The most bytes of the answer of a token service.
const MAX_TOKEN_BYTES: u64 = 64 << 10;

/// The slowest transfer that is waited for, in bytes per second.
const SLOWEST: u64 = 64 << 10;

/// The most bytes of an error of a registry that are read.
const MAX_ERROR_BYTES: u64 = 8 << 10;

/// What a caller wants to do in a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Pull,
    Push,
}

/// A connection to a repository.
#[derive(Debug)]
pub(super) struct Connection {
    http: Client,
    base: Url,
    reference: Reference,
    access: Access,
    patience: Duration,
    credentials: Option<Credentials>,
    authorization: Mutex<Option<HeaderValue>>,
}

/// A request.
#[derive(Debug)]
pub(super) struct Call {
    pub method: Method,
    pub url: Url,
    pub accept: Option<&'static str>,
    pub body: Option<(&'static str, Vec<u8>)>,
    /// The bytes that are sent or expected, for the deadline.
    pub bytes: u64,
}

impl Call {
    pub(super) fn new(method: Method, url: Url) -> Self {
        Self { method, url, accept: None, body: None, bytes: 0 }
    }
}

impl Connection {
    pub(super) fn open(
        reference: &Reference,
        access: Access,
        credentials: Option<Credentials>,
        plain_http: bool,
        patience: Duration,
    ) -> Result<Self> {
        let scheme = if reference.is_local() || plain_http { "http" } else { "https" };
        let base = format!("{scheme}://{}/v2/{}/", reference.address(), reference.repository());
        let base = Url::parse(&base).map_err(|error| {
            Error::new(ErrorKind::InvalidReference, format!("the registry has no address: `{reference}`"))
                .with_source(error)
        })?;
        tls::install_provider();
        let mut builder = Client::builder()
            .user_agent(concat!("hydra-registry/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            // Digests are of the bytes that are sent.
            .no_gzip()
            .connect_timeout(patience.min(Duration::from_secs(10)))
            .read_timeout(patience);
        if reference.is_local() {
            builder = builder.no_proxy();
        }
        let unusable =
            |error| Error::new(ErrorKind::Config, "cannot set up the HTTP client").with_source(error);
        let embedded = tls::embedded_authorities().map(Certificate::from_der);
        let embedded: Vec<_> = embedded.collect::<Result<_, _>>().map_err(unusable)?;
        if scheme == "http" || !embedded.is_empty() {
            builder = builder.tls_certs_only(embedded);
        }
        Ok(Self {
            http: builder.build().map_err(unusable)?,
            base,
            reference: reference.clone(),
            access,
            patience,
            credentials,
            authorization: Mutex::default(),
        })
    }

    /// The address of a path in the repository.
    pub(super) fn url(&self, path: &str) -> Result<Url> {
        self.base.join(path).map_err(|error| {
            Error::new(ErrorKind::Internal, "cannot make an address in the repository").with_source(error)
        })
    }

    /// The registry's answer to a request, whatever its status is, except for one that asks for authentication.
    pub(super) async fn send(&self, call: &Call) -> Result<Response> {
        let answer = self.attempt(call, true).await?;
        if answer.status() != StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        self.authenticate(&answer).await?;
        let answer = self.attempt(call, true).await?;
        if answer.status() == StatusCode::UNAUTHORIZED {
            return Err(self.refused(answer).await);
        }
        Ok(answer)
    }

    /// [`send`](Self::send), for content that registries keep elsewhere: follows redirects, without credentials beyond the registry.
    pub(super) async fn follow(&self, mut call: Call) -> Result<Response> {
        let mut answer = self.send(&call).await?;
        for _ in 0..MAX_REDIRECTS {
            if !answer.status().is_redirection() {
                return Ok(answer);
            }
            let next = self.location(&answer, &call.url)?;
            if !self.may_lead_to(&next) {
                return Err(self.redirected(&next, "to where requests do not follow"));
            }
            call.url = next;
            let with_credentials = call.url.origin() == self.base.origin();
            answer = self.attempt(&call, with_credentials).await?;
        }
        let error = Error::new(ErrorKind::RegistryRedirect, "the registry redirects without end");
        Err(error.with_context("registry", self.reference.registry()))
    }

    /// Where an answer points, if that is in this registry: [`ErrorKind::RegistryRedirect`] otherwise.
    pub(super) fn location_here(&self, answer: &Response) -> Result<Url> {
        let next = self.location(answer, answer.url())?;
        if next.origin() == self.base.origin() && next.password().is_none() && next.username().is_empty() {
            return Ok(next);
        }
        Err(self.redirected(&next, "to another host, which must not receive the credentials"))
    }

    /// The error of an answer that the caller did not expect.
    pub(super) async fn refused(&self, answer: Response) -> Error {
        if answer.status().is_redirection() {
            return match self.location(&answer, answer.url()) {
                Ok(next) => self.redirected(&next, "where no redirect belongs"),
                Err(error) => error,
            };
        }
        let status = answer.status();
        // What cannot be read says nothing.
        let body = self.read(answer, MAX_ERROR_BYTES).await.unwrap_or_default().unwrap_or_default();
        of_status(status, &body, &self.reference, self.credentials.is_some())
    }

    /// The bytes of a body; none if there are more than `most`.
    pub(super) async fn read(&self, mut answer: Response, most: u64) -> Result<Option<Vec<u8>>> {
        if answer.content_length().is_some_and(|length| length > most) {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| of_transport(error, &self.reference))? {
            if (bytes.len() + chunk.len()) as u64 > most {
                return Ok(None);
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(Some(bytes))
    }

    async fn attempt(&self, call: &Call, with_credentials: bool) -> Result<Response> {
        let deadline = self.patience.saturating_mul(2) + Duration::from_secs(call.bytes / SLOWEST);
        let mut request = self.http.request(call.method.clone(), call.url.clone()).timeout(deadline);
        if let Some(accept) = call.accept {
            request = request.header(ACCEPT, accept);
        }
        if let Some((content_type, body)) = &call.body {
            request = request.header(CONTENT_TYPE, *content_type).body(body.clone());
        }
        let authorization = self.authorization.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(value) = authorization.filter(|_| with_credentials) {
            request = request.header(AUTHORIZATION, value);
        }
        request.send().await.map_err(|error| of_transport(error, &self.reference))
    }

    fn location(&self, answer: &Response, from: &Url) -> Result<Url> {
        let text = answer.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        let next = text.and_then(|text| from.join(text).ok());
        next.ok_or_else(|| protocol("the registry redirects without an address", &self.reference))
    }

    /// Whether a request without credentials may follow a redirect: never from encryption to none, and not from elsewhere to this
    /// machine or its neighbours.
    fn may_lead_to(&self, next: &Url) -> bool {
        let host = next.host_str().unwrap_or_default();
        let is_encrypted =
            next.scheme() == "https" || (next.scheme() == "http" && self.base.scheme() == "http");
        let is_inside = !self.reference.is_local() && (is_loopback(host) || is_near(host));
        is_encrypted && !is_inside && next.username().is_empty() && next.password().is_none()
    }

    fn redirected(&self, next: &Url, why: &str) -> Error {
        let to = next.host_str().map(str::to_owned).unwrap_or_default();
        Error::new(ErrorKind::RegistryRedirect, format!("the registry redirects {why}"))
            .with_context("registry", self.reference.registry())
            .with_context("to", excerpt(format!("{}://{to}", next.scheme()), QUOTED_CHARS))
    }

    /// Obtains what the registry asks for in its answer.
    async fn authenticate(&self, answer: &Response) -> Result<()> {
        let headers = answer.headers().get_all(WWW_AUTHENTICATE).iter();
        let challenges: Vec<Challenge> =
            headers.filter_map(|value| Challenge::parse(value.to_str().ok()?)).collect();
        let value = match (&self.credentials, &challenges[..]) {
            (Some(Credentials::Bearer(token)), _) => format!("Bearer {token}"),
            (_, [Challenge::Bearer { realm, service, scope }, ..]) => {
                let token = self.token(realm, service.as_deref(), scope.as_deref()).await?;
                format!("Bearer {token}")
            }
            (Some(Credentials::Password { username, password }), [Challenge::Basic, ..]) => {
                basic(username, password)
            }
            _ => {
                return Err(of_status(
                    StatusCode::UNAUTHORIZED,
                    &[],
                    &self.reference,
                    self.credentials.is_some(),
                ));
            }
        };
        let mut value = HeaderValue::from_str(&value)
            .map_err(|_| protocol("the token is not one that a request can have", &self.reference))?;
        value.set_sensitive(true);
        *self.authorization.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
        Ok(())
    }

    /// A token of a registry's token service.
    async fn token(&self, realm: &str, service: Option<&str>, scope: Option<&str>) -> Result<String> {
        #[derive(Deserialize)]
        struct Answer {
            #[serde(default)]
            token: String,
            #[serde(default)]
            access_token: String,
        }
        let mut url = Url::parse(realm).map_err(|error| {
            protocol("the address of the token service is not one", &self.reference).with_source(error)
        })?;
        self.check_token_service(&url)?;
        let wanted = match self.access {
            Access::Pull => format!("repository:{}:pull", self.reference.repository()),
            Access::Push => format!("repository:{}:pull,push", self.reference.repository()),
        };
        // The registry knows better which scope it wants, as long as it is one of this repository.
        let scope =
            scope.filter(|scope| scope.starts_with(&format!("repository:{}:", self.reference.repository())));
        let scope = scope.unwrap_or(&wanted);
        let request = if let Some(Credentials::Identity(token)) = &self.credentials {
            let pairs = [
                ("grant_type", "refresh_token"),
                ("client_id", "hydra-registry"),
                ("service", service.unwrap_or_default()),
                ("scope", scope),
                ("refresh_token", token),
            ];
            let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
            let body = pairs.map(|(key, value)| format!("{key}={}", encoded(value))).join("&");
            self.http.post(url).header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(body)
        } else {
            let mut query = url.query_pairs_mut();
            query.append_pair("scope", scope);
            if let Some(service) = service {
                query.append_pair("service", service);
            }
            drop(query);
            let request = self.http.get(url);
            match &self.credentials {
                Some(Credentials::Password { username, password }) => {
                    request.header(AUTHORIZATION, basic(username, password))
                }
                _ => request,
            }
        };
        let answer = request.timeout(self.patience.saturating_mul(2)).send().await;
        let answer = answer.map_err(|error| of_transport(error, &self.reference))?;
        if !answer.status().is_success() {
            return Err(self.refused(answer).await);
        }
        let bytes = self.read(answer, MAX_TOKEN_BYTES).await?;
        let answer = bytes.and_then(|bytes| serde_json::from_slice::<Answer>(&bytes).ok());
        let token =
            answer.map(|Answer { token, access_token }| if token.is_empty() { access_token } else { token });
        token
            .filter(|token| !token.is_empty())
            .ok_or_else(|| protocol("the answer of the token service has no token", &self.reference))
    }

    /// Refuses a token service that is not the registry's own, if there are credentials that it would receive.
    fn check_token_service(&self, service: &Url) -> Result<()> {
        let is_encrypted = service.scheme() == "https" || service.origin() == self.base.origin();
        if is_encrypted && (self.credentials.is_none() || belong_together(&self.base, service)) {
            return Ok(());
        }
        let message = "the registry asks to send the credentials to a token service that is not its own";
        Err(Error::new(ErrorKind::ForeignTokenService, message)
            .with_context("registry", self.reference.registry())
            .with_context("service", excerpt(service.host_str().unwrap_or_default(), QUOTED_CHARS))
            .with_hint(format!("if it is, get a token from it yourself and set `{TOKEN_VARIABLE}`")))
    }
}

/// Whether a host is this machine or one on its link, by its address. An IPv4 address in one of IPv6 is that address.
fn is_near(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    address.is_ok_and(|address| match address.to_canonical() {
        IpAddr::V4(v4) => v4.is_link_local() || v4.is_unspecified(),
        IpAddr::V6(v6) => v6.is_unicast_link_local() || v6.is_unspecified(),
    })
}

/// Whether two hosts are of one domain: `auth.docker.io` and `registry-1.docker.io`, `gitlab.com` and `registry.gitlab.com`. Addresses
/// and single names only with themselves.
fn belong_together(one: &Url, other: &Url) -> bool {
    if one.origin() == other.origin() {
        return true;
    }
    let (Some(one), Some(other)) = (one.domain(), other.domain()) else { return false };
    let domain = |host: &str| {
        let mut labels = host.rsplit('.');
        let (top, second) = (labels.next()?, labels.next()?);
        Some(format!("{second}.{top}").to_ascii_lowercase())
    };
    domain(one).is_some() && domain(one) == domain(other)
}

fn basic(username: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{username}:{password}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_belong_together_by_their_domain() {
        let url = |text: &str| Url::parse(text).unwrap();
        for (one, other, expected) in [
            ("https://registry-1.docker.io", "https://auth.docker.io/token", true),
            ("https://registry.gitlab.com", "https://gitlab.com/jwt/auth", true),
            ("https://ghcr.io", "https://ghcr.io/token", true),
            ("http://127.0.0.1:5000", "http://127.0.0.1:5000/auth", true),
            ("http://127.0.0.1:5000", "http://127.0.0.1:5001/auth", false),
            ("https://r.example", "https://evil.example.com", false),
            ("https://docker.io.evil.com", "https://docker.io", false),
            ("https://registry", "https://auth", false),
        ] {
            assert_eq!(belong_together(&url(one), &url(other)), expected, "{one} {other}");
        }
    }

    #[test]
    fn redirects_stay_encrypted_and_outside_of_this_machine() {
        let connection = |reference: &str, plain| {
            let reference: Reference = reference.parse().unwrap();
            Connection::open(&reference, Access::Pull, None, plain, Duration::from_secs(1)).unwrap()
        };
        let (remote, local) = (connection("r.example/a:1", false), connection("127.0.0.1:5000/a:1", false));
        let plain = connection("r.example/a:1", true);
        for (next, from_remote, from_plain, from_local) in [
            ("https://cdn.example/x", true, true, true),
            ("http://cdn.example/x", false, true, true),
            ("https://127.0.0.1/x", false, false, true),
            ("https://localhost/x", false, false, true),
            ("http://169.254.169.254/latest", false, false, true),
            ("https://[::ffff:127.0.0.1]/x", false, false, true),
            ("https://[::ffff:169.254.169.254]/x", false, false, true),
            ("https://[fe90::1]/x", false, false, true),
            ("https://[::]/x", false, false, true),
            ("https://0.0.0.0/x", false, false, true),
            ("https://[2001:db8::1]/x", true, true, true),
            ("https://u:p@cdn.example/x", false, false, false),
            ("file:///etc/passwd", false, false, false),
        ] {
            let next = Url::parse(next).unwrap();
            assert_eq!(
                [&remote, &plain, &local].map(|connection| connection.may_lead_to(&next)),
                [from_remote, from_plain, from_local],
                "{next}"
            );
        }
    }
}
