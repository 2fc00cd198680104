//! The meaning of the keys of objects.

use std::collections::{BTreeSet, HashMap};
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Visitor};

use crate::wanted::Wanted;
use hydra_lightgbm::loaded::spelled;

/// The number of ignored keys that are remembered.
const MOST_IGNORED: usize = 1_000;

/// The columns that receive the value of a key.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Target {
    /// The index of the feature.
    pub(super) feature: Option<usize>,
    /// The index of the kept column.
    pub(super) kept: Option<usize>,
}

/// The keys of the objects read so far.
pub(super) struct Keys {
    targets: HashMap<String, Target>,
    /// The keys of the last row in order. Most rows have the same order, which saves looking keys up.
    order: Vec<(String, Target)>,
    /// The wanted keys that no object had.
    unseen: BTreeSet<String>,
    /// The keys that are neither features nor kept.
    ignored: BTreeSet<String>,
}

impl Keys {
    pub(super) fn new(wanted: &Wanted) -> Self {
        let mut targets: HashMap<String, Target> = HashMap::new();
        for (index, name) in wanted.features.iter().enumerate() {
            targets.entry(name.clone()).or_default().feature = Some(index);
        }
        for (index, name) in wanted.keep.iter().enumerate() {
            targets.entry(name.clone()).or_default().kept = Some(index);
        }
        Self {
            targets,
            order: Vec::new(),
            unseen: wanted.features.iter().chain(&wanted.keep).cloned().collect(),
            ignored: BTreeSet::new(),
        }
    }

    /// The wanted keys that no object had so far.
    pub(super) fn unseen(&self) -> Vec<&String> {
        self.unseen.iter().collect()
    }

    /// The keys so far that are neither features nor kept; only the first ones of very many.
    pub(super) fn ignored(&self) -> Vec<String> {
        self.ignored.iter().cloned().collect()
    }

    /// The target of a column that the objects do not have.
    pub(super) fn of_constant(&mut self, name: &str) -> Target {
        self.unseen.remove(name);
        self.unseen.remove(&*spelled(name));
        self.find(name)
    }

    /// The target of `key`, which is at index `position` of its object.
    fn target(&mut self, key: &str, position: usize) -> Target {
        if let Some((_, target)) = self.order.get(position).filter(|(name, _)| name == key) {
            return *target;
        }
        let target = self.find(key);
        if target.feature.is_some() || target.kept.is_some() {
            self.unseen.remove(key);
            self.unseen.remove(&*spelled(key));
        } else if self.ignored.len() < MOST_IGNORED {
            self.ignored.insert(key.to_owned());
        }
        self.order.truncate(position);
        self.order.push((key.to_owned(), target));
        target
    }

    /// As for columns, a feature matches its name and the [spelling](spelled) with spaces. Unlike a table with both columns,
    /// an object with both keys is refused, because rows may differ in their keys.
    fn find(&self, key: &str) -> Target {
        let exact = self.targets.get(key).copied().unwrap_or_default();
        if exact.feature.is_some() || !key.contains(' ') {
            return exact;
        }
        let other = self.targets.get(&*spelled(key)).copied().unwrap_or_default();
        Target { feature: other.feature, ..exact }
    }
}

/// Reads a key and returns its target.
pub(super) struct Key<'r> {
    pub(super) keys: &'r mut Keys,
    /// The index of the key in its object.
    pub(super) position: usize,
}

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = Target;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Target, D::Error> {
        json.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = Target;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Target, E> {
        Ok(self.keys.target(key, self.position))
    }
}
