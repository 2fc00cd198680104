//! Compiling itself, which both processes can do.

use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::thread;

use serde::{Deserialize, Serialize};
use wasmtime::component::Component;
use wasmtime::{Cache, CacheConfig, Engine};

use crate::engine::CodeForm;
use hydra_base::error::{Error, ErrorKind, Result};

/// The stack of a thread that compiles. Compilers recurse, and the caller's stack may be small.
pub(super) const STACK_BYTES: usize = 8 << 20;

/// How compiling ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Outcome {
    /// The code is in the directory.
    Compiled,
    /// The component is not valid.
    Refused {
        /// The error, then its causes.
        causes: Vec<String>,
    },
    /// The compiler panicked.
    Panicked,
    /// The compiler got no memory.
    OutOfMemory,
}

/// Compiles a component. wasmtime leaves the code in `directory`, as in a cache.
pub(super) fn compile(form: CodeForm, bytes: &[u8], directory: &Path) -> Result<Outcome> {
    let compiled = contained(|| {
        let mut cache = CacheConfig::new();
        cache.with_directory(directory);
        let mut config = form.config();
        config.cache(Some(Cache::new(cache)?));
        Component::from_binary(&Engine::new(&config)?, bytes).map(drop)
    });
    Ok(match compiled {
        Ok(Ok(())) => Outcome::Compiled,
        Ok(Err(error)) if is_out_of_memory(&error) => Outcome::OutOfMemory,
        Ok(Err(error)) => Outcome::Refused { causes: error.chain().map(ToString::to_string).collect() },
        Err(error) if error.kind() == ErrorKind::PolicyIncompatible => Outcome::Panicked,
        Err(error) => return Err(error),
    })
}

/// Runs the compiler on a stack of known size, and turns a panic into an error, so that a crafted file cannot end the process. The
/// panic's message still goes to stderr: only the program may replace the panic hook.
pub(super) fn contained<T: Send>(compile: impl FnOnce() -> T + Send) -> Result<T> {
    thread::scope(|scope| {
        // A failed compilation leaves nothing that is used later, and locks guard the engine's state.
        let guarded = || panic::catch_unwind(AssertUnwindSafe(compile)).map_err(|_| panicked());
        let thread = thread::Builder::new().name("policy-compiler".to_owned()).stack_size(STACK_BYTES);
        let running = thread.spawn_scoped(scope, guarded).map_err(|error| {
            super::unavailable("cannot start a thread to compile a policy").with_source(error)
        })?;
        running.join().unwrap_or_else(|_| Err(panicked()))
    })
}

/// The component made the compiler panic.
pub(super) fn panicked() -> Error {
    Error::new(ErrorKind::PolicyIncompatible, "the compiler panicked on the component")
        .with_hint("do not use it; it is crafted, damaged, or triggers a bug in wasmtime")
}

fn is_out_of_memory(error: &wasmtime::Error) -> bool {
    error.chain().any(|cause| {
        let is_io =
            cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::OutOfMemory);
        is_io || cause.to_string().contains("Cannot allocate memory")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_of_the_compiler_is_an_error() {
        assert_eq!(contained(|| 7).unwrap(), 7);
        let error = contained(|| panic!("impossible")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PolicyIncompatible);
    }
}
