//! The service, on a backend of one model.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::http::HeaderName;
use bytes::Bytes;
use prost::Message as _;
use tonic::{Code, Request};

use super::inference::grpc_inference_service_server::GrpcInferenceService as _;
use super::inference::infer_parameter::ParameterChoice;
use super::inference::model_infer_request::{InferInputTensor, InferRequestedOutputTensor};
use super::inference::{
    InferParameter, InferTensorContents, ModelInferRequest, ModelMetadataRequest, ModelReadyRequest,
    ServerLiveRequest, ServerMetadataRequest, ServerReadyRequest,
};
use super::service::{Answered, Asked, Backend, Service, Target};
use crate::protocol::answer::Output;
use crate::protocol::rows::{Cause, Limits, Refusal, Rows, Schema};
use crate::protocol::tests::{LIMITS, regression};

/// The model `m` in version 7.
struct One {
    schema: Arc<Schema>,
    refused: AtomicUsize,
}

impl Backend for One {
    fn limits(&self) -> &Limits {
        &LIMITS
    }

    fn explains(&self) -> bool {
        false
    }

    fn is_ready(&self) -> bool {
        true
    }

    fn describe(&self, target: &Target) -> Result<(String, Arc<Schema>), Refusal> {
        match (target.model.as_str(), target.version.as_deref()) {
            ("m", None | Some("7")) => Ok(("7".to_owned(), self.schema.clone())),
            ("m", _) => Err(Refusal::new(Cause::UnknownVersion)),
            ("empty", _) => Err(Refusal::new(Cause::NotReady)),
            _ => Err(Refusal::new(Cause::UnknownModel)),
        }
    }

    async fn answer<T: Send + 'static>(
        &self,
        asked: Asked<'_>,
        read: impl Fn(&Schema, &Limits) -> Result<Rows, Refusal> + Send + 'static,
        write: impl FnOnce(&Rows, &Output, &str) -> T + Send + 'static,
    ) -> Result<Answered<T>, Refusal> {
        let (version, schema) = self.describe(&asked.target)?;
        assert!(asked.bytes > 0 && asked.headers.contains_key("x-key"));
        let rows = read(&schema, &LIMITS)?;
        let answer = write(&rows, &schema.predict(&rows)?, &version);
        Ok(Answered { answer, headers: vec![(HeaderName::from_static("x-hydra-version"), version)] })
    }

    fn refused(&self, _: &Refusal) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }
}

fn one() -> Service<One> {
    Service::new(Arc::new(One { schema: Arc::new(regression()), refused: AtomicUsize::new(0) }))
}

fn input(
    name: &str,
    datatype: &str,
    shape: &[i64],
    contents: impl Into<Option<InferTensorContents>>,
) -> InferInputTensor {
    InferInputTensor {
        name: name.to_owned(),
        datatype: datatype.to_owned(),
        shape: shape.to_vec(),
        parameters: HashMap::new(),
        contents: contents.into(),
    }
}

fn doubles(values: &[f64]) -> InferTensorContents {
    InferTensorContents { fp64_contents: values.to_vec(), ..InferTensorContents::default() }
}

fn asking(inputs: Vec<InferInputTensor>, raw: Vec<Bytes>) -> ModelInferRequest {
    ModelInferRequest {
        model_name: "m".to_owned(),
        id: "a7".to_owned(),
        inputs,
        raw_input_contents: raw,
        ..ModelInferRequest::default()
    }
}

fn request<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("x-key", "1".parse().unwrap());
    request
}

#[tokio::test]
async fn typed_and_raw_contents_have_the_same_answer() {
    let service = one();
    let values = [0.5, 1.0, -1.0, 0.0, 2.0, f64::NAN, 1.0, -1.0, 0.0, 2.0];
    let shape = [2, 5];
    let typed = asking(vec![input("x", "FP64", &shape, Some(doubles(&values)))], Vec::new());
    let raw: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    let raw = asking(vec![input("x", "FP64", &shape, None)], vec![raw.into()]);
    let column = |index: usize| {
        let values = [values[index], values[index + 5]];
        input(&format!("f{index}"), "FP64", &[2, 1], Some(doubles(&values)))
    };
    let columns = asking([3, 1, 0, 2, 4].map(column).to_vec(), Vec::new());

    let response = service.model_infer(request(typed)).await.unwrap();
    assert_eq!(response.metadata().get("x-hydra-version").unwrap(), "7");
    let typed = response.into_inner();
    let contents = typed.outputs[0].contents.clone().unwrap();
    assert_eq!(
        (typed.model_name.as_str(), typed.model_version.as_str(), typed.id.as_str()),
        ("m", "7", "a7")
    );
    assert_eq!((typed.outputs[0].name.as_str(), typed.outputs[0].datatype.as_str()), ("predict", "FP64"));
    assert_eq!(typed.outputs[0].shape, [2, 1]);
    let by_column = service.model_infer(request(columns)).await.unwrap().into_inner();
    assert_eq!(by_column, typed);

    // As sent, which the contents are a part of.
    let sent = raw.encode_to_vec();
    let raw = ModelInferRequest::decode(Bytes::from(sent)).unwrap();
    let raw = service.model_infer(request(raw)).await.unwrap().into_inner();
    assert!(raw.outputs[0].contents.is_none());
    let bytes: Vec<u8> = contents.fp64_contents.iter().flat_map(|value| value.to_le_bytes()).collect();
    assert_eq!(raw.raw_output_contents, [bytes]);
}

#[tokio::test]
async fn every_datatype_has_its_list() {
    let service = one();
    let none = InferTensorContents::default;
    let columns = |first: InferInputTensor| {
        let mut inputs = vec![first];
        inputs.extend((1..5).map(|index| input(&format!("f{index}"), "FP64", &[1], Some(doubles(&[0.5])))));
        asking(inputs, Vec::new())
    };
    let expected = service
        .model_infer(request(columns(input("f0", "FP64", &[1], Some(doubles(&[1.0]))))))
        .await
        .unwrap();
    let expected = expected.into_inner();
    for (datatype, contents) in [
        ("BOOL", InferTensorContents { bool_contents: vec![true], ..none() }),
        ("INT8", InferTensorContents { int_contents: vec![1], ..none() }),
        ("INT32", InferTensorContents { int_contents: vec![1], ..none() }),
        ("INT64", InferTensorContents { int64_contents: vec![1], ..none() }),
        ("UINT16", InferTensorContents { uint_contents: vec![1], ..none() }),
        ("UINT64", InferTensorContents { uint64_contents: vec![1], ..none() }),
        ("FP32", InferTensorContents { fp32_contents: vec![1.0], ..none() }),
    ] {
        let asked = columns(input("f0", datatype, &[1], Some(contents)));
        let answer = service.model_infer(request(asked)).await.unwrap().into_inner();
        assert_eq!(answer, expected, "{datatype}");
    }
    for (datatype, contents) in [
        ("INT8", InferTensorContents { int_contents: vec![300], ..none() }),
        ("INT8", InferTensorContents { int64_contents: vec![1], ..none() }),
        ("FP64", InferTensorContents { fp64_contents: vec![1.0], int_contents: vec![1], ..none() }),
        ("FP64", InferTensorContents { fp64_contents: vec![1.0, 2.0], ..none() }),
        ("FP64", none()),
        ("FP16", InferTensorContents { fp32_contents: vec![1.0], ..none() }),
        ("BYTES", InferTensorContents { bytes_contents: vec![Bytes::from_static(b"1")], ..none() }),
        ("BYTES", InferTensorContents { bytes_contents: vec![Bytes::from_static(b"\xff")], ..none() }),
        ("FP128", none()),
    ] {
        let asked = columns(input("f0", datatype, &[1], Some(contents)));
        let status = service.model_infer(request(asked)).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{datatype}: {status:?}");
    }
}

#[tokio::test]
async fn wrong_requests_are_refused_with_a_status() {
    let service = one();
    let good = || input("x", "FP64", &[1, 5], Some(doubles(&[1.0; 5])));
    let eight = || Bytes::from(vec![0; 40]);
    let parameter =
        |choice| HashMap::from([("raw_score".to_owned(), InferParameter { parameter_choice: Some(choice) })]);
    let output =
        |name: &str| InferRequestedOutputTensor { name: name.to_owned(), parameters: HashMap::new() };
    for (asked, code) in [
        (asking(vec![], vec![]), Code::InvalidArgument),
        (asking(vec![good()], vec![eight()]), Code::InvalidArgument),
        (asking(vec![good()], vec![eight(), eight()]), Code::InvalidArgument),
        (asking(vec![input("x", "FP64", &[1, 5], None)], vec![]), Code::InvalidArgument),
        (asking(vec![input("x", "FP64", &[-1, 5], Some(doubles(&[1.0; 5])))], vec![]), Code::InvalidArgument),
        (
            asking(vec![input("x", "FP64", &[i64::MAX, i64::MAX], Some(doubles(&[1.0; 5])))], vec![]),
            Code::InvalidArgument,
        ),
        (
            asking(vec![input("x", "FP64", &[1, 5], None)], vec![Bytes::from(vec![0; 39])]),
            Code::InvalidArgument,
        ),
        (
            ModelInferRequest { outputs: vec![output("x")], ..asking(vec![good()], vec![]) },
            Code::InvalidArgument,
        ),
        (
            ModelInferRequest {
                parameters: parameter(ParameterChoice::Int64Param(1)),
                ..asking(vec![good()], vec![])
            },
            Code::InvalidArgument,
        ),
        (ModelInferRequest { model_name: "x".to_owned(), ..asking(vec![good()], vec![]) }, Code::NotFound),
        (ModelInferRequest { model_version: "8".to_owned(), ..asking(vec![good()], vec![]) }, Code::NotFound),
        (
            ModelInferRequest { model_name: "empty".to_owned(), ..asking(vec![good()], vec![]) },
            Code::Unavailable,
        ),
    ] {
        let status = service.model_infer(request(asked.clone())).await.unwrap_err();
        assert_eq!(status.code(), code, "{asked:?}: {status:?}");
    }
    let asked = ModelInferRequest {
        outputs: vec![output("predict")],
        parameters: parameter(ParameterChoice::BoolParam(true)),
        model_version: "7".to_owned(),
        ..asking(vec![good()], vec![])
    };
    service.model_infer(request(asked)).await.unwrap();
}

#[tokio::test]
async fn questions_about_the_server_and_its_models_are_answered() {
    let service = one();
    assert!(service.server_live(Request::new(ServerLiveRequest {})).await.unwrap().into_inner().live);
    assert!(service.server_ready(Request::new(ServerReadyRequest {})).await.unwrap().into_inner().ready);
    let server = service.server_metadata(Request::new(ServerMetadataRequest {})).await.unwrap().into_inner();
    assert_eq!(
        (server.name.as_str(), server.extensions),
        ("hydra-registry", vec!["binary_tensor_data".to_owned()])
    );
    let ready = |name: &str| {
        let asked = ModelReadyRequest { name: name.to_owned(), version: String::new() };
        service.model_ready(Request::new(asked))
    };
    assert!(ready("m").await.unwrap().into_inner().ready);
    assert!(!ready("empty").await.unwrap().into_inner().ready);
    assert_eq!(ready("x").await.unwrap_err().code(), Code::NotFound);
    let asked = ModelMetadataRequest { name: "m".to_owned(), version: "7".to_owned() };
    let model = service.model_metadata(Request::new(asked)).await.unwrap().into_inner();
    assert_eq!((model.versions, model.inputs.len()), (vec!["7".to_owned()], 5));
    assert_eq!(
        (model.outputs[0].name.as_str(), model.outputs[0].shape.as_slice()),
        ("predict", &[-1, 1][..])
    );
    let asked = ModelMetadataRequest { name: "m".to_owned(), version: "8".to_owned() };
    assert_eq!(service.model_metadata(Request::new(asked)).await.unwrap_err().code(), Code::NotFound);
}
