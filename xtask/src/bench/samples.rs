//! Times and their formatting.

/// Repeated measurements of one quantity.
#[derive(Debug, Clone, Default)]
pub struct Samples(Vec<f64>);

impl Samples {
    /// Adds a measurement.
    pub fn push(&mut self, value: f64) {
        self.0.push(value);
    }

    /// Whether there are no measurements.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The minimum.
    pub fn best(&self) -> f64 {
        self.0.iter().copied().fold(f64::INFINITY, f64::min)
    }

    /// The median; NaN without measurements.
    pub fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
    }

    /// "best / median" of measurements in seconds, as multiples of `unit`.
    pub fn shown(&self, unit: f64) -> String {
        if self.is_empty() {
            return "–".to_owned();
        }
        format!("{} / {}", digits(self.best() / unit), digits(self.median() / unit))
    }
}

/// A number with three significant digits.
pub fn digits(value: f64) -> String {
    let decimals = match value.abs() {
        v if !v.is_finite() => return "–".to_owned(),
        v if v >= 100.0 => 0,
        v if v >= 10.0 => 1,
        v if v >= 1.0 => 2,
        _ => 3,
    };
    format!("{value:.decimals$}")
}

/// The ratio of `value` to `base`, as text.
pub fn times(value: f64, base: f64) -> String {
    let ratio = value / base;
    if ratio.is_finite() { format!("{} ×", digits(ratio)) } else { "–".to_owned() }
}

/// A time in a unit that fits its size.
pub fn seconds(value: f64) -> String {
    match value {
        v if v >= 1.0 => format!("{} s", digits(v)),
        v if v >= 1e-3 => format!("{} ms", digits(v * 1e3)),
        v => format!("{} µs", digits(v * 1e6)),
    }
}
