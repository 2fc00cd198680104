//! What the calls of one process share: the runtime, the connections, the worker process, the events for `logging`.
//!
//! After a fork, the child has the memory of the parent but none of its threads, and its sockets are also the parent's. So each
//! generation of processes has a slot of its own, and what is in the slots of its ancestors is never touched again: dropping it would
//! wait for threads that do not exist, and close connections that the parent uses.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use hydra_base::error::{Error, ErrorKind, Result};
use pyo3::prelude::*;
use tokio::runtime::{Handle, Runtime};
use tokio::sync::oneshot;

use crate::calls::Connection;
use crate::errors::{Failure, raised};
use crate::logs::{self, LogRecord, Queue};
use crate::worker::Client;

/// The most processes in a row, each of which forked the next one.
const GENERATIONS: usize = 64;

/// How often a call looks for signals, and passes on events.
const TICK: Duration = Duration::from_millis(50);

/// The stack of the threads that decide: that of the interpreter's threads may be smaller.
const STACK_BYTES: usize = 8 << 20;

static GENERATION: AtomicUsize = AtomicUsize::new(0);
static SLOTS: [OnceLock<Slot>; GENERATIONS] = [const { OnceLock::new() }; GENERATIONS];

/// What belongs to one process.
pub struct Slot {
    pid: u32,
    runtime: Runtime,
    events: Queue,
    /// By the ids of their registries.
    connections: Mutex<HashMap<u64, Arc<Connection>>>,
    /// The process that opens SQLite databases.
    worker: Mutex<Option<Arc<Client>>>,
}

impl Slot {
    fn new() -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("hydra-registry")
            .thread_stack_size(STACK_BYTES)
            .enable_all()
            .build()
            .map_err(|source| Error::new(ErrorKind::Internal, "cannot start threads").with_source(source))?;
        Ok(Self {
            pid: std::process::id(),
            runtime,
            events: Queue::default(),
            connections: Mutex::default(),
            worker: Mutex::default(),
        })
    }

    /// The runtime, for the program of the worker process.
    pub fn handle(&self) -> &Handle {
        self.runtime.handle()
    }

    /// The connection of a registry, made by `make` if this process does not have it yet.
    pub fn connection(&self, registry: u64, make: impl FnOnce() -> Connection) -> Arc<Connection> {
        locked(&self.connections).entry(registry).or_insert_with(|| Arc::new(make())).clone()
    }

    /// The worker process, started by `start` if there is none that lives.
    pub fn worker(&self, start: impl FnOnce() -> Result<Client>) -> Result<Arc<Client>> {
        let mut worker = locked(&self.worker);
        if let Some(living) = worker.as_ref().filter(|worker| worker.is_alive()) {
            return Ok(living.clone());
        }
        let started = Arc::new(start()?);
        *worker = Some(started.clone());
        Ok(started)
    }

    /// Forgets a registry.
    pub fn close(&self, registry: u64) {
        drop(locked(&self.connections).remove(&registry));
        let worker = locked(&self.worker).clone();
        if let Some(worker) = worker {
            worker.close(registry);
        }
    }
}

/// The slot of this process, made by the first call.
pub fn current() -> Result<&'static Slot> {
    loop {
        let generation = GENERATION.load(SeqCst);
        let Some(cell) = SLOTS.get(generation) else {
            let message = format!("this process descends from {generation} processes that forked");
            return Err(Error::new(ErrorKind::Unsupported, message)
                .with_hint("start processes with the method `spawn` of `multiprocessing`"));
        };
        let slot = match cell.get() {
            Some(slot) => slot,
            None => {
                let made = Slot::new()?;
                cell.get_or_init(|| made)
            }
        };
        if slot.pid == std::process::id() {
            return Ok(slot);
        }
        // A fork of which Python was not told. If another thread was faster, its generation is the right one.
        let _ = GENERATION.compare_exchange(generation, generation + 1, SeqCst, SeqCst);
    }
}

/// The slot of this process, if it has made a call.
pub fn existing() -> Option<&'static Slot> {
    let slot = SLOTS.get(GENERATION.load(SeqCst))?.get()?;
    (slot.pid == std::process::id()).then_some(slot)
}

/// In the child after a fork: from now on, calls make everything anew.
pub fn after_fork() {
    let generation = GENERATION.load(SeqCst);
    let Some(slot) = SLOTS.get(generation).and_then(OnceLock::get) else { return };
    if slot.pid == std::process::id() {
        return;
    }
    // The parent's worker ends when all copies of its pipe are closed. A thread that writes at the time of the fork keeps the lock in
    // the child; the worker then lives as long as the child.
    if let Ok(worker) = slot.worker.try_lock() {
        worker.iter().for_each(|worker| worker.abandon());
    }
    GENERATION.store(generation + 1, SeqCst);
}

/// Keeps an event for the next call that passes events on.
pub fn queue_event(record: LogRecord) {
    if let Some(slot) = existing() {
        slot.events.push(record);
    }
}

/// Removes the events that are kept.
pub fn events() -> Vec<LogRecord> {
    existing().map(|slot| slot.events.take()).unwrap_or_default()
}

/// Waits for `future` without the interpreter's lock. Passes events on to `logging`.
///
/// At a signal for which Python's handler raises (Ctrl-C), `interrupt` is told, if there is one, and the future awaited further; at
/// the next one, and without `interrupt`, the future is dropped. Then the handler's exception is raised. Only the main thread of a
/// process receives signals.
pub fn wait<T: Send>(
    py: Python<'_>,
    mut interrupt: Option<oneshot::Sender<()>>,
    future: impl Future<Output = std::result::Result<T, Failure>> + Send,
) -> PyResult<T> {
    let slot = current().map_err(|error| raised(&error))?;
    logs::follow_python(py)?;
    let mut future = pin!(future);
    let mut signal = None;
    loop {
        let tick = async { tokio::time::timeout(TICK, future.as_mut()).await.ok() };
        let outcome = py.detach(|| slot.runtime.block_on(tick));
        logs::pass_on(py)?;
        if let Some(outcome) = outcome {
            return match signal {
                Some(signal) => Err(signal),
                None => outcome.map_err(PyErr::from),
            };
        }
        if let Err(exception) = py.check_signals() {
            if interrupt.take().is_none_or(|interrupt| interrupt.send(()).is_err()) {
                return Err(exception);
            }
            signal = Some(exception);
        }
    }
}

/// The lock of what is whole between two statements, also if a thread panicked.
pub fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
