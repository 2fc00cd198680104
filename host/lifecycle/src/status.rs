//! The state of a model at a glance: its aliases, since when its champion is that, and what needs a person.

use crate::doctor::{Finding, misspelled};
use crate::ledger::Ledger;
use hydra_base::Timestamp;
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::names::{Alias, ModelName, Version};
use hydra_mlflow::connect::Backend;
use hydra_mlflow::entities::RegisteredModel;

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
    /// What the newest entries and the aliases show to be wrong. [`Doctor`](crate::doctor::Doctor) looks further.
    pub trouble: Vec<Finding>,
}

impl ModelStatus {
    /// The state of a model: three requests, and more where its champion is older than the newest entries.
    pub async fn of(backend: &Backend, model: &ModelName) -> Result<Self> {
        let (registered, ledger, mut trouble) = match Ledger::open(backend, model).await {
            Ok(opened) => (opened.registered, opened.ledger, Vec::new()),
            Err(error) if error.kind() == ErrorKind::LedgerGone => {
                let lost = Finding::LostLedger { why: error.to_string() };
                (backend.registry.registered_model(model).await?, None, vec![lost])
            }
            Err(error) => return Err(error),
        };
        let mut status = Self::without_ledger(&registered);
        if let Some(ledger) = &ledger {
            status.has_ledger = true;
            let (findings, since) = ledger.glance(status.champion).await?;
            trouble.extend(findings.into_iter().map(Finding::Ledger));
            status.since = since;
        }
        trouble.append(&mut status.trouble);
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
