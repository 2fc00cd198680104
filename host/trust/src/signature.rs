//! Signatures.

use std::fmt;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::regular_file;

/// The most bytes of a signature in a file or a tag, which is an ECDSA signature in base64 many times over.
pub const MAX_BYTES: usize = 4096;

/// A signature: ASN.1 DER of ECDSA, the 64 bytes of Ed25519, or a bundle of Sigstore with a certificate.
#[derive(Clone, PartialEq, Eq)]
pub struct Signature(Vec<u8>);

impl Signature {
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// Reads a signature as it is in a file: base64, as `cosign sign-blob` writes it, or the bytes themselves, as
    /// `openssl dgst -sign` does. [`ErrorKind::InvalidSignature`] for what is empty or longer than any signature.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        if bytes.is_empty() || bytes.len() > MAX_BYTES {
            let message = format!("a signature of {} bytes is not one of ECDSA or Ed25519", bytes.len());
            return Err(Error::new(ErrorKind::InvalidSignature, message));
        }
        let text =
            std::str::from_utf8(bytes).ok().map(|text| text.split_ascii_whitespace().collect::<String>());
        let decoded = text.and_then(|text| STANDARD.decode(text).ok()).filter(|decoded| !decoded.is_empty());
        Ok(Self(decoded.unwrap_or_else(|| bytes.to_vec())))
    }

    /// Reads the signature in a file, like [`parse`](Self::parse).
    pub fn read(path: &Path) -> Result<Self> {
        let unreadable = |error| {
            Error::new(ErrorKind::InvalidSignature, "cannot read the signature")
                .with_context("path", path.display())
                .with_source(error)
        };
        let file = regular_file::open(path, unreadable)?;
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut std::io::Read::take(file, MAX_BYTES as u64 + 1), &mut bytes)
            .map_err(unreadable)?;
        Self::parse(&bytes).map_err(|error| error.with_context("path", path.display()))
    }

    /// The signature in base64, of any length, as [`Display`](fmt::Display) writes it.
    pub(crate) fn decode(text: &str) -> Option<Self> {
        STANDARD.decode(text).ok().filter(|bytes| !bytes.is_empty()).map(Self)
    }

    /// Whether it is a bundle, which is a JSON object. No signature in DER begins like that, and none of Ed25519 is as long.
    pub(crate) fn is_bundle(&self) -> bool {
        self.0.len() > 64 && self.0.first() == Some(&b'{')
    }

    /// The bytes, as `openssl dgst -verify` reads them.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Base64, as `cosign verify-blob` reads it.
impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(&self.0))
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_read_as_cosign_and_as_openssl_write_them() {
        let der = [0x30, 0x06, 0x02, 0x01, 0xff, 0x02, 0x01, 0x01];
        let signature = Signature::parse(&der).unwrap();
        assert_eq!(signature.as_bytes(), der);
        for written in [signature.to_string(), format!("{signature}\n"), "MAYC\r\nAf8CAQE=".to_owned()] {
            assert_eq!(Signature::parse(written.as_bytes()).unwrap(), signature, "{written}");
        }
        for bad in [vec![], vec![b'A'; MAX_BYTES + 1]] {
            assert_eq!(Signature::parse(&bad).unwrap_err().kind(), ErrorKind::InvalidSignature);
        }
    }
}
