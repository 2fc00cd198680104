//! Numbers in JSON without loss: 64-bit integers as decimal strings, and floats as numbers where JSON has them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserializer, Visitor};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};

/// An unsigned 64-bit integer: a decimal string, or when reading also a plain number.
pub(super) struct Decimal(u64);

/// A float: a number, or `"NaN"`, `"Infinity"`, `"-Infinity"` and `"-0"`, which JSON or its canonical form cannot write.
pub(super) struct Float(f64);

/// `#[serde(with)]` for a `u64`.
pub(super) mod decimal {
    use super::{Decimal, Deserialize, Deserializer, Serialize, Serializer};

    pub(in crate::policy) fn serialize<S: Serializer>(value: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        Decimal(*value).serialize(serializer)
    }

    pub(in crate::policy) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<u64, D::Error> {
        Decimal::deserialize(deserializer).map(|decimal| decimal.0)
    }
}

/// `#[serde(with)]` for an `Option<u64>`.
pub(super) mod optional_decimal {
    use super::{Decimal, Deserialize, Deserializer, Serialize, Serializer};

    pub(in crate::policy) fn serialize<S: Serializer>(
        value: &Option<u64>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        value.map(Decimal).serialize(serializer)
    }

    pub(in crate::policy) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<u64>, D::Error> {
        Ok(Option::<Decimal>::deserialize(deserializer)?.map(|decimal| decimal.0))
    }
}

/// `#[serde(with)]` for named floats.
pub(super) mod floats {
    use super::{BTreeMap, Deserialize, Deserializer, Float, Serializer};

    pub(in crate::policy) fn serialize<S: Serializer>(
        values: &BTreeMap<String, f64>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_map(values.iter().map(|(key, value)| (key, Float(*value))))
    }

    pub(in crate::policy) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<String, f64>, D::Error> {
        let values = BTreeMap::<String, Float>::deserialize(deserializer)?;
        Ok(values.into_iter().map(|(key, value)| (key, value.0)).collect())
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
