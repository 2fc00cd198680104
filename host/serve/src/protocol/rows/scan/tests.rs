//! The reader of JSON.

use proptest::prelude::*;

use super::*;

fn skips(text: &str) -> bool {
    Scanner::new(text.as_bytes())
        .and_then(|mut json| {
            json.skip()?;
            json.end()
        })
        .is_ok()
}

fn number(text: &str) -> Option<u64> {
    let mut json = Scanner::new(text.as_bytes()).unwrap();
    let number = json.number().ok()?;
    json.end().ok()?;
    Some(number.to_bits())
}

#[test]
fn json_and_the_words_of_python_are_accepted() {
    for text in [
        "1",
        "-0",
        "0.5",
        "1e5",
        "1E+5",
        "-1.5e-3",
        "NaN",
        "Infinity",
        "-Infinity",
        "null",
        "true",
        "[]",
        " [ 1 , {\"a\\n\\u00e9\\ud83e\\udd80\" : [ ] } ] ",
        "{}",
        "\"\"",
        "\u{feff}1",
    ] {
        assert!(skips(text), "{text}");
    }
    for text in [
        "",
        "01",
        "-",
        "1.",
        ".5",
        "+1",
        "1e",
        "inf",
        "nan",
        "-NaN",
        "[1,]",
        "[,1]",
        "[1 2]",
        "{\"a\"}",
        "{a:1}",
        "{\"a\":1,}",
        "tru",
        "nul",
        "\"",
        "\"\\x\"",
        "\"\\ud800\"",
        "\"\\ud800\\u0041\"",
        "\"\u{1}\"",
        "1 1",
        "]",
        "[",
        "0x10",
        "1_0",
        "'a'",
        "-01",
        "\u{a0}1",
        "\0",
    ] {
        assert!(!skips(text), "{text}");
    }
    assert!(Scanner::new(b"\"\xff\"").is_err());
}

#[test]
fn texts_are_decoded() {
    let mut json = Scanner::new(br#""a\"\\\/\b\f\n\r\t\u00e9\ud83e\udd80z""#).unwrap();
    assert_eq!(json.text().unwrap(), "a\"\\/\u{8}\u{c}\n\r\té🦀z");
    let mut json = Scanner::new("\"é🦀\"".as_bytes()).unwrap();
    assert!(matches!(json.text(), Ok(Cow::Borrowed("é🦀"))));
}

#[test]
fn nesting_has_a_limit() {
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    assert!(skips(&nested(DEEPEST)));
    let mut json = Scanner::new(b"[").unwrap();
    json.text = Box::leak(nested(1_000_000).into_boxed_str());
    assert_eq!(json.skip().unwrap_err().cause(), Cause::Depth);
}

proptest! {
    #[test]
    fn numbers_are_those_of_the_standard_library(
        text in "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,25})?([eE][+-]?[0-9]{1,3})?"
    ) {
        prop_assert_eq!(number(&text), text.parse::<f64>().ok().map(f64::to_bits));
    }

    #[test]
    fn every_double_is_read_back(bits: u64) {
        let value = f64::from_bits(bits);
        prop_assume!(value.is_finite());
        prop_assert_eq!(number(&serde_json::to_string(&value).unwrap()), Some(bits));
        prop_assert_eq!(number(&format!("{value:e}")), Some(bits));
    }

    #[test]
    fn what_serde_accepts_is_accepted_and_more_only_with_pythons_words(
        text in "[\\[\\]{},:\"0-9a-fnulltrue .eE+\\\\-]{0,24}"
    ) {
        let theirs = serde_json::from_str::<serde_json::Value>(&text);
        match theirs {
            Ok(_) => prop_assert!(skips(&text), "{}", text),
            // serde_json refuses numbers beyond the range, which Python reads as infinite.
            Err(error) => prop_assert!(!skips(&text) || error.to_string().contains("out of range"), "{}", text),
        }
    }
}
