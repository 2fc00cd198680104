//! Evidence: what a policy is shown about a model's versions, gathered from the stores in two rounds.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;

use crate::evaluations::Gathered;
use crate::ledger::Ledger;
use crate::model_facts;
use crate::opening::OpenedModels;
use crate::versions;
use hydra_base::Sha256;
use hydra_base::aliases::AliasState;
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::names::{Alias, ExperimentId, Key, RunId, Version};
use hydra_mlflow::connect::Backend;
use hydra_mlflow::entities::{LifecycleStage, ModelVersion, RegisteredModel, Run};
use hydra_policy::TargetOrigin;

/// The tag on a registered model that names the experiments with the runs of its versions and its ledger, separated by
/// spaces: a server can only search for runs in experiments.
pub(crate) const EXPERIMENTS_TAG: &str = "hydra.experiments";

/// The most experiments that the tag names; the ones that were learned first are forgotten.
const MAX_EXPERIMENTS: usize = 32;

/// The version that a request is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Target {
    /// The version behind the alias `candidate`: the one that was logged last.
    Candidate,
    /// The version of this number, which was the candidate when the caller asked. It stays the target if `candidate` moves, for
    /// example while the caller measures it.
    CandidateThen(Version),
    /// The version of this number.
    Version(Version),
    /// For rollbacks: the version of this number, which was champion by the ledger before aliases were moved without it.
    ChampionBefore(Version),
    /// For rollbacks: the version that the policy chooses. The default policy takes the one behind `archived`, which was
    /// champion before.
    PolicyChoice,
}

impl Target {
    /// Where a target comes from, as a policy is told. `candidate` is the version that is the candidate now.
    pub(crate) fn origin(self, candidate: Option<Version>) -> TargetOrigin {
        match self {
            Self::Candidate => TargetOrigin::Candidate,
            Self::CandidateThen(version) if candidate == Some(version) => TargetOrigin::Candidate,
            Self::ChampionBefore(_) => TargetOrigin::Ledger,
            Self::CandidateThen(_) | Self::Version(_) | Self::PolicyChoice => TargetOrigin::Request,
        }
    }
}

impl From<Version> for Target {
    fn from(version: Version) -> Self {
        Self::Version(version)
    }
}

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
    /// Whether a version was asked for that was not given.
    asked_for_more: bool,
    runs: BTreeMap<RunId, Run>,
    /// Experiments of these runs that the model's tag does not name.
    learned: BTreeSet<ExperimentId>,
    /// What was found in the files of these versions.
    pub(crate) models: OpenedModels,
    /// What was measured of these versions.
    pub(crate) evaluations: Gathered,
}

impl Evidence {
    /// The evidence for a decision on these aliases: the versions that they and the request name, still without their runs.
    /// Versions among `given` are not asked for again. A version behind an alias that dangles was deleted on purpose: it is
    /// missing evidence, not an error.
    pub(crate) async fn of(
        backend: &Backend,
        registered: RegisteredModel,
        given: Vec<ModelVersion>,
        target: Target,
    ) -> Result<Self> {
        let model = registered.name.clone();
        let behind = |alias: Alias| registered.aliases.get(&alias).copied();
        let (champion, archived) = (behind(Alias::CHAMPION), behind(Alias::ARCHIVED));
        let named = match target {
            Target::Candidate => behind(Alias::CANDIDATE),
            Target::CandidateThen(version) | Target::Version(version) | Target::ChampionBefore(version) => {
                Some(version)
            }
            Target::PolicyChoice => None,
        };
        let mut wanted: BTreeSet<Version> = [named, champion, archived].into_iter().flatten().collect();
        let given = given.into_iter().map(|version| (version.version, version));
        let mut found: BTreeMap<Version, ModelVersion> =
            given.filter(|(number, _)| wanted.contains(number)).collect();
        wanted.retain(|number| !found.contains_key(number));
        let asked_for_more = !wanted.is_empty();
        found.extend(versions::of_numbers(backend, &model, &wanted).await?);
        if let Some(version) = named
            && target != Target::Candidate
            && !found.contains_key(&version)
        {
            // The store's own words for what is missing.
            found.insert(version, backend.registry.model_version(&model, version).await?);
        }
        let version = |number: Option<Version>| number.and_then(|number| found.get(&number).cloned());
        Ok(Self {
            target: version(named),
            champion: version(champion),
            archived: version(archived),
            registered,
            asked_for_more,
            runs: BTreeMap::new(),
            learned: BTreeSet::new(),
            models: OpenedModels::default(),
            evaluations: Gathered::default(),
        })
    }

    /// The runs of the versions, and the ledger's own if it is still to be found: one search where the experiments are known;
    /// runs that it does not find are asked for one by one. A run that is gone is missing evidence, not an error.
    pub(crate) async fn read_runs(
        &self,
        backend: &Backend,
        ledger: Option<&Ledger>,
    ) -> Result<BTreeMap<RunId, Run>> {
        let mut ids = self.run_ids();
        ids.extend(ledger.and_then(Ledger::unlocated_archive).cloned());
        let known = self.experiments();
        let mut runs = BTreeMap::new();
        if ids.len() > 1 && !known.is_empty() {
            let asked: Vec<RunId> = ids.iter().cloned().collect();
            let found = backend.tracking.runs(&known, &asked).await?;
            runs.extend(found.into_iter().map(|run| (run.id.clone(), run)));
            ids.retain(|id| !runs.contains_key(id));
        }
        let answers = join_all(ids.iter().map(|id| backend.tracking.run(id))).await;
        for (id, run) in ids.iter().zip(answers) {
            match run {
                Ok(run) => drop(runs.insert(id.clone(), run)),
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(runs)
    }

    /// Adds what [`Self::read_runs`] found. A deleted run is missing evidence.
    pub(crate) fn add_runs(&mut self, mut runs: BTreeMap<RunId, Run>, ledger: Option<&Ledger>) {
        let known = self.experiments();
        self.learned = runs.values().map(|run| run.experiment_id.clone()).collect();
        self.learned.retain(|experiment| !known.contains(experiment));
        if let Some(ledger) = ledger {
            ledger.locate_archive_in(&runs);
        }
        for id in self.run_ids() {
            match runs.remove(&id) {
                Some(run) if run.lifecycle_stage == LifecycleStage::Active => drop(self.runs.insert(id, run)),
                Some(_) => {
                    tracing::warn!(run = %id, "the run of a version is deleted; the policy decides without it");
                }
                None => {
                    tracing::warn!(run = %id, "the run of a version does not exist; the policy decides without it");
                }
            }
        }
    }

    /// Whether a version was asked for that was not given.
    #[must_use]
    pub fn asked_for_more(&self) -> bool {
        self.asked_for_more
    }

    /// The versions that it is about.
    pub(crate) fn versions(&self) -> impl Iterator<Item = &ModelVersion> {
        [&self.target, &self.champion, &self.archived].into_iter().flatten()
    }

    fn run_ids(&self) -> BTreeSet<RunId> {
        self.versions().filter_map(|version| version.run_id.clone()).collect()
    }

    /// The experiments that the model's tag names.
    fn experiments(&self) -> Vec<ExperimentId> {
        let tag = self.registered.tags.get(EXPERIMENTS_TAG).map(String::as_str).unwrap_or_default();
        tag.split_whitespace().filter_map(|id| ExperimentId::new(id).ok()).take(MAX_EXPERIMENTS).collect()
    }

    /// Notes the experiments of the runs that were not found by one search, so that the next decision finds them.
    pub async fn remember_experiments(&self, backend: &Backend) {
        if self.learned.is_empty() {
            return;
        }
        let all = self.learned.iter().cloned().chain(self.experiments()).take(MAX_EXPERIMENTS);
        let tag: Vec<String> = all.map(String::from).collect();
        let set = async {
            let key = Key::new(EXPERIMENTS_TAG)?;
            let registry = &backend.registry;
            registry.set_registered_model_tag(&self.registered.name, &key, &tag.join(" ")).await
        };
        if let Err(error) = set.await {
            tracing::debug!(%error, "cannot note the experiments of the runs; the next decision asks for each run");
        }
    }

    /// The aliases as they were read.
    #[must_use]
    pub fn aliases(&self) -> AliasState {
        self.registered.aliases.iter().map(|(alias, version)| (alias.clone(), *version)).collect()
    }

    /// The digest of a version's model file as it was found; `None` if it was not read: the version's tag says nothing about
    /// the bytes that are there.
    pub(crate) fn model_sha256(&self, version: &ModelVersion) -> Option<Sha256> {
        self.models.get(version.version)?.sha256()
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
        described.model = model_facts::state(self.models.get(number));
        Ok(described)
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
