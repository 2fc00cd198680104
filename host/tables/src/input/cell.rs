//! The meaning of a cell's text.

use hydra_lightgbm::decimal;

/// The spellings of missing values: those of pandas' `read_csv`.
const MISSING: [&str; 18] = [
    "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A",
    "NA", "NULL", "NaN", "None", "n/a", "null",
];

/// Whether a cell's text means a missing value.
pub(super) fn is_missing(text: &[u8]) -> bool {
    // Most cells are numbers, and numbers do not start with these bytes. Only the spellings with `#` start otherwise.
    match text.first() {
        None => true,
        Some(b'0'..=b'9') => text.starts_with(b"1.#") && listed(text),
        Some(_) => text == b"nan" || listed(text),
    }
}

fn listed(text: &[u8]) -> bool {
    text.len() <= 8 && MISSING.iter().any(|missing| missing.as_bytes() == text)
}

/// The number in a cell's text, correctly rounded; NaN for missing values, 0 and 1 for booleans.
///
/// `None` if it is not a number.
#[must_use]
pub fn number(text: &[u8]) -> Option<f64> {
    let text = text.trim_ascii();
    let Some(first) = text.first() else { return Some(f64::NAN) };
    if first.is_ascii_digit() || matches!(first, b'-' | b'+' | b'.') {
        return decimal::parse(text).or_else(|| is_missing(text).then_some(f64::NAN));
    }
    match text {
        b"true" | b"True" | b"TRUE" => Some(1.0),
        b"false" | b"False" | b"FALSE" => Some(0.0),
        _ if is_missing(text) => Some(f64::NAN),
        _ if matches!(first, b'i' | b'I') => decimal::parse(text),
        _ => None,
    }
}

/// [`number`] for a cell of a feature. LightGBM's own readers also accept `na`, in any case, as a missing value.
pub(super) fn feature(text: &[u8]) -> Option<f64> {
    number(text).or_else(|| text.trim_ascii().eq_ignore_ascii_case(b"na").then_some(f64::NAN))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_and_missing_values_are_told_from_text() {
        for text in ["", " ", "NA", "nan", "NaN", "-nan", "null", "None", "#N/A", "1.#IND", "-1.#QNAN"] {
            assert!(number(text.as_bytes()).is_some_and(f64::is_nan), "{text:?}");
        }
        for (text, value) in [
            ("0", 0.0),
            ("-0", -0.0),
            (" 1.5\t", 1.5),
            (".5", 0.5),
            ("5.", 5.0),
            ("+2", 2.0),
            ("1e3", 1000.0),
            ("-inf", f64::NEG_INFINITY),
            ("Infinity", f64::INFINITY),
            ("1e999", f64::INFINITY),
            ("True", 1.0),
            ("false", 0.0),
            ("9007199254740993", 9007199254740992.0),
            ("5e-324", 5e-324),
        ] {
            assert_eq!(number(text.as_bytes()).map(f64::to_bits), Some(f64::to_bits(value)), "{text:?}");
        }
        for text in
            ["x", "1x", "-", ".", "-.", "1.2.3", "1,5", "1_000", "0x10", "yes", "nano", "infx", "--1", "1 2"]
        {
            assert_eq!(number(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(number(b"1\xff"), None);
    }

    proptest! {
        #[test]
        fn numbers_are_correctly_rounded(text in "-?[0-9]{0,20}(\\.[0-9]{0,20})?(e-?[0-9]{1,3})?") {
            let expected = text.parse::<f64>().ok().map(f64::to_bits);
            if !text.is_empty() {
                prop_assert_eq!(number(text.as_bytes()).map(f64::to_bits), expected);
            }
        }

        #[test]
        fn every_number_is_read_back(bits: u64) {
            let value = f64::from_bits(bits);
            prop_assume!(!value.is_nan());
            prop_assert_eq!(number(format!("{value}").as_bytes()).map(f64::to_bits), Some(bits));
            prop_assert_eq!(number(format!("{value:e}").as_bytes()).map(f64::to_bits), Some(bits));
        }
    }
}
