//! Counts, byte sizes and durations as users write them.
//!
//! `jiff` reads durations too, but another language: fractions, signs, years and full unit names, each unit once and in
//! descending order, without `_`. Settings that ledger entries hold must read the same in every release, so this grammar stays.

use std::time::Duration;

use hydra_base::text::printable;

/// Units of time with their milliseconds, longest name of a prefix first so that `ms` is not read as `m`.
const TIME_UNITS: [(&str, u64); 6] =
    [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000), ("w", 604_800_000)];

const BYTE_UNITS: [(&str, u64); 8] = [
    ("", 1),
    ("B", 1),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
];

/// Makes a policy's text fit on one line: line ends become spaces, other unprintable characters the replacement character.
/// Otherwise a text could imitate the host's lines around it.
pub(super) fn one_line(text: &str) -> String {
    printable(&text.replace(['\n', '\r', '\t', '\u{2028}', '\u{2029}'], " "))
}

/// A whole number; `_` may group digits.
pub(super) fn parse_count(text: &str) -> Option<u64> {
    let digits: String = text.trim().chars().filter(|c| *c != '_').collect();
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

/// A number of bytes with an optional unit: `65536`, `64 KiB`, `1 MB`.
pub(super) fn parse_bytes(text: &str) -> Option<u64> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '_').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let unit = unit.trim_start();
    let (_, factor) = BYTE_UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit))?;
    parse_count(number)?.checked_mul(*factor)
}

/// Reads a duration: a sum of whole numbers with units, in any order, such as `90s` or `1d12h`. A day has 24 hours.
#[must_use]
pub fn parse_duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut millis = 0_u64;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '_')?;
        let (number, tail) = rest.split_at(end);
        let (unit, factor) = TIME_UNITS.iter().find(|(name, _)| tail.starts_with(name))?;
        millis = millis.checked_add(parse_count(number)?.checked_mul(*factor)?)?;
        rest = tail[unit.len()..].trim_start();
    }
    Some(Duration::from_millis(millis))
}

/// A difference from UTC in minutes: `+01:00`, `-03:30` or `Z`, at most 18 hours.
pub(super) fn parse_utc_offset(text: &str) -> Option<i32> {
    let text = text.trim();
    if text == "Z" {
        return Some(0);
    }
    let (sign, time) = match text.split_at_checked(1)? {
        ("+", time) => (1, time),
        ("-", time) => (-1, time),
        _ => return None,
    };
    let two_digits = |text: &str| {
        let digits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse::<i32>().ok())?
    };
    let (hours, minutes) = time.split_once(':')?;
    let (hours, minutes) = (two_digits(hours)?, two_digits(minutes)?);
    let total = hours * 60 + minutes;
    (minutes < 60 && total <= 18 * 60).then_some(sign * total)
}

/// The form that [`parse_utc_offset`] reads back: `+01:00`, or `Z` for UTC.
pub(super) fn format_utc_offset(minutes: i32) -> String {
    let sign = match minutes {
        0 => return "Z".to_owned(),
        1.. => '+',
        _ => '-',
    };
    let minutes = minutes.unsigned_abs();
    format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60)
}

/// The shortest form that [`parse_bytes`] reads back: `128 MiB`.
pub(super) fn format_bytes(bytes: u64) -> String {
    let unit = |shift: u32| bytes > 0 && bytes.is_multiple_of(1 << shift);
    match bytes {
        _ if unit(30) => format!("{} GiB", bytes >> 30),
        _ if unit(20) => format!("{} MiB", bytes >> 20),
        _ if unit(10) => format!("{} KiB", bytes >> 10),
        _ => format!("{bytes} B"),
    }
}

/// The form that [`parse_duration`] reads back, in whole units: `1d12h`, `250ms`.
#[must_use]
pub fn format_duration(duration: Duration) -> String {
    let mut millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    if millis == 0 {
        return "0s".to_owned();
    }
    let mut text = String::new();
    for (name, factor) in TIME_UNITS.iter().rev() {
        if millis >= *factor {
            text += &format!("{}{name}", millis / factor);
            millis %= factor;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_sums_of_units() {
        let seconds = |text| parse_duration(text).map(|duration| duration.as_secs());
        assert_eq!(seconds("90s"), Some(90));
        assert_eq!(seconds("1d12h"), Some(36 * 3600));
        assert_eq!(seconds(" 2h 30m "), Some(9000));
        assert_eq!(parse_duration("5ms"), Some(Duration::from_millis(5)));
        for malformed in
            ["", "5", "h", "5y", "1h5", "-1s", "1.5h", "99999999999999999999w", "9999999999999999w"]
        {
            assert_eq!(parse_duration(malformed), None, "{malformed}");
        }
    }

    #[test]
    fn differences_from_utc_are_at_most_eighteen_hours() {
        for (text, minutes) in
            [("Z", 0), ("+00:00", 0), ("-00:00", 0), ("+01:00", 60), (" -03:30 ", -210), ("+18:00", 1080)]
        {
            assert_eq!(parse_utc_offset(text), Some(minutes), "{text}");
        }
        for malformed in
            ["", "+", "z", "1", "01:00", "+1:00", "+01:60", "+18:01", "-19:00", "+01", "+0100", "+١:00", "é"]
        {
            assert_eq!(parse_utc_offset(malformed), None, "{malformed}");
        }
    }

    #[test]
    fn byte_sizes_have_units() {
        assert_eq!(parse_bytes("65_536"), Some(65_536));
        assert_eq!(parse_bytes("64 KiB"), Some(65_536));
        assert_eq!(parse_bytes("2mb"), Some(2_000_000));
        for malformed in ["", "MiB", "1 XB", "-1", "99999999999999999999", "99999999999 GiB"] {
            assert_eq!(parse_bytes(malformed), None, "{malformed}");
        }
    }

    #[test]
    fn formatting_is_read_back() {
        for bytes in [0, 1, 1000, 1024, 3 << 20, 5 << 30] {
            assert_eq!(parse_bytes(&format_bytes(bytes)), Some(bytes));
        }
        for millis in [0, 1, 1500, 61_000, 90_061_001, 604_800_000] {
            let duration = Duration::from_millis(millis);
            assert_eq!(parse_duration(&format_duration(duration)), Some(duration));
        }
        for minutes in [0, 60, -210, 1080, -1080, 1] {
            assert_eq!(parse_utc_offset(&format_utc_offset(minutes)), Some(minutes));
        }
    }
}
