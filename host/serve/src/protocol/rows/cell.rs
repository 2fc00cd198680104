//! Values of rows, as JSON has them.

use std::borrow::Cow;

use super::refusal::{Cause, Refusal};
use super::scan::{Read, Scanner};
use hydra_base::text::{QUOTED_CHARS, excerpt};

/// A value of a row.
pub(super) trait Cell<'b>: Clone {
    /// What a row without the value has.
    const MISSING: Self;

    /// Reads the next value.
    fn read(json: &mut Scanner<'b>) -> Read<Self>;
}

/// A number, with NaN for a missing one: the values of models without category lists.
impl<'b> Cell<'b> for f64 {
    const MISSING: Self = f64::NAN;

    #[inline]
    fn read(json: &mut Scanner<'b>) -> Read<Self> {
        match json.peek() {
            b'0'..=b'9' | b'-' => json.number(),
            _ => match Value::read_other(json)? {
                Value::Missing => Ok(f64::NAN),
                Value::Number(number) => Ok(number),
                Value::Text(text) => number_in(&text),
            },
        }
    }
}

/// A value of a model that has category lists.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value<'b> {
    /// `null`.
    Missing,
    /// A number, or a boolean as 0 or 1.
    Number(f64),
    /// Text.
    Text(Cow<'b, str>),
}

impl<'b> Cell<'b> for Value<'b> {
    const MISSING: Self = Self::Missing;

    fn read(json: &mut Scanner<'b>) -> Read<Self> {
        match json.peek() {
            b'0'..=b'9' | b'-' => json.number().map(Self::Number),
            _ => Self::read_other(json),
        }
    }
}

impl<'b> Value<'b> {
    /// Reads a value that does not start like a number.
    fn read_other(json: &mut Scanner<'b>) -> Read<Self> {
        match json.peek() {
            b'n' if json.null() => Ok(Self::Missing),
            b't' | b'f' => json.boolean().map(|flag| Self::Number(f64::from(u8::from(flag)))),
            b'"' => json.text().map(Self::Text),
            b'[' | b'{' => Err(Refusal::because(Cause::Value, "a value is a list or an object")),
            _ => json.number().map(Self::Number),
        }
    }
}

/// The number that a text stands for where JSON cannot write it otherwise.
pub(super) fn number_in(text: &str) -> Read<f64> {
    match text {
        "NaN" => Ok(f64::NAN),
        "Infinity" => Ok(f64::INFINITY),
        "-Infinity" => Ok(f64::NEG_INFINITY),
        _ => Err(not_a_number(text)),
    }
}

#[cold]
fn not_a_number(text: &str) -> Refusal {
    Refusal::because(Cause::Value, format_args!("not a number: the text `{}`", excerpt(text, QUOTED_CHARS)))
}
