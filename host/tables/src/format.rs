//! The formats of files of rows.

use std::path::Path;

use hydra_base::{Error, ErrorKind, Result};

/// The formats of files of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileFormat {
    /// Comma-separated values with a header (.csv).
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

    /// The format of the rows at `input`: the `given` one, else that of the extension, and CSV for stdin.
    ///
    /// [`ErrorKind::InvalidArgument`] if neither determines it.
    pub fn of_input(input: &Path, given: Option<Self>) -> Result<Self> {
        let stdin = is_dash(input).then_some(Self::Csv);
        given.or(stdin).or_else(|| Self::of(input)).ok_or_else(|| {
            Error::new(ErrorKind::InvalidArgument, "cannot determine the input's format from its extension")
                .with_context("file", input.display())
                .with_hint("set --in-format to csv, parquet, arrow or jsonl")
        })
    }
}

/// Whether the path means stdin or stdout.
#[must_use]
pub fn is_dash(path: &Path) -> bool {
    path.as_os_str() == "-"
}
