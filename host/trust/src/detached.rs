//! Signatures in files beside the file that they are about: `FILE.sig`, and `FILE.NAME.sig` for those of several keys. They are over
//! the bytes of the file, as `cosign sign-blob` and `openssl dgst -sha256 -sign` make them. `FILE.sigstore.json` and
//! `FILE.NAME.sigstore.json` are bundles, which `cosign sign-blob --bundle` writes.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use crate::bundle;
use crate::signature::Signature;
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::regular_file;

/// The ending of files with a signature.
const ENDING: &str = ".sig";

/// The ending of bundles.
const BUNDLE_ENDING: &str = ".sigstore.json";

/// The most bytes of a bundle.
const MAX_BUNDLE_BYTES: u64 = 256 << 10;

/// The most signatures beside a file.
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
            let rest = entry.strip_prefix(&name).filter(|rest| rest.starts_with('.'));
            rest.is_some_and(|rest| rest.ends_with(ENDING) || rest.ends_with(BUNDLE_ENDING))
        };
        if is_of_it(&entry.to_string_lossy()) {
            found.push(directory.join(entry));
        }
    }
    if found.len() > MAX_SIGNATURES {
        let message = format!("more than {MAX_SIGNATURES} files beside the file look like its signatures");
        return Err(Error::new(ErrorKind::InvalidSignature, message).with_context("path", file.display()));
    }
    found.sort();
    found.iter().map(|path| read(path)).collect()
}

fn read(path: &Path) -> Result<Signature> {
    if !path.to_string_lossy().ends_with(BUNDLE_ENDING) {
        return Signature::read(path);
    }
    let invalid = |message: &str| {
        Error::new(ErrorKind::InvalidSignature, message.to_owned()).with_context("path", path.display())
    };
    let unreadable = |error| invalid("cannot read the bundle").with_source(error);
    let file = regular_file::open(path, unreadable)?;
    let mut bytes = Vec::new();
    file.take(MAX_BUNDLE_BYTES).read_to_end(&mut bytes).map_err(unreadable)?;
    bundle::over_file(&bytes).ok_or_else(|| invalid("the file is not a bundle with a signature over a file"))
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
        let bundle = home.path().join("gate.wasm.sigstore.json");
        fs::write(&bundle, r#"{"messageSignature": {"signature": "Bg=="}}"#).unwrap();
        assert_eq!(beside(&file).unwrap().len(), 3);
        fs::write(&bundle, "{}").unwrap();
        assert_eq!(beside(&file).unwrap_err().kind(), ErrorKind::InvalidSignature);
        fs::remove_file(&bundle).unwrap();
        fs::write(home.path().join("gate.wasm.sig"), "").unwrap();
        assert_eq!(beside(&file).unwrap_err().kind(), ErrorKind::InvalidSignature);
        fs::write(home.path().join("gate.wasm.sig"), "AQ==").unwrap();
        for index in 0..MAX_SIGNATURES - 2 {
            fs::write(home.path().join(format!("gate.wasm.{index}.sig")), "AQ==").unwrap();
        }
        assert_eq!(beside(&file).unwrap().len(), MAX_SIGNATURES);
        fs::write(home.path().join("gate.wasm.more.sig"), "AQ==").unwrap();
        assert_eq!(beside(&file).unwrap_err().kind(), ErrorKind::InvalidSignature);
    }
}
