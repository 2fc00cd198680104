//! The same rows in the spellings that other tools write: compressed, with other delimiters, with Python's NaN.

use std::fs;
use std::io::Write as _;

use super::formats::{FILES, inputs};
use super::{Case, Folder};
use hydra_base::ErrorKind;

/// The rows of a fixture, and the predictions of this program from plain CSV.
fn rows() -> (Case, String, String) {
    let case = Case::new("regression");
    let rows: String = case.input().lines().map(|line| line.to_owned() + "\n").collect();
    let expected = Folder::new().predict_csv(case.model("booster"), &rows, "").unwrap();
    (case, rows, expected)
}

type Compress = fn(&[u8]) -> Vec<u8>;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn bzip2(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}

#[test]
fn compressed_files_are_read_by_their_content() {
    let case = Case::new("regression");
    let folder = inputs(&case);
    let rows = fs::read_to_string(folder.path("rows.csv")).unwrap();
    let expected = folder.predict_csv(case.model("booster"), &rows, "").unwrap();
    let compressions: [(&str, Compress); 3] = [("gz", gzip), ("zst", zstd), ("bz2", bzip2)];
    for (ending, compress) in compressions {
        for file in FILES {
            let plain = fs::read(folder.path(file)).unwrap();
            let name = format!("{file}.{ending}");
            folder.write(&name, compress(&plain));
            folder.predict(case.model("booster"), &name, "out.csv", "").unwrap();
            assert_eq!(fs::read_to_string(folder.path("out.csv")).unwrap(), expected, "{name}");
        }
        // Without the extension, and in parts, as `cat` puts files together.
        let (head, tail) = rows.split_at(rows.len() / 2);
        let parts = [compress(head.as_bytes()), compress(tail.as_bytes())].concat();
        assert_eq!(folder.predict_csv(case.model("booster"), &parts, "").unwrap(), expected, "{ending}");
        // A damaged file is not a shorter one.
        let whole = compress(rows.as_bytes());
        folder.write("cut.csv", &whole[..whole.len() - 9]);
        let error = folder.refused(case.model("booster"), "cut.csv", "");
        assert_eq!(error.kind(), ErrorKind::InvalidData, "{ending}: {error}");
        assert!(error.to_string().starts_with("cannot decompress the input"), "{ending}: {error}");
    }
}

#[test]
fn delimiters_are_found_in_the_header_or_said() {
    let (case, rows, expected) = rows();
    let folder = Folder::new();
    for delimiter in ["\t", ";", "|"] {
        let other = rows.replace(',', delimiter);
        assert_eq!(folder.predict_csv(case.model("booster"), &other, "").unwrap(), expected, "{delimiter:?}");
        // The order of the columns does not matter, and neither do columns that are not features.
        let wider: String = other.lines().map(|line| format!("a,b{delimiter}{line}\n")).collect();
        assert_eq!(folder.predict_csv(case.model("booster"), &wider, "").unwrap(), expected, "{delimiter:?}");
    }
    folder.write("rows.tsv", rows.replace(',', "\t"));
    folder.predict(case.model("booster"), "rows.tsv", "out.csv", "").unwrap();
    assert_eq!(fs::read_to_string(folder.path("out.csv")).unwrap(), expected);
    let hashes = rows.replace(',', "#");
    assert_eq!(folder.predict_csv(case.model("booster"), &hashes, "--delimiter #").unwrap(), expected);
    let error = folder.refused(case.model("booster"), "in.csv", "");
    assert_eq!(error.hint(), Some("check what separates the columns, and say it with --delimiter"));
    for refused in ["ä", ";;", "\""] {
        let error = folder.predict_csv(case.model("booster"), &rows, &format!("--delimiter {refused}"));
        assert!(error.is_err(), "{refused}");
    }
}

#[test]
fn nan_of_python_is_missing_in_json_lines() {
    let case = Case::new("regression");
    let folder = Folder::new();
    let names = case.expected["feature_names"].as_array().unwrap();
    let line = |value: &str| {
        let cells: Vec<String> = names.iter().map(|name| format!("{name}: {value}")).collect();
        format!("{{{}, \"note\": \"NaN of \\\"Infinity\\\"\"}}\n", cells.join(", "))
    };
    let predicted = |text: String| {
        folder.write("rows.jsonl", text);
        folder.predict(case.model("booster"), "rows.jsonl", "out.jsonl", "--keep note").unwrap();
        fs::read_to_string(folder.path("out.jsonl")).unwrap()
    };
    assert_eq!(predicted(line("NaN")), predicted(line("null")));
    assert_eq!(predicted(line("-Infinity")), predicted(line("\"-Infinity\"")));
    assert_eq!(predicted(line("Infinity")), predicted(line("\"Infinity\"")));
    assert!(predicted(line("NaN")).contains("NaN of \\\"Infinity\\\""));
}

#[test]
fn other_files_are_named() {
    let (case, rows, _) = rows();
    let folder = Folder::new();
    let utf16: Vec<u8> = [0xfeff].into_iter().chain(rows.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    let cases: [(&[u8], &str); 4] = [
        (&utf16, "UTF-16"),
        (b"PAR1\x15\x04", "Parquet"),
        (b"ARROW1\0\0", "Arrow"),
        (b"PK\x03\x04", "an Excel file"),
    ];
    for (bytes, name) in cases {
        folder.write("rows.csv", bytes);
        let error = folder.refused(case.model("booster"), "rows.csv", "");
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        assert!(error.message().contains(name), "{error}");
    }
    // A byte order mark of UTF-8 is not a part of the first name.
    let marked = format!("\u{feff}{rows}");
    assert!(folder.predict_csv(case.model("booster"), marked, "").is_ok());
}

#[test]
fn the_input_is_not_overwritten() {
    let (case, rows, _) = rows();
    let folder = Folder::new();
    folder.write("rows.csv", &rows);
    let links = cfg!(unix);
    if links {
        fs::hard_link(folder.path("rows.csv"), folder.path("hard.csv")).unwrap();
        #[cfg(unix)]
        std::os::unix::fs::symlink("rows.csv", folder.path("soft.csv")).unwrap();
    }
    let outs: &[&str] = if links { &["rows.csv", "hard.csv", "soft.csv"] } else { &["rows.csv"] };
    for out in outs {
        let error = folder.predict(case.model("booster"), "rows.csv", out, "").unwrap_err();
        assert!(error.to_string().starts_with("the output is the input"), "{out}: {error}");
        assert_eq!(fs::read_to_string(folder.path("rows.csv")).unwrap(), rows);
    }
}
