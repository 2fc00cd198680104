//! Who may ask: bearer tokens.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Response, header};
use axum::middleware::Next;

use crate::app::App;
use crate::metrics::Protocol;
use crate::protocol::{Cause, Refusal};

/// The paths of probes: what a load balancer or Kubernetes asks, which has no token, and must have an answer when the server is busy.
const PROBES: [&str; 6] = [
    "/ping",
    "/health",
    "/v2/health/live",
    "/v2/health/ready",
    "/inference.GRPCInferenceService/ServerLive",
    "/inference.GRPCInferenceService/ServerReady",
];

/// Whether this is the path of a probe.
pub(crate) fn is_probe(path: &str) -> bool {
    PROBES.contains(&path)
}

/// Refuses requests without a token of the file.
pub(crate) async fn guard(State(app): State<Arc<App>>, request: Request, next: Next) -> Response<Body> {
    let admitted = app.tokens.as_ref().is_none_or(|tokens| tokens.admit(request.headers()));
    let path = request.uri().path();
    if admitted || is_probe(path) {
        return next.run(request).await;
    }
    let refusal = Refusal::new(Cause::Token);
    let content_type = request.headers().get(header::CONTENT_TYPE);
    let is_grpc = content_type.is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"));
    let protocol = match path {
        _ if is_grpc => Protocol::Grpc,
        path if path.starts_with("/v1/") => Protocol::V1,
        path if path.starts_with("/v2") => Protocol::V2,
        _ => Protocol::Mlflow,
    };
    app.refused(&refusal, protocol, Some(request.headers()));
    if is_grpc {
        return crate::grpc::refusal(&refusal, false);
    }
    let explain = app.options.explain_errors;
    let fault = if protocol == Protocol::Mlflow { refusal.mlflow(explain) } else { refusal.kserve(explain) };
    let mut response = super::fault(fault, Cause::Token);
    let headers = response.headers_mut();
    headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    // The body is not read.
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}
