//! The scales of what can be changed: which values to try, which value between two is the simplest, how to write it.

use hydra_policy::SettingKind;

const SECOND: f64 = 1_000.0;
const MINUTE: f64 = 60.0 * SECOND;
const HOUR: f64 = 60.0 * MINUTE;
const DAY: f64 = 24.0 * HOUR;

/// How far from the present value to try, in multiples of the value.
const RELATIVE: [f64; 7] = [0.001, 0.01, 0.1, 1.0, 10.0, 1e3, 1e6];

/// How far from the present count to try.
const COUNTS: [f64; 7] = [1.0, 2.0, 10.0, 100.0, 1e4, 1e6, 1e9];

/// How far from the present time to try: windows of time repeat by the day and the week.
const TIMES: [f64; 14] = [
    MINUTE,
    HOUR,
    6.0 * HOUR,
    12.0 * HOUR,
    DAY,
    2.0 * DAY,
    3.0 * DAY,
    4.0 * DAY,
    5.0 * DAY,
    7.0 * DAY,
    14.0 * DAY,
    30.0 * DAY,
    90.0 * DAY,
    365.0 * DAY,
];

/// Units of time, the longest first.
const UNITS: [f64; 5] = [DAY, HOUR, MINUTE, SECOND, 1.0];

/// The precision of a result, as a share of the change; the finest one, as a share of the value; and the finest one near zero.
const PRECISION: f64 = 1e-3;
const FINEST: f64 = 1e-7;
const FINEST_NEAR_ZERO: f64 = 1e-12;

/// What kind of number changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scale {
    /// A real number.
    Number,
    /// A whole number.
    Count,
    /// A length of time, in milliseconds.
    Span,
    /// A time, in milliseconds since the epoch.
    Time,
}

impl Scale {
    /// The values to try, in ascending order, from `low` to `high` and without `base`. `landmarks` are values that other
    /// evidence suggests; without a base they are the centre.
    pub(super) fn probes(self, base: Option<f64>, low: f64, high: f64, landmarks: &[f64]) -> Vec<f64> {
        let centres = base.map_or_else(|| landmarks.to_vec(), |base| vec![base]);
        let centres = if centres.is_empty() { vec![0.0_f64.max(low).min(high)] } else { centres };
        let steps: Vec<f64> = match self {
            Self::Number => Vec::new(),
            Self::Count => COUNTS.to_vec(),
            Self::Span | Self::Time => TIMES.to_vec(),
        };
        let mut probes = landmarks.to_vec();
        for centre in centres {
            let unit = if centre == 0.0 { 1.0 } else { centre.abs() };
            let relative = RELATIVE.map(|step| step * unit);
            let steps = if steps.is_empty() { relative.as_slice() } else { &steps };
            probes.push(centre);
            probes.extend(steps.iter().flat_map(|step| [centre - step, centre + step]));
        }
        probes.extend([low, high]);
        for probe in &mut probes {
            *probe = self.round(probe.max(low).min(high));
        }
        probes.retain(|probe| probe.is_finite());
        probes.sort_by(f64::total_cmp);
        probes.dedup();
        probes.retain(|probe| Some(*probe) != base);
        probes
    }

    /// A value between `near`, which does not flip the verdict, and `far`, which does: about in the middle, and as simple as
    /// possible. `None` if `far` is known to three significant digits of the change from `base`, or of itself without a base.
    pub(super) fn between(self, near: f64, far: f64, base: Option<f64>) -> Option<f64> {
        let (low, high) = (near.min(far), near.max(far));
        let width = high - low;
        let change = (far - base.unwrap_or(0.0)).abs();
        let enough = (change * PRECISION).max(far.abs() * FINEST).max(FINEST_NEAR_ZERO);
        if width <= enough || (self != Self::Number && width <= 1.0) {
            return None;
        }
        let third = width / 3.0;
        let middle =
            self.simplest(low + third, high - third).unwrap_or_else(|| self.round(low + width / 2.0));
        (low < middle && middle < high).then_some(middle)
    }

    /// The simplest value that is beyond `near`, towards `far`, and not beyond `far`.
    pub(super) fn simplest(self, near: f64, far: f64) -> Option<f64> {
        let within =
            |value: f64| if near < far { near < value && value <= far } else { far <= value && value < near };
        match self {
            Self::Number => decimals(near, far).find(|value| within(*value)),
            Self::Count => (1..=9)
                .rev()
                .map(|digits| 10_f64.powi(digits))
                .chain([1.0])
                .map(|unit| multiple(near, far, unit))
                .find(|value| within(*value)),
            Self::Span | Self::Time => {
                UNITS.iter().map(|unit| multiple(near, far, *unit)).find(|value| within(*value))
            }
        }
    }

    /// The value as a user would write it.
    pub(super) fn show(self, value: f64) -> String {
        match self {
            Self::Number if value != 0.0 && !(1e-6..1e15).contains(&value.abs()) => format!("{value:e}"),
            Self::Number | Self::Count => value.to_string(),
            Self::Span if value < 0.0 => format!("-{}", span(-value)),
            Self::Span => span(value),
            Self::Time => time(value),
        }
    }

    fn round(self, value: f64) -> f64 {
        if self == Self::Number { value } else { value.round() }
    }
}

/// The multiple of `unit` that is nearest to `far`, on the side of `near`.
fn multiple(near: f64, far: f64, unit: f64) -> f64 {
    let (steps, nearest) = (far / unit, (far / unit).round());
    let whole = if (steps - nearest).abs() <= nearest.abs() * f64::EPSILON * 4.0 {
        nearest
    } else if near < far {
        steps.floor()
    } else {
        steps.ceil()
    };
    // Not a negative zero.
    whole * unit + 0.0
}

/// The decimals that are nearest to `far`, on the side of `near`, with more and more digits.
fn decimals(near: f64, far: f64) -> impl Iterator<Item = f64> {
    /// From here on, a double does not hold every whole number.
    const WHOLE: f64 = 9e15;
    let magnitude = near.abs().max(far.abs()).log10().ceil().clamp(-300.0, 300.0);
    (0..20).filter_map(move |digits| {
        let exponent = f64::from(digits) - magnitude;
        // Parsed, because the quotient of whole number and exact power is the double next to the decimal.
        let scale: f64 = format!("1e{}", exponent.abs()).parse().ok()?;
        if exponent <= 0.0 {
            return Some(multiple(near, far, scale));
        }
        let whole = multiple(near * scale, far * scale, 1.0);
        (whole.abs() < WHOLE).then(|| whole / scale)
    })
}

fn span(millis: f64) -> String {
    let millis = format!("{millis:.0}");
    SettingKind::Duration.as_written(&millis).unwrap_or(millis)
}

/// A time in UTC, to the second or, if it has a part of one, to the millisecond.
fn time(millis: f64) -> String {
    let text = format!("{millis:.0}");
    let time = text.parse().ok().and_then(|millis| jiff::Timestamp::from_millisecond(millis).ok());
    time.map_or(text, |time| time.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_simplest_value_has_the_fewest_digits() {
        let simplest = |near, far| Scale::Number.simplest(near, far).map(|value| Scale::Number.show(value));
        for (near, far, simple) in [
            (0.911_97, 0.912_03, "0.912"),
            (0.912_03, 0.911_97, "0.912"),
            (0.4, 1.0, "1"),
            (0.899, 0.9, "0.9"),
            (0.9, 0.95, "0.95"),
            (-0.3, 0.2, "0"),
            (0.2, -0.3, "0"),
            (1234.0, 1300.0, "1300"),
            (1234.0, 1299.0, "1290"),
            (1e-9, 3.4e-9, "3e-9"),
            (3e20, 1.5e20, "2e20"),
        ] {
            assert_eq!(simplest(near, far).as_deref(), Some(simple), "{near} {far}");
        }
        assert_eq!(simplest(0.5, 0.5), None);
        let hours = Scale::Span.simplest(23.4 * HOUR, 24.1 * HOUR).unwrap();
        assert_eq!(Scale::Span.show(hours), "1d");
        assert_eq!(Scale::Count.simplest(17.0, 123.0), Some(100.0));
        assert_eq!(Scale::Count.simplest(17.0, 18.0), Some(18.0));
        assert_eq!(Scale::Count.simplest(17.0, 3.0), Some(10.0));
    }

    #[test]
    fn bisection_ends() {
        for scale in [Scale::Number, Scale::Count, Scale::Span, Scale::Time] {
            for (base, flips) in [(Some(0.0), 1.0), (Some(910.0), 912.0), (None, 50.0), (None, 0.0)] {
                let (mut near, mut far) = (-1e6, 1e6);
                let mut steps = 0;
                while let Some(value) = scale.between(near, far, base).filter(|_| steps < 100) {
                    steps += 1;
                    *(if value >= flips { &mut far } else { &mut near }) = value;
                }
                assert!(
                    steps < 70 && far >= flips && near < flips,
                    "{scale:?} {base:?} {flips}: {near} {far}"
                );
            }
        }
    }

    #[test]
    fn probes_stay_in_their_range_and_leave_the_present_value_out() {
        let probes = Scale::Number.probes(Some(0.91), 0.0, 1.0, &[0.9, f64::NAN, f64::INFINITY]);
        assert_eq!((probes.first(), probes.last()), (Some(&0.0), Some(&1.0)));
        assert!(probes.contains(&0.9) && !probes.contains(&0.91) && probes.is_sorted(), "{probes:?}");
        assert!(Scale::Time.probes(Some(5.0), 5.0, 1e12, &[]).iter().all(|time| *time > 5.0));
        assert_eq!(Scale::Number.probes(None, 0.0, 1.0, &[]).first(), Some(&0.0));
        assert!(Scale::Number.probes(Some(f64::MAX), f64::NEG_INFINITY, f64::INFINITY, &[]).len() < 20);
    }

    #[test]
    fn values_are_shown_as_users_write_them() {
        assert_eq!(Scale::Number.show(0.1 + 0.2), "0.30000000000000004");
        assert_eq!(Scale::Number.show(1e-9), "1e-9");
        assert_eq!(Scale::Span.show(36.0 * HOUR), "1d12h");
        assert_eq!(Scale::Span.show(-1.0), "-1ms");
        assert_eq!(Scale::Time.show(1_795_392_000_000.0), "2026-11-23T00:00:00Z");
    }
}
