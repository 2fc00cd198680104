//! Axes: where ticks stand, and what they say.

use hydra_base::Timestamp;
use jiff::tz::TimeZone;
use jiff::{Span, Unit};

/// A tick of an axis.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tick {
    /// Its place in the drawing.
    pub at: f64,
    /// What it says.
    pub text: String,
}

/// About four round numbers between `low` and `high`, with as many digits as they need.
pub(crate) fn numbers(low: f64, high: f64) -> Vec<(f64, String)> {
    let rough = (high - low) / 4.0;
    if !rough.is_finite() || rough <= 0.0 {
        return Vec::new();
    }
    let power = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0].into_iter().map(|factor| factor * power).find(|step| *step >= rough);
    let step = step.unwrap_or(10.0 * power);
    let digits = (-step.log10().floor()).clamp(0.0, 12.0) as usize;
    let first = (low / step).ceil();
    (0..8)
        .map(|index| (first + f64::from(index)) * step)
        .take_while(|number| *number <= high + step * 1e-9)
        .map(|number| {
            let text = if number.abs() >= 1e7 || (step < 1e-6) {
                format!("{number:.2e}")
            } else {
                format!("{number:.digits$}")
            };
            (number, text.replace('-', "−"))
        })
        .collect()
}

/// The steps of a time axis: the unit, how many of it, and the form of a tick.
const STEPS: [(Unit, i64, &str); 19] = [
    (Unit::Second, 10, "%H:%M:%S"),
    (Unit::Minute, 1, "%H:%M"),
    (Unit::Minute, 5, "%H:%M"),
    (Unit::Minute, 15, "%H:%M"),
    (Unit::Hour, 1, "%H:%M"),
    (Unit::Hour, 3, "%d %b %H:%M"),
    (Unit::Hour, 6, "%d %b %H:%M"),
    (Unit::Hour, 12, "%d %b %H:%M"),
    (Unit::Day, 1, "%d %b"),
    (Unit::Day, 2, "%d %b"),
    (Unit::Day, 7, "%d %b"),
    (Unit::Day, 14, "%d %b"),
    (Unit::Month, 1, "%b %Y"),
    (Unit::Month, 3, "%b %Y"),
    (Unit::Month, 6, "%b %Y"),
    (Unit::Year, 1, "%Y"),
    (Unit::Year, 2, "%Y"),
    (Unit::Year, 5, "%Y"),
    (Unit::Year, 20, "%Y"),
];

/// Milliseconds of a unit, roughly.
fn length(unit: Unit) -> i64 {
    match unit {
        Unit::Second => 1_000,
        Unit::Minute => 60_000,
        Unit::Hour => 3_600_000,
        Unit::Day => 86_400_000,
        Unit::Month => 30 * 86_400_000,
        _ => 365 * 86_400_000,
    }
}

/// At most `most` round times between `from` and `to` in UTC, with what they say; none for times that no calendar has.
pub(crate) fn times(from: Timestamp, to: Timestamp, most: i64) -> Vec<(Timestamp, String)> {
    let span = to.saturating_sub(from);
    let fits = |(unit, count, _): &&(Unit, i64, &str)| span / (length(*unit) * *count) < most;
    let Some((unit, count, form)) = STEPS.iter().find(fits) else { return Vec::new() };
    ticks(from, to, *unit, *count, form).unwrap_or_default()
}

fn ticks(
    from: Timestamp,
    to: Timestamp,
    unit: Unit,
    count: i64,
    form: &str,
) -> Result<Vec<(Timestamp, String)>, jiff::Error> {
    let start = TimeZone::UTC.to_datetime(jiff::Timestamp::from_millisecond(from)?);
    let step = match unit {
        Unit::Second => Span::new().try_seconds(count)?,
        Unit::Minute => Span::new().try_minutes(count)?,
        Unit::Hour => Span::new().try_hours(count)?,
        Unit::Day => Span::new().try_days(count)?,
        Unit::Month => Span::new().try_months(count)?,
        _ => Span::new().try_years(count)?,
    };
    let midnight = start.date().to_datetime(jiff::civil::Time::midnight());
    let mut at = match unit {
        Unit::Second | Unit::Minute | Unit::Hour | Unit::Day => midnight,
        Unit::Month => midnight.with().month(1).day(1).build()?,
        _ => {
            let year = i64::from(midnight.year());
            let round = i16::try_from(year - year.rem_euclid(count)).unwrap_or(midnight.year());
            midnight.with().year(round).month(1).day(1).build()?
        }
    };
    let mut found = Vec::new();
    // Ten seconds are the shortest step, so a day has at most 8,640 of them before the first tick.
    for _ in 0..20_000 {
        let here = TimeZone::UTC.to_timestamp(at)?.as_millisecond();
        if here > to {
            break;
        }
        if here >= from {
            found.push((here, at.strftime(form).to_string()));
        }
        at = at.checked_add(step)?;
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_round() {
        let said = |low, high| numbers(low, high).into_iter().map(|(_, text)| text).collect::<Vec<_>>();
        assert_eq!(said(0.893, 0.921), ["0.90", "0.91", "0.92"]);
        assert_eq!(said(-1.2, 2.2), ["−1", "0", "1", "2"]);
        assert_eq!(said(1.0, 1.0), Vec::<String>::new());
        assert_eq!(said(f64::NEG_INFINITY, 1.0), Vec::<String>::new());
        assert!(numbers(-1e300, 1e300).len() < 9);
    }

    #[test]
    fn times_are_round_and_few() {
        let hour = 3_600_000;
        let start = 1_772_366_405_999;
        for span in [0, 1, 5_000, 90_000, hour, 30 * hour, 24 * 40 * hour, 24 * 400 * hour, 24 * 9_000 * hour]
        {
            let ticks = times(start, start + span, 8);
            assert!(ticks.len() <= 9, "{span}: {ticks:?}");
            assert!(ticks.iter().all(|(at, _)| (start..=start + span).contains(at)), "{ticks:?}");
        }
        let said: Vec<_> =
            times(start, start + 24 * 120 * hour, 6).into_iter().map(|(_, text)| text).collect();
        assert_eq!(said, ["Apr 2026", "May 2026", "Jun 2026"]);
        assert_eq!(times(i64::MIN, i64::MAX, 8), []);
        assert_eq!(times(i64::MAX - 5, i64::MAX, 8), []);
    }
}
