//! The class `Registry`: JSON in, JSON out. The facade gives it Python's form.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use hydra_base::blocking;
use hydra_base::error::{Error, ErrorKind};
use hydra_lightgbm::Model;
use hydra_lightgbm::loaded::ModelLimits;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use serde::de::DeserializeOwned;
use tokio::sync::oneshot;

use crate::call::{Call, Selector};
use crate::calls::{Connection, Found, Loaded};
use crate::champion::{Champion, Facts};
use crate::errors::{Failure, raised};
use crate::model::PyModel;
use crate::options::Options;
use crate::runtime::{self, locked};
use crate::streams::{Listing, Pages};
use crate::worker::{Client, ToWorker};
use crate::{logs, process};

/// The ids of the registries of this process and of its children.
static IDS: AtomicU64 = AtomicU64::new(1);

/// A registered model of a registry. All methods take and answer JSON; `hydra_registry.ModelRegistry` gives them Python's form.
#[pyclass(frozen, module = "hydra_registry._native")]
pub struct Registry {
    id: u64,
    options: Options,
    uses_sqlite: bool,
    /// The model that was loaded last: a version that has not changed is not read again.
    last: Mutex<Option<(Loaded, Py<Champion>)>>,
}

/// Where the calls go.
enum Access {
    /// To this process.
    Here(Arc<Connection>),
    /// To the worker process.
    Worker(Arc<Client>),
}

impl Registry {
    fn access(&self) -> Result<Access, Failure> {
        let slot = runtime::current()?;
        if !self.uses_sqlite {
            return Ok(Access::Here(slot.connection(self.id, || Connection::new(self.options.clone()))));
        }
        let worker = slot.worker(Client::start)?;
        worker.open(self.id, &self.options)?;
        Ok(Access::Worker(worker))
    }

    async fn answer(&self, call: Call, interrupted: oneshot::Receiver<()>) -> Result<Vec<u8>, Failure> {
        match self.access()? {
            Access::Here(connection) => Box::pin(connection.serve(call, interrupted)).await,
            Access::Worker(worker) => {
                let (registry, log, call) = (self.id, logs::level(), Box::new(call));
                let frame = |id| ToWorker::Call { id, registry, log, call };
                Ok(worker.ask(frame, interrupted).await?.0)
            }
        }
    }

    async fn found(&self, selector: Selector, known: Option<Loaded>) -> Result<Found, Failure> {
        let worker = match self.access()? {
            Access::Here(connection) => return Ok(connection.load(selector, known.as_ref()).await?),
            Access::Worker(worker) => worker,
        };
        let (registry, log) = (self.id, logs::level());
        let frame = |id| ToWorker::Load { id, registry, log, selector, known: known.map(Box::new) };
        let (loaded, file) = worker.ask(frame, never()).await?;
        let loaded = serde_json::from_slice(&loaded).map_err(Failure::json)?;
        let Some(file) = file else { return Ok(Found::Same(loaded)) };
        let opened = blocking(move || {
            let limits = ModelLimits::default();
            Ok((Model::from_artifact(file.data_file(), file.model_class(), file.bytes(), &limits)?, file))
        });
        Ok(Found::Other(loaded, Box::new(opened.await?)))
    }
}

#[pymethods]
impl Registry {
    /// Checks the options, and connects. Sends no requests.
    #[new]
    #[pyo3(signature = (options))]
    fn new(py: Python<'_>, options: &[u8]) -> PyResult<Self> {
        logs::install();
        let options: Options = parsed(options)?;
        let uses_sqlite = options
            .open_options()
            .and_then(|options| options.uses_sqlite())
            .map_err(|error| raised(&error))?;
        if uses_sqlite {
            process::find_worker(py)?;
        }
        let registry = Self { id: IDS.fetch_add(1, SeqCst), options, uses_sqlite, last: Mutex::default() };
        runtime::wait(py, None, registry.answer(Call::Connect, never()))?;
        Ok(registry)
    }

    /// Answers a call. The documents are those of `docs/formats.md`, "Reports".
    #[pyo3(signature = (call))]
    fn call<'py>(&self, py: Python<'py>, call: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
        let call: Call = parsed(call)?;
        let (interrupt, interrupted) = oneshot::channel();
        // Other calls have nothing to clean up.
        let interrupt = matches!(call, Call::Log(_)).then_some(interrupt);
        let answer = runtime::wait(py, interrupt, self.answer(call, interrupted))?;
        Ok(PyBytes::new(py, &answer))
    }

    /// Loads the model of a version.
    #[pyo3(signature = (selector))]
    fn load(&self, py: Python<'_>, selector: &[u8]) -> PyResult<Py<Champion>> {
        let selector: Selector = parsed(selector)?;
        // Not locked during the call: another thread would wait without looking for signals.
        let last =
            locked(&self.last).as_ref().map(|(loaded, champion)| (loaded.clone(), champion.clone_ref(py)));
        let (known, last) = last.unzip();
        let found = runtime::wait(py, None, self.found(selector, known))?;
        let (loaded, champion) = match (found, last) {
            (Found::Other(loaded, found), _) => {
                let (model, file) = *found;
                let model = PyModel::of_file(py, model, file.data_file().to_owned(), file.bytes())?;
                (loaded.clone(), Champion::create(py, model, loaded.into())?)
            }
            (Found::Same(loaded), Some(last)) => {
                let last = last.bind(py).as_super().get();
                let model = last.changed(py, last.model.clone(), Vec::new(), 0);
                (loaded.clone(), Champion::create(py, model, loaded.into())?)
            }
            (Found::Same(_), None) => {
                let error =
                    Error::new(ErrorKind::Internal, "a model that was never loaded was found unchanged");
                return Err(raised(&error));
            }
        };
        // The former one is dropped without the lock: that may run code of Python.
        let former = locked(&self.last).replace((loaded, champion.clone_ref(py)));
        drop(former);
        Ok(champion)
    }

    /// Begins a list, `page` items at a time.
    #[pyo3(signature = (listing, page))]
    fn list(slf: &Bound<'_, Self>, listing: &[u8], page: usize) -> PyResult<Stream> {
        let (py, registry, listing) = (slf.py(), slf.get(), parsed::<Listing>(listing)?);
        let begun = runtime::wait(py, None, async {
            Ok(match registry.access()? {
                Access::Here(connection) => {
                    Source::Here(tokio::sync::Mutex::new(Pages::begin(connection, listing, page)))
                }
                Access::Worker(worker) => {
                    let (registry, log) = (registry.id, logs::level());
                    let mut handle = 0;
                    let frame = |id| {
                        handle = id;
                        ToWorker::List { id, registry, log, listing, page }
                    };
                    worker.ask(frame, never()).await?;
                    Source::Worker(worker, handle)
                }
            })
        })?;
        Ok(Stream { pid: std::process::id(), source: begun })
    }
}

impl From<Loaded> for Facts {
    fn from(loaded: Loaded) -> Self {
        let Loaded { model_name, version, run_id, created_at, tags, quarantine, .. } = loaded;
        Self { version, model_name, run_id, created_at, tags, quarantine }
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        if let Some(slot) = runtime::existing() {
            slot.close(self.id);
        }
    }
}

/// The pages of a list: JSON arrays.
#[pyclass(frozen, module = "hydra_registry._native")]
pub struct Stream {
    /// The process that reads it.
    pid: u32,
    source: Source,
}

enum Source {
    Here(tokio::sync::Mutex<Pages>),
    Worker(Arc<Client>, u64),
}

#[pymethods]
impl Stream {
    fn __iter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyBytes>>> {
        if self.pid != std::process::id() {
            let error =
                Error::new(ErrorKind::Unsupported, "the list was begun before this process was forked")
                    .with_hint("list again in this process");
            return Err(raised(&error));
        }
        let page = runtime::wait(py, None, async {
            match &self.source {
                Source::Here(pages) => pages.lock().await.next().await.transpose(),
                Source::Worker(worker, listing) => {
                    let frame = |id| ToWorker::Next { id, listing: *listing };
                    let page = worker.ask(frame, never()).await?.0;
                    Ok((page != b"null").then_some(page))
                }
            }
        })?;
        Ok(page.map(|page| PyBytes::new(py, &page)))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if let Source::Worker(worker, listing) = &self.source {
            worker.end(*listing);
        }
    }
}

/// An interruption that does not come.
fn never() -> oneshot::Receiver<()> {
    oneshot::channel().1
}

fn parsed<T: DeserializeOwned>(json: &[u8]) -> PyResult<T> {
    serde_json::from_slice(json).map_err(|error| Failure::json(error).into())
}

/// Adds what this module defines.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Registry>()?;
    module.add_class::<Stream>()
}
