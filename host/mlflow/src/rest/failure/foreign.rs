//! Answers of other programs than MLflow: web pages, redirects, and the limits of proxies.

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, SERVER};
use url::Url;

use super::super::answer::on_one_line;
use super::super::web_page::Page;
use super::{Failure, Outcome};
use crate::uri::redact;
use hydra_base::error::ErrorKind;
use hydra_base::text::{QUOTED_CHARS, excerpt};

/// The hint for a page that is not an error of its server: most of them ask to sign in.
const SIGN_IN: &str = "if the page asks to sign in, set MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and \
    MLFLOW_TRACKING_PASSWORD, or renew them if they have expired; otherwise check that the tracking URI is the address of \
    an MLflow server, with its path prefix";

/// The programs that MLflow runs in, which name themselves in the answers of MLflow itself.
const OF_MLFLOW: [&str; 4] = ["uvicorn", "gunicorn", "werkzeug", "waitress"];

/// The hint for an error that came as a page, where the kind alone has none.
pub(super) fn hint(kind: ErrorKind, status: StatusCode) -> Option<&'static str> {
    match (kind, status.as_u16()) {
        (ErrorKind::PermissionDenied, _) => Some(
            "a proxy in front of the server may have refused the request: check that it admits this machine and these \
             credentials",
        ),
        (_, 502..=504) => {
            Some("a proxy in front of the server answered: check that the MLflow server behind it is running")
        }
        _ => None,
    }
}

impl Failure {
    /// A page in the place of `wanted`, with a status that means success.
    pub(in crate::rest) fn page(request: &str, status: StatusCode, page: &Page, wanted: &str) -> Self {
        let message = format!("the server answered with {} instead of {wanted}", page.described());
        let mut failure = Self::new(ErrorKind::Protocol, message, Outcome::Final, request);
        failure.0.status = Some(status);
        failure.0.hint = Some(SIGN_IN.to_owned());
        failure
    }

    /// The same failure, of an answer to a request that was redirected to `reached` if that is not what it `asked` for.
    pub(in crate::rest) fn reached(mut self, asked: &Url, reached: &Url) -> Self {
        self.0.redirected_to = (asked != reached).then(|| redact(reached.as_str()));
        self
    }

    /// A redirect from `asked` to `location` that is not followed; `page` is the body, which people see for a moment.
    pub(in crate::rest) fn redirected(
        request: &str,
        status: StatusCode,
        (asked, location): (&Url, &str),
        page: Option<&Page>,
    ) -> Self {
        let target = asked.join(location).ok();
        let shown = target.as_ref().map_or_else(|| redact(location), |target| redact(target.as_str()));
        let with = page.map(|page| format!(", with {}", page.described())).unwrap_or_default();
        let message = format!("the server redirects to `{}`{with}", on_one_line(&shown));
        let mut failure = Self::new(ErrorKind::Protocol, message, Outcome::Final, request);
        failure.0.status = Some(status);
        // A server that has moved, such as one that is reached with TLS only, keeps the path below its prefix.
        let has_moved = target.is_some_and(|target| {
            target.origin() != asked.origin() && target.path().ends_with(api_path(asked.path()))
        });
        let hint = if has_moved { "use the target of the redirect as the tracking URI" } else { SIGN_IN };
        failure.0.hint = Some(hint.to_owned());
        failure
    }

    /// The refusal of a body of so many bytes, with the name of the program whose limit it is.
    pub(in crate::rest) fn of_size(mut self, bytes: Option<u64>, headers: &HeaderMap, body: &[u8]) -> Self {
        let named = headers.get(SERVER).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let is_mlflow = self.0.code.is_some()
            || OF_MLFLOW.iter().any(|name| named.to_ascii_lowercase().starts_with(name));
        let is_nginx = String::from_utf8_lossy(body).contains("nginx") || named.contains("nginx");
        let whose = match named {
            _ if is_mlflow => "the MLflow server".to_owned(),
            _ if is_nginx => "nginx in front of the server".to_owned(),
            "" => "a proxy in front of the server".to_owned(),
            named => format!("a proxy in front of the server, `{}`", excerpt(named, QUOTED_CHARS)),
        };
        let size = bytes.map(|bytes| format!(" of {bytes} bytes")).unwrap_or_default();
        self.0.message = format!("an upload{size} is larger than the limit of {whose}");
        let at_least = bytes.map(|bytes| format!(" to {bytes} bytes or more")).unwrap_or_default();
        let limit =
            if is_nginx { "`client_max_body_size` of nginx" } else { "the limit of request bodies there" };
        self.0.hint = Some(format!(
            "increase {limit}{at_least}, or let clients write to the artifact store themselves: start the server with \
             `--no-serve-artifacts` and an artifact root in an object store"
        ));
        self.into_final()
    }
}

/// The path of a request below the prefix of the server.
fn api_path(path: &str) -> &str {
    path.find("/api/2.0/").map_or(path, |at| &path[at..])
}
