//! The gRPC form of the Open Inference Protocol.

mod codec;
mod convert;
#[rustfmt::skip]
#[expect(clippy::enum_variant_names, clippy::struct_field_names, reason = "the names of the protocol")]
mod inference;
mod service;

#[cfg(test)]
mod generated;
#[cfg(test)]
mod tests;

pub(super) use inference::InferTensorContents;
pub(crate) use service::{Answered, Asked, Backend, Target, service};
