//! LightGBM's parser of decimal numbers.

/// Parses a number like LightGBM's `Atof`, which does not round correctly: integer part, plus fraction divided by a
/// power of ten, multiplied or divided by a power of ten.
pub(super) fn atof(text: &str) -> Option<f64> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let mantissa = mantissa.strip_prefix('+').unwrap_or(mantissa);
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mut value = digits(whole)?;
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    if !fraction.is_empty() {
        value += digits(fraction)? / power_of_ten(u32::try_from(fraction.len()).ok()?);
    }
    let Some(exponent) = exponent else { return Some(value) };
    let (negative, exponent) = match exponent.strip_prefix('-') {
        Some(exponent) => (true, exponent),
        None => (false, exponent.strip_prefix('+').unwrap_or(exponent)),
    };
    if exponent.is_empty() || !exponent.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let scale = exponent_scale(exponent.parse::<u32>().ok()?);
    Some(if negative { value / scale } else { value * scale })
}

fn digits(text: &str) -> Option<f64> {
    text.bytes()
        .try_fold(0.0, |value, byte| byte.is_ascii_digit().then(|| value * 10.0 + f64::from(byte - b'0')))
}

/// LightGBM's `Pow(10, n)`: squares and cubes in the same order.
fn power_of_ten(exponent: u32) -> f64 {
    fn power(base: f64, exponent: u32) -> f64 {
        match exponent {
            0 => 1.0,
            _ if exponent.is_multiple_of(2) => power(base * base, exponent / 2),
            _ if exponent.is_multiple_of(3) => power(base * base * base, exponent / 3),
            _ => base * power(base, exponent - 1),
        }
    }
    power(10.0, exponent)
}

fn exponent_scale(exponent: u32) -> f64 {
    let mut left = exponent.min(308);
    let mut scale = 1.0;
    for (step, factor) in [(50, 1e50), (8, 1e8), (1, 10.0)] {
        while left >= step {
            scale *= factor;
            left -= step;
        }
    }
    scale
}
