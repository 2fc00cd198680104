//! Files of directories, patterns and several names.

use std::fs;

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
    let expected = [("B.csv", FileFormat::Csv), ("a.jsonl", FileFormat::Jsonl), ("b.csv", FileFormat::Csv)];
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
    fs::create_dir(home.path().join("north")).unwrap();
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

/// A directory with these files, each with its name as its text.
fn tree(paths: &[&str]) -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    for path in paths {
        let path = home.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, path.file_name().unwrap().as_encoded_bytes()).unwrap();
    }
    home
}

/// The files, relative to a directory, with the values in the names of their directories.
fn found(home: &Path, path: &str) -> Vec<String> {
    let files = RowFiles::find(&home.join(path)).unwrap();
    let shown = |file: FoundFile| {
        let Place::Local(path) = file.place else { panic!("a local file") };
        let values = file
            .partitions
            .iter()
            .map(|(name, value)| format!(" {name}:{}", value.as_deref().unwrap_or("-")));
        path.strip_prefix(home).unwrap().display().to_string() + &values.collect::<String>()
    };
    files.into_iter().map(shown).collect()
}

#[test]
fn directories_and_patterns_have_the_values_of_their_names() {
    let home = tree(&[
        "d/region=north/year=2026/part-1.csv",
        "d/region=north/year=2026/part-0.csv",
        "d/region=east%20side/year=2025/part-0.csv",
        "d/region=north/year=2026/_SUCCESS",
        "d/_temporary/0/part-9.csv",
        "d/.hidden/part-9.csv",
        "e/may.csv",
        "e/june.csv",
        "e/notes.txt",
    ]);
    let home = home.path();
    let all = [
        "d/region=east%20side/year=2025/part-0.csv region:east side year:2025",
        "d/region=north/year=2026/part-0.csv region:north year:2026",
        "d/region=north/year=2026/part-1.csv region:north year:2026",
    ];
    assert_eq!(found(home, "d"), all);
    assert_eq!(found(home, "d/region=*"), all);
    assert_eq!(found(home, "d/*/year=202?/part-*.csv"), all);
    assert_eq!(
        found(home, "d/region=north"),
        ["d/region=north/year=2026/part-0.csv year:2026", "d/region=north/year=2026/part-1.csv year:2026"]
    );
    assert_eq!(found(home, "e/*.csv"), ["e/june.csv", "e/may.csv"]);
    assert_eq!(found(home, "e/may.csv"), ["e/may.csv"]);
    for (path, wrong) in [
        ("e/*.parquet", ErrorKind::NoRows),
        ("e/missing.csv", ErrorKind::Storage),
        ("*", ErrorKind::InvalidData),
    ] {
        assert_eq!(kind(RowFiles::open(&home.join(path), None)), Some(wrong), "{path}");
    }
    // A file whose name looks like a pattern is itself.
    fs::write(home.join("e/a*.csv"), "").unwrap();
    assert_eq!(found(home, "e/a*.csv"), ["e/a*.csv"]);
    let (_, digest) = RowFiles::open(&home.join("d"), None).unwrap().digest().unwrap();
    let line = |path: &str| format!("{}  {path}\n", Sha256::of(path.rsplit('/').next().unwrap().as_bytes()));
    let lines = [
        "region=east%20side/year=2025/part-0.csv",
        "region=north/year=2026/part-0.csv",
        "region=north/year=2026/part-1.csv",
    ];
    assert_eq!(digest, Sha256::of(lines.map(line).concat().as_bytes()));
}

#[cfg(unix)]
#[test]
fn a_link_that_leads_back_ends() {
    let home = tree(&["d/a=1/part-0.csv"]);
    std::os::unix::fs::symlink(home.path().join("d"), home.path().join("d/a=1/b=2")).unwrap();
    assert_eq!(kind(RowFiles::open(&home.path().join("d"), None)), Some(ErrorKind::InvalidData));
}
