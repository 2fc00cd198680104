//! Whether the store may give two entries one number.
//!
//! A database numbers versions in a transaction, so that a number is one entry's alone. MLflow's file store, which a server can have
//! too, looks for the greatest number and then writes: of two requests at once, the later one can overwrite the entry of the
//! earlier one. Both writers are told that they have the number. So nothing is done on the strength of a number until the entry was read
//! again, after everything that could overwrite it.
//!
//! A server does not say which of the two it has. Its listings do: those of a file store name the aliases of versions.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::ledger::Ledger;
use crate::ledger::chain::{Record, Window};
use hydra_base::Sha256;
use hydra_base::error::Result;
use hydra_mlflow::entities::{ModelVersion, RegisteredModel};

/// How long a file store may take from its look for the greatest number until it has written the entry of that number.
const OVERWRITTEN_WITHIN: Duration = Duration::from_millis(500);

/// What the cache keeps of a store that gives each number once.
const UNIQUE: &[u8] = b"unique";

/// What is known of the numbers of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Numbering {
    /// Each number is one entry's.
    Unique,
    /// Nothing was listed that shows it.
    Unknown,
    /// Two entries can get one number.
    Ambiguous,
}

/// Whether listings have shown that the store gives each number once.
#[derive(Debug, Default)]
pub(super) struct Shown(AtomicBool);

impl Ledger {
    /// Takes in what a listing of versions shows: a version that has an alias, and was listed without it, is in a database.
    pub(crate) fn note_listed<'v>(
        &self,
        registered: &RegisteredModel,
        listed: impl IntoIterator<Item = &'v ModelVersion>,
    ) {
        let has_alias = |number| registered.aliases.values().any(|aliased| *aliased == number);
        let mut bare = listed.into_iter().filter(|version| version.aliases.is_empty());
        if bare.any(|version| has_alias(version.version)) {
            self.numbering.0.store(true, Ordering::Relaxed);
        }
    }

    /// What is known of the numbers of the ledger's store: from listings of this command, or from an earlier one's.
    pub(super) async fn numbering(&self) -> Result<Numbering> {
        let registry = &self.backend.registry;
        if registry.atomic().is_some() {
            return Ok(Numbering::Unique);
        }
        if registry.lists_aliases() {
            return Ok(Numbering::Ambiguous);
        }
        let shown = self.numbering.0.load(Ordering::Relaxed);
        let Some(cache) = &self.cache else {
            return Ok(if shown { Numbering::Unique } else { Numbering::Unknown });
        };
        let name = Sha256::of(format!("numbers of {}", self.id).as_bytes());
        let kept = cache.get_named(name).await?.is_some_and(|kept| kept == UNIQUE);
        if shown && !kept {
            cache.put_named(name, UNIQUE.to_vec()).await?;
        }
        Ok(if shown || kept { Numbering::Unique } else { Numbering::Unknown })
    }

    /// The newest entries once more, after everything that could overwrite `head`, which was read or appended before `then`; `None`
    /// if it is not the head any more.
    pub(super) async fn read_back(
        &self,
        head: &Record,
        then: Instant,
        numbering: Numbering,
    ) -> Result<Option<Window>> {
        if numbering == Numbering::Ambiguous {
            sleep_until(then + OVERWRITTEN_WITHIN).await;
        }
        let window = self.read_window(None, None).await?;
        let found = window.head();
        Ok(found.is_some_and(|found| found.digest == head.digest).then_some(window))
    }
}
