//! Signatures in files beside the file that they are about: `FILE.sig`, and `FILE.NAME.sig` for those of several keys. They are over
//! the bytes of the file, as `cosign sign-blob` and `openssl dgst -sha256 -sign` make them.

use std::fs;
use std::path::{Path, PathBuf};

use crate::signature::Signature;
use hydra_base::error::{Error, ErrorKind, Result};

/// The ending of the files.
const ENDING: &str = ".sig";

/// The most signatures beside a file that are read; the first ones by name.
const MAX_SIGNATURES: usize = 32;

/// Where the signature beside a file goes, if no other place is named.
#[must_use]
pub fn path_of(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(ENDING);
    name.into()
}

/// The signatures beside a file, by name.
pub fn beside(file: &Path) -> Result<Vec<Signature>> {
    let unreadable = |error| {
        Error::new(ErrorKind::InvalidSignature, "cannot look for signatures beside the file")
            .with_context("path", file.display())
            .with_source(error)
    };
    let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let Some(name) = file.file_name().map(|name| name.to_string_lossy().into_owned()) else {
        return Ok(Vec::new());
    };
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?.file_name();
        let is_of_it = |entry: &str| {
            entry.strip_prefix(&name).is_some_and(|rest| rest.starts_with('.') && rest.ends_with(ENDING))
        };
        if is_of_it(&entry.to_string_lossy()) {
            found.push(directory.join(entry));
        }
    }
    found.sort();
    found.iter().take(MAX_SIGNATURES).map(|path| Signature::read(path)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signatures_of_a_file_have_its_name_and_an_ending() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("gate.wasm");
        for (name, content) in [
            ("gate.wasm", "component"),
            ("gate.wasm.sig", "AQ=="),
            ("gate.wasm.review.sig", "Ag=="),
            ("gate.wasm.sig.txt", "Aw=="),
            ("gate.wasmish.sig", "BA=="),
            ("other.wasm.sig", "BQ=="),
        ] {
            fs::write(home.path().join(name), content).unwrap();
        }
        let found = beside(&file).unwrap();
        assert_eq!(found.iter().map(Signature::as_bytes).collect::<Vec<_>>(), [[2], [1]]);
        assert_eq!(path_of(&file), home.path().join("gate.wasm.sig"));
        fs::write(home.path().join("gate.wasm.sig"), "").unwrap();
        assert_eq!(beside(&file).unwrap_err().kind(), ErrorKind::InvalidSignature);
    }
}
