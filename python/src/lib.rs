//! The extension module `hydra_registry._native` of the Python package.

use pyo3::prelude::*;

/// The compiled part of `hydra_registry`.
#[pymodule]
#[pyo3(name = "_native")]
mod native {
    use super::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
