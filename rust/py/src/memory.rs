//! Blocks of memory that wait to be used again: who owns one while an array lives in it, and how much waits.
//!
//! In Rust because the owner dies at any moment, in the middle of any Python code: a destructor in Python could be interrupted there, and
//! Ctrl-C would be lost in it. Lists and counts change under the GIL alone.

use std::sync::atomic::{AtomicUsize, Ordering};

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

/// Bytes that wait.
static HELD: AtomicUsize = AtomicUsize::new(0);
/// Bytes that may wait.
static LIMIT: AtomicUsize = AtomicUsize::new(0);

/// What a numpy array names as the owner of its memory: when that is let go, the block goes back to the list it came from.
#[pyclass(frozen, module = "rsnn._rsnn")]
struct Lease {
    interface: Py<PyDict>,
    block: Py<PyAny>,
    waiting: Py<PyList>,
    size: usize,
}

#[pymethods]
impl Lease {
    #[new]
    fn new(interface: Py<PyDict>, block: Py<PyAny>, waiting: Py<PyList>, size: usize) -> Self {
        Self { interface, block, waiting, size }
    }

    /// Numpy's description of the memory.
    #[getter]
    fn __array_interface__(&self, py: Python<'_>) -> Py<PyDict> {
        self.interface.clone_ref(py)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        Python::attach(|py| {
            let held = HELD.load(Ordering::Relaxed).saturating_add(self.size);
            // Out of memory for the list: the block is simply let go.
            if held <= LIMIT.load(Ordering::Relaxed) && self.waiting.bind(py).append(&self.block).is_ok() {
                HELD.store(held, Ordering::Relaxed);
            }
        });
    }
}

/// Take a block out of a list of those that wait, if there is one.
#[pyfunction]
fn take_block<'py>(waiting: &Bound<'py, PyList>, size: usize) -> PyResult<Option<Bound<'py, PyAny>>> {
    if waiting.is_empty() {
        return Ok(None);
    }
    let block = waiting.call_method0("pop")?;
    HELD.store(HELD.load(Ordering::Relaxed).saturating_sub(size), Ordering::Relaxed);
    Ok(Some(block))
}

/// How many bytes wait.
#[pyfunction]
fn held_bytes() -> usize {
    HELD.load(Ordering::Relaxed)
}

/// Say how many bytes may wait.
#[pyfunction]
fn limit_held_bytes(limit: usize) {
    LIMIT.store(limit, Ordering::Relaxed);
}

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Lease>()?;
    module.add_function(wrap_pyfunction!(take_block, module)?)?;
    module.add_function(wrap_pyfunction!(held_bytes, module)?)?;
    module.add_function(wrap_pyfunction!(limit_held_bytes, module)?)
}
