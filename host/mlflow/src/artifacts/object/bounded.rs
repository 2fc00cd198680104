//! Answers of object stores in bounded memory: everything but the files themselves is read as a whole.

use async_trait::async_trait;
use futures_util::StreamExt as _;
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService,
    ReqwestConnector,
};

use hydra_base::error::{Error, ErrorKind};

/// The most bytes of an answer that is not a file: a page of a thousand keys of the greatest length has half of them.
const MAX_ANSWER_BYTES: usize = 8 << 20;

/// What to do about answers that no object store gives.
pub(super) const HINT: &str = "check that the endpoint is the address of an object store";

/// Makes clients whose answers are bounded.
#[derive(Debug)]
pub(super) struct BoundedConnector;

impl HttpConnector for BoundedConnector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(Bounded(ReqwestConnector::default().connect(options)?)))
    }
}

/// A client whose answers are bounded.
#[derive(Debug)]
struct Bounded(HttpClient);

#[async_trait]
impl HttpService for Bounded {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let asks_for_file = request.method() == "GET" && !is_listing(request.uri().query());
        let answer = self.0.execute(request).await?;
        if asks_for_file && answer.status().is_success() {
            // Its reader has a limit of its own.
            return Ok(answer);
        }
        let (head, body) = answer.into_parts();
        let mut body = body.bytes_stream();
        let mut bytes = Vec::new();
        while let Some(chunk) = body.next().await {
            let chunk = chunk?;
            if bytes.len() + chunk.len() > MAX_ANSWER_BYTES {
                return Err(HttpError::new(HttpErrorKind::Decode, too_large()));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(HttpResponse::from_parts(head, bytes.into()))
    }
}

/// Whether a query asks for a listing, in the forms of S3, which Google's stores share, and of Azure.
fn is_listing(query: Option<&str>) -> bool {
    let mut parameters = query.unwrap_or_default().split('&');
    parameters.any(|parameter| parameter.starts_with("list-type=") || parameter == "comp=list")
}

fn too_large() -> Error {
    Error::new(
        ErrorKind::AnswerSize,
        format!("an answer of the object store has more than {MAX_ANSWER_BYTES} bytes"),
    )
    .with_hint(HINT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listings_are_told_from_files() {
        for listing in ["delimiter=%2F&list-type=2&prefix=a%2F", "restype=container&comp=list&prefix=a"] {
            assert!(is_listing(Some(listing)), "{listing}");
        }
        for file in [None, Some(""), Some("versionId=list-type"), Some("comp=lists")] {
            assert!(!is_listing(file), "{file:?}");
        }
    }
}
