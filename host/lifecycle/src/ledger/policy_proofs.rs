//! The signatures of an active policy. They lie in the archive beside its document, so that every host checks the trust rules of
//! the document itself, before it parses a component. No entry names their digest: they prove themselves, and a later activation of
//! the same policy stores others in the place of lost ones.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::ledger::active::PolicyDocument;
use crate::ledger::archive::{MAX_DOCUMENT_BYTES, signatures_path};
use crate::ledger::errors::is_lost;
use crate::ledger::standing::ActivePanel;
use crate::ledger::{Ledger, document};
use crate::panel::{Origin, Panel};
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::{Sha256, Timestamp};
use hydra_policy::Policy;
use hydra_trust::{Proof, Signatory, TrustConfig, TrustRules};

/// The schema that this release writes, and the newest that it reads.
const SCHEMA: u32 = 1;

/// The name of the document in errors.
const WHAT: &str = "the file of signatures of the active policy";

/// What shows who signed the components of a policy.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Proofs {
    schema: u32,
    components: BTreeMap<Sha256, Proof>,
}

/// The signatures of a panel with trust rules, for the archive; none without rules. `SignatureNotFound` if other hosts could not
/// check a component.
pub(super) fn of_panel(panel: &Panel) -> Result<Option<Vec<u8>>> {
    let Some(trust) = panel.trust() else { return Ok(None) };
    let mut proofs = Proofs { schema: SCHEMA, components: BTreeMap::new() };
    for member in panel.members() {
        if let Some(proof) = &member.origin.proof {
            proofs.components.insert(member.policy.sha256(), proof.clone());
        }
    }
    let components = panel.components();
    proofs.origins(&rules(trust)?, components.iter().map(|(sha256, bytes)| (*sha256, *bytes)))?;
    document::encode(&proofs, WHAT).map(Some)
}

impl Proofs {
    /// Where these components came from and who signed them, if the rules are met by each. The policy that is embedded in this
    /// program is trusted like the program.
    fn origins<'a>(
        &self,
        rules: &TrustRules,
        components: impl Iterator<Item = (Sha256, &'a [u8])>,
    ) -> Result<BTreeMap<Sha256, Origin>> {
        let embedded = Sha256::of(Policy::default_bytes());
        let mut origins = BTreeMap::new();
        for (sha256, bytes) in components {
            let checked = match self.components.get(&sha256) {
                Some(proof) => proof.check(rules, bytes).map(|signers| Origin {
                    manifest: proof.manifest_sha256(),
                    signers,
                    proof: Some(proof.clone()),
                }),
                None if sha256 == embedded => Ok(Origin::default()),
                None => Err(Error::new(ErrorKind::SignatureNotFound, "there is no signature")),
            };
            origins.insert(sha256, checked.map_err(|error| unsigned(sha256, error))?);
        }
        Ok(origins)
    }
}

/// Makes sure that those who signed the policies of a panel, as its trust rules found them, are enough now: keys expire.
pub(crate) fn check_again(panel: &Panel) -> Result<()> {
    let Some(trust) = panel.trust() else { return Ok(()) };
    let rules = rules(trust)?;
    for member in panel.members().filter(|member| member.origin.proof.is_some()) {
        let signed = |by: &Signatory| member.origin.signers.iter().any(|signer| signer.key == by.id());
        let signed = rules.check_with(signed);
        signed.map_err(|error| unsigned(member.policy.sha256(), error))?;
    }
    Ok(())
}

fn unsigned(component: Sha256, error: Error) -> Error {
    let message = "a component of the active policy is not signed as its trust rules ask";
    Error::new(error.kind(), message).with_context("component", component).with_source(error)
}

/// The trust rules of a document. The keys and trust roots must be in it: a path would name another one on each host.
pub(super) fn rules(trust: &Map<String, Value>) -> Result<TrustRules> {
    let config: TrustConfig = serde_json::from_value(Value::Object(trust.clone())).map_err(|error| {
        Error::new(ErrorKind::InvalidTrust, "the trust rules of the active policy cannot be read")
            .with_source(error)
            .with_hint("upgrade hydra-registry, if a newer release activated the policy")
    })?;
    if !config.is_inlined() {
        let message = "the trust rules of the active policy name a key or a trust root by a path";
        return Err(Error::new(ErrorKind::InvalidTrust, message));
    }
    config.load()
}

/// Who signed the components of a policy, and who should have.
#[derive(Debug)]
pub(super) struct AuditedSignatures {
    rules: TrustRules,
    signed: BTreeMap<Sha256, BTreeSet<Sha256>>,
}

impl AuditedSignatures {
    /// Fails like [`TrustRules::check`] if the rules were not met at a time, in milliseconds.
    pub(super) fn check(&self, at: Timestamp) -> Result<()> {
        let rules = self.rules.clone().at(at);
        for (component, ids) in &self.signed {
            let checked = rules.check_with(|by| ids.contains(&by.id()));
            checked.map_err(|error| unsigned(*component, error))?;
        }
        Ok(())
    }
}

impl Ledger {
    /// Where the components of an active policy came from and who signed them; empty for a document without trust rules.
    /// `ActivePolicyLost` if the signatures are neither in the archive nor in the cache, and the errors of [`TrustRules::check`].
    pub(super) async fn policy_origins(
        &self,
        active: &ActivePanel,
        document: &PolicyDocument,
        components: &BTreeMap<Sha256, Vec<u8>>,
    ) -> Result<BTreeMap<Sha256, Origin>> {
        let Some(trust) = &document.trust else { return Ok(BTreeMap::new()) };
        let rules = rules(trust)?;
        let check = |bytes: &[u8]| -> Result<_> {
            let proofs: Proofs = document::decode(bytes, WHAT, SCHEMA)?;
            proofs.origins(&rules, components.iter().map(|(sha256, bytes)| (*sha256, &bytes[..])))
        };
        if let Some(cache) = &self.policies
            && let Some(bytes) = cache.get_named(active.sha256).await?
            && let Ok(origins) = check(&bytes)
        {
            return Ok(origins);
        }
        let lost = |error: Error| {
            let message =
                "the signatures of the active policy are not in the archive of the ledger, or were altered";
            Error::new(ErrorKind::ActivePolicyLost, message)
                .with_context("artifact", signatures_path(active.sha256))
                .with_source(error)
                .with_hint(self.way_out())
        };
        let found = self.read_newest(&signatures_path(active.sha256), MAX_DOCUMENT_BYTES).await;
        let bytes = found.map_err(|error| if is_lost(&error) { lost(error) } else { error })?;
        let origins = check(&bytes).map_err(|error| match error.kind() {
            ErrorKind::LedgerBroken => lost(error),
            ErrorKind::LedgerNewer => error,
            _ => error.with_context("active policy", active.sha256).with_hint(self.way_out()),
        })?;
        if let Some(cache) = &self.policies {
            cache.put_named(active.sha256, bytes).await?;
        }
        Ok(origins)
    }

    /// Whether the archive has no signatures that show what the trust rules of a document ask for. Keys that expired since then are
    /// nothing that the archive lost.
    pub(super) async fn lacks_signatures(
        &self,
        active: &ActivePanel,
        document: &PolicyDocument,
        components: &BTreeMap<Sha256, Vec<u8>>,
    ) -> Result<bool> {
        let Some(rules) = document.trust.as_ref().map(rules).transpose()? else { return Ok(false) };
        let bytes = match self.read_newest(&signatures_path(active.sha256), MAX_DOCUMENT_BYTES).await {
            Err(error) if is_lost(&error) => return Ok(true),
            found => found?,
        };
        let checked = document::decode::<Proofs>(&bytes, WHAT, SCHEMA).and_then(|proofs| {
            proofs.origins(&rules, components.iter().map(|(sha256, bytes)| (*sha256, &bytes[..])))
        });
        Ok(checked
            .is_err_and(|error| !matches!(error.kind(), ErrorKind::ExpiredKey | ErrorKind::LedgerNewer)))
    }

    /// Who signed the components of a policy by the signatures in the archive, whether their keys are valid or not; nothing for a
    /// document without trust rules.
    pub(super) async fn audited_signatures(
        &self,
        active: &ActivePanel,
        document: &PolicyDocument,
    ) -> Result<Option<AuditedSignatures>> {
        let Some(rules) = document.trust.as_ref().map(rules).transpose()? else { return Ok(None) };
        let bytes = self.read_newest(&signatures_path(active.sha256), MAX_DOCUMENT_BYTES).await?;
        let proofs: Proofs = document::decode(&bytes, WHAT, SCHEMA)?;
        let mut signed = BTreeMap::new();
        for sha256 in document.components() {
            let bytes = self.component(sha256).await?;
            match proofs.components.get(&sha256) {
                Some(proof) => {
                    let ids = proof.signed_by(&rules, &bytes).map_err(|error| unsigned(sha256, error))?;
                    signed.insert(sha256, ids);
                }
                None if sha256 == Sha256::of(Policy::default_bytes()) => {}
                None => {
                    let error = Error::new(ErrorKind::SignatureNotFound, "there is no signature");
                    return Err(unsigned(sha256, error));
                }
            }
        }
        Ok(Some(AuditedSignatures { rules, signed }))
    }

    /// The signatures of a policy in the archive, if there are some.
    pub(super) async fn archived_signatures(&self, sha256: Sha256) -> Result<Option<Vec<u8>>> {
        match self.read_newest(&signatures_path(sha256), MAX_DOCUMENT_BYTES).await {
            Err(error) if is_lost(&error) => Ok(None),
            found => found.map(Some),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::panel::Member;
    use hydra_base::names::PolicyName;
    use hydra_base::time::now;
    use hydra_policy::{Budget, EngineOptions, PanelRole, PolicyEngine};
    use hydra_trust::{PrivateKey, Signer};

    const KEY: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB\n-----END PRIVATE KEY-----\n";

    #[test]
    fn the_rules_of_a_document_hold_until_a_key_expires() {
        let text = hydra_test_guests::read("well_behaved");
        let bytes = hydra_test_guests::component_of("well_behaved", &text, Policy::default_bytes());
        let engine = PolicyEngine::new(&EngineOptions::default()).expect("an engine");
        let policy = Policy::load(&engine, &bytes, &Budget::default()).expect("a policy");
        let key = PrivateKey::from_pem(KEY).expect("a key");
        let signature = key.sign(&bytes).expect("a signature");
        let proof = Proof::of_file(&TrustRules::of_keys([key.public().clone()]), &bytes, &[signature]);
        let signed =
            Origin { manifest: None, signers: vec![Signer::of_key(key.public().id())], proof: Some(proof) };
        let panel = |pub_key: &str, expires: &str, origin: &Origin| {
            let trust = json!({"all-of": [{"pub-key": pub_key, "expires": expires}]}).as_object().cloned();
            let (name, role) = (PolicyName::new("gate").expect("a name"), PanelRole::Leader);
            let member = Member {
                name,
                role,
                policy: policy.clone(),
                settings: BTreeMap::new(),
                origin: origin.clone(),
            };
            Panel::new(vec![member]).expect("a panel").with_trust(trust)
        };
        let public = key.public().to_pem();
        let valid = panel(&public, "2999-01-01", &signed);
        check_again(&valid).expect("valid");
        assert!(of_panel(&valid).expect("signatures").is_some());
        assert_eq!(of_panel(&valid.with_trust(None)).expect("nothing"), None);
        let expired = panel(&public, "2020-01-01", &signed);
        assert_eq!(check_again(&expired).unwrap_err().kind(), ErrorKind::ExpiredKey);
        assert_eq!(of_panel(&expired).unwrap_err().kind(), ErrorKind::ExpiredKey);
        // A decision of a time when the key was valid stays one by a valid key.
        let ended = rules(expired.trust().expect("rules")).expect("rules");
        let end = ended.ending(now())[0].1;
        assert_eq!(ended.ending(end), []);
        let ids = BTreeMap::from([(policy.sha256(), BTreeSet::from([key.public().id()]))]);
        let audited = AuditedSignatures { rules: ended, signed: ids };
        audited.check(end - 1).expect("valid then");
        assert_eq!(audited.check(end).unwrap_err().kind(), ErrorKind::ExpiredKey);
        let unsigned = panel(&public, "2999-01-01", &Origin::default());
        assert_eq!(of_panel(&unsigned).unwrap_err().kind(), ErrorKind::SignatureNotFound);
        let by_path = panel("release.pub", "2999-01-01", &signed);
        assert_eq!(check_again(&by_path).unwrap_err().kind(), ErrorKind::InvalidTrust);
    }
}
