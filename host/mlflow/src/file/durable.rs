//! Writing files so that readers see them whole, and forcing them to the disk.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::thread;

use crate::file::tree::{Tree, failed, is_missing};
use hydra_base::error::{Error, ErrorKind, Result};

/// The name of the file that is filled before it is renamed. There is one writer, so one is enough.
const SCRATCH: &str = ".hydra-registry.tmp";
/// How many threads force files to the disk at the same time, and how many files make another thread worthwhile.
const SYNC_THREADS: usize = 8;
const SYNC_SHARE: usize = 4;

pub(super) fn make_tree(
    tree: &Tree,
    path: &str,
    scratch: &str,
    files: &[(String, String)],
    unsynced: &mut Unsynced,
) -> Result<()> {
    let place = tree.place(path)?;
    if tree.is_dir(path)? {
        // a crash came after the rename; the names are there, the texts perhaps not
        let mut files = files.iter();
        return files.try_for_each(|(file, text)| {
            replace(tree, &tree.place(&format!("{path}/{file}"))?, text, unsynced)
        });
    }
    let filled = tree.place(scratch)?;
    allow_missing(fs::remove_dir_all(&filled)).map_err(|error| failed("remove", &filled, error))?;
    for (file, text) in files {
        replace(tree, &tree.place(&format!("{scratch}/{file}"))?, text, &mut Unsynced::default())?;
        let renamed = tree.place(&format!("{path}/{file}"))?;
        unsynced.file(&renamed);
    }
    fs::rename(&filled, &place).map_err(|error| failed("rename", &filled, error))?;
    unsynced.name(&place);
    Ok(())
}

/// Replaces `place` through the scratch file, so that nobody reads half of it.
pub(super) fn replace(tree: &Tree, place: &Path, text: &str, unsynced: &mut Unsynced) -> Result<()> {
    make_parents(tree, place, unsynced)?;
    fill_scratch(tree, text)?;
    unsynced.file(place);
    rename_scratch(tree, place)
}

/// Replaces `place` by `text` that is on the disk before its name is.
pub(super) fn replace_durably(tree: &Tree, place: &Path, text: &str) -> Result<()> {
    let scratch = fill_scratch(tree, text)?;
    scratch.sync_all().map_err(|error| failed("write", place, error))?;
    rename_scratch(tree, place)?;
    place.parent().map_or(Ok(()), sync_dir)
}

fn fill_scratch(tree: &Tree, text: &str) -> Result<File> {
    let scratch = tree.root().join(SCRATCH);
    allow_missing(fs::remove_file(&scratch)).map_err(|error| failed("remove", &scratch, error))?;
    // `create_new` never follows a link that somebody put there
    let filled = File::create_new(&scratch).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        Ok(file)
    });
    filled.map_err(|error| failed("write", &scratch, error))
}

fn rename_scratch(tree: &Tree, place: &Path) -> Result<()> {
    fs::rename(tree.root().join(SCRATCH), place).map_err(|error| failed("write", place, error))
}

/// Writes `text` at byte `at`, once: a torn earlier try is overwritten, a finished one is left.
pub(super) fn append(place: &Path, at: u64, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(place)?;
    file.seek(SeekFrom::Start(at))?;
    let mut there = vec![0; text.len()];
    if file.read_exact(&mut there).is_ok() && there == text.as_bytes() {
        return Ok(());
    }
    file.seek(SeekFrom::Start(at))?;
    file.write_all(text.as_bytes())?;
    file.set_len(at + text.len() as u64)
}
/// What a journal's steps changed but did not yet force to the disk. While the journal is there they can be repeated,
/// so it is enough that all of it is on the disk before the journal goes.
#[derive(Default)]
pub(super) struct Unsynced {
    files: BTreeSet<PathBuf>,
    directories: BTreeSet<PathBuf>,
}

impl Unsynced {
    /// The text and the name of a file changed.
    pub(super) fn file(&mut self, place: &Path) {
        self.files.insert(place.to_owned());
        self.name(place);
    }

    /// A name came, went or moved.
    pub(super) fn name(&mut self, place: &Path) {
        self.directories.extend(place.parent().map(Path::to_owned));
    }

    pub(super) fn sync(self) -> Result<()> {
        let files: Vec<PathBuf> = self.files.into_iter().collect();
        // file systems commit the requests of several threads together: with many small files this is what counts
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

pub(super) fn make_parents(tree: &Tree, place: &Path, unsynced: &mut Unsynced) -> Result<()> {
    place.parent().map_or(Ok(()), |parent| make_dirs(tree, parent, unsynced))
}

pub(super) fn make_dirs(tree: &Tree, directory: &Path, unsynced: &mut Unsynced) -> Result<()> {
    let missing = directory.ancestors().take_while(|place| *place != tree.root() && !place.is_dir());
    missing.for_each(|place| unsynced.name(place));
    fs::create_dir_all(directory).map_err(|error| failed("make", directory, error))
}

fn sync(file: &Path) -> Result<()> {
    let synced = OpenOptions::new().write(true).open(file).and_then(|file| file.sync_all());
    allow_missing(synced).map_err(|error| failed("write", file, error))
}

pub(super) fn sync_dir(directory: &Path) -> Result<()> {
    // elsewhere a directory cannot be opened as a file, and renames are durable without it
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
