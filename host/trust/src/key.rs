//! Keys: ECDSA on P-256 and Ed25519, as `cosign` and `openssl` write them.

use std::fmt;
use std::path::Path;

use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, ED25519, EcdsaKeyPair, Ed25519KeyPair,
    KeyPair as _, UnparsedPublicKey, VerificationAlgorithm,
};

use crate::pem::{self, Block};
use crate::signature::Signature;
use hydra_base::Sha256;
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::regular_file;
use hydra_base::text::{QUOTED_CHARS, excerpt};

/// The DER of the SubjectPublicKeyInfo (RFC 5480) of a P-256 key up to its uncompressed point of 65 bytes.
const P256_PREFIX: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// The DER of the SubjectPublicKeyInfo (RFC 8410) of an Ed25519 key up to its 32 bytes.
const ED25519_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// The version and the algorithm in PKCS#8 (RFC 5208) around an ECPrivateKey on P-256.
const P256_PKCS8: [u8; 24] = [
    0x02, 0x01, 0x00, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07,
];

/// How to make a key, for hints.
const MAKE_KEY: &str = "make a key: `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out release.key`, and \
                        its public half: `openssl pkey -in release.key -pubout -out release.pub`";

/// The algorithm of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Algorithm {
    /// ECDSA on P-256 with SHA-256.
    EcdsaP256,
    /// Ed25519.
    Ed25519,
}

/// A key that checks signatures.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    algorithm: Algorithm,
    point: Vec<u8>,
    id: Sha256,
}

impl PublicKey {
    /// Reads a key from PEM, as `cosign generate-key-pair` and `openssl pkey -pubout` write it. [`ErrorKind::InvalidKey`] for other
    /// text and for other algorithms.
    pub fn from_pem(text: &str) -> Result<Self> {
        let blocks = pem::blocks(text);
        let [block] = &blocks[..] else {
            let found = if blocks.is_empty() { "no key" } else { "several keys" };
            return Err(invalid(format!("the text has {found} in PEM, and one is needed")));
        };
        match block.label.as_str() {
            "PUBLIC KEY" => Self::from_spki(&block.bytes),
            label if label.ends_with("PRIVATE KEY") => Err(invalid("the key is a private key")
                .with_hint("name the public half: `openssl pkey -in release.key -pubout -out release.pub`")),
            label => {
                Err(invalid(format!("the PEM block is not a public key: `{}`", excerpt(label, QUOTED_CHARS))))
            }
        }
    }

    /// Reads a key from a file, like [`from_pem`](Self::from_pem).
    pub fn read(path: &Path) -> Result<Self> {
        Self::from_pem(&read_text(path)?).map_err(|error| error.with_context("path", path.display()))
    }

    fn from_spki(der: &[u8]) -> Result<Self> {
        let (algorithm, point) = match (der.strip_prefix(&P256_PREFIX), der.strip_prefix(&ED25519_PREFIX)) {
            (Some(point), _) if point.len() == 65 && point[0] == 4 => (Algorithm::EcdsaP256, point),
            (_, Some(point)) if point.len() == 32 => (Algorithm::Ed25519, point),
            _ => {
                return Err(invalid("the key is neither one of ECDSA on P-256 nor one of Ed25519"));
            }
        };
        Ok(Self { algorithm, point: point.to_vec(), id: Sha256::of(der) })
    }

    /// The key's name for programs: the SHA-256 of its SubjectPublicKeyInfo in DER, as
    /// `openssl pkey -pubin -outform DER | sha256sum` computes it.
    #[must_use]
    pub fn id(&self) -> Sha256 {
        self.id
    }

    /// The key in PEM: equal keys are equal texts.
    #[must_use]
    pub fn to_pem(&self) -> String {
        let prefix: &[u8] = match self.algorithm {
            Algorithm::EcdsaP256 => &P256_PREFIX,
            Algorithm::Ed25519 => &ED25519_PREFIX,
        };
        pem::encode("PUBLIC KEY", &[prefix, &self.point].concat())
    }

    /// Whether the holder of the private key signed this message.
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &Signature) -> bool {
        let algorithm: &'static dyn VerificationAlgorithm = match self.algorithm {
            Algorithm::EcdsaP256 => &ECDSA_P256_SHA256_ASN1,
            Algorithm::Ed25519 => &ED25519,
        };
        UnparsedPublicKey::new(algorithm, &self.point).verify(message, signature.as_bytes()).is_ok()
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PublicKey").field(&self.id).finish()
    }
}

/// A key that makes signatures. `Debug` shows its public half only.
pub struct PrivateKey {
    pair: Pair,
    public: PublicKey,
}

enum Pair {
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl PrivateKey {
    /// Reads a key from PEM: PKCS#8, as `openssl genpkey` writes it, or SEC 1, as `openssl ecparam -genkey` does.
    /// [`ErrorKind::InvalidKey`] for other text, other algorithms and keys with a password.
    pub fn from_pem(text: &str) -> Result<Self> {
        let blocks = pem::blocks(text);
        let mut keys = blocks.iter().filter(|block| block.label != "EC PARAMETERS");
        let (Some(Block { label, bytes }), None) = (keys.next(), keys.next()) else {
            return Err(invalid("the text is not one private key in PEM"));
        };
        match label.as_str() {
            "PRIVATE KEY" => Self::from_pkcs8(bytes),
            "EC PRIVATE KEY" => Self::from_pkcs8(&wrapped(bytes)),
            label if label.starts_with("ENCRYPTED") => Err(invalid("the private key has a password").with_hint(
                "sign with the program that made it (`cosign sign --key`, `cosign sign-blob --key`), or use a key without a \
                 password from a secret store",
            )),
            label => {
                Err(invalid(format!("the PEM block is not a private key: `{}`", excerpt(label, QUOTED_CHARS))))
            }
        }
    }

    /// Reads a key from a file, like [`from_pem`](Self::from_pem).
    pub fn read(path: &Path) -> Result<Self> {
        Self::from_pem(&read_text(path)?).map_err(|error| error.with_context("path", path.display()))
    }

    fn from_pkcs8(der: &[u8]) -> Result<Self> {
        let random = SystemRandom::new();
        if let Ok(pair) = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, der, &random) {
            let spki = [&P256_PREFIX, pair.public_key().as_ref()].concat();
            return Ok(Self { pair: Pair::Ecdsa(pair), public: PublicKey::from_spki(&spki)? });
        }
        // The public half is not in the file that openssl writes.
        match Ed25519KeyPair::from_pkcs8_maybe_unchecked(der) {
            Ok(pair) => {
                let spki = [&ED25519_PREFIX, pair.public_key().as_ref()].concat();
                Ok(Self { pair: Pair::Ed25519(pair), public: PublicKey::from_spki(&spki)? })
            }
            Err(_) => Err(invalid(
                "the private key is neither one of ECDSA on P-256 with its public half nor one of Ed25519",
            )),
        }
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Signs a message.
    pub fn sign(&self, message: &[u8]) -> Result<Signature> {
        let bytes = match &self.pair {
            Pair::Ecdsa(pair) => {
                let signed = pair.sign(&SystemRandom::new(), message).map_err(|_| {
                    Error::new(ErrorKind::Internal, "cannot sign: the system gives no random numbers")
                })?;
                signed.as_ref().to_vec()
            }
            Pair::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
        };
        Ok(Signature::new(bytes))
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivateKey").field("public", &self.public).finish_non_exhaustive()
    }
}

/// An ECPrivateKey (SEC 1) on P-256 in PKCS#8. Other content makes other bytes, which are then refused.
fn wrapped(sec1: &[u8]) -> Vec<u8> {
    let octets = [&[0x04][..], &length(sec1.len()), sec1].concat();
    let body = [&P256_PKCS8[..], &octets].concat();
    [&[0x30][..], &length(body.len()), &body].concat()
}

/// A length in DER.
fn length(bytes: usize) -> Vec<u8> {
    match (u8::try_from(bytes), u16::try_from(bytes)) {
        (Ok(short), _) if short < 0x80 => vec![short],
        (Ok(long), _) => vec![0x81, long],
        (_, Ok(longer)) => [&[0x82][..], &longer.to_be_bytes()].concat(),
        // No key on P-256 has that many.
        _ => Vec::new(),
    }
}

/// The most bytes of the file of a key.
const MAX_BYTES: u64 = 64 << 10;

fn read_text(path: &Path) -> Result<String> {
    regular_file::read_text(path, MAX_BYTES, |error| {
        invalid("cannot read the key").with_context("path", path.display()).with_source(error)
    })
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidKey, message).with_hint(MAKE_KEY)
}

#[cfg(test)]
mod tests;
