use super::*;
use crate::key::PrivateKey;
use crate::pem::encode as pem;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use std::path::Path;

const MESSAGE: &[u8] = b"a component";

/// A private key with the PEM of its public half.
fn key() -> (PrivateKey, String) {
    let random = SystemRandom::new();
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8.as_ref(), &random).unwrap();
    let prefix = "3059301306072a8648ce3d020106082a8648ce3d030107034200";
    (
        PrivateKey::from_pem(&pem("PRIVATE KEY", pkcs8.as_ref())).unwrap(),
        public(prefix, pair.public_key().as_ref()),
    )
}

fn ed25519() -> (PrivateKey, String) {
    let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
    let pair = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap();
    let prefix = "302a300506032b6570032100";
    (
        PrivateKey::from_pem(&pem("PRIVATE KEY", pkcs8.as_ref())).unwrap(),
        public(prefix, pair.public_key().as_ref()),
    )
}

fn public(prefix: &str, point: &[u8]) -> String {
    let prefix = prefix
        .as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap());
    pem("PUBLIC KEY", &prefix.chain(point.iter().copied()).collect::<Vec<_>>())
}

fn named(pem: &str, name: &str) -> KeyConfig {
    KeyConfig { name: Some(name.to_owned()), ..KeyConfig::new(pem) }
}

fn any_of(minimum: usize, signatures: Vec<KeyConfig>) -> TrustConfig {
    TrustConfig { all_of: Vec::new(), any_of: Some(AnyOfConfig { minimum, signatures }) }
}

fn refusal(rules: &TrustConfig, signatures: &[Signature]) -> ErrorKind {
    rules.load().unwrap().check(MESSAGE, signatures).unwrap_err().kind()
}

#[test]
fn all_keys_of_all_of_and_enough_of_any_of_must_have_signed() {
    let ((ann, ann_pem), (bob, bob_pem), (cy, cy_pem)) = (key(), ed25519(), key());
    let [by_ann, by_bob, by_cy] = [&ann, &bob, &cy].map(|key| key.sign(MESSAGE).unwrap());
    let mut rules = any_of(1, vec![named(&bob_pem, "bob"), named(&cy_pem, "cy")]);
    rules.all_of = vec![named(&ann_pem, "ann")];
    let loaded = rules.load().unwrap();
    let signers = loaded.check(MESSAGE, &[by_cy.clone(), by_ann.clone()]).unwrap();
    assert_eq!(signers.iter().map(|signer| signer.identity.as_str()).collect::<Vec<_>>(), ["ann", "cy"]);
    assert_eq!(signers[0].key, ann.public().id());
    assert_eq!(refusal(&rules, &[]), ErrorKind::SignatureNotFound);
    assert_eq!(refusal(&rules, std::slice::from_ref(&by_ann)), ErrorKind::SignersMissing);
    assert_eq!(refusal(&rules, &[by_bob.clone(), by_cy.clone()]), ErrorKind::SignersMissing);
    // A signature over other content is not one over this.
    let elsewhere = bob.sign(b"another").unwrap();
    assert_eq!(refusal(&rules, std::slice::from_ref(&elsewhere)), ErrorKind::UntrustedSigner);
    let two = any_of(2, vec![named(&bob_pem, "bob"), named(&cy_pem, "cy"), named(&ann_pem, "ann")]);
    // The same signature twice is that of one key.
    assert_eq!(refusal(&two, &[by_bob.clone(), by_bob.clone()]), ErrorKind::SignersMissing);
    assert_eq!(two.load().unwrap().check(MESSAGE, &[by_bob, by_cy]).unwrap().len(), 2);
    assert_eq!(loaded.signers(MESSAGE, &[by_ann]).len(), 1);
}

#[test]
fn a_foreign_and_an_expired_key_are_told_apart() {
    let ((ann, ann_pem), (mallory, _)) = (key(), key());
    let signed = |by: &PrivateKey| [by.sign(MESSAGE).unwrap()];
    let until = |end: &str| {
        let key = KeyConfig { expires: Some(end.to_owned()), ..named(&ann_pem, "ann") };
        TrustConfig::all_of([key])
    };
    assert_eq!(refusal(&until("2999-01-01"), &signed(&mallory)), ErrorKind::UntrustedSigner);
    assert_eq!(refusal(&until("2020-01-01"), &signed(&mallory)), ErrorKind::UntrustedSigner);
    assert_eq!(refusal(&until("2020-01-01"), &signed(&ann)), ErrorKind::ExpiredKey);
    assert_eq!(refusal(&until("2020-01-01T00:00:00Z"), &signed(&ann)), ErrorKind::ExpiredKey);
    let expired = until("2020-01-01").load().unwrap();
    assert_eq!(expired.signers(MESSAGE, &signed(&ann)), []);
    assert!(until("2999-01-01").load().unwrap().check(MESSAGE, &signed(&ann)).is_ok());
    // The day itself belongs to the validity.
    assert_eq!(end_of_validity("2027-06-30").unwrap(), end_of_validity("2027-07-01T00:00:00Z").unwrap());
}

#[test]
fn rules_that_cannot_be_meant_are_refused() {
    let ((_, pem), (_, other)) = (key(), key());
    let one = || named(&pem, "ann");
    let both = |all: KeyConfig, any: KeyConfig| TrustConfig { all_of: vec![all], ..any_of(1, vec![any]) };
    let long = named(&pem, &"n".repeat(65));
    let never = KeyConfig { expires: Some("soon".to_owned()), ..one() };
    for rules in [
        TrustConfig::default(),
        any_of(1, vec![]),
        any_of(0, vec![one()]),
        any_of(2, vec![one()]),
        any_of(2, vec![one(), named(&pem, "another name")]),
        TrustConfig::all_of([one(), one()]),
        both(one(), named(&pem, "another name")),
        both(one(), named(&other, "ann")),
        TrustConfig::all_of([one(), named(&other, "ann")]),
        TrustConfig::all_of([long]),
        TrustConfig::all_of([never]),
    ] {
        assert_eq!(rules.load().unwrap_err().kind(), ErrorKind::InvalidTrust, "{rules:?}");
    }
    let missing = TrustConfig::all_of([KeyConfig::new("no/such.pub")]);
    assert_eq!(missing.load().unwrap_err().kind(), ErrorKind::InvalidKey);
    assert!(toml::from_str::<TrustConfig>("all_of = []").is_err());
    assert!(toml::from_str::<TrustConfig>("all-of = [{ pub-key = 'k', certificate = 'c' }]").is_err());
    let config: TrustConfig = toml::from_str("any-of = { signatures = [{ pub-key = 'k' }] }").unwrap();
    let resolved = config.resolved(Path::new("/project")).any_of.unwrap();
    assert_eq!((resolved.minimum, resolved.signatures[0].pub_key.as_str()), (1, "/project/k"));
}
