//! Where aliases point.

use std::collections::BTreeMap;
use std::fmt;

use crate::policy::AliasMove;

/// The aliases of a registered model with their versions, sorted by alias.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AliasState(BTreeMap<String, u64>);

impl AliasState {
    /// The version that `alias` points at.
    #[must_use]
    pub fn get(&self, alias: &str) -> Option<u64> {
        self.0.get(alias).copied()
    }

    /// The aliases that are set.
    pub fn aliases(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The aliases that are set, with their versions.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.0.iter().map(|(alias, version)| (alias.as_str(), *version))
    }

    /// Moves one alias.
    pub fn apply(&mut self, step: &AliasMove) {
        match step.version {
            Some(version) => self.0.insert(step.alias.clone(), version),
            None => self.0.remove(&step.alias),
        };
    }
}

impl FromIterator<(String, u64)> for AliasState {
    fn from_iter<I: IntoIterator<Item = (String, u64)>>(aliases: I) -> Self {
        Self(aliases.into_iter().collect())
    }
}

impl fmt::Display for AliasState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("no aliases");
        }
        for (index, (alias, version)) in self.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{alias} -> {version}")?;
        }
        Ok(())
    }
}
