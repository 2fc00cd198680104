//! Who signs: the holder of a key, or an identity without a key.

use crate::key::PublicKey;
use crate::keyless::Identity;
use crate::signature::Signature;
use hydra_base::Sha256;

/// A key or an identity that trust rules name.
#[derive(Debug, Clone)]
#[expect(clippy::exhaustive_enums, reason = "signatures are by a key or without one")]
pub enum Signatory {
    /// The holder of the private half of a key.
    Key(PublicKey),
    /// A subject that an issuer vouches for.
    Identity(Identity),
}

impl Signatory {
    /// Its name for programs: the [id of the key](PublicKey::id), or [of the identity](Identity::id).
    #[must_use]
    pub fn id(&self) -> Sha256 {
        match self {
            Self::Key(key) => key.id(),
            Self::Identity(identity) => identity.id(),
        }
    }

    /// Whether it signed this message.
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &Signature) -> bool {
        match self {
            Self::Key(key) => key.verifies(message, signature),
            Self::Identity(identity) => identity.verify(message, signature).is_ok(),
        }
    }

    /// Why a signature is not one of this identity over this message; none for a key.
    pub(crate) fn flaw(&self, message: &[u8], signature: &Signature) -> Option<String> {
        match self {
            Self::Key(_) => None,
            Self::Identity(identity) => identity.verify(message, signature).err(),
        }
    }

    /// It as a signer, with the name that the rules give it.
    pub(crate) fn signer(&self, name: &str) -> Signer {
        match self {
            Self::Key(key) => Signer { identity: name.to_owned(), key: key.id(), issuer: None },
            Self::Identity(identity) => Signer {
                identity: identity.subject().to_owned(),
                key: identity.id(),
                issuer: Some(identity.issuer().to_owned()),
            },
        }
    }
}

/// Who signed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[expect(clippy::exhaustive_structs, reason = "a signer has a name, an id and, without a key, an issuer")]
pub struct Signer {
    /// The name that the rules give the key, or else its id; the subject of a keyless identity.
    pub identity: String,
    /// The [id](Signatory::id) of the key or of the identity.
    pub key: Sha256,
    /// The issuer of a keyless identity; none for a key.
    pub issuer: Option<String>,
}

impl Signer {
    /// The holder of this key, by its id.
    #[must_use]
    pub fn of_key(key: Sha256) -> Self {
        Self { identity: key.to_string(), key, issuer: None }
    }

    /// What a ledger records: the id of a key; of an identity its subject with the issuer, or its id if that has more than
    /// `most` bytes.
    #[must_use]
    pub fn recorded(&self, most: usize) -> String {
        let named = self.issuer.as_ref().map(|issuer| format!("{} ({issuer})", self.identity));
        named.filter(|text| text.len() <= most).unwrap_or_else(|| self.key.to_string())
    }
}
