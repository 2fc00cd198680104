//! The zip archive around a skops file, with bounds on what unpacking costs.

use std::io::{Cursor, Read as _};

use zip::CompressionMethod;
use zip::read::{Config, ZipIterable};
use zip::result::ZipError;

use super::damaged;
use crate::model::extracted::ExtractLimits;
use crate::{Error, ErrorKind, Result};

/// A zip archive in memory.
pub(super) struct Archive<'a> {
    members: ZipIterable<Cursor<&'a [u8]>>,
    limits: ExtractLimits,
}

impl<'a> Archive<'a> {
    /// Opens an archive of few enough members; nothing is unpacked yet.
    pub(super) fn open(bytes: &'a [u8], limits: &ExtractLimits) -> Result<Self> {
        let members = ZipIterable::try_new(Cursor::new(bytes), Config::default())
            .map_err(|error| unreadable(error))?
            // A member whose two headers differ is one thing to one reader and another to the next.
            .enforce_header_consistency(true);
        if members.len() > limits.members {
            return Err(damaged("the skops file has too many members")
                .with_context("members", members.len())
                .with_context("limit", limits.members));
        }
        Ok(Self { members, limits: *limits })
    }

    /// Unpacks the one member of this name.
    pub(super) fn member(&mut self, name: &str) -> Result<Vec<u8>> {
        let shown = || name.chars().take(80).flat_map(char::escape_debug).collect::<String>();
        let mut found = None;
        for entry in self.members.files().map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            if entry.name_raw() == name.as_bytes() && found.replace(entry).is_some() {
                return Err(damaged("the skops file has two members of one name").with_context("member", shown()));
            }
        }
        let entry =
            found.ok_or_else(|| damaged("the skops file lacks a member").with_context("member", shown()))?;
        if entry.encrypted()
            || !matches!(entry.compression(), CompressionMethod::Stored | CompressionMethod::Deflated)
        {
            return Err(Error::new(ErrorKind::UnsupportedModel, "a member of the skops file is neither stored nor deflated")
                .with_context("member", shown()));
        }
        let packed = entry.compressed_size().max(1);
        let limit = self.limits.member_bytes.min(packed.saturating_mul(self.limits.ratio).max(1 << 16));
        if entry.size() > limit {
            return Err(too_large(&shown(), limit));
        }
        let reader = self.members.files().map_err(unreadable)?.reader_mut();
        let file = entry.with_reader(reader, zip::ZipReadOptions::new()).map_err(unreadable)?;
        let mut unpacked = Vec::new();
        // The declared size is not trusted: reading stops one byte past the limit.
        file.take(limit + 1)
            .read_to_end(&mut unpacked)
            .map_err(|error| damaged("a member of the skops file is damaged").with_context("member", shown()).with_source(error))?;
        if unpacked.len() as u64 > limit {
            return Err(too_large(&shown(), limit));
        }
        Ok(unpacked)
    }
}

fn too_large(member: &str, limit: u64) -> Error {
    damaged("a member of the skops file is too large").with_context("member", member).with_context("limit", limit)
}

fn unreadable(error: ZipError) -> Error {
    match error {
        ZipError::UnsupportedArchive(_) => {
            Error::new(ErrorKind::UnsupportedModel, "the skops file is a zip archive of an unsupported kind")
                .with_source(error)
        }
        _ => damaged("the skops file is not a readable zip archive").with_source(error),
    }
}
