//! Loading versions by their numbers and aliases.

use super::ModelRegistry;
use hydra_base::Sha256;
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::names::{Alias, Version};
use hydra_lifecycle::ledger::refuse_prompt;
use hydra_lightgbm::Model;
use hydra_lightgbm::loaded::ModelLimits;
use hydra_mlflow::entities::ModelVersion;
use hydra_models::loading::load_model_and_digest;

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

impl ModelRegistry {
    /// Finds a version without loading it.
    ///
    /// [`ErrorKind::VersionNotFound`] if there is no version of that number; [`ErrorKind::NoChampion`],
    /// [`ErrorKind::NoCandidate`], [`ErrorKind::NoArchived`] and [`ErrorKind::NoAlias`] if the alias is not set.
    pub async fn find_version(&self, selector: &VersionSelector) -> Result<ModelVersion> {
        let store = &self.backend().registry;
        match selector {
            VersionSelector::Alias(alias) if *alias == Alias::CHAMPION => self.champion_version().await,
            VersionSelector::Number(version) => no_prompt(store.model_version(self.model(), *version).await?),
            VersionSelector::Alias(alias) => {
                let found = store.version_by_alias(self.model(), alias).await?;
                found.ok_or_else(|| self.not_set(alias)).and_then(no_prompt)
            }
        }
    }

    /// Loads the model of a version, from the cache if it is there.
    ///
    /// Fails like [`find_version`](Self::find_version), and with [`ErrorKind::Integrity`] if the model's bytes are not those that
    /// were logged.
    pub async fn load_version(&self, selector: &VersionSelector) -> Result<LoadedVersion> {
        let entity = self.find_version(selector).await?;
        let cache = self.cache();
        let (model, sha256) =
            load_model_and_digest(self.backend(), cache, &entity, &ModelLimits::default()).await?;
        Ok(LoadedVersion { version: entity.version, model, sha256, entity })
    }

    fn not_set(&self, alias: &Alias) -> Error {
        let kind = match alias.as_str() {
            "candidate" => ErrorKind::NoCandidate,
            "archived" => ErrorKind::NoArchived,
            _ => ErrorKind::NoAlias,
        };
        Error::new(kind, format!("the alias `{alias}` is not set")).with_context("model", self.model())
    }
}

/// The version, unless it is one of a prompt.
fn no_prompt(version: ModelVersion) -> Result<ModelVersion> {
    refuse_prompt(&version.name, version.is_prompt()).map(|()| version)
}
