//! The requests of a connection, which the connection notes: when they begin, and when their answers are written.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, Request, Response, StatusCode, header};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;

use super::activity::{Activity, Open};
use crate::clients::{Client, Running};
use crate::http::is_probe;

/// The routes, for the requests of one connection.
pub(super) struct Noted {
    pub(super) routes: TowerToHyperService<Router>,
    pub(super) activity: Arc<Activity>,
    pub(super) client: Arc<Client>,
    /// Whether the connection is one too many, and only probes are answered.
    pub(super) only_probes: bool,
}

impl Service<Request<Incoming>> for Noted {
    type Response = Response<Written>;
    type Error = std::convert::Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        let open = self.activity.open();
        if self.only_probes && !is_probe(request.uri().path()) {
            return Box::pin(async { Ok(Written::of(too_many(), open)) });
        }
        request.extensions_mut().insert(self.client.clone());
        let answering = self.routes.call(request);
        Box::pin(async {
            let response = answering.await?;
            Ok(Written::of(response, open))
        })
    }
}

/// What a connection that is one too many is answered.
fn too_many() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

/// The body of an answer, whose request ends when its last byte is written.
pub(super) struct Written {
    body: Body,
    until: Arc<Until>,
}

/// What lasts until an answer is written.
struct Until {
    _open: Open,
    _running: Option<Arc<Running>>,
}

/// A part of an answer. The connection drops it when the operating system has it.
struct Part {
    bytes: Bytes,
    _until: Arc<Until>,
}

impl Written {
    fn of(mut response: Response<Body>, open: Open) -> Response<Self> {
        open.answers();
        let running = response.extensions_mut().remove::<Arc<Running>>();
        let until = Arc::new(Until { _open: open, _running: running });
        response.map(|body| Self { body, until })
    }
}

impl HttpBody for Written {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        let part = |bytes| Bytes::from_owner(Part { bytes, _until: self.until.clone() });
        Poll::Ready(frame.map(|frame| frame.map(|frame| frame.map_data(part))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl AsRef<[u8]> for Part {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}
