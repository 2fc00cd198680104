//! Numbers in JSON without loss: 64-bit integers as decimal strings, and floats as numbers where JSON has them.

mod number;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use schemars::JsonSchema;
use serde::de::{self, Deserializer};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};

pub use number::{Decimal, Float, Signed};

use hydra_base::aliases;
use hydra_base::names::{Alias, Version};

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

/// `#[serde(with)]` for an optional `u64` or version.
pub mod optional_decimal {
    use super::{Decimal, Deserialize, Deserializer, Serialize, Serializer, de, fmt};

    pub fn serialize<T: Copy + Into<Decimal>, S: Serializer>(
        value: &Option<T>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        value.map(Into::into).serialize(serializer)
    }

    pub fn deserialize<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
    where
        T: TryFrom<Decimal, Error: fmt::Display>,
        D: Deserializer<'de>,
    {
        let decimal = Option::<Decimal>::deserialize(deserializer)?;
        decimal.map(|decimal| decimal.try_into().map_err(de::Error::custom)).transpose()
    }
}

/// `#[serde(with)]` for an optional `i64`.
pub mod optional_signed {
    use super::{Deserialize, Deserializer, Serialize, Serializer, Signed};

    pub fn serialize<S: Serializer>(value: &Option<i64>, serializer: S) -> Result<S::Ok, S::Error> {
        value.map(Signed::from).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
        Ok(Option::<Signed>::deserialize(deserializer)?.map(Into::into))
    }
}

/// `#[serde(with)]` for a set of versions.
pub mod versions {
    use super::{BTreeSet, Decimal, Deserialize, Deserializer, Serializer, Version, de};

    pub fn serialize<S: Serializer>(versions: &BTreeSet<Version>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(versions.iter().copied().map(Decimal::from))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeSet<Version>, D::Error> {
        let versions = Vec::<Decimal>::deserialize(deserializer)?;
        versions.into_iter().map(|version| version.try_into().map_err(de::Error::custom)).collect()
    }
}

/// `#[serde(with)]` for aliases and the versions that they point at.
pub mod alias_targets {
    use super::{Alias, BTreeMap, Decimal, Deserialize, Deserializer, Serializer, Version, de};

    type Targets = BTreeMap<Alias, Option<Version>>;

    pub fn serialize<S: Serializer>(targets: &Targets, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(targets.iter().map(|(alias, version)| (alias, version.map(Decimal::from))))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Targets, D::Error> {
        let targets = BTreeMap::<Alias, Option<Decimal>>::deserialize(deserializer)?;
        let version = |decimal: Decimal| decimal.try_into().map_err(de::Error::custom);
        targets.into_iter().map(|(alias, decimal)| Ok((alias, decimal.map(version).transpose()?))).collect()
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
        serializer.collect_map(values.iter().map(|(key, value)| (key, Float::from(*value))))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<String, f64>, D::Error> {
        let values = BTreeMap::<String, Float>::deserialize(deserializer)?;
        Ok(values.into_iter().map(|(key, value)| (key, value.get())).collect())
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
