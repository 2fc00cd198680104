//! The extension module `hydra_registry._native` of the Python package.

mod calls;
mod champion;
mod cli;
mod errors;
mod evaluating;
mod logs;
mod options;
mod process;
mod registry;
mod runtime;
mod spool;
mod streams;
mod worker;

use pyo3::prelude::*;

/// The compiled part of `hydra_registry`.
#[pymodule]
#[pyo3(name = "_native")]
mod native {
    use super::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        champion::register(module)?;
        cli::register(module)?;
        registry::register(module)?;
        spool::register(module)?;
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
