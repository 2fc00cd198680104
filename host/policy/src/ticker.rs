//! The thread that measures time for wasmtime's epochs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use hydra_base::error::{Error, ErrorKind, Result};

/// The time between two epochs: wasmtime interrupts a guest only when an epoch ends.
pub(super) const TICK: Duration = Duration::from_millis(5);

/// Ticks without a decision after which the thread goes to sleep.
const IDLE_TICKS: u32 = 200;

/// Advances the engine's epoch while decisions run. Dropping it ends the thread.
pub(super) struct Ticker {
    shared: Arc<Shared>,
    thread: thread::Thread,
}

/// Keeps the thread awake while a decision runs.
pub(super) struct Running<'a>(&'a Shared);

#[derive(Default)]
struct Shared {
    running: AtomicUsize,
    asleep: AtomicBool,
    stop: AtomicBool,
}

impl Ticker {
    pub(super) fn start(engine: &wasmtime::Engine) -> Result<Self> {
        let shared = Arc::new(Shared::default());
        let engine = engine.weak();
        let handle = thread::Builder::new()
            .name("policy-ticker".to_owned())
            .spawn({
                let shared = Arc::clone(&shared);
                move || run(&shared, &engine)
            })
            .map_err(|error| {
                Error::new(ErrorKind::Internal, "cannot start the thread that measures time")
                    .with_source(error)
            })?;
        Ok(Self { shared, thread: handle.thread().clone() })
    }

    /// Measures time until the returned guard is dropped.
    pub(super) fn running(&self) -> Running<'_> {
        self.shared.running.fetch_add(1, SeqCst);
        if self.shared.asleep.load(SeqCst) {
            self.thread.unpark();
        }
        Running(&self.shared)
    }
}

/// The number of epochs that last at least `duration`: one more than needed, because the current one has already begun.
pub(super) fn ticks(duration: Duration) -> u64 {
    let ticks = duration.as_nanos().div_ceil(TICK.as_nanos());
    u64::try_from(ticks).unwrap_or(u64::MAX >> 1).min(u64::MAX >> 1) + 1
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.stop.store(true, SeqCst);
        self.thread.unpark();
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, SeqCst);
    }
}

fn run(shared: &Shared, engine: &wasmtime::EngineWeak) {
    let mut idle = 0;
    while !shared.stop.load(SeqCst) {
        if shared.running.load(SeqCst) > 0 {
            idle = 0;
        } else {
            idle += 1;
        }
        if idle > IDLE_TICKS {
            shared.asleep.store(true, SeqCst);
            // If a decision starts now, either this check sees it, or it sees `asleep` and wakes the thread.
            if shared.running.load(SeqCst) == 0 && !shared.stop.load(SeqCst) {
                thread::park();
            }
            shared.asleep.store(false, SeqCst);
            idle = 0;
        }
        thread::park_timeout(TICK);
        match engine.upgrade() {
            Some(engine) => engine.increment_epoch(),
            None => return,
        }
    }
}
