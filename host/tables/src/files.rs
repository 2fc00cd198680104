//! The files of rows at a path: one file, or those of a directory.

use std::fs;
use std::path::{Path, PathBuf};

use crate::{FileFormat, Source, is_dash};
use hydra_base::text::{QUOTED_CHARS, excerpt};
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
    /// Paths, because a directory may have more files than a process may open.
    Directory(Vec<(PathBuf, FileFormat)>),
}

impl RowFiles {
    /// The file at `path`, stdin for `-`, or the files in the directory at `path`, in the order of the bytes of their names. Files of
    /// a directory whose names start with `.` or `_`, such as `_SUCCESS`, do not count.
    ///
    /// Each file has the `format`, or without one that of its extension; stdin is CSV.
    ///
    /// [`ErrorKind::Storage`] if the path cannot be read, [`ErrorKind::InvalidArgument`] if the format is unknown,
    /// [`ErrorKind::InvalidData`] for a directory in the directory, [`ErrorKind::NoRows`] for a directory without files.
    pub fn open(path: &Path, format: Option<FileFormat>) -> Result<Self> {
        if is_dash(path) || !path.is_dir() {
            let format = FileFormat::of_input(path, format)?;
            return Ok(Self::of(Source::open(path)?, format));
        }
        let name = path.display().to_string();
        let located = |error: Error| error.with_context("directory", &name);
        let mut paths = listed(path).map_err(located)?;
        paths.sort_unstable();
        if paths.is_empty() {
            return Err(located(Error::new(ErrorKind::NoRows, "the directory has no files of rows")));
        }
        let with_format = |path: PathBuf| FileFormat::of_input(&path, format).map(|format| (path, format));
        let files = Files::Directory(paths.into_iter().map(with_format).collect::<Result<_>>()?);
        Ok(Self { name, files, delimiter: None })
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
            Files::Directory(files) => files.len(),
        }
    }

    /// The SHA-256 of the rows, and the files from their start.
    ///
    /// For a file that of its bytes. For a directory that of a text with a line for each file, as `sha256sum` prints it in the
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
            Files::Directory(files) => {
                let mut lines = Vec::new();
                for (path, _) in &files {
                    let (_, digest) = Source::open(path)?.digest()?;
                    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
                    lines.extend(digest_line(digest, name));
                }
                (Files::Directory(files), Sha256::of(&lines))
            }
        };
        Ok((Self { name, files, delimiter }, digest))
    }

    /// Opens the files, one after the other: [`ErrorKind::Storage`] for one that cannot be read.
    #[must_use]
    pub fn sources(self) -> Box<dyn Iterator<Item = Result<(Source, FileFormat)>>> {
        let delimiter = self.delimiter;
        match self.files {
            Files::One(source, format) => {
                Box::new(std::iter::once(Ok((source.delimited_by(delimiter), format))))
            }
            Files::Directory(files) => Box::new(
                files
                    .into_iter()
                    .map(move |(path, format)| Ok((Source::open(&path)?.delimited_by(delimiter), format))),
            ),
        }
    }
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

/// The paths of the files in a directory.
fn listed(directory: &Path) -> Result<Vec<PathBuf>> {
    let unreadable = |error| Error::new(ErrorKind::Storage, "cannot read the directory").with_source(error);
    let mut paths = Vec::new();
    for entry in fs::read_dir(directory).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let name = entry.file_name();
        if name.as_encoded_bytes().starts_with(b".") || name.as_encoded_bytes().starts_with(b"_") {
            continue;
        }
        if entry.path().is_dir() {
            let name = excerpt(name.as_encoded_bytes(), QUOTED_CHARS);
            return Err(Error::new(
                ErrorKind::InvalidData,
                format!("the directory of rows contains a directory: `{name}`"),
            )
            .with_hint("put the files into one directory; values in the names of directories are not read"));
        }
        paths.push(entry.path());
    }
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind<T>(result: Result<T>) -> Option<ErrorKind> {
        result.err().map(|error| error.kind())
    }

    fn names(files: RowFiles) -> Vec<(String, FileFormat)> {
        let name = |source: Source| source.name().rsplit('/').next().unwrap_or_default().to_owned();
        files.sources().map(|file| file.map(|(source, format)| (name(source), format)).unwrap()).collect()
    }

    #[test]
    fn the_files_of_a_directory_are_in_the_order_of_their_names() {
        let home = tempfile::tempdir().unwrap();
        for (name, text) in
            [("b.csv", "2"), ("a.jsonl", "1"), ("_SUCCESS", ""), (".a.csv.crc", "x"), ("B.csv", "3")]
        {
            fs::write(home.path().join(name), text).unwrap();
        }
        let open = || RowFiles::open(home.path(), None).unwrap();
        let expected =
            [("B.csv", FileFormat::Csv), ("a.jsonl", FileFormat::Jsonl), ("b.csv", FileFormat::Csv)];
        assert_eq!(names(open()), expected.map(|(name, format)| (name.to_owned(), format)));
        assert_eq!(open().count(), 3);
        // `LC_ALL=C sha256sum B.csv a.jsonl b.csv`.
        let lines = [("3", "B.csv"), ("1", "a.jsonl"), ("2", "b.csv")]
            .map(|(text, name)| format!("{}  {name}\n", Sha256::of(text.as_bytes())));
        let (files, digest) = open().digest().unwrap();
        assert_eq!(digest, Sha256::of(lines.concat().as_bytes()));
        assert_eq!(names(files).len(), 3);
        let given = RowFiles::open(home.path(), Some(FileFormat::Parquet)).unwrap();
        assert!(names(given).iter().all(|(_, format)| *format == FileFormat::Parquet));
    }

    #[test]
    fn a_file_is_itself() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("rows.csv");
        fs::write(&path, "a\n1\n").unwrap();
        let (files, digest) = RowFiles::open(&path, None).unwrap().digest().unwrap();
        assert_eq!(digest, Sha256::of(b"a\n1\n"));
        assert_eq!(names(files), [("rows.csv".to_owned(), FileFormat::Csv)]);
    }

    #[test]
    fn what_is_not_rows_is_refused() {
        let home = tempfile::tempdir().unwrap();
        let open = || RowFiles::open(home.path(), None);
        assert_eq!(kind(open()), Some(ErrorKind::NoRows));
        fs::write(home.path().join("rows.txt"), "").unwrap();
        assert_eq!(kind(open()), Some(ErrorKind::InvalidArgument));
        fs::create_dir(home.path().join("region=north")).unwrap();
        assert_eq!(kind(open()), Some(ErrorKind::InvalidData));
        assert_eq!(kind(RowFiles::open(&home.path().join("missing.csv"), None)), Some(ErrorKind::Storage));
    }

    #[test]
    fn a_name_cannot_look_like_several_files() {
        let digest = Sha256::of(b"a");
        let line = |name: &[u8]| String::from_utf8(digest_line(digest, name)).unwrap();
        assert_eq!(line(b"a b.csv"), format!("{digest}  a b.csv\n"));
        assert_eq!(line(b"a\nb\\c\r"), format!("\\{digest}  a\\nb\\\\c\\r\n"));
    }
}
