//! How many decisions may run at once.

use std::sync::{Condvar, Mutex, PoisonError};

/// Places in the instance pool; without a pool there is no end of them.
pub(super) struct Places {
    free: Option<Mutex<u32>>,
    freed: Condvar,
}

/// A place, given back when dropped.
pub(super) struct Place<'a>(&'a Places);

impl Places {
    pub(super) fn new(count: Option<u32>) -> Self {
        Self { free: count.map(Mutex::new), freed: Condvar::new() }
    }

    /// Takes a place, waiting for one if need be. A decision is bounded in time, so the wait is too.
    pub(super) fn take(&self) -> Place<'_> {
        if let Some(free) = &self.free {
            // The count is right even if a thread panicked: it is changed by one statement.
            let free = free.lock().unwrap_or_else(PoisonError::into_inner);
            let mut free =
                self.freed.wait_while(free, |free| *free == 0).unwrap_or_else(PoisonError::into_inner);
            *free -= 1;
        }
        Place(self)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if let Some(free) = &self.0.free {
            *free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
            self.0.freed.notify_one();
        }
    }
}
