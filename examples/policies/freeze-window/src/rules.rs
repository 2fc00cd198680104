//! Holds promotions during freeze windows.

use example_common::calendar::{DAY, MINUTE, parse_date, parse_time, parse_weekday, weekday};
use example_common::contract::{Context, ModelVersion, PolicyError, Setting, SettingKind, Verdict};
use example_common::{approve, declare, hours_and_minutes, setting, take_over};

const WEEK: u64 = 7 * DAY;

pub fn settings() -> Vec<Setting> {
    vec![declare(
        "windows",
        SettingKind::Text,
        None,
        "times in UTC, separated by commas: `fri 16:00 to mon 08:00` every week, `2026-12-20 to 2027-01-02` including both days",
    )]
}

pub fn promotion(target: &ModelVersion, context: &Context) -> Result<Verdict, PolicyError> {
    let now = context.now / MINUTE;
    for text in setting(context, "windows")?.split(',').map(str::trim).filter(|text| !text.is_empty()) {
        let window = Window::parse(text).ok_or_else(|| {
            PolicyError::InvalidSettings(format!(
                "`windows` holds `{text}`, which is neither weekly times nor dates"
            ))
        })?;
        if let Some(left) = window.minutes_left(now) {
            let left = hours_and_minutes(left * MINUTE);
            return Ok(Verdict::Hold(format!(
                "promotions are frozen during {text} UTC; try again in {left}"
            )));
        }
    }
    let explanation = format!("version {} becomes champion outside every freeze window", target.version);
    Ok(approve(take_over(target, context), explanation))
}

/// A half-open span of minutes since Monday, or since the epoch.
#[derive(Debug, PartialEq)]
enum Window {
    Weekly(u64, u64),
    Once(u64, u64),
}

impl Window {
    fn parse(text: &str) -> Option<Self> {
        let (from, to) = text.split_once(" to ")?;
        if let (Some(from), Some(to)) = (minute_of_week(from), minute_of_week(to)) {
            return Some(Self::Weekly(from, to));
        }
        let (from, to) = (parse_date(from)?, parse_date(to)?);
        (from <= to).then_some(Self::Once(from * DAY, (to + 1) * DAY))
    }

    /// The remaining time of the window, if `now` is in it. A weekly window may span the end of the week.
    fn minutes_left(&self, now: u64) -> Option<u64> {
        match *self {
            Self::Once(from, to) => (from..to).contains(&now).then(|| to - now),
            Self::Weekly(from, to) => {
                let minute = weekday(now / DAY) * DAY + now % DAY;
                let length = (to + WEEK - from) % WEEK;
                let passed = (minute + WEEK - from) % WEEK;
                (passed < length).then(|| length - passed)
            }
        }
    }
}

/// `fri 16:00`.
fn minute_of_week(text: &str) -> Option<u64> {
    let (day, time) = text.trim().split_once(' ')?;
    let time = parse_time(time).filter(|time| *time < DAY)?;
    Some(parse_weekday(day)? * DAY + time)
}

#[cfg(test)]
mod tests {
    use super::*;
    use example_common::evidence::{context, version};

    /// Monday, 2026-11-23, 00:00 UTC.
    const MONDAY: u64 = 1_795_392_000_000;
    const HOUR: u64 = 3_600_000;

    fn decide(windows: &str, now: u64) -> Result<Verdict, PolicyError> {
        let mut context = context(&[("windows", windows)], None);
        context.now = now;
        promotion(&version(2, &[]), &context)
    }

    #[test]
    fn a_weekly_window_spans_the_end_of_the_week() {
        let at = |hours: u64| decide("fri 16:00 to mon 08:00", MONDAY + hours * HOUR).unwrap();
        let held = "promotions are frozen during fri 16:00 to mon 08:00 UTC; try again in 1 h";
        assert_eq!(at(7), Verdict::Hold(held.to_owned()));
        assert!(matches!(at(8), Verdict::Approve(_)));
        assert!(matches!(at(4 * 24 + 15), Verdict::Approve(_)));
        assert!(matches!(at(4 * 24 + 16), Verdict::Hold(_)));
        assert!(matches!(at(6 * 24), Verdict::Hold(_)));
    }

    #[test]
    fn a_span_of_dates_holds_on_its_last_day() {
        assert_eq!(parse_date("2026-11-23"), Some(MONDAY / MINUTE / DAY));
        let at = |days: u64| decide("2026-11-20 to 2026-11-24", MONDAY + days * 24 * HOUR).unwrap();
        assert!(matches!(at(1), Verdict::Hold(_)));
        assert!(matches!(at(2), Verdict::Approve(_)));
    }

    #[test]
    fn malformed_windows_are_errors_of_the_settings() {
        for windows in [
            "always",
            "fri 25:00 to mon 08:00",
            "fri 24:00 to mon 08:00",
            "2026-02-30 to 2026-03-01",
            "2026-03-02 to 2026-03-01",
        ] {
            assert!(matches!(decide(windows, MONDAY), Err(PolicyError::InvalidSettings(_))), "{windows}");
        }
    }
}
