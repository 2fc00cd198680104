//! The files of rows that a command reads: named one by one, by patterns, and by directories.

mod expand;
mod partitions;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::input::{Constant, RemoteFile};
use crate::{FileFormat, Source, is_dash};
use hydra_base::{Error, ErrorKind, Result, Sha256};

/// Files of rows, which are read one after the other.
#[derive(Debug)]
pub struct RowFiles {
    name: String,
    files: Files,
    delimiter: Option<u8>,
}

#[derive(Debug)]
enum Files {
    One(Source, FileFormat),
    /// Places, because a directory may have more files than a process may open.
    Several(Vec<RowFile>),
}

/// One of several files.
#[derive(Debug, Clone)]
struct RowFile {
    place: Place,
    format: FileFormat,
    /// The name by which the digest knows it.
    label: Vec<u8>,
    constants: Arc<[Constant]>,
}

#[derive(Debug, Clone)]
enum Place {
    Local(PathBuf),
    Remote(Arc<dyn RemoteFile>),
}

/// A file before its format and its columns are known.
#[derive(Debug)]
pub struct FoundFile {
    place: Place,
    label: Vec<u8>,
    /// The columns and values in the names of its directories.
    partitions: Vec<(String, Option<String>)>,
}

impl FoundFile {
    /// A file elsewhere, which was found at `below` under the address that was asked for: `region=north/part-0.parquet`.
    #[must_use]
    pub fn remote(file: Arc<dyn RemoteFile>, below: &str) -> Self {
        let directories = below.rsplit_once('/').map_or("", |(directories, _)| directories);
        let partitions = directories.split('/').filter_map(partitions::parsed).collect();
        let label = if below.is_empty() { file.name() } else { below };
        Self { label: label.as_bytes().to_vec(), place: Place::Remote(file), partitions }
    }
}

impl RowFiles {
    /// The file at `path`, stdin for `-`, or the files in the directory at `path`, in the order of the bytes of their names. Files and
    /// directories in it whose names start with `.` or `_`, such as `_SUCCESS`, do not count. The value in the name of a directory,
    /// as in `region=north/part-0.csv`, is a column of its files.
    ///
    /// A path with `*` or `?` that is not a file is a pattern of names.
    ///
    /// Each file has the `format`, or without one that of its extension; stdin is CSV.
    ///
    /// [`ErrorKind::Storage`] if the path cannot be read, [`ErrorKind::InvalidArgument`] if the format is unknown,
    /// [`ErrorKind::InvalidData`] for a directory in the directory whose name has no value, and for files of different columns in such
    /// names, [`ErrorKind::NoRows`] for a directory and a pattern without files.
    pub fn open(path: &Path, format: Option<FileFormat>) -> Result<Self> {
        if is_dash(path) || expand::is_one_file(path) {
            let format = FileFormat::of_input(path, format)?;
            return Ok(Self::of(Source::open(path)?, format));
        }
        Self::found(&path.display().to_string(), Self::find(path)?, format)
    }

    /// The files at a path that is not stdin, as [`open`](Self::open) finds them.
    pub fn find(path: &Path) -> Result<Vec<FoundFile>> {
        expand::found(path)
    }

    /// Several files, in their order; errors about all of them contain `name`.
    ///
    /// Fails like [`open`](Self::open).
    pub fn found(name: &str, found: Vec<FoundFile>, format: Option<FileFormat>) -> Result<Self> {
        let located = |error: Error| error.with_context("input", name);
        if found.is_empty() {
            return Err(located(Error::new(ErrorKind::NoRows, "there are no files of rows")));
        }
        let partitions: Vec<_> = found.iter().map(|file| file.partitions.clone()).collect();
        let constants = partitions::columns(&partitions).map_err(located)?;
        let with_format = |(file, constants): (FoundFile, Vec<Constant>)| {
            let FoundFile { place, label, .. } = file;
            let format = match &place {
                Place::Local(path) => FileFormat::of_input(path, format)?,
                Place::Remote(file) => FileFormat::of_input(Path::new(without_query(file.name())), format)?,
            };
            Ok(RowFile { place, format, label, constants: constants.into() })
        };
        let files = found.into_iter().zip(constants).map(with_format).collect::<Result<_>>()?;
        Ok(Self { name: name.to_owned(), files: Files::Several(files), delimiter: None })
    }

    /// One source.
    #[must_use]
    pub fn of(source: Source, format: FileFormat) -> Self {
        Self { name: source.name().to_owned(), files: Files::One(source, format), delimiter: None }
    }

    /// Says what separates the columns of CSV in all files, as [`Source::delimited_by`].
    #[must_use]
    pub fn delimited_by(self, delimiter: Option<u8>) -> Self {
        Self { delimiter, ..self }
    }

    /// The path, `stdin`, or the name of the source.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The number of files, at least 1.
    #[must_use]
    pub fn count(&self) -> usize {
        match &self.files {
            Files::One(..) => 1,
            Files::Several(files) => files.len(),
        }
    }

    /// The paths and the addresses of the files, apart from stdin and readers.
    pub fn places(&self) -> impl Iterator<Item = &Path> {
        let several = match &self.files {
            Files::One(..) => [].as_slice(),
            Files::Several(files) => files,
        };
        let one = match &self.files {
            Files::One(..) => Some(Path::new(&self.name)),
            Files::Several(_) => None,
        };
        let several = several.iter().map(|file| match &file.place {
            Place::Local(path) => path.as_path(),
            Place::Remote(file) => Path::new(file.name()),
        });
        one.into_iter().chain(several)
    }

    /// The format of the first file.
    #[must_use]
    pub fn format(&self) -> FileFormat {
        match &self.files {
            Files::One(_, format) => *format,
            Files::Several(files) => files.first().map_or(FileFormat::Csv, |file| file.format),
        }
    }

    /// The SHA-256 of the rows, and the files from their start.
    ///
    /// For one source that of its bytes. For several files that of a text with a line for each, as `sha256sum` prints it in the
    /// directory: the digest of its bytes, two spaces, and its name.
    ///
    /// Fails like [`Source::digest`].
    pub fn digest(self) -> Result<(Self, Sha256)> {
        let Self { name, files, delimiter } = self;
        let (files, digest) = match files {
            Files::One(source, format) => {
                let (source, digest) = source.digest()?;
                (Files::One(source, format), digest)
            }
            Files::Several(files) => {
                let mut lines = Vec::new();
                for file in &files {
                    let (_, digest) = file.source()?.digest()?;
                    lines.extend(digest_line(digest, &file.label));
                }
                (Files::Several(files), Sha256::of(&lines))
            }
        };
        Ok((Self { name, files, delimiter }, digest))
    }

    /// Opens the files, one after the other: [`ErrorKind::Storage`] for one that cannot be read.
    #[must_use]
    pub fn sources(self) -> Box<dyn Iterator<Item = Result<(Source, FileFormat)>> + Send> {
        let delimiter = self.delimiter;
        match self.files {
            Files::One(source, format) => {
                Box::new(std::iter::once(Ok((source.delimited_by(delimiter), format))))
            }
            Files::Several(files) => Box::new(
                files.into_iter().map(move |file| Ok((file.source()?.delimited_by(delimiter), file.format))),
            ),
        }
    }
}

impl RowFile {
    fn source(&self) -> Result<Source> {
        let source = match &self.place {
            Place::Local(path) => Source::open(path)?,
            Place::Remote(file) => Source::from_remote(file.clone()),
        };
        Ok(source.with_constants(self.constants.clone()))
    }
}

/// An address without what follows its path.
fn without_query(address: &str) -> &str {
    address.split(['?', '#']).next().unwrap_or(address)
}

/// A line of `sha256sum`, which escapes names that would look like several lines, and says so by a backslash in front.
fn digest_line(digest: Sha256, name: &[u8]) -> Vec<u8> {
    let escaped: Vec<u8> = name
        .iter()
        .flat_map(|byte| match byte {
            b'\\' => b"\\\\".to_vec(),
            b'\n' => b"\\n".to_vec(),
            b'\r' => b"\\r".to_vec(),
            other => vec![*other],
        })
        .collect();
    let mark = if escaped == name { "" } else { "\\" };
    [mark.as_bytes(), digest.to_string().as_bytes(), b"  ", &escaped, b"\n"].concat()
}

#[cfg(test)]
mod tests;
