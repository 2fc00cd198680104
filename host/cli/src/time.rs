//! Times in command-line arguments.

use std::time::Duration;

use hydra_base::Timestamp;
use jiff::SpanRelativeTo;

/// Parses a time: RFC 3339, a date or a date and time in UTC, or a span such as `3 days ago`.
pub fn parse_time(text: &str) -> Result<Timestamp, String> {
    let utc = |time: jiff::civil::DateTime| jiff::tz::TimeZone::UTC.to_timestamp(time);
    let found = text
        .parse::<jiff::Timestamp>()
        .or_else(|_| text.parse::<jiff::civil::DateTime>().and_then(utc))
        .or_else(|_| {
            let span: jiff::Span = text.parse()?;
            let now = jiff::tz::TimeZone::UTC.to_datetime(jiff::Timestamp::now());
            // `3 days` without `ago` is in the past, too, because no command accepts future times.
            let back = if span.is_negative() { span } else { span.negate() };
            now.checked_add(back).and_then(utc)
        });
    found.map(|time| time.as_millisecond()).map_err(|_| {
        "the value is not a time; write 2026-11-01, 2026-11-01T12:00Z or `3 days ago`".to_owned()
    })
}

/// The longest span of time: 100 years of 365 days.
const LONGEST: Duration = Duration::from_hours(100 * 365 * 24);

/// A span of time that is not zero and at most 100 years, with days of 24 hours.
pub fn span(text: &str) -> Result<Duration, String> {
    let found = text
        .parse::<jiff::Span>()
        .and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()))
        .ok()
        .and_then(|duration| Duration::try_from(duration).ok());
    found.filter(|duration| !duration.is_zero() && *duration <= LONGEST).ok_or_else(|| {
        "the value is not a span of time of at most 100 years; write `7d`, `12h` or `90m`".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_an_end() {
        assert_eq!(span("7d"), Ok(Duration::from_hours(7 * 24)));
        assert_eq!(span("1 week 12 hours"), Ok(Duration::from_hours(7 * 24 + 12)));
        assert_eq!(span("90m"), Ok(Duration::from_mins(90)));
        for text in ["0d", "-7d", "7d ago", "1 month", "36501d", "99999999999999d", "soon", ""] {
            assert!(span(text).is_err(), "{text}");
        }
    }

    #[test]
    fn times_are_read_in_utc_and_spans_count_back() {
        assert_eq!(parse_time("2026-11-01"), Ok(1_793_491_200_000));
        assert_eq!(parse_time("2026-11-01T12:00Z"), Ok(1_793_534_400_000));
        assert_eq!(parse_time("2026-11-01T12:00:00+02:00"), Ok(1_793_527_200_000));
        assert_eq!(parse_time("2026-11-01T12:00"), parse_time("2026-11-01T12:00Z"));
        let now = jiff::Timestamp::now().as_millisecond();
        for text in ["3 days ago", "3d", "72h"] {
            let age = now - parse_time(text).expect("a time");
            assert!((259_199_000..259_260_000).contains(&age), "{text}: {age}");
        }
        assert!(parse_time("yesterday-ish").is_err());
    }
}
