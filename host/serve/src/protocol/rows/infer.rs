//! Requests of the Open Inference Protocol as JSON, with tensors in it or after it.

use std::borrow::Cow;

use super::forms::tried;
use super::params::{Others, Param, Params};
use super::refusal::{Cause, Refusal};
use super::scan::{Kind, Read, Scanner};
use super::tensor::{Data, Datatype, Shape, Tensor};
use super::{Limits, OUTPUT, Wanted};
use hydra_base::text::{QUOTED_CHARS, excerpt};

/// The longest id of a request, in bytes.
const LONGEST_ID: usize = 1_024;

/// A request: its tensors, and what the answer needs.
#[derive(Debug)]
pub(crate) struct Infer<'b> {
    pub(crate) tensors: Vec<Tensor<'b>>,
    pub(crate) params: Params,
    pub(crate) wanted: Wanted,
}

/// A tensor whose members are read one by one.
#[derive(Default)]
struct Members<'b> {
    name: Option<Cow<'b, str>>,
    shape: Option<Shape>,
    datatype: Option<Datatype>,
    /// Where the data starts, and the values if shape and datatype were known when they were read.
    data: Option<(usize, Option<ReadData<'b>>)>,
    binary: Option<usize>,
}

/// Values, and the shape and datatype as which they were read.
struct ReadData<'b> {
    shape: Shape,
    datatype: Datatype,
    data: Read<Data<'b>>,
}

/// Reads a request. `body` has the JSON, whose length is `json_length`, and then the raw tensors.
pub(crate) fn read<'b>(body: &'b [u8], json_length: Option<usize>, limits: &Limits) -> Read<Infer<'b>> {
    let (text, mut raw) = match json_length {
        None => (body, &body[body.len()..]),
        Some(length) => body
            .split_at_checked(length)
            .ok_or_else(|| Refusal::because(Cause::Form, "the JSON is longer than the body"))?,
    };
    let mut json = Scanner::new(text)?;
    if json.kind() != Kind::Object {
        json.skip()?;
        json.end()?;
        return Err(Refusal::because(Cause::Form, "the body is not an object"));
    }
    let mut id = None;
    let mut binary = false;
    let mut params = Ok(Params::default());
    let mut outputs = Ok(Vec::new());
    let mut tensors = None;
    // Each is kept twice while categories are looked up.
    let mut texts = limits.values::<[Option<Cow<'_, str>>; 2]>();
    let mut more = json.enter_object()?;
    while more {
        match &*json.key()? {
            "id" => id = read_id(&mut json)?,
            "parameters" => {
                binary = false;
                params = tried(&mut json, |json| {
                    Params::read(json, Others::Ignore, |name, value| {
                        if name == "binary_data_output" {
                            binary = value == Some(Param::Bool(true));
                        }
                    })
                })?;
            }
            "outputs" => outputs = tried(&mut json, read_outputs)?,
            "inputs" => tensors = Some(tried(&mut json, |json| read_inputs(json, limits, &mut texts))?),
            _ => json.skip()?,
        }
        more = json.next_member()?;
    }
    json.end()?;
    let tensors = tensors.ok_or_else(|| Refusal::because(Cause::Form, "`inputs` is missing"))??;
    let tensors = tensors
        .into_iter()
        .map(|tensor| tensor.finish(&mut json, &mut raw, &mut texts))
        .collect::<Read<_>>()?;
    if !raw.is_empty() {
        return Err(Refusal::because(
            Cause::Shape,
            format_args!("{} bytes after the last tensor", raw.len()),
        ));
    }
    for wanted in outputs? {
        binary = wanted.unwrap_or(binary);
    }
    Ok(Infer { tensors, params: params?, wanted: Wanted { id, binary } })
}

fn read_id(json: &mut Scanner<'_>) -> Read<Option<String>> {
    if json.null() {
        return Ok(None);
    }
    if json.kind() != Kind::Text {
        return Err(Refusal::because(Cause::Form, "`id` is not text"));
    }
    let id = json.text()?;
    if id.len() > LONGEST_ID {
        return Err(Refusal::because(Cause::Form, format_args!("`id` is longer than {LONGEST_ID} bytes")));
    }
    Ok(Some(id.into_owned()))
}

/// Reads the requested outputs, and whether each says that it is binary.
fn read_outputs(json: &mut Scanner<'_>) -> Read<Vec<Option<bool>>> {
    let mut outputs = Vec::new();
    if json.null() {
        return Ok(outputs);
    }
    objects(json, "outputs", |json| {
        let (mut name, mut binary) = (None, None);
        members(json, |json, key| match key {
            "name" => text(json, key).map(|text| name = Some(text)),
            "parameters" => parameters(json, |name, value| {
                if let ("binary_data", Some(Param::Bool(flag))) = (name, value) {
                    binary = Some(flag);
                }
            }),
            _ => json.skip(),
        })?;
        outputs.push(check_output(name.as_deref().unwrap_or_default()).map(|()| binary)?);
        Ok(())
    })?;
    Ok(outputs)
}

/// Refuses an output that the model does not have.
pub(crate) fn check_output(name: &str) -> Read<()> {
    if name == OUTPUT {
        return Ok(());
    }
    Err(Refusal::because(
        Cause::Output,
        format_args!("`{}` is not `{OUTPUT}`", excerpt(name.as_bytes(), QUOTED_CHARS)),
    ))
}

/// `texts` says how many texts there may still be.
fn read_inputs<'b>(json: &mut Scanner<'b>, limits: &Limits, texts: &mut usize) -> Read<Vec<Members<'b>>> {
    let mut tensors = Vec::new();
    objects(json, "inputs", |json| {
        if tensors.len() >= limits.columns {
            return Err(Refusal::because(Cause::ColumnCount, format_args!("more than {}", limits.columns)));
        }
        let mut tensor = Members::default();
        members(json, |json, key| tensor.member(json, key, texts))?;
        tensors.push(tensor);
        Ok(())
    })?;
    Ok(tensors)
}

impl<'b> Members<'b> {
    fn member(&mut self, json: &mut Scanner<'b>, key: &str, texts: &mut usize) -> Read<()> {
        match key {
            "name" => self.name = Some(text(json, key)?),
            "datatype" => self.datatype = Some(Datatype::of(&text(json, key)?)?),
            "shape" => self.shape = Some(read_shape(json)?),
            "parameters" => {
                self.binary = None;
                let mut size = None;
                parameters(json, |name, value| {
                    if name == "binary_data_size" {
                        size = Some(value);
                    }
                })?;
                self.binary = match size {
                    None => None,
                    Some(Some(Param::Number(size))) if size >= 0.0 && size.trunc() == size => {
                        Some(size as usize)
                    }
                    Some(_) => {
                        return Err(Refusal::because(
                            Cause::Form,
                            "`binary_data_size` is not a number of bytes",
                        ));
                    }
                };
            }
            "data" => {
                json.peek();
                let start = json.position();
                let values = match self.shape.zip(self.datatype) {
                    Some((shape, datatype)) => {
                        take_texts(texts, shape, datatype)?;
                        let data = tried(json, |json| Data::read(json, datatype, shape))?;
                        Some(ReadData { shape, datatype, data })
                    }
                    None => {
                        json.skip()?;
                        None
                    }
                };
                self.data = Some((start, values));
            }
            _ => json.skip()?,
        }
        Ok(())
    }

    /// The tensor, whose values may be at the start of `raw`.
    fn finish(self, json: &mut Scanner<'b>, raw: &mut &'b [u8], texts: &mut usize) -> Read<Tensor<'b>> {
        let missing = |what| Refusal::because(Cause::Form, format_args!("a tensor has no `{what}`"));
        let name = self.name.ok_or_else(|| missing("name"))?;
        let shape = self.shape.ok_or_else(|| missing("shape"))?;
        let datatype = self.datatype.ok_or_else(|| missing("datatype"))?;
        let data = match (self.data, self.binary) {
            (None, None) => return Err(missing("data")),
            (Some(_), Some(_)) => {
                return Err(Refusal::because(Cause::Form, "a tensor has both `data` and `binary_data_size`"));
            }
            (None, Some(size)) => {
                let (bytes, rest) = raw
                    .split_at_checked(size)
                    .ok_or_else(|| Refusal::because(Cause::Shape, "the body ends before its last tensor"))?;
                *raw = rest;
                take_texts(texts, shape, datatype)?;
                datatype.decode(bytes, shape.count())?
            }
            (Some((_, Some(read))), None) if (read.shape, read.datatype) == (shape, datatype) => read.data?,
            (Some((start, _)), None) => {
                take_texts(texts, shape, datatype)?;
                json.back(start);
                Data::read(json, datatype, shape)?
            }
        };
        Ok(Tensor { name, shape, data })
    }
}

/// Refuses a tensor of more texts than may still be read.
fn take_texts(left: &mut usize, shape: Shape, datatype: Datatype) -> Read<()> {
    if datatype == Datatype::Bytes {
        *left = left.checked_sub(shape.count()).ok_or_else(|| {
            Refusal::because(Cause::RowCount, "the tensors have more texts than are read in a request")
        })?;
    }
    Ok(())
}

fn read_shape(json: &mut Scanner<'_>) -> Read<Shape> {
    if json.kind() != Kind::List {
        return Err(Refusal::because(Cause::Form, "`shape` is not a list"));
    }
    let mut dimensions = Vec::new();
    let mut more = json.enter_list()?;
    while more {
        if !matches!(json.peek(), b'0'..=b'9' | b'-') {
            return Err(Refusal::because(Cause::Form, "a dimension of a shape is not a number"));
        }
        let dimension = json.number()?;
        if dimension < 0.0
            || dimension.trunc() != dimension
            || dimension > 2_f64.powi(53)
            || dimensions.len() > 2
        {
            return Err(Refusal::because(Cause::Shape, "a dimension is not a size, or there are too many"));
        }
        dimensions.push(dimension as u64);
        more = json.next_item()?;
    }
    Shape::of(&dimensions)
}

/// Reads parameters, and passes each to `see`.
fn parameters(json: &mut Scanner<'_>, see: impl FnMut(&str, Option<Param>)) -> Read<()> {
    Params::read(json, Others::Ignore, see).map(drop)
}

/// Reads a member that must be text.
fn text<'b>(json: &mut Scanner<'b>, key: &str) -> Read<Cow<'b, str>> {
    if json.kind() != Kind::Text {
        return Err(Refusal::because(Cause::Form, format_args!("`{key}` is not text")));
    }
    json.text()
}

/// Reads a list of objects.
fn objects<'b>(
    json: &mut Scanner<'b>,
    what: &str,
    mut read: impl FnMut(&mut Scanner<'b>) -> Read<()>,
) -> Read<()> {
    if json.kind() != Kind::List {
        return Err(Refusal::because(Cause::Form, format_args!("`{what}` is not a list")));
    }
    let mut more = json.enter_list()?;
    while more {
        if json.kind() != Kind::Object {
            return Err(Refusal::because(
                Cause::Form,
                format_args!("`{what}` has items that are not objects"),
            ));
        }
        read(json)?;
        more = json.next_item()?;
    }
    Ok(())
}

/// Reads the members of an object.
fn members<'b>(json: &mut Scanner<'b>, mut read: impl FnMut(&mut Scanner<'b>, &str) -> Read<()>) -> Read<()> {
    let mut more = json.enter_object()?;
    while more {
        let key = json.key()?;
        read(json, &key)?;
        more = json.next_member()?;
    }
    Ok(())
}
