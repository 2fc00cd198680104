//! [`ModelRegistry`]: the public API, one screen of orchestration over the lifecycle.

mod deciding;

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::{BoxFuture, TryFutureExt as _, try_join};
use futures_util::stream::{self, BoxStream, StreamExt as _, TryStreamExt as _};
use tokio::sync::OnceCell;

use crate::open::OpenOptions;
use crate::requests::{DecisionRequest, Given, LogRequest};
use crate::settings::{Experiment, Settings, Uris};
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::names::{Alias, ExperimentId, ModelName, RunId, Version};
use hydra_base::{Timestamp, blocking};
use hydra_lifecycle::doctor::{Doctor, Finding};
use hydra_lifecycle::evidence::Target;
use hydra_lifecycle::ledger::{ledger_name, refuse_ledger};
use hydra_lifecycle::transition::Request;
use hydra_lightgbm::Model;
use hydra_lightgbm::loaded::ModelLimits;
use hydra_mlflow::connect::Backend;
use hydra_mlflow::entities::{ModelVersion, OPERATION_ID_TAG, RegisteredModel, Tags};
use hydra_models::candidate::{Candidate, LogTarget, LoggedCandidate, PreparedCandidate};
use hydra_models::loading::load_model;
use hydra_models::model_cache::ModelCache;
use hydra_policy::Policy;

/// How many versions one request of a listing asks for.
const PAGE_SIZE: usize = 1000;

/// A registered model and its champion lifecycle.
///
/// Clones share one connection, one set of settings and one loaded policy: keep one in a server's state and clone it.
/// Every method requires a Tokio runtime with time and I/O enabled, and its future is `Send`.
#[derive(Debug, Clone)]
pub struct ModelRegistry {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    backend: Backend,
    settings: Settings,
    policy: OnceCell<Policy>,
}

/// The champion, ready to predict.
#[derive(Debug)]
#[non_exhaustive]
pub struct Champion {
    /// The version's number.
    pub version: Version,
    /// The model, validated and checked against the digest that was logged with it.
    pub model: Model,
    /// The version as MLflow has it, with its run, its tags and its source.
    pub entity: ModelVersion,
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
    /// Connects to a registered model as it is. For programs that only read, and for those that log to a model that exists.
    ///
    /// Every setting is resolved and checked here, once: a malformed option, variable or value in `hydra.toml` is an error
    /// of this call. Servers are not contacted; local files (certificates, credentials, databases) are opened. Whether the
    /// model exists shows the first call that needs it.
    pub async fn connect(options: OpenOptions) -> Result<Self> {
        // Certificates and databases are read.
        let (settings, backend) = blocking(move || Settings::resolve(&options)).await?;
        Ok(Self { inner: Arc::new(Inner { backend, settings, policy: OnceCell::new() }) })
    }

    /// [Connects](Self::connect), and creates the registered model if it is missing. [`ErrorKind::InvalidName`] when the
    /// name of a model to create leaves no room for its ledger's.
    pub async fn connect_or_create(options: OpenOptions) -> Result<Self> {
        let registry = Self::connect(options).await?;
        registry.ensure_model().await?;
        Ok(registry)
    }

    /// The registered model's name.
    #[must_use]
    pub fn model(&self) -> &ModelName {
        &self.inner.settings.model
    }

    /// The stores behind the registry.
    #[must_use]
    pub fn backend(&self) -> &Backend {
        &self.inner.backend
    }

    /// The aliases that a policy may move: `champion`, `archived`, `candidate`, then those configured.
    #[must_use]
    pub fn managed_aliases(&self) -> &[Alias] {
        &self.inner.settings.decision_options.managed
    }

    /// Logs a trained model as a candidate: a run with its metrics, configuration and tags, the model, and a registered
    /// version behind the alias `candidate`. If anything fails, the run ends FAILED, and no version stays registered.
    ///
    /// ```no_run
    /// # async fn example(registry: hydra_registry::ModelRegistry) -> hydra_registry::Result<()> {
    /// use hydra_registry::Candidate;
    ///
    /// let candidate = Candidate::from_file("model.lgb").metric("auc", 0.913).tag("team", "risk");
    /// let logged = registry.log(candidate).progress(|bytes| println!("{bytes} more bytes")).await?;
    /// println!("version {} of run {}", logged.version, logged.run_id);
    /// # Ok(())
    /// # }
    /// ```
    pub fn log<'a>(&self, candidate: Candidate) -> LogRequest<'a> {
        LogRequest::new(self.clone(), Given::Candidate(candidate))
    }

    /// [`log`](Self::log), under the name that the call has in Python.
    pub fn log_candidate<'a>(&self, candidate: Candidate) -> LogRequest<'a> {
        self.log(candidate)
    }

    /// [`log`](Self::log) of a candidate that is [prepared](Candidate::prepare): checked and read before the registry was
    /// connected.
    pub fn log_prepared<'a>(&self, candidate: PreparedCandidate) -> LogRequest<'a> {
        LogRequest::new(self.clone(), Given::Prepared(candidate))
    }

    /// Asks the policy to make a version the champion: [`Target::Candidate`], or a [`Version`].
    ///
    /// A decision against it is not an error but the transition's outcome;
    /// [`into_result`](hydra_lifecycle::transition::Transition::into_result) makes an error of it.
    ///
    /// ```no_run
    /// # async fn example(registry: hydra_registry::ModelRegistry) -> hydra_registry::Result<()> {
    /// use hydra_registry::Target;
    ///
    /// let transition = registry.promote(Target::Candidate).reason("weekly retrain").dry_run().await?;
    /// println!("{}: {}", transition.outcome, transition.explanation);
    /// # Ok(())
    /// # }
    /// ```
    pub fn promote(&self, target: impl Into<Target>) -> DecisionRequest {
        DecisionRequest::new(self.clone(), Request::promote(target))
    }

    /// [`promote`](Self::promote), under the name that the call has in Python.
    pub fn promote_to_champion(&self, target: impl Into<Target>) -> DecisionRequest {
        self.promote(target)
    }

    /// Asks the policy to roll back: to [`Target::PolicyChoice`], by default the archived version, or to a [`Version`] that
    /// was champion before.
    pub fn rollback(&self, target: impl Into<Target>) -> DecisionRequest {
        DecisionRequest::new(self.clone(), Request::rollback(target))
    }

    /// What is not as it should be with the model's lifecycle. Nothing is written.
    pub async fn diagnose(&self) -> Result<Vec<Finding>> {
        let (ledger, experiment) = try_join(self.existing_ledger(), self.existing_experiment()).await?;
        self.doctor(experiment.as_ref()).diagnose(ledger.as_ref()).await
    }

    /// Repairs what needs no human decision: completes or aborts an interrupted transition, records moves that were made
    /// without the ledger, bridges damage in it, ends runs that were left behind.
    pub async fn repair(&self) -> Result<()> {
        let (ledger, experiment) = try_join(self.existing_ledger(), self.existing_experiment()).await?;
        let ledger = ledger.map(|ledger| self.writer(ledger));
        self.doctor(experiment.as_ref()).repair(ledger.as_ref()).await
    }

    fn doctor<'a>(&'a self, experiment: Option<&'a ExperimentId>) -> Doctor<'a> {
        Doctor { backend: self.backend(), model: self.model(), experiment, cache: self.cache() }
    }

    fn cache(&self) -> Option<&ModelCache> {
        self.inner.settings.decision_options.cache.as_ref()
    }

    /// Loads the model behind `champion`, from the cache where it is there. [`ErrorKind::NoChampion`] when there is none,
    /// [`ErrorKind::Integrity`] when its bytes are not those that were logged.
    pub async fn load_champion(&self) -> Result<Champion> {
        let entity = self.champion_version().await?;
        let model = load_model(self.backend(), self.cache(), &entity, &ModelLimits::default()).await?;
        Ok(Champion { version: entity.version, model, entity })
    }

    /// What is known about the champion: two requests, whatever the history.
    pub async fn champion_info(&self) -> Result<ChampionInfo> {
        let version = self.champion_version().await?;
        let run = match &version.run_id {
            Some(id) => match self.backend().tracking.run(id).await {
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

    /// Every version, newest first, as a stream that holds one page at a time. The first request is made when the stream is
    /// polled first.
    #[must_use]
    pub fn list_versions(&self) -> BoxStream<'static, Result<VersionInfo>> {
        let registry = self.clone();
        let listing = async move {
            let registered = registry.registered_model().await?;
            let pages = stream::try_unfold(Some(None::<String>), move |token| {
                let registry = registry.clone();
                async move {
                    let Some(token) = token else { return Ok::<_, Error>(None) };
                    let (store, model) = (&registry.backend().registry, registry.model());
                    let page = store.model_versions(model, None, PAGE_SIZE, token.as_deref()).await?;
                    Ok(Some((page.items, page.next.map(Some))))
                }
            });
            let versions = pages.map_ok(|items| stream::iter(items).map(Ok)).try_flatten();
            Ok(versions.map_ok(move |version| VersionInfo {
                aliases: aliases_on(&registered, version.version),
                version: version.version,
                run_id: version.run_id,
                created_at: version.created_at,
            }))
        };
        listing.try_flatten_stream().boxed()
    }

    /// Carries out a [`LogRequest`].
    pub(crate) async fn carry_out_log(
        &self,
        candidate: Given,
        progress: &(dyn Fn(u64) + Send + Sync),
        interrupted: BoxFuture<'_, ()>,
    ) -> Result<LoggedCandidate> {
        // A candidate that can never be promoted is not logged; this comes before a large model is read.
        ledger_name(self.model())?;
        let prepared = match candidate {
            Given::Candidate(candidate) => candidate.prepare().await?,
            Given::Prepared(prepared) => prepared,
        };
        let experiment = self.ensure_experiment().await?;
        let target = LogTarget::new(
            self.backend(),
            self.model(),
            &experiment,
            &self.inner.settings.decision_options.actor,
        );
        target.with_progress(progress).log(&prepared, interrupted).await
    }

    async fn champion_version(&self) -> Result<ModelVersion> {
        let found = self.backend().registry.version_by_alias(self.model(), &Alias::CHAMPION).await;
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

    /// An empty store looks like a mistyped URI: the hint distinguishes the two.
    async fn no_champion(&self) -> Error {
        let missing =
            self.registered_model().await.err().filter(|error| error.kind() == ErrorKind::ModelNotFound);
        let hint = match &missing {
            Some(missing) => missing.hint().unwrap_or_default().to_owned(),
            None => "log a candidate and promote it with `hydra-registry promote`".to_owned(),
        };
        Error::new(ErrorKind::NoChampion, "No champion model set")
            .with_context("model", self.model())
            .with_hint(hint)
    }

    async fn registered_model(&self) -> Result<RegisteredModel> {
        self.backend().registry.registered_model(self.model()).await.map_err(|error| match error.kind() {
            ErrorKind::ModelNotFound => error.with_hint(format!(
                "check the name and the tracking URI ({}); `log-candidate` creates the registered model",
                self.inner
                    .settings
                    .uris
                    .as_ref()
                    .map_or_else(|| "this registry".to_owned(), Uris::display_registry)
            )),
            _ => error,
        })
    }

    async fn ensure_model(&self) -> Result<()> {
        match self.registered_model().await {
            Err(error) if error.kind() == ErrorKind::ModelNotFound => {}
            found => return refuse_ledger(&found?),
        }
        ledger_name(self.model())?;
        match self.backend().registry.create_registered_model(self.model(), &own_operation(), "").await {
            // Another process was faster.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
            other => other.map(drop),
        }
    }

    /// [`Self::ensure_experiment`] for readers: `None` when there is none yet.
    async fn existing_experiment(&self) -> Result<Option<ExperimentId>> {
        let tracking = &self.backend().tracking;
        match &self.inner.settings.experiment {
            Experiment::Id(id) => Ok(Some(tracking.experiment(id).await?.id)),
            Experiment::Named(name) => {
                Ok(tracking.experiment_by_name(name).await?.map(|experiment| experiment.id))
            }
        }
    }

    /// The experiment that candidates are logged in.
    async fn ensure_experiment(&self) -> Result<ExperimentId> {
        let tracking = &self.backend().tracking;
        let name = match &self.inner.settings.experiment {
            Experiment::Id(id) => return Ok(tracking.experiment(id).await?.id),
            Experiment::Named(name) => name,
        };
        if let Some(experiment) = tracking.experiment_by_name(name).await? {
            return experiment.usable();
        }
        match tracking.create_experiment(name, &own_operation()).await {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                let found = tracking.experiment_by_name(name).await?;
                found.ok_or(error)?.usable()
            }
            other => other,
        }
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
