//! Bindings of distances between spike trains. `_rsnn.pyi` says what each argument is.

use numpy::PyUntypedArrayMethods;
use pyo3::prelude::*;
use rsnn_core::distance::{self, Trains};

use crate::array::{expect_shape, lengths, read, write};
use crate::error::{compute, to_python};

/// Write the distance of Victor and Purpura of each pair (a train of a, a train of b).
#[allow(clippy::needless_pass_by_value, reason = "pairs come from Python as tuples of their own")]
#[pyfunction]
#[pyo3(signature = (a, b, pairs, q, out, *, threads=1))]
fn victor_purpura(
    a: (Bound<'_, PyAny>, Bound<'_, PyAny>),
    b: (Bound<'_, PyAny>, Bound<'_, PyAny>),
    pairs: &Bound<'_, PyAny>,
    q: f64,
    out: &Bound<'_, PyAny>,
    threads: usize,
) -> PyResult<()> {
    let py = out.py();
    let (times_a, starts_a) = (read::<f64>("times of a", &a.0)?, read::<u64>("starts of a", &a.1)?);
    let (times_b, starts_b) = (read::<f64>("times of b", &b.0)?, read::<u64>("starts of b", &b.1)?);
    let pairs = read::<u64>("pairs", pairs)?;
    let mut out = write::<f64>("out", out)?;
    let [count, _] = lengths("pairs", pairs.shape())?;
    expect_shape("pairs", pairs.shape(), &[count, 2])?;
    expect_shape("out", out.shape(), &[count])?;
    let a = Trains::new(times_a.as_slice()?, starts_a.as_slice()?).map_err(|e| to_python(&e))?;
    let b = Trains::new(times_b.as_slice()?, starts_b.as_slice()?).map_err(|e| to_python(&e))?;
    let (pairs, _) = pairs.as_slice()?.as_chunks::<2>();
    let out = out.as_slice_mut()?;
    compute(py, threads, |context| distance::victor_purpura(context, &a, &b, pairs, q, out))
}

/// Add this file's functions to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(victor_purpura, module)?)
}
