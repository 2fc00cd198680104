//! A model file on its way into the registry: validated, measured and hashed before anything is written.

use std::fs::File;
use std::io::{BufReader, Read, Write};
use std::path::{Path, PathBuf};

use hydra_base::blocking;
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::sha256::{Hasher, Sha256};
use hydra_lightgbm::text::{self, Limits};
use hydra_mlflow::flavor::Signature;

/// Where the bytes of a model come from.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum ModelSource {
    /// A LightGBM text model file; it is validated and streamed, never held in memory as a whole. A path that is not a
    /// regular file, such as a pipe, is read once.
    File(PathBuf),
    /// A LightGBM text model on the standard input, read once.
    Stdin,
    /// The text of a LightGBM model.
    Text(String),
}

impl From<PathBuf> for ModelSource {
    fn from(path: PathBuf) -> Self {
        Self::File(path)
    }
}

impl From<&Path> for ModelSource {
    fn from(path: &Path) -> Self {
        Self::File(path.to_path_buf())
    }
}

/// A validated LightGBM text model in a local file.
#[derive(Debug)]
pub struct ModelFile {
    /// The size in bytes.
    pub size: u64,
    /// The SHA-256 of the bytes.
    pub sha256: Sha256,
    features: Vec<String>,
    outputs: usize,
    has_categories: bool,
    origin: Origin,
}

#[derive(Debug)]
enum Origin {
    /// The caller's file.
    File(PathBuf),
    /// A private file that goes away with this value.
    Temporary(tempfile::NamedTempFile),
}

impl ModelFile {
    /// Reads, validates and hashes the model of a candidate. `InvalidModel` names tree, key and line of what is wrong.
    pub async fn open(source: &ModelSource) -> Result<Self> {
        let source = source.clone();
        blocking(move || match source {
            ModelSource::File(path) => Self::from_file(&path),
            ModelSource::Text(text) => Self::copied(text.as_bytes()),
            ModelSource::Stdin => Self::copied(std::io::stdin().lock()),
        })
        .await
    }

    /// Where the bytes are.
    #[must_use]
    pub fn path(&self) -> &Path {
        match &self.origin {
            Origin::File(path) => path,
            Origin::Temporary(file) => file.path(),
        }
    }

    /// The signature of the model's predictions, from its feature names. A model of pandas categories has none: Python would
    /// refuse the categories as rows that are not numbers.
    #[must_use]
    pub fn signature(&self) -> Option<Signature> {
        (!self.has_categories).then(|| Signature::of_booster(&self.features, self.outputs))
    }

    fn from_file(path: &Path) -> Result<Self> {
        let unreadable =
            |source| Error::new(ErrorKind::Storage, "cannot read the model file").with_source(source);
        let open = || -> Result<Self> {
            let file = File::open(path).map_err(unreadable)?;
            if file.metadata().map_err(unreadable)?.is_file() {
                Self::checked(file, Origin::File(path.to_path_buf()))
            } else {
                Self::copied(file)
            }
        };
        open().map_err(|error| error.with_context("path", path.display()))
    }

    /// A copy in a file of our own of what can be read but once, such as a pipe.
    fn copied(bytes: impl Read) -> Result<Self> {
        let failed = |source: std::io::Error| {
            Error::new(ErrorKind::Storage, "cannot write a temporary file for the model").with_source(source)
        };
        let file = tempfile::NamedTempFile::new().map_err(failed)?;
        let copy = file.reopen().map_err(failed)?;
        Self::checked(Tee { inner: bytes, copy }, Origin::Temporary(file))
    }

    /// One pass over the bytes: hashed and validated on the way, never held as a whole.
    fn checked(bytes: impl Read, origin: Origin) -> Result<Self> {
        let mut hasher = Hasher::default();
        let tee = Tee { inner: bytes, copy: &mut hasher };
        let summary = text::check(BufReader::with_capacity(1 << 16, tee), &Limits::default())?;
        Ok(Self {
            size: summary.bytes,
            sha256: hasher.finish(),
            features: summary.feature_names,
            outputs: summary.num_outputs,
            has_categories: summary.has_categories,
            origin,
        })
    }
}

/// Writes elsewhere, too, what is read through it.
struct Tee<R, W> {
    inner: R,
    copy: W,
}

impl<R: Read, W: Write> Read for Tee<R, W> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.copy.write_all(&buffer[..read])?;
        Ok(read)
    }
}
