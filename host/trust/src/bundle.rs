//! Sigstore bundles (version 0.3, <https://github.com/sigstore/protobuf-specs>): what `cosign` writes since version 3. Of a bundle that
//! was made with a key, only the signature counts; one with a certificate is kept as a whole, for [`keyless`](crate::keyless).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::signature::Signature;
use crate::simple_signing::SignedPayload;
use hydra_base::Sha256;

/// The type of a bundle.
#[cfg(feature = "oci")]
pub(crate) const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

/// The type of a payload that is an in-toto statement.
const STATEMENT: &str = "application/vnd.in-toto+json";

/// What a statement says that is a signature and nothing more. Statements of other kinds, such as provenance, are about the same
/// artifact and approve nothing.
const SIGNED: &str = "https://sigstore.dev/cosign/sign/v1";

/// The first bytes of what is signed of an envelope.
const PREFIX: &[u8] = b"DSSEv1 ";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bundle {
    #[serde(default)]
    verification_material: Material,
    #[serde(default)]
    message_signature: Option<MessageSignature>,
    #[serde(default)]
    dsse_envelope: Option<Envelope>,
}

/// What shows whose signature it is; the form of a certificate depends on the version of the bundle.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Material {
    #[serde(default)]
    certificate: Option<IgnoredAny>,
    #[serde(default)]
    x509_certificate_chain: Option<IgnoredAny>,
}

impl Material {
    fn is_keyless(&self) -> bool {
        self.certificate.is_some() || self.x509_certificate_chain.is_some()
    }
}

#[derive(Deserialize)]
struct MessageSignature {
    signature: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    payload: String,
    payload_type: String,
    signatures: Vec<EnvelopeSignature>,
}

#[derive(Deserialize)]
struct EnvelopeSignature {
    sig: String,
}

/// The signature over a file in a bundle; none if the bytes are not such a bundle.
pub(crate) fn over_file(bundle: &[u8]) -> Option<Signature> {
    let found: Bundle = serde_json::from_slice(bundle).ok()?;
    let signature = decoded(&found.message_signature?.signature)?;
    Some(if found.verification_material.is_keyless() { Signature::new(bundle.to_vec()) } else { signature })
}

/// The signatures over a statement in a bundle, each with what was signed.
#[cfg_attr(
    not(any(feature = "oci", feature = "keyless")),
    expect(dead_code, reason = "artifacts are in registries")
)]
pub(crate) fn over_statement(bundle: &[u8]) -> Vec<SignedPayload> {
    let found: Option<Bundle> = serde_json::from_slice(bundle).ok();
    let Some(Bundle { verification_material, dsse_envelope: Some(envelope), .. }) = found else {
        return Vec::new();
    };
    let Ok(body) = STANDARD.decode(&envelope.payload) else { return Vec::new() };
    let payload = signed_of(&envelope.payload_type, &body);
    if verification_material.is_keyless() {
        return vec![SignedPayload { payload, signature: Signature::new(bundle.to_vec()) }];
    }
    let signatures = envelope.signatures.iter().filter_map(|signature| decoded(&signature.sig));
    signatures.map(|signature| SignedPayload { payload: payload.clone(), signature }).collect()
}

fn decoded(base64: &str) -> Option<Signature> {
    STANDARD.decode(base64).ok().filter(|bytes| !bytes.is_empty()).map(Signature::new)
}

/// What is signed of an envelope: its type and its body, each after its length.
fn signed_of(kind: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("{} {kind} {} ", kind.len(), body.len());
    [PREFIX, head.as_bytes(), body].concat()
}

/// The digest of the manifest that a signed statement is about; none if the bytes are not such a statement, or say more than that
/// it is signed.
pub(crate) fn subject(signed: &[u8]) -> Option<Sha256> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Statement {
        predicate_type: String,
        subject: Vec<Subject>,
    }
    #[derive(Deserialize)]
    struct Subject {
        digest: Digests,
    }
    #[derive(Deserialize)]
    struct Digests {
        sha256: Sha256,
    }
    let rest = signed.strip_prefix(PREFIX)?;
    let (kind, rest) = counted(rest)?;
    let (body, rest) = counted(rest.strip_prefix(b" ")?)?;
    if kind != STATEMENT.as_bytes() || !rest.is_empty() {
        return None;
    }
    let statement: Statement = serde_json::from_slice(body).ok()?;
    match &statement.subject[..] {
        [only] if statement.predicate_type == SIGNED => Some(only.digest.sha256),
        _ => None,
    }
}

/// As many bytes as the number before them says, and what follows.
fn counted(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|byte| *byte == b' ')?;
    let count: usize = std::str::from_utf8(&bytes[..end]).ok()?.parse().ok()?;
    bytes[end + 1..].split_at_checked(count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::PublicKey;

    /// From sigstore-rust (https://github.com/sigstore/sigstore-rust, `crates/sigstore-verify/test_data/managed-key`, Apache-2.0), which
    /// has them from sigstore's conformance suite: the key, the file and the parts of the bundle that are read.
    const KEY: &str = "-----BEGIN PUBLIC KEY-----\n\
        MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAExRRST79+PsrRBnGAI4cMu6Omz2Jh\n\
        fwlMW+gIutNKVRaMyS4rQKvgngc5p8UbLj55pVHhIoAxi/SRgURZI0J3Xw==\n\
        -----END PUBLIC KEY-----";
    const FILE: &str = "DO NOT MODIFY ME!\n\nthis is \"a.txt\", a sample input for sigstore-conformance's test suite.\n\nDO NOT MODIFY ME!\n";
    const OF_FILE: &str = r#"{"mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": {"publicKey": {"hint": "TLMsSDfG3ajPsWge+z/vX5T/zluXnmvbkTkwLIV68Tk="}},
        "messageSignature": {"messageDigest": {"algorithm": "SHA2_256", "digest": "oM/HEnHW4njlfNMy/5V8P3BD/do1TEy7GQow1W76Ab8="},
        "signature": "MEUCIQCACfhpIX3+zVXJjwEeIS0yFTK2jRfBjduXAaLHJSARHAIgSUdTM+S5xucODRFtrGHN2uClS0MRPhqZm76g0ZHEQ5c="}}"#;

    #[test]
    fn a_bundle_of_cosign_holds_a_signature_over_the_file() {
        let key = PublicKey::from_pem(KEY).unwrap();
        let signature = over_file(OF_FILE.as_bytes()).unwrap();
        assert!(key.verifies(FILE.as_bytes(), &signature));
        assert!(!key.verifies(b"another file", &signature));
        for bad in ["", "[]", "{}", r#"{"messageSignature": {"signature": "!"}}"#] {
            assert_eq!(over_file(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn a_statement_is_about_one_manifest_and_says_that_it_is_signed() {
        let digest = Sha256::of(b"manifest");
        let statement = |predicate: &str, subjects: &str| {
            format!(
                r#"{{"_type": "https://in-toto.io/Statement/v1", "subject": [{subjects}], "predicateType": "{predicate}", "predicate": {{}}}}"#
            )
        };
        let one = format!(r#"{{"digest": {{"sha256": "{digest}"}}}}"#);
        let good = statement(SIGNED, &one);
        let envelope = serde_json::json!({"dsseEnvelope": {"payload": STANDARD.encode(&good), "payloadType": STATEMENT,
            "signatures": [{"sig": "AQID"}, {"sig": ""}]}});
        let found = over_statement(envelope.to_string().as_bytes());
        assert_eq!(found.len(), 1);
        assert_eq!(
            found[0].payload,
            [b"DSSEv1 28 application/vnd.in-toto+json ", format!("{} {good}", good.len()).as_bytes()]
                .concat()
        );
        assert_eq!(subject(&found[0].payload), Some(digest));
        for bad in [
            signed_of(STATEMENT, statement("https://slsa.dev/provenance/v1", &one).as_bytes()),
            signed_of(STATEMENT, statement(SIGNED, &format!("{one}, {one}")).as_bytes()),
            signed_of(STATEMENT, statement(SIGNED, "").as_bytes()),
            signed_of("application/json", good.as_bytes()),
            [signed_of(STATEMENT, good.as_bytes()), b"x".to_vec()].concat(),
            b"DSSEv1 99999999999999999999 x".to_vec(),
            b"DSSEv1 ".to_vec(),
            good.into_bytes(),
        ] {
            assert_eq!(subject(&bad), None, "{}", String::from_utf8_lossy(&bad));
        }
    }
}
