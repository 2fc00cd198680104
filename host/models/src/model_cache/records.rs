//! What was found out about versions with a digest, beside their models: `verdicts/<key>` holds one [`Record`] as JSON.

use std::fs;
use std::io;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::{CONTENTS, ModelCache, read_small};
use crate::facts::Facts;
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::private_dir::{self, write_whole};
use hydra_lightgbm::loaded::ModelLimits;
use hydra_mlflow::entities::ModelVersion;

/// The directory.
const DIRECTORY: &str = "verdicts";

/// The release of the reader, and the limits that it has been given. Another one may read what this one refuses, and refuse what this
/// one reads.
fn reader() -> String {
    let limits = ModelLimits::default().changed();
    let release = env!("CARGO_PKG_VERSION");
    if limits.is_empty() { release.to_owned() } else { format!("{release} {limits}") }
}

/// The most bytes of a record: those of a model of a hundred thousand long-named columns.
const MAX_BYTES: u64 = 16 << 20;

/// The most records; the oldest go first.
const MAX_RECORDS: usize = 1_000;

/// What is known about the files of a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// The artifact URI of the directory.
    pub root: String,
    /// What the store said of `MLmodel`.
    pub mlmodel: FileState,
    /// The path of the model file in the directory.
    pub data_file: String,
    /// What the store said of the model file.
    pub model: FileState,
    /// The verdict on these files.
    pub verdict: Verdict,
}

impl Record {
    /// Whether the store has stamps of the files, so that a listing shows each change.
    pub(crate) fn shows_each_change(&self) -> bool {
        self.mlmodel.stamp.is_some() && self.model.stamp.is_some()
    }
}

/// What a store says of a file without reading it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileState {
    /// Its size.
    pub bytes: u64,
    /// What differs after each change, if the store says anything of that kind.
    pub stamp: Option<String>,
}

/// Whether a reader can load a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Verdict {
    Loadable(Box<Facts>),
    Unloadable(Why),
    /// The files were not the logged ones when they were read last: they are read again.
    Doubted,
}

/// Why a reader cannot load a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Why {
    /// Whether the model is well formed, and the reader does not know something in it.
    is_unsupported: bool,
    message: String,
    hint: Option<String>,
}

impl From<&Error> for Why {
    fn from(error: &Error) -> Self {
        Self {
            is_unsupported: error.kind() == ErrorKind::UnsupportedModel,
            message: error.to_string(),
            hint: error.hint().map(str::to_owned),
        }
    }
}

impl From<Why> for Error {
    fn from(why: Why) -> Self {
        let kind = if why.is_unsupported { ErrorKind::UnsupportedModel } else { ErrorKind::InvalidModel };
        let error = Self::new(kind, why.message);
        match why.hint {
            Some(hint) => error.with_hint(hint),
            None => error,
        }
    }
}

/// A record in its file.
#[derive(Serialize, Deserialize)]
struct Stored<R> {
    reader: String,
    #[serde(flatten)]
    record: R,
}

impl ModelCache {
    /// What a reader of this release found out about a version. A damaged file counts as absent, and so does a directory that
    /// other users can change.
    pub(crate) fn record(&self, version: &ModelVersion) -> Option<Record> {
        let directory = self.root.join(DIRECTORY);
        if !directory.exists() {
            return None;
        }
        if let Err(error) = private_dir::check(&directory, CONTENTS) {
            tracing::warn!(%error, "not using the cache of models");
            return None;
        }
        let path = directory.join(self.key(version).to_string());
        let stored: Stored<Record> = serde_json::from_slice(&read_small(&path, MAX_BYTES)?).ok()?;
        (stored.reader == reader()).then_some(stored.record)
    }

    /// Keeps what was found out about a version.
    pub(crate) fn put_record(&self, version: &ModelVersion, record: &Record) -> Result<()> {
        let stored = Stored { reader: reader(), record };
        let json =
            serde_json::to_vec(&stored).map_err(io::Error::from).map_err(|error| self.failed(error))?;
        if json.len() as u64 > MAX_BYTES {
            return Ok(());
        }
        let directory = self.private(DIRECTORY)?;
        write_whole(&directory, &self.key(version).to_string(), &json)
            .and_then(|()| self.drop_old_records())
            .map_err(|error| self.failed(error))
    }

    fn drop_old_records(&self) -> io::Result<()> {
        let mut records = Vec::new();
        for entry in fs::read_dir(self.root.join(DIRECTORY))? {
            let entry = entry?;
            let written = entry.metadata().and_then(|metadata| metadata.modified());
            records.push((written.unwrap_or(SystemTime::UNIX_EPOCH), entry.path()));
        }
        records.sort_unstable();
        let excess = records.len().saturating_sub(MAX_RECORDS);
        for (_, path) in records.into_iter().take(excess) {
            // Another process may have been faster.
            let _ = fs::remove_file(path);
        }
        Ok(())
    }
}
