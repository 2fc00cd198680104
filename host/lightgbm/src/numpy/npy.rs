//! The `.npy` file format, versions 1 to 3: <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>.

use super::ElementType;
use crate::error::damaged;
use crate::labels::ClassLabels;
use hydra_base::{Error, ErrorKind, Result};

const MAGIC: &[u8] = b"\x93NUMPY";

/// The longest header. Real ones have about 100 bytes; NumPy itself rejects longer ones.
const MAX_HEADER: usize = 10_000;

/// Reads a one-dimensional array of class labels, at most `max` of them.
pub(crate) fn read_npy(bytes: &[u8], max: usize) -> Result<ClassLabels> {
    let (header, data) = split(bytes)?;
    let descr = text_field(header, "descr")?;
    let element = ElementType::parse(descr)?;
    let shape = field(header, "shape")?;
    let count: usize = shape
        .trim()
        .strip_prefix('(')
        .and_then(|rest| rest.split_once(')'))
        .and_then(|(inside, _)| inside.trim().strip_suffix(',').map(str::trim))
        .and_then(|count| count.parse().ok())
        .ok_or_else(|| damaged("the class labels are not a one-dimensional array"))?;
    if count > max {
        return Err(damaged("there are too many class labels")
            .with_context("classes", count)
            .with_context("limit", max));
    }
    if element.is_object() {
        return Err(Error::new(ErrorKind::UnsupportedModel, "an `.npy` file contains a pickle")
            .with_hint("save the model again with a current skops"));
    }
    element.decode(data, count)
}

/// Reads an array without dimensions, which has one element.
pub(crate) fn read_npy_scalar(bytes: &[u8]) -> Result<ClassLabels> {
    let (header, data) = split(bytes)?;
    if !field(header, "shape")?.trim_start().starts_with("()") {
        return Err(damaged("an `.npy` file does not contain exactly one value"));
    }
    ElementType::parse(text_field(header, "descr")?)?.decode(data, 1)
}

fn split(bytes: &[u8]) -> Result<(&str, &[u8])> {
    let truncated = || damaged("an `.npy` file is truncated");
    let rest = bytes
        .strip_prefix(MAGIC)
        .ok_or_else(|| damaged("an `.npy` file does not start with the format's magic bytes"))?;
    let (version, rest) = rest.split_at_checked(2).ok_or_else(truncated)?;
    let length_bytes = match version[0] {
        1 => 2,
        2 | 3 => 4,
        _ => {
            return Err(
                damaged("the version of an `.npy` file is unknown").with_context("version", version[0])
            );
        }
    };
    let (length, rest) = rest.split_at_checked(length_bytes).ok_or_else(truncated)?;
    let length = length.iter().rev().fold(0, |length, byte| length << 8 | usize::from(*byte));
    if length > MAX_HEADER {
        return Err(damaged("the header of an `.npy` file is too long").with_context("bytes", length));
    }
    let (header, data) = rest.split_at_checked(length).ok_or_else(truncated)?;
    let header =
        std::str::from_utf8(header).map_err(|_| damaged("the header of an `.npy` file is not text"))?;
    Ok((header, data))
}

/// The text after a key of the header, which is the literal of a Python dictionary with three known keys.
fn field<'a>(header: &'a str, key: &str) -> Result<&'a str> {
    header
        .split_once(&format!("'{key}'"))
        .and_then(|(_, rest)| rest.trim_start().strip_prefix(':'))
        .ok_or_else(|| damaged("the header of an `.npy` file lacks a key").with_context("key", key))
}

fn text_field<'a>(header: &'a str, key: &str) -> Result<&'a str> {
    field(header, key)?
        .trim_start()
        .strip_prefix('\'')
        .and_then(|rest| rest.split_once('\''))
        .map(|(text, _)| text)
        .ok_or_else(|| damaged("the type of the class labels is not supported"))
}
