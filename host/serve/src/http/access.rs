//! Who may ask: bearer tokens.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Response, header};
use axum::middleware::Next;

use crate::app::App;
use crate::metrics::Protocol;
use crate::protocol::{Cause, Code, Refusal};

/// The paths that need no token: what a load balancer or Kubernetes asks, which has none.
const OPEN: [&str; 6] = [
    "/ping",
    "/health",
    "/v2/health/live",
    "/v2/health/ready",
    "/inference.GRPCInferenceService/ServerLive",
    "/inference.GRPCInferenceService/ServerReady",
];

/// Refuses requests without a token of the file.
pub(crate) async fn guard(State(app): State<Arc<App>>, request: Request, next: Next) -> Response<Body> {
    let admitted = app.tokens.as_ref().is_none_or(|tokens| tokens.admit(request.headers()));
    let path = request.uri().path();
    if admitted || OPEN.contains(&path) {
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
        let mut response = Response::new(Body::empty());
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        headers.insert("grpc-status", (Code::Unauthenticated as i32).into());
        headers.insert("grpc-message", HeaderValue::from_static(Cause::Token.says()));
        return response;
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
