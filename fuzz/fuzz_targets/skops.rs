//! Reads or rejects a skops file. Input that is not a zip archive is used as the schema inside one.

#![no_main]

use std::io::{Cursor, Write as _};

use hydra_lightgbm::extracted::ExtractLimits;
use hydra_lightgbm::skops::read_skops;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let limits = ExtractLimits::default();
    if bytes.starts_with(b"{") {
        // A fuzzer cannot create an archive with valid checksums.
        let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
        let options = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
        for (name, member) in [("schema.json", bytes), ("0.npy", bytes.rsplit(|byte| *byte == b'\n').next().unwrap_or(b""))] {
            zip.start_file(name, options).expect("a name that zip accepts");
            zip.write_all(member).expect("memory accepts every write");
        }
        let archive = zip.finish().expect("memory takes it").into_inner();
        drop(read_skops(&archive, &limits));
    } else {
        drop(read_skops(bytes, &limits));
    }
});
