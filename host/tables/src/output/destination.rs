//! Destinations of predictions: stdout, or a file that becomes visible when it is complete.

use std::collections::BTreeSet;
use std::fs::{self, File, Permissions};
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tempfile::NamedTempFile;

use super::unwritable;
use hydra_base::Result;

/// A file elsewhere, such as in an object store, that becomes visible when it is complete. One that is dropped before is removed.
pub trait Upload: Write + Send {
    /// Makes the file visible.
    fn complete(self: Box<Self>) -> Result<()>;
}

/// Receives the bytes of an output.
///
/// A regular file is written under a temporary name in its directory and renamed by [`Destination::commit`]. If the
/// value is dropped before that, the temporary file is removed; [`remove_partial_files`] removes it before a signal ends the
/// process. Devices and pipes are written directly.
pub(super) enum Destination<'p> {
    /// The process's stdout, buffered.
    Stdout(&'p mut (dyn Write + Send)),
    /// Any other writer.
    Writer(&'p mut (dyn Write + Send)),
    /// A device or a pipe.
    Device(BufWriter<File>),
    /// A file elsewhere, which becomes visible when it is complete.
    Upload(Box<dyn Upload>),
    /// A file that is not complete yet.
    File { temporary: BufWriter<NamedTempFile>, path: PathBuf, partial: Partial },
}

impl Destination<'_> {
    /// Opens a file.
    pub(super) fn open(path: &Path) -> Result<Self> {
        open_file(path).map_err(unwritable)
    }

    /// Whether the bytes would appear in a terminal.
    pub(super) fn is_terminal(&self) -> bool {
        match self {
            Self::Stdout(_) => io::stdout().is_terminal(),
            Self::Device(file) => file.get_ref().is_terminal(),
            Self::Writer(_) | Self::Upload(_) | Self::File { .. } => false,
        }
    }

    /// Syncs the file to the disk and renames it to its name.
    pub(super) fn commit(mut self) -> Result<()> {
        self.flush().map_err(unwritable)?;
        if let Self::Upload(upload) = self {
            return upload.complete();
        }
        // The name stays noted until the rename is done.
        let Self::File { temporary, path, partial: _partial } = self else { return Ok(()) };
        let temporary = temporary.into_inner().map_err(|error| unwritable(error.into_error()))?;
        temporary.as_file().sync_all().map_err(unwritable)?;
        temporary.persist(path).map_err(|error| unwritable(error.error))?;
        Ok(())
    }
}

impl Write for Destination<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Stdout(out) | Self::Writer(out) => out.write(bytes),
            Self::Device(out) => out.write(bytes),
            Self::Upload(out) => out.write(bytes),
            Self::File { temporary, .. } => temporary.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Stdout(out) | Self::Writer(out) => out.flush(),
            Self::Device(out) => out.flush(),
            Self::Upload(out) => out.flush(),
            Self::File { temporary, .. } => temporary.flush(),
        }
    }
}

fn open_file<'p>(path: &Path) -> io::Result<Destination<'p>> {
    const BUFFER: usize = 1 << 17;
    // For a link, the target is replaced.
    let path = if path.exists() { path.canonicalize()? } else { path.to_owned() };
    let existing = match fs::metadata(&path) {
        Ok(metadata) if metadata.is_dir() => return Err(io::ErrorKind::IsADirectory.into()),
        Ok(metadata) if !metadata.is_file() => {
            let device = File::options().write(true).open(&path)?;
            return Ok(Destination::Device(BufWriter::with_capacity(BUFFER, device)));
        }
        Ok(metadata) => Some(metadata.permissions()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    builder.prefix(".output-");
    if let Some(permissions) = existing.or_else(new_file_permissions) {
        builder.permissions(permissions);
    }
    let temporary = builder.tempfile_in(folder)?;
    let partial = Partial::new(temporary.path());
    Ok(Destination::File { temporary: BufWriter::with_capacity(BUFFER, temporary), path, partial })
}

/// The temporary names of the files that this process is writing.
static PARTIAL: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// A temporary name, which is noted as long as this value exists.
pub(super) struct Partial(PathBuf);

impl Partial {
    fn new(path: &Path) -> Self {
        partial().insert(path.to_owned());
        Self(path.to_owned())
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        partial().remove(&self.0);
    }
}

fn partial() -> MutexGuard<'static, BTreeSet<PathBuf>> {
    PARTIAL.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Removes the files that this process has not completed, for a program that is about to end because of a signal. What is
/// written afterwards is lost.
pub fn remove_partial_files() {
    for path in partial().iter() {
        // It may just have been renamed.
        let _ = fs::remove_file(path);
    }
}

/// The permissions of an ordinary new file before the process's mask applies; temporary files are private by default.
#[cfg(unix)]
#[expect(clippy::unnecessary_wraps, reason = "other systems have no such mode")]
fn new_file_permissions() -> Option<Permissions> {
    use std::os::unix::fs::PermissionsExt as _;
    Some(Permissions::from_mode(0o666))
}

#[cfg(not(unix))]
fn new_file_permissions() -> Option<Permissions> {
    None
}
