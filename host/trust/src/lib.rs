//! Where policies come from and who signed them.
//!
//! [`rules`] says which keys and identities must have signed, [`key`] and [`signature`] make and check signatures, [`detached`] finds those
//! beside a file, [`model`] those of a registered version, and [`oci`], with the feature of that name, those in an OCI registry,
//! from which it also fetches components. A [`Proof`] keeps the signatures of a component apart from where they were found.
//!
//! Signatures are those of `openssl` and `cosign`: ECDSA on P-256 over the SHA-256 of a message, or Ed25519 over the message. The
//! message is the file itself, or for an artifact in a registry the payload that `cosign sign` signs. With the feature `keyless`,
//! bundles of Sigstore count by the identity in their certificate.

mod bundle;
pub mod detached;
pub mod key;
mod keyless;
pub mod model;
#[cfg(feature = "oci")]
pub mod oci;
mod pem;
mod proof;
pub mod rules;
pub mod signature;
pub mod simple_signing;

pub use key::{PrivateKey, PublicKey};
pub use keyless::Identity;
pub use proof::Proof;
pub use rules::{Signatory, Signer, TrustConfig, TrustRules};
pub use signature::Signature;
