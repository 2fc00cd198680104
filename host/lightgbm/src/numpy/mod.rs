//! NumPy's arrays as bytes: element types and the `.npy` format, as far as class labels use them.

mod npy;

pub(super) use npy::{read_npy, read_npy_scalar};

use crate::error::damaged;
use crate::labels::ClassLabels;
use hydra_base::text::{QUOTED_CHARS, excerpt};
use hydra_base::{Error, ErrorKind, Result};

/// The type of an array's elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ElementType {
    kind: Kind,
    /// Bytes per element.
    size: usize,
    big_endian: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Bool,
    Int,
    UInt,
    Float,
    /// `S`: bytes padded with zeros.
    Bytes,
    /// `U`: UTF-32 padded with zeros.
    Text,
    /// `O`: Python objects, which are not stored as bytes.
    Object,
}

impl ElementType {
    /// Parses a type string such as `<i8`, `|b1` or `U3`. Without an order mark, the type is little-endian.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let (order, rest) = match text.as_bytes().first() {
            Some(order @ (b'<' | b'>' | b'=' | b'|')) => (*order, &text[1..]),
            _ => (b'<', text),
        };
        let unsupported = || {
            Error::new(ErrorKind::UnsupportedModel, "class labels of this NumPy type are not supported")
                .with_context("dtype", excerpt(text, QUOTED_CHARS))
                .with_hint("use integers, booleans or strings as class labels")
        };
        // Type strings are ASCII, so splitting after the first byte is safe once the first character is known.
        let code = rest.chars().next().filter(char::is_ascii_alphabetic).ok_or_else(unsupported)?;
        let digits = &rest[1..];
        if digits.len() > 9 || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(unsupported());
        }
        let count: usize = if digits.is_empty() { 0 } else { digits.parse().map_err(|_| unsupported())? };
        let (kind, size) = match (code, count) {
            ('b', 1) | ('?', _) => (Kind::Bool, 1),
            ('i', 1 | 2 | 4 | 8) => (Kind::Int, count),
            ('u', 1 | 2 | 4 | 8) => (Kind::UInt, count),
            ('f', 2 | 4 | 8) => (Kind::Float, count),
            ('S', _) => (Kind::Bytes, count),
            ('U', _) => (Kind::Text, count * 4),
            ('O', _) => (Kind::Object, 8),
            _ => return Err(unsupported()),
        };
        Ok(Self { kind, size, big_endian: order == b'>' })
    }

    /// The same type in another byte order, given as NumPy's mark.
    pub(super) fn with_order(self, order: &str) -> Self {
        Self { big_endian: order == ">", ..self }
    }

    /// Whether the elements are Python objects.
    pub(super) fn is_object(self) -> bool {
        self.kind == Kind::Object
    }

    /// Reads `count` elements, which must fill `bytes` exactly.
    pub(super) fn decode(self, bytes: &[u8], count: usize) -> Result<ClassLabels> {
        if self.is_object() || count.checked_mul(self.size) != Some(bytes.len()) {
            return Err(damaged("the class labels do not fill their array")
                .with_context("bytes", bytes.len())
                .with_context("elements", count));
        }
        if self.size == 0 {
            // In NumPy's `U0`, every label is the empty string, which no classifier with two classes has.
            return Err(damaged("the class labels have no width"));
        }
        let elements = bytes.chunks_exact(self.size);
        Ok(match self.kind {
            Kind::Bool => ClassLabels::Bools(elements.map(|element| element[0] != 0).collect()),
            Kind::Int | Kind::UInt => {
                ClassLabels::Ints(elements.map(|element| self.integer(element)).collect::<Result<_>>()?)
            }
            Kind::Float => ClassLabels::Floats(elements.map(|element| self.float(element)).collect()),
            Kind::Bytes => ClassLabels::Strings(elements.map(byte_string).collect::<Result<_>>()?),
            Kind::Text => {
                ClassLabels::Strings(elements.map(|element| self.text(element)).collect::<Result<_>>()?)
            }
            Kind::Object => return Err(damaged("the class labels are objects without data")),
        })
    }

    /// The element's bytes in the low end of a 64-bit number.
    fn bits(self, element: &[u8]) -> u64 {
        let fold = |bits: u64, byte: &u8| bits << 8 | u64::from(*byte);
        if self.big_endian { element.iter().fold(0, fold) } else { element.iter().rev().fold(0, fold) }
    }

    fn integer(self, element: &[u8]) -> Result<i64> {
        let bits = self.bits(element);
        if self.kind == Kind::UInt {
            return i64::try_from(bits).map_err(|_| {
                Error::new(ErrorKind::UnsupportedModel, "a class label has more than 63 bits")
                    .with_context("label", bits)
            });
        }
        let unused = 64 - 8 * element.len() as u32;
        Ok((bits << unused) as i64 >> unused)
    }

    fn float(self, element: &[u8]) -> f64 {
        let bits = self.bits(element);
        match element.len() {
            2 => half(bits as u16),
            4 => f64::from(f32::from_bits(bits as u32)),
            _ => f64::from_bits(bits),
        }
    }

    fn text(self, element: &[u8]) -> Result<String> {
        let units: Vec<u32> = element.chunks_exact(4).map(|unit| self.bits(unit) as u32).collect();
        let used = units.iter().rposition(|unit| *unit != 0).map_or(0, |last| last + 1);
        units[..used]
            .iter()
            .map(|unit| char::from_u32(*unit))
            .collect::<Option<String>>()
            .ok_or_else(|| damaged("a class label is not valid Unicode"))
    }
}

fn byte_string(element: &[u8]) -> Result<String> {
    let used = element.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    String::from_utf8(element[..used].to_vec()).map_err(|_| damaged("a class label is not valid UTF-8"))
}

/// IEEE 754 half precision, exactly.
fn half(bits: u16) -> f64 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let exponent = i32::from(bits >> 10 & 0x1f);
    let fraction = f64::from(bits & 0x3ff);
    sign * match exponent {
        0 => fraction * 2f64.powi(-24),
        0x1f if fraction == 0.0 => f64::INFINITY,
        0x1f => f64::NAN,
        _ => (1024.0 + fraction) * 2f64.powi(exponent - 25),
    }
}

#[cfg(test)]
mod tests;
