//! The state of a model at a glance: its aliases, since when its champion is that, and what needs a person.

use crate::doctor::{Finding, misspelled};
use crate::ledger::{Former, Ledger};
use hydra_base::Timestamp;
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::names::{Alias, ModelName, Version};
use hydra_mlflow::connect::Backend;
use hydra_mlflow::entities::RegisteredModel;
use hydra_models::model_cache::ModelCache;
use hydra_models::preflight::{self, Opened, Presence};

/// A model at a glance.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ModelStatus {
    /// The registered model.
    pub model: ModelName,
    /// The version behind `champion`.
    pub champion: Option<Version>,
    /// Since when, by the store's clock; `None` without a champion, and where no ledger says it.
    pub since: Option<Timestamp>,
    /// The version behind `archived`.
    pub archived: Option<Version>,
    /// The version behind `candidate`.
    pub candidate: Option<Version>,
    /// Whether the model has a ledger.
    pub has_ledger: bool,
    /// What the newest entries, the standing, the run of the archive and the aliases show to be wrong.
    /// [`Doctor`](crate::doctor::Doctor) looks further, also into the files of the versions.
    pub trouble: Vec<Finding>,
}

impl ModelStatus {
    /// The state of a model: at most seven requests, and more where its champion is older than the newest entries, was made champion
    /// although its model could not be loaded, or has lost its ledger.
    pub async fn of(backend: &Backend, model: &ModelName, cache: Option<&ModelCache>) -> Result<Self> {
        let (registered, ledger, mut trouble) = match Ledger::open(backend, model).await {
            Ok(opened) => (opened.registered, opened.ledger, Vec::new()),
            Err(error) if error.retryable() || error.kind() == ErrorKind::ModelNotFound => {
                return Err(error);
            }
            // The aliases are known all the same.
            Err(error) => {
                let why = match error.kind() {
                    ErrorKind::LedgerGone => Finding::LostLedger { why: error.to_string() },
                    _ => Finding::not_examined(&error),
                };
                (backend.registry.registered_model(model).await?, None, vec![why])
            }
        };
        let mut status = Self::without_ledger(&registered);
        let Some(ledger) = ledger else {
            // Of a model that only has a champion, `doctor` searches for a ledger.
            if trouble.is_empty() {
                trouble.extend(Former::by_tags(backend, &registered).await?.map(Finding::from));
            }
            trouble.append(&mut status.trouble);
            return Ok(Self { trouble, ..status });
        };
        status.has_ledger = true;
        let mut unloadable = None;
        match ledger.glance(status.champion).await {
            Ok(seen) => {
                status.since = seen.since;
                trouble.extend(seen.findings.into_iter().map(Finding::Ledger));
                unloadable = status.champion.zip(seen.unloadable);
            }
            Err(error) if error.retryable() => return Err(error),
            Err(error) => trouble.push(Finding::not_examined(&error)),
        }
        trouble.append(&mut status.trouble);
        if let Some((champion, entry)) = unloadable {
            trouble.extend(unloadable_champion(backend, model, cache, champion, entry).await?);
        }
        Ok(Self { trouble, ..status })
    }

    /// The row of a model whose state cannot be read: one that a newer release wrote to, or with tags that are damaged.
    #[must_use]
    pub fn not_examined(model: ModelName, error: &Error) -> Self {
        let trouble = vec![Finding::not_examined(error)];
        Self {
            model,
            champion: None,
            since: None,
            archived: None,
            candidate: None,
            has_ledger: false,
            trouble,
        }
    }

    fn without_ledger(registered: &RegisteredModel) -> Self {
        let on = |alias: Alias| registered.aliases.get(&alias).copied();
        let mut trouble: Vec<Finding> = misspelled(registered).collect();
        let (champion, archived) = (on(Alias::CHAMPION), on(Alias::ARCHIVED));
        if let Some(version) = champion.filter(|champion| archived == Some(*champion)) {
            trouble.push(Finding::ArchivedChampion { version });
        }
        Self {
            model: registered.name.clone(),
            champion,
            since: None,
            archived,
            candidate: on(Alias::CANDIDATE),
            has_ledger: false,
            trouble,
        }
    }
}

/// A champion that was made one with `--allow-unloadable` by that entry, as long as its model cannot be loaded.
async fn unloadable_champion(
    backend: &Backend,
    model: &ModelName,
    cache: Option<&ModelCache>,
    version: Version,
    entry: u64,
) -> Result<Option<Finding>> {
    let found = match backend.registry.model_version(model, version).await {
        Err(error) if error.kind() == ErrorKind::VersionNotFound => return Ok(None),
        found => found?,
    };
    let why = match preflight::open(backend, cache, &found, Presence::Asked).await {
        Ok(Opened::Loadable(_)) => return Ok(None),
        Ok(Opened::Unloadable(why)) => why.to_string(),
        // The registry has answered, so this is about the model's files.
        Err(error) => error.to_string(),
    };
    let (alias, overridden) = (Alias::CHAMPION, Some(entry));
    Ok(Some(Finding::UnreadableModel { alias, version, why, overridden }))
}
