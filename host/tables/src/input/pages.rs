//! Checks the pages of a Parquet file in memory before they are decoded: one of a few bytes can become gigabytes.
//!
//! The heads of pages are structures in Thrift's compact protocol:
//! <https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md>.

use std::io::{self, Read as _};

use flate2::read::MultiGzDecoder;
use parquet::basic::Compression;
use parquet::file::metadata::ColumnChunkMetaData;

use hydra_base::{Error, ErrorKind, Result};

/// The longest footer, in bytes. A column takes about fifty times its bytes there when it is read.
const LONGEST_FOOTER: u32 = 4 << 20;

/// The number of the encoding `DELTA_BYTE_ARRAY`, in which a text of a few bits repeats the one before it.
const DELTA_BYTE_ARRAY: i64 = 7;

/// How deeply structures and lists are nested in the head of a page, at most.
const DEEPEST: usize = 8;

/// The key of the context of errors about what is too large.
pub(super) const UNPACKED: &str = "unpacked";

/// What is checked of the head of a page. Of fields that are there twice, the last one counts, as in the decoder, or the worst one.
#[derive(Debug, Default, PartialEq, Eq)]
struct Head {
    unpacked: i64,
    packed: i64,
    is_delta: bool,
    /// How many values a dictionary has.
    dictionary: i64,
    /// How many bytes before the values are not compressed: of two kinds of levels.
    levels: [i64; 2],
    is_plain: bool,
}

/// Refuses a file whose footer is longer than those of usual files.
pub(super) fn check_footer(file: &[u8]) -> Result<()> {
    let length =
        file.split_last_chunk::<8>().map(|(_, [a, b, c, d, ..])| u32::from_le_bytes([*a, *b, *c, *d]));
    match length {
        // One that is longer than the file is damaged, which the decoder reports.
        Some(length) if length > LONGEST_FOOTER && length as usize <= file.len() => {
            Err(Error::new(ErrorKind::InvalidData, "the footer is too large")
                .with_context(UNPACKED, format_args!("{length} bytes, the limit is {LONGEST_FOOTER}")))
        }
        _ => Ok(()),
    }
}

/// Checks the pages of a column of a row group. Their unpacked bytes are taken from `left`.
pub(super) fn check(file: &[u8], column: &ColumnChunkMetaData, left: &mut u64) -> Result<()> {
    let codec = column.compression();
    if matches!(codec, Compression::LZ4) {
        return Err(Error::new(ErrorKind::InvalidData, "the file's compression is not supported in memory")
            .with_context("codec", codec)
            .with_hint("write the file with zstd, snappy, gzip, lz4_raw or no compression"));
    }
    let (start, length) = column.byte_range();
    let range = usize::try_from(start).ok().zip(usize::try_from(length).ok());
    let range = range.and_then(|(start, length)| Some(start..start.checked_add(length)?));
    let mut pages =
        range.and_then(|range| file.get(range)).ok_or_else(|| damaged("a column is outside the file"))?;
    while !pages.is_empty() {
        let (head, rest) = Head::read(pages).ok_or_else(|| damaged("the head of a page is damaged"))?;
        let packed = usize::try_from(head.packed).ok().and_then(|packed| rest.split_at_checked(packed));
        let (page, rest) = packed.ok_or_else(|| damaged("a page is outside its column"))?;
        head.check(page, codec, left)?;
        pages = rest;
    }
    Ok(())
}

impl Head {
    /// The head at the start of some pages, and what follows it.
    fn read(pages: &[u8]) -> Option<(Self, &[u8])> {
        let mut thrift = Thrift { rest: pages };
        let mut head = Self::default();
        thrift.fields(0, &mut |thrift, id, kind| match id {
            2 => thrift.int32(kind).map(|size| head.unpacked = size),
            3 => thrift.int32(kind).map(|size| head.packed = size),
            5 if kind == Kind::STRUCT => thrift.fields(1, &mut |thrift, id, kind| match id {
                2 => thrift.int32(kind).map(|encoding| head.is_delta |= encoding == DELTA_BYTE_ARRAY),
                _ => thrift.skip(kind, 2),
            }),
            7 if kind == Kind::STRUCT => thrift.fields(1, &mut |thrift, id, kind| match id {
                1 => thrift.int32(kind).map(|values| head.dictionary = head.dictionary.max(values)),
                _ => thrift.skip(kind, 2),
            }),
            8 if kind == Kind::STRUCT => {
                (head.levels, head.is_plain) = ([0; 2], false);
                thrift.fields(1, &mut |thrift, id, kind| match id {
                    4 => thrift.int32(kind).map(|encoding| head.is_delta |= encoding == DELTA_BYTE_ARRAY),
                    5 => thrift.int32(kind).map(|bytes| head.levels[0] = bytes),
                    6 => thrift.int32(kind).map(|bytes| head.levels[1] = bytes),
                    7 => {
                        head.is_plain = kind == Kind::FALSE;
                        thrift.skip(kind, 2)
                    }
                    _ => thrift.skip(kind, 2),
                })
            }
            5 | 7 | 8 => None,
            _ => thrift.skip(kind, 1),
        })?;
        Some((head, thrift.rest))
    }

    fn check(&self, page: &[u8], codec: Compression, left: &mut u64) -> Result<()> {
        if self.is_delta {
            return Err(damaged("the encoding of a column is not supported in memory")
                .with_context("encoding", "DELTA_BYTE_ARRAY"));
        }
        let impossible = || damaged("a size in the head of a page is impossible");
        let unpacked = u64::try_from(self.unpacked).map_err(|_| impossible())?;
        let is_packed = !self.is_plain && codec != Compression::UNCOMPRESSED;
        let values = if is_packed { unpacked } else { page.len() as u64 };
        if u64::try_from(self.dictionary).map_err(|_| impossible())? > values {
            return Err(damaged("a dictionary has more values than bytes"));
        }
        if !is_packed {
            return Ok(());
        }
        *left = left.checked_sub(unpacked).ok_or_else(|| {
            damaged("the pages are too large")
                .with_context(UNPACKED, format_args!("{unpacked} bytes of a page"))
        })?;
        // The decoders of other codecs write no more than the size that the head says.
        if matches!(codec, Compression::GZIP(_)) {
            let [first, second] = self.levels.map(usize::try_from);
            let levels = first.ok().zip(second.ok()).and_then(|(first, second)| first.checked_add(second));
            let packed = levels.and_then(|levels| page.get(levels..)).ok_or_else(impossible)?;
            let mut plain = MultiGzDecoder::new(packed).take(unpacked.saturating_add(1));
            // Decoding reports what is damaged.
            if io::copy(&mut plain, &mut io::sink()).is_ok_and(|length| length > unpacked) {
                return Err(damaged("a page is longer than its head says"));
            }
        }
        Ok(())
    }
}

fn damaged(message: &str) -> Error {
    Error::new(ErrorKind::InvalidData, message)
}

/// The rest of a text in Thrift's compact protocol. Each reader answers nothing if that is damaged.
struct Thrift<'f> {
    rest: &'f [u8],
}

/// The types of the compact protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Kind(u8);

impl Kind {
    const TRUE: Self = Self(1);
    const FALSE: Self = Self(2);
    const BYTE: Self = Self(3);
    const INT16: Self = Self(4);
    const INT32: Self = Self(5);
    const INT64: Self = Self(6);
    const DOUBLE: Self = Self(7);
    const BINARY: Self = Self(8);
    const LIST: Self = Self(9);
    const SET: Self = Self(10);
    const MAP: Self = Self(11);
    const STRUCT: Self = Self(12);
}

/// Reads a field, by its number and type.
type Field<'a, 'f> = &'a mut dyn FnMut(&mut Thrift<'f>, i64, Kind) -> Option<()>;

impl<'f> Thrift<'f> {
    /// Reads a structure.
    fn fields(&mut self, depth: usize, read: Field<'_, 'f>) -> Option<()> {
        if depth > DEEPEST {
            return None;
        }
        let mut id = 0_i64;
        loop {
            let head = self.byte()?;
            let (step, kind) = (head >> 4, Kind(head & 15));
            if head == 0 {
                return Some(());
            }
            id = if step == 0 { self.int()? } else { id.checked_add(i64::from(step))? };
            read(self, id, kind)?;
        }
    }

    /// Passes over a value.
    fn skip(&mut self, kind: Kind, depth: usize) -> Option<()> {
        match kind {
            Kind::TRUE | Kind::FALSE => Some(()),
            Kind::BYTE => self.bytes(1),
            Kind::INT16 | Kind::INT32 | Kind::INT64 => self.number().map(drop),
            Kind::DOUBLE => self.bytes(8),
            Kind::BINARY => {
                let length = self.number()?;
                self.bytes(length)
            }
            Kind::LIST | Kind::SET => {
                let head = self.byte()?;
                let count = if head >> 4 == 15 { self.number()? } else { u64::from(head >> 4) };
                self.items(&[Kind(head & 15)], count, depth)
            }
            Kind::MAP => {
                let count = self.number()?;
                if count == 0 {
                    return Some(());
                }
                let kinds = self.byte()?;
                self.items(&[Kind(kinds >> 4), Kind(kinds & 15)], count, depth)
            }
            Kind::STRUCT => self.fields(depth, &mut |thrift, _, kind| thrift.skip(kind, depth + 1)),
            _ => None,
        }
    }

    /// Passes over items of these types.
    fn items(&mut self, kinds: &[Kind], count: u64, depth: usize) -> Option<()> {
        if depth > DEEPEST {
            return None;
        }
        for _ in 0..count {
            for kind in kinds {
                // Outside of a structure, a boolean has a byte.
                let kind = if matches!(*kind, Kind::TRUE | Kind::FALSE) { Kind::BYTE } else { *kind };
                self.skip(kind, depth + 1)?;
            }
        }
        Some(())
    }

    fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*byte)
    }

    fn bytes(&mut self, count: u64) -> Option<()> {
        self.rest = self.rest.get(usize::try_from(count).ok()?..)?;
        Some(())
    }

    /// A number without a sign.
    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    /// A number of 32 bits; nothing for one of another type.
    fn int32(&mut self, kind: Kind) -> Option<i64> {
        if kind == Kind::INT32 { self.int() } else { None }
    }

    /// A number whose last bit is its sign.
    fn int(&mut self) -> Option<i64> {
        let number = self.number()?;
        Some((number >> 1) as i64 ^ -((number & 1) as i64))
    }
}

#[cfg(test)]
mod tests;
