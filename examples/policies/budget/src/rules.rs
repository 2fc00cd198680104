//! Counts promotions, and looks at the calendar of a place.

mod hours;

use example_common::contract::{
    Context, ModelVersion, Operation, PolicyError, Setting, SettingKind, Verdict,
};
use example_common::words::Reasons;
use example_common::{approve, declare, hours_and_minutes, optional, parsed_if_given, take_over};

use hours::Hours;

const HOUR: u64 = 3_600_000;

/// How many promotions a period may have.
struct Limit {
    most: u32,
    count: u32,
    hours: u64,
}

pub fn settings() -> Vec<Setting> {
    let limit = |key, doc| optional(key, SettingKind::Integer, doc);
    vec![
        limit("per-day", "the most promotions in 24 hours"),
        limit("per-week", "the most promotions in 7 days"),
        limit("per-month", "the most promotions in 30 days"),
        declare(
            "weekdays",
            SettingKind::Texts,
            Some("mon, tue, wed, thu, fri"),
            "the days of the week with promotions",
        ),
        declare(
            "hours",
            SettingKind::Text,
            Some("00:00 to 24:00"),
            "the hours of a day with promotions, such as `09:00 to 16:00`",
        ),
        optional(
            "holidays",
            SettingKind::Texts,
            "days without promotions: `2026-04-03`, or `12-25` in every year",
        ),
        declare(
            "utc-offset",
            SettingKind::UtcOffset,
            Some("Z"),
            "the difference of the local time of these days and hours from UTC; it stays the same in summer",
        ),
    ]
}

pub fn promotion(target: &ModelVersion, context: &Context) -> Result<Verdict, PolicyError> {
    let hours = Hours::read(context)?;
    let limits = Limit::read(context)?;
    let mut reasons = Reasons::default();
    // The time at which nothing holds any more, as far as it is known.
    let mut wait = Some(0);
    if let Some(closed) = hours.closed(context.now) {
        reasons.add(closed.reason);
        wait = closed.wait;
    }
    for limit in limits.iter().filter(|limit| limit.is_reached()) {
        reasons.add(limit.in_words());
        wait = wait.zip(limit.wait(context)).map(|(one, other)| one.max(other));
    }
    if !reasons.is_empty() {
        // The wait for one reason may end at an hour at which another one holds.
        let wait = wait.and_then(|wait| match hours.closed(context.now.saturating_add(wait)) {
            Some(closed) => Some(wait.saturating_add(closed.wait?)),
            None => Some(wait),
        });
        if let Some(wait) = wait {
            reasons.add(format_args!("try again in {}", hours_and_minutes(wait)));
        }
        return Ok(Verdict::Hold(reasons.into_text()));
    }
    reasons.add(format_args!("version {} becomes champion within the budget", target.version));
    for limit in &limits {
        reasons.add(limit.in_words());
    }
    Ok(approve(take_over(target, context), reasons.into_text()))
}

impl Limit {
    fn read(context: &Context) -> Result<Vec<Self>, PolicyError> {
        let activity = context.activity;
        let mut limits = Vec::new();
        for (key, count, hours) in [
            ("per-day", activity.promotions_last_day, 24),
            ("per-week", activity.promotions_last_week, 7 * 24),
            ("per-month", activity.promotions_last_month, 30 * 24),
        ] {
            let most = parsed_if_given(context, key)?;
            limits.extend(most.map(|most| Self { most, count, hours }));
        }
        Ok(limits)
    }

    fn is_reached(&self) -> bool {
        self.count >= self.most
    }

    fn in_words(&self) -> String {
        let period = match self.hours {
            24 => "24 hours".to_owned(),
            hours => format!("{} days", hours / 24),
        };
        let promotions = if self.count == 1 { "promotion" } else { "promotions" };
        format!("{} {promotions} in {period}, at most {}", self.count, self.most)
    }

    /// The time until one promotion more is within the limit, in milliseconds; none if the recorded history does not show it.
    fn wait(&self, context: &Context) -> Option<u64> {
        let moved_champion = context.history.iter().filter(|past| {
            past.operation == Operation::Promote && past.moves.iter().any(|step| step.alias == "champion")
        });
        let newest_to_leave = moved_champion.map(|past| past.at).nth(self.most.checked_sub(1)? as usize)?;
        Some(newest_to_leave.saturating_add(self.hours * HOUR).saturating_sub(context.now).max(1))
    }
}

#[cfg(test)]
mod tests;
