//! Foreign text and figures as the page shows them.

use std::fmt;

use hydra_base::Timestamp;
use hydra_base::text::{excerpt, printable_block};

/// The most characters of a name, a value or another short text.
pub(crate) const SHORT: usize = 120;

/// The most characters of an explanation or a reason in a decision with its evidence.
pub(crate) const LONG: usize = 2_000;

/// Foreign text without control characters and without characters that hide or reorder text, cut to a length. The templates
/// escape it for HTML; text that is not of this type does not reach them.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Shown(String);

impl Shown {
    /// One line of at most `most` characters.
    pub(crate) fn line(text: impl AsRef<str>, most: usize) -> Self {
        Self(excerpt(text.as_ref(), most))
    }

    /// A name or a value.
    pub(crate) fn short(text: impl AsRef<str>) -> Self {
        Self::line(text, SHORT)
    }

    /// Text that may have several lines, of at most `most` characters.
    pub(crate) fn block(text: &str, most: usize) -> Self {
        match text.char_indices().nth(most) {
            Some((end, _)) => Self(printable_block(&text[..end]) + "…"),
            None => Self(printable_block(text)),
        }
    }

    /// The text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is a number.
    pub(crate) fn is_number(&self) -> bool {
        self.0.bytes().all(|byte| byte.is_ascii_digit())
    }

    /// Its length in bytes, as HTML at most.
    pub(crate) fn bytes(&self) -> usize {
        self.0.bytes().map(|byte| if b"<>&\"'".contains(&byte) { 5 } else { 1 }).sum()
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A time in UTC, to the second: `2026-03-01 12:00:05Z`, which is also the machine-readable form of HTML.
pub(crate) fn time(at: Timestamp) -> String {
    jiff::Timestamp::from_millisecond(at)
        .map_or_else(|_| at.to_string(), |time| time.strftime("%Y-%m-%d %H:%M:%SZ").to_string())
}

/// The day of a time in UTC.
pub(crate) fn day(at: Timestamp) -> String {
    jiff::Timestamp::from_millisecond(at)
        .map_or_else(|_| at.to_string(), |time| time.strftime("%Y-%m-%d").to_string())
}

/// A whole number with spaces between groups of three digits: `1 000 000`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// How figures of about the size of `size` are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Digits {
    /// That many digits after the point.
    Fixed(usize),
    /// With a power of ten.
    Scientific,
}

impl Digits {
    /// The form for figures of which the greatest has this absolute value.
    pub(crate) fn for_size(size: f64) -> Self {
        match size {
            0.0 => Self::Fixed(0),
            size if !(1e-4..1e9).contains(&size) => Self::Scientific,
            size if size < 0.01 => Self::Fixed(7),
            size if size < 10.0 => Self::Fixed(5),
            size if size < 1_000.0 => Self::Fixed(3),
            _ => Self::Fixed(1),
        }
    }

    /// The form for figures that stand side by side.
    pub(crate) fn for_all(figures: impl IntoIterator<Item = f64>) -> Self {
        let figures: Vec<f64> = figures.into_iter().filter(|figure| figure.is_finite()).collect();
        if figures.iter().all(|figure| figure.fract() == 0.0 && figure.abs() < 1e9) {
            return Self::Fixed(0);
        }
        Self::for_size(figures.into_iter().map(f64::abs).fold(0.0, f64::max))
    }

    /// The figure.
    pub(crate) fn write(self, figure: f64) -> String {
        match self {
            _ if figure.is_nan() => "not defined".to_owned(),
            _ if figure.is_infinite() => if figure > 0.0 { "∞" } else { "−∞" }.to_owned(),
            Self::Fixed(digits) => minus(format!("{figure:.digits$}")),
            Self::Scientific => minus(format!("{figure:.4e}")),
        }
    }

    /// The figure with its sign.
    pub(crate) fn write_signed(self, figure: f64) -> String {
        let text = self.write(figure);
        if figure > 0.0 && figure.is_finite() { format!("+{text}") } else { text }
    }
}

/// A figure alone.
pub(crate) fn figure(figure: f64) -> String {
    Digits::for_all([figure]).write(figure)
}

/// The sign of a negative number as typography has it, which is as wide as a plus.
fn minus(text: String) -> String {
    match text.strip_prefix('-') {
        Some(rest) if rest.bytes().all(|byte| b"0.".contains(&byte)) => rest.to_owned(),
        Some(rest) => format!("−{rest}"),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_is_cut_and_has_no_controls() {
        assert_eq!(Shown::line("a\nb\u{202e}c", 9).as_str(), "a\u{fffd}b\u{fffd}c");
        assert_eq!(Shown::line("x".repeat(1 << 20), 3).as_str(), "xxx…");
        assert_eq!(Shown::block("a\r\nb\u{1b}[2J", 99).as_str(), "a\nb\u{fffd}[2J");
        assert_eq!(Shown::block("東京都", 2).as_str(), "東京…");
        assert_eq!(Shown::short("a<b").bytes(), 7);
    }

    #[test]
    fn figures_side_by_side_have_the_same_digits() {
        let digits = Digits::for_all([0.913, 0.9, f64::NAN]);
        assert_eq!([0.913, 0.9].map(|one| digits.write(one)), ["0.91300", "0.90000"]);
        assert_eq!([0.013, -0.013].map(|one| digits.write_signed(one)), ["+0.01300", "−0.01300"]);
        assert_eq!(digits.write(f64::NAN), "not defined");
        assert_eq!(digits.write(-1e-9), "0.00000");
        assert_eq!(figure(1_000_000.0), "1000000");
        assert_eq!(figure(3e-7), "3.0000e-7");
        assert_eq!(figure(f64::NEG_INFINITY), "−∞");
        assert_eq!(
            [0, 999, 1_000, 1_234_567].map(grouped),
            ["0", "999", "1\u{202f}000", "1\u{202f}234\u{202f}567"]
        );
    }

    #[test]
    fn times_are_in_utc_and_machine_readable() {
        assert_eq!(time(1_772_366_405_999), "2026-03-01 12:00:05Z");
        assert_eq!(day(1_772_366_405_999), "2026-03-01");
        assert_eq!(time(i64::MAX), i64::MAX.to_string());
    }
}
