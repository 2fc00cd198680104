//! Evidence: what a policy is shown about a model's versions, gathered from the stores in two rounds.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::{join_all, join3, try_join};
use tokio::time::sleep;

use hydra_base::aliases::AliasState;
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::jitter;
use hydra_base::names::{Alias, ModelName, RunId, Version};
use hydra_mlflow::connect::Backend;
use hydra_mlflow::entities::{LifecycleStage, ModelVersion, RegisteredModel, Run};

/// The version that a request is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Target {
    /// The version behind the alias `candidate`: the one that was logged last.
    Candidate,
    /// The version of this number.
    Version(Version),
    /// For rollbacks: the version that the policy chooses. The default policy takes the one behind `archived`, which was
    /// champion before.
    PolicyChoice,
}

impl From<Version> for Target {
    fn from(version: Version) -> Self {
        Self::Version(version)
    }
}

/// How often the evidence is read before [`Evidence::gather`] gives up with `Contention`.
const ATTEMPTS: u32 = 50;

/// The registry's side of a decision, read once.
#[derive(Debug, Clone)]
pub struct Evidence {
    /// The registered model, with the aliases as they were read.
    pub registered: RegisteredModel,
    /// The version that the request names.
    pub target: Option<ModelVersion>,
    /// The version behind `champion`.
    pub champion: Option<ModelVersion>,
    /// The version behind `archived`.
    pub archived: Option<ModelVersion>,
    runs: BTreeMap<RunId, Run>,
}

impl Evidence {
    /// Reads the aliases and the versions behind them side by side, then their runs side by side. A run that is gone or
    /// deleted is missing evidence, not an error. What others moved between the answers is read again: a policy must not
    /// be shown a state that never was. `Contention` when they never rest.
    pub async fn gather(backend: &Backend, model: &ModelName, target: Target) -> Result<Self> {
        for _ in 0..ATTEMPTS {
            let mut evidence = Self::read(backend, model, target).await?;
            if evidence.is_of_one_moment(backend, target).await? {
                evidence.runs = evidence.read_runs(backend).await?;
                return Ok(evidence);
            }
            sleep(pause()).await;
        }
        Err(Error::new(ErrorKind::Contention, "cannot read the aliases: they moved during every attempt")
            .with_context("model", model)
            .with_context("attempts", ATTEMPTS)
            .with_retryable(true)
            .with_hint("try again; other processes are changing this model"))
    }

    async fn read(backend: &Backend, model: &ModelName, target: Target) -> Result<Self> {
        let registry = backend.registry.as_ref();
        let target_version = async {
            match target {
                Target::Candidate => behind(backend, model, &Alias::CANDIDATE).await,
                Target::Version(version) => registry.model_version(model, version).await.map(Some),
                Target::PolicyChoice => Ok(None),
            }
        };
        let (registered, target, behind) = join3(
            registry.registered_model(model),
            target_version,
            try_join(behind(backend, model, &Alias::CHAMPION), behind(backend, model, &Alias::ARCHIVED)),
        )
        .await;
        // Of several errors the first in this order, whichever came first: a model that is missing has no versions.
        let (registered, target, (champion, archived)) = (registered?, target?, behind?);
        Ok(Self { registered, target, champion, archived, runs: BTreeMap::new() })
    }

    /// Whether the versions are those that the aliases name. An alias without its version dangles, or was moved.
    async fn is_of_one_moment(&self, backend: &Backend, target: Target) -> Result<bool> {
        let mut behind = vec![(Alias::CHAMPION, &self.champion), (Alias::ARCHIVED, &self.archived)];
        if target == Target::Candidate {
            behind.push((Alias::CANDIDATE, &self.target));
        }
        for (alias, version) in behind {
            let (named, found) =
                (self.registered.aliases.get(&alias), version.as_ref().map(|version| version.version));
            match (named, found) {
                (Some(named), None) => {
                    let looked_up = backend.registry.model_version(&self.registered.name, *named).await;
                    match looked_up {
                        Err(error) if error.kind() == ErrorKind::VersionNotFound => {}
                        other => return other.map(|_| false),
                    }
                }
                _ if named.copied() == found => {}
                _ => return Ok(false),
            }
        }
        Ok(true)
    }

    async fn read_runs(&self, backend: &Backend) -> Result<BTreeMap<RunId, Run>> {
        let mut run_ids: Vec<RunId> = [&self.target, &self.champion, &self.archived]
            .into_iter()
            .flatten()
            .filter_map(|version| version.run_id.clone())
            .collect();
        run_ids.sort();
        run_ids.dedup();
        let answers = join_all(run_ids.iter().map(|id| backend.tracking.run(id))).await;
        let mut runs = BTreeMap::new();
        for (id, run) in run_ids.into_iter().zip(answers) {
            match run {
                Ok(run) if run.lifecycle_stage == LifecycleStage::Active => drop(runs.insert(id, run)),
                Ok(_) => {
                    tracing::warn!(run = %id, "the run of a version is deleted; the policy decides without it");
                }
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    tracing::warn!(run = %id, "the run of a version does not exist; the policy decides without it");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(runs)
    }

    /// The aliases as they were read.
    #[must_use]
    pub fn aliases(&self) -> AliasState {
        self.registered.aliases.iter().map(|(alias, version)| (alias.clone(), *version)).collect()
    }

    /// `version` as a policy sees it, with the evidence of its run.
    pub fn describe(&self, version: &ModelVersion) -> Result<hydra_policy::ModelVersion> {
        let number = version.version;
        let on_it = self.registered.aliases.iter().filter(|(_, aliased)| **aliased == number);
        let run = version.run_id.as_ref().and_then(|id| self.runs.get(id));
        let mut described = hydra_policy::ModelVersion::new(number, timestamp(version.created_at)?);
        described.run_id = version.run_id.as_ref().map(ToString::to_string);
        described.aliases = on_it.map(|(alias, _)| alias.clone()).collect();
        described.run = run.map(run_data);
        described.tags.clone_from(&version.tags);
        Ok(described)
    }
}

/// From 10 to 50 ms, so that readers neither press a busy registry nor keep in step.
fn pause() -> Duration {
    jitter(Duration::from_millis(10)..Duration::from_millis(50))
}

/// The version behind an alias. A dangling alias counts as not set, because the version was deleted on purpose.
async fn behind(backend: &Backend, model: &ModelName, alias: &Alias) -> Result<Option<ModelVersion>> {
    match backend.registry.version_by_alias(model, alias).await {
        Err(error) if error.kind() == ErrorKind::VersionNotFound => Ok(None),
        other => other,
    }
}

fn run_data(run: &Run) -> hydra_policy::RunData {
    hydra_policy::RunData::default()
        .with_metrics(run.metrics.iter().map(|metric| (metric.key.clone(), metric.value)))
        .with_params(run.params.clone())
        .with_tags(run.tags.clone())
}

/// A time as a policy sees it.
pub(crate) fn timestamp(milliseconds: i64) -> Result<u64> {
    u64::try_from(milliseconds).map_err(|_| {
        Error::new(ErrorKind::Protocol, format!("a timestamp in the registry is before 1970: {milliseconds}"))
    })
}
