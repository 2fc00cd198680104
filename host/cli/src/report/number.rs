//! Numbers for people.

/// A number with four significant digits.
pub(crate) fn number(value: f64) -> String {
    if !value.is_finite() {
        return if value.is_nan() { "-".to_owned() } else { value.to_string() };
    }
    let magnitude = if value == 0.0 { 0 } else { value.abs().log10().floor() as i32 };
    match magnitude {
        // Without the sign of zero.
        -5..=5 => format!("{:.*}", (3 - magnitude).max(0) as usize, value + 0.0),
        _ => format!("{value:.3e}"),
    }
}

/// A number with a sign, as a difference.
pub(crate) fn signed(value: f64) -> String {
    let sign = if value > 0.0 { "+" } else { "" };
    sign.to_owned() + &number(value)
}

/// A value with its interval.
pub(crate) fn figure(value: f64, interval: Option<(f64, f64)>) -> String {
    let interval = interval.map(|(low, high)| format!(" [{}, {}]", number(low), number(high)));
    number(value) + &interval.unwrap_or_default()
}
