//! Bearer tokens from a file, which is read again when it changes.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use arc_swap::ArcSwap;
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;

use hydra_base::Sha256;
use hydra_base::error::{Error, ErrorKind, Result};

use crate::reload::{FromFiles, Stamp};

/// The tokens that requests may have.
#[derive(Debug)]
pub(crate) struct Tokens {
    path: PathBuf,
    /// The digests: comparing those of two tokens takes no longer if the tokens begin alike.
    digests: ArcSwap<HashSet<Sha256>>,
}

impl Tokens {
    /// Reads a file of tokens, one on a line. Empty lines and those that begin with `#` are left out.
    ///
    /// [`ErrorKind::InvalidTokens`] if the file cannot be read or has no token.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        Ok(Self { path: path.to_owned(), digests: ArcSwap::from_pointee(digests(path)?) })
    }

    /// Whether the request has one of the tokens.
    pub(crate) fn admit(&self, headers: &HeaderMap) -> bool {
        let given = headers.get(AUTHORIZATION).and_then(|value| bearer(value.as_bytes()));
        given.is_some_and(|token| self.digests.load().contains(&Sha256::of(token)))
    }
}

impl FromFiles for Tokens {
    const WHAT: &'static str = "the file of tokens";

    fn reload(&self) -> Result<()> {
        self.digests.store(digests(&self.path)?.into());
        Ok(())
    }

    fn stamp(&self) -> Stamp {
        Stamp::of(&[&self.path])
    }
}

/// The token of `Bearer TOKEN`, whose first word is in any case.
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}

fn digests(path: &Path) -> Result<HashSet<Sha256>> {
    let failed =
        |message: &str| Error::new(ErrorKind::InvalidTokens, message).with_context("path", path.display());
    let text = std::fs::read_to_string(path)
        .map_err(|source| failed("cannot read the file of tokens").with_source(source))?;
    let tokens = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let digests: HashSet<Sha256> = tokens.map(|token| Sha256::of(token.as_bytes())).collect();
    if digests.is_empty() {
        return Err(failed("the file of tokens has no token").with_hint("write one token on each line"));
    }
    Ok(digests)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_needs_one_of_the_tokens_of_the_file() {
        let home = tempfile::tempdir().expect("a directory");
        let path = home.path().join("tokens");
        assert_eq!(Tokens::read(&path).expect_err("no file").kind(), ErrorKind::InvalidTokens);
        std::fs::write(&path, "# none\n\n").expect("a file");
        assert_eq!(Tokens::read(&path).expect_err("no token").kind(), ErrorKind::InvalidTokens);
        std::fs::write(&path, "# of the web shop\n s3cret \nother\n").expect("a file");
        let tokens = Tokens::read(&path).expect("tokens");
        let admits = |value: &str| {
            tokens.admit(&HeaderMap::from_iter([(AUTHORIZATION, value.parse().expect("a header"))]))
        };
        assert!(admits("Bearer s3cret") && admits("bearer other"));
        for wrong in ["Bearer s3cre", "Bearer ", "Basic s3cret", "s3cret", "Bearer # of the web shop", "é"] {
            assert!(!admits(wrong), "{wrong}");
        }
        assert!(!tokens.admit(&HeaderMap::new()));
        std::fs::write(&path, "new\n").expect("a file");
        tokens.reload().expect("read again");
        assert!(admits("Bearer new") && !admits("Bearer other"));
        std::fs::write(&path, "").expect("a file");
        tokens.reload().expect_err("no token");
        assert!(admits("Bearer new"));
    }
}
