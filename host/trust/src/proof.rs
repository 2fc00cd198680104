//! Proofs: what shows who signed a component, kept apart from the file or the registry that the component came from.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::rules::{Signatory, Signer, TrustRules};
use crate::signature::Signature;
use crate::simple_signing::{self, SignedPayload};
use hydra_base::Sha256;
use hydra_base::error::{Error, ErrorKind, Result};

/// The signatures of a component, each with what it is over, so that [`TrustRules`] can be checked anywhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proof {
    /// The manifest of the artifact that the component is in; none if the signatures are over the component itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    manifest: Option<Base64>,
    signatures: Vec<Part>,
}

/// A signature, and the payload that it is over if that is not the component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Part {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    payload: Option<Base64>,
    signature: Base64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Base64(Vec<u8>);

impl Serialize for Base64 {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Base64 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD.decode(text).map(Self).map_err(D::Error::custom)
    }
}

impl Proof {
    /// The signatures over the bytes of a component by keys and identities of the rules.
    #[must_use]
    pub fn of_file(rules: &TrustRules, component: &[u8], signatures: &[Signature]) -> Self {
        let counting =
            signatures.iter().filter(|signature| rules.any(|by| by.verifies(component, signature)));
        let part =
            |signature: &Signature| Part { payload: None, signature: Base64(signature.as_bytes().to_vec()) };
        Self { manifest: None, signatures: counting.map(part).collect() }
    }

    /// The signatures about the artifact with this manifest by keys and identities of the rules.
    #[must_use]
    pub fn of_artifact(rules: &TrustRules, manifest: Vec<u8>, signed: &[SignedPayload]) -> Self {
        let digest = Sha256::of(&manifest);
        let counting =
            signed.iter().filter(|signed| rules.any(|by| signed.is_about(digest) && signed.is_by(by)));
        let part = |signed: &SignedPayload| Part {
            payload: Some(Base64(signed.payload.clone())),
            signature: Base64(signed.signature.as_bytes().to_vec()),
        };
        Self { manifest: Some(Base64(manifest)), signatures: counting.map(part).collect() }
    }

    /// The SHA-256 of the manifest of the artifact that the component is in, if it came from a registry.
    #[must_use]
    pub fn manifest_sha256(&self) -> Option<Sha256> {
        self.manifest.as_ref().map(|manifest| Sha256::of(&manifest.0))
    }

    /// Who signed the component, if the rules are met. Fails like [`signed_by`](Self::signed_by) and [`TrustRules::check`].
    pub fn check(&self, rules: &TrustRules, component: &[u8]) -> Result<Vec<Signer>> {
        let signed = self.signed_by(rules, component)?;
        rules.check_with(|by| signed.contains(&by.id()))
    }

    /// The ids of the keys and identities of the rules that signed the component, valid or not. [`ErrorKind::SignatureMismatch`] if
    /// the proof is about another component, [`ErrorKind::SignatureNotFound`] if it has no signature.
    pub fn signed_by(&self, rules: &TrustRules, component: &[u8]) -> Result<BTreeSet<Sha256>> {
        let none = || Error::new(ErrorKind::SignatureNotFound, "there is no signature");
        let signed = self.signatures.iter().map(|part| (part.payload.as_ref(), &part.signature.0));
        let Some(manifest) = &self.manifest else {
            let over_bytes = signed.filter(|(payload, _)| payload.is_none());
            let signatures: Vec<_> = over_bytes.map(|(_, bytes)| Signature::new(bytes.clone())).collect();
            if signatures.is_empty() {
                return Err(none());
            }
            return Ok(rules.ids(|by| signatures.iter().any(|signature| by.verifies(component, signature))));
        };
        if only_layer(&manifest.0) != Some(Sha256::of(component)) {
            let message = "the signatures are about an artifact with another component";
            return Err(Error::new(ErrorKind::SignatureMismatch, message));
        }
        let digest = Sha256::of(&manifest.0);
        let signed: Vec<SignedPayload> = signed
            .filter_map(|(payload, bytes)| {
                let (payload, signature) = (payload?.0.clone(), Signature::new(bytes.clone()));
                Some(SignedPayload { payload, signature })
            })
            .filter(|signed| signed.is_about(digest))
            .collect();
        if signed.is_empty() {
            return Err(none());
        }
        Ok(rules.ids(|by| signed.iter().any(|signed| signed.is_by(by))))
    }
}

/// The digest of the only layer of a manifest.
fn only_layer(manifest: &[u8]) -> Option<Sha256> {
    #[derive(Deserialize)]
    struct Manifest {
        layers: Vec<Layer>,
    }
    #[derive(Deserialize)]
    struct Layer {
        digest: String,
    }
    let manifest: Manifest = serde_json::from_slice(manifest).ok()?;
    match &manifest.layers[..] {
        [only] => only.digest.strip_prefix("sha256:")?.parse().ok(),
        _ => None,
    }
}

impl SignedPayload {
    /// Whether the payload is about the artifact whose manifest has this digest.
    pub(crate) fn is_about(&self, manifest: Sha256) -> bool {
        simple_signing::subject(&self.payload) == Some(manifest)
    }

    /// Whether the signature is by this key or identity.
    pub(crate) fn is_by(&self, by: &Signatory) -> bool {
        by.verifies(&self.payload, &self.signature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PrivateKey;

    fn key(seed: &str) -> PrivateKey {
        PrivateKey::from_pem(seed).unwrap()
    }

    const ANN: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB\n-----END PRIVATE KEY-----\n";
    const BOB: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIAICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIC\n-----END PRIVATE KEY-----\n";

    fn again(proof: &Proof) -> Proof {
        serde_json::from_slice(&serde_json::to_vec(proof).unwrap()).unwrap()
    }

    #[test]
    fn signatures_over_a_file_prove_what_they_are_over() {
        let (ann, bob) = (key(ANN), key(BOB));
        let rules = TrustRules::of_keys([ann.public().clone()]);
        let signatures = [ann.sign(b"component").unwrap(), bob.sign(b"component").unwrap()];
        let proof = again(&Proof::of_file(&rules, b"component", &signatures));
        assert_eq!(proof.signatures.len(), 1, "those of other keys prove nothing");
        let signers = proof.check(&rules, b"component").unwrap();
        assert_eq!(signers.len(), 1);
        assert_eq!((signers[0].key, proof.manifest_sha256()), (ann.public().id(), None));
        let kind = |proof: &Proof, rules: &TrustRules, component: &[u8]| {
            proof.check(rules, component).unwrap_err().kind()
        };
        assert_eq!(kind(&proof, &rules, b"another"), ErrorKind::UntrustedSigner);
        let others = TrustRules::of_keys([bob.public().clone()]);
        assert_eq!(kind(&proof, &others, b"component"), ErrorKind::UntrustedSigner);
        let none = Proof::of_file(&rules, b"component", &signatures[1..]);
        assert_eq!(kind(&none, &rules, b"component"), ErrorKind::SignatureNotFound);
    }

    #[test]
    fn signatures_of_an_artifact_prove_its_only_layer() {
        let ann = key(ANN);
        let rules = TrustRules::of_keys([ann.public().clone()]);
        let layer = |bytes: &[u8]| {
            format!(r#"{{"mediaType":"application/wasm","digest":"sha256:{}","size":1}}"#, Sha256::of(bytes))
        };
        let manifest = |layers: &[String]| {
            format!(r#"{{"schemaVersion":2,"layers":[{}]}}"#, layers.join(",")).into_bytes()
        };
        let proved = |manifest: Vec<u8>, about: Sha256| {
            let payload = simple_signing::payload("r.example/gate", about);
            let signature = ann.sign(&payload).unwrap();
            let signed = [SignedPayload { payload, signature }];
            again(&Proof::of_artifact(&rules, manifest, &signed))
        };
        let good = manifest(&[layer(b"component")]);
        let proof = proved(good.clone(), Sha256::of(&good));
        assert_eq!(proof.manifest_sha256(), Some(Sha256::of(&good)));
        assert_eq!(proof.check(&rules, b"component").unwrap().len(), 1);
        assert_eq!(proof.check(&rules, b"another").unwrap_err().kind(), ErrorKind::SignatureMismatch);
        let two = manifest(&[layer(b"component"), layer(b"another")]);
        let of_two = proved(two.clone(), Sha256::of(&two));
        assert_eq!(of_two.check(&rules, b"component").unwrap_err().kind(), ErrorKind::SignatureMismatch);
        let elsewhere = proved(good, Sha256::of(b"another manifest"));
        assert_eq!(elsewhere.check(&rules, b"component").unwrap_err().kind(), ErrorKind::SignatureNotFound);
        // A signature that is moved under another manifest is not about that.
        let moved = Proof { manifest: Some(Base64(manifest(&[layer(b"another")]))), ..proof };
        assert_eq!(moved.check(&rules, b"another").unwrap_err().kind(), ErrorKind::SignatureNotFound);
    }
}
