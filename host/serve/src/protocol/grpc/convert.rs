//! Messages as requests and outputs as messages.

use std::borrow::Cow;
use std::collections::HashMap;

use bytes::Bytes;
use prost::Message as _;

use super::inference::infer_parameter::ParameterChoice;
use super::inference::model_infer_request::InferInputTensor;
use super::inference::model_infer_response::InferOutputTensor;
use super::inference::{
    InferParameter, InferTensorContents, ModelInferRequest, ModelInferResponse, ModelMetadataResponse,
    model_metadata_response,
};
use crate::protocol::answer::Output;
use crate::protocol::metadata::TensorMetadata;
use crate::protocol::rows::{
    Cause, Data, Datatype, Infer, OUTPUT, Param, Params, Refusal, Rows, Schema, Shape, Tensor, Wanted,
    check_output,
};

/// The metadata of a model.
pub(super) fn metadata(model: String, version: String, schema: &Schema) -> ModelMetadataResponse {
    let tensors = |tensors: Vec<TensorMetadata>| {
        let tensor = |tensor: TensorMetadata| model_metadata_response::TensorMetadata {
            name: tensor.name,
            datatype: tensor.datatype.as_str().to_owned(),
            shape: tensor.shape.to_vec(),
        };
        tensors.into_iter().map(tensor).collect()
    };
    ModelMetadataResponse {
        name: model,
        versions: vec![version],
        platform: schema.platform(),
        inputs: tensors(schema.inputs()),
        outputs: tensors(schema.outputs()),
    }
}

/// The bytes of memory that a message takes, which are more than it has on the wire: numbers of one byte take up to eight there, and
/// each text has a head.
pub(super) fn size(message: &ModelInferRequest) -> usize {
    let contents = message.inputs.iter().filter_map(|input| input.contents.as_ref());
    let decoded = contents.map(|contents| {
        let numbers = contents.int_contents.len()
            + contents.int64_contents.len()
            + contents.uint_contents.len()
            + contents.uint64_contents.len();
        numbers * size_of::<u64>() + contents.bytes_contents.len() * size_of::<Bytes>()
    });
    message.encoded_len().saturating_add(decoded.sum())
}

/// The tensors and parameters of a request.
pub(super) fn request(message: &ModelInferRequest) -> Result<Infer<'_>, Refusal> {
    let mut params = Params::default();
    for (name, value) in &message.parameters {
        params.set(name, param(value))?;
    }
    for output in &message.outputs {
        check_output(&output.name)?;
    }
    let raw = &message.raw_input_contents;
    if !raw.is_empty() && raw.len() != message.inputs.len() {
        return Err(Refusal::because(
            Cause::Shape,
            "the request has raw contents for some of its inputs only",
        ));
    }
    let tensors = message.inputs.iter().enumerate();
    let tensors = tensors.map(|(index, input)| tensor(input, raw.get(index))).collect::<Result<_, _>>()?;
    let id = Some(message.id.clone()).filter(|id| !id.is_empty());
    Ok(Infer { tensors, params, wanted: Wanted { id, binary: !raw.is_empty() } })
}

/// The answer to a request for `model`; with raw contents if the request had them.
pub(super) fn response(model: String, version: &str, rows: &Rows, output: &Output) -> ModelInferResponse {
    let Wanted { id, binary } = rows.wanted().clone();
    let tensor = InferOutputTensor {
        name: OUTPUT.to_owned(),
        datatype: output.datatype().as_str().to_owned(),
        shape: output.shape().map(|size| size as i64).to_vec(),
        parameters: HashMap::new(),
        contents: (!binary).then(|| output.contents()),
    };
    ModelInferResponse {
        model_name: model,
        model_version: version.to_owned(),
        id: id.unwrap_or_default(),
        parameters: HashMap::new(),
        outputs: vec![tensor],
        raw_output_contents: if binary { vec![output.raw().into()] } else { Vec::new() },
    }
}

fn param(value: &InferParameter) -> Option<Param> {
    Some(match value.parameter_choice.as_ref()? {
        ParameterChoice::BoolParam(flag) => Param::Bool(*flag),
        ParameterChoice::Int64Param(number) => Param::Number(*number as f64),
        ParameterChoice::Uint64Param(number) => Param::Number(*number as f64),
        ParameterChoice::DoubleParam(number) => Param::Number(*number),
        ParameterChoice::StringParam(_) => Param::Other,
    })
}

fn tensor<'m>(input: &'m InferInputTensor, raw: Option<&'m Bytes>) -> Result<Tensor<'m>, Refusal> {
    let datatype = Datatype::of(&input.datatype)?;
    let dimensions = input.shape.iter().map(|size| u64::try_from(*size));
    let dimensions = dimensions
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| Refusal::because(Cause::Shape, "a dimension is negative"))?;
    let shape = Shape::of(&dimensions)?;
    let data = match (raw, &input.contents) {
        (Some(raw), None) => datatype.decode(raw, shape.count())?,
        (None, Some(contents)) => typed(datatype, contents)?,
        (None, None) => return Err(Refusal::because(Cause::Form, "a tensor has no contents")),
        (Some(_), Some(_)) => {
            return Err(Refusal::because(Cause::Form, "a request with raw contents has other contents, too"));
        }
    };
    Ok(Tensor { name: Cow::Borrowed(&input.name), shape, data })
}

/// The values of the list that belongs to a datatype; the others must be empty.
fn typed(datatype: Datatype, contents: &InferTensorContents) -> Result<Data<'_>, Refusal> {
    let InferTensorContents {
        bool_contents,
        int_contents,
        int64_contents,
        uint_contents,
        uint64_contents,
        fp32_contents,
        fp64_contents,
        bytes_contents,
    } = contents;
    let lengths = [
        bool_contents.len(),
        int_contents.len(),
        int64_contents.len(),
        uint_contents.len(),
        uint64_contents.len(),
        fp32_contents.len(),
        fp64_contents.len(),
        bytes_contents.len(),
    ];
    let (numbers, length): (Vec<f64>, usize) = match datatype {
        Datatype::Bool => {
            let numbers = bool_contents.iter().map(|flag| f64::from(u8::from(*flag)));
            (numbers.collect(), bool_contents.len())
        }
        Datatype::Int8 | Datatype::Int16 | Datatype::Int32 => {
            (int_contents.iter().map(|number| f64::from(*number)).collect(), int_contents.len())
        }
        Datatype::Int64 => {
            (int64_contents.iter().map(|number| *number as f64).collect(), int64_contents.len())
        }
        Datatype::Uint8 | Datatype::Uint16 | Datatype::Uint32 => {
            (uint_contents.iter().map(|number| f64::from(*number)).collect(), uint_contents.len())
        }
        Datatype::Uint64 => {
            (uint64_contents.iter().map(|number| *number as f64).collect(), uint64_contents.len())
        }
        Datatype::Fp32 => {
            (fp32_contents.iter().map(|number| f64::from(*number)).collect(), fp32_contents.len())
        }
        Datatype::Fp64 => (fp64_contents.clone(), fp64_contents.len()),
        Datatype::Fp16 => {
            return Err(Refusal::because(Cause::Datatype, "FP16 is possible as raw contents only"));
        }
        Datatype::Bytes => (Vec::new(), bytes_contents.len()),
    };
    if lengths.iter().sum::<usize>() != length {
        return Err(Refusal::because(Cause::Datatype, "the contents are not those of the datatype"));
    }
    if datatype == Datatype::Bytes {
        let text =
            |bytes: &'_ Bytes| std::str::from_utf8(bytes).map(|text| Some(Cow::Owned(text.to_owned())));
        let texts = bytes_contents.iter().map(text).collect::<Result<_, _>>();
        return texts
            .map(Data::Texts)
            .map_err(|_| Refusal::because(Cause::Value, "a value of type BYTES is not UTF-8"));
    }
    for number in &numbers {
        datatype.convert(*number)?;
    }
    Ok(Data::Numbers(numbers))
}
