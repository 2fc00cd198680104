//! The protocols over HTTP, as far as they differ.

use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use bytes::Bytes;

use crate::metrics::Protocol;
use crate::options::{NonFinite, ServeOptions};
use crate::protocol::{Body, Fault, Forms, Limits, MediaType, Output, Refusal, Rows, Schema, json_length};
use crate::served::Served;

/// How the requests of a protocol are read and answered.
pub(super) trait Dialect: Copy + Send + Sync + 'static {
    /// The protocol, as the label of its requests.
    const PROTOCOL: Protocol;

    /// What the head of a request and the options say about its body and its answer.
    fn of(head: &Parts, options: &ServeOptions) -> Result<Self, Refusal>;

    /// Reads the rows of a body.
    fn read(self, schema: &Schema, limits: &Limits, body: &Bytes) -> Result<Rows, Refusal>;

    /// Writes an answer.
    fn write(self, rows: &Rows, output: &Output, served: &Served) -> Body;

    /// Writes a refusal.
    fn refuse(refusal: &Refusal, explain: bool) -> Fault;
}

/// MLflow's scoring protocol, which is SageMaker's as well.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mlflow {
    media: MediaType,
    non_finite: NonFinite,
}

/// KServe's first protocol.
#[derive(Debug, Clone, Copy)]
pub(super) struct KServe {
    non_finite: NonFinite,
}

/// The Open Inference Protocol.
#[derive(Debug, Clone, Copy)]
pub(super) struct OpenInference {
    json_length: Option<usize>,
}

impl Dialect for Mlflow {
    const PROTOCOL: Protocol = Protocol::Mlflow;

    fn of(head: &Parts, options: &ServeOptions) -> Result<Self, Refusal> {
        let content_type = head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        Ok(Self {
            media: MediaType::of(content_type)?,
            non_finite: options.non_finite.of_query(head.uri.query())?,
        })
    }

    fn read(self, schema: &Schema, limits: &Limits, body: &Bytes) -> Result<Rows, Refusal> {
        match self.media {
            MediaType::Json => Rows::from_json(schema, limits, Forms::MLflow, body),
            MediaType::Table(format) => Rows::from_table(schema, limits, format, body),
        }
    }

    fn write(self, _: &Rows, output: &Output, _: &Served) -> Body {
        output.predictions(self.non_finite)
    }

    fn refuse(refusal: &Refusal, explain: bool) -> Fault {
        refusal.mlflow(explain)
    }
}

impl Dialect for KServe {
    const PROTOCOL: Protocol = Protocol::V1;

    fn of(head: &Parts, options: &ServeOptions) -> Result<Self, Refusal> {
        Ok(Self { non_finite: options.non_finite.of_query(head.uri.query())? })
    }

    fn read(self, schema: &Schema, limits: &Limits, body: &Bytes) -> Result<Rows, Refusal> {
        Rows::from_json(schema, limits, Forms::KServe, body)
    }

    fn write(self, _: &Rows, output: &Output, _: &Served) -> Body {
        output.predictions(self.non_finite)
    }

    fn refuse(refusal: &Refusal, explain: bool) -> Fault {
        refusal.kserve(explain)
    }
}

impl Dialect for OpenInference {
    const PROTOCOL: Protocol = Protocol::V2;

    fn of(head: &Parts, _: &ServeOptions) -> Result<Self, Refusal> {
        let length = head.headers.get(super::JSON_LENGTH_HEADER).and_then(|value| value.to_str().ok());
        Ok(Self { json_length: json_length(length)? })
    }

    fn read(self, schema: &Schema, limits: &Limits, body: &Bytes) -> Result<Rows, Refusal> {
        Rows::from_infer(schema, limits, self.json_length, body)
    }

    fn write(self, rows: &Rows, output: &Output, served: &Served) -> Body {
        output.infer(&served.name, &served.label, rows.wanted())
    }

    fn refuse(refusal: &Refusal, explain: bool) -> Fault {
        refusal.kserve(explain)
    }
}
