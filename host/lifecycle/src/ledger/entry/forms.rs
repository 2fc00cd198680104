//! How numbers and versions are written in the JSON of the ledger.

/// Integers as decimal strings.
pub(crate) mod text_number {
    use std::fmt::Display;
    use std::str::FromStr;

    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(crate) fn serialize<T: Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub(crate) fn deserialize<'de, T, D>(deserializer: D) -> Result<T, D::Error>
    where
        T: FromStr<Err: Display>,
        D: Deserializer<'de>,
    {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// Versions as decimal strings.
pub(crate) mod text_version {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

    use hydra_base::names::Version;

    #[expect(clippy::ref_option, reason = "serde requires this signature")]
    pub(crate) fn serialize<S: Serializer>(
        version: &Option<Version>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        version.map(|version| version.to_string()).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Version>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| text.parse().map_err(de::Error::custom)).transpose()
    }
}

/// Alias states with versions as decimal strings.
pub(crate) mod text_aliases {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serializer};

    use super::text_version;
    use hydra_base::aliases::AliasState;
    use hydra_base::names::{Alias, Version};

    #[derive(Deserialize)]
    struct Target(#[serde(with = "text_version")] Option<Version>);

    pub(crate) fn serialize<S: Serializer>(aliases: &AliasState, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(
            aliases.iter().map(|(alias, version)| (alias, version.map(|version| version.to_string()))),
        )
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<AliasState, D::Error> {
        let targets = BTreeMap::<Alias, Target>::deserialize(deserializer)?;
        Ok(targets.into_iter().map(|(alias, target)| (alias, target.0)).collect())
    }
}

/// Optional integers as decimal strings.
pub(crate) mod optional_number {
    use std::fmt::Display;
    use std::str::FromStr;

    use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

    #[expect(clippy::ref_option, reason = "serde requires this signature")]
    pub(crate) fn serialize<T: Display, S: Serializer>(
        value: &Option<T>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        value.as_ref().map(ToString::to_string).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
    where
        T: FromStr<Err: Display>,
        D: Deserializer<'de>,
    {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| text.parse().map_err(de::Error::custom)).transpose()
    }
}

/// Sets of versions as lists of decimal strings, in ascending order.
pub(crate) mod text_versions {
    use std::collections::BTreeSet;

    use serde::{Deserialize, Deserializer, Serializer, de};

    use hydra_base::names::Version;

    pub(crate) fn serialize<S: Serializer>(
        versions: &BTreeSet<Version>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(versions.iter().map(ToString::to_string))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeSet<Version>, D::Error> {
        let texts = Vec::<String>::deserialize(deserializer)?;
        texts.iter().map(|text| text.parse().map_err(de::Error::custom)).collect()
    }
}

/// Maps by version, whose keys are decimal strings.
pub(crate) mod by_version {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

    use hydra_base::names::Version;

    pub(crate) fn serialize<T: Serialize, S: Serializer>(
        map: &BTreeMap<Version, T>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_map(map.iter().map(|(version, value)| (version.to_string(), value)))
    }

    pub(crate) fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<Version, T>, D::Error> {
        let map = BTreeMap::<String, T>::deserialize(deserializer)?;
        let keyed = |(version, value): (String, T)| Ok((version.parse().map_err(de::Error::custom)?, value));
        map.into_iter().map(keyed).collect()
    }
}
