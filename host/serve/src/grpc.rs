//! The Open Inference Protocol over gRPC.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Extensions, Response};
use axum::middleware::{Next, from_fn_with_state};
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame};
use tokio::time::{Sleep, sleep};
use tonic::Status;

use crate::app::App;
use crate::clients::Running;
use crate::exchange::{self, Address};
use crate::http::{ARM_HEADER, VERSION_HEADER, client_of, guard, is_probe};
use crate::metrics::Protocol;
use crate::protocol::{
    Answered, Asked, Backend, Cause, Limits, Output, Refusal, Rows, Schema, Target, service,
};
use crate::served::Served;

/// The bytes before a message.
const PREFIX: usize = 5;

/// The routes of gRPC.
pub(crate) fn router(app: &Arc<App>) -> Router {
    let backend = Arc::new(Grpc(app.clone()));
    let routes = tonic::service::Routes::new(service(backend)).prepare().into_axum_router();
    let routes = routes.layer(from_fn_with_state(app.clone(), admit));
    if app.tokens.is_some() { routes.layer(from_fn_with_state(app.clone(), guard)) } else { routes }
}

/// The answer to a request that is refused.
pub(crate) fn refusal(refused: &Refusal, explain: bool) -> Response<Body> {
    status(refused, explain).into_http()
}

fn status(refused: &Refusal, explain: bool) -> Status {
    Status::new(tonic::Code::from_i32(refused.cause().code() as i32), refused.says(explain))
}

/// Takes room for a request, and for its body as that arrives.
async fn admit(State(app): State<Arc<App>>, request: Request, next: Next) -> Response<Body> {
    let is_probe = is_probe(request.uri().path());
    let client = client_of(request.extensions());
    let admitted = client.and_then(|client| if is_probe { client.admit_probe() } else { client.admit() });
    let running = match admitted {
        Ok(running) => Arc::new(running),
        Err(refused) => {
            app.refused(&refused, Protocol::Grpc, Some(request.headers()));
            return refusal(&refused, app.options.explain_errors);
        }
    };
    let deadline = Box::pin(sleep(app.options.limits.body_time));
    let mut request = request.map(|body| {
        Body::new(Arriving { body, app: app.clone(), running: running.clone(), received: 0, deadline })
    });
    request.extensions_mut().insert(running.clone());
    let mut response = next.run(request).await;
    response.extensions_mut().insert(running);
    response
}

/// A body that takes room as it arrives, and must have arrived in time.
struct Arriving {
    body: Body,
    app: Arc<App>,
    running: Arc<Running>,
    received: usize,
    deadline: Pin<Box<Sleep>>,
}

impl Arriving {
    fn take(&mut self, frame: &Frame<Bytes>) -> Result<(), Refusal> {
        let Some(part) = frame.data_ref() else { return Ok(()) };
        self.received = self.received.saturating_add(part.len());
        let most = self.app.options.limits.body.saturating_add(PREFIX);
        if self.received > most {
            return Err(Refusal::because(Cause::BodySize, format_args!("the limit is {most} bytes")));
        }
        self.running.hold(self.received)
    }

    fn refuse(&self, refused: &Refusal) -> Status {
        self.app.refused(refused, Protocol::Grpc, None);
        status(refused, self.app.options.explain_errors)
    }
}

impl HttpBody for Arriving {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        match Pin::new(&mut self.body).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => {
                let taken = self.take(&frame).map_err(|refused| self.refuse(&refused));
                Poll::Ready(Some(taken.map(|()| frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                Poll::Ready(Some(Err(self.refuse(&Refusal::because(Cause::BrokenBody, error)))))
            }
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => {
                std::task::ready!(self.deadline.as_mut().poll(context));
                Poll::Ready(Some(Err(self.refuse(&Refusal::new(Cause::SlowBody)))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }
}

/// What answers requests of gRPC.
struct Grpc(Arc<App>);

impl Backend for Grpc {
    fn limits(&self) -> &Limits {
        &self.0.limits
    }

    fn explains(&self) -> bool {
        self.0.options.explain_errors
    }

    fn is_ready(&self) -> bool {
        self.0.is_ready()
    }

    fn describe(&self, target: &Target) -> Result<(String, Arc<Schema>), Refusal> {
        let served = self.0.describe(&target.model, target.version.as_deref())?;
        Ok((served.label.clone(), served.schema.clone()))
    }

    async fn answer<T: Send + 'static>(
        &self,
        asked: Asked<'_>,
        read: impl Fn(&Schema, &Limits) -> Result<Rows, Refusal> + Send + 'static,
        write: impl FnOnce(&Rows, &Output, &str) -> T + Send + 'static,
    ) -> Result<Answered<T>, Refusal> {
        let (app, Asked { target, headers, extensions, bytes }) = (&self.0, asked);
        let answered = async {
            let running = running_of(extensions)?;
            // The message takes more than its bytes.
            running.hold(bytes)?;
            let address = Address { model: Some(target.model), version: target.version };
            let request =
                exchange::Request { protocol: Protocol::Grpc, address: &address, headers, bytes, running };
            let write =
                move |rows: &Rows, output: &Output, served: &Served| Ok(write(rows, output, &served.label));
            let reply = exchange::answer(app, request, read, write).await?;
            let mut headers = vec![(VERSION_HEADER, reply.served.label.clone())];
            if reply.has_arms {
                headers.push((ARM_HEADER, reply.arm.as_str().to_owned()));
            }
            Ok(Answered { answer: reply.answer, headers })
        };
        answered.await.inspect_err(|refusal| app.refused(refusal, Protocol::Grpc, Some(headers)))
    }

    fn refused(&self, refusal: &Refusal) {
        self.0.refused(refusal, Protocol::Grpc, None);
    }
}

fn running_of(extensions: &Extensions) -> Result<&Arc<Running>, Refusal> {
    let running = extensions.get::<Arc<Running>>();
    running.ok_or_else(|| Refusal::because(Cause::Internal, "the request was not admitted"))
}
