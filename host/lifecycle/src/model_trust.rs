//! Signatures of models: policies learn who signed, and a version whose model the trust rules do not accept becomes no champion.

use crate::transition::{Request, Transitions};
use hydra_base::Sha256;
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_mlflow::entities::ModelVersion;
use hydra_policy::{ModelState, Operation};
use hydra_trust::model::{self, SIGNATURE_TAG};
use hydra_trust::{Signer, TrustRules};

/// Who signed the model file of a version, which has this digest. Fails like [`TrustRules::check`].
pub fn check(rules: &TrustRules, version: &ModelVersion, sha256: Sha256) -> Result<Vec<Signer>> {
    let tag = version.tags.get(SIGNATURE_TAG).map(String::as_str);
    model::check(rules, tag, sha256).map_err(|error| {
        let number = version.version;
        let error = error.with_context("model", &version.name).with_context("version", number);
        if error.kind() == ErrorKind::SignatureNotFound {
            return error.with_hint(format!("sign it: `hydra-registry model sign {number} --key KEY`"));
        }
        error
    })
}

impl Transitions<'_> {
    /// Adds those who signed the model to what a policy sees of a version.
    pub(crate) fn say_signers(&self, described: &mut hydra_policy::ModelVersion) {
        let tag = described.tags.get(SIGNATURE_TAG).map(String::as_str);
        if let (Some(rules), ModelState::Loadable(facts)) = (self.model_trust(), &mut described.model) {
            let signers = model::signers(rules, tag, facts.sha256);
            let seen = |signer: Signer| hydra_policy::Signer::new(signer.identity, signer.issuer);
            facts.signers = signers.into_iter().map(seen).collect();
        }
    }

    /// Refuses a version that is to become champion if the trust rules do not accept its model. `sha256` is the digest of the file,
    /// as far as it is known.
    pub(crate) fn check_signed(
        &self,
        request: &Request,
        version: &ModelVersion,
        sha256: Option<&str>,
    ) -> Result<()> {
        let Some(rules) = self.model_trust() else { return Ok(()) };
        let checked = match sha256.map(str::parse) {
            Some(Ok(sha256)) => check(rules, version, sha256),
            _ => Err(Error::new(
                ErrorKind::SignatureNotFound,
                "the digest of the model is not known, so nothing shows who signed it",
            )
            .with_context("version", version.version)),
        };
        let verb = if request.operation == Operation::Rollback { "rolled back to" } else { "promoted" };
        checked.map(drop).map_err(|error| {
            let hint = error.hint().map(str::to_owned);
            let message = format!(
                "version {} is not {verb}: the trust rules for models do not accept it",
                version.version
            );
            let error = Error::new(error.kind(), message).with_source(error);
            match hint {
                Some(hint) => error.with_hint(hint),
                None => error,
            }
        })
    }
}
