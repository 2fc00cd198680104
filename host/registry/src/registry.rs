//! [`ModelRegistry`]: the public API, one screen of orchestration over the lifecycle.

mod activating;
mod deciding;
mod evaluating;
mod examining;
mod loading;
mod serving;
mod signing;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use futures_util::future::{BoxFuture, TryFutureExt as _};
use futures_util::stream::{self, BoxStream, StreamExt as _, TryStreamExt as _};
use tokio::sync::OnceCell;

use crate::open::OpenOptions;
use crate::requests::{ApprovalRequest, DecisionRequest, Given, LogRequest, StatementRequest};
use crate::settings::{Experiment, Settings, Uris};
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::names::{Alias, ExperimentId, ModelName, RunId, Version};
use hydra_base::{Sha256, Timestamp, blocking};
use hydra_lifecycle::evidence::Target;
use hydra_lifecycle::ledger::{QUARANTINE_TAG, ledger_name, refuse_foreign, renamed_hint, renamed_to};
use hydra_lifecycle::panel::Panel;
use hydra_lifecycle::statement::{Statement, Verb};
use hydra_lifecycle::transition::Request;
use hydra_mlflow::connect::Backend;
use hydra_mlflow::entities::{ModelVersion, OPERATION_ID_TAG, RegisteredModel, Tags};
use hydra_mlflow::listing::Listing;
use hydra_models::candidate::{Candidate, LogTarget, LoggedCandidate, PreparedCandidate, create_model};
use hydra_models::model_cache::ModelCache;
use hydra_policy::PolicyEngine;

pub use activating::ActivePolicy;
use loading::no_prompt;
pub use loading::{LoadedVersion, VersionDetails, VersionSelector};
pub use serving::{ServableVersion, have_same_files, quarantine_of};
pub use signing::SignedModel;

/// The number of versions per request of a listing.
const PAGE_SIZE: usize = 1000;

/// A registered model and its champion lifecycle.
///
/// Clones share one connection, one set of settings and the loaded policies, so a server can keep one in its state and
/// clone it. Every method requires a Tokio runtime with time and I/O enabled, and its future is `Send`.
#[derive(Debug, Clone)]
pub struct ModelRegistry {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    backend: Backend,
    settings: Settings,
    /// The policies of the settings.
    panel: OnceCell<Panel>,
    engine: OnceCell<PolicyEngine>,
    /// The active policy that was loaded last, with the digest of its document.
    active: Mutex<Option<(Sha256, Panel)>>,
}

/// The description of the champion, without its model.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ChampionInfo {
    /// The version.
    pub version: Version,
    /// The run that logged it.
    pub run_id: Option<RunId>,
    /// The run's metrics; empty if the run does not exist any more.
    pub metrics: BTreeMap<String, f64>,
    /// The run's tags.
    pub tags: Tags,
    /// When the version was created.
    pub created_at: Timestamp,
    /// When it went into quarantine, by whom and why, if its tag says that it did.
    pub quarantine: Option<String>,
}

/// One version of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct VersionInfo {
    /// The version.
    pub version: Version,
    /// The run that logged it.
    pub run_id: Option<RunId>,
    /// Its aliases, sorted.
    pub aliases: Vec<Alias>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it went into quarantine, by whom and why, if its tag says that it did.
    pub quarantine: Option<String>,
    /// Its own tags.
    pub tags: Tags,
}

impl ModelRegistry {
    /// Connects to a registered model. For programs that only read, and for programs that log to an existing model.
    ///
    /// Resolves and checks all settings: a malformed option, variable or value in `hydra.toml` is an error of this
    /// call. Opens local files (certificates, credentials, databases) but sends no requests; the first call that needs
    /// the model finds out whether it exists.
    pub async fn connect(options: OpenOptions) -> Result<Self> {
        // This reads certificates and databases.
        let (settings, backend) = blocking(move || Settings::resolve(&options)).await?;
        let (panel, engine, active) = (OnceCell::new(), OnceCell::new(), Mutex::new(None));
        Ok(Self { inner: Arc::new(Inner { backend, settings, panel, engine, active }) })
    }

    /// [Connects](Self::connect), and creates the registered model if it does not exist. [`ErrorKind::InvalidName`] if
    /// the name of a new model is too long for its ledger's name.
    pub async fn connect_or_create(options: OpenOptions) -> Result<Self> {
        let registry = Self::connect(options).await?;
        registry.create_if_missing().await?;
        Ok(registry)
    }

    /// The registered model's name.
    #[must_use]
    pub fn model(&self) -> &ModelName {
        &self.inner.settings.model
    }

    /// The stores of the registry.
    #[must_use]
    pub fn backend(&self) -> &Backend {
        &self.inner.backend
    }

    /// The aliases that a policy may move: `champion`, `archived`, `candidate`, then the configured ones.
    #[must_use]
    pub fn managed_aliases(&self) -> &[Alias] {
        &self.inner.settings.decision_options.managed
    }

    /// Logs a trained model as a candidate: a run with metrics, configuration and tags, the model, and a registered
    /// version with the alias `candidate`. If a step fails, the run ends as FAILED, and no version stays registered.
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

    /// [`log`](Self::log), with the name of Python's call.
    pub fn log_candidate<'a>(&self, candidate: Candidate) -> LogRequest<'a> {
        self.log(candidate)
    }

    /// [`log`](Self::log) for a [prepared](Candidate::prepare) candidate, which was checked and read before connecting.
    pub fn log_prepared<'a>(&self, candidate: PreparedCandidate) -> LogRequest<'a> {
        LogRequest::new(self.clone(), Given::Prepared(Box::new(candidate)))
    }

    /// Asks the policy to make a version the champion: [`Target::Candidate`], or a [`Version`].
    ///
    /// A decision against it is not an error but an outcome of the transition;
    /// [`into_result`](hydra_lifecycle::transition::Transition::into_result) converts it to an error.
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

    /// [`promote`](Self::promote), with the name of Python's call.
    pub fn promote_to_champion(&self, target: impl Into<Target>) -> DecisionRequest {
        self.promote(target)
    }

    /// Asks the policy to roll back: to [`Target::PolicyChoice`], by default the archived version, or to a [`Version`]
    /// that was champion before.
    pub fn rollback(&self, target: impl Into<Target>) -> DecisionRequest {
        DecisionRequest::new(self.clone(), Request::rollback(target))
    }

    /// Makes a version the candidate: any version, also one that another program registered. [`ErrorKind::Quarantined`] for one in
    /// quarantine.
    pub fn nominate(&self, version: Version) -> StatementRequest {
        StatementRequest::new(self.clone(), Statement::new(Verb::Nominate, version))
    }

    /// Approves a version, for policies that ask for approvals. The approval is about the bytes that the version has now: it
    /// ends when a promotion makes the version champion, when it expires, and when the bytes change.
    ///
    /// ```no_run
    /// # async fn example(registry: hydra_registry::ModelRegistry) -> hydra_registry::Result<()> {
    /// use std::time::Duration;
    /// use hydra_registry::Version;
    ///
    /// let week = Duration::from_secs(7 * 24 * 3600);
    /// let approval = registry.approve(Version::new(12)?).reason("passed the bias review").expires(week).await?;
    /// assert!(approval.recorded);
    /// # Ok(())
    /// # }
    /// ```
    pub fn approve(&self, version: Version) -> ApprovalRequest {
        ApprovalRequest::new(self.clone(), Statement::new(Verb::Approve, version))
    }

    /// Puts a version in quarantine: it cannot become champion until it is released. Nothing moves, even if the version is the
    /// champion.
    pub fn quarantine(&self, version: Version, reason: impl Into<String>) -> StatementRequest {
        StatementRequest::new(self.clone(), Statement::new(Verb::Quarantine, version)).reason(reason)
    }

    /// Ends the quarantine of a version. [`ErrorKind::NotQuarantined`] if it is not in quarantine.
    pub fn release(&self, version: Version) -> StatementRequest {
        StatementRequest::new(self.clone(), Statement::new(Verb::Release, version))
    }

    /// [Loads](Self::load_version) the champion: [`ErrorKind::NoChampion`] if there is none.
    pub async fn load_champion(&self) -> Result<LoadedVersion> {
        self.load_version(&Alias::CHAMPION.into()).await
    }

    /// Describes the champion, with two requests, independent of the length of the history.
    pub async fn champion_info(&self) -> Result<ChampionInfo> {
        let version = self.champion_version().await?;
        let (metrics, tags) = self.run_of(&version).await?;
        Ok(ChampionInfo {
            version: version.version,
            run_id: version.run_id,
            metrics,
            tags,
            created_at: version.created_at,
            quarantine: version.tags.get(QUARANTINE_TAG).cloned(),
        })
    }

    /// All versions, newest first, as a stream that holds one page at a time. Polling the stream sends the first
    /// request.
    #[must_use]
    pub fn list_versions(&self) -> BoxStream<'static, Result<VersionInfo>> {
        let registry = self.clone();
        let listing = async move {
            let registered = registry.registered_model().await?;
            let pages = stream::try_unfold(Listing::default(), move |mut listing| {
                let registry = registry.clone();
                async move {
                    if listing.is_at_end() {
                        return Ok::<_, Error>(None);
                    }
                    let (store, model) = (&registry.backend().registry, registry.model());
                    let page = store.model_versions(model, None, PAGE_SIZE, listing.token()).await?;
                    listing.advance(&page)?;
                    Ok(Some((page.items, listing)))
                }
            });
            let versions = pages.map_ok(|items| stream::iter(items).map(Ok)).try_flatten();
            Ok(versions.map_ok(move |version| VersionInfo {
                aliases: aliases_on(&registered, version.version),
                version: version.version,
                run_id: version.run_id,
                created_at: version.created_at,
                quarantine: version.tags.get(QUARANTINE_TAG).cloned(),
                tags: version.tags,
            }))
        };
        listing.try_flatten_stream().boxed()
    }

    /// Executes a [`LogRequest`].
    pub(crate) async fn carry_out_log(
        &self,
        candidate: Given,
        creates: bool,
        progress: &(dyn Fn(u64) + Send + Sync),
        interrupted: BoxFuture<'_, ()>,
    ) -> Result<LoggedCandidate> {
        // Check this before reading a large model: a candidate that can never be promoted is not logged.
        ledger_name(self.model())?;
        let prepared = match candidate {
            Given::Candidate(candidate) => candidate.prepare().await?,
            Given::Prepared(prepared) => *prepared,
        };
        // A local store refuses a name before anything is written; uploads to a server may be refused on the way.
        if creates && self.is_missing().await? && !self.backend().is_remote() {
            create_model(self.backend(), self.model()).await?;
        }
        let experiment = self.ensure_experiment().await?;
        let target = LogTarget::new(
            self.backend(),
            self.model(),
            &experiment,
            &self.inner.settings.decision_options.actor,
        );
        let target = if creates { target.creating() } else { target };
        target.with_progress(progress).log(&prepared, interrupted).await
    }

    pub(crate) fn cache(&self) -> Option<&ModelCache> {
        self.inner.settings.decision_options.cache.as_ref()
    }

    async fn champion_version(&self) -> Result<ModelVersion> {
        let found = self.backend().registry.version_by_alias(self.model(), &Alias::CHAMPION).await;
        let version = found.map_err(|error| {
            let hint =
                "promote another version, or roll back; the alias `champion` points to a deleted version";
            if error.kind() == ErrorKind::VersionNotFound { error.with_hint(hint) } else { error }
        })?;
        match version {
            Some(version) => no_prompt(version),
            None => Err(self.no_champion().await),
        }
    }

    /// An empty store may mean a mistyped URI, so the hint covers both cases.
    async fn no_champion(&self) -> Error {
        let hint = match self.registered_model().await {
            Err(error) if matches!(error.kind(), ErrorKind::IsPrompt | ErrorKind::LedgerIdentity) => {
                return error;
            }
            Err(error) if error.kind() == ErrorKind::ModelNotFound => {
                error.hint().unwrap_or_default().to_owned()
            }
            Ok(registered) => {
                spelled_otherwise(&registered, &Alias::CHAMPION).unwrap_or_else(no_champion_yet)
            }
            Err(_) => no_champion_yet(),
        };
        Error::new(ErrorKind::NoChampion, "No champion model set")
            .with_context("model", self.model())
            .with_hint(hint)
    }

    async fn registered_model(&self) -> Result<RegisteredModel> {
        let registered = match self.backend().registry.registered_model(self.model()).await {
            Err(error) if error.kind() == ErrorKind::ModelNotFound => {
                let new_name = renamed_to(self.backend(), self.model()).await;
                return Err(error.with_hint(match new_name {
                    Some(name) => renamed_hint(&name),
                    None => self.no_such_model(),
                }));
            }
            other => other?,
        };
        refuse_foreign(&registered)?;
        Ok(registered)
    }

    fn no_such_model(&self) -> String {
        let uris = self.inner.settings.uris.as_ref();
        let registry = uris.map_or_else(|| "this registry".to_owned(), Uris::display_registry);
        format!(
            "check the name and the tracking URI ({registry}); `log-candidate` creates the registered model"
        )
    }

    /// Creates the registered model if it does not exist. [`ErrorKind::InvalidName`] if the name of a new model is too long for its
    /// ledger's name.
    pub async fn create_if_missing(&self) -> Result<()> {
        if self.is_missing().await? { create_model(self.backend(), self.model()).await } else { Ok(()) }
    }

    /// Whether the registered model does not exist and can be created.
    async fn is_missing(&self) -> Result<bool> {
        match self.backend().registry.registered_model(self.model()).await {
            Err(error) if error.kind() == ErrorKind::ModelNotFound => {
                if let Some(name) = renamed_to(self.backend(), self.model()).await {
                    return Err(error.with_hint(format!(
                        "{}; for another model of the old name, create it in MLflow first",
                        renamed_hint(&name)
                    )));
                }
            }
            found => return refuse_foreign(&found?).map(|()| false),
        }
        ledger_name(self.model()).map(|_| true)
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

/// A tag by which a store recognises its own create after the answer was lost, so that it does not create twice.
fn own_operation() -> Tags {
    Tags::from([(OPERATION_ID_TAG.to_owned(), uuid::Uuid::new_v4().to_string())])
}

fn no_champion_yet() -> String {
    "log a candidate and promote it with `hydra-registry promote`".to_owned()
}

/// The hint that an alias of the same letters exists, which MLflow takes for another one.
fn spelled_otherwise(registered: &RegisteredModel, ours: &Alias) -> Option<String> {
    let mut aliases = registered.aliases.iter();
    let (alias, version) = aliases.find(|(alias, _)| alias.as_str().eq_ignore_ascii_case(ours.as_str()))?;
    Some(format!(
        "version {version} has the alias `{alias}`, which MLflow takes for another one; make it the champion with `hydra-registry promote {version}`"
    ))
}

fn aliases_on(registered: &RegisteredModel, version: Version) -> Vec<Alias> {
    registered.aliases.iter().filter(|(_, on)| **on == version).map(|(alias, _)| alias.clone()).collect()
}

#[cfg(test)]
mod tests;
