//! Identities without keys: a subject that an issuer vouches for, as in Sigstore (<https://www.sigstore.dev>).
//!
//! A signature is a bundle. It counts if its certificate is by an authority of the trust root for this subject and issuer, was valid
//! when a log or a time stamp saw the signature, and is in a log of certificates, if the signature is in a transparency log by a
//! proof of inclusion and a signed tree head, and if it is over the message. Everything comes from the bundle and the trust root:
//! no request is sent. The feature `keyless` has this; without it, rules that name an identity are refused.

use std::path::Path;

use crate::signature::Signature;
use hydra_base::Sha256;
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::regular_file;

/// The most bytes of an issuer and of a subject.
const MAX_NAME_BYTES: usize = 1024;

/// The most bytes of the file of a trust root.
const MAX_ROOT_BYTES: u64 = 1 << 20;

/// A subject that an issuer vouches for.
#[derive(Debug, Clone)]
pub struct Identity {
    issuer: String,
    subject: String,
    checker: checker::Checker,
}

impl Identity {
    /// An identity, by the trust root in a file or in the text itself, or by the one of Sigstore's public instance that the build
    /// has. [`ErrorKind::InvalidTrust`] for names that no certificate has, for a root that cannot be used, and without the feature.
    pub(crate) fn load(issuer: &str, subject: &str, root: Option<&str>) -> Result<Self> {
        for (what, name) in [("issuer", issuer), ("subject", subject)] {
            // Both are URIs or addresses, and they stand in lines of reports.
            let is_plain = name.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"\\".contains(&byte));
            if name.is_empty() || name.len() > MAX_NAME_BYTES || !is_plain {
                let message = format!("the {what} is not 1 to {MAX_NAME_BYTES} visible ASCII characters");
                return Err(Error::new(ErrorKind::InvalidTrust, message).with_context(what, name));
            }
        }
        let root = root.map(read_root).transpose()?;
        let checker = checker::Checker::new(issuer, subject, root.as_deref())?;
        Ok(Self { issuer: issuer.to_owned(), subject: subject.to_owned(), checker })
    }

    /// Who vouches for the subject, such as `https://token.actions.githubusercontent.com`.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The alternative name in the certificate, such as an address or the URI of a workflow.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// The identity's name for programs: the SHA-256 of the issuer, a line feed, the subject and a line feed, as
    /// `printf '%s\n' ISSUER SUBJECT | sha256sum` computes it.
    #[must_use]
    pub fn id(&self) -> Sha256 {
        Sha256::of(format!("{}\n{}\n", self.issuer, self.subject).as_bytes())
    }

    /// Checks that the signature is by this identity over this message. The error is the reason why not.
    pub(crate) fn verify(&self, message: &[u8], signature: &Signature) -> std::result::Result<(), String> {
        if signature.is_bundle() {
            self.checker.verify(message, signature.as_bytes())
        } else {
            Err("the signature has no certificate".to_owned())
        }
    }
}

/// Whether the text is a trust root itself: it is then not taken for a path.
pub(crate) fn is_root(text: &str) -> bool {
    text.trim_start().starts_with('{')
}

/// A trust root in its canonical form: equal roots are equal texts.
pub(crate) fn read_root(root: &str) -> Result<String> {
    let invalid = || {
        Error::new(ErrorKind::InvalidTrust, "the trust root cannot be read").with_hint(
            "name a `trusted_root.json`, as `cosign trusted-root create` writes it, or leave it out for that of sigstore.dev",
        )
    };
    let text = if is_root(root) {
        root.to_owned()
    } else {
        regular_file::read_text(Path::new(root), MAX_ROOT_BYTES, |error| {
            invalid().with_context("path", root).with_source(error)
        })?
    };
    let value: serde_json::Value =
        serde_json::from_str(&text).map_err(|error| invalid().with_source(error))?;
    serde_json::to_string(&value).map_err(|error| invalid().with_source(error))
}

#[cfg(feature = "keyless")]
mod checker {
    use std::fmt;
    use std::sync::Arc;

    use sigstore_verify::trust_root::{SIGSTORE_PRODUCTION_TRUSTED_ROOT, TrustedRoot};
    use sigstore_verify::types::{Bundle, Sha256Hash};
    use sigstore_verify::{VerificationPolicy, Verifier};

    use crate::bundle;
    use hydra_base::error::{Error, ErrorKind, Result};
    use hydra_base::text::excerpt;

    /// The most characters of a reason.
    const MAX_REASON_CHARS: usize = 300;

    #[derive(Clone)]
    pub(super) struct Checker {
        verifier: Arc<Verifier>,
        policy: VerificationPolicy,
    }

    impl Checker {
        pub(super) fn new(issuer: &str, subject: &str, root: Option<&str>) -> Result<Self> {
            let invalid = |reason: &dyn fmt::Display| {
                Error::new(ErrorKind::InvalidTrust, "the trust root cannot be used")
                    .with_context("reason", excerpt(reason.to_string(), MAX_REASON_CHARS))
            };
            let root = TrustedRoot::from_json(root.unwrap_or(SIGSTORE_PRODUCTION_TRUSTED_ROOT));
            let verifier = Verifier::new(&root.map_err(|error| invalid(&error))?);
            let verifier = Arc::new(verifier.map_err(|error| invalid(&error))?);
            Ok(Self { verifier, policy: VerificationPolicy::new(subject, issuer) })
        }

        pub(super) fn verify(&self, message: &[u8], bytes: &[u8]) -> std::result::Result<(), String> {
            let reason = |error: &dyn fmt::Display| excerpt(error.to_string(), MAX_REASON_CHARS);
            let text = std::str::from_utf8(bytes).map_err(|error| reason(&error))?;
            let bundle = Bundle::from_json(text).map_err(|error| reason(&error))?;
            let verified = if let Some(subject) = bundle::subject(message) {
                // The envelope that is verified must be the one whose statement is about the artifact.
                if !bundle::over_statement(bytes).iter().any(|signed| signed.payload == message) {
                    return Err("the bundle is over another statement".to_owned());
                }
                let digest = Sha256Hash::from_hex(&subject.to_string()).map_err(|error| reason(&error))?;
                self.verifier.verify(digest, &bundle, &self.policy)
            } else {
                if bundle::over_file(bytes).is_none() {
                    return Err("the bundle is not over the bytes of a file".to_owned());
                }
                self.verifier.verify(message, &bundle, &self.policy)
            };
            let verified = verified.map_err(|error| reason(&error))?;
            let is_whole = verified.certificate_verified()
                && verified.sct_verified()
                && verified.tlog_verified()
                && verified.identity_policy_checked();
            is_whole.then_some(()).ok_or_else(|| "not everything in the bundle was verified".to_owned())
        }
    }

    impl fmt::Debug for Checker {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.debug_struct("Checker").finish_non_exhaustive()
        }
    }
}

#[cfg(not(feature = "keyless"))]
mod checker {
    use hydra_base::error::{Error, ErrorKind, Result};

    /// There is none: this build checks keys only.
    #[derive(Debug, Clone)]
    pub(super) enum Checker {}

    impl Checker {
        pub(super) fn new(_: &str, _: &str, _: Option<&str>) -> Result<Self> {
            let message = "the trust rules name an issuer and a subject, which this build does not check";
            Err(Error::new(ErrorKind::InvalidTrust, message).with_context("feature", "keyless").with_hint(
                "use a build with the feature: `cargo build --release --features keyless`, or name keys",
            ))
        }

        pub(super) fn verify(&self, _: &[u8], _: &[u8]) -> std::result::Result<(), String> {
            match *self {}
        }
    }
}

#[cfg(test)]
mod tests;
