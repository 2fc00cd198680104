//! Events of the library for Python's `logging`.
//!
//! Events come from threads that Python does not know, and one that waited for the interpreter could block a fork or the end of the
//! process. So they are queued, and the threads that call into the library pass them on while they wait.

use std::collections::VecDeque;
use std::fmt::{self, Write as _};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

use hydra_base::text::printable;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use serde::{Deserialize, Serialize};
use tracing::field::{Field, Visit};
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::runtime;

/// The most events that wait for a thread that passes them on.
const CAPACITY: usize = 1_000;

/// Python's number of the least level that `logging` wants. The default is that of `WARNING`.
static LEVEL: AtomicU8 = AtomicU8::new(30);

/// An event.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LogRecord {
    /// Python's number of the level.
    pub level: u8,
    /// The module that it comes from, as in `hydra_mlflow::rest`.
    pub target: String,
    /// The message and the fields.
    pub text: String,
}

/// The events that wait to be passed on.
#[derive(Debug, Default)]
pub struct Queue {
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    records: VecDeque<LogRecord>,
    dropped: usize,
}

impl Queue {
    /// Adds an event. Of too many, the oldest are dropped and counted.
    pub fn push(&self, record: LogRecord) {
        let mut waiting = runtime::locked(&self.waiting);
        if waiting.records.len() == CAPACITY {
            waiting.records.pop_front();
            waiting.dropped += 1;
        }
        waiting.records.push_back(record);
    }

    /// Removes all events.
    pub fn take(&self) -> Vec<LogRecord> {
        let mut waiting = runtime::locked(&self.waiting);
        let mut records: Vec<_> = waiting.records.drain(..).collect();
        let dropped = std::mem::take(&mut waiting.dropped);
        if dropped > 0 {
            let text = format!("{dropped} earlier events were dropped, because no call passed them on");
            records.insert(0, LogRecord { level: 30, target: "hydra_registry".to_owned(), text });
        }
        records
    }
}

/// From now on, events of this process are queued. Does nothing if the process has another subscriber.
pub fn install() {
    let _ = tracing_subscriber::registry().with(Queued).try_init();
}

/// The least level that is queued, as Python's number.
pub fn level() -> u8 {
    LEVEL.load(Relaxed)
}

/// Sets the least level that is queued.
pub fn set_level(level: u8) {
    LEVEL.store(level, Relaxed);
}

/// Sets the least level to the one of the logger `hydra_registry`.
pub fn follow_python(py: Python<'_>) -> PyResult<()> {
    static LOGGER: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let logger = LOGGER.get_or_try_init(py, || logger(py, "hydra_registry").map(Bound::unbind))?;
    let level: i64 = logger.bind(py).call_method0("getEffectiveLevel")?.extract()?;
    set_level(level.clamp(0, u8::MAX.into()) as u8);
    Ok(())
}

/// Passes the queued events to `logging`.
pub fn pass_on(py: Python<'_>) -> PyResult<()> {
    for LogRecord { level, target, text } in runtime::events() {
        // As an argument, so that `logging` does not look for conversions in it.
        logger(py, &logger_name(&target))?.call_method1("log", (level, "%s", text))?;
    }
    Ok(())
}

/// `hydra_registry.mlflow.rest` for `hydra_mlflow::rest`.
fn logger_name(target: &str) -> String {
    let name = target.replace("::", ".");
    if name == "hydra_registry" || name.starts_with("hydra_registry.") {
        return name;
    }
    format!("hydra_registry.{}", name.strip_prefix("hydra_").unwrap_or(&name))
}

fn logger<'py>(py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
    py.import("logging")?.call_method1("getLogger", (name,))
}

/// Queues the events of the wanted levels.
struct Queued;

impl<S: Subscriber> Layer<S> for Queued {
    /// The level may change between two events of one place.
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::sometimes()
    }

    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        // Of other crates, only what needs attention: their details are of interest to their authors.
        let least = if metadata.target().starts_with("hydra") { level() } else { level().max(30) };
        number(*metadata.level()) >= least
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut text = Text::default();
        event.record(&mut text);
        let metadata = event.metadata();
        runtime::queue_event(LogRecord {
            level: number(*metadata.level()),
            target: metadata.target().to_owned(),
            text: text.message + &text.fields,
        });
    }
}

fn number(level: Level) -> u8 {
    match level {
        Level::ERROR => 40,
        Level::WARN => 30,
        Level::INFO => 20,
        Level::DEBUG => 10,
        Level::TRACE => 5,
    }
}

/// The message of an event, and its other fields after it.
#[derive(Default)]
struct Text {
    message: String,
    fields: String,
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Fields may contain text from servers.
        let value = printable(&format!("{value:?}"));
        match field.name() {
            "message" => self.message = value,
            // Writing to a string cannot fail.
            name => drop(write!(self.fields, " {name}={value}")),
        }
    }
}
