//! The extension module `rsnn._rsnn`: checks and converts arrays, releases the GIL, maps errors. No arithmetic.

use pyo3::prelude::*;

mod array;
mod chip;
mod chip_cores;
mod distance;
mod encode;
mod error;
mod event;
mod memory;
mod network;
mod neuron;
mod plasticity;
mod product;

/// The core of rsnn for Python; `python/rsnn` is its only user.
#[pymodule]
mod _rsnn {
    use pyo3::prelude::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))?;
        crate::neuron::register(module)?;
        crate::product::register(module)?;
        crate::encode::register(module)?;
        crate::event::register(module)?;
        crate::chip::register(module)?;
        crate::chip_cores::register(module)?;
        crate::distance::register(module)?;
        crate::memory::register(module)?;
        crate::network::register(module)?;
        crate::plasticity::register(module)
    }
}
