//! The numbers themselves.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserializer, Visitor};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};

use hydra_base::error::Error;
use hydra_base::names::Version;

/// An unsigned 64-bit integer: a decimal string, or when reading also a plain number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decimal(u64);

/// A signed 64-bit integer: a decimal string, or when reading also a plain number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signed(i64);

/// A 64-bit float that equals another one if the bits are equal; every NaN is the same NaN. In JSON it is a number, or
/// `"NaN"`, `"Infinity"`, `"-Infinity"` or `"-0"`, which JSON or its canonical form cannot write.
#[derive(Debug, Clone, Copy)]
pub struct Float(f64);

impl Float {
    /// The number.
    #[must_use]
    pub fn get(self) -> f64 {
        self.0
    }
}

impl From<f64> for Float {
    fn from(number: f64) -> Self {
        Self(if number.is_nan() { f64::NAN } else { number })
    }
}

impl From<Float> for f64 {
    fn from(number: Float) -> Self {
        number.0
    }
}

impl PartialEq for Float {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}

impl Eq for Float {}

impl From<u64> for Decimal {
    fn from(number: u64) -> Self {
        Self(number)
    }
}

impl From<Version> for Decimal {
    fn from(version: Version) -> Self {
        Self(version.get())
    }
}

impl From<Decimal> for u64 {
    fn from(decimal: Decimal) -> Self {
        decimal.0
    }
}

impl TryFrom<Decimal> for Version {
    type Error = Error;
    fn try_from(decimal: Decimal) -> Result<Self, Error> {
        Self::new(decimal.0)
    }
}

impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct DecimalVisitor;

        impl Visitor<'_> for DecimalVisitor {
            type Value = Decimal;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an integer from 0 to 18446744073709551615, as a number or a decimal string")
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Decimal, E> {
                Ok(Decimal(value))
            }

            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Decimal, E> {
                let unexpected = de::Unexpected::Signed(value);
                u64::try_from(value).map(Decimal).map_err(|_| E::invalid_value(unexpected, &self))
            }

            fn visit_str<E: de::Error>(self, value: &str) -> Result<Decimal, E> {
                value.parse().map(Decimal).map_err(|_| E::invalid_value(de::Unexpected::Str(value), &self))
            }
        }

        deserializer.deserialize_any(DecimalVisitor)
    }
}

impl JsonSchema for Decimal {
    fn schema_name() -> Cow<'static, str> {
        "Decimal".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "an unsigned 64-bit integer, as a number or a decimal string",
            "anyOf": [
                { "type": "integer", "minimum": 0 },
                { "type": "string", "pattern": "^[0-9]{1,20}$" },
            ],
        })
    }
}

impl From<i64> for Signed {
    fn from(number: i64) -> Self {
        Self(number)
    }
}

impl From<Signed> for i64 {
    fn from(signed: Signed) -> Self {
        signed.0
    }
}

impl Serialize for Signed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Signed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SignedVisitor;

        impl Visitor<'_> for SignedVisitor {
            type Value = Signed;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an integer of 64 bits, as a number or a decimal string")
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Signed, E> {
                let unexpected = de::Unexpected::Unsigned(value);
                i64::try_from(value).map(Signed).map_err(|_| E::invalid_value(unexpected, &self))
            }

            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Signed, E> {
                Ok(Signed(value))
            }

            fn visit_str<E: de::Error>(self, value: &str) -> Result<Signed, E> {
                value.parse().map(Signed).map_err(|_| E::invalid_value(de::Unexpected::Str(value), &self))
            }
        }

        deserializer.deserialize_any(SignedVisitor)
    }
}

impl JsonSchema for Signed {
    fn schema_name() -> Cow<'static, str> {
        "Signed".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "a signed 64-bit integer, as a number or a decimal string",
            "anyOf": [
                { "type": "integer" },
                { "type": "string", "pattern": "^-?[0-9]{1,19}$" },
            ],
        })
    }
}

impl Serialize for Float {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let value = self.0;
        if value.is_nan() {
            serializer.serialize_str("NaN")
        } else if value.is_infinite() {
            serializer.serialize_str(if value > 0.0 { "Infinity" } else { "-Infinity" })
        } else if value == 0.0 && value.is_sign_negative() {
            serializer.serialize_str("-0")
        } else {
            serializer.serialize_f64(value)
        }
    }
}

impl<'de> Deserialize<'de> for Float {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FloatVisitor;

        impl Visitor<'_> for FloatVisitor {
            type Value = Float;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number, \"NaN\", \"Infinity\", \"-Infinity\" or \"-0\"")
            }

            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Float, E> {
                Ok(Float(value))
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Float, E> {
                Ok(Float(value as f64))
            }

            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Float, E> {
                Ok(Float(value as f64))
            }

            fn visit_str<E: de::Error>(self, value: &str) -> Result<Float, E> {
                Ok(Float(match value {
                    "NaN" => f64::NAN,
                    "Infinity" => f64::INFINITY,
                    "-Infinity" => f64::NEG_INFINITY,
                    "-0" => -0.0,
                    _ => return Err(E::invalid_value(de::Unexpected::Str(value), &self)),
                }))
            }
        }

        deserializer.deserialize_any(FloatVisitor)
    }
}

impl JsonSchema for Float {
    fn schema_name() -> Cow<'static, str> {
        "Float".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "a number, or one of the numbers that JSON cannot write",
            "anyOf": [
                { "type": "number" },
                { "enum": ["NaN", "Infinity", "-Infinity", "-0"] },
            ],
        })
    }
}
