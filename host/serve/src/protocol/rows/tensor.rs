//! Tensors of the Open Inference Protocol, and the table that they are.

use std::borrow::Cow;
use std::fmt;

use super::cell::number_in;
use super::forms::Reader;
use super::refusal::{Cause, Refusal};
use super::scan::{Kind, Read, Scanner};
use super::table::{self, Column};
use hydra_base::text::{QUOTED_CHARS, excerpt};

/// The datatypes of tensors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Datatype {
    Bool,
    Uint8,
    Uint16,
    Uint32,
    Uint64,
    Int8,
    Int16,
    Int32,
    Int64,
    Fp16,
    Fp32,
    Fp64,
    Bytes,
}

/// The values of a tensor, row-major.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Data<'b> {
    /// Numbers, with NaN for missing ones; booleans are 0 and 1.
    Numbers(Vec<f64>),
    /// Texts; `None` for missing ones.
    Texts(Vec<Option<Cow<'b, str>>>),
}

/// A tensor of a request.
#[derive(Debug)]
pub(crate) struct Tensor<'b> {
    pub(crate) name: Cow<'b, str>,
    pub(crate) shape: Shape,
    pub(crate) data: Data<'b>,
}

/// The shape of a tensor that is a column or a matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) rows: usize,
    /// `None` for a tensor of one dimension.
    pub(crate) columns: Option<usize>,
}

/// The values of the features that tensors are.
pub(super) struct Assembled {
    pub(super) values: Vec<f64>,
    pub(super) rows: usize,
    pub(super) is_column_major: bool,
    pub(super) ignored: usize,
}

impl Datatype {
    const ALL: [(&'static str, Self); 13] = [
        ("BOOL", Self::Bool),
        ("UINT8", Self::Uint8),
        ("UINT16", Self::Uint16),
        ("UINT32", Self::Uint32),
        ("UINT64", Self::Uint64),
        ("INT8", Self::Int8),
        ("INT16", Self::Int16),
        ("INT32", Self::Int32),
        ("INT64", Self::Int64),
        ("FP16", Self::Fp16),
        ("FP32", Self::Fp32),
        ("FP64", Self::Fp64),
        ("BYTES", Self::Bytes),
    ];

    /// The protocol's name.
    pub(crate) fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(_, datatype)| *datatype == self).map_or("", |(name, _)| name)
    }

    /// The datatype of a name.
    pub(crate) fn of(name: &str) -> Read<Self> {
        let known = Self::ALL.iter().find(|(known, _)| *known == name);
        known.map(|(_, datatype)| *datatype).ok_or_else(|| {
            Refusal::because(Cause::Datatype, format_args!("`{}`", excerpt(name.as_bytes(), QUOTED_CHARS)))
        })
    }

    /// The least and the greatest value of a type of integers.
    fn range(self) -> Option<(f64, f64)> {
        Some(match self {
            Self::Bool => (0.0, 1.0),
            Self::Uint8 => (0.0, f64::from(u8::MAX)),
            Self::Uint16 => (0.0, f64::from(u16::MAX)),
            Self::Uint32 => (0.0, f64::from(u32::MAX)),
            Self::Uint64 => (0.0, u64::MAX as f64),
            Self::Int8 => (f64::from(i8::MIN), f64::from(i8::MAX)),
            Self::Int16 => (f64::from(i16::MIN), f64::from(i16::MAX)),
            Self::Int32 => (f64::from(i32::MIN), f64::from(i32::MAX)),
            Self::Int64 => (i64::MIN as f64, i64::MAX as f64),
            Self::Fp16 | Self::Fp32 | Self::Fp64 | Self::Bytes => return None,
        })
    }

    /// A number of JSON as a value of this type; missing values are allowed in all of them.
    pub(crate) fn convert(self, number: f64) -> Read<f64> {
        if self == Self::Fp64 || number.is_nan() {
            return Ok(number);
        }
        if self == Self::Fp32 {
            return Ok(f64::from(number as f32));
        }
        match self.range() {
            Some((least, most)) if number.trunc() == number && (least..=most).contains(&number) => Ok(number),
            _ => Err(Refusal::because(Cause::Value, format_args!("not of type {self}: {number}"))),
        }
    }

    /// Decodes the raw bytes of `count` values.
    ///
    /// Numbers are little-endian, a boolean is one byte, and a text has its length in four bytes before it.
    pub(crate) fn decode(self, bytes: &[u8], count: usize) -> Read<Data<'_>> {
        let size = match self {
            Self::Bytes => return texts(bytes, count).map(Data::Texts),
            Self::Bool | Self::Uint8 | Self::Int8 => 1,
            Self::Uint16 | Self::Int16 | Self::Fp16 => 2,
            Self::Uint32 | Self::Int32 | Self::Fp32 => 4,
            Self::Uint64 | Self::Int64 | Self::Fp64 => 8,
        };
        if count.checked_mul(size) != Some(bytes.len()) {
            return Err(Refusal::because(
                Cause::Shape,
                format_args!("{} bytes for {count} values of {self}", bytes.len()),
            ));
        }
        Ok(Data::Numbers(match self {
            Self::Bool => bytes.iter().map(|byte| f64::from(u8::from(*byte != 0))).collect(),
            Self::Uint8 => bytes.iter().map(|byte| f64::from(*byte)).collect(),
            Self::Int8 => values(bytes, |[byte]| f64::from(i8::from_le_bytes([byte]))),
            Self::Uint16 => values(bytes, |bytes| f64::from(u16::from_le_bytes(bytes))),
            Self::Int16 => values(bytes, |bytes| f64::from(i16::from_le_bytes(bytes))),
            Self::Fp16 => values(bytes, |bytes| half(u16::from_le_bytes(bytes))),
            Self::Uint32 => values(bytes, |bytes| f64::from(u32::from_le_bytes(bytes))),
            Self::Int32 => values(bytes, |bytes| f64::from(i32::from_le_bytes(bytes))),
            Self::Fp32 => values(bytes, |bytes| f64::from(f32::from_le_bytes(bytes))),
            Self::Uint64 => values(bytes, |bytes| u64::from_le_bytes(bytes) as f64),
            Self::Int64 => values(bytes, |bytes| i64::from_le_bytes(bytes) as f64),
            Self::Fp64 | Self::Bytes => values(bytes, f64::from_le_bytes),
        }))
    }
}

impl fmt::Display for Datatype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Shape {
    /// The shape of these dimensions: those of a column or a matrix.
    pub(crate) fn of(dimensions: &[u64]) -> Read<Self> {
        let size = |dimension: u64| usize::try_from(dimension).ok();
        let shape = match dimensions {
            [rows] => size(*rows).map(|rows| Self { rows, columns: None }),
            [rows, columns] => {
                size(*rows).zip(size(*columns)).map(|(rows, columns)| Self { rows, columns: Some(columns) })
            }
            _ => None,
        };
        let shape = shape.filter(|shape| shape.rows.checked_mul(shape.columns.unwrap_or(1)).is_some());
        shape.ok_or_else(|| Refusal::because(Cause::Shape, "not a column and not a matrix"))
    }

    /// The number of values.
    pub(crate) fn count(self) -> usize {
        self.rows.saturating_mul(self.columns.unwrap_or(1))
    }
}

impl<'b> Data<'b> {
    /// Reads the values that are next, flat or nested.
    pub(super) fn read(json: &mut Scanner<'b>, datatype: Datatype, shape: Shape) -> Read<Self> {
        if datatype == Datatype::Fp16 {
            return Err(Refusal::because(Cause::Datatype, "FP16 is possible as raw bytes only"));
        }
        // A value takes at least two bytes, so the size of the text limits what is allocated.
        let count = shape.count();
        let room = count.min(json.left() / 2 + 1);
        if datatype == Datatype::Bytes {
            let mut texts = Vec::with_capacity(room);
            each(json, shape, |json| {
                texts.push(match json.peek() {
                    b'"' => Some(json.text()?),
                    b'n' if json.null() => None,
                    _ => return Err(Refusal::because(Cause::Value, "a value of type BYTES is not text")),
                });
                Ok(())
            })?;
            return Ok(Self::Texts(texts));
        }
        let mut numbers = Vec::with_capacity(room);
        each(json, shape, |json| {
            let number = match json.peek() {
                b't' | b'f' => f64::from(u8::from(json.boolean()?)),
                b'n' if json.null() => f64::NAN,
                b'"' => number_in(&json.text()?)?,
                b'[' | b'{' => {
                    return Err(Refusal::because(Cause::Shape, "the data is nested deeper than its shape"));
                }
                _ => json.number()?,
            };
            numbers.push(datatype.convert(number)?);
            Ok(())
        })?;
        Ok(Self::Numbers(numbers))
    }

    /// The number of values.
    fn len(&self) -> usize {
        match self {
            Self::Numbers(numbers) => numbers.len(),
            Self::Texts(texts) => texts.len(),
        }
    }
}

/// Calls `read` for each of the values of a tensor, whose lists must be those of its shape.
fn each<'b>(
    json: &mut Scanner<'b>,
    shape: Shape,
    mut read: impl FnMut(&mut Scanner<'b>) -> Read<()>,
) -> Read<()> {
    let mut list = |json: &mut Scanner<'b>, expected: usize| {
        let mut count = 0;
        let mut more = json.enter_list()?;
        while more {
            count += 1;
            if count > expected {
                break;
            }
            read(json)?;
            more = json.next_item()?;
        }
        if count == expected { Ok(()) } else { Err(other_count(expected)) }
    };
    if json.kind() != Kind::List {
        return Err(Refusal::because(Cause::Form, "the data of a tensor is not a list"));
    }
    let mut inside = json.clone();
    let Some(columns) =
        shape.columns.filter(|_| matches!(inside.enter_list(), Ok(true)) && inside.kind() == Kind::List)
    else {
        return list(json, shape.count());
    };
    let mut rows = 0;
    let mut more = json.enter_list()?;
    while more {
        rows += 1;
        if rows > shape.rows {
            break;
        }
        if json.kind() != Kind::List {
            return Err(Refusal::because(Cause::Shape, "the data of a tensor is nested in parts"));
        }
        list(json, columns)?;
        more = json.next_item()?;
    }
    if rows == shape.rows { Ok(()) } else { Err(other_count(shape.rows)) }
}

/// The table that tensors are: one of them is a matrix whose columns have no names, several are a column each.
pub(super) fn assemble(reader: Reader<'_>, mut tensors: Vec<Tensor<'_>>) -> Read<Assembled> {
    for tensor in &tensors {
        reader.check_rows(tensor.shape.rows)?;
        if tensor.data.len() != tensor.shape.count() {
            return Err(other_count(tensor.shape.count()));
        }
    }
    let rows = match tensors.first() {
        None => return Err(Refusal::because(Cause::Form, "there are no inputs")),
        Some(tensor) => tensor.shape.rows,
    };
    if rows == 0 {
        return Err(Refusal::new(Cause::NoRows));
    }
    if tensors.len() == 1
        && let Some(Tensor { shape, data, .. }) = tensors.pop()
    {
        return matrix(reader, shape, data);
    }
    for tensor in &tensors {
        if tensor.shape.columns.is_some_and(|columns| columns != 1) {
            return Err(Refusal::because(Cause::Shape, "several tensors must be a column each"));
        }
        if tensor.shape.rows != rows {
            return Err(Refusal::because(Cause::Ragged, "the tensors have different numbers of rows"));
        }
    }
    let names: Vec<_> = tensors.iter().map(|tensor| tensor.name.clone()).collect();
    let places = reader.schema.by_name(&names)?;
    reader.check_values::<f64>(rows)?;
    let mut columns: Vec<Column<'_>> = Vec::new();
    columns.resize_with(reader.schema.width(), || Column::Numbers(Vec::new()));
    for (index, tensor) in tensors.into_iter().enumerate() {
        if let Some(feature) = places.feature(index) {
            columns[feature] = match tensor.data {
                Data::Numbers(numbers) => Column::Numbers(numbers),
                Data::Texts(texts) => Column::Texts(texts),
            };
        }
    }
    let values = table::encode(reader.schema, columns, rows)?;
    Ok(Assembled { values, rows, is_column_major: true, ignored: places.ignored })
}

/// A tensor whose columns are the features; its numbers are codes of categories, as in LightGBM's arrays.
fn matrix(reader: Reader<'_>, shape: Shape, data: Data<'_>) -> Read<Assembled> {
    let width = reader.schema.width();
    let columns = shape.columns.unwrap_or(1);
    if columns != width {
        return Err(Refusal::because(
            Cause::Columns,
            format_args!("the tensor has {columns} columns, the model {width} features"),
        ));
    }
    match data {
        Data::Numbers(values) => {
            Ok(Assembled { values, rows: shape.rows, is_column_major: false, ignored: 0 })
        }
        Data::Texts(texts) if width == 1 => {
            let values = table::encode(reader.schema, vec![Column::Texts(texts)], shape.rows)?;
            Ok(Assembled { values, rows: shape.rows, is_column_major: true, ignored: 0 })
        }
        Data::Texts(_) => Err(Refusal::because(
            Cause::Value,
            "a matrix of text has no numbers; send one tensor for each column",
        )),
    }
}

#[cold]
fn other_count(expected: usize) -> Refusal {
    Refusal::because(Cause::Shape, format_args!("the data does not have the {expected} values of its shape"))
}

/// The numbers of bytes, `N` bytes each.
fn values<const N: usize>(bytes: &[u8], number: impl Fn([u8; N]) -> f64) -> Vec<f64> {
    bytes.as_chunks().0.iter().map(|chunk| number(*chunk)).collect()
}

/// The value of a half-precision number, which a double has exactly.
fn half(bits: u16) -> f64 {
    let size = match (i32::from(bits >> 10 & 0x1f), f64::from(bits & 0x3ff)) {
        (0, fraction) => fraction * 2_f64.powi(-24),
        (0x1f, 0.0) => f64::INFINITY,
        (0x1f, _) => f64::NAN,
        (exponent, fraction) => (fraction + 1024.0) * 2_f64.powi(exponent - 25),
    };
    if bits >> 15 == 1 { -size } else { size }
}

/// The texts of raw bytes.
fn texts(mut bytes: &[u8], count: usize) -> Read<Vec<Option<Cow<'_, str>>>> {
    let damaged = || Refusal::because(Cause::Shape, "the bytes are not those of the texts");
    // A text takes at least the four bytes of its length.
    if count.saturating_mul(4) > bytes.len() {
        return Err(damaged());
    }
    let mut texts = Vec::with_capacity(count);
    for _ in 0..count {
        let (length, rest) = bytes.split_first_chunk::<4>().ok_or_else(damaged)?;
        let length = u32::from_le_bytes(*length) as usize;
        let (text, rest) = rest.split_at_checked(length).ok_or_else(damaged)?;
        let text = std::str::from_utf8(text)
            .map_err(|_| Refusal::because(Cause::Value, "a value of type BYTES is not UTF-8"))?;
        texts.push(Some(Cow::Borrowed(text)));
        bytes = rest;
    }
    if bytes.is_empty() { Ok(texts) } else { Err(damaged()) }
}

#[cfg(test)]
mod tests;
