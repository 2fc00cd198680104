//! Signatures of the models of registered versions.

use crate::registry::{ModelRegistry, VersionSelector};
use hydra_base::Sha256;
use hydra_base::error::Result;
use hydra_base::names::{Key, Version};
use hydra_lifecycle::model_trust;
use hydra_mlflow::entities::ModelVersion;
use hydra_models::loading::load_model_file;
use hydra_trust::model::{self, SIGNATURE_TAG};
use hydra_trust::{PrivateKey, Signer, TrustRules};

/// A model whose signatures were made or checked.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SignedModel {
    /// The version.
    pub version: Version,
    /// The SHA-256 of its model file, which was signed.
    pub sha256: Sha256,
    /// The keys: of a new signature, the one that made it.
    pub signers: Vec<Signer>,
}

impl ModelRegistry {
    /// Signs the model file of a version as it is in the store, in a tag of the version. Signatures of other keys stay.
    pub async fn sign_model(&self, selector: &VersionSelector, key: &PrivateKey) -> Result<SignedModel> {
        let entity = self.find_version(selector).await?;
        let sha256 = load_model_file(self.backend(), self.cache(), &entity).await?.sha256();
        let tag = entity.tags.get(SIGNATURE_TAG).map(String::as_str);
        let value = model::sign(tag, key, sha256)?;
        let registry = &self.backend().registry;
        registry.set_version_tag(self.model(), entity.version, &Key::new(SIGNATURE_TAG)?, &value).await?;
        let id = key.public().id();
        let signers = vec![Signer::of_key(id)];
        Ok(SignedModel { version: entity.version, sha256, signers })
    }

    /// Who signed the model file of a version, if that meets these rules, or else those for models of this registry; none if there are
    /// no rules. Fails like [`TrustRules::check`].
    pub async fn verify_model(
        &self,
        selector: &VersionSelector,
        rules: Option<&TrustRules>,
    ) -> Result<Option<SignedModel>> {
        let Some(rules) = rules.or(self.model_trust()) else { return Ok(None) };
        let entity = self.find_version(selector).await?;
        let sha256 = load_model_file(self.backend(), self.cache(), &entity).await?.sha256();
        let signers = model_trust::check(rules, &entity, sha256)?;
        Ok(Some(SignedModel { version: entity.version, sha256, signers }))
    }

    /// Refuses a model that the trust rules do not accept.
    pub(super) fn check_signed(&self, version: &ModelVersion, sha256: Sha256) -> Result<()> {
        match self.model_trust() {
            Some(rules) => model_trust::check(rules, version, sha256).map(drop),
            None => Ok(()),
        }
    }

    pub(super) fn model_trust(&self) -> Option<&TrustRules> {
        self.inner.settings.decision_options.model_trust.as_deref()
    }
}
