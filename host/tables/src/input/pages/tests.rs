//! Files that claim much, and heads of pages.

use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray};
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding};
use parquet::file::properties::{WriterProperties, WriterPropertiesBuilder, WriterVersion};
use parquet::file::reader::{FileReader as _, SerializedFileReader};

use super::*;

const ROWS: usize = 50_000;

/// A file with a column of doubles and one of texts.
fn file(properties: WriterPropertiesBuilder) -> Vec<u8> {
    let numbers: ArrayRef =
        Arc::new(Float64Array::from_iter_values((0..ROWS).map(|row| (row / 1_000) as f64)));
    let texts = (0..ROWS).map(|row| format!("a text of some length {}", row % 3));
    let texts: ArrayRef = Arc::new(StringArray::from_iter_values(texts));
    let batch = RecordBatch::try_from_iter([("x", numbers), ("t", texts)]).expect("a batch");
    let mut bytes = Vec::new();
    let mut writer =
        ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties.build())).expect("a writer");
    writer.write(&batch).expect("rows");
    writer.close().expect("a footer");
    bytes
}

fn plain(codec: Compression) -> Vec<u8> {
    file(WriterProperties::builder().set_compression(codec).set_dictionary_enabled(false))
}

/// Checks all columns with this many bytes, and says what is left.
fn check_all(bytes: &[u8], mut left: u64) -> Result<u64> {
    check_footer(bytes)?;
    let reader = SerializedFileReader::new(Bytes::copy_from_slice(bytes)).expect("a footer");
    for group in reader.metadata().row_groups() {
        for column in group.columns() {
            check(bytes, column, &mut left)?;
        }
    }
    Ok(left)
}

#[test]
fn usual_files_pass_and_their_pages_are_counted() {
    let gzip = Compression::GZIP(Default::default());
    for codec in [Compression::SNAPPY, gzip, Compression::ZSTD(Default::default()), Compression::LZ4_RAW] {
        let bytes = plain(codec);
        let left = check_all(&bytes, 1 << 30).expect("a usual file");
        let unpacked = (1 << 30) - left;
        assert!((ROWS as u64 * 30..ROWS as u64 * 40).contains(&unpacked), "{codec:?}: {unpacked}");
        let error = check_all(&bytes, unpacked - 1).expect_err("one byte too many");
        assert!(error.context().iter().any(|(key, _)| *key == UNPACKED), "{error}");
        for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
            let properties = WriterProperties::builder()
                .set_compression(codec)
                .set_writer_version(version)
                .set_encoding(Encoding::PLAIN);
            check_all(&file(properties), 1 << 30).expect("a usual file with dictionaries");
        }
    }
    assert_eq!(check_all(&plain(Compression::UNCOMPRESSED), 0).expect("nothing is unpacked"), 0);
}

#[test]
fn pages_that_lie_about_their_size_are_refused() {
    let bytes = plain(Compression::GZIP(Default::default()));
    let reader = SerializedFileReader::new(Bytes::copy_from_slice(&bytes)).expect("a footer");
    let (start, _) = reader.metadata().row_group(0).column(0).byte_range();
    let start = usize::try_from(start).expect("a place");
    let (head, _) = Head::read(&bytes[start..]).expect("a head");
    // The size follows its field's head; another number of the same length takes its place.
    let coded = |number: i64| {
        let (mut number, mut bytes) = ((number as u64) << 1, Vec::new());
        while number > 0x7f {
            bytes.push((number & 0x7f) as u8 | 0x80);
            number >>= 7;
        }
        bytes.push(number as u8);
        bytes
    };
    let (honest, lie) = (coded(head.unpacked), coded(head.unpacked - 1));
    let place = bytes[start..].windows(honest.len()).position(|window| window == honest).expect("the size");
    let mut lying = bytes.clone();
    lying[start + place..start + place + lie.len()].copy_from_slice(&lie);
    let error = check_all(&lying, 1 << 30).expect_err("a lie");
    assert!(error.to_string().contains("longer than its head says"), "{error}");
}

#[test]
fn texts_that_repeat_the_ones_before_them_and_long_footers_are_refused() {
    let properties = WriterProperties::builder()
        .set_writer_version(WriterVersion::PARQUET_2_0)
        .set_dictionary_enabled(false)
        .set_column_encoding("t".into(), Encoding::DELTA_BYTE_ARRAY);
    let error = check_all(&file(properties), 1 << 30).expect_err("a rare encoding");
    assert!(error.to_string().contains("encoding"), "{error}");
    let footer = |length: u32, size: usize| [&vec![0; size][..], &length.to_le_bytes(), b"PAR1"].concat();
    let long = LONGEST_FOOTER + 1;
    assert!(check_footer(&footer(long, long as usize)).is_err());
    assert!(check_footer(&footer(LONGEST_FOOTER, long as usize)).is_ok());
    // A damaged length is for the decoder to report.
    assert!(check_footer(&footer(long, 100)).is_ok() && check_footer(b"PAR1").is_ok());
}

#[test]
fn damaged_heads_are_refused_and_never_panic() {
    let bytes = plain(Compression::SNAPPY);
    let reader = SerializedFileReader::new(Bytes::copy_from_slice(&bytes)).expect("a footer");
    let (start, _) = reader.metadata().row_group(0).column(0).byte_range();
    let head = &bytes[usize::try_from(start).expect("a place")..][..64];
    for place in 0..head.len() {
        for byte in 0..=u8::MAX {
            let mut damaged = head.to_vec();
            damaged[place] = byte;
            if let Some((head, _)) = Head::read(&damaged) {
                let _ = head.check(&damaged, Compression::SNAPPY, &mut 1_000_000);
            }
        }
        assert!(Head::read(&head[..place.min(8)]).is_none());
    }
    // Lists without an end.
    assert!(Head::read(&[0x19].repeat(1_000)).is_none());
    assert!(Head::read(&[[0x19, 0xf9].as_slice(), &[0xff; 8], &[0x7f]].concat()).is_none());
}
