//! The worker's side.

use std::collections::HashMap;
use std::io::{self, BufReader, Stdout};
use std::sync::{Arc, Mutex};

use futures_util::FutureExt as _;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

use super::frame::{self, FileHead, FromWorker, PROTOCOL, ToWorker};
use crate::call::Call;
use crate::calls::{Connection, Found, json};
use crate::errors::Failure;
use crate::logs;
use crate::runtime::{self, locked};
use crate::streams::Pages;
use hydra_base::error::{Error, ErrorKind};
use hydra_models::model_cache::CachedModel;

/// What the threads of the worker share.
struct Worker {
    out: Mutex<Stdout>,
    registries: Mutex<HashMap<u64, Arc<Connection>>>,
    running: Mutex<HashMap<u64, Running>>,
    listings: Mutex<HashMap<u64, Arc<tokio::sync::Mutex<Pages>>>>,
}

/// A call that has no answer yet.
struct Running {
    task: Option<AbortHandle>,
    /// Asks a call to clean up and end.
    interrupt: Option<oneshot::Sender<()>>,
}

/// A report, and a model file if one was asked for.
type Answer = Result<(Vec<u8>, Option<CachedModel>), Failure>;

/// Serves frames from the standard input until it ends.
pub fn serve(runtime: &Handle) -> io::Result<()> {
    let worker = Arc::new(Worker {
        out: Mutex::new(io::stdout()),
        registries: Mutex::default(),
        running: Mutex::default(),
        listings: Mutex::default(),
    });
    worker.send(
        &FromWorker::Hello { protocol: PROTOCOL, release: env!("CARGO_PKG_VERSION").to_owned() },
        [&[]; 2],
    )?;
    let mut input = BufReader::new(io::stdin());
    while let Some(frame) = frame::read(&mut input)? {
        worker.take(runtime, frame);
    }
    Ok(())
}

impl Worker {
    fn take(self: &Arc<Self>, runtime: &Handle, frame: ToWorker) {
        let worker = self.clone();
        match frame {
            ToWorker::Open { registry, options } => {
                locked(&self.registries).insert(registry, Arc::new(Connection::new(*options)));
            }
            ToWorker::Close { registry } => drop(locked(&self.registries).remove(&registry)),
            ToWorker::Call { id, registry, log, call } => {
                let (interrupt, interrupted) = oneshot::channel();
                // Other calls have nothing to clean up.
                let interrupt = matches!(*call, Call::Log(_)).then_some(interrupt);
                self.run(runtime, id, log, interrupt, async move {
                    let registry = worker.registry(registry)?;
                    Ok((Box::pin(registry.serve(*call, interrupted)).await?, None))
                });
            }
            ToWorker::Load { id, registry, log, selector, known } => {
                self.run(runtime, id, log, None, async move {
                    let registry = worker.registry(registry)?;
                    Ok(match registry.load(selector, known.as_deref()).await? {
                        Found::Same(loaded) => (json(&loaded)?, None),
                        Found::Other(loaded, found) => (json(&loaded)?, Some(found.1)),
                    })
                });
            }
            ToWorker::List { id, registry, log, listing, page } => {
                self.run(runtime, id, log, None, async move {
                    let pages = Pages::begin(worker.registry(registry)?, listing, page);
                    locked(&worker.listings).insert(id, Arc::new(tokio::sync::Mutex::new(pages)));
                    Ok((json(&())?, None))
                });
            }
            ToWorker::Next { id, listing } => {
                self.run(runtime, id, logs::level(), None, async move {
                    let pages = locked(&worker.listings).get(&listing).cloned();
                    let page = match pages {
                        Some(pages) => pages.lock().await.next().await,
                        None => None,
                    };
                    Ok((page.unwrap_or_else(|| json(&()))?, None))
                });
            }
            ToWorker::End { listing } => drop(locked(&self.listings).remove(&listing)),
            ToWorker::Interrupt { id } => self.interrupt(id),
        }
    }

    /// Runs a call as a task, and sends its answer.
    fn run(
        self: &Arc<Self>,
        runtime: &Handle,
        id: u64,
        log: u8,
        interrupt: Option<oneshot::Sender<()>>,
        call: impl Future<Output = Answer> + Send + 'static,
    ) {
        logs::set_level(log);
        let worker = self.clone();
        let work = async move {
            // A panic must not leave the caller waiting.
            let answer = std::panic::AssertUnwindSafe(call).catch_unwind().await.unwrap_or_else(|_| {
                Err(Error::new(ErrorKind::Internal, "a call failed in an unexpected way").into())
            });
            locked(&worker.running).remove(&id);
            worker.answer(id, answer);
        };
        locked(&self.running).insert(id, Running { task: None, interrupt });
        let task = runtime.spawn(work).abort_handle();
        if let Some(running) = locked(&self.running).get_mut(&id) {
            running.task = Some(task);
        }
    }

    fn registry(&self, registry: u64) -> Result<Arc<Connection>, Failure> {
        let found = locked(&self.registries).get(&registry).cloned();
        found.ok_or_else(|| Error::new(ErrorKind::Internal, "the worker does not know the registry").into())
    }

    fn interrupt(&self, id: u64) {
        let mut running = locked(&self.running);
        let Some(call) = running.get_mut(&id) else { return };
        let told = call.interrupt.take().is_some_and(|interrupt| interrupt.send(()).is_ok());
        if !told {
            call.task.iter().for_each(AbortHandle::abort);
            running.remove(&id);
        }
    }

    fn answer(&self, id: u64, answer: Answer) {
        let mut events = runtime::events().into_iter().map(FromWorker::Log);
        let (frame, json, file) = match answer {
            Err(failure) => (FromWorker::Failure { id, failure }, Vec::new(), None),
            Ok((json, file)) => {
                let head = file.as_ref().map(|file| FileHead {
                    data_file: file.data_file().to_owned(),
                    model_class: file.model_class().to_owned(),
                    bytes: file.bytes().len() as u64,
                });
                (FromWorker::Answer { id, json: json.len() as u64, file: head }, json, file)
            }
        };
        let file = file.as_ref().map(CachedModel::bytes).unwrap_or_default();

        let sent = events.try_for_each(|event| self.send(&event, [&[]; 2]));
        // If the reader is gone, the input ends, too.
        let _ = sent.and_then(|()| self.send(&frame, [&json, file]));
    }

    fn send(&self, frame: &FromWorker, bodies: [&[u8]; 2]) -> io::Result<()> {
        frame::write(&mut *locked(&self.out), frame, bodies)
    }
}
