//! Signatures of model files, in a tag of the registered version.
//!
//! The message is the SHA-256 of the model file as `sha256sum` prints it, in 64 hexadecimal digits, and a line feed. So a signature
//! is checked without the file, and other programs can make it:
//! `sha256sum model.lgb | cut -c1-64 | openssl dgst -sha256 -sign release.key | base64 -w0`. A bundle over that message counts as
//! well, in base64, if the store takes values of that length.

use crate::bundle;
use crate::key::PrivateKey;
use crate::rules::{Signer, TrustRules};
use crate::signature::Signature;
use hydra_base::Sha256;
use hydra_base::error::Result;

/// The tag of a version with its signatures in base64, separated by spaces.
pub const SIGNATURE_TAG: &str = "hydra.model.signature";

/// The most signatures that are read of a tag.
const MAX_SIGNATURES: usize = 32;

/// What is signed for a model file.
#[must_use]
pub fn message(sha256: Sha256) -> Vec<u8> {
    format!("{sha256}\n").into_bytes()
}

/// The value of the tag after this key has signed. Its earlier signatures are replaced, and those of other keys stay.
pub fn sign(tag: Option<&str>, key: &PrivateKey, sha256: Sha256) -> Result<String> {
    let message = message(sha256);
    let mut all = signatures(tag);
    all.retain(|signature| !key.public().verifies(&message, signature));
    all.push(key.sign(&message)?);
    Ok(all.iter().map(Signature::to_string).collect::<Vec<_>>().join(" "))
}

/// The signatures in the value of the tag; what is not one is left out.
#[must_use]
pub fn signatures(tag: Option<&str>) -> Vec<Signature> {
    let texts = tag.unwrap_or_default().split_ascii_whitespace().take(MAX_SIGNATURES);
    let read = |text: &str| match Signature::decode(text) {
        Some(bundle) if bundle.is_bundle() => bundle::over_file(bundle.as_bytes()),
        _ => Signature::parse(text.as_bytes()).ok(),
    };
    texts.filter_map(read).collect()
}

/// Who signed the model file of this digest, given the version's tag. Fails like [`TrustRules::check`].
pub fn check(rules: &TrustRules, tag: Option<&str>, sha256: Sha256) -> Result<Vec<Signer>> {
    rules.check(&message(sha256), &signatures(tag))
}

/// Which keys of the rules signed the model file, even if the rules ask for more.
#[must_use]
pub fn signers(rules: &TrustRules, tag: Option<&str>, sha256: Sha256) -> Vec<Signer> {
    rules.signers(&message(sha256), &signatures(tag))
}
