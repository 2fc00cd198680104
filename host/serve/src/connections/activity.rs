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

/// The same, at times that are given.
#[derive(Debug)]
struct State {
    times: Times,
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
        Arc::new(Self { times, state: Mutex::new(State::new(times, Instant::now())) })
    }

    /// Notes that these bytes have arrived.
    pub(super) fn read(&self, bytes: &[u8]) {
        self.lock().read(bytes, Instant::now());
    }

    /// Notes that the head of a request is complete.
    pub(super) fn open(self: &Arc<Self>) -> Open {
        Open { number: self.lock().open(), activity: self.clone() }
    }

    /// When the connection must end unless something happens; none while a request is read or scored, which have their own limits.
    pub(super) fn due(&self) -> Option<Due> {
        self.lock().due()
    }

    /// Whether nothing of a request has arrived that is not answered.
    pub(super) fn is_idle(&self) -> bool {
        let state = self.lock();
        state.open == 0 && state.phase == Phase::Idle
    }

    /// The shortest time after which something can be due that is not due yet.
    pub(super) fn shortest(&self) -> Duration {
        self.times.head.min(self.times.idle).min(self.times.answer)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    /// Notes that the answer begins.
    pub(super) fn answers(&self) {
        self.activity.lock().answers(self.number, Instant::now());
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.activity.lock().close(self.number, Instant::now());
    }
}

impl State {
    fn new(times: Times, now: Instant) -> Self {
        let (phase, protocol) = (Phase::Head, Protocol::Unknown(0));
        Self { times, phase, since: now, protocol, open: 0, answers: BTreeMap::new(), next: 0 }
    }

    fn read(&mut self, bytes: &[u8], now: Instant) {
        if let Protocol::Unknown(before) = self.protocol {
            let rest = PREFACE.get(before..).unwrap_or_default();
            let count = bytes.len().min(rest.len());
            let seen = before + bytes.len();
            if bytes[..count] != rest[..count] {
                self.protocol = Protocol::Http1;
            } else if seen < BEGINNING {
                self.protocol = Protocol::Unknown(seen);
            } else {
                self.protocol = Protocol::Http2;
                self.enter(Phase::Idle, now);
            }
        }
        // The time of the first head counts from the beginning of the connection.
        let is_waiting = self.open == 0 && self.phase == Phase::Idle;
        if self.protocol == Protocol::Http1 && is_waiting && !bytes.is_empty() {
            self.enter(Phase::Head, now);
        }
    }

    fn open(&mut self) -> u64 {
        self.open += 1;
        self.next += 1;
        self.next
    }

    fn answers(&mut self, number: u64, now: Instant) {
        self.answers.insert(number, now + self.times.answer);
    }

    fn close(&mut self, number: u64, now: Instant) {
        self.answers.remove(&number);
        self.open -= 1;
        if self.open == 0 {
            self.enter(Phase::Idle, now);
        }
    }

    fn enter(&mut self, phase: Phase, now: Instant) {
        self.phase = phase;
        self.since = now;
    }

    fn due(&self) -> Option<Due> {
        if let Some(at) = self.answers.values().min() {
            return Some(Due { at: *at, what: "the client did not take an answer in time", is_idle: false });
        }
        if self.open > 0 {
            return None;
        }
        Some(match self.phase {
            Phase::Head => Due {
                at: self.since + self.times.head,
                what: "the head of a request took too long",
                is_idle: false,
            },
            Phase::Idle => {
                Due { at: self.since + self.times.idle, what: "no request began in time", is_idle: true }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A connection, and a clock that counts its seconds.
    fn begin() -> (State, impl Fn(u64) -> Instant) {
        let seconds = Duration::from_secs;
        let (times, start) =
            (Times { head: seconds(10), idle: seconds(75), answer: seconds(30) }, Instant::now());
        (State::new(times, start), move |after| start + seconds(after))
    }

    /// When a connection is due.
    fn due(state: &State) -> Option<Instant> {
        state.due().map(|due| due.at)
    }

    #[test]
    fn a_silent_connection_and_a_half_preface_have_the_time_of_a_head() {
        let (mut state, at) = begin();
        assert_eq!(due(&state), Some(at(10)));
        state.read(b"PRI * HT", at(4));
        assert_eq!(due(&state), Some(at(10)));
        state.read(b"TP/2.0\r\n\r\nSM\r\n\r\n", at(5));
        assert_eq!(due(&state), Some(at(10)));
        state.read(&[0; 9], at(6));
        assert_eq!(due(&state), Some(at(81)));
        // Frames without a request change nothing.
        state.read(&[0; 17], at(70));
        assert_eq!(due(&state), Some(at(81)));
        // A method that begins like the preface is not one.
        let (mut state, at) = begin();
        state.read(b"PRI * HTTP/1.1\r\n", at(4));
        state.read(&[b'x'; 100], at(5));
        assert_eq!(due(&state), Some(at(10)));
    }

    #[test]
    fn a_request_that_begins_and_an_answer_that_is_not_taken_have_their_times() {
        let (mut state, at) = begin();
        state.read(b"P", at(2));
        state.read(b"OST / HTTP/1.1\r\n", at(4));
        assert_eq!(due(&state), Some(at(10)));
        let first = state.open();
        state.read(b"body", at(20));
        assert_eq!(due(&state), None);
        state.answers(first, at(25));
        let second = state.open();
        state.answers(second, at(27));
        assert_eq!(due(&state), Some(at(55)));
        state.close(first, at(30));
        assert_eq!(due(&state), Some(at(57)));
        state.close(second, at(31));
        assert_eq!(state.due().map(|due| (due.at, due.is_idle)), Some((at(106), true)));
        state.read(b"G", at(100));
        assert_eq!(state.due().map(|due| (due.at, due.is_idle)), Some((at(110), false)));
    }
}
