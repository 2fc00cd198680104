//! Compressed files, recognised by their first bytes.

use std::fmt;
use std::io::{self, Read};

use super::source::TooMuch;

/// The bytes that decide.
pub(super) const START: usize = 10;

/// How the bytes of a file are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compression {
    Gzip,
    Zstd,
    Bzip2,
}

/// The compressed bytes are damaged, or end too early.
#[derive(Debug)]
pub(super) struct Damaged(io::Error);

impl Compression {
    /// By the first bytes of a file; none for a file that is not compressed.
    pub(super) fn of(start: &[u8]) -> Option<Self> {
        match start {
            [0x1f, 0x8b, 8, ..] => Some(Self::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Self::Zstd),
            // After the level, the start of a block, or the end of an empty file.
            [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, 0x59, 0x26, 0x53, 0x59, ..]
            | [b'B', b'Z', b'h', b'1'..=b'9', 0x17, 0x72, 0x45, 0x38, 0x50, 0x90, ..] => Some(Self::Bzip2),
            _ => None,
        }
    }

    /// The decompressed bytes. All parts of a file that was put together are read, as the tools of these formats do.
    pub(super) fn reader(self, bytes: Box<dyn Read + Send>) -> io::Result<Box<dyn Read + Send>> {
        let reader: Box<dyn Read + Send> = match self {
            Self::Gzip => Box::new(flate2::read::MultiGzDecoder::new(bytes)),
            Self::Zstd => Box::new(zstd::stream::read::Decoder::new(bytes)?),
            Self::Bzip2 => Box::new(bzip2::read::MultiBzDecoder::new(bytes)),
        };
        Ok(Box::new(Decoded(reader)))
    }
}

impl fmt::Display for Damaged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Damaged {}

/// Marks the errors of a decoder, which are about the bytes, not about reading them.
struct Decoded(Box<dyn Read + Send>);

impl Read for Decoded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer).map_err(|error| {
            let of_reading = error.raw_os_error().is_some()
                || error.kind() == io::ErrorKind::Interrupted
                || error.get_ref().is_some_and(|cause| cause.is::<TooMuch>());
            if of_reading { error } else { io::Error::other(Damaged(error)) }
        })
    }
}
