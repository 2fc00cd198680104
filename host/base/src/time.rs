//! Times in MLflow's unit.

use std::time::SystemTime;

/// Milliseconds since 1970-01-01T00:00:00Z.
pub type Timestamp = i64;

/// The current time; zero if the clock is set before 1970.
#[must_use]
pub fn now() -> Timestamp {
    let since_epoch = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    Timestamp::try_from(since_epoch.as_millis()).unwrap_or(Timestamp::MAX).saturating_add(wrong_by())
}

/// By how many milliseconds a test makes the clock of this process wrong: `HYDRA_CLOCK_WRONG_BY`.
#[cfg(debug_assertions)]
fn wrong_by() -> i64 {
    use std::sync::LazyLock;
    static WRONG_BY: LazyLock<i64> = LazyLock::new(|| {
        std::env::var("HYDRA_CLOCK_WRONG_BY").ok().and_then(|text| text.parse().ok()).unwrap_or(0)
    });
    *WRONG_BY
}

/// The clock of a release build is that of the machine.
#[cfg(not(debug_assertions))]
fn wrong_by() -> i64 {
    0
}

/// A span of milliseconds for people, rounded in its greatest unit: `2 days`, `1 second`.
#[must_use]
pub fn roughly(milliseconds: u64) -> String {
    let seconds = milliseconds.saturating_add(500) / 1_000;
    let units = [("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1)];
    let (unit, length) = units.into_iter().find(|(_, length)| seconds >= *length).unwrap_or(("second", 1));
    let count = (seconds + length / 2) / length;
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_told_in_their_greatest_unit() {
        let told = [499, 1_000, 59_400, 60_000, 7_199_999, 86_400_000, 2 * 86_400_000 - 5].map(roughly);
        assert_eq!(told, ["0 seconds", "1 second", "59 seconds", "1 minute", "2 hours", "1 day", "2 days"]);
        assert!(roughly(u64::MAX).ends_with(" days"));
    }
}
