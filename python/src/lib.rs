//! The extension module `hydra_registry._native` of the Python package.

mod call;
mod calls;
mod champion;
mod cli;
mod derive;
mod errors;
mod evaluating;
mod input;
mod labels;
mod logs;
mod model;
mod options;
mod predict;
mod process;
mod registry;
mod runtime;
mod saved;
mod spool;
mod streams;
mod worker;

use pyo3::prelude::pymodule;

/// The compiled part of `hydra_registry`.
#[pymodule]
#[pyo3(name = "_native")]
mod native {
    use pyo3::prelude::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))?;
        crate::model::register(module)?;
        crate::champion::register(module)?;
        crate::saved::register(module)?;
        crate::input::register(module)?;
        crate::cli::register(module)?;
        crate::registry::register(module)?;
        crate::spool::register(module)
    }
}
