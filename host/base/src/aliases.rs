//! The versions of aliases, and moves of aliases.

use std::collections::BTreeMap;
use std::fmt;

use crate::names::{Alias, Version};

/// The new target of one alias.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AliasMove {
    /// The alias.
    pub alias: Alias,
    /// The version that the alias will point to; `None` removes the alias.
    pub version: Option<Version>,
}

impl AliasMove {
    /// A move of `alias` to `version`.
    #[must_use]
    pub fn set(alias: Alias, version: Version) -> Self {
        Self { alias, version: Some(version) }
    }

    /// The removal of `alias`.
    #[must_use]
    pub fn unset(alias: Alias) -> Self {
        Self { alias, version: None }
    }
}

impl fmt::Display for AliasMove {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.version {
            Some(version) => write!(f, "{} -> {version}", self.alias),
            None => write!(f, "{} removed", self.alias),
        }
    }
}

/// The aliases of a registered model with their versions, sorted by alias. A removed alias stays in it without a
/// version; two states that differ only in such aliases are not equal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AliasState(BTreeMap<Alias, Option<Version>>);

impl AliasState {
    /// The version of `alias`.
    #[must_use]
    pub fn get(&self, alias: &Alias) -> Option<Version> {
        self.0.get(alias).copied().flatten()
    }

    /// Whether `alias` is in this state, with or without a version.
    #[must_use]
    pub fn contains(&self, alias: &Alias) -> bool {
        self.0.contains_key(alias)
    }

    /// All aliases, with removed ones.
    pub fn aliases(&self) -> impl Iterator<Item = &Alias> {
        self.0.keys()
    }

    /// All aliases with their versions, with removed ones.
    pub fn iter(&self) -> impl Iterator<Item = (&Alias, Option<Version>)> {
        self.0.iter().map(|(alias, version)| (alias, *version))
    }

    /// The aliases that point to a version, with the version.
    pub fn iter_set(&self) -> impl Iterator<Item = (&Alias, Version)> {
        self.iter().filter_map(|(alias, version)| Some((alias, version?)))
    }

    /// Points `alias` to `version`, or removes it.
    pub fn set(&mut self, alias: Alias, version: Option<Version>) {
        self.0.insert(alias, version);
    }

    /// Moves one alias.
    pub fn apply(&mut self, step: &AliasMove) {
        self.set(step.alias.clone(), step.version);
    }

    /// Adds an alias that is not in this state yet.
    pub fn set_if_missing(&mut self, alias: Alias, version: Option<Version>) {
        self.0.entry(alias).or_insert(version);
    }

    /// The moves from this state to `after`, `champion` first. Aliases that are not in `after` stay.
    #[must_use]
    pub fn moves_to(&self, after: &Self) -> Vec<AliasMove> {
        let changed = after.0.iter().filter(|(alias, version)| self.0.get(*alias) != Some(*version));
        let mut moves: Vec<AliasMove> =
            changed.map(|(alias, version)| AliasMove { alias: alias.clone(), version: *version }).collect();
        moves.sort_by_key(|step| step.alias != Alias::CHAMPION);
        moves
    }
}

impl<V: Into<Option<Version>>> FromIterator<(Alias, V)> for AliasState {
    fn from_iter<I: IntoIterator<Item = (Alias, V)>>(aliases: I) -> Self {
        Self(aliases.into_iter().map(|(alias, version)| (alias, version.into())).collect())
    }
}

impl fmt::Display for AliasState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut set = self.iter_set().peekable();
        if set.peek().is_none() {
            return f.write_str("no aliases");
        }
        for (index, (alias, version)) in set.enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{alias} -> {version}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::version;

    #[test]
    fn a_removed_alias_points_nowhere_and_stays_known() {
        let mut state: AliasState =
            [(Alias::CHAMPION, version(2)), (Alias::ARCHIVED, version(1))].into_iter().collect();
        let before = state.clone();
        state.apply(&AliasMove::unset(Alias::ARCHIVED));
        state.apply(&AliasMove::set(Alias::CHAMPION, version(3)));
        assert_eq!((state.get(&Alias::ARCHIVED), state.contains(&Alias::ARCHIVED)), (None, true));
        assert!(!state.contains(&Alias::CANDIDATE));
        assert_eq!(state.to_string(), "champion -> 3");
        let moves = [AliasMove::set(Alias::CHAMPION, version(3)), AliasMove::unset(Alias::ARCHIVED)];
        assert_eq!(before.moves_to(&state), moves);
        state.apply(&AliasMove::unset(Alias::CHAMPION));
        assert_eq!(state.to_string(), "no aliases");
    }
}
