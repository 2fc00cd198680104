//! The zip archive of a skops file, with limits on the cost of unpacking.

use std::io::{Cursor, Read as _};

use zip::result::ZipError;
use zip::{CompressionMethod, ZipArchive, ZipReadOptions};

use crate::error::{damaged, raised_by};
use crate::extracted::ExtractLimits;
use hydra_base::text::{QUOTED_CHARS, excerpt};
use hydra_base::{Error, ErrorKind, Result};

/// The first bytes of a member's entry in the archive's directory.
const DIRECTORY_ENTRY: &[u8] = b"PK\x01\x02";

/// A zip archive in memory.
pub(super) struct Archive<'a> {
    zip: ZipArchive<Cursor<&'a [u8]>>,
    limits: ExtractLimits,
}

impl<'a> Archive<'a> {
    /// Opens an archive with a limited number of members; does not unpack any.
    pub(super) fn open(bytes: &'a [u8], limits: &ExtractLimits) -> Result<Self> {
        // Opening builds the whole directory in memory, so the entries are counted first, by the bytes with which each
        // one starts.
        let entries =
            bytes.windows(DIRECTORY_ENTRY.len()).filter(|window| *window == DIRECTORY_ENTRY).count();
        if entries > limits.members {
            return Err(damaged("the skops file has too many members")
                .with_context("members", entries)
                .with_context("limit", limits.members)
                .with_hint(raised_by("skops-members")));
        }
        let zip = ZipArchive::new(Cursor::new(bytes)).map_err(unreadable)?;
        Ok(Self { zip, limits: *limits })
    }

    /// Unpacks the only member with this name.
    pub(super) fn member(&mut self, name: &str) -> Result<Vec<u8>> {
        let shown = excerpt(name, QUOTED_CHARS);
        let Some(index) = self.zip.index_for_name_raw(name.as_bytes()) else {
            return Err(damaged("the skops file lacks a member").with_context("member", shown));
        };
        // Different readers choose differently between members with the same name, or between two headers that differ.
        let options = ZipReadOptions::new().enforce_header_consistency(true);
        let file = self.zip.by_index_with_options(index, options).map_err(unreadable)?;
        if !matches!(file.compression(), CompressionMethod::Stored | CompressionMethod::Deflated) {
            return Err(Error::new(
                ErrorKind::UnsupportedModel,
                "a member of the skops file has an unsupported compression",
            )
            .with_context("member", shown));
        }
        let by_ratio = file.compressed_size().saturating_mul(self.limits.ratio).max(1 << 16);
        let limit = self.limits.member_bytes.min(by_ratio);
        let mut unpacked = Vec::new();
        // The declared size is not trusted: reading stops one byte after the limit.
        if file.size() <= limit {
            file.take(limit + 1).read_to_end(&mut unpacked).map_err(|error| {
                damaged("a member of the skops file is damaged")
                    .with_context("member", &shown)
                    .with_source(error)
            })?;
            if unpacked.len() as u64 <= limit {
                return Ok(unpacked);
            }
        }
        Err(damaged("a member of the skops file is too large")
            .with_context("member", shown)
            .with_context("limit", limit)
            .with_hint(raised_by(if limit == self.limits.member_bytes {
                "skops-member-bytes"
            } else {
                "skops-ratio"
            })))
    }
}

fn unreadable(error: ZipError) -> Error {
    match error {
        ZipError::UnsupportedArchive(_) => {
            Error::new(ErrorKind::UnsupportedModel, "the skops file is an unsupported kind of zip archive")
                .with_source(error)
        }
        _ => damaged("the skops file is not a readable zip archive").with_source(error),
    }
}
