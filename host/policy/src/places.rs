//! How many decisions may run at once.

use std::sync::{Condvar, Mutex, PoisonError};

/// Places in the instance pool; without a pool there is no end of them.
pub(super) struct Places {
    state: Option<Mutex<State>>,
    freed: Condvar,
}

struct State {
    free: u32,
    waiting: u32,
}

/// A place, given back when dropped.
pub(super) struct Place<'a>(&'a Places);

impl Places {
    pub(super) fn new(count: Option<u32>) -> Self {
        Self { state: count.map(|free| Mutex::new(State { free, waiting: 0 })), freed: Condvar::new() }
    }

    /// Takes a place, waiting for one if need be. A decision is bounded in time, so the wait is too.
    pub(super) fn take(&self) -> Place<'_> {
        if let Some(state) = &self.state {
            // The counts are right even if a thread panicked: each is changed by one statement.
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
        Place(self)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let Some(state) = &self.0.state else { return };
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        state.free += 1;
        // Waking nobody is a system call, too.
        if state.waiting > 0 {
            self.0.freed.notify_one();
        }
    }
}
