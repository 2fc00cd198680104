//! The versions that were champion.

use std::collections::BTreeSet;

use futures_util::stream::{self, BoxStream, StreamExt as _, TryStreamExt as _};

use crate::ledger::Ledger;
use crate::ledger::chain::Record;
use crate::ledger::entry::EntryKind;
use crate::ledger::history::Fate;
use hydra_base::error::Result;
use hydra_base::names::{Alias, Version};
use hydra_policy::OverrideKind;

impl Ledger {
    /// Every version that was champion, the present one included, newest first, each once. A version that the ledger found
    /// archived when it began counts as the oldest.
    #[must_use]
    pub fn champions(&self) -> BoxStream<'_, Result<Version>> {
        let mut seen = BTreeSet::new();
        let champions = self
            .entries(None, None)
            .map_ok(|(record, fate)| stream::iter(champions_of(&record, fate).map(Ok)))
            .try_flatten();
        champions.try_filter(move |version| std::future::ready(seen.insert(*version))).boxed()
    }

    /// The number of the entry that made that version champion last, if its request set aside that the model cannot be loaded.
    pub(crate) async fn crowned_unloadable(&self, version: Version) -> Result<Option<u64>> {
        let mut entries = self.entries(None, None);
        while let Some((record, fate)) = entries.try_next().await? {
            if fate != Fate::Aborted && record.entry.crowned() == Some(version) {
                let overridden = record.entry.overrides.contains(&OverrideKind::UnloadableModel);
                return Ok(overridden.then_some(record.number));
            }
        }
        Ok(None)
    }

    /// Whether the ledger has ever seen that version as the champion, or found it archived when it began.
    pub async fn was_champion(&self, version: Version) -> Result<bool> {
        let mut champions = self.champions();
        while let Some(champion) = champions.try_next().await? {
            if champion == version {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// The champions that an entry shows, newest first.
fn champions_of(record: &Record, fate: Fate) -> impl Iterator<Item = Version> + use<> {
    let entry = &record.entry;
    let after = entry.after.get(&Alias::CHAMPION).filter(|_| fate != Fate::Aborted);
    // A version that was archived before the ledger began had been champion. For later ones there are entries.
    let archived = entry.before.get(&Alias::ARCHIVED).filter(|_| entry.operation == EntryKind::Genesis);
    [after, entry.before.get(&Alias::CHAMPION), archived].into_iter().flatten()
}
