//! The payload that `cosign sign` signs for an artifact in a registry: the "simple signing" document of containers/image, which
//! names the digest of the artifact's manifest.

use serde::{Deserialize, Serialize};

use crate::bundle;
use crate::signature::Signature;
use hydra_base::Sha256;

/// The type of payloads.
const TYPE: &str = "cosign container image signature";

/// A payload with a signature over its bytes, as found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a signed payload has these two parts")]
pub struct SignedPayload {
    /// The bytes that were signed.
    pub payload: Vec<u8>,
    /// The signature.
    pub signature: Signature,
}

#[derive(Serialize, Deserialize)]
struct Document {
    critical: Critical,
    optional: Option<serde_json::Value>,
}

#[derive(Serialize, Deserialize)]
struct Critical {
    identity: Identity,
    image: Image,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Identity {
    docker_reference: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Image {
    docker_manifest_digest: String,
}

/// The payload for the artifact `HOST/REPOSITORY` whose manifest has this digest, in the bytes that `cosign` writes.
#[must_use]
pub fn payload(name: &str, manifest: Sha256) -> Vec<u8> {
    let document = Document {
        critical: Critical {
            identity: Identity { docker_reference: name.to_owned() },
            image: Image { docker_manifest_digest: format!("sha256:{manifest}") },
            kind: TYPE.to_owned(),
        },
        optional: None,
    };
    // Texts alone become JSON without an error.
    serde_json::to_vec(&document).unwrap_or_default()
}

/// The digest of the manifest that a payload is about, or that a signed statement in a bundle is about; none if the bytes are
/// neither.
#[must_use]
pub fn subject(payload: &[u8]) -> Option<Sha256> {
    if let Some(subject) = bundle::subject(payload) {
        return Some(subject);
    }
    let document: Document = serde_json::from_slice(payload).ok()?;
    let Critical { image, kind, .. } = document.critical;
    (kind == TYPE).then_some(())?;
    image.docker_manifest_digest.strip_prefix("sha256:")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::PublicKey;

    /// From the tests of sigstore-rs (https://github.com/sigstore/sigstore-rs, `src/cosign/signature_layers.rs`, Apache-2.0): a
    /// signature that cosign made with a key. `openssl dgst -sha256 -verify KEY -signature SIGNATURE PAYLOAD` says "Verified OK".
    const KEY: &str = "-----BEGIN PUBLIC KEY-----\n\
        MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAENptdY/l3nB0yqkXLBWkZWQwo6+cu\n\
        OSWS1X9vPavpiQOoTTGC0xX57OojUadxF1cdQmrsiReWg2Wn4FneJfa8xw==\n\
        -----END PUBLIC KEY-----";
    const SIGNATURE: &str =
        "MEUCIQD6q/COgzOyW0YH1Dk+CCYSt4uAhm3FDHUwvPI55zwnlwIgE0ZK58ZOWpZw8YVmBapJhBqCfdPekIknimuO0xH8Jh8=";
    const MANIFEST: &str = "f3cfc9d0dbf931d3db4685ec659b7ac68e2a578219da4aae65427886e649b06b";

    #[test]
    fn a_signature_of_cosign_is_over_the_payload_that_this_writes() {
        let manifest: Sha256 = MANIFEST.parse().unwrap();
        let payload = payload("registry-testing.svc.lan/busybox", manifest);
        let (key, signature) =
            (PublicKey::from_pem(KEY).unwrap(), Signature::parse(SIGNATURE.as_bytes()).unwrap());
        assert!(key.verifies(&payload, &signature), "{}", String::from_utf8_lossy(&payload));
        assert_eq!(subject(&payload), Some(manifest));
        let other = super::payload("registry-testing.svc.lan/busybox", Sha256::NONE);
        assert!(!key.verifies(&other, &signature));
    }

    #[test]
    fn what_is_not_a_payload_is_about_nothing() {
        let good = String::from_utf8(payload("h/r", Sha256::NONE)).unwrap();
        for bad in [
            "{}".to_owned(),
            "[".repeat(10_000),
            good.replace(TYPE, "atomic container signature"),
            good.replace("sha256:", "sha512:"),
        ] {
            assert_eq!(subject(bad.as_bytes()), None, "{bad}");
        }
    }
}
