//! Looks: ledger and aliases are read concurrently, and once more in order when something is unusual.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::{join_all, try_join};
use tokio::time::Instant;

use crate::clock::store_time;
use crate::ledger::chain::{ENTRY_TAG, Reading, Record, Window};
use crate::ledger::numbering::Numbering;
use crate::ledger::{Ledger, errors};
use crate::versions;
use hydra_base::Timestamp;
use hydra_base::aliases::AliasState;
use hydra_base::error::{ErrorKind, Result};
use hydra_base::names::{ModelName, Version};
use hydra_ledger_rules::{Found, Number};
use hydra_mlflow::connect::Backend;
use hydra_mlflow::entities::{ModelVersion, Page, RegisteredModel};
use hydra_mlflow::listing::Listing;

/// How many entries one request asks for. More than the writers that are likely to race, so that one page shows the head.
pub(super) const PAGE: usize = 32;

/// The most entries that are read to find the head, or an entry that was just written.
const MOST_READ: usize = 8_192;

/// How long after the ledger was opened the first decision may use what was read then.
const FRESH: Duration = Duration::from_secs(5);

/// Ledger and aliases, read at about the same time.
#[derive(Debug, Clone)]
pub(super) struct Snapshot {
    /// The newest entries.
    pub window: Window,
    /// The model with its aliases.
    pub registered: RegisteredModel,
    /// When the first of the requests was sent.
    pub asked_at: Instant,
    /// The same time by the store's clock: the writers' own clocks may differ by more than a transition lives.
    pub now: Timestamp,
    /// Whether the aliases were read after the head, which was then read again and had not changed.
    pub confirmed: bool,
    /// Whether the head was read again after everything that could overwrite it, or nothing can.
    pub is_final: bool,
    /// The versions that do not exist any more, of those that matter; only looked up for a confirmed snapshot.
    pub gone: BTreeSet<Version>,
}

impl Snapshot {
    /// From the answers that opened the ledger; `None` when they do not reach far enough.
    pub fn of_listing(
        ledger: &Ledger,
        registered: RegisteredModel,
        page: &Page<ModelVersion>,
        asked_at: Instant,
    ) -> Option<Self> {
        let window = Window::of(&page.items, &ledger.id, page.next.is_none());
        let reaches = !matches!(window.find_head(), Found::ReadFrom(_));
        reaches.then(|| Self::new(&ledger.backend, window, registered, asked_at))
    }

    fn new(backend: &Backend, window: Window, registered: RegisteredModel, asked_at: Instant) -> Self {
        let elapsed = i64::try_from(asked_at.elapsed().as_millis()).unwrap_or(0);
        let now = store_time(backend).saturating_sub(elapsed);
        Self { window, registered, asked_at, now, confirmed: false, is_final: false, gone: BTreeSet::new() }
    }

    /// The head, for writers. `LedgerNewer` when a newer release wrote an entry that matters, `LedgerBroken` when one is
    /// damaged.
    pub fn head(&self) -> Result<&Record> {
        if let Some((number, entry)) = self.window.newer() {
            return Err(errors::newer(number, entry));
        }
        match self.window.find_head() {
            Found::Head { number, damage: 0 } => self.window.record(number).ok_or_else(errors::headless),
            Found::Head { number, damage } | Found::Lost { number, damage } => {
                let number = if damage == 0 { number } else { damage };
                let flaw = match self.window.reading(number) {
                    Some(Reading::Damaged(flaw)) => flaw.as_str(),
                    _ => "it is not the entry that a later entry recorded",
                };
                Err(errors::broken(number, flaw))
            }
            Found::Empty | Found::ReadFrom(_) => Err(errors::headless()),
        }
    }

    /// The head, for readers and repairs, as far as it can be read.
    pub fn readable_head(&self) -> Option<&Record> {
        match self.window.find_head() {
            Found::Head { number, .. } => self.window.record(number),
            _ => None,
        }
    }

    /// For how long an entry that the store took at `created_at` has been there.
    pub fn age(&self, created_at: Timestamp) -> u64 {
        u64::try_from(self.now.saturating_sub(created_at)).unwrap_or(0)
    }

    /// `aliases` with the versions that do not exist taken out.
    pub fn existing(&self, aliases: &AliasState) -> AliasState {
        let exists = |version: &Version| !self.gone.contains(version);
        aliases.iter().map(|(alias, version)| (alias.clone(), version.filter(exists))).collect()
    }

    /// Whether it is recent enough to decide upon.
    fn is_fresh(&self) -> bool {
        self.asked_at.elapsed() <= FRESH
    }
}

/// An entry that a server took.
#[derive(Debug)]
pub(super) struct Appended {
    /// The version that holds it.
    pub version: ModelVersion,
    /// The model with its aliases, as they were before, or as they were read beside the append.
    pub registered: RegisteredModel,
    /// When the first of these requests was sent.
    pub asked_at: Instant,
}

/// Versions of the ledger, newest first, those below `below`.
///
/// A server finds the versions of a page with one query and their tags with another, which looks for the newest versions
/// once more. What is appended between the two pushes the oldest versions of the page out of the second, and they come
/// without tags. Those are asked for again, one by one.
pub(super) async fn read_page(
    backend: &Backend,
    name: &ModelName,
    below: Option<Version>,
    size: usize,
) -> Result<Page<ModelVersion>> {
    let mut page = backend.registry.model_versions(name, below, size, None).await?;
    let bare = page.items.iter().rev().take_while(|version| !version.tags.contains_key(ENTRY_TAG)).count();
    let first_bare = page.items.len() - bare;
    let again =
        page.items[first_bare..].iter().map(|bare| backend.registry.model_version(name, bare.version));
    for (index, version) in join_all(again).await.into_iter().enumerate() {
        match version {
            Ok(version) => page.items[first_bare + index] = version,
            // Deleted meanwhile: it stays without tags, and so counts as damaged.
            Err(error) if error.kind() == ErrorKind::VersionNotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(page)
}

impl Ledger {
    /// What was read when the ledger was opened: once, and only while it is recent.
    pub(super) async fn take_opened(&self) -> Option<Snapshot> {
        self.opened.lock().await.take().filter(Snapshot::is_fresh)
    }

    /// The ledger after an entry was appended on a server, from where it has to be carried out; `None` if it is not the head.
    ///
    /// The entry is read back, unless it is the head without that: where the store gives each number once, if its number directly
    /// follows the newest one in `quiet`, since no other entry lies in between. Its aliases are not read again before they are
    /// moved, only after: by the ledger they are as in `quiet`. Side moves are made only from where an alias is, and outside the
    /// ledger others move such aliases all the time, as `log-candidate` does: they were read beside the append.
    pub(super) async fn appended(&self, quiet: &Snapshot, appended: Appended) -> Result<Option<Snapshot>> {
        let Appended { version, registered, mut asked_at } = appended;
        let Reading::Record(own) = Reading::of(&version, &self.id) else { return Ok(None) };
        let (digest, then, numbering) = (own.digest, Instant::now(), self.numbering().await?);
        let window = if numbering == Numbering::Unique && own.number == quiet.window.newest() + 1 {
            quiet.window.clone().with(*own)
        } else if own.entry.side.is_empty() {
            asked_at = then;
            let Some(window) = self.read_back(&own, then, numbering).await? else { return Ok(None) };
            window
        } else {
            return Ok(None);
        };
        let mut snapshot = Snapshot::new(&self.backend, window, registered, asked_at);
        snapshot.gone.clone_from(&quiet.gone);
        snapshot.is_final = true;
        let is_head = snapshot.head().is_ok_and(|head| head.digest == digest);
        Ok(is_head.then_some(snapshot))
    }

    /// Reads ledger and aliases side by side, the ledger at least down to number `reach` if that is given.
    pub(super) async fn look(&self, reach: Option<Number>) -> Result<Snapshot> {
        let asked_at = Instant::now();
        let (window, registered) =
            try_join(self.read_window(None, reach), self.backend.registry.registered_model(&self.model))
                .await?;
        Ok(Snapshot::new(&self.backend, window, registered, asked_at))
    }

    /// Reads the aliases again, then the versions that they and the newest entries name, then the ledger again, at least
    /// down to `reach`. `None` when the head is another one now, or was marked meanwhile.
    pub(super) async fn confirm(
        &self,
        earlier: &Snapshot,
        reach: Option<Number>,
    ) -> Result<Option<Snapshot>> {
        let asked_at = Instant::now();
        let registered = self.backend.registry.registered_model(&self.model).await?;
        let mut snapshot = Snapshot::new(&self.backend, Window::default(), registered, asked_at);
        snapshot.gone = self.gone_versions(&snapshot.registered, &earlier.window).await?;
        snapshot.window = self.read_window(None, reach).await?;
        snapshot.confirmed = true;
        let same = match (earlier.readable_head(), snapshot.readable_head()) {
            (Some(before), Some(after)) => {
                before.digest == after.digest && before.is_settled() == after.is_settled()
            }
            (None, None) => earlier.window.newest() == snapshot.window.newest(),
            _ => false,
        };
        Ok(same.then_some(snapshot))
    }

    /// The newest number that the ledger ever gave out, on a local store. A server does not report the number of a deleted entry.
    pub(super) async fn newest_number(&self) -> Result<Option<Number>> {
        match self.backend.registry.atomic() {
            Some(atomic) => Ok(atomic.newest_number(&self.name).await?.map(Version::get)),
            None => Ok(None),
        }
    }

    /// The newest entries (of those below `below`), at least one page, down to number `reach` and as far as it takes to
    /// find the head. Where the newest entries were deleted, they count as damaged if the store shows that.
    pub(super) async fn read_window(
        &self,
        mut below: Option<Version>,
        reach: Option<Number>,
    ) -> Result<Window> {
        // Asked for before the page, so that what the page lacks was deleted.
        let given = if below.is_none() { self.newest_number().await? } else { None };
        let mut readings: Vec<(Number, Reading)> = Vec::new();
        let mut listing = Listing::at_most(MOST_READ);
        loop {
            let page = read_page(&self.backend, &self.name, below, PAGE).await?;
            listing.advance(&page)?;
            below = page.items.last().map(|oldest| oldest.version).or(below);
            readings.extend(
                page.items.iter().map(|version| (version.version.get(), Reading::of(version, &self.id))),
            );
            if let Some(given) = given
                && readings.first().is_none_or(|(newest, _)| *newest < given)
            {
                readings.insert(0, (given, Reading::Damaged("it was deleted".to_owned())));
            }
            let window = Window::of_readings(readings.clone(), page.next.is_none());
            let far_enough = match window.find_head() {
                Found::ReadFrom(_) => false,
                _ => reach.is_none_or(|reach| window.lowest() <= reach),
            };
            if far_enough || page.next.is_none() {
                return Ok(window);
            }
        }
    }

    async fn gone_versions(
        &self,
        registered: &RegisteredModel,
        window: &Window,
    ) -> Result<BTreeSet<Version>> {
        let mut versions: BTreeSet<Version> = registered.aliases.values().copied().collect();
        if let Found::Head { number, .. } = window.find_head() {
            for record in window.valid_from(number).take(4) {
                let named = record.entry.before.iter_set().chain(record.entry.after.iter_set());
                versions.extend(named.map(|(_, version)| version).chain(record.entry.target));
            }
            versions.extend(window.former_champion(number));
        }
        let found = versions::existing(&self.backend, &self.model, &versions).await?;
        versions.retain(|version| !found.contains(version));
        Ok(versions)
    }
}
