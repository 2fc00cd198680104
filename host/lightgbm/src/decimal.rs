//! Parses decimal numbers to the nearest double, for model files and tables.
//!
//! LightGBM reads thresholds, leaf values and linear models with correctly rounding parsers (`fast_double_parser`,
//! `strtod`), so correct rounding gives the same values. It uses its less exact `Atof` for statistics only.

/// Parses a text that is one number, in any spelling that [`f64::from_str`](std::str::FromStr) accepts: `1`, `-1.5e-3`,
/// `+1`, `.5`, `5.`, `inf`, `Infinity`, `nan`.
///
/// Returns the nearest double, infinity if the number is too large, and `None` if the text is not a number. For the
/// spelling that programs write, it takes a fraction of the standard library's time.
///
/// ```
/// use hydra_lightgbm::decimal;
///
/// assert_eq!(decimal::parse(b"-1.5e-3"), Some(-0.0015));
/// assert_eq!(decimal::parse(b"1,5"), None);
/// ```
#[must_use]
pub fn parse(text: &[u8]) -> Option<f64> {
    match Number::read(text) {
        Some(number) if number.len() == text.len() => Some(number.value()),
        _ => std::str::from_utf8(text).ok()?.parse().ok(),
    }
}

/// Parses the number at the start of `bytes`, spelled `[-]digits[.digits][e[+-]digits]`, `[-]inf` or `[-]nan`, and returns it with its
/// length in bytes. The number is that of [`parse`]; what follows it is not looked at.
///
/// ```
/// use hydra_lightgbm::decimal;
///
/// assert_eq!(decimal::prefix(b"1.5,2"), Some((1.5, 3)));
/// assert_eq!(decimal::prefix(b"x"), None);
/// ```
#[must_use]
#[inline]
pub fn prefix(bytes: &[u8]) -> Option<(f64, usize)> {
    let number = Number::read(bytes)?;
    Some((number.value(), number.len()))
}

/// The number at the start of some bytes, in LightGBM's spelling.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Number<'a> {
    text: &'a [u8],
    kind: Kind,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    /// Decimal digits without point and exponent. `mantissa` wraps around if there are more than 19.
    Decimal {
        negative: bool,
        mantissa: u64,
        digits: usize,
        exponent: i32,
    },
    Infinite {
        negative: bool,
    },
    NaN,
}

const EXACT_POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
    1e19, 1e20, 1e21, 1e22,
];

impl<'a> Number<'a> {
    /// Parses `[-]digits[.digits][e[+-]digits]`, `[-]inf` or `[-]nan` at the start of `bytes`.
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        let negative = bytes.first() == Some(&b'-');
        let start = usize::from(negative);
        let mut mantissa = 0;
        let mut at = start + read_digits(&bytes[start..], &mut mantissa);
        let mut digits = at - start;
        if digits == 0 {
            return Self::named(bytes, start, negative);
        }
        let mut exponent = 0;
        if bytes.get(at) == Some(&b'.') {
            let fraction = read_digits(&bytes[at + 1..], &mut mantissa);
            if fraction == 0 {
                return None;
            }
            at += 1 + fraction;
            digits += fraction;
            exponent = -i32::try_from(fraction).ok()?;
        }
        if let Some(b'e' | b'E') = bytes.get(at) {
            let sign = bytes.get(at + 1).copied();
            at += if let Some(b'-' | b'+') = sign { 2 } else { 1 };
            let mut size = 0;
            let length = read_digits(&bytes[at..], &mut size);
            if length == 0 {
                return None;
            }
            at += length;
            // More than nine digits may wrap around, but then the slow path computes the value.
            let size = if length > 9 { i32::MAX / 2 } else { i32::try_from(size).ok()? };
            exponent = exponent.saturating_add(if sign == Some(b'-') { -size } else { size });
        }
        Some(Self { text: &bytes[..at], kind: Kind::Decimal { negative, mantissa, digits, exponent } })
    }

    fn named(bytes: &'a [u8], start: usize, negative: bool) -> Option<Self> {
        let word = bytes.get(start..start + 3)?;
        let kind = match word {
            b"inf" => Kind::Infinite { negative },
            b"nan" => Kind::NaN,
            _ => return None,
        };
        Some(Self { text: &bytes[..start + 3], kind })
    }

    /// The length of the number in bytes.
    pub fn len(&self) -> usize {
        self.text.len()
    }

    /// The nearest double.
    pub fn value(&self) -> f64 {
        match self.kind {
            Kind::Decimal { negative, mantissa, digits, exponent } => {
                // With at most 19 digits, the mantissa did not wrap around. Below 2^53 it is exact as a double, as are
                // the powers, so one operation rounds once.
                if digits <= 19 && mantissa <= 1 << 53 && (-22..=22).contains(&exponent) {
                    let power = EXACT_POWERS[exponent.unsigned_abs() as usize];
                    let size = if exponent < 0 { mantissa as f64 / power } else { mantissa as f64 * power };
                    return if negative { -size } else { size };
                }
                if digits <= 19 && mantissa > 0 && (-27..0).contains(&exponent) {
                    let size = quotient(mantissa, exponent.unsigned_abs());
                    return if negative { -size } else { size };
                }
                // The bytes are ASCII digits and signs, which std parses; NaN cannot result.
                std::str::from_utf8(self.text).ok().and_then(|text| text.parse().ok()).unwrap_or(f64::NAN)
            }
            Kind::Infinite { negative: false } => f64::INFINITY,
            Kind::Infinite { negative: true } => f64::NEG_INFINITY,
            Kind::NaN => f64::NAN,
        }
    }

    /// The value, if it is an integer in the range of `u32`, written in digits alone.
    pub fn whole_u32(&self) -> Option<u32> {
        match self.kind {
            Kind::Decimal { negative: false, mantissa, digits, exponent: 0 } if digits <= 19 => {
                mantissa.try_into().ok()
            }
            _ => None,
        }
    }
}

/// The double nearest to `mantissa / 10^power`, where the mantissa is not 0 and the power is at most 27, so that the power of five is
/// exact.
fn quotient(mantissa: u64, power: u32) -> f64 {
    let divisor = 5_u64.pow(power);
    let (above, below) = (mantissa.leading_zeros(), divisor.leading_zeros());
    let (dividend, divisor) = (u128::from(mantissa << above) << 63, u128::from(divisor << below));
    let quotient = dividend / divisor;
    // The quotient has 63 or 64 bits, more than a double: the last one only has to say whether something follows.
    let is_inexact = quotient * divisor != dividend;
    let exponent = below as i32 - above as i32 - 63 - power as i32;
    let scale = f64::from_bits(((1023 + exponent) as u64) << 52);
    (quotient as u64 | u64::from(is_inexact)) as f64 * scale
}

/// Parses an integer in the range of `i32`; returns it with its length in bytes.
pub(crate) fn integer(bytes: &[u8]) -> Option<(i32, usize)> {
    let negative = bytes.first() == Some(&b'-');
    let start = usize::from(negative);
    let mut size: i64 = 0;
    let mut at = start;
    while let Some(digit) = bytes.get(at).map(|byte| byte.wrapping_sub(b'0')).filter(|digit| *digit < 10) {
        size = size * 10 + i64::from(digit);
        if size > 1 << 31 {
            return None;
        }
        at += 1;
    }
    if at == start {
        return None;
    }
    Some((i32::try_from(if negative { -size } else { size }).ok()?, at))
}

/// Appends the leading decimal digits of `bytes` to `value`, wrapping around, and returns their number.
fn read_digits(bytes: &[u8], value: &mut u64) -> usize {
    let mut at = 0;
    while let Some((chunk, _)) = bytes[at..].split_first_chunk::<8>() {
        let Some(eight) = eight_digits(u64::from_le_bytes(*chunk)) else { break };
        *value = value.wrapping_mul(100_000_000).wrapping_add(eight);
        at += 8;
    }
    while let Some(digit) = bytes.get(at).map(|byte| byte.wrapping_sub(b'0')).filter(|digit| *digit < 10) {
        *value = value.wrapping_mul(10).wrapping_add(u64::from(digit));
        at += 1;
    }
    at
}

/// The value of eight ASCII digits, the first in the lowest byte; `None` if a byte is not a digit.
fn eight_digits(chunk: u64) -> Option<u64> {
    const HIGH_HALVES: u64 = 0xF0F0_F0F0_F0F0_F0F0;
    const SIXES: u64 = 0x0606_0606_0606_0606;
    const ZEROS: u64 = 0x3030_3030_3030_3030;
    // '0'..='9' are 0x30..=0x39: the high half is 3, also after adding 6.
    if chunk & HIGH_HALVES != ZEROS || chunk.wrapping_add(SIXES) & HIGH_HALVES != ZEROS {
        return None;
    }
    let digits = chunk - ZEROS;
    // Combines neighbours to pairs, fours and eight: one multiplication weighs and sums all lanes.
    let pairs = (digits.wrapping_mul(1 + (10 << 8)) >> 8) & 0x00FF_00FF_00FF_00FF;
    let fours = (pairs.wrapping_mul(1 + (100 << 16)) >> 16) & 0x0000_FFFF_0000_FFFF;
    Some(fours.wrapping_mul(1 + (10_000 << 32)) >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_the_nearest_doubles() {
        for text in [
            "0",
            "-0",
            "0.0",
            "1",
            "-1.5",
            "12345678",
            "123456789",
            "1e22",
            "1e23",
            "1e-22",
            "1e-23",
            "9007199254740993",
            "0.28155150000000001",
            "-0.39590199999999992",
            "1.0000000180025095e-35",
            "7.2057594037927933e+16",
            "3.1415926535897932384626433832795028841971693993751",
            "5e-324",
            "2.4703282292062328e-324",
            "1e-400",
            "1e400",
            "-1e400",
            "1.7976931348623157e308",
            "2.2250738585072011e-308",
            "00012.50",
            "1E5",
            "1e+0005",
            "0.000000000000000000000000000000000012345678901234567",
            "1e99999999999999999999",
            "1e-99999999999999999999",
            "18446744073709551615",
            "18446744073709551616",
            "99999999999999999999999",
        ] {
            let number = Number::read(text.as_bytes()).unwrap();
            assert_eq!(number.len(), text.len(), "{text}");
            assert_eq!(number.value().to_bits(), text.parse::<f64>().unwrap().to_bits(), "{text}");
        }
        assert_eq!(Number::read(b"inf 1").unwrap().value(), f64::INFINITY);
        assert_eq!(Number::read(b"-inf").unwrap().value(), f64::NEG_INFINITY);
        assert!(Number::read(b"nan").unwrap().value().is_nan());
    }

    #[test]
    fn a_whole_text_may_have_any_spelling_that_rust_reads() {
        for text in
            ["1", "-1.5e-3", "+1", ".5", "5.", "-.5e1", "inf", "-Infinity", "1e999", "12345678901234567890"]
        {
            assert_eq!(parse(text.as_bytes()), text.parse().ok(), "{text}");
        }
        assert!(parse(b"-nan").unwrap().is_nan());
        for text in ["", "-", ".", "1 ", " 1", "1x", "infx", "1,5", "1_000", "0x10"] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
        assert_eq!(parse(b"1\xff"), None);
    }

    #[test]
    fn text_that_is_not_a_number_is_refused() {
        for text in ["", "-", ".5", "1.", "1.e5", "1e", "1e-", "+1", "x", "in", "0x", "--1"] {
            let read = Number::read(text.as_bytes());
            assert!(read.is_none_or(|number| number.len() < text.len()), "{text}");
        }
        assert_eq!(Number::read(b"1 2").unwrap().len(), 1);
        for text in ["", "-", "x", "2147483648", "-2147483649", "99999999999999999999"] {
            assert!(integer(text.as_bytes()).is_none(), "{text}");
        }
        assert_eq!(integer(b"2147483647 "), Some((i32::MAX, 10)));
        assert_eq!(integer(b"-2147483648"), Some((i32::MIN, 11)));
    }

    #[test]
    fn eight_digits_at_once_are_read_in_order() {
        assert_eq!(eight_digits(u64::from_le_bytes(*b"12345678")), Some(12_345_678));
        assert_eq!(eight_digits(u64::from_le_bytes(*b"00000009")), Some(9));
        for text in [b"1234567 ", b"1234/678", b"123:5678", b"-2345678", b"1234567\xb0"] {
            assert_eq!(eight_digits(u64::from_le_bytes(*text)), None);
        }
    }

    proptest::proptest! {
        #[test]
        fn decimals_of_nineteen_digits_are_the_nearest_doubles(
            start in 1..1_u64 << 54, shift in 0..10_u32, beside in -1..=1_i64, power in 1..32_usize
        ) {
            // Also beside the middle between two doubles.
            let mantissa = (start << shift).saturating_add_signed(beside).max(1);
            for text in [format!("{mantissa}e-{power}"), format!("-0.{mantissa:027}"), format!("{mantissa}.5")] {
                let expected = text.parse::<f64>().map(f64::to_bits).ok();
                proptest::prop_assert_eq!(parse(text.as_bytes()).map(f64::to_bits), expected, "{}", text);
            }
        }
    }
}
