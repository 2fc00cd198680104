//! The Open Inference Protocol over gRPC.

use std::sync::Arc;

use axum::Router;
use axum::http::HeaderMap;
use axum::middleware::from_fn_with_state;

use crate::app::App;
use crate::exchange::{self, Address};
use crate::http::{ARM_HEADER, VERSION_HEADER, guard};
use crate::metrics::Protocol;
use crate::protocol::{Answered, Backend, Limits, Output, Refusal, Rows, Schema, Target, service};

/// The routes of gRPC.
pub(crate) fn router(app: &Arc<App>) -> Router {
    let backend = Arc::new(Grpc(app.clone()));
    let routes = tonic::service::Routes::new(service(backend)).prepare().into_axum_router();
    if app.tokens.is_some() { routes.layer(from_fn_with_state(app.clone(), guard)) } else { routes }
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
        target: Target,
        headers: &HeaderMap,
        bytes: usize,
        read: impl Fn(&Schema, &Limits) -> Result<Rows, Refusal> + Send + 'static,
        write: impl FnOnce(&Rows, &Output, &str) -> T + Send + 'static,
    ) -> Result<Answered<T>, Refusal> {
        let app = &self.0;
        let answered = async {
            let running = app.admit(bytes)?;
            let address = Address { model: Some(target.model), version: target.version };
            let request = exchange::Request { protocol: Protocol::Grpc, address: &address, headers, bytes };
            let write = move |rows: &Rows, output: &Output, served: &crate::served::Served| {
                Ok(write(rows, output, &served.label))
            };
            let reply = exchange::answer(app, request, read, write).await?;
            drop(running);
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
