//! Times in MLflow's unit.

use std::time::SystemTime;

/// Milliseconds since 1970-01-01T00:00:00Z.
pub type Timestamp = i64;

/// The current time; zero if the clock is set before 1970.
#[must_use]
pub fn now() -> Timestamp {
    let since_epoch = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    Timestamp::try_from(since_epoch.as_millis()).unwrap_or(Timestamp::MAX)
}
