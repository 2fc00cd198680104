//! The keys of objects, and what each is for.

use std::collections::{BTreeSet, HashMap};
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Visitor};

use crate::wanted::Wanted;

/// Most names of ignored keys that are remembered.
const MOST_IGNORED: usize = 1_000;

/// What a key of an object is for.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Target {
    /// The feature that its value is.
    pub(super) feature: Option<usize>,
    /// The kept column that its value is.
    pub(super) kept: Option<usize>,
}

/// What is known about the keys of the objects so far.
pub(super) struct Keys {
    targets: HashMap<String, Target>,
    /// The keys of the last row in their order: most rows repeat it, which spares looking them up.
    order: Vec<(String, Target)>,
    /// The wanted keys that no object had.
    unseen: BTreeSet<String>,
    /// The keys that nobody asked for.
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

    /// The keys so far that nobody asked for, or the first of very many.
    pub(super) fn ignored(&self) -> Vec<String> {
        self.ignored.iter().cloned().collect()
    }

    /// What the key at a place in its object is for.
    fn target(&mut self, key: &str, place: usize) -> Target {
        if let Some((_, target)) = self.order.get(place).filter(|(name, _)| name == key) {
            return *target;
        }
        let target = self.find(key);
        if target.feature.is_some() || target.kept.is_some() {
            self.unseen.remove(key);
            self.unseen.remove(&underscored(key));
        } else if self.ignored.len() < MOST_IGNORED {
            self.ignored.insert(key.to_owned());
        }
        self.order.truncate(place);
        self.order.push((key.to_owned(), target));
        target
    }

    /// LightGBM writes spaces in the names of features as underscores, so both spellings match.
    fn find(&self, key: &str) -> Target {
        let exact = self.targets.get(key).copied().unwrap_or_default();
        if exact.feature.is_some() || !key.contains(' ') {
            return exact;
        }
        let spelled = self.targets.get(&underscored(key)).copied().unwrap_or_default();
        Target { feature: spelled.feature, ..exact }
    }
}

/// Reads a key and says what it is for.
pub(super) struct Key<'r> {
    pub(super) keys: &'r mut Keys,
    /// The place of the key in its object.
    pub(super) place: usize,
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
        Ok(self.keys.target(key, self.place))
    }
}

/// A name as LightGBM writes it.
fn underscored(name: &str) -> String {
    name.replace(' ', "_")
}
