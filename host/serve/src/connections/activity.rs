//! What a connection is doing, and how long it may do that.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The first bytes of a connection of HTTP/2.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The fewest bytes with which a connection of HTTP/2 begins: the preface, and the head of the first frame.
const BEGINNING: usize = PREFACE.len() + 9;

/// How long connections may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    /// For the head of a request that has begun, and for the first bytes.
    pub(super) head: Duration,
    /// Until another request begins.
    pub(super) idle: Duration,
    /// Until the client has taken an answer.
    pub(super) answer: Duration,
}

/// What a connection is doing.
#[derive(Debug)]
pub(super) struct Activity {
    times: Times,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    /// When the phase began.
    since: Instant,
    protocol: Protocol,
    /// How many requests are read or answered.
    open: usize,
    /// By when the answers that were begun must be taken.
    answers: BTreeMap<u64, Instant>,
    next: u64,
}

/// What is awaited while no request is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// A request.
    Idle,
    /// The rest of the head of a request, or of what a connection begins with.
    Head,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protocol {
    /// This many bytes were those of HTTP/2.
    Unknown(usize),
    Http1,
    /// Heads are frames, which one cannot tell apart from other ones here.
    Http2,
}

/// When a connection must end, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Due {
    pub(super) at: Instant,
    /// What took too long.
    pub(super) what: &'static str,
    /// Whether the client may learn of it.
    pub(super) is_idle: bool,
}

/// A request that is read or answered, until the last byte of its answer is written.
#[derive(Debug)]
pub(super) struct Open {
    activity: Arc<Activity>,
    number: u64,
}

impl Activity {
    /// A connection that has just begun.
    pub(super) fn new(times: Times) -> Arc<Self> {
        let state = State {
            phase: Phase::Head,
            since: Instant::now(),
            protocol: Protocol::Unknown(0),
            open: 0,
            answers: BTreeMap::new(),
            next: 0,
        };
        Arc::new(Self { times, state: Mutex::new(state) })
    }

    /// Notes that these bytes have arrived.
    pub(super) fn read(&self, bytes: &[u8]) {
        self.lock().read(bytes);
    }

    /// Notes that the head of a request is complete.
    pub(super) fn open(self: &Arc<Self>) -> Open {
        let mut state = self.lock();
        state.open += 1;
        state.next += 1;
        Open { activity: self.clone(), number: state.next }
    }

    /// When the connection must end unless something happens; none while a request is read or scored, which have their own limits.
    pub(super) fn due(&self) -> Option<Due> {
        let state = self.lock();
        if let Some(at) = state.answers.values().min() {
            return Some(Due { at: *at, what: "the client did not take an answer in time", is_idle: false });
        }
        match state.phase {
            _ if state.open > 0 => None,
            Phase::Head => Some(Due {
                at: state.since + self.times.head,
                what: "the head of a request took too long",
                is_idle: false,
            }),
            Phase::Idle => Some(Due {
                at: state.since + self.times.idle,
                what: "no request began in time",
                is_idle: true,
            }),
        }
    }

    /// The shortest time after which something can be due that is not due yet.
    pub(super) fn shortest(&self) -> Duration {
        self.times.head.min(self.times.idle).min(self.times.answer)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn read(&mut self, bytes: &[u8]) {
        if let Protocol::Unknown(seen) = self.protocol {
            let rest = PREFACE.get(seen..).unwrap_or_default();
            let count = bytes.len().min(rest.len());
            let seen = seen + bytes.len();
            if bytes[..count] != rest[..count] {
                self.protocol = Protocol::Http1;
            } else if seen < BEGINNING {
                self.protocol = Protocol::Unknown(seen);
            } else {
                self.protocol = Protocol::Http2;
                self.enter(Phase::Idle);
            }
        }
        // The time of the first head counts from the connection.
        if self.protocol == Protocol::Http1
            && self.open == 0
            && self.phase == Phase::Idle
            && !bytes.is_empty()
        {
            self.enter(Phase::Head);
        }
    }

    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.since = Instant::now();
    }
}

impl Open {
    /// Notes that the answer begins.
    pub(super) fn answers(&self) {
        let at = Instant::now() + self.activity.times.answer;
        self.activity.lock().answers.insert(self.number, at);
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let mut state = self.activity.lock();
        state.answers.remove(&self.number);
        state.open -= 1;
        if state.open == 0 {
            state.enter(Phase::Idle);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn activity() -> Arc<Activity> {
        let seconds = Duration::from_secs;
        Activity::new(Times { head: seconds(10), idle: seconds(75), answer: seconds(30) })
    }

    /// In how many seconds a connection is due.
    fn due(activity: &Activity) -> Option<u64> {
        let due = activity.due()?;
        Some((due.at - Instant::now()).as_secs_f64().round() as u64)
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_connection_and_a_half_preface_have_the_time_of_a_head() {
        let silent = activity();
        let half = activity();
        tokio::time::advance(Duration::from_secs(4)).await;
        half.read(b"PRI * HT");
        assert_eq!((due(&silent), due(&half)), (Some(6), Some(6)));
        half.read(b"TP/2.0\r\n\r\nSM\r\n\r\n");
        assert_eq!(due(&half), Some(6));
        half.read(&[0; 9]);
        assert_eq!(due(&half), Some(75));
        // Frames without a request change nothing.
        tokio::time::advance(Duration::from_secs(70)).await;
        half.read(&[0; 17]);
        assert_eq!(due(&half), Some(5));
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_begins_and_an_answer_that_is_not_taken_have_their_times() {
        let one = activity();
        one.read(b"P");
        one.read(b"OST / HTTP/1.1\r\n");
        tokio::time::advance(Duration::from_secs(4)).await;
        assert_eq!(due(&one), Some(6));
        let open = one.open();
        one.read(b"body");
        assert_eq!(due(&one), None);
        open.answers();
        let other = one.open();
        tokio::time::advance(Duration::from_secs(4)).await;
        other.answers();
        assert_eq!(due(&one), Some(26));
        drop(open);
        assert_eq!(due(&one), Some(30));
        drop(other);
        assert_eq!((due(&one), one.due().map(|due| due.is_idle)), (Some(75), Some(true)));
        tokio::time::advance(Duration::from_secs(70)).await;
        one.read(b"G");
        assert_eq!((due(&one), one.due().map(|due| due.is_idle)), (Some(10), Some(false)));
    }
}
