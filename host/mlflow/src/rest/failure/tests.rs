use super::*;
use crate::rest::answer::{Answer, TABLE};
use hydra_base::text::is_unprintable;
use reqwest::header::{CONTENT_TYPE, HeaderValue};

fn answer(status: u16, content_type: &'static str, body: &str) -> Failure {
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(content_type))]);
    Failure::of_answer("GET x", StatusCode::from_u16(status).expect("a status"), &headers, body.as_bytes())
}

fn coded(status: u16, code: &str) -> Failure {
    answer(status, "application/json", &format!(r#"{{"error_code":"{code}","message":"Because."}}"#))
}

/// A status and error code of MLflow with the expected kind.
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
fn messages_quote_the_server_in_printable_form() {
    let error: Error = coded(400, "BAD_REQUEST").into();
    assert_eq!(
        error.to_string(),
        "the server answered: Because (request: GET x, status: 400, error_code: BAD_REQUEST)"
    );
    let long = format!(r#"{{"message":"a\u001b[2Jb\n\n\u2028\u202e\udb40\udc41  {}"}}"#, "x".repeat(5000));
    let error: Error = answer(500, "application/json", &long).into();
    assert!(error.message().len() < 700 && !error.message().chars().any(is_unprintable));
    let page: Error = answer(502, "text/html", "<html>Bad Gateway</html>").into();
    assert_eq!(page.message(), "the server answered with a web page without a title");
    assert!(page.hint().is_some_and(|hint| hint.contains("behind it")), "{page:?}");
    let bare: Error = answer(502, "application/octet-stream", "Bad Gateway").into();
    assert_eq!(bare.message(), "the server's answer is not from MLflow");
    let host = answer(403, "text/plain", "Invalid Host header - possible DNS rebinding attack detected");
    assert!(Error::from(host).hint().is_some_and(|hint| hint.contains("--allowed-hosts")));
}

#[test]
fn database_errors_are_quoted_without_the_statement() {
    let words = "(psycopg2.errors.StringDataRightTruncation) value too long for type character varying(5000)";
    let body = format!(r#"{{"error_code":"BAD_REQUEST","message":"{words}\n\n[SQL: INSERT INTO x]"}}"#);
    let failure = answer(400, "application/json", &body);
    assert_eq!(failure.to_string(), format!("the server answered: {words} (request: GET x, status: 400)"));
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

/// What SQLAlchemy and its drivers report for transactions that others make fail. MLflow answers status 503 to the errors of the
/// class `OperationalError`, and 400 to all others; older releases answered 400 to more of them.
#[test]
fn a_transaction_that_lost_to_another_one_may_be_sent_again() {
    for words in [
        "UPDATE statement on table 'registered_model_aliases' expected to update 1 row(s); 0 were matched.",
        "DELETE statement on table 'model_version_tags' expected to delete 1 row(s); Only 0 were matched.",
        "Instance '<SqlModelVersion at 0x7f>' has been deleted, or its row is otherwise not present.",
        "(psycopg2.errors.DeadlockDetected) deadlock detected\nDETAIL:  Process 71 waits for ShareLock",
        "(psycopg2.errors.SerializationFailure) could not serialize access due to concurrent update",
        "(psycopg2.errors.LockNotAvailable) could not obtain lock on row in relation \"runs\"",
        "(psycopg2.errors.LockNotAvailable) canceling statement due to lock timeout",
        "(pymysql.err.OperationalError) (1213, 'Deadlock found when trying to get lock; try restarting transaction')",
        "(MySQLdb.OperationalError) (1205, 'Lock wait timeout exceeded; try restarting transaction')",
        "(pymysql.err.OperationalError) (1020, \"Record has changed since last read in table 'runs'\")",
        "(pyodbc.Error) ('40001', '[40001] Transaction (Process ID 5) was deadlocked on lock resources (1205)')",
        "(pyodbc.ProgrammingError) ('42000', '[42000] Lock request time out period exceeded. (1222)')",
        "(pyodbc.Error) ('HY000', 'Snapshot isolation transaction aborted due to update conflict. (3960)')",
        "(sqlite3.OperationalError) database is locked",
        "(sqlite3.OperationalError) database table is locked: runs",
        "(psycopg2.errors.SerializationFailure) restart transaction: TransactionRetryWithProtoRefreshError",
        "QueuePool limit of size 5 overflow 10 reached, connection timed out, timeout 30.00",
        "Can't reconnect until invalid transaction is rolled back.  Please rollback() fully",
        "(psycopg2.InterfaceError) connection already closed",
        "This Session's transaction has been rolled back due to a previous exception during flush.",
    ] {
        for (status, code) in [(400, "BAD_REQUEST"), (503, "TEMPORARILY_UNAVAILABLE")] {
            let message = format!("{words}\n[SQL: UPDATE x]");
            let body = serde_json::json!({ "error_code": code, "message": message }).to_string();
            let failure = answer(status, "application/json", &body);
            assert_eq!(failure.kind(), ErrorKind::Server, "{words}");
            // A create looks for the entity first.
            assert!(failure.worth_retrying() && failure.may_have_happened(), "{words}");
        }
    }
    let quoted =
        "(psycopg2.errors.DataError) bad\n[SQL: INSERT]\n[parameters: {'value': 'database is locked'}]";
    let body = serde_json::json!({ "error_code": "BAD_REQUEST", "message": quoted }).to_string();
    assert!(!answer(400, "application/json", &body).worth_retrying(), "the words are in a value");
}

/// MLflow answers so on databases where writers of the same model do not wait for each other, such as MariaDB.
#[test]
fn a_version_whose_number_others_took_is_created_again() {
    let words = "Model Version creation error (name=m). Giving up after 3 attempts.";
    let body = serde_json::json!({ "error_code": "INTERNAL_ERROR", "message": words }).to_string();
    let failure = answer(500, "application/json", &body);
    assert_eq!(failure.kind(), ErrorKind::Server);
    assert!(failure.worth_retrying() && !failure.may_have_happened(), "nothing was created");
}

#[test]
fn text_that_databases_reject_is_not_sent_again() {
    let words = "A string literal cannot contain NUL (0x00) characters.";
    let failure =
        answer(500, "application/json", &format!(r#"{{"error_code":"INTERNAL_ERROR","message":"{words}"}}"#));
    assert_eq!((failure.kind(), failure.worth_retrying()), (ErrorKind::InvalidArgument, false));
}

#[test]
fn a_server_without_artifacts_is_not_asked_again() {
    for (content_type, body) in [
        ("application/json", r#"{"detail":"Artifact serving is disabled"}"#),
        ("text/plain", "Endpoint disabled due to the mlflow server running in `--no-serve-artifacts` mode"),
    ] {
        let failure = answer(503, content_type, body);
        assert_eq!((failure.kind(), failure.worth_retrying()), (ErrorKind::Unsupported, false));
    }
}
