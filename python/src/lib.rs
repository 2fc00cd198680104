//! The extension module `hydra_registry._native` of the Python package.

mod champion;
mod derive;
mod errors;
mod input;
mod labels;
mod model;
mod predict;
mod saved;

use pyo3::prelude::*;

/// The compiled part of `hydra_registry`.
#[pymodule]
#[pyo3(name = "_native")]
mod native {
    use super::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))?;
        crate::model::register(module)?;
        crate::champion::register(module)?;
        crate::saved::register(module)?;
        crate::input::register(module)
    }
}
