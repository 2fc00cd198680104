//! Days and times of the Gregorian calendar, in the local time that the caller means.

/// Milliseconds of a minute.
pub const MINUTE: u64 = 60_000;
/// Minutes of a day.
pub const DAY: u64 = 24 * 60;
/// The names of the weekdays in settings, from Monday.
pub const WEEKDAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// The epoch was a Thursday.
const EPOCH_WEEKDAY: u64 = 3;

/// The position in [`WEEKDAYS`] of a day, counted from the epoch.
#[must_use]
pub fn weekday(day: u64) -> u64 {
    (day + EPOCH_WEEKDAY) % 7
}

/// `fri`, as a position in [`WEEKDAYS`].
#[must_use]
pub fn parse_weekday(text: &str) -> Option<u64> {
    let position = WEEKDAYS.iter().position(|name| name.eq_ignore_ascii_case(text.trim()))?;
    Some(position as u64)
}

/// `16:00`, in minutes of the day; `24:00` is its end.
#[must_use]
pub fn parse_time(text: &str) -> Option<u64> {
    let (hours, minutes) = text.trim().split_once(':')?;
    let minute =
        number(hours)?.checked_mul(60)?.checked_add(number(minutes).filter(|minutes| *minutes < 60)?)?;
    (minute <= DAY).then_some(minute)
}

/// `2026-12-24`, from 1970 on, in days since the epoch.
#[must_use]
pub fn parse_date(text: &str) -> Option<u64> {
    let (year, day_of_year) = text.trim().split_once('-')?;
    let year = number(year).filter(|year| (1970..=9999).contains(year))?;
    let (month, day) = parse_day_of_year(day_of_year)?;
    let lengths = month_lengths(year);
    if day > lengths[month as usize - 1] {
        return None;
    }
    let years: u64 = (1970..year).map(year_length).sum();
    let months: u64 = lengths[..month as usize - 1].iter().sum();
    Some(years + months + day - 1)
}

/// `12-24`, in any year, as a month and a day, both from 1.
#[must_use]
pub fn parse_day_of_year(text: &str) -> Option<(u64, u64)> {
    let (month, day) = text.trim().split_once('-')?;
    let (month, day) = (number(month)?, number(day)?);
    // 1972 was a leap year.
    let length = *month_lengths(1972).get(usize::try_from(month).ok()?.checked_sub(1)?)?;
    (1..=length).contains(&day).then_some((month, day))
}

/// The month and the day of the month, both from 1, of a day since the epoch.
#[must_use]
pub fn month_and_day(mut day: u64) -> (u64, u64) {
    // Every 400 years have the same number of days.
    day %= 146_097;
    let mut year = 1970;
    while day >= year_length(year) {
        day -= year_length(year);
        year += 1;
    }
    let mut month = 1;
    for length in month_lengths(year) {
        if day < length {
            break;
        }
        day -= length;
        month += 1;
    }
    (month, day + 1)
}

fn year_length(year: u64) -> u64 {
    month_lengths(year).iter().sum()
}

fn month_lengths(year: u64) -> [u64; 12] {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    [31, if leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
}

fn number(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_counted_from_the_epoch() {
        assert_eq!(parse_date("1970-01-01"), Some(0));
        assert_eq!(parse_date(" 2024-02-29 "), Some(19_782));
        assert_eq!(parse_date("2026-11-23"), Some(20_780));
        for malformed in ["2026-02-29", "1969-12-31", "2026-13-01", "2026-1", "2026-01-01-01", "26-+1-01", ""]
        {
            assert_eq!(parse_date(malformed), None, "{malformed}");
        }
    }

    #[test]
    fn every_day_has_its_month_and_day() {
        for date in ["1970-01-01", "1999-12-31", "2000-02-29", "2100-02-28", "2100-03-01", "2400-02-29"] {
            let day = parse_date(date).unwrap();
            assert_eq!(month_and_day(day), parse_day_of_year(&date[5..]).unwrap(), "{date}");
        }
        assert_eq!(parse_day_of_year("02-30"), None);
        assert_eq!(parse_day_of_year("00-01"), None);
    }

    #[test]
    fn weekdays_and_times() {
        assert_eq!(weekday(0), parse_weekday("Thu").unwrap());
        assert_eq!(weekday(parse_date("2026-11-23").unwrap()), parse_weekday("mon").unwrap());
        assert_eq!(parse_weekday("monday"), None);
        assert_eq!((parse_time("08:30"), parse_time("24:00")), (Some(510), Some(DAY)));
        for malformed in ["24:01", "8", "08:60", "-1:00", "08:", "99999999999999999999:00"] {
            assert_eq!(parse_time(malformed), None, "{malformed}");
        }
    }
}
