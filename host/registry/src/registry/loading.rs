//! Loading versions by their numbers and aliases.

use std::collections::BTreeMap;
use std::path::Path;

use futures_util::future::try_join;

use super::ModelRegistry;
use hydra_base::Sha256;
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::names::{Alias, Version};
use hydra_lifecycle::ledger::{QUARANTINE_TAG, refuse_prompt};
use hydra_lightgbm::Model;
use hydra_lightgbm::loaded::ModelLimits;
use hydra_mlflow::entities::{ModelVersion, Tags};
use hydra_models::loading::{download_directory, load_model, load_model_file, load_with_file, mlmodel};
use hydra_models::model_cache::CachedModel;
use hydra_models::preflight::{self, Opened, Presence};

/// Which version of the registered model a call is about.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum VersionSelector {
    /// The version of this number.
    Number(Version),
    /// The version behind this alias.
    Alias(Alias),
}

/// A version, ready to predict.
#[derive(Debug)]
#[non_exhaustive]
pub struct LoadedVersion {
    /// The version's number.
    pub version: Version,
    /// The model, validated and checked against the digest that was logged with it.
    pub model: Model,
    /// The SHA-256 of the model file.
    pub sha256: Sha256,
    /// The version as MLflow has it, with its run, its tags and its source.
    pub entity: ModelVersion,
}

/// What is known of a version.
#[derive(Debug)]
#[non_exhaustive]
pub struct VersionDetails {
    /// The version as MLflow has it, with its aliases, its tags and its source.
    pub entity: ModelVersion,
    /// The metrics of its run; empty if the run does not exist any more.
    pub metrics: BTreeMap<String, f64>,
    /// The tags of its run.
    pub run_tags: Tags,
    /// When it went into quarantine, by whom and why, if its tag says that it did.
    pub quarantine: Option<String>,
    /// What its model file is, or why it cannot be loaded.
    pub model: Opened,
}

impl From<Version> for VersionSelector {
    fn from(version: Version) -> Self {
        Self::Number(version)
    }
}

impl From<Alias> for VersionSelector {
    fn from(alias: Alias) -> Self {
        Self::Alias(alias)
    }
}

impl ModelRegistry {
    /// Finds a version without loading it.
    ///
    /// [`ErrorKind::VersionNotFound`] if there is no version of that number; [`ErrorKind::NoChampion`],
    /// [`ErrorKind::NoCandidate`], [`ErrorKind::NoArchived`] and [`ErrorKind::NoAlias`] if the alias is not set.
    pub async fn find_version(&self, selector: &VersionSelector) -> Result<ModelVersion> {
        let store = &self.backend().registry;
        match selector {
            VersionSelector::Alias(alias) if *alias == Alias::CHAMPION => self.champion_version().await,
            VersionSelector::Number(version) => {
                no_prompt(store.model_version(self.model(), *version).await.map_err(with_way_on)?)
            }
            VersionSelector::Alias(alias) => {
                let found = store.version_by_alias(self.model(), alias).await.map_err(with_way_on)?;
                found.ok_or_else(|| self.not_set(alias)).and_then(no_prompt)
            }
        }
    }

    /// Loads the model of a version, from the cache if it is there.
    ///
    /// Fails like [`find_version`](Self::find_version), with [`ErrorKind::Integrity`] if the model's bytes are not those that
    /// were logged, and like [`TrustRules::check`](hydra_trust::TrustRules::check) if the trust rules for models do not accept it.
    pub async fn load_version(&self, selector: &VersionSelector) -> Result<LoadedVersion> {
        let loaded = self.load_to_measure(selector).await?;
        self.check_signed(&loaded.entity, loaded.sha256)?;
        Ok(loaded)
    }

    /// [`load_version`](Self::load_version) of a version that need not be signed yet: to measure it.
    pub async fn load_to_measure(&self, selector: &VersionSelector) -> Result<LoadedVersion> {
        let entity = self.find_version(selector).await?;
        let limits = ModelLimits::default();
        let (model, sha256) = load_model(self.backend(), self.cache(), &entity, &limits).await?;
        Ok(LoadedVersion { version: entity.version, model, sha256, entity })
    }

    /// [`load_version`](Self::load_version) of a version that was [found](Self::find_version) before, with the model file: for
    /// programs that keep models, or pass them on.
    pub async fn load_found(&self, entity: ModelVersion) -> Result<(LoadedVersion, CachedModel)> {
        let limits = ModelLimits::default();
        let (model, file) = load_with_file(self.backend(), self.cache(), &entity, &limits).await?;
        self.check_signed(&entity, file.sha256())?;
        Ok((LoadedVersion { version: entity.version, model, sha256: file.sha256(), entity }, file))
    }

    /// The text of the `MLmodel` of a version.
    ///
    /// Fails like [`find_version`](Self::find_version), and with [`ErrorKind::ArtifactNotFound`] if the version does not have one.
    pub async fn mlmodel(&self, selector: &VersionSelector) -> Result<Vec<u8>> {
        let entity = self.find_version(selector).await?;
        mlmodel(self.backend(), &entity).await
    }

    /// The model file of a version, checked against the digest that was logged with it, but not opened.
    ///
    /// Fails like [`load_version`](Self::load_version).
    pub async fn model_file(&self, selector: &VersionSelector) -> Result<(ModelVersion, CachedModel)> {
        let entity = self.find_version(selector).await?;
        let file = load_model_file(self.backend(), self.cache(), &entity).await?;
        self.check_signed(&entity, file.sha256())?;
        Ok((entity, file))
    }

    /// Downloads the whole model directory of a version into `to`, an empty directory, from which
    /// [`ModelSource::Stored`](crate::ModelSource::Stored) logs it again, with each file as it is. Returns the version and the SHA-256 of
    /// its model file.
    ///
    /// Fails like [`model_file`](Self::model_file).
    pub async fn model_directory(
        &self,
        selector: &VersionSelector,
        to: &Path,
        progress: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<(ModelVersion, Sha256)> {
        let entity = self.find_version(selector).await?;
        let sha256 = download_directory(self.backend(), &entity, to, progress).await?;
        self.check_signed(&entity, sha256)?;
        Ok((entity, sha256))
    }

    /// Describes a version: its run, its tags, and its model, which is opened for it.
    ///
    /// Fails like [`find_version`](Self::find_version). A model that cannot be loaded is a part of the answer.
    pub async fn describe_version(&self, selector: &VersionSelector) -> Result<VersionDetails> {
        let entity = self.find_version(selector).await?;
        let ((metrics, run_tags), model) = try_join(
            self.run_of(&entity),
            preflight::open(self.backend(), self.cache(), &entity, Presence::Asked),
        )
        .await?;
        let quarantine = entity.tags.get(QUARANTINE_TAG).cloned();
        Ok(VersionDetails { entity, metrics, run_tags, quarantine, model })
    }

    /// The metrics and the tags of a version's run; empty if there is none any more.
    pub(super) async fn run_of(&self, version: &ModelVersion) -> Result<(BTreeMap<String, f64>, Tags)> {
        let Some(id) = &version.run_id else { return Ok(Default::default()) };
        match self.backend().tracking.run(id).await {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Default::default()),
            Err(error) => Err(error),
            Ok(run) => {
                let metrics = run.metrics.into_iter().map(|metric| (metric.key, metric.value));
                Ok((metrics.collect(), run.tags))
            }
        }
    }

    fn not_set(&self, alias: &Alias) -> Error {
        let kind = match alias.as_str() {
            "candidate" => ErrorKind::NoCandidate,
            "archived" => ErrorKind::NoArchived,
            _ => ErrorKind::NoAlias,
        };
        Error::new(kind, format!("the alias `{alias}` is not set"))
            .with_context("model", self.model())
            .with_hint("run `hydra-registry list` to see which versions have which aliases")
    }
}

/// A version that does not exist, with the command that shows those that do.
fn with_way_on(error: Error) -> Error {
    match error.kind() {
        ErrorKind::VersionNotFound => error.with_hint("run `hydra-registry list` to see the versions"),
        _ => error,
    }
}

/// The version, unless it is one of a prompt.
pub(super) fn no_prompt(version: ModelVersion) -> Result<ModelVersion> {
    refuse_prompt(&version.name, version.is_prompt()).map(|()| version)
}
