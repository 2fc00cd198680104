//! The clock of the server, read from its answers.

use std::sync::{Mutex, PoisonError};

use reqwest::header::{AGE, DATE, HeaderMap};

use crate::clock::ClockDifference;
use hydra_base::Timestamp;
use hydra_base::time::now;

/// How much later than the date of an answer its server's clock may be, in milliseconds: a date has whole seconds, and servers
/// write it anew about once a second.
const COARSENESS: i64 = 2_000;

/// The server's clock, as far as answers have shown it.
#[derive(Debug, Default)]
pub(super) struct Clock(Mutex<Option<ClockDifference>>);

impl Clock {
    /// Takes in the date of an answer to a request of the time `sent`. An answer with an age comes from a cache, whose date says
    /// nothing.
    pub(super) fn note(&self, sent: Timestamp, headers: &HeaderMap) {
        let received = now();
        if headers.contains_key(AGE) {
            return;
        }
        let date = headers.get(DATE).and_then(|date| date.to_str().ok());
        let Some(date) = date.and_then(|date| jiff::fmt::rfc2822::parse(date.trim()).ok()) else { return };
        let date = date.timestamp().as_millisecond();
        self.add(ClockDifference::observed(sent, received, date, date.saturating_add(COARSENESS)));
    }

    /// Takes in the time at which the server created what a request of the time `sent` asked for.
    pub(super) fn note_creation(&self, sent: Timestamp, created_at: Timestamp) {
        self.add(ClockDifference::observed(sent, now(), created_at, created_at.saturating_add(1)));
    }

    /// By how much it is ahead of this machine's clock.
    pub(super) fn difference(&self) -> Option<ClockDifference> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, newer: ClockDifference) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *known = Some(known.map_or(newer, |known| known.and_then(newer)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::HeaderValue;

    fn of(headers: &[(reqwest::header::HeaderName, &'static str)]) -> Option<ClockDifference> {
        let headers = headers.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value)));
        let clock = Clock::default();
        clock.note(now(), &headers.collect());
        clock.difference()
    }

    #[test]
    fn only_a_date_of_the_server_itself_counts() {
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        let difference = of(&[(DATE, date)]).expect("a date").certain();
        assert!(difference < -30 * 365 * 86_400_000, "{difference}");
        assert_eq!(of(&[(DATE, date), (AGE, "0")]), None);
        assert_eq!(of(&[]), None);
        for malformed in
            ["", "now", "Sun, 06 Nov 1994", "99999999999999999999", "Sun, 06 Nov 999999 08:49:37 GMT"]
        {
            assert_eq!(of(&[(DATE, malformed)]), None, "{malformed}");
        }
    }

    #[test]
    fn a_creation_shows_the_clock_to_the_millisecond() {
        let clock = Clock::default();
        let sent = now();
        clock.note_creation(sent, sent.saturating_add(3_600_000));
        let difference = clock.difference().expect("a difference");
        assert!((3_599_000..=3_600_000).contains(&difference.certain()), "{difference:?}");
    }
}
