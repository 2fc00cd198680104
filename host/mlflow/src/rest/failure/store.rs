//! Failures of the object store behind a server, at an address that the server signed.

use reqwest::StatusCode;
use reqwest::header::HeaderMap;

use super::super::answer::{is_retryable, kind_of, on_one_line, retry_after};
use super::super::web_page::Page;
use super::{Failure, Outcome};
use hydra_base::error::ErrorKind;

impl Failure {
    /// An answer of the store with a status other than success; `body` is the beginning of its body.
    pub(in crate::rest) fn of_store(
        request: &str,
        status: StatusCode,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Self {
        let text = String::from_utf8_lossy(body);
        let kind = match kind_of(status.as_u16(), None) {
            ErrorKind::Unsupported if status == StatusCode::NOT_FOUND => ErrorKind::NotFound,
            kind => kind,
        };
        let reason = match (element(&text, "Code"), element(&text, "Message"), Page::of(headers, body)) {
            (Some(code), Some(message), _) => format!(": {}: {}", on_one_line(code), on_one_line(message)),
            (Some(reason), None, _) | (None, Some(reason), _) => format!(": {}", on_one_line(reason)),
            (None, None, Some(page)) => format!(" with {}", page.described()),
            (None, None, None) => " without a reason".to_owned(),
        };
        let outcome = match kind {
            ErrorKind::RateLimited => Outcome::NotDone,
            _ if is_retryable(status) => Outcome::Unknown,
            _ => Outcome::Final,
        };
        let mut failure =
            Self::new(kind, format!("the server's object store answered{reason}"), outcome, request);
        failure.0.status = Some(status);
        failure.0.retry_after = retry_after(headers);
        if kind == ErrorKind::PermissionDenied {
            failure.0.hint = Some(
                "the server signed this request: check the rights of its credentials, and that the clocks of the server and the \
                 store agree"
                    .to_owned(),
            );
        }
        failure
    }

    /// The same failure to reach a server, which is the store.
    pub(in crate::rest) fn at_the_store(mut self) -> Self {
        if self.0.kind == ErrorKind::Unreachable {
            self.0.hint = Some(
                "the server sends clients to its object store for files: check that this machine reaches it; its certificate may need \
                 REQUESTS_CA_BUNDLE"
                    .to_owned(),
            );
        }
        self
    }
}

/// The text of an element in the XML of S3, Google and Azure, which have no attributes in it.
fn element<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    let (inner, _) = rest.split_once(&format!("</{name}>"))?;
    (!inner.trim().is_empty()).then_some(inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_of_a_store_is_shown() {
        let of = |status: u16, body: &str| {
            let status = StatusCode::from_u16(status).expect("a status");
            Failure::of_store("GET model.lgb", status, &HeaderMap::new(), body.as_bytes())
        };
        let expired = "<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code><Message>Request has\nexpired</Message></Error>";
        let failure = of(403, expired);
        assert_eq!((failure.kind(), failure.worth_retrying()), (ErrorKind::PermissionDenied, false));
        assert_eq!(
            failure.to_string(),
            "the server's object store answered: AccessDenied: Request has expired (request: GET model.lgb, status: 403)"
        );
        assert_eq!(of(404, "<Error><Code>NoSuchKey</Code></Error>").kind(), ErrorKind::NotFound);
        let busy = of(503, "");
        assert_eq!((busy.kind(), busy.worth_retrying()), (ErrorKind::Server, true));
        assert_eq!(
            busy.to_string(),
            "the server's object store answered without a reason (request: GET model.lgb, status: 503)"
        );
    }
}
