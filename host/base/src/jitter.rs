//! Random waits.

use std::ops::Range;
use std::time::Duration;

/// A random duration in `range`, so that clients do not retry at the same time. The start of `range`, if it is empty.
#[must_use]
pub fn jitter(range: Range<Duration>) -> Duration {
    range.start + range.end.saturating_sub(range.start).mul_f64(fastrand::f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_stay_in_their_range() {
        let (start, end) = (Duration::from_millis(10), Duration::from_millis(50));
        for _ in 0..1000 {
            assert!((start..=end).contains(&jitter(start..end)));
        }
        assert_eq!(jitter(start..start), start);
        let _ = jitter(Duration::ZERO..Duration::MAX);
    }
}
