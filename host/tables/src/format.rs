//! The formats of files of rows.

use std::path::{Path, PathBuf};

use hydra_base::{Error, ErrorKind, Result};

/// The formats of files of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileFormat {
    /// Values with a header, separated by commas or other characters (.csv; as input also .tsv and .tab).
    Csv,
    /// Apache Parquet (.parquet, .pq).
    Parquet,
    /// Apache Arrow IPC, as a file (.arrow, .feather, .ipc) or a stream (.arrows).
    Arrow,
    /// One JSON object per line (.jsonl, .ndjson).
    Jsonl,
}

impl FileFormat {
    /// The format for the extension of a file's name.
    #[must_use]
    pub fn of(path: &Path) -> Option<Self> {
        let ending = path.extension()?.to_str()?.to_ascii_lowercase();
        Some(match ending.as_str() {
            "csv" => Self::Csv,
            "parquet" | "pq" => Self::Parquet,
            "arrow" | "arrows" | "feather" | "ipc" => Self::Arrow,
            "jsonl" | "ndjson" => Self::Jsonl,
            _ => return None,
        })
    }

    /// The format of the rows at `input`: the `given` one, else that of the extension, and CSV for stdin. The extension of a compressed
    /// file (.gz, .zst, .bz2) does not count.
    ///
    /// [`ErrorKind::InvalidArgument`] if neither determines it.
    pub fn of_input(input: &Path, given: Option<Self>) -> Result<Self> {
        let stdin = is_dash(input).then_some(Self::Csv);
        let plain = without_compression(input);
        let tabs = is_tabs(&plain).then_some(Self::Csv);
        given.or(stdin).or(tabs).or_else(|| Self::of(&plain)).ok_or_else(|| {
            Error::new(ErrorKind::InvalidArgument, "cannot determine the input's format from its extension")
                .with_context("file", input.display())
                .with_hint("set --in-format to csv, parquet, arrow or jsonl")
        })
    }
}

/// The path without the extension of a compressed file.
pub(crate) fn without_compression(path: &Path) -> PathBuf {
    let is_compressed = ["gz", "zst", "bz2"].iter().any(|ending| has_extension(path, ending));
    if is_compressed { path.with_extension("") } else { path.to_owned() }
}

/// Whether the name says that tabs separate the columns.
pub(crate) fn is_tabs(path: &Path) -> bool {
    has_extension(path, "tsv") || has_extension(path, "tab")
}

fn has_extension(path: &Path, wanted: &str) -> bool {
    path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case(wanted))
}

/// Whether the path means stdin or stdout.
#[must_use]
pub fn is_dash(path: &Path) -> bool {
    path.as_os_str() == "-"
}
