//! The service, over what answers requests of all protocols.

use std::future::Future;
use std::sync::Arc;

use axum::http::{Extensions, HeaderMap, HeaderName};
use tonic::metadata::AsciiMetadataKey;
use tonic::{Request, Response, Status};

use super::convert;
use super::inference::grpc_inference_service_server::{GrpcInferenceService, GrpcInferenceServiceServer};
use super::inference::{
    ModelInferRequest, ModelInferResponse, ModelMetadataRequest, ModelMetadataResponse, ModelReadyRequest,
    ModelReadyResponse, ServerLiveRequest, ServerLiveResponse, ServerMetadataRequest, ServerMetadataResponse,
    ServerReadyRequest, ServerReadyResponse,
};
use crate::protocol::answer::Output;
use crate::protocol::metadata::{BINARY_EXTENSION, SERVER_NAME};
use crate::protocol::rows::{Cause, Limits, Refusal, Rows, Schema};

/// The model and version that a request names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// The model's name.
    pub(crate) model: String,
    /// The version, if the request asks for one.
    pub(crate) version: Option<String>,
}

/// A request for predictions.
#[derive(Debug)]
pub(crate) struct Asked<'a> {
    /// The model and version.
    pub(crate) target: Target,
    /// The headers.
    pub(crate) headers: &'a HeaderMap,
    /// What layers around the service have added.
    pub(crate) extensions: &'a Extensions,
    /// The bytes of memory that the message takes.
    pub(crate) bytes: usize,
}

/// An answered request.
#[derive(Debug)]
pub(crate) struct Answered<T> {
    /// The answer.
    pub(crate) answer: T,
    /// Headers of the answer, such as `x-hydra-version`.
    pub(crate) headers: Vec<(HeaderName, String)>,
}

/// What answers requests, in whatever protocol they came.
pub(crate) trait Backend: Send + Sync + 'static {
    /// The limits of requests.
    fn limits(&self) -> &Limits;

    /// Whether refusals explain themselves.
    fn explains(&self) -> bool;

    /// Whether all models are ready.
    fn is_ready(&self) -> bool;

    /// The version that is served, and what it takes: [`Cause::UnknownModel`], [`Cause::UnknownVersion`] or [`Cause::NotReady`] if
    /// there is none.
    fn describe(&self, target: &Target) -> Result<(String, Arc<Schema>), Refusal>;

    /// Reads the rows of a request with `read`, for the version that is to answer it, scores them, and makes the answer
    /// of that version with `write`.
    ///
    /// All three take the time of the processor. Rows are read again if they decide which version answers.
    fn answer<T: Send + 'static>(
        &self,
        asked: Asked<'_>,
        read: impl Fn(&Schema, &Limits) -> Result<Rows, Refusal> + Send + 'static,
        write: impl FnOnce(&Rows, &Output, &str) -> T + Send + 'static,
    ) -> impl Future<Output = Result<Answered<T>, Refusal>> + Send;

    /// Counts a refusal that did not come from [`Backend::answer`].
    fn refused(&self, refusal: &Refusal);
}

/// The service of `backend`, which takes and sends messages of at most the limit of bodies.
pub(crate) fn service<B: Backend>(backend: Arc<B>) -> GrpcInferenceServiceServer<Service<B>> {
    let most = backend.limits().body;
    GrpcInferenceServiceServer::new(Service::new(backend))
        .max_decoding_message_size(most)
        .max_encoding_message_size(usize::MAX)
}

/// The service of a backend.
pub(crate) struct Service<B> {
    backend: Arc<B>,
}

impl<B: Backend> Service<B> {
    pub(super) fn new(backend: Arc<B>) -> Self {
        Self { backend }
    }

    /// The status of a refusal.
    fn status(&self, refusal: &Refusal) -> Status {
        let code = tonic::Code::from_i32(refusal.cause().code() as i32);
        Status::new(code, refusal.says(self.backend.explains()))
    }

    /// The status of a refusal that the backend has not counted.
    fn refused(&self, refusal: &Refusal) -> Status {
        self.backend.refused(refusal);
        self.status(refusal)
    }
}

impl Target {
    /// The target of a name and a version, which is empty if none is asked for.
    pub(crate) fn new(model: String, version: String) -> Self {
        Self { model, version: Some(version).filter(|version| !version.is_empty()) }
    }
}

#[tonic::async_trait]
impl<B: Backend> GrpcInferenceService for Service<B> {
    async fn server_live(
        &self,
        _: Request<ServerLiveRequest>,
    ) -> Result<Response<ServerLiveResponse>, Status> {
        Ok(Response::new(ServerLiveResponse { live: true }))
    }

    async fn server_ready(
        &self,
        _: Request<ServerReadyRequest>,
    ) -> Result<Response<ServerReadyResponse>, Status> {
        Ok(Response::new(ServerReadyResponse { ready: self.backend.is_ready() }))
    }

    async fn model_ready(
        &self,
        request: Request<ModelReadyRequest>,
    ) -> Result<Response<ModelReadyResponse>, Status> {
        let ModelReadyRequest { name, version } = request.into_inner();
        match self.backend.describe(&Target::new(name, version)) {
            Ok(_) => Ok(Response::new(ModelReadyResponse { ready: true })),
            Err(refusal) if refusal.cause() == Cause::NotReady => {
                Ok(Response::new(ModelReadyResponse { ready: false }))
            }
            Err(refusal) => Err(self.refused(&refusal)),
        }
    }

    async fn server_metadata(
        &self,
        _: Request<ServerMetadataRequest>,
    ) -> Result<Response<ServerMetadataResponse>, Status> {
        Ok(Response::new(ServerMetadataResponse {
            name: SERVER_NAME.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            extensions: vec![BINARY_EXTENSION.to_owned()],
        }))
    }

    async fn model_metadata(
        &self,
        request: Request<ModelMetadataRequest>,
    ) -> Result<Response<ModelMetadataResponse>, Status> {
        let ModelMetadataRequest { name, version } = request.into_inner();
        let target = Target::new(name, version);
        let (version, schema) = self.backend.describe(&target).map_err(|refusal| self.refused(&refusal))?;
        Ok(Response::new(convert::metadata(target.model, version, &schema)))
    }

    async fn model_infer(
        &self,
        request: Request<ModelInferRequest>,
    ) -> Result<Response<ModelInferResponse>, Status> {
        let (metadata, extensions, mut message) = request.into_parts();
        let model = std::mem::take(&mut message.model_name);
        let target = Target::new(model.clone(), std::mem::take(&mut message.model_version));
        let bytes = convert::size(&message);
        let headers = metadata.into_headers();
        let read = move |schema: &Schema, limits: &Limits| {
            Rows::from_tensors(schema, limits, convert::request(&message)?)
        };
        let write = move |rows: &Rows, output: &Output, version: &str| {
            convert::response(model, version, rows, output)
        };
        let asked = Asked { target, headers: &headers, extensions: &extensions, bytes };
        let answered = self.backend.answer(asked, read, write).await;
        let Answered { answer, headers } = answered.map_err(|refusal| self.status(&refusal))?;
        let mut response = Response::new(answer);
        for (name, value) in headers {
            if let (Ok(name), Ok(value)) = (name.as_str().parse::<AsciiMetadataKey>(), value.parse()) {
                response.metadata_mut().insert(name, value);
            }
        }
        Ok(response)
    }
}
