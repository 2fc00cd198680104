//! How much is read, scored and answered at a time. What is beyond is refused at once and waits for nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A number of things in use, and the most that there may be.
#[derive(Debug)]
pub(crate) struct Room {
    used: AtomicUsize,
    most: usize,
}

/// A part of a [`Room`], which returns to it when this is dropped.
#[derive(Debug)]
pub(crate) struct Taken {
    room: Arc<Room>,
    count: AtomicUsize,
}

impl Room {
    /// Room for `most`.
    pub(crate) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { used: AtomicUsize::new(0), most })
    }

    /// Takes room for `count`; none if there is not enough. A single one that is larger than the room fits if the room is empty:
    /// other limits say how large one may be.
    pub(crate) fn take(self: &Arc<Self>, count: usize) -> Option<Taken> {
        let taken = Taken { room: self.clone(), count: AtomicUsize::new(0) };
        taken.resize(count).then_some(taken)
    }

    /// How much is in use.
    pub(crate) fn used(&self) -> usize {
        self.used.load(Ordering::Acquire)
    }
}

impl Taken {
    /// How much is taken.
    pub(crate) fn count(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }

    /// Takes room for `count` in place of what was taken; `false` and no change if there is not enough. Less always fits.
    ///
    /// One caller at a time changes the size.
    pub(crate) fn resize(&self, count: usize) -> bool {
        let own = self.count();
        let most = self.room.most;
        let fits = |used: usize| {
            let after = (used - own).checked_add(count)?;
            (count <= own || used == own || after <= most).then_some(after)
        };
        let changed = self.room.used.fetch_update(Ordering::AcqRel, Ordering::Acquire, fits).is_ok();
        if changed {
            self.count.store(count, Ordering::Release);
        }
        changed
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.room.used.fetch_sub(*self.count.get_mut(), Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_refused_and_what_is_dropped_returns() {
        let room = Room::new(10);
        let first = room.take(7).expect("room");
        assert!(room.take(4).is_none());
        let second = room.take(3).expect("room");
        assert_eq!(room.used(), 10);
        drop((first, second));
        assert_eq!(room.used(), 0);
        let large = room.take(11).expect("the only one");
        assert!(room.take(1).is_none());
        drop(large);
        assert!(room.take(usize::MAX).is_some_and(|_| room.take(1).is_none()));
    }

    #[test]
    fn what_is_taken_grows_and_shrinks() {
        let room = Room::new(10);
        let (first, second) = (room.take(0).expect("room"), room.take(4).expect("room"));
        assert!(first.resize(6) && !first.resize(7) && !second.resize(usize::MAX));
        assert_eq!(room.used(), 10);
        assert!(second.resize(1) && first.resize(9) && !second.resize(2));
        drop(second);
        assert!(first.resize(20));
        assert_eq!(room.used(), 20);
        assert!(first.resize(19));
        drop(first);
        assert_eq!(room.used(), 0);
    }
}
