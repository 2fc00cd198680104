//! Finds the files of directories and patterns on this machine.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Component, Path, PathBuf};

use super::{FoundFile, Place, partitions};
use hydra_base::pattern::NamePattern;
use hydra_base::text::{QUOTED_CHARS, excerpt};
use hydra_base::{Error, ErrorKind, Result};

/// How deeply the directories of a directory are nested, at most: a link can lead back.
const DEEPEST: usize = 32;

/// The columns and values in the names of directories.
type Partitions = Vec<(String, Option<String>)>;

/// Whether a path is not a directory and not a pattern.
pub(super) fn is_one_file(path: &Path) -> bool {
    !path.is_dir() && (path.exists() || !is_pattern(path.as_os_str()))
}

fn is_pattern(name: &OsStr) -> bool {
    name.to_str().is_some_and(|name| name.contains(['*', '?']))
}

/// The files at a path, in the order of the bytes of their names.
pub(super) fn found(path: &Path) -> Result<Vec<FoundFile>> {
    if path.is_dir() {
        let located = |error: Error| error.with_context("directory", path.display());
        let files = below(path, Path::new(""), &[], 0).map_err(located)?;
        if files.is_empty() {
            return Err(located(Error::new(ErrorKind::NoRows, "the directory has no files of rows")));
        }
        return Ok(files);
    }
    if is_one_file(path) {
        // Now, and not after the files before it were read.
        path.metadata().map_err(|error| {
            Error::new(ErrorKind::Storage, "cannot open the input")
                .with_context("file", path.display())
                .with_source(error)
        })?;
        let label = path.as_os_str().as_encoded_bytes().to_vec();
        return Ok(vec![FoundFile { place: Place::Local(path.to_owned()), label, partitions: Vec::new() }]);
    }
    let mut matches = vec![(PathBuf::new(), Partitions::new())];
    let mut is_behind_pattern = false;
    for component in path.components() {
        is_behind_pattern |= is_pattern(component.as_os_str());
        matches = step(matches, component, is_behind_pattern)?;
    }
    let mut files = Vec::new();
    for (path, partitions) in matches {
        if path.is_dir() {
            // The values of its own name are those of its files.
            files.extend(below(&path, &path, &partitions, 0)?);
        } else {
            // The name of a file has no value.
            let label = path.as_os_str().as_encoded_bytes().to_vec();
            files.push(FoundFile { place: Place::Local(path), label, partitions });
        }
    }
    if files.is_empty() {
        return Err(Error::new(ErrorKind::NoRows, "no file of rows has a name like the pattern")
            .with_context("pattern", path.display()));
    }
    Ok(files)
}

/// The paths one component further.
fn step(
    paths: Vec<(PathBuf, Partitions)>,
    component: Component<'_>,
    is_behind_pattern: bool,
) -> Result<Vec<(PathBuf, Partitions)>> {
    let name = component.as_os_str();
    let mut further = Vec::new();
    for (path, partitions) in paths {
        let names = if is_pattern(name) {
            let pattern = NamePattern::new(name.to_string_lossy())?;
            let listed = listed(if path.as_os_str().is_empty() { Path::new(".") } else { &path })?;
            listed
                .into_iter()
                .filter(|name| name.to_str().is_some_and(|name| pattern.matches(name)))
                .collect()
        } else {
            vec![name.to_owned()]
        };
        for name in names {
            let next = path.join(&name);
            let value =
                name.to_str().filter(|_| is_behind_pattern && next.is_dir()).and_then(partitions::parsed);
            let partitions = partitions.iter().cloned().chain(value).collect();
            if next.exists() {
                further.push((next, partitions));
            }
        }
    }
    Ok(further)
}

/// The files below a directory; `label` is the name of the directory in their labels.
fn below(
    directory: &Path,
    label: &Path,
    partitions: &[(String, Option<String>)],
    depth: usize,
) -> Result<Vec<FoundFile>> {
    let mut files = Vec::new();
    for name in listed(directory)? {
        let (path, label) = (directory.join(&name), label.join(&name));
        if !path.is_dir() {
            let label = label.as_os_str().as_encoded_bytes().to_vec();
            files.push(FoundFile { place: Place::Local(path), label, partitions: partitions.to_vec() });
            continue;
        }
        let value = name.to_str().and_then(partitions::parsed).filter(|_| depth < DEEPEST);
        let Some(value) = value else {
            let name = excerpt(name.as_encoded_bytes(), QUOTED_CHARS);
            return Err(Error::new(
                ErrorKind::InvalidData,
                format!("the directory of rows contains a directory: `{name}`"),
            )
            .with_hint(
                "put the files into one directory, or into directories with names like `region=north`",
            ));
        };
        let partitions: Partitions = partitions.iter().cloned().chain([value]).collect();
        files.extend(below(&path, &label, &partitions, depth + 1)?);
    }
    Ok(files)
}

/// The names in a directory that count, in the order of their bytes.
fn listed(directory: &Path) -> Result<Vec<OsString>> {
    let unreadable = |error| {
        Error::new(ErrorKind::Storage, "cannot read the directory")
            .with_context("directory", directory.display())
            .with_source(error)
    };
    let mut names = Vec::new();
    for entry in fs::read_dir(directory).map_err(unreadable)? {
        let name = entry.map_err(unreadable)?.file_name();
        if !name.as_encoded_bytes().starts_with(b".") && !name.as_encoded_bytes().starts_with(b"_") {
            names.push(name);
        }
    }
    names.sort_unstable_by(|a, b| a.as_encoded_bytes().cmp(b.as_encoded_bytes()));
    Ok(names)
}
