//! The routes of HTTP.

mod about;
mod access;
mod body;
mod dialect;
mod page;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderName, HeaderValue, Response, StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use bytes::Bytes;

use crate::app::App;
use crate::clients::{Client, Running};
use crate::exchange::{self, Address};
use crate::protocol::{Body as Written, Cause, Encoding, Fault, Refusal};
use body::collect;
use dialect::{Dialect, KServe, Mlflow, OpenInference};

pub(crate) use access::{guard, is_probe};

/// The version that answered.
pub(crate) const VERSION_HEADER: HeaderName = HeaderName::from_static("x-hydra-version");

/// The arm that answered.
pub(crate) const ARM_HEADER: HeaderName = HeaderName::from_static("x-hydra-arm");

/// The length of the JSON before raw tensors.
const JSON_LENGTH_HEADER: &str = "inference-header-content-length";

/// What the handlers share.
type Shared = State<Arc<App>>;

/// The names in a path. Those that are not UTF-8 stand for no model: the request is read and refused like others.
type Named<T> = Result<Path<T>, PathRejection>;

/// The routes of HTTP.
pub(crate) fn router(app: &Arc<App>) -> Router {
    let infer = || post(infer);
    let routes = Router::new()
        .route("/", get(about::status))
        .route("/ping", get(about::ping))
        .route("/health", get(about::ping))
        .route("/version", get(about::version))
        .route("/metrics", get(about::metrics))
        .route("/invocations", post(invocations))
        .route("/v1/models", get(about::v1_models))
        .route("/v1/models/{model}", get(about::v1_model).post(v1_predict))
        .route("/v2", get(about::v2_server))
        .route("/v2/health/live", get(about::live))
        .route("/v2/health/ready", get(about::ready))
        .route("/v2/models", get(about::v2_models))
        .route("/v2/models/{model}", get(about::v2_model))
        .route("/v2/models/{model}/ready", get(about::v2_model_ready))
        .route("/v2/models/{model}/infer", infer())
        .route("/v2/models/{model}/versions/{version}", get(about::v2_version))
        .route("/v2/models/{model}/versions/{version}/ready", get(about::v2_version_ready))
        .route("/v2/models/{model}/versions/{version}/infer", post(infer_version))
        .fallback(about::no_route)
        .method_not_allowed_fallback(about::no_method)
        .with_state(app.clone());
    if app.tokens.is_some() { routes.layer(from_fn_with_state(app.clone(), guard)) } else { routes }
}

async fn invocations(State(app): Shared, request: Request) -> Response<Body> {
    respond::<Mlflow>(&app, &Address::default(), request).await
}

async fn v1_predict(State(app): Shared, name: Named<String>, request: Request) -> Response<Body> {
    let name = name.map(|Path(name)| name).unwrap_or_default();
    match name.strip_suffix(":predict") {
        Some(model) => respond::<KServe>(&app, &of_model(model), request).await,
        None => refusal::<KServe>(&app, &Refusal::new(Cause::Route), &request.into_parts().0),
    }
}

async fn infer(State(app): Shared, model: Named<String>, request: Request) -> Response<Body> {
    let model = model.map(|Path(model)| model).unwrap_or_default();
    respond::<OpenInference>(&app, &of_model(&model), request).await
}

async fn infer_version(
    State(app): Shared,
    names: Named<(String, String)>,
    request: Request,
) -> Response<Body> {
    let (model, version) = names.map(|Path(names)| names).unwrap_or_default();
    let address = Address { model: Some(model), version: Some(version) };
    respond::<OpenInference>(&app, &address, request).await
}

fn of_model(model: &str) -> Address {
    Address { model: Some(model.to_owned()), version: None }
}

/// Answers a request for scores.
async fn respond<D: Dialect>(app: &Arc<App>, address: &Address, request: Request) -> Response<Body> {
    let (head, body) = request.into_parts();
    let received = async {
        let running = client_of(&head.extensions)?.admit()?;
        let body = collect(&app.options.limits, &head.headers, body, &running).await?;
        Ok((Arc::new(running), body))
    };
    let (running, body) = match received.await {
        Ok(received) => received,
        Err(refused) => {
            let mut response = refusal::<D>(app, &refused, &head);
            // What is left of the body is not read.
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            return response;
        }
    };
    match scores::<D>(app, address, &head, body, &running).await {
        Ok(mut response) => {
            response.extensions_mut().insert(running);
            response
        }
        Err(refused) => refusal::<D>(app, &refused, &head),
    }
}

/// The client that a connection has noted.
pub(crate) fn client_of(extensions: &Extensions) -> Result<&Arc<Client>, Refusal> {
    let client = extensions.get::<Arc<Client>>();
    client.ok_or_else(|| Refusal::because(Cause::Internal, "the request has no client"))
}

async fn scores<D: Dialect>(
    app: &Arc<App>,
    address: &Address,
    head: &Parts,
    body: Bytes,
    running: &Arc<Running>,
) -> Result<Response<Body>, Refusal> {
    let headers = &head.headers;
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let dialect = D::of(head, &app.options)?;
    let encoding = Encoding::of_body(text(header::CONTENT_ENCODING))?;
    let accepted = headers.get(header::ACCEPT_ENCODING).cloned();
    // A compressed body can be much longer than it looks.
    let bytes = if encoding.is_some() { usize::MAX } else { body.len() };
    let request = exchange::Request { protocol: D::PROTOCOL, address, headers, bytes, running };
    let reply = exchange::answer(
        app,
        request,
        move |schema, limits| match encoding {
            Some(encoding) => dialect.read(schema, limits, &encoding.decode(&body, limits.body)?),
            None => dialect.read(schema, limits, &body),
        },
        move |rows, output, served| {
            let Written { bytes, json_length } = dialect.write(rows, output, served);
            let accepted = accepted.as_ref().and_then(|accepted| accepted.to_str().ok());
            let encoding = Encoding::of_answer(accepted, bytes.len());
            let bytes = encoding.map_or(Ok(bytes.clone()), |encoding| encoding.encode(&bytes))?;
            Ok((bytes, json_length, encoding))
        },
    );
    let reply = reply.await?;
    let (bytes, json_length, encoding) = reply.answer;
    running.hold(bytes.len())?;
    let mut response = Response::new(Body::from(bytes));
    let headers = response.headers_mut();
    let media_type = if json_length.is_some() { "application/octet-stream" } else { "application/json" };
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(VERSION_HEADER, reply.served.header.clone());
    if let Some(length) = json_length {
        headers.insert(JSON_LENGTH_HEADER, length.into());
    }
    if let Some(encoding) = encoding {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding.as_str()));
    }
    if reply.has_arms {
        headers.insert(ARM_HEADER, HeaderValue::from_static(reply.arm.as_str()));
    }
    Ok(response)
}

/// The answer to a request that is refused.
fn refusal<D: Dialect>(app: &App, refused: &Refusal, head: &Parts) -> Response<Body> {
    app.refused(refused, D::PROTOCOL, Some(&head.headers));
    fault(D::refuse(refused, app.options.explain_errors), refused.cause())
}

/// A fault as an answer. A client that finds the server busy may try again.
fn fault(fault: Fault, cause: Cause) -> Response<Body> {
    let Fault { status, media_type, body } = fault;
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    if matches!(cause, Cause::Busy | Cause::NotReady | Cause::Draining) {
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}
