//! Numbers in JSON without loss: 64-bit integers as decimal strings, and floats as numbers where JSON has them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserializer, Visitor};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};

use hydra_base::aliases;
use hydra_base::error::Error;
use hydra_base::names::{Alias, Version};

/// An unsigned 64-bit integer: a decimal string, or when reading also a plain number.
pub struct Decimal(u64);

/// A float: a number, or `"NaN"`, `"Infinity"`, `"-Infinity"` and `"-0"`, which JSON or its canonical form cannot write.
pub struct Float(f64);

/// The new target of one alias.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AliasMove {
    /// The alias.
    #[schemars(with = "String")]
    alias: Alias,
    /// The version that the alias will point to; none removes the alias.
    #[serde(default, with = "optional_decimal")]
    #[schemars(with = "Option<Decimal>")]
    version: Option<Version>,
}

/// `#[serde(with)]` for a `u64` or a version.
pub mod decimal {
    use super::{Decimal, Deserialize, Deserializer, Serialize, Serializer, de, fmt};

    pub fn serialize<T: Copy + Into<Decimal>, S: Serializer>(
        value: &T,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        Into::<Decimal>::into(*value).serialize(serializer)
    }

    pub fn deserialize<'de, T, D>(deserializer: D) -> Result<T, D::Error>
    where
        T: TryFrom<Decimal, Error: fmt::Display>,
        D: Deserializer<'de>,
    {
        Decimal::deserialize(deserializer)?.try_into().map_err(de::Error::custom)
    }
}

/// `#[serde(with)]` for an optional version.
pub mod optional_decimal {
    use super::{Decimal, Deserialize, Deserializer, Serialize, Serializer, Version, de};

    pub fn serialize<S: Serializer>(value: &Option<Version>, serializer: S) -> Result<S::Ok, S::Error> {
        value.map(Decimal::from).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Version>, D::Error> {
        let decimal = Option::<Decimal>::deserialize(deserializer)?;
        decimal.map(|decimal| decimal.try_into().map_err(de::Error::custom)).transpose()
    }
}

/// `#[serde(with)]` for alias moves: versions are decimal strings.
pub mod alias_moves {
    use serde::{Deserialize, Deserializer, Serializer};

    use hydra_base::aliases::AliasMove;

    /// Writes a list of `{"alias": …, "version": …}`.
    pub fn serialize<S: Serializer>(moves: &[AliasMove], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(moves.iter().cloned().map(super::AliasMove::from))
    }

    /// Reads the form that [`serialize`] writes, and versions as plain numbers.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<AliasMove>, D::Error> {
        let moves = Vec::<super::AliasMove>::deserialize(deserializer)?;
        Ok(moves.into_iter().map(Into::into).collect())
    }
}

/// `#[serde(with)]` for optional alias moves.
pub mod optional_alias_moves {
    use super::{AliasMove, Deserialize, Deserializer, Serialize, Serializer, aliases};

    pub fn serialize<S: Serializer>(
        moves: &Option<Vec<aliases::AliasMove>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let moves =
            moves.as_ref().map(|moves| moves.iter().cloned().map(AliasMove::from).collect::<Vec<_>>());
        moves.serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Vec<aliases::AliasMove>>, D::Error> {
        let moves = Option::<Vec<AliasMove>>::deserialize(deserializer)?;
        Ok(moves.map(|moves| moves.into_iter().map(Into::into).collect()))
    }
}

/// `#[serde(with)]` for named floats.
pub mod floats {
    use super::{BTreeMap, Deserialize, Deserializer, Float, Serializer};

    pub fn serialize<S: Serializer>(
        values: &BTreeMap<String, f64>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_map(values.iter().map(|(key, value)| (key, Float(*value))))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<String, f64>, D::Error> {
        let values = BTreeMap::<String, Float>::deserialize(deserializer)?;
        Ok(values.into_iter().map(|(key, value)| (key, value.0)).collect())
    }
}

impl From<aliases::AliasMove> for AliasMove {
    fn from(aliases::AliasMove { alias, version }: aliases::AliasMove) -> Self {
        Self { alias, version }
    }
}

impl From<AliasMove> for aliases::AliasMove {
    fn from(AliasMove { alias, version }: AliasMove) -> Self {
        Self { alias, version }
    }
}

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
