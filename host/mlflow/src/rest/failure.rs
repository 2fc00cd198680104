//! A failed request: what it means, whether to send it again, whether it may have taken effect.
//!
//! [`TABLE`] is the one place where MLflow's error codes and HTTP statuses become [`ErrorKind`]s.

use std::fmt;
use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use serde::Deserialize;

use super::retry::{is_retryable, retry_after};
use hydra_base::error::{Error, ErrorKind};
use hydra_base::text::{QUOTED_CHARS, excerpt};

const MESSAGE_CHARS: usize = 600;

/// What identifies a kind of failed answer: MLflow's error code where there is one, else the status.
#[derive(Debug, PartialEq)]
enum Answer {
    Code(&'static str),
    Status(u16),
}

/// The rows apply from top to bottom; statuses without a row are `Server` from 500 and `BadRequest` below.
static TABLE: &[(Answer, ErrorKind)] = &[
    (Answer::Code("RESOURCE_DOES_NOT_EXIST"), ErrorKind::NotFound),
    (Answer::Code("NOT_FOUND"), ErrorKind::NotFound),
    (Answer::Code("ENDPOINT_NOT_FOUND"), ErrorKind::Unsupported),
    (Answer::Code("NOT_IMPLEMENTED"), ErrorKind::Unsupported),
    (Answer::Code("FEATURE_DISABLED"), ErrorKind::Unsupported),
    (Answer::Code("RESOURCE_ALREADY_EXISTS"), ErrorKind::AlreadyExists),
    (Answer::Code("ALREADY_EXISTS"), ErrorKind::AlreadyExists),
    (Answer::Code("INVALID_PARAMETER_VALUE"), ErrorKind::InvalidArgument),
    (Answer::Code("BAD_REQUEST"), ErrorKind::BadRequest),
    (Answer::Code("INVALID_STATE"), ErrorKind::InvalidState),
    (Answer::Code("RESOURCE_CONFLICT"), ErrorKind::InvalidState),
    (Answer::Code("ABORTED"), ErrorKind::InvalidState),
    (Answer::Code("PERMISSION_DENIED"), ErrorKind::PermissionDenied),
    (Answer::Code("CUSTOMER_UNAUTHORIZED"), ErrorKind::Unauthenticated),
    (Answer::Code("UNAUTHENTICATED"), ErrorKind::Unauthenticated),
    (Answer::Code("REQUEST_LIMIT_EXCEEDED"), ErrorKind::RateLimited),
    (Answer::Code("RESOURCE_EXHAUSTED"), ErrorKind::RateLimited),
    (Answer::Code("DEADLINE_EXCEEDED"), ErrorKind::Timeout),
    (Answer::Code("CANCELLED"), ErrorKind::Timeout),
    (Answer::Code("TEMPORARILY_UNAVAILABLE"), ErrorKind::Server),
    (Answer::Code("INTERNAL_ERROR"), ErrorKind::Server),
    (Answer::Code("DATA_LOSS"), ErrorKind::Server),
    (Answer::Status(401), ErrorKind::Unauthenticated),
    (Answer::Status(403), ErrorKind::PermissionDenied),
    // A page that says 404 or 405 means that there is no such endpoint; a missing resource has an error code.
    (Answer::Status(404), ErrorKind::Unsupported),
    (Answer::Status(405), ErrorKind::Unsupported),
    (Answer::Status(408), ErrorKind::Timeout),
    (Answer::Status(429), ErrorKind::RateLimited),
    (Answer::Status(501), ErrorKind::Unsupported),
    (Answer::Status(504), ErrorKind::Timeout),
];

fn kind_of(status: u16, code: Option<&str>) -> ErrorKind {
    let row = TABLE.iter().find(|(answer, _)| match answer {
        Answer::Code(known) => code == Some(known),
        Answer::Status(known) => *known == status,
    });
    match row {
        Some((_, kind)) => *kind,
        None if (300..400).contains(&status) => ErrorKind::Protocol,
        None if status >= 500 => ErrorKind::Server,
        None => ErrorKind::BadRequest,
    }
}

/// What a failed attempt says about the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// The server decided; asking again changes nothing.
    Final,
    /// Surely without effect: it never reached the server, or was turned away unread. Send again.
    NotDone,
    /// May have taken effect although the answer was lost. Only what can be repeated is sent again unseen.
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
    /// Another request of the same moment made the row that this one was to make.
    collided: bool,
    request: String,
    status: Option<StatusCode>,
    code: Option<String>,
    hint: Option<String>,
    source: Option<reqwest::Error>,
    retry_after: Option<Duration>,
}

#[derive(Deserialize, Default)]
struct ErrorBody {
    error_code: Option<serde_json::Value>,
    message: Option<String>,
    detail: Option<String>,
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
            hint: None,
            source: None,
            retry_after: None,
        }))
    }

    /// An answer with a status other than success, and the beginning of its body.
    pub(super) fn of_answer(request: &str, status: StatusCode, headers: &HeaderMap, body: &str) -> Self {
        let json: Option<ErrorBody> = serde_json::from_str(body).ok();
        let is_json = json.is_some();
        let ErrorBody { error_code, message, detail } = json.unwrap_or_default();
        let code = error_code.map(|code| code.as_str().map_or_else(|| code.to_string(), str::to_owned));
        let text = message.or(detail).or_else(|| plain_text(body, headers));
        let mut kind = kind_of(status.as_u16(), code.as_deref());
        let mut outcome = match kind {
            ErrorKind::RateLimited => Outcome::NotDone,
            ErrorKind::Server | ErrorKind::Timeout if is_retryable(status) => Outcome::Unknown,
            _ => Outcome::Final,
        };
        if is_json && code.is_none() && status == StatusCode::NOT_FOUND {
            // The artifact routes say it without a code.
            kind = ErrorKind::NotFound;
        }
        if text.as_deref().is_some_and(artifacts_are_not_served) {
            (kind, outcome) = (ErrorKind::Unsupported, Outcome::Final);
        }
        if text.as_deref().is_some_and(refuses_nul) {
            (kind, outcome) = (ErrorKind::InvalidArgument, Outcome::Final);
        }
        let message = match &text {
            Some(text) => format!("the server answered: {}", on_one_line(without_sql(text))),
            None if !is_json => "the server's answer is not from MLflow".to_owned(),
            None => "the server answered without a reason".to_owned(),
        };
        let mut failure = Self::new(kind, message, outcome, request);
        failure.0.collided =
            kind == ErrorKind::BadRequest && text.as_deref().is_some_and(violates_uniqueness);
        failure.0.hint = hint(kind, status, text.as_deref());
        failure.0.status = Some(status);
        failure.0.code = code;
        failure.0.retry_after = retry_after(headers);
        failure
    }

    /// No answer: the connection could not be made, broke, or stood still for too long.
    pub(super) fn of_transport(request: &str, error: reqwest::Error) -> Self {
        // Scheme, host and port: neither path nor credentials.
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

    /// The HTTP client could not be set up.
    pub(super) fn of_setup(request: &str, error: &Error) -> Self {
        let mut failure = Self::new(error.kind(), error.to_string(), Outcome::Final, request);
        failure.0.hint = error.hint().map(str::to_owned);
        failure
    }

    /// The server did not answer, or a body stood still, until waiting ended.
    pub(super) fn timed_out(request: &str) -> Self {
        let mut failure =
            Self::new(ErrorKind::Timeout, "the server did not answer in time", Outcome::Unknown, request);
        failure.0.hint = Some("increase MLFLOW_HTTP_REQUEST_TIMEOUT (seconds)".to_owned());
        failure
    }

    /// A successful answer that is not what MLflow's protocol says.
    pub(super) fn protocol(request: &str, why: impl fmt::Display) -> Self {
        let message = format!("the answer is not in MLflow's protocol: {why}");
        let mut failure = Self::new(ErrorKind::Protocol, message, Outcome::Final, request);
        failure.0.hint = Some(
            "check that the tracking URI is the address of an MLflow server, with its path prefix".to_owned(),
        );
        failure
    }

    /// A redirect that is not followed.
    pub(super) fn redirected(request: &str, status: StatusCode, target: &str) -> Self {
        let message = format!("the server redirects to `{}`", on_one_line(target));
        let mut failure = Self::new(ErrorKind::Protocol, message, Outcome::Final, request);
        failure.0.status = Some(status);
        failure.0.hint = Some("use the target of the redirect as the tracking URI".to_owned());
        failure
    }

    /// The kind.
    pub(super) fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The wait that the server asked for.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// Whether another attempt may end differently.
    pub(super) fn worth_retrying(&self) -> bool {
        self.0.outcome != Outcome::Final
    }

    /// Whether the request may have taken effect all the same.
    pub(super) fn may_have_happened(&self) -> bool {
        self.0.outcome == Outcome::Unknown
    }

    /// The same failure, worth another attempt if it lost against a request of the same moment. Only for requests that
    /// replace what they find.
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

    /// The same failure, of a request that nobody can tell whether it took effect: not to be repeated unseen.
    pub(super) fn into_ambiguous(mut self) -> Self {
        self.0.hint = Some("check whether the request took effect before you repeat it".to_owned());
        self.into_final()
    }

    /// The same failure as another kind.
    pub(super) fn into_kind(mut self, kind: ErrorKind) -> Self {
        self.0.kind = kind;
        self
    }

    /// The error, with `missing` for a resource that is not there.
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

/// The text of an answer that is neither JSON nor HTML.
fn plain_text(body: &str, headers: &HeaderMap) -> Option<String> {
    let content_type = headers.get(reqwest::header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let is_page = body.trim_start().starts_with('<');
    let is_text = content_type.is_some_and(|kind| kind.starts_with("text/"));
    (is_text && !is_page && !body.trim().is_empty()).then(|| body.to_owned())
}

/// The server's words on one line, short enough for a message, without a final period.
fn on_one_line(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    excerpt(line.trim_end_matches('.'), MESSAGE_CHARS)
}

/// The words of a database's driver, without the statement that failed: it says nothing to a user.
fn without_sql(text: &str) -> &str {
    text.split_once("[SQL:").map_or(text, |(before, _)| before)
}

/// What PostgreSQL, SQLite and MySQL say when a row is there already.
fn violates_uniqueness(text: &str) -> bool {
    ["UniqueViolation", "UNIQUE constraint failed", "Duplicate entry"]
        .iter()
        .any(|words| text.contains(words))
}

/// PostgreSQL stores no NUL; the server calls that an internal error, but asking again would not help.
fn refuses_nul(text: &str) -> bool {
    text.contains("cannot contain NUL")
}

/// A server started with `--no-serve-artifacts` says so with a status that otherwise is worth a retry.
fn artifacts_are_not_served(text: &str) -> bool {
    text.contains("serving is disabled") || text.contains("--no-serve-artifacts")
}

fn hint(kind: ErrorKind, status: StatusCode, text: Option<&str>) -> Option<String> {
    let hint = match kind {
        ErrorKind::Unauthenticated => {
            "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN"
        }
        ErrorKind::PermissionDenied if text.is_some_and(|text| text.contains("Invalid Host header")) => {
            "start the server with this host in `--allowed-hosts`"
        }
        ErrorKind::Unsupported if text.is_some_and(artifacts_are_not_served) => {
            "start the server with `--serve-artifacts`"
        }
        ErrorKind::Unsupported if matches!(status.as_u16(), 404 | 405) => {
            "check that the tracking URI is the address of an MLflow server 2.9 or newer, with its path prefix"
        }
        _ => return None,
    };
    Some(hint.to_owned())
}

/// Whether the server's certificate was refused: trying again would not help. I/O errors hide what they wrap from
/// `source`, so they are opened as well.
fn certificate_refused(error: &(dyn std::error::Error + 'static)) -> bool {
    if let Some(rustls::Error::InvalidCertificate(_)) = error.downcast_ref() {
        return true;
    }
    let wrapped = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    wrapped.is_some_and(|error| certificate_refused(error)) || error.source().is_some_and(certificate_refused)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hydra_base::text::is_unprintable;
    use reqwest::header::{CONTENT_TYPE, HeaderValue};

    fn answer(status: u16, content_type: &'static str, body: &str) -> Failure {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(content_type))]);
        Failure::of_answer("GET x", StatusCode::from_u16(status).expect("a status"), &headers, body)
    }

    fn coded(status: u16, code: &str) -> Failure {
        answer(status, "application/json", &format!(r#"{{"error_code":"{code}","message":"Because."}}"#))
    }

    /// Status and code as MLflow sends them, and what they mean here.
    #[test]
    fn every_row_of_the_table() {
        use ErrorKind as K;
        let rows: &[(u16, &str, K, bool)] = &[
            (404, "RESOURCE_DOES_NOT_EXIST", K::NotFound, false),
            (404, "NOT_FOUND", K::NotFound, false),
            (404, "ENDPOINT_NOT_FOUND", K::Unsupported, false),
            (501, "NOT_IMPLEMENTED", K::Unsupported, false),
            (500, "FEATURE_DISABLED", K::Unsupported, false),
            (400, "RESOURCE_ALREADY_EXISTS", K::AlreadyExists, false),
            (409, "ALREADY_EXISTS", K::AlreadyExists, false),
            (400, "INVALID_PARAMETER_VALUE", K::InvalidArgument, false),
            (400, "BAD_REQUEST", K::BadRequest, false),
            (500, "INVALID_STATE", K::InvalidState, false),
            (409, "RESOURCE_CONFLICT", K::InvalidState, false),
            (409, "ABORTED", K::InvalidState, false),
            (403, "PERMISSION_DENIED", K::PermissionDenied, false),
            (401, "CUSTOMER_UNAUTHORIZED", K::Unauthenticated, false),
            (401, "UNAUTHENTICATED", K::Unauthenticated, false),
            (429, "REQUEST_LIMIT_EXCEEDED", K::RateLimited, true),
            (429, "RESOURCE_EXHAUSTED", K::RateLimited, true),
            (504, "DEADLINE_EXCEEDED", K::Timeout, true),
            (499, "CANCELLED", K::Timeout, false),
            (503, "TEMPORARILY_UNAVAILABLE", K::Server, true),
            (500, "INTERNAL_ERROR", K::Server, true),
            (500, "DATA_LOSS", K::Server, true),
            (401, "", K::Unauthenticated, false),
            (403, "", K::PermissionDenied, false),
            (404, "", K::Unsupported, false),
            (405, "", K::Unsupported, false),
            (408, "", K::Timeout, true),
            (429, "", K::RateLimited, true),
            (501, "", K::Unsupported, false),
            (504, "", K::Timeout, true),
            (302, "", K::Protocol, false),
            (400, "", K::BadRequest, false),
            (418, "SOMETHING_NEW", K::BadRequest, false),
            (500, "", K::Server, true),
            (502, "", K::Server, true),
            (599, "", K::Server, false),
        ];
        for (status, code, kind, retried) in rows {
            let failure = match *code {
                "" => answer(*status, "text/html", "<!doctype html><title>x</title>"),
                code => coded(*status, code),
            };
            assert_eq!((failure.kind(), failure.worth_retrying()), (*kind, *retried), "{status} {code}");
        }
        for (known, _) in TABLE {
            let covered = rows.iter().any(|(status, code, ..)| match known {
                Answer::Code(known) => code == known,
                Answer::Status(known) => code.is_empty() && status == known,
            });
            assert!(covered, "{known:?} has no test row");
        }
    }

    #[test]
    fn a_missing_resource_takes_the_callers_kind_and_nothing_else_does() {
        let missing = |failure: Failure| failure.into_error(ErrorKind::VersionNotFound).kind();
        assert_eq!(missing(coded(404, "RESOURCE_DOES_NOT_EXIST")), ErrorKind::VersionNotFound);
        assert_eq!(
            missing(answer(404, "application/json", r#"{"detail":"Not Found"}"#)),
            ErrorKind::VersionNotFound
        );
        assert_eq!(missing(answer(404, "text/html", "<html>")), ErrorKind::Unsupported);
    }

    #[test]
    fn messages_carry_the_servers_words_and_are_tame() {
        let error: Error = coded(400, "BAD_REQUEST").into();
        assert_eq!(
            error.to_string(),
            "the server answered: Because (request: GET x, status: 400, error_code: BAD_REQUEST)"
        );
        let long =
            format!(r#"{{"message":"a\u001b[2Jb\n\n\u2028\u202e\udb40\udc41  {}"}}"#, "x".repeat(5000));
        let error: Error = answer(500, "application/json", &long).into();
        assert!(error.message().len() < 700 && !error.message().chars().any(is_unprintable));
        let page: Error = answer(502, "text/html", "<html>Bad Gateway</html>").into();
        assert_eq!(page.message(), "the server's answer is not from MLflow");
        let host = answer(403, "text/plain", "Invalid Host header - possible DNS rebinding attack detected");
        assert!(Error::from(host).hint().is_some_and(|hint| hint.contains("--allowed-hosts")));
    }

    #[test]
    fn what_a_database_says_is_told_without_its_statement() {
        let words =
            "(psycopg2.errors.StringDataRightTruncation) value too long for type character varying(5000)";
        let body = format!(r#"{{"error_code":"BAD_REQUEST","message":"{words}\n\n[SQL: INSERT INTO x]"}}"#);
        let failure = answer(400, "application/json", &body);
        assert_eq!(
            failure.to_string(),
            format!("the server answered: {words} (request: GET x, status: 400)")
        );
    }

    #[test]
    fn a_collision_is_repeatable_where_its_caller_says_so() {
        let words = "(psycopg2.errors.UniqueViolation) duplicate key value violates unique constraint";
        let body = format!(r#"{{"error_code":"BAD_REQUEST","message":"{words}"}}"#);
        let collision = answer(400, "application/json", &body);
        assert!(!collision.worth_retrying());
        assert!(collision.repeatable_if_collided().worth_retrying());
        assert!(!coded(400, "BAD_REQUEST").repeatable_if_collided().worth_retrying());
        assert!(!coded(404, "RESOURCE_DOES_NOT_EXIST").repeatable_if_collided().worth_retrying());
    }

    #[test]
    fn a_text_that_no_database_takes_is_not_sent_again() {
        let words = "A string literal cannot contain NUL (0x00) characters.";
        let failure = answer(
            500,
            "application/json",
            &format!(r#"{{"error_code":"INTERNAL_ERROR","message":"{words}"}}"#),
        );
        assert_eq!((failure.kind(), failure.worth_retrying()), (ErrorKind::InvalidArgument, false));
    }

    #[test]
    fn a_server_without_artifacts_is_not_asked_again() {
        for (content_type, body) in [
            ("application/json", r#"{"detail":"Artifact serving is disabled"}"#),
            (
                "text/plain",
                "Endpoint disabled due to the mlflow server running in `--no-serve-artifacts` mode",
            ),
        ] {
            let failure = answer(503, content_type, body);
            assert_eq!((failure.kind(), failure.worth_retrying()), (ErrorKind::Unsupported, false));
        }
    }
}
