//! Limits how many decisions run at once.

use std::sync::{Condvar, Mutex, PoisonError};

/// Counts the decisions that the instance pool has room for; without a pool there is no limit.
pub(super) struct Semaphore {
    state: Option<Mutex<State>>,
    freed: Condvar,
}

struct State {
    free: u32,
    waiting: u32,
}

/// Lets one decision run; dropping it lets the next one start.
pub(super) struct Permit<'a>(&'a Semaphore);

impl Semaphore {
    pub(super) fn new(count: Option<u32>) -> Self {
        Self { state: count.map(|free| Mutex::new(State { free, waiting: 0 })), freed: Condvar::new() }
    }

    /// Waits until a decision may run. Every decision is bounded in time, so the wait is too.
    pub(super) fn acquire(&self) -> Permit<'_> {
        if let Some(state) = &self.state {
            // A panic cannot leave the counts inconsistent: each is changed by one statement.
            let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
            if state.free == 0 {
                state.waiting += 1;
                state = self
                    .freed
                    .wait_while(state, |state| state.free == 0)
                    .unwrap_or_else(PoisonError::into_inner);
                state.waiting -= 1;
            }
            state.free -= 1;
        }
        Permit(self)
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        let Some(state) = &self.0.state else { return };
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        state.free += 1;
        // Skip the futex call when no thread waits.
        if state.waiting > 0 {
            self.0.freed.notify_one();
        }
    }
}
