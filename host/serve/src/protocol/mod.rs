//! The protocols: how requests become rows, and how outputs and refusals become answers.
//!
//! Facts: MLflow's scoring protocol (`mlflow/pyfunc/scoring_server` of 3.17), the Open Inference Protocol with the binary tensor
//! extension (github.com/kserve/open-inference-protocol), and KServe's first protocol. The protocols share [`Rows`], [`Output`] and
//! [`Refusal`]; what differs is in [`media`], [`fault`], [`answer`] and [`grpc`].

mod answer;
mod encoding;
mod fault;
mod grpc;
mod media;
mod metadata;
mod rows;

#[cfg(test)]
mod tests;

pub(crate) use answer::{Body, Output};
pub(crate) use encoding::Encoding;
pub(crate) use fault::Fault;
pub(crate) use grpc::{Answered, Asked, Backend, Target, service};
pub(crate) use media::{MediaType, json_length};
pub(crate) use metadata::server as server_metadata;
#[cfg(test)]
pub(crate) use rows::TableFormat;
pub(crate) use rows::{Cause, Declared, Forms, Limits, Params, Refusal, Rows, Schema};
