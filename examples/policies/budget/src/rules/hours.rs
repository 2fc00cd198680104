//! The days and hours at which promotions are allowed.

use example_common::calendar::{
    DAY, MINUTE, WEEKDAYS, month_and_day, parse_date, parse_day_of_year, parse_time, parse_weekday, weekday,
};
use example_common::contract::{Context, PolicyError};
use example_common::{parsed, setting, texts, unusable};

/// How many days are searched for the next one with promotions.
const SEARCHED: u64 = 400;

/// The days and hours with promotions, in a local time.
pub struct Hours {
    weekdays: Vec<u64>,
    from: u64,
    to: u64,
    holidays: Vec<Holiday>,
    offset: i64,
}

/// Why no promotion is allowed at a time.
pub struct Closed {
    /// The reason.
    pub reason: String,
    /// The time until promotions are allowed, in milliseconds; none if that is not within a year.
    pub wait: Option<u64>,
}

/// A day without promotions.
enum Holiday {
    /// In one year, in days since the epoch.
    Once(u64),
    /// In every year, as a month and a day.
    Yearly(u64, u64),
}

impl Hours {
    pub fn read(context: &Context) -> Result<Self, PolicyError> {
        let day = |text| parse_weekday(text).ok_or_else(|| unusable("weekdays", text));
        let weekdays: Vec<u64> = texts(context, "weekdays").map(day).collect::<Result<_, _>>()?;
        let hours = setting(context, "hours")?;
        let span = hours.split_once(" to ").and_then(|(from, to)| Some((parse_time(from)?, parse_time(to)?)));
        let (from, to) = span.filter(|(from, to)| from < to).ok_or_else(|| unusable("hours", hours))?;
        if weekdays.is_empty() {
            return Err(unusable("weekdays", ""));
        }
        Ok(Self {
            weekdays,
            from,
            to,
            holidays: texts(context, "holidays").map(Holiday::parse).collect::<Result<_, _>>()?,
            offset: parsed(context, "utc-offset")?,
        })
    }

    /// Why no promotion is allowed at this time in milliseconds since the epoch; none if one is.
    pub fn closed(&self, now: u64) -> Option<Closed> {
        // Local times before the epoch do not occur.
        let local = (now / MINUTE).saturating_add_signed(self.offset);
        let (day, minute) = (local / DAY, local % DAY);
        let reason = if !self.weekdays.contains(&weekday(day)) {
            format!("there are no promotions on {}", WEEKDAYS[weekday(day) as usize])
        } else if self.is_holiday(day) {
            let (month, day) = month_and_day(day);
            format!("{month:02}-{day:02} is a holiday")
        } else if !(self.from..self.to).contains(&minute) {
            let span = format!("{} to {}", time(self.from), time(self.to));
            format!("it is {} o'clock, promotions are from {span}", time(minute))
        } else {
            return None;
        };
        let wait = self.next(day, minute).map(|next| (next - local) * MINUTE - now % MINUTE);
        Some(Closed { reason: format!("{reason} (UTC{})", self.zone()), wait })
    }

    /// The next minute since the epoch, in local time, at which promotions begin.
    fn next(&self, today: u64, minute: u64) -> Option<u64> {
        let first = if minute < self.from { today } else { today + 1 };
        (first..first + SEARCHED)
            .find(|day| self.weekdays.contains(&weekday(*day)) && !self.is_holiday(*day))
            .map(|day| day * DAY + self.from)
    }

    fn is_holiday(&self, day: u64) -> bool {
        self.holidays.iter().any(|holiday| match *holiday {
            Holiday::Once(date) => date == day,
            Holiday::Yearly(month, day_of_month) => (month, day_of_month) == month_and_day(day),
        })
    }

    /// `+01:00`, or nothing for UTC itself.
    fn zone(&self) -> String {
        let sign = if self.offset < 0 { '-' } else { '+' };
        match self.offset.unsigned_abs() {
            0 => String::new(),
            minutes => format!("{sign}{}", time(minutes)),
        }
    }
}

impl Holiday {
    fn parse(text: &str) -> Result<Self, PolicyError> {
        let yearly = parse_day_of_year(text).map(|(month, day)| Self::Yearly(month, day));
        yearly.or_else(|| parse_date(text).map(Self::Once)).ok_or_else(|| unusable("holidays", text))
    }
}

/// `08:30`.
fn time(minutes: u64) -> String {
    format!("{:02}:{:02}", minutes / 60, minutes % 60)
}
