//! The meaning of answers other than success.
//!
//! [`TABLE`] is the only code that maps MLflow's error codes and HTTP statuses to [`ErrorKind`]s.

use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use serde::Deserialize;

use hydra_base::error::ErrorKind;
use hydra_base::text::excerpt;

const MESSAGE_CHARS: usize = 600;

/// The key of a row: MLflow's error code, or the status of an answer without one.
#[derive(Debug, PartialEq)]
pub(super) enum Answer {
    Code(&'static str),
    Status(u16),
}

/// The first matching row applies. Statuses without a row are `Server` from 500 and `BadRequest` below.
pub(super) static TABLE: &[(Answer, ErrorKind)] = &[
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
    // Status 404 or 405 without an error code means that the endpoint does not exist; a missing resource has a code.
    (Answer::Status(404), ErrorKind::Unsupported),
    (Answer::Status(405), ErrorKind::Unsupported),
    (Answer::Status(408), ErrorKind::Timeout),
    (Answer::Status(429), ErrorKind::RateLimited),
    (Answer::Status(501), ErrorKind::Unsupported),
    (Answer::Status(504), ErrorKind::Timeout),
];

pub(super) fn kind_of(status: u16, code: Option<&str>) -> ErrorKind {
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

#[derive(Deserialize, Default)]
pub(super) struct ErrorBody {
    pub(super) error_code: Option<serde_json::Value>,
    pub(super) message: Option<String>,
    pub(super) detail: Option<String>,
    /// Of an answer to a transfer of a file, since MLflow 3.18.
    pub(super) artifacts_presigned_only: Option<serde_json::Value>,
}

/// The statuses after which MLflow's own client repeats a request.
pub(super) fn is_retryable(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 429 | 500 | 502 | 503 | 504)
}

/// The wait that a server requests, as seconds or as a date.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
    Some(Duration::try_from(date.duration_since(jiff::Timestamp::now())).unwrap_or(Duration::ZERO))
}

/// The text of an answer that is neither JSON nor HTML.
pub(super) fn plain_text(body: &str, headers: &HeaderMap) -> Option<String> {
    let content_type = headers.get(reqwest::header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let is_page = body.trim_start().starts_with('<');
    let is_text = content_type.is_some_and(|kind| kind.starts_with("text/"));
    (is_text && !is_page && !body.trim().is_empty()).then(|| body.to_owned())
}

/// The server's message on one line, truncated, without a final period.
pub(super) fn on_one_line(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    excerpt(line.trim_end_matches('.'), MESSAGE_CHARS)
}

/// The message of a database driver without the failed statement, which does not help a user.
pub(super) fn without_sql(text: &str) -> &str {
    text.split_once("[SQL:").map_or(text, |(before, _)| before)
}

/// Whether the message is that of a database for a row that exists already.
pub(super) fn violates_uniqueness(text: &str) -> bool {
    contains_any(without_sql(text), &DUPLICATES)
}

/// Whether the message says that the database took the transaction back because of another one, or never began it: the same
/// request can succeed. MLflow answers most of these failures with a status that means a malformed request.
pub(super) fn lost_to_another(text: &str) -> bool {
    contains_any(without_sql(text), &ROLLED_BACK)
}

/// Whether MLflow says that it tried to create a version a few times and took each attempt back, because others took the number.
pub(super) fn gave_up_creating(text: &str) -> bool {
    text.contains("Model Version creation error") && text.contains("Giving up after")
}

fn contains_any(text: &str, words: &[&str]) -> bool {
    words.iter().any(|words| text.contains(words))
}

/// The words of PostgreSQL, SQLite, MySQL and SQL Server for a row that exists already.
static DUPLICATES: [&str; 5] = [
    "UniqueViolation",
    "UNIQUE constraint failed",
    "Duplicate entry",
    "Violation of PRIMARY KEY constraint",
    "Violation of UNIQUE KEY constraint",
];

/// The words of SQLAlchemy and of the databases for a transaction that failed because of others.
static ROLLED_BACK: [&str; 20] = [
    // SQLAlchemy's `StaleDataError` and `ObjectDeletedError`: another transaction deleted the row after this one read it.
    "row(s); 0 were matched",
    "Only 0 were matched",
    "has been deleted, or its row is otherwise not present",
    // PostgreSQL: 40P01, 40001, 55P03.
    "deadlock detected",
    "could not serialize access",
    "could not obtain lock on",
    "due to lock timeout",
    // MySQL and MariaDB: 1213, 1205, 1020.
    "Deadlock found when trying to get lock",
    "Lock wait timeout exceeded",
    "Record has changed since last read",
    // SQL Server: 1205, 1222, 3960. The driver reports the first as an error of no class, so that it is not `OperationalError`.
    "was deadlocked on lock resources",
    "Lock request time out period exceeded",
    "Snapshot isolation transaction aborted due to update conflict",
    // SQLite: SQLITE_BUSY and SQLITE_LOCKED.
    "database is locked",
    "database table is locked",
    // CockroachDB's name for a serialization failure.
    "restart transaction",
    // SQLAlchemy found no free connection, or a closed one, before it sent anything.
    "QueuePool limit of size",
    "Can't reconnect until invalid transaction is rolled back",
    "connection already closed",
    "This Session's transaction has been rolled back",
];

/// PostgreSQL does not store NUL. The server reports an internal error, but a repeated request would fail again.
pub(super) fn refuses_nul(text: &str) -> bool {
    text.contains("cannot contain NUL")
}

/// A server started with `--no-serve-artifacts` reports it with a status that is retryable otherwise.
pub(super) fn artifacts_are_not_served(text: &str) -> bool {
    text.contains("serving is disabled") || text.contains("--no-serve-artifacts")
}

pub(super) fn hint(kind: ErrorKind, status: StatusCode, text: Option<&str>) -> Option<String> {
    let hint = match kind {
        ErrorKind::Unauthenticated => {
            "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN"
        }
        ErrorKind::PermissionDenied if text.is_some_and(|text| text.contains("Invalid Host header")) => {
            "start the server with this host in `--allowed-hosts`"
        }
        ErrorKind::PermissionDenied if text.is_some_and(|text| text.contains("Permission denied")) => {
            "docs/deployment.md names the permissions that each command needs"
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

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::HeaderValue;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let parse = |text: &str| {
            let value = HeaderValue::from_str(text).expect("a header");
            retry_after(&HeaderMap::from_iter([(RETRY_AFTER, value)]))
        };
        assert_eq!(parse("4"), Some(Duration::from_secs(4)));
        assert_eq!(parse("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::ZERO));
        assert!(parse("Fri, 01 Jan 2100 00:00:00 GMT").is_some_and(|wait| wait > Duration::from_secs(1000)));
        assert_eq!(parse("soon"), None);
        assert_eq!(retry_after(&HeaderMap::new()), None);
    }

    #[test]
    fn only_some_statuses_are_retried() {
        let retried: Vec<u16> =
            (100..600).filter(|code| StatusCode::from_u16(*code).is_ok_and(is_retryable)).collect();
        assert_eq!(retried, [408, 429, 500, 502, 503, 504]);
    }
}
