//! Names files that are not models in LightGBM's text format by their first bytes.

use hydra_base::{Error, ErrorKind};

/// How far a JSON file is looked at.
const BEGINNING: usize = 4096;

const UNPACK: &str = "unpack the file";
const SAVE_TEXT: &str = "save the text of the model: `booster.save_model(\"model.txt\")`, or `model.booster_.save_model(\"model.txt\")` of an estimator";

/// The first bytes of a file, what it is, and what to do.
type Format = (&'static [u8], &'static str, &'static str);

const FORMATS: [Format; 22] = [
    (
        b"version https://git-lfs.",
        "a pointer of Git LFS in the place of a file",
        "fetch the file: `git lfs pull`",
    ),
    (b"outs:", "a pointer of DVC in the place of a file", "fetch the file: `dvc pull`"),
    (b"\x1f\x8b", "a file that gzip compressed", UNPACK),
    (b"\x28\xb5\x2f\xfd", "a file that zstd compressed", UNPACK),
    (b"BZh", "a file that bzip2 compressed", UNPACK),
    (b"\xfd7zXZ\0", "a file that xz compressed", UNPACK),
    (b"\x78\x9c", "a file that joblib or zlib compressed", SAVE_TEXT),
    (b"\x78\x01", "a file that joblib or zlib compressed", SAVE_TEXT),
    (b"\x78\x5e", "a file that joblib or zlib compressed", SAVE_TEXT),
    (b"\x78\xda", "a file that joblib or zlib compressed", SAVE_TEXT),
    (b"PK\x03\x04", "a zip archive, such as a skops file", SAVE_TEXT),
    (b"\x80", "a pickle of Python", SAVE_TEXT),
    (b"\xff\xfe", "text in UTF-16", "save it in UTF-8: `iconv -f UTF-16 -t UTF-8`"),
    (b"\xfe\xff", "text in UTF-16", "save it in UTF-8: `iconv -f UTF-16 -t UTF-8`"),
    (
        b"\xef\xbb\xbftree",
        "a model after a byte order mark, which LightGBM does not read",
        "remove the first three bytes: `tail -c +4`",
    ),
    (
        b"______LightGBM_Binary_File_Token",
        "a dataset of LightGBM",
        "use the file that `booster.save_model` wrote",
    ),
    (b"CBM1", "a model of CatBoost", "use a model of LightGBM"),
    (b"binf", "a model of XGBoost", "use a model of LightGBM"),
    (b"PAR1", "a Parquet file", "use the file that `booster.save_model` wrote"),
    (b"ARROW1", "an Arrow file", "use the file that `booster.save_model` wrote"),
    (
        b"<",
        "a web page or XML",
        "check where the file was downloaded from; a page that asks to sign in may be in its place",
    ),
    (b"", "an empty file", "write the model again"),
];

/// An error that names a file by its first bytes; none if they say nothing.
pub(crate) fn named(bytes: &[u8]) -> Option<Error> {
    let refuse = |what: &str, hint: &str| {
        let kind = if bytes.is_empty() { ErrorKind::InvalidModel } else { ErrorKind::UnsupportedModel };
        Error::new(kind, format!("the model is not in LightGBM's text format: it is {what}")).with_hint(hint)
    };
    let is = |start: &[u8]| if start.is_empty() { bytes.is_empty() } else { bytes.starts_with(start) };
    if let Some((_, what, hint)) = FORMATS.iter().find(|(start, ..)| is(start)) {
        return Some(refuse(what, hint));
    }
    let text = bytes[..bytes.len().min(BEGINNING)].trim_ascii_start();
    if !text.starts_with(b"{") {
        return None;
    }
    let has = |name: &[u8]| text.windows(name.len()).any(|found| found == name);
    Some(if has(b"\"tree_info\"") || has(b"\"num_tree_per_iteration\"") {
        refuse("the JSON of `dump_model`, from which LightGBM cannot read a model either", SAVE_TEXT)
    } else if has(b"\"learner\"") {
        refuse("a model of XGBoost in JSON", "use a model of LightGBM")
    } else {
        refuse("JSON", SAVE_TEXT)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::{Limits, TextModel, check};

    #[test]
    fn what_is_not_a_model_is_named() {
        for (bytes, word) in [
            (
                &b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n"[..],
                "a pointer of Git LFS",
            ),
            (b"outs:\n- md5: 00\n", "a pointer of DVC"),
            (b"\x1f\x8b\x08\0", "gzip compressed"),
            (b"\x78\x9c\0\0", "joblib or zlib"),
            (b"PK\x03\x04", "a zip archive"),
            (b"\x80\x04\x95", "a pickle of Python"),
            (b"\xff\xfet\0r\0", "text in UTF-16"),
            (b"\xef\xbb\xbftree\n", "a byte order mark"),
            (
                b" {\"name\": \"tree\", \"version\": \"v4\", \"num_class\": 1, \"num_tree_per_iteration\": 1",
                "JSON of `dump_model`",
            ),
            (b"{\"learner\": {}}", "XGBoost in JSON"),
            (b"{\"a\": 1}", "it is JSON"),
            (b"<!doctype html><title>Sign in</title>", "a web page"),
            (b"______LightGBM_Binary_File_Token______\n", "a dataset of LightGBM"),
            (b"", "an empty file"),
        ] {
            let parsed = TextModel::parse(bytes, &Limits::default()).expect_err(word);
            let streamed = check(bytes, &Limits::default()).expect_err(word);
            let kind = if bytes.is_empty() { ErrorKind::InvalidModel } else { ErrorKind::UnsupportedModel };
            assert_eq!(parsed.kind(), kind, "{word}");
            assert!(parsed.to_string().contains(word), "{word}: {parsed}");
            assert_eq!(parsed.to_string(), streamed.to_string());
            assert!(parsed.hint().is_some(), "{word}");
        }
        assert_eq!(
            TextModel::parse(b"treee\n", &Limits::default()).expect_err("no model").kind(),
            ErrorKind::InvalidModel
        );
    }
}
