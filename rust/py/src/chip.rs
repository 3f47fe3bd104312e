//! Bindings of `rsnn_core::chip`.

use pyo3::prelude::*;

/// Add this file's functions to the module.
pub fn register(_module: &Bound<'_, PyModule>) -> PyResult<()> {
    Ok(())
}
