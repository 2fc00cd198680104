//! Routes about the server and its models.

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, Uri, header};
use serde::Serialize;
use serde_json::{Value, json};

use super::Shared;
use super::page::{page, prefers_page};
use crate::app::App;
use crate::metrics::{self, Protocol};
use crate::protocol::{Cause, Refusal, server_metadata};
use crate::served::Served;
use crate::status::Status;

/// `GET /`: the state of the server, as a page for browsers and as JSON for other clients.
pub(super) async fn status(State(app): Shared, headers: HeaderMap) -> Response<Body> {
    if prefers_page(&headers) {
        return page(&app).await.unwrap_or_else(|error| {
            let refusal = Refusal::because(Cause::Internal, error);
            super::fault(refusal.kserve(false), Cause::Internal)
        });
    }
    let mut response = answer(StatusCode::OK, &Status::of(&app));
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept"));
    response
}

/// MLflow's and SageMaker's `GET /ping`.
pub(super) async fn ping(State(app): Shared) -> Response<Body> {
    let status = if app.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    text(status, "application/json", "\n".to_owned())
}

/// MLflow's `GET /version`: text without quotes.
pub(super) async fn version() -> Response<Body> {
    text(StatusCode::OK, "application/json", env!("CARGO_PKG_VERSION").to_owned())
}

/// `GET /metrics`, for Prometheus.
pub(super) async fn metrics(State(app): Shared) -> Response<Body> {
    text(StatusCode::OK, metrics::MEDIA_TYPE, app.metrics_text())
}

/// `GET /v2/health/live`.
pub(super) async fn live() -> Response<Body> {
    answer(StatusCode::OK, &json!({"live": true}))
}

/// `GET /v2/health/ready`: 200 while every model has a verified version, with what is wrong nevertheless. Probes have no token; what is
/// wrong can name the registry, and is for those who have one.
pub(super) async fn ready(State(app): Shared, headers: HeaderMap) -> Response<Body> {
    let is_ready = app.is_ready();
    let may_know = app.tokens.as_ref().is_none_or(|tokens| tokens.admit(&headers));
    let problems: Vec<Value> = app
        .slots
        .iter()
        .filter(|_| may_know)
        .filter_map(|slot| Some((slot, slot.champion.problem()?)))
        .map(|(slot, problem)| json!({"model": &*slot.name, "problem": problem}))
        .collect();
    let mut state = json!({"ready": is_ready});
    if !problems.is_empty() {
        state["problems"] = problems.into();
    }
    if is_ready {
        return answer(StatusCode::OK, &state);
    }
    let cause = if app.is_draining() { Cause::Draining } else { Cause::NotReady };
    state["error"] = cause.says().into();
    answer(StatusCode::SERVICE_UNAVAILABLE, &state)
}

/// KServe's `GET /v1/models`.
pub(super) async fn v1_models(State(app): Shared) -> Response<Body> {
    answer(StatusCode::OK, &models(&app))
}

/// KServe's `GET /v1/models/{model}`.
pub(super) async fn v1_model(State(app): Shared, Path(model): Path<String>) -> Response<Body> {
    let ready = |served: &Served| json!({"name": &*served.name, "ready": true});
    about(&app, &model, None, Protocol::V1, ready)
}

/// `GET /v2`.
pub(super) async fn v2_server() -> Response<Body> {
    answer(StatusCode::OK, &server_metadata(env!("CARGO_PKG_VERSION")))
}

/// `GET /v2/models`.
pub(super) async fn v2_models(State(app): Shared) -> Response<Body> {
    answer(StatusCode::OK, &models(&app))
}

/// `GET /v2/models/{model}`.
pub(super) async fn v2_model(State(app): Shared, Path(model): Path<String>) -> Response<Body> {
    about(&app, &model, None, Protocol::V2, metadata)
}

/// `GET /v2/models/{model}/versions/{version}`.
pub(super) async fn v2_version(
    State(app): Shared,
    Path((model, version)): Path<(String, String)>,
) -> Response<Body> {
    about(&app, &model, Some(&version), Protocol::V2, metadata)
}

/// `GET /v2/models/{model}/ready`.
pub(super) async fn v2_model_ready(State(app): Shared, Path(model): Path<String>) -> Response<Body> {
    about(&app, &model, None, Protocol::V2, readiness)
}

/// `GET /v2/models/{model}/versions/{version}/ready`.
pub(super) async fn v2_version_ready(
    State(app): Shared,
    Path((model, version)): Path<(String, String)>,
) -> Response<Body> {
    about(&app, &model, Some(&version), Protocol::V2, readiness)
}

/// A path that does not exist.
pub(super) async fn no_route(State(app): Shared, request: Request) -> Response<Body> {
    unknown(&app, request.uri(), Cause::Route, "Not Found")
}

/// A path that takes another method.
pub(super) async fn no_method(State(app): Shared, request: Request) -> Response<Body> {
    unknown(&app, request.uri(), Cause::Method, "Method Not Allowed")
}

fn unknown(app: &App, uri: &Uri, cause: Cause, detail: &str) -> Response<Body> {
    let refusal = Refusal::new(cause);
    let status = StatusCode::from_u16(cause.status()).unwrap_or(StatusCode::NOT_FOUND);
    let protocol = match uri.path() {
        path if path.starts_with("/v1") => Protocol::V1,
        path if path.starts_with("/v2") => Protocol::V2,
        _ => Protocol::Mlflow,
    };
    app.refused(&refusal, protocol, None);
    match protocol {
        Protocol::Mlflow => answer(status, &json!({"detail": detail})),
        _ => super::fault(refusal.kserve(false), cause),
    }
}

fn models(app: &App) -> Value {
    let names: Vec<&str> = app.slots.iter().map(|slot| &*slot.name).collect();
    json!({"models": names})
}

fn metadata(served: &Served) -> Value {
    served.schema.metadata(&served.name, &served.label)
}

fn readiness(served: &Served) -> Value {
    json!({"name": &*served.name, "ready": true})
}

/// An answer about the version of a model that is served.
fn about(
    app: &App,
    model: &str,
    version: Option<&str>,
    protocol: Protocol,
    describe: impl Fn(&Served) -> Value,
) -> Response<Body> {
    match app.describe(model, version) {
        Ok(served) => answer(StatusCode::OK, &describe(&served)),
        Err(refusal) => {
            app.refused(&refusal, protocol, None);
            super::fault(refusal.kserve(app.options.explain_errors), refusal.cause())
        }
    }
}

fn answer(status: StatusCode, value: &impl Serialize) -> Response<Body> {
    match serde_json::to_string(value) {
        Ok(json) => text(status, "application/json", json),
        Err(error) => {
            let refusal = Refusal::because(Cause::Internal, error);
            super::fault(refusal.kserve(false), Cause::Internal)
        }
    }
}

fn text(status: StatusCode, media_type: &'static str, text: String) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}
