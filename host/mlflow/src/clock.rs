//! The clock of a server, as its answers show it.

use hydra_base::Timestamp;

/// By how much the clock of a server is ahead of this machine's, in milliseconds: a range, because an answer is on its way for a
/// while, and dates have whole seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockDifference {
    least: i64,
    most: i64,
}

impl ClockDifference {
    /// What an answer shows that this machine asked for at `sent` and had at `received`, if the server's clock was between `from`
    /// and `to` in between.
    #[must_use]
    pub fn observed(sent: Timestamp, received: Timestamp, from: Timestamp, to: Timestamp) -> Self {
        let least = from.saturating_sub(received.max(sent));
        Self { least, most: to.saturating_sub(sent).max(least) }
    }

    /// What two observations show together. If they contradict each other, one of the clocks was set meanwhile, and the newer
    /// observation counts.
    #[must_use]
    pub fn and_then(self, newer: Self) -> Self {
        let (least, most) = (self.least.max(newer.least), self.most.min(newer.most));
        if least <= most { Self { least, most } } else { newer }
    }

    /// The middle of the range.
    #[must_use]
    pub fn estimate(self) -> i64 {
        self.least.midpoint(self.most)
    }

    /// The value of the range that is nearest to zero: by so much the clocks differ at least.
    #[must_use]
    pub fn certain(self) -> i64 {
        0.clamp(self.least, self.most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_the_round_trip_is_uncertain() {
        let seen = ClockDifference::observed(10_000, 10_400, 10_000, 11_000);
        assert_eq!((seen.certain(), seen.estimate()), (0, 300));
        let ahead = ClockDifference::observed(10_000, 10_400, 70_000, 71_000);
        assert_eq!((ahead.certain(), ahead.estimate()), (59_600, 60_300));
        let behind = ClockDifference::observed(70_000, 70_400, 10_000, 11_000);
        assert_eq!((behind.certain(), behind.estimate()), (-59_000, -59_700));
    }

    #[test]
    fn observations_narrow_the_range_until_a_clock_is_set() {
        let first = ClockDifference::observed(0, 400, 0, 1_000);
        let second = ClockDifference::observed(1_000, 1_100, 1_900, 1_901);
        assert_eq!(first.and_then(second), ClockDifference { least: 800, most: 901 });
        let set = ClockDifference::observed(2_000, 2_400, 62_000, 63_000);
        assert_eq!(first.and_then(second).and_then(set), set);
        let absurd = ClockDifference::observed(i64::MIN, i64::MAX, i64::MIN, i64::MAX);
        assert_eq!(absurd.certain(), 0);
        assert!(ClockDifference::observed(0, 0, i64::MAX, i64::MAX).certain() > 0);
        // A clock that was set back between question and answer.
        assert_eq!(ClockDifference::observed(1_000, 0, 1_000, 1_001).certain(), 0);
    }
}
