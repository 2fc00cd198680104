//! Paths in the repository.

use std::path::{Path, PathBuf};

/// The repository's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the repository").to_path_buf()
}

/// The git-ignored directory into which set-up installs everything.
pub fn tools() -> PathBuf {
    root().join(".tools")
}

/// The pinned requirements of one environment.
pub fn requirements(name: &str) -> PathBuf {
    root().join("xtask/requirements").join(format!("{name}.txt"))
}
