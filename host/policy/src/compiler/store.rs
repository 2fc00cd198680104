//! Where the code is that another process compiled: wasmtime's cache, for an engine that cannot compile.

use std::fs::{self, FileType};
use std::hash::{Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use wasmtime::component::Component;
use wasmtime::{Cache, CacheConfig, Engine};

use super::process::OTHER_PROGRAM;
use super::{NotCompiled, invalid, unavailable};
use hydra_base::error::Result;
use hydra_base::private_dir;

/// All compiled code together. wasmtime's own cache has the same limit, but looks at it only when it compiles.
const MOST_BYTES: u64 = 512 << 20;
/// The age at which a directory of a compiler is one that was left behind.
const LEFT_BEHIND: Duration = Duration::from_hours(24);
/// How the names of these directories begin.
const WORK: &str = "compiling-";

/// The directory of compiled code.
pub(crate) struct Store {
    cache: Cache,
    compilations: AtomicUsize,
    /// One compiler at a time: several would take the memory of several.
    turn: Mutex<()>,
    /// The directory, if it ends with the process.
    temporary: Option<TempDir>,
}

impl Store {
    /// The store in `cache`, or in a directory of its own for as long as it lives.
    pub(super) fn new(cache: Option<Cache>) -> io::Result<Self> {
        let (cache, temporary) = match cache {
            Some(cache) => (cache, None),
            None => {
                let temporary = tempfile::Builder::new().prefix("hydra-policies-").tempdir()?;
                let mut config = CacheConfig::new();
                config.with_directory(fs::canonicalize(temporary.path())?);
                (Cache::new(config).map_err(io::Error::other)?, Some(temporary))
            }
        };
        Ok(Self { cache, compilations: AtomicUsize::new(0), turn: Mutex::new(()), temporary })
    }

    pub(super) fn cache(&self) -> &Cache {
        &self.cache
    }

    /// The directory, if it outlives the process.
    pub(super) fn directory(&self) -> Option<&Path> {
        self.temporary.is_none().then(|| self.cache.directory().as_path())
    }

    pub(super) fn compilations(&self) -> usize {
        self.compilations.load(SeqCst)
    }

    /// The compiled component, which `compile` compiles into a directory if it is not in the store.
    pub(super) fn component(
        &self,
        engine: &Engine,
        bytes: &[u8],
        compile: impl Fn(&Path) -> Result<(), NotCompiled>,
    ) -> Result<Component, NotCompiled> {
        if let Some(found) = find(engine, bytes) {
            return found.map_err(invalid);
        }
        // The lock guards nothing but the turn.
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = find(engine, bytes) {
            return found.map_err(invalid);
        }
        let kept = |error: io::Error| {
            unavailable("cannot keep the compiled policy")
                .with_context("path", self.cache.directory().display())
                .with_source(error)
        };
        // The owner may delete the directory at any time: then the component is compiled once more.
        for _ in 0..2 {
            private_dir::create(self.cache.directory()).map_err(kept)?;
            let work =
                tempfile::Builder::new().prefix(WORK).tempdir_in(self.cache.directory()).map_err(kept)?;
            compile(work.path())?;
            self.compilations.fetch_add(1, SeqCst);
            self.take_over(work.path(), &entry_name(engine, bytes)).map_err(kept)?;
            if let Some(found) = find(engine, bytes) {
                return found.map_err(invalid);
            }
        }
        Err(unavailable("this process cannot use the code that was compiled for it")
            .with_hint(OTHER_PROGRAM)
            .with_retryable(true)
            .into())
    }

    /// Moves the code that a compiler left in the cache in `work` to the place where an engine that cannot compile looks for it.
    fn take_over(&self, work: &Path, name: &str) -> io::Result<()> {
        let release = only(&work.join("modules"), |_, kind| kind.is_dir())?;
        let code = only(&release, |path, kind| kind.is_file() && path.extension().is_none())?;
        let modules = self.cache.directory().join("modules");
        let directory = modules.join(release.file_name().unwrap_or_default());
        fs::create_dir_all(&directory)?;
        fs::rename(code, directory.join(name))?;
        // Too many files cost only space.
        if let Err(error) = self.tidy(&directory) {
            tracing::debug!(%error, "cannot tidy the directory of compiled policies");
        }
        Ok(())
    }

    /// Deletes the code that was not used for the longest time, while there is too much, and what killed processes left behind.
    fn tidy(&self, directory: &Path) -> io::Result<()> {
        let mut files = Vec::new();
        for entry in fs::read_dir(directory)? {
            let (path, metadata) = entry.and_then(|entry| Ok((entry.path(), entry.metadata()?)))?;
            if path.extension().is_none() {
                let statistics = path.with_extension("stats").metadata().and_then(|stats| stats.modified());
                let used = metadata.modified()?.max(statistics.unwrap_or(SystemTime::UNIX_EPOCH));
                files.push((used, metadata.len(), path));
            }
        }
        files.sort();
        let mut total: u64 = files.iter().map(|(_, bytes, _)| bytes).sum();
        // The newest file is the one that is needed now.
        for (_, bytes, path) in files.iter().rev().skip(1).rev() {
            if total <= MOST_BYTES {
                break;
            }
            total -= bytes;
            fs::remove_file(path)?;
            // wasmtime may not have counted its uses yet.
            let _ = fs::remove_file(path.with_extension("stats"));
        }
        for entry in fs::read_dir(self.cache.directory())? {
            let entry = entry?;
            let is_old = || entry.metadata()?.modified()?.elapsed().map_err(io::Error::other);
            if entry.file_name().to_string_lossy().starts_with(WORK) && is_old()? > LEFT_BEHIND {
                fs::remove_dir_all(entry.path())?;
            }
        }
        Ok(())
    }
}

/// The component's code, if the engine, which cannot compile, finds it in its cache.
fn find(engine: &Engine, bytes: &[u8]) -> Option<wasmtime::Result<Component>> {
    let found = Component::from_binary(engine, bytes);
    // The engine has one error for everything that would have to be compiled.
    let cannot_compile = || engine.precompile_component(bytes).err().map(|error| error.to_string());
    match found {
        Err(error) if Some(error.to_string()) == cannot_compile() => None,
        found => Some(found),
    }
}

/// The name under which an engine that cannot compile looks for the component's code: wasmtime's digest of its settings, of the
/// component and of two options that are not used.
fn entry_name(engine: &Engine, bytes: &[u8]) -> String {
    let mut hasher = Sha256Hasher(Sha256::new());
    (engine.precompile_compatibility_hash(), bytes, None::<&[u8]>, None::<&str>).hash(&mut hasher);
    BASE64_URL_SAFE_NO_PAD.encode(hasher.0.finalize())
}

struct Sha256Hasher(Sha256);

impl Hasher for Sha256Hasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Not used: the digest is longer.
    fn finish(&self) -> u64 {
        0
    }
}

/// The one directory, or the one file, in `directory`. The names of files with wasmtime's own counts have an extension.
fn only(directory: &Path, is_wanted: impl Fn(&Path, FileType) -> bool) -> io::Result<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if is_wanted(&entry.path(), entry.file_type()?) {
            found.push(entry.path());
        }
    }
    match found.as_slice() {
        [one] => Ok(one.clone()),
        _ => Err(io::Error::new(io::ErrorKind::NotFound, "the compiler left no code")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_that_was_not_used_for_the_longest_time_is_deleted() {
        let store = Store::new(None).unwrap();
        assert_eq!(store.directory(), None);
        let directory = store.cache().directory().join("modules/wasmtime");
        fs::create_dir_all(&directory).unwrap();
        let ago = |hours| SystemTime::now() - Duration::from_hours(hours);
        // Three files are too much; the oldest one was used since.
        for (name, bytes, hours) in
            [("used", 200 << 20, 30), ("used.stats", 0, 1), ("unused", 200 << 20, 20), ("new", 200 << 20, 0)]
        {
            let file = fs::File::create(directory.join(name)).unwrap();
            file.set_len(bytes).unwrap();
            file.set_modified(ago(hours)).unwrap();
        }
        store.tidy(&directory).unwrap();
        let left = ["used", "used.stats", "unused", "new"].map(|name| directory.join(name).exists());
        assert_eq!(left, [true, true, false, true]);
    }
}
