//! Where the file of a model is, if a directory was given.

use std::path::{Path, PathBuf};

use hydra_base::text::listed;
use hydra_base::{Error, ErrorKind, Result};

/// The file of a model at a path: the path, or the only file of a directory, as SynapseML's `saveNativeModel` writes it. Files whose
/// names start with `.` or `_` do not count.
///
/// [`ErrorKind::UnsupportedModel`] for other directories, with the files that may be meant.
pub fn model_file(path: &Path) -> Result<PathBuf> {
    if !path.is_dir() {
        return Ok(path.to_path_buf());
    }
    let failed =
        |source| Error::new(ErrorKind::Storage, "cannot list the directory of the model").with_source(source);
    let entries = std::fs::read_dir(path).and_then(|entries| entries.collect::<std::io::Result<Vec<_>>>());
    let mut files: Vec<PathBuf> =
        entries.map_err(failed)?.iter().map(std::fs::DirEntry::path).filter(|path| path.is_file()).collect();
    files.retain(|file| {
        let name = file.file_name().unwrap_or_default().as_encoded_bytes();
        !name.starts_with(b".") && !name.starts_with(b"_")
    });
    files.sort();
    if let [only] = files.as_slice() {
        return Ok(only.clone());
    }
    let names: Vec<String> = files
        .iter()
        .filter(|file| !file.ends_with("MLmodel"))
        .filter(|file| {
            file.extension().is_none_or(|ending| !["yaml", "yml"].iter().any(|other| ending == *other))
        })
        .filter(|file| !file.ends_with("requirements.txt"))
        .map(|file| file.display().to_string())
        .collect();
    let error = Error::new(ErrorKind::UnsupportedModel, "the path is a directory, not the file of a model");
    Err(match names.as_slice() {
        [] => error.with_hint("name the file of the model"),
        names => error.with_hint(format!("name the file of the model: {}", listed(names))),
    })
}
