//! The command line inside the interpreter, and the other programs of this package's own processes.

use std::ffi::{OsStr, OsString};

use hydra_registry_cli::Extras;
use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;

use crate::errors::raised;
use crate::{logs, process, runtime, worker};

/// Run the command line, the program's name first, and answer its exit status. `compiler` is the command that compiles policies in a
/// process of its own.
///
/// `None` if this process must not open SQLite databases, because Python's own copy of SQLite is loaded: nothing was run then.
#[pyfunction]
#[pyo3(signature = (argv, compiler = None))]
fn cli_main(py: Python<'_>, argv: Vec<OsString>, compiler: Option<Vec<OsString>>) -> PyResult<Option<u8>> {
    if !process::claim(py)? {
        return Ok(None);
    }
    let hint = "train in Python and pass the model to `ModelRegistry.log_candidate`, or install the binary with `cargo install`";
    process::set_compiler(compiler);
    let extras = Extras { hint, compiler: process::compiler, ..Extras::default() };
    Ok(Some(py.detach(|| hydra_registry_cli::main(argv, extras)).code()))
}

/// Serve the process that started this one, until it ends.
#[pyfunction]
fn worker_main(py: Python<'_>) -> PyResult<()> {
    if !process::claim(py)? {
        return Err(PyOSError::new_err("Python's own copy of SQLite is loaded in the worker"));
    }
    logs::install();
    py.detach(|| {
        let slot = runtime::current().map_err(|error| raised(&error))?;
        worker::serve(slot.handle()).map_err(|error| PyOSError::new_err(error.to_string()))
    })
}

/// Compile a policy for the process that started this one, and answer whether it has received the reply.
#[pyfunction]
#[pyo3(signature = (request = None))]
fn compiler_main(py: Python<'_>, request: Option<&str>) -> bool {
    py.detach(|| hydra_registry::policy::compiler_main(request.map(OsStr::new)))
}

/// Begin a new generation, in the child after a fork.
#[pyfunction]
fn _after_fork() {
    runtime::after_fork();
}

/// Adds what this module defines.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(cli_main, module)?)?;
    module.add_function(wrap_pyfunction!(worker_main, module)?)?;
    module.add_function(wrap_pyfunction!(compiler_main, module)?)?;
    module.add_function(wrap_pyfunction!(_after_fork, module)?)
}
