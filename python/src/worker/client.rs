//! The interpreter's side of the worker.
//!
//! Threads and pipes of the standard library, not those of the runtime: the latter would handle signals of the user's process.

use std::collections::{HashMap, HashSet};
use std::future::pending;
use std::io::{BufReader, Read};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;

use hydra_base::error::{Error, ErrorKind, Result};
use hydra_models::model_cache::CachedModel;
use tokio::sync::oneshot;

use super::frame::{self, FileHead, FromWorker, PROTOCOL, ToWorker};
use crate::errors::Failure;
use crate::options::Options;
use crate::process;
use crate::runtime::{self, locked};

/// The worker process of this process.
pub struct Client {
    shared: Arc<Shared>,
    /// The registries that the worker knows.
    opened: Mutex<HashSet<u64>>,
    ids: AtomicU64,
}

struct Shared {
    /// The process that started the worker.
    pid: u32,
    /// None after a fork, in the child.
    stdin: Mutex<Option<ChildStdin>>,
    /// The calls that have no answer yet.
    waiting: Mutex<HashMap<u64, oneshot::Sender<Answer>>>,
    is_alive: AtomicBool,
}

/// A JSON document, and a model file if one was asked for.
type Answer = std::result::Result<(Vec<u8>, Option<CachedModel>), Failure>;

impl Client {
    /// Starts the worker.
    pub fn start() -> Result<Self> {
        let failed = |source: std::io::Error| {
            Error::new(ErrorKind::Config, "cannot start a Python process for the SQLite database")
                .with_source(source)
                .with_hint("set HYDRA_PYTHON to the path of a Python interpreter of this version")
        };
        let (program, args) = process::worker()?.split_first().ok_or_else(|| {
            Error::new(ErrorKind::Config, "the path of the Python interpreter is not known")
                .with_hint("set HYDRA_PYTHON to the path of a Python interpreter of this version")
        })?;
        let mut child = Command::new(program)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let shared = Arc::new(Shared {
            pid: std::process::id(),
            stdin: Mutex::new(child.stdin.take()),
            waiting: Mutex::default(),
            is_alive: AtomicBool::new(true),
        });
        let (reader, stdout) = (shared.clone(), child.stdout.take());
        thread::Builder::new()
            .name("hydra-registry-worker".to_owned())
            .spawn(move || reader.read(stdout, child))
            .map_err(failed)?;
        Ok(Self { shared, opened: Mutex::default(), ids: AtomicU64::new(1) })
    }

    /// Whether it has not ended yet, as far as is known.
    pub fn is_alive(&self) -> bool {
        self.shared.is_alive.load(SeqCst)
    }

    /// Forgets a registry.
    pub fn close(&self, registry: u64) {
        if locked(&self.opened).remove(&registry) {
            // A worker that has ended has forgotten it.
            let _ = self.shared.send(&ToWorker::Close { registry });
        }
    }

    /// In a child after a fork: lets go of the parent's worker.
    pub fn abandon(&self) {
        if let Ok(mut stdin) = self.shared.stdin.try_lock() {
            *stdin = None;
        }
    }

    /// Introduces a registry, unless the worker knows it.
    pub fn open(&self, registry: u64, options: &Options) -> Result<(), Failure> {
        let mut opened = locked(&self.opened);
        if opened.insert(registry) {
            self.shared.send(&ToWorker::Open { registry, options: Box::new(options.clone()) })?;
        }
        Ok(())
    }

    /// Sends a call that `frame` makes of its id, and waits for the answer. If `interrupted` is ready, the call is asked to end; if the
    /// future is dropped, it ends.
    pub async fn ask(
        &self,
        frame: impl FnOnce(u64) -> ToWorker,
        interrupted: oneshot::Receiver<()>,
    ) -> Answer {
        let id = self.ids.fetch_add(1, SeqCst);
        let (answer, mut answered) = oneshot::channel();
        locked(&self.shared.waiting).insert(id, answer);
        let _pending = Pending { shared: &self.shared, id };
        self.shared.send(&frame(id))?;
        let interrupted = async {
            if interrupted.await.is_err() {
                pending::<()>().await;
            }
        };
        let answer = tokio::select! {
            biased;
            answer = &mut answered => answer,
            () = interrupted => {
                self.shared.send(&ToWorker::Interrupt { id })?;
                answered.await
            }
        };
        answer.unwrap_or_else(|_| Err(died().into()))
    }

    /// Ends a listing.
    pub fn end(&self, listing: u64) {
        // A worker that has ended has forgotten it.
        let _ = self.shared.send(&ToWorker::End { listing });
    }
}

/// A call that waits for its answer.
struct Pending<'a> {
    shared: &'a Shared,
    id: u64,
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        if locked(&self.shared.waiting).remove(&self.id).is_some() {
            // The caller does not wait any more. A worker that has ended does not work on it either.
            let _ = self.shared.send(&ToWorker::Interrupt { id: self.id });
        }
    }
}

impl Shared {
    fn send(&self, frame: &ToWorker) -> Result<()> {
        // After a fork, the lock may be one that a thread of the parent holds.
        if self.pid != std::process::id() {
            return Err(died());
        }
        let mut stdin = locked(&self.stdin);
        let sent = stdin.as_mut().map(|stdin| frame::write(stdin, frame, [&[]; 2]));
        match sent {
            Some(Ok(())) => Ok(()),
            Some(Err(error)) => {
                self.is_alive.store(false, SeqCst);
                Err(died().with_source(error))
            }
            None => Err(died()),
        }
    }

    /// Passes answers on until the worker ends.
    fn read(&self, stdout: Option<ChildStdout>, mut child: Child) {
        let failure = stdout.and_then(|stdout| self.read_frames(BufReader::new(stdout)).err());
        self.is_alive.store(false, SeqCst);
        // Ends it, if it does not end by itself: its answers cannot be read.
        *locked(&self.stdin) = None;
        let _ = child.kill();
        // Something else in the process may have waited for it before.
        let _ = child.wait();
        let waiting: Vec<_> = locked(&self.waiting).drain().collect();
        for (_, waiting) in waiting {
            let error = died();
            let error = match &failure {
                Some(failure) => error.with_source(failure.to_string()),
                None => error,
            };
            // The caller may be gone.
            let _ = waiting.send(Err(error.into()));
        }
    }

    fn read_frames(&self, mut from: BufReader<ChildStdout>) -> std::io::Result<()> {
        let first = frame::read(&mut from)?;
        let release = env!("CARGO_PKG_VERSION");
        match first {
            Some(FromWorker::Hello { protocol: PROTOCOL, release: its }) if its == release => {}
            Some(_) => return Err(std::io::Error::other("the worker is of another release")),
            None => return Ok(()),
        }
        while let Some(frame) = frame::read(&mut from)? {
            let (id, answer) = match frame {
                FromWorker::Hello { .. } => continue,
                FromWorker::Log(record) => {
                    runtime::queue_event(record);
                    continue;
                }
                FromWorker::Failure { id, failure } => (id, Err(failure)),
                FromWorker::Answer { id, json, file } => {
                    let json = frame::read_body(&mut from, json)?;
                    (id, Ok((json, file.map(|head| read_file(&mut from, head)).transpose()?)))
                }
            };
            let waiting = locked(&self.waiting).remove(&id);
            if let Some(waiting) = waiting {
                // The caller may be gone.
                drop(waiting.send(answer));
            }
        }
        Ok(())
    }
}

fn read_file(from: &mut impl Read, head: FileHead) -> std::io::Result<CachedModel> {
    let bytes = frame::read_body(from, head.bytes)?;
    Ok(CachedModel::new(head.data_file, head.model_class, bytes))
}

fn died() -> Error {
    Error::new(ErrorKind::WorkerDied, "the process that opens the SQLite database has ended")
        .with_retryable(true)
        .with_hint("call again: the next call starts another one")
}
