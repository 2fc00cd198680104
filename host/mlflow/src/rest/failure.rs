//! A failed request: its kind, whether to repeat it, and whether it may have taken effect.

mod foreign;
mod store;

use std::fmt;
use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::HeaderMap;

use super::answer::{
    ErrorBody, artifacts_are_not_served, gave_up_creating, hint, is_retryable, kind_of, lost_to_another,
    on_one_line, plain_text, refuses_nul, retry_after, violates_uniqueness, without_sql,
};
use super::web_page::Page;
use hydra_base::error::{Error, ErrorKind};
use hydra_base::text::{QUOTED_CHARS, excerpt};

/// The hint for an answer that MLflow does not give.
const NOT_FROM_MLFLOW: &str =
    "check that the tracking URI is the address of an MLflow server, with its path prefix";

/// The consequence of a failed attempt for the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// The server rejected the request; a repetition would not change that.
    Final,
    /// The request certainly had no effect: it did not reach the server, or the server rejected it unread. Repeat it.
    NotDone,
    /// The request may have taken effect, but the answer was lost. Only idempotent requests are repeated without a
    /// check.
    Unknown,
}

/// One failed request.
#[derive(Debug)]
pub(super) struct Failure(Box<Details>);

#[derive(Debug)]
struct Details {
    kind: ErrorKind,
    message: String,
    outcome: Outcome,
    /// A concurrent request created the row that this one should have created.
    collided: bool,
    request: String,
    status: Option<StatusCode>,
    code: Option<String>,
    /// Where the request was redirected to before this answer.
    redirected_to: Option<String>,
    /// The server passes no files on, and signs addresses in its store instead.
    wants_signed_transfers: bool,
    hint: Option<String>,
    source: Option<reqwest::Error>,
    retry_after: Option<Duration>,
}

impl Failure {
    fn new(kind: ErrorKind, message: impl Into<String>, outcome: Outcome, request: &str) -> Self {
        Self(Box::new(Details {
            kind,
            message: message.into(),
            outcome,
            collided: false,
            request: request.to_owned(),
            status: None,
            code: None,
            redirected_to: None,
            wants_signed_transfers: false,
            hint: None,
            source: None,
            retry_after: None,
        }))
    }

    /// An answer with a status other than success; `body` is the beginning of its body.
    pub(super) fn of_answer(request: &str, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Self {
        let page = Page::of(headers, body);
        let body = String::from_utf8_lossy(body);
        let json: Option<ErrorBody> = serde_json::from_str(&body).ok();
        let is_json = json.is_some();
        let ErrorBody { error_code, message, detail, artifacts_presigned_only } = json.unwrap_or_default();
        let code = error_code.map(|code| code.as_str().map_or_else(|| code.to_string(), str::to_owned));
        let text = message.or(detail).or_else(|| plain_text(&body, headers));
        let mut kind = kind_of(status.as_u16(), code.as_deref());
        let mut outcome = match kind {
            ErrorKind::RateLimited => Outcome::NotDone,
            ErrorKind::Server | ErrorKind::Timeout if is_retryable(status) => Outcome::Unknown,
            _ => Outcome::Final,
        };
        if is_json && code.is_none() && status == StatusCode::NOT_FOUND {
            // The artifact routes answer without an error code.
            kind = ErrorKind::NotFound;
        }
        if text.as_deref().is_some_and(artifacts_are_not_served) {
            (kind, outcome) = (ErrorKind::Unsupported, Outcome::Final);
        }
        if text.as_deref().is_some_and(refuses_nul) {
            (kind, outcome) = (ErrorKind::InvalidArgument, Outcome::Final);
        }
        if kind == ErrorKind::Server && text.as_deref().is_some_and(gave_up_creating) {
            outcome = Outcome::NotDone;
        }
        if kind == ErrorKind::BadRequest && text.as_deref().is_some_and(lost_to_another) {
            // MLflow may have committed an earlier transaction of the same request.
            (kind, outcome) = (ErrorKind::Server, Outcome::Unknown);
        }
        let message = match (&text, &page) {
            (Some(text), _) => format!("the server answered: {}", on_one_line(without_sql(text))),
            (None, Some(page)) => format!("the server answered with {}", page.described()),
            (None, None) if !is_json => "the server's answer is not from MLflow".to_owned(),
            (None, None) => "the server answered without a reason".to_owned(),
        };
        let mut failure = Self::new(kind, message, outcome, request);
        failure.0.collided =
            kind == ErrorKind::BadRequest && text.as_deref().is_some_and(violates_uniqueness);
        let of_page = page.and_then(|_| foreign::hint(kind, status));
        failure.0.hint = hint(kind, status, text.as_deref()).or_else(|| of_page.map(str::to_owned));
        failure.0.status = Some(status);
        failure.0.code = code;
        failure.0.wants_signed_transfers = artifacts_presigned_only == Some(true.into());
        failure.0.retry_after = retry_after(headers);
        failure
    }

    /// No answer: the connection failed, broke or timed out.
    pub(super) fn of_transport(request: &str, error: reqwest::Error) -> Self {
        // Scheme, host and port, without path and credentials.
        let server =
            error.url().map_or_else(|| "the server".to_owned(), |url| url.origin().ascii_serialization());
        let error = error.without_url();
        let mut failure = if certificate_refused(&error) {
            let mut failure = Self::new(
                ErrorKind::Unreachable,
                format!("cannot verify the certificate of {server}"),
                Outcome::Final,
                request,
            );
            failure.0.hint = Some("set MLFLOW_TRACKING_SERVER_CERT_PATH to its CA bundle".to_owned());
            failure
        } else if error.is_connect() {
            let mut failure = Self::new(
                ErrorKind::Unreachable,
                format!("cannot reach {server}"),
                Outcome::NotDone,
                request,
            );
            failure.0.hint =
                Some("check that the server is running and that the tracking URI is correct".to_owned());
            failure
        } else if error.is_timeout() {
            Self::timed_out(request)
        } else if error.is_builder() {
            Self::new(ErrorKind::Internal, "cannot build the request", Outcome::Final, request)
        } else {
            let message = format!("the connection to {server} failed");
            Self::new(ErrorKind::Unreachable, message, Outcome::Unknown, request)
        };
        failure.0.source = Some(error);
        failure
    }

    /// The HTTP client could not be created.
    pub(super) fn of_setup(request: &str, error: &Error) -> Self {
        let mut failure = Self::new(error.kind(), error.to_string(), Outcome::Final, request);
        failure.0.hint = error.hint().map(str::to_owned);
        failure
    }

    /// The answer did not arrive, or a body stalled, until the deadline.
    pub(super) fn timed_out(request: &str) -> Self {
        let mut failure =
            Self::new(ErrorKind::Timeout, "the server did not answer in time", Outcome::Unknown, request);
        failure.0.hint = Some("increase MLFLOW_HTTP_REQUEST_TIMEOUT (seconds)".to_owned());
        failure
    }

    /// A successful answer that does not follow MLflow's protocol.
    pub(super) fn protocol(request: &str, why: impl fmt::Display) -> Self {
        let message = format!("the answer is not in MLflow's protocol: {why}");
        let mut failure = Self::new(ErrorKind::Protocol, message, Outcome::Final, request);
        failure.0.hint = Some(NOT_FROM_MLFLOW.to_owned());
        failure
    }

    /// An answer with more than `limit` bytes or values.
    pub(super) fn too_large(request: &str, limit: usize, of: &str) -> Self {
        let message = format!("the answer of the server has more than {limit} {of}");
        let mut failure = Self::new(ErrorKind::AnswerSize, message, Outcome::Final, request);
        failure.0.hint = Some(NOT_FROM_MLFLOW.to_owned());
        failure
    }

    /// A page of a listing that does not continue the pages before it.
    pub(super) fn listing(request: &str, why: &str) -> Self {
        let message = format!("the listing of the server {why}");
        let mut failure = Self::new(ErrorKind::EndlessListing, message, Outcome::Final, request);
        failure.0.hint = Some(NOT_FROM_MLFLOW.to_owned());
        failure
    }

    /// The kind.
    pub(super) fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The wait that the server requested.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// Whether another attempt may succeed.
    pub(super) fn worth_retrying(&self) -> bool {
        self.0.outcome != Outcome::Final
    }

    /// Whether the server refused to pass a file on, and signs addresses in its store instead.
    pub(super) fn wants_signed_transfers(&self) -> bool {
        self.0.wants_signed_transfers
    }

    /// Whether there was no connection to the server.
    pub(super) fn is_without_connection(&self) -> bool {
        self.0.kind == ErrorKind::Unreachable && self.0.outcome == Outcome::NotDone
    }

    /// A failure to connect.
    #[cfg(test)]
    pub(super) fn without_connection(request: &str) -> Self {
        Self::new(ErrorKind::Unreachable, "cannot reach it", Outcome::NotDone, request)
    }

    /// Whether the request may have taken effect despite the failure.
    pub(super) fn may_have_happened(&self) -> bool {
        self.0.outcome == Outcome::Unknown
    }

    /// The same failure, but retryable if the request collided with a concurrent one. Only for requests that replace
    /// existing values.
    pub(super) fn repeatable_if_collided(mut self) -> Self {
        if self.0.collided {
            self.0.outcome = Outcome::NotDone;
        }
        self
    }

    /// The same failure, as final.
    pub(super) fn into_final(mut self) -> Self {
        self.0.outcome = Outcome::Final;
        self
    }

    /// The same failure, for a request that may have taken effect and must not be repeated without a check.
    pub(super) fn into_ambiguous(mut self) -> Self {
        self.0.hint = Some("check whether the request took effect before you repeat it".to_owned());
        self.into_final()
    }

    /// The same failure as another kind.
    pub(super) fn into_kind(mut self, kind: ErrorKind) -> Self {
        self.0.kind = kind;
        self
    }

    /// Converts to an error; `missing` is the kind for a missing resource.
    pub(super) fn into_error(self, missing: ErrorKind) -> Error {
        let retryable = self.worth_retrying();
        let details = *self.0;
        let kind = if details.kind == ErrorKind::NotFound { missing } else { details.kind };
        let mut error = Error::new(kind, details.message)
            .with_context("request", details.request)
            .with_retryable(retryable);
        if let Some(status) = details.status {
            error = error.with_context("status", status.as_u16());
        }
        if let Some(target) = &details.redirected_to {
            error = error.with_context("redirected to", on_one_line(target));
        }
        if let Some(code) = &details.code {
            error = error.with_context("error_code", excerpt(code, QUOTED_CHARS));
        }
        if let Some(hint) = details.hint {
            error = error.with_hint(hint);
        }
        match details.source {
            Some(source) => error.with_source(source),
            None => error,
        }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        failure.into_error(ErrorKind::NotFound)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (request: {}", self.0.message, self.0.request)?;
        if let Some(status) = self.0.status {
            write!(f, ", status: {}", status.as_u16())?;
        }
        f.write_str(")")
    }
}

/// Whether the server's certificate was rejected, so that a repetition would not help. `source` of an I/O error skips
/// the error that it wraps, so that one is checked, too.
fn certificate_refused(error: &(dyn std::error::Error + 'static)) -> bool {
    if let Some(rustls::Error::InvalidCertificate(_)) = error.downcast_ref() {
        return true;
    }
    let wrapped = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    wrapped.is_some_and(|error| certificate_refused(error)) || error.source().is_some_and(certificate_refused)
}

#[cfg(test)]
mod tests;
