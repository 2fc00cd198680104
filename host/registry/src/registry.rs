//! [`ModelRegistry`]: the public API, one screen of orchestration over the lifecycle.

mod deciding;

use std::collections::BTreeMap;

use futures_util::future::try_join;
use futures_util::stream::{self, Stream, StreamExt as _, TryStreamExt as _};
use serde_json::Value;
use tokio::sync::OnceCell;

use crate::open::OpenOptions;
use hydra_base::Timestamp;
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::names::{Alias, ExperimentId, ModelName, RunId, Version};
use hydra_lifecycle::doctor::{Doctor, Finding};
use hydra_lifecycle::evidence::Target;
use hydra_lifecycle::ledger::{ledger_name, refuse_ledger};
use hydra_lifecycle::transition::{Request, Transition};
use hydra_lightgbm::Model;
use hydra_lightgbm::loaded::ModelLimits;
use hydra_mlflow::connect::Backend;
use hydra_mlflow::entities::{ModelVersion, OPERATION_ID_TAG, RegisteredModel, Tags};
use hydra_models::candidate::{Candidate, LogTarget, LoggedCandidate, ModelSource, PreparedCandidate};
use hydra_models::loading::load_model;
use hydra_models::model_cache::ModelCache;
use hydra_policy::Policy;

/// How many versions one request of a listing asks for.
const PAGE_SIZE: usize = 1000;

/// A registered model and its champion lifecycle.
#[derive(Debug)]
pub struct ModelRegistry {
    pub(crate) backend: Backend,
    pub(crate) model: ModelName,
    pub(crate) options: OpenOptions,
    pub(crate) cache: Option<ModelCache>,
    policy: OnceCell<Policy>,
}

/// The champion, ready to predict.
#[derive(Debug)]
#[non_exhaustive]
pub struct Champion {
    /// The version it is.
    pub version: ModelVersion,
    /// The model.
    pub model: Model,
}

/// What is known about the champion without loading it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ChampionInfo {
    /// The version.
    pub version: Version,
    /// The run that logged it.
    pub run_id: Option<RunId>,
    /// The run's metrics; empty when the run is gone.
    pub metrics: BTreeMap<String, f64>,
    /// The run's tags.
    pub tags: Tags,
    /// When the version was created.
    pub created_at: Timestamp,
}

/// One version of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct VersionInfo {
    /// The version.
    pub version: Version,
    /// The run that logged it.
    pub run_id: Option<RunId>,
    /// The aliases on it, sorted.
    pub aliases: Vec<Alias>,
    /// When it was created.
    pub created_at: Timestamp,
}

impl ModelRegistry {
    /// Opens the registry and creates the registered model if it is missing. `InvalidName` when the name of a model to
    /// create leaves no room for its ledger's.
    pub async fn open(options: OpenOptions) -> Result<Self> {
        let registry = Self::open_existing(options)?;
        registry.ensure_model().await?;
        Ok(registry)
    }

    /// Opens the registry as it is: nothing is contacted or created. For readers.
    pub fn open_existing(options: OpenOptions) -> Result<Self> {
        let (backend, model, cache) = (options.connect()?, options.model_name()?, options.cache()?);
        Ok(Self { backend, model, options, cache, policy: OnceCell::new() })
    }

    /// The registered model's name.
    #[must_use]
    pub fn model(&self) -> &ModelName {
        &self.model
    }

    /// The stores behind the registry.
    #[must_use]
    pub fn backend(&self) -> &Backend {
        &self.backend
    }

    /// Logs a trained model as a candidate and returns its run and version. See [`Candidate`] for what is checked.
    pub async fn log_candidate(
        &self,
        model: impl Into<ModelSource>,
        metrics: BTreeMap<String, f64>,
        config: Value,
        tags: BTreeMap<String, String>,
        run_name: Option<String>,
    ) -> Result<(RunId, Version)> {
        let candidate = Candidate { config, tags, run_name, ..Candidate::new(model, metrics) };
        let logged = self.log(&candidate, &|_| ()).await?;
        Ok((logged.run_id, logged.version))
    }

    /// [`Self::log_candidate`] with every option, and a callback for the bytes uploaded.
    pub async fn log(
        &self,
        candidate: &Candidate,
        progress: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<LoggedCandidate> {
        // Before a large model is read.
        ledger_name(&self.model)?;
        self.log_prepared(&candidate.prepare().await?, progress, std::future::pending()).await
    }

    /// [`Self::log`] of what was checked already, and until `interrupted` is ready: then the run ends FAILED, nothing stays
    /// registered, and the error is `Interrupted`.
    pub async fn log_prepared(
        &self,
        prepared: &PreparedCandidate<'_>,
        progress: &(dyn Fn(u64) + Send + Sync),
        interrupted: impl Future<Output = ()> + Send,
    ) -> Result<LoggedCandidate> {
        // A candidate that can never be promoted is not logged.
        ledger_name(&self.model)?;
        let experiment = self.ensure_experiment().await?;
        let user = self.options.actor_name();
        let target = LogTarget {
            backend: &self.backend,
            model: &self.model,
            experiment: &experiment,
            user: &user,
            progress,
        };
        target.log(prepared, interrupted).await
    }

    /// Asks the policy to make `version`, or the one behind `candidate`, the champion.
    pub async fn promote_to_champion(&self, version: Option<Version>) -> Result<Transition> {
        self.decide(Request::promote(version.map_or(Target::Candidate, Target::Version))).await
    }

    /// What is not as it should be with the model's lifecycle. Nothing is written.
    pub async fn diagnose(&self) -> Result<Vec<Finding>> {
        let (ledger, experiment) = try_join(self.existing_ledger(), self.existing_experiment()).await?;
        self.doctor(experiment.as_ref()).diagnose(ledger.as_ref()).await
    }

    /// Repairs what needs nobody's judgement: completes or aborts an interrupted transition, records moves that were made
    /// without the ledger, bridges damage in it, ends runs that were left behind.
    pub async fn repair(&self) -> Result<()> {
        let (ledger, experiment) = try_join(self.existing_ledger(), self.existing_experiment()).await?;
        let ledger = ledger.map(|ledger| self.writer(ledger));
        self.doctor(experiment.as_ref()).repair(ledger.as_ref()).await
    }

    fn doctor<'a>(&'a self, experiment: Option<&'a ExperimentId>) -> Doctor<'a> {
        Doctor { backend: &self.backend, model: &self.model, experiment }
    }

    /// Asks the policy to roll back to the archived version.
    pub async fn rollback(&self) -> Result<Transition> {
        self.decide(Request::rollback(Target::Unnamed)).await
    }

    /// Loads the model behind `champion`. `NoChampion` when there is none.
    pub async fn load_champion(&self) -> Result<Champion> {
        let version = self.champion_version().await?;
        let model = load_model(&self.backend, self.cache.as_ref(), &version, &ModelLimits::default()).await?;
        Ok(Champion { version, model })
    }

    /// What is known about the champion: two requests, whatever the history.
    pub async fn champion_info(&self) -> Result<ChampionInfo> {
        let version = self.champion_version().await?;
        let run = match &version.run_id {
            Some(id) => match self.backend.tracking.run(id).await {
                Err(error) if error.kind() == ErrorKind::NotFound => None,
                other => Some(other?),
            },
            None => None,
        };
        let (metrics, tags) = run.map_or_else(Default::default, |run| {
            (run.metrics.into_iter().map(|metric| (metric.key, metric.value)).collect(), run.tags)
        });
        Ok(ChampionInfo {
            version: version.version,
            run_id: version.run_id,
            metrics,
            tags,
            created_at: version.created_at,
        })
    }

    /// Every version, newest first, as a stream that holds one page at a time.
    pub async fn list_versions(&self) -> Result<impl Stream<Item = Result<VersionInfo>> + '_> {
        let registered = self.registered_model().await?;
        let first = Some(None::<String>);
        let pages = stream::try_unfold(first, move |token| async move {
            let Some(token) = token else { return Ok::<_, Error>(None) };
            let page =
                self.backend.registry.model_versions(&self.model, None, PAGE_SIZE, token.as_deref()).await?;
            Ok(Some((page.items, page.next.map(Some))))
        });
        let versions = pages.map_ok(|items| stream::iter(items).map(Ok)).try_flatten();
        Ok(versions.map_ok(move |version| VersionInfo {
            aliases: aliases_on(&registered, version.version),
            version: version.version,
            run_id: version.run_id,
            created_at: version.created_at,
        }))
    }

    async fn champion_version(&self) -> Result<ModelVersion> {
        let found = self.backend.registry.version_by_alias(&self.model, &Alias::CHAMPION).await;
        let version = found.map_err(|error| {
            let hint =
                "promote another version, or roll back; the alias `champion` points to a deleted version";
            if error.kind() == ErrorKind::VersionNotFound { error.with_hint(hint) } else { error }
        })?;
        match version {
            Some(version) => Ok(version),
            None => Err(self.no_champion().await),
        }
    }

    /// A store that nobody has written to looks like a mistyped one: the hint tells them apart.
    async fn no_champion(&self) -> Error {
        let missing =
            self.registered_model().await.err().filter(|error| error.kind() == ErrorKind::ModelNotFound);
        let hint = match &missing {
            Some(missing) => missing.hint().unwrap_or_default().to_owned(),
            None => "log a candidate and promote it with `hydra-registry promote`".to_owned(),
        };
        Error::new(ErrorKind::NoChampion, "No champion model set")
            .with_context("model", &self.model)
            .with_hint(hint)
    }

    async fn registered_model(&self) -> Result<RegisteredModel> {
        self.backend.registry.registered_model(&self.model).await.map_err(|error| match error.kind() {
            ErrorKind::ModelNotFound => error.with_hint(format!(
                "check the name and the tracking URI ({}); `log-candidate` creates the registered model",
                self.options.registry_for_people()
            )),
            _ => error,
        })
    }

    async fn ensure_model(&self) -> Result<()> {
        match self.registered_model().await {
            Err(error) if error.kind() == ErrorKind::ModelNotFound => {}
            found => return refuse_ledger(&found?),
        }
        ledger_name(&self.model)?;
        match self.backend.registry.create_registered_model(&self.model, &own_operation(), "").await {
            // Another process was faster.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
            other => other.map(drop),
        }
    }

    fn experiment_name(&self) -> String {
        self.options.experiment_name().unwrap_or_else(|| self.model.to_string())
    }

    /// [`Self::ensure_experiment`] for readers: `None` when there is none yet.
    async fn existing_experiment(&self) -> Result<Option<ExperimentId>> {
        if let Some(id) = self.options.experiment_id()? {
            return Ok(Some(self.backend.tracking.experiment(&id).await?.id));
        }
        let found = self.backend.tracking.experiment_by_name(&self.experiment_name()).await?;
        Ok(found.map(|experiment| experiment.id))
    }

    /// The experiment that candidates are logged in: the one configured, else one named like the model.
    async fn ensure_experiment(&self) -> Result<ExperimentId> {
        if let Some(id) = self.options.experiment_id()? {
            return Ok(self.backend.tracking.experiment(&id).await?.id);
        }
        let name = self.experiment_name();
        if let Some(experiment) = self.backend.tracking.experiment_by_name(&name).await? {
            return experiment.usable();
        }
        match self.backend.tracking.create_experiment(&name, &own_operation()).await {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                let found = self.backend.tracking.experiment_by_name(&name).await?;
                found.ok_or(error)?.usable()
            }
            other => other,
        }
    }
}

/// Predicting with a champion is predicting with its model.
impl std::ops::Deref for Champion {
    type Target = Model;
    fn deref(&self) -> &Model {
        &self.model
    }
}

/// A tag by which a store recognises its own create when an answer was lost, and does not make a second one.
fn own_operation() -> Tags {
    Tags::from([(OPERATION_ID_TAG.to_owned(), uuid::Uuid::new_v4().to_string())])
}

fn aliases_on(registered: &RegisteredModel, version: Version) -> Vec<Alias> {
    registered.aliases.iter().filter(|(_, on)| **on == version).map(|(alias, _)| alias.clone()).collect()
}

#[cfg(test)]
mod tests;
