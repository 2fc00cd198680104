//! Serving: the version behind an alias, ready to answer requests.

use hydra_base::Sha256;
use hydra_base::blocking;
use hydra_base::error::Result;
use hydra_base::names::{Alias, Version};
use hydra_lifecycle::evaluations::recorded;
use hydra_lifecycle::ledger::QUARANTINE_TAG;
use hydra_lightgbm::Model;
use hydra_lightgbm::loaded::ModelLimits;
use hydra_mlflow::entities::{ModelVersion, Tags};
use hydra_mlflow::flavor::ColumnSpec;
use hydra_models::loading::{load_cached, load_with_signature};
use hydra_models::model_cache::ServedRecord;
use hydra_trust::model::SIGNATURE_TAG;

use super::ModelRegistry;
use super::loading::no_prompt;

/// A version to serve.
#[derive(Debug)]
#[non_exhaustive]
pub struct ServableVersion {
    /// The version as MLflow has it.
    pub entity: ModelVersion,
    /// The model, validated and checked against the digest that was logged with it.
    pub model: Model,
    /// The SHA-256 of the model file.
    pub sha256: Sha256,
    /// The input columns of the signature in `MLmodel`; none if there is no signature, or one without columns.
    pub signature: Option<Vec<ColumnSpec>>,
}

impl ModelRegistry {
    /// The version behind an alias, with one request; none if the alias is not set. Its tags say whether it is
    /// [in quarantine](quarantine_of).
    pub async fn version_behind(&self, alias: &Alias) -> Result<Option<ModelVersion>> {
        let found = self.backend().registry.version_by_alias(self.model(), alias).await?;
        found.map(no_prompt).transpose()
    }

    /// Loads a version that was [found](Self::version_behind) before, to serve it.
    ///
    /// [`ErrorKind::Unloadable`](hydra_base::ErrorKind::Unloadable) if its files are gone, damaged, not those that were logged, or no
    /// LightGBM model. If the trust rules for models do not accept it, like
    /// [`TrustRules::check`](hydra_trust::TrustRules::check).
    pub async fn load_servable(&self, entity: ModelVersion) -> Result<ServableVersion> {
        let limits = ModelLimits::default();
        let loaded = load_with_signature(self.backend(), self.cache(), &entity, &limits).await?;
        let (model, sha256, signature) = loaded;
        self.check_signed(&entity, sha256)?;
        Ok(ServableVersion { entity, model, sha256, signature })
    }

    /// Remembers in the cache which version is served behind the alias, for [`last_served`](Self::last_served).
    pub async fn remember_served(&self, alias: &Alias, served: &ServableVersion) -> Result<()> {
        let Some(cache) = self.cache().cloned() else { return Ok(()) };
        let mut record = ServedRecord::of(&served.entity, served.signature.clone());
        record.signed = served.entity.tags.get(SIGNATURE_TAG).cloned();
        let alias = alias.clone();
        blocking(move || cache.put_served(&alias, &record)).await
    }

    /// The version that was served last behind the alias, from the cache alone: the registry is not asked. None if the cache does
    /// not have it any more.
    pub async fn last_served(&self, alias: &Alias) -> Result<Option<ServableVersion>> {
        let Some(cache) = self.cache().cloned() else { return Ok(None) };
        let (name, alias) = (self.model().clone(), alias.clone());
        let last = blocking(move || {
            let Some(record) = cache.served(&name, &alias) else { return Ok(None) };
            let mut entity = record.version();
            entity.tags.extend(record.signed.map(|signed| (SIGNATURE_TAG.to_owned(), signed)));
            let loaded = load_cached(&cache, &entity, &ModelLimits::default())?;
            let signature = record.signature;
            Ok(loaded.map(|(model, sha256)| ServableVersion { entity, model, sha256, signature }))
        });
        let last = last.await?;
        if let Some(last) = &last {
            self.check_signed(&last.entity, last.sha256)?;
        }
        Ok(last)
    }

    /// The evaluations to which the tags of a version refer. Those that cannot be read are left out, and logged.
    pub async fn evaluations_of(&self, version: Version, tags: &Tags) -> Vec<hydra_evaluation::Evaluation> {
        let cache = self.inner.settings.decision_options.evaluations.as_ref();
        recorded(self.backend(), cache, version, tags).await
    }
}

/// When a version went into quarantine, by whom and why, if its tag says that it did.
#[must_use]
pub fn quarantine_of(version: &ModelVersion) -> Option<&str> {
    version.tags.get(QUARANTINE_TAG).map(String::as_str)
}

/// Whether two reads of versions are about the same version with the same files, by what the registry says of them.
#[must_use]
pub fn have_same_files(one: &ModelVersion, other: &ModelVersion) -> bool {
    ServedRecord::of(one, None) == ServedRecord::of(other, None)
}
