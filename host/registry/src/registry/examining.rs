//! Examining: what is wrong with a model, the repair of what can be repaired, and the state of several models.

use futures_util::future::{ready, try_join};
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};

use crate::registry::ModelRegistry;
use crate::settings::Experiment as Setting;
use hydra_base::error::{ErrorKind, Result};
use hydra_base::names::ModelName;
use hydra_base::pattern::NamePattern;
use hydra_lifecycle::doctor::{Doctor, Finding};
use hydra_lifecycle::ledger::{Former, Ledger, LedgerWriter, is_ledger};
use hydra_lifecycle::status::ModelStatus;
use hydra_mlflow::entities::{Experiment, ModelFilter};
use hydra_mlflow::listing::Listing;

/// How many models one request of a listing asks for.
const MODELS: usize = 100;

/// The most registered models of a registry, ledgers included.
const MOST_MODELS: usize = 100_000;

/// How many models are looked at side by side.
const AT_ONCE: usize = 8;

impl ModelRegistry {
    /// What is not as it should be with the model's lifecycle. Nothing is written.
    pub async fn diagnose(&self) -> Result<Vec<Finding>> {
        let (ledger, experiment) = try_join(self.ledger_or_loss(), self.existing_experiment()).await?;
        let (ledger, loss) = ledger;
        let mut findings: Vec<Finding> = loss.into_iter().collect();
        findings.extend(self.doctor(experiment.as_ref()).diagnose(ledger.as_ref()).await?);
        Ok(findings)
    }

    /// Repairs what needs no human decision: completes or aborts an interrupted transition, records moves that were made
    /// without the ledger, bridges damage in it, begins a new archive or a new ledger where the former was purged, ends runs
    /// that were left behind.
    pub async fn repair(&self) -> Result<()> {
        // The future is large, and callers keep it in theirs.
        Box::pin(self.repair_all()).await
    }

    async fn repair_all(&self) -> Result<()> {
        let (ledger, experiment) = try_join(self.ledger_or_loss(), self.existing_experiment()).await?;
        let ledger = match ledger {
            (None, Some(_)) => {
                let experiment = self.ensure_experiment().await?;
                let (backend, model) = (self.backend(), self.model());
                Some(
                    LedgerWriter::found_again(backend, model, &experiment, self.writer_settings().await?)
                        .await?,
                )
            }
            (Some(ledger), _) => Some(self.writer(ledger).await?),
            (None, None) if self.former_ledger().await?.is_some_and(|former| former.is_resumed()) => {
                Some(self.found_ledger().await?)
            }
            (None, None) => None,
        };
        let ledger = match ledger {
            Some(ledger) => Some(ledger.with_archive(self.ensure_experiment()).await?),
            None => None,
        };
        if let Some(ledger) = &ledger {
            ledger.restore_place().await?;
            ledger.archive_policies(&self.panel().await?.components()).await?;
        }
        self.doctor(experiment.as_ref()).repair(ledger.as_ref()).await
    }

    /// The registered models whose names fit the pattern, in the order of their names; ledgers and prompts left out.
    pub async fn models(&self, pattern: &NamePattern) -> Result<Vec<ModelName>> {
        let filter = ModelFilter::Name(pattern.clone());
        let mut names = Vec::new();
        let mut listing = Listing::at_most(MOST_MODELS);
        while !listing.is_at_end() {
            let page = self.backend().registry.registered_models(&filter, MODELS, listing.token()).await?;
            listing.advance(&page)?;
            let models = page.items.into_iter().filter(|model| !is_ledger(model));
            names.extend(models.map(|model| model.name));
        }
        Ok(names)
    }

    /// The state of several models of this registry at a glance: those whose names fit the pattern.
    pub async fn statuses(&self, pattern: &NamePattern) -> Result<Vec<ModelStatus>> {
        let models = self.models(pattern).await?;
        let status = |model: ModelName| {
            let (backend, cache) = (self.backend().clone(), self.cache().cloned());
            async move {
                match ModelStatus::of(&backend, &model, cache.as_ref()).await {
                    // The store does not answer, so the other models cannot be read either.
                    Err(error) if error.retryable() => Err(error),
                    // Deleted or renamed since the listing.
                    Err(error) if error.kind() == ErrorKind::ModelNotFound => Ok(None),
                    Err(error) => Ok(Some(ModelStatus::not_examined(model, &error))),
                    Ok(status) => Ok(Some(status)),
                }
            }
        };
        let statuses = stream::iter(models).map(status).buffered(AT_ONCE);
        statuses.try_filter_map(|status| ready(Ok(status))).try_collect().await
    }

    /// What shows that a model without a ledger had one.
    pub async fn former_ledger(&self) -> Result<Option<Former>> {
        let registered = self.backend().registry.registered_model(self.model());
        let (registered, experiment) = try_join(registered, self.existing_experiment()).await?;
        Former::of(self.backend(), &registered, experiment.as_ref().map(|found| &found.id)).await
    }

    fn doctor<'a>(&'a self, experiment: Option<&'a Experiment>) -> Doctor<'a> {
        Doctor {
            backend: self.backend(),
            model: self.model(),
            experiment,
            cache: self.cache(),
            clock_tolerance: self.inner.settings.clock_tolerance,
            model_trust: self.model_trust(),
        }
    }

    /// The ledger, or the finding that the one which the model names does not exist.
    async fn ledger_or_loss(&self) -> Result<(Option<Ledger>, Option<Finding>)> {
        match self.existing_ledger().await {
            Err(error) if error.kind() == ErrorKind::LedgerGone => {
                Ok((None, Some(Finding::LostLedger { why: error.to_string() })))
            }
            ledger => Ok((ledger?, None)),
        }
    }

    /// The experiment that candidates are logged in, deleted or not; `None` when there is none yet.
    pub(super) async fn existing_experiment(&self) -> Result<Option<Experiment>> {
        let tracking = &self.backend().tracking;
        match &self.inner.settings.experiment {
            Setting::Id(id) => match tracking.experiment(id).await {
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
                found => found.map(Some),
            },
            Setting::Named(name) => tracking.experiment_by_name(name).await,
        }
    }
}
