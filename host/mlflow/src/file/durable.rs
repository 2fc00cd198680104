//! Writing files so that readers see them whole, and forcing them to the disk.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::thread;

use crate::file::tree::{Tree, failed, is_missing};
use hydra_base::error::{Error, ErrorKind, Result};

/// The name of the temporary file that is written and then renamed. One name is enough, because the lock admits one
/// writer.
const SCRATCH: &str = ".hydra-registry.tmp";
/// The most threads that sync files at the same time, and the number of files that justifies another thread.
const SYNC_THREADS: usize = 8;
const SYNC_SHARE: usize = 4;

pub(super) fn make_tree(
    tree: &Tree,
    path: &str,
    scratch: &str,
    files: &[(String, String)],
    unsynced: &mut Unsynced,
) -> Result<()> {
    let target = tree.resolve(path)?;
    if tree.is_dir(path)? {
        // A crash followed the rename: the names exist, but their contents may not be on the disk.
        let mut files = files.iter();
        return files.try_for_each(|(file, text)| {
            replace(tree, &tree.resolve(&format!("{path}/{file}"))?, text, unsynced)
        });
    }
    let filled = tree.resolve(scratch)?;
    allow_missing(fs::remove_dir_all(&filled)).map_err(|error| failed("remove", &filled, error))?;
    for (file, text) in files {
        replace(tree, &tree.resolve(&format!("{scratch}/{file}"))?, text, &mut Unsynced::default())?;
        let renamed = tree.resolve(&format!("{path}/{file}"))?;
        unsynced.file(&renamed);
    }
    fs::rename(&filled, &target).map_err(|error| failed("rename", &filled, error))?;
    unsynced.name(&target);
    Ok(())
}

/// Replaces `target` by renaming the scratch file, so that no reader sees a partial file.
pub(super) fn replace(tree: &Tree, target: &Path, text: &str, unsynced: &mut Unsynced) -> Result<()> {
    make_parents(tree, target, unsynced)?;
    fill_scratch(tree, text)?;
    unsynced.file(target);
    rename_scratch(tree, target)
}

/// Replaces `target` with `text`, and syncs the text before the rename.
pub(super) fn replace_durably(tree: &Tree, target: &Path, text: &str) -> Result<()> {
    let scratch = fill_scratch(tree, text)?;
    scratch.sync_all().map_err(|error| failed("write", target, error))?;
    rename_scratch(tree, target)?;
    target.parent().map_or(Ok(()), sync_dir)
}

fn fill_scratch(tree: &Tree, text: &str) -> Result<File> {
    let scratch = tree.root().join(SCRATCH);
    allow_missing(fs::remove_file(&scratch)).map_err(|error| failed("remove", &scratch, error))?;
    // `create_new` fails on an existing link instead of following it.
    let filled = File::create_new(&scratch).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        Ok(file)
    });
    filled.map_err(|error| failed("write", &scratch, error))
}

fn rename_scratch(tree: &Tree, target: &Path) -> Result<()> {
    fs::rename(tree.root().join(SCRATCH), target).map_err(|error| failed("write", target, error))
}

/// Writes `text` at byte `at`. A repeated call overwrites a partial write and leaves a complete one unchanged.
pub(super) fn append(target: &Path, at: u64, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(target)?;
    file.seek(SeekFrom::Start(at))?;
    let mut there = vec![0; text.len()];
    if file.read_exact(&mut there).is_ok() && there == text.as_bytes() {
        return Ok(());
    }
    file.seek(SeekFrom::Start(at))?;
    file.write_all(text.as_bytes())?;
    file.set_len(at + text.len() as u64)
}
/// The changes of a journal's steps that are not synced yet. The steps can be repeated while the journal exists, so one
/// sync before the journal is removed is enough.
#[derive(Default)]
pub(super) struct Unsynced {
    files: BTreeSet<PathBuf>,
    directories: BTreeSet<PathBuf>,
}

impl Unsynced {
    /// Records that the contents and the name of a file changed.
    pub(super) fn file(&mut self, target: &Path) {
        self.files.insert(target.to_owned());
        self.name(target);
    }

    /// Records that a name was created, removed or renamed.
    pub(super) fn name(&mut self, target: &Path) {
        self.directories.extend(target.parent().map(Path::to_owned));
    }

    pub(super) fn sync(self) -> Result<()> {
        let files: Vec<PathBuf> = self.files.into_iter().collect();
        // File systems commit the syncs of several threads together, which dominates the time for many small files.
        let share = files.len().div_ceil(SYNC_THREADS).max(SYNC_SHARE);
        thread::scope(|scope| {
            let workers: Vec<_> = files
                .chunks(share)
                .map(|chunk| scope.spawn(|| chunk.iter().try_for_each(|file| sync(file))))
                .collect();
            let panicked = |_| Err(Error::new(ErrorKind::Internal, "a thread that writes to disk panicked"));
            workers.into_iter().try_for_each(|worker| worker.join().unwrap_or_else(panicked))
        })?;
        self.directories.iter().try_for_each(|directory| sync_dir(directory))
    }
}

pub(super) fn make_parents(tree: &Tree, target: &Path, unsynced: &mut Unsynced) -> Result<()> {
    target.parent().map_or(Ok(()), |parent| make_dirs(tree, parent, unsynced))
}

pub(super) fn make_dirs(tree: &Tree, directory: &Path, unsynced: &mut Unsynced) -> Result<()> {
    let missing = directory.ancestors().take_while(|target| *target != tree.root() && !target.is_dir());
    missing.for_each(|target| unsynced.name(target));
    fs::create_dir_all(directory).map_err(|error| failed("make", directory, error))
}

fn sync(file: &Path) -> Result<()> {
    let synced = OpenOptions::new().write(true).open(file).and_then(|file| file.sync_all());
    allow_missing(synced).map_err(|error| failed("write", file, error))
}

pub(super) fn sync_dir(directory: &Path) -> Result<()> {
    // Other systems cannot open a directory as a file, and their renames are durable without it.
    if cfg!(unix) {
        let synced = File::open(directory).and_then(|directory| directory.sync_all());
        allow_missing(synced).map_err(|error| failed("write", directory, error))?;
    }
    Ok(())
}

pub(super) fn allow_missing(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if is_missing(&error) => Ok(()),
        other => other,
    }
}
