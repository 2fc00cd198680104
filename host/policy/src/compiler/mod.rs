//! Compiles components: in a process of its own, which has limits, or in this one.
//!
//! With a [`CompilerCommand`], this process has an engine that cannot compile. The other process leaves the code where wasmtime's own
//! cache keeps it, in a directory that only this user can read, and the engine of this process finds it there. If it does not, the
//! component is not loaded.

mod command;
mod job;
mod limits;
mod process;
mod store;
mod worker;

use std::path::Path;
use std::sync::Once;

use wasmtime::component::Component;
use wasmtime::{Cache, Engine};

use super::engine::CodeForm;
use super::policy::Policy;
use hydra_base::error::{Error, ErrorKind};

pub use command::CompilerCommand;
pub use limits::CompileLimits;
pub use worker::{COMPILER_ARGUMENT, compiler_main};

use job::Outcome;
use store::Store;

/// How an engine compiles.
pub(super) enum Compiler {
    /// In this process: the caps on components alone bound the cost.
    Here { cache: Option<Cache> },
    /// In a process of its own.
    Apart { command: CompilerCommand, limits: CompileLimits, form: CodeForm, store: Box<Store> },
}

/// Why there is no compiled code.
pub(super) enum NotCompiled {
    /// The component is at fault: the compiler refuses it, or it does not fit the engine.
    Invalid(Box<dyn std::error::Error + Send + Sync>),
    /// A limit, or the machine.
    Failed(Error),
}

impl From<Error> for NotCompiled {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl Compiler {
    /// The compiler of an engine with code of `form`, which keeps compiled code in `cache`.
    pub(super) fn new(
        command: Option<&CompilerCommand>,
        limits: CompileLimits,
        form: CodeForm,
        cache: Option<Cache>,
    ) -> Self {
        let Some(command) = command else { return Self::Here { cache } };
        match Store::new(cache.clone()) {
            Ok(store) => Self::Apart { command: command.clone(), limits, form, store: Box::new(store) },
            Err(error) => {
                tracing::warn!(%error, "cannot create a directory for compiled policies, so they are compiled without limits on time and memory");
                Self::Here { cache }
            }
        }
    }

    /// The directory of compiled code that an engine reads.
    pub(super) fn cache(&self) -> Option<&Cache> {
        match self {
            Self::Here { cache } => cache.as_ref(),
            Self::Apart { store, .. } => Some(store.cache()),
        }
    }

    /// Where compiled code outlives the process.
    pub(super) fn directory(&self) -> Option<&Path> {
        match self {
            Self::Here { cache } => cache.as_ref().map(|cache| cache.directory().as_path()),
            Self::Apart { store, .. } => store.directory(),
        }
    }

    /// Whether the engine itself compiles.
    pub(super) fn is_here(&self) -> bool {
        matches!(self, Self::Here { .. })
    }

    /// How many components were compiled.
    pub(super) fn compilations(&self) -> usize {
        match self {
            Self::Here { cache } => cache.as_ref().map_or(0, Cache::cache_misses),
            Self::Apart { store, .. } => store.compilations(),
        }
    }

    /// Compiles a component, or takes its code from the cache.
    pub(super) fn component(&self, engine: &Engine, bytes: &[u8]) -> Result<Component, NotCompiled> {
        match self {
            Self::Here { cache } => {
                let hits = || cache.as_ref().map_or(0, Cache::cache_hits);
                let before = hits();
                let compiled = job::contained(|| Component::from_binary(engine, bytes))?;
                if hits() == before && !is_trusted(bytes) {
                    warn_once();
                }
                compiled.map_err(invalid)
            }
            Self::Apart { command, limits, form, store } => {
                let compile = |directory: &Path| {
                    let outcome = if is_trusted(bytes) {
                        job::compile(*form, bytes, directory)?
                    } else {
                        process::compile(command, limits, *form, bytes, directory)?
                    };
                    judged(outcome, limits)
                };
                store.component(engine, bytes, compile)
            }
        }
    }
}

/// Whether the component is part of this program: compiling it needs no limits.
fn is_trusted(bytes: &[u8]) -> bool {
    bytes == Policy::default_bytes()
}

fn warn_once() {
    static WARNED: Once = Once::new();
    WARNED.call_once(|| {
        tracing::warn!(
            "compiling a policy in this process, without limits on time and memory; \
             set HYDRA_POLICY_COMPILER to the path of the command hydra-registry, which compiles in a process with limits"
        );
    });
}

fn invalid(error: wasmtime::Error) -> NotCompiled {
    NotCompiled::Invalid(error.into())
}

/// What a compiler that did not fail in itself found.
fn judged(outcome: Outcome, limits: &CompileLimits) -> Result<(), NotCompiled> {
    match outcome {
        Outcome::Compiled => Ok(()),
        Outcome::Refused { causes } => Err(NotCompiled::Invalid(causes.join(": ").into())),
        Outcome::Panicked => Err(job::panicked().into()),
        Outcome::OutOfMemory => Err(process::out_of_memory(limits).into()),
    }
}

/// The machine, not the component, is in the way.
fn unavailable(message: &str) -> Error {
    Error::new(ErrorKind::CompilerUnavailable, message)
}
