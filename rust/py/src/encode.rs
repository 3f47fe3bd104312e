//! Bindings of what turns numbers into spikes and spikes into times. Arrays are `(steps, n)`; `_rsnn.pyi` says what each argument is.

use numpy::{Element, PyUntypedArrayMethods};
use pyo3::prelude::*;
use rsnn_core::Loops;
use rsnn_core::encode::bernoulli::{self, Bernoulli};
use rsnn_core::encode::change::{Delta, UpDown};
use rsnn_core::encode::times::Spikes;
use rsnn_core::event::words_of;

use crate::array::{expect_shape, lengths, read, write};
use crate::error::{InvalidValueError, compute};
use crate::neuron::{Float, float, level};

fn bernoulli_typed<E: Loops + Element>(
    probability: &Bound<'_, PyAny>,
    out: &Bound<'_, PyAny>,
    key: u64,
    packed: bool,
    threads: usize,
    name: Option<&str>,
) -> PyResult<()> {
    let (py, level) = (out.py(), level(name)?);
    let probability = read::<E>("probability", probability)?;
    let [rows, n] = lengths("probability", probability.shape())?;
    let wanted = |got: &[usize], across: usize| -> PyResult<usize> {
        let [steps, entries] = lengths("out", got)?;
        expect_shape("out", &[entries], &[across])?;
        if rows != 1 && rows != steps {
            return Err(InvalidValueError::new_err(format!("probability: {rows} rows came; 1 or {steps} are needed here")));
        }
        Ok(steps)
    };
    if packed {
        let mut out = write::<u64>("out", out)?;
        let steps = wanted(out.shape(), words_of(n))?;
        let (probability, output) = (probability.as_slice()?, bernoulli::Output::Packed(out.as_slice_mut()?));
        let job = Bernoulli { key, level, shape: (steps, n), probability, output };
        compute(py, threads, |context| E::bernoulli(context, job))
    } else {
        let mut out = write::<E>("out", out)?;
        let steps = wanted(out.shape(), n)?;
        let (probability, output) = (probability.as_slice()?, bernoulli::Output::Dense(out.as_slice_mut()?));
        let job = Bernoulli { key, level, shape: (steps, n), probability, output };
        compute(py, threads, |context| E::bernoulli(context, job))
    }
}

/// Write spikes by chance, dense or as bits.
#[pyfunction]
#[pyo3(signature = (probability, out, *, key, packed=false, threads=1, level=None))]
fn encode_bernoulli(
    probability: &Bound<'_, PyAny>,
    out: &Bound<'_, PyAny>,
    key: u64,
    packed: bool,
    threads: usize,
    level: Option<&str>,
) -> PyResult<()> {
    match float("probability", probability)? {
        Float::F32 => bernoulli_typed::<f32>(probability, out, key, packed, threads, level),
        Float::F64 => bernoulli_typed::<f64>(probability, out, key, packed, threads, level),
    }
}

fn delta_typed<E: Loops + Element>(
    x: &Bound<'_, PyAny>,
    out: &Bound<'_, PyAny>,
    (threshold, padding, off_spike): (f64, bool, bool),
    threads: usize,
    name: Option<&str>,
) -> PyResult<()> {
    let (py, level) = (out.py(), level(name)?);
    let (x, mut out) = (read::<E>("x", x)?, write::<E>("out", out)?);
    let [steps, n] = lengths("x", x.shape())?;
    expect_shape("out", out.shape(), &[steps, n])?;
    let (x, out) = (x.as_slice()?, out.as_slice_mut()?);
    let change = Delta { threshold: E::from_f64(threshold), padding, off_spike };
    compute(py, threads, |context| E::delta(context, level, x, (steps, n), change, out))
}

/// Write spikes where x changes from step to step.
#[pyfunction]
#[pyo3(signature = (x, out, *, threshold, padding, off_spike, threads=1, level=None))]
fn encode_delta(
    x: &Bound<'_, PyAny>,
    out: &Bound<'_, PyAny>,
    threshold: f64,
    padding: bool,
    off_spike: bool,
    threads: usize,
    level: Option<&str>,
) -> PyResult<()> {
    let change = (threshold, padding, off_spike);
    match float("x", x)? {
        Float::F32 => delta_typed::<f32>(x, out, change, threads, level),
        Float::F64 => delta_typed::<f64>(x, out, change, threads, level),
    }
}

fn up_down_typed<E: Loops + Element>(
    x: &Bound<'_, PyAny>,
    thresholds: (&Bound<'_, PyAny>, &Bound<'_, PyAny>),
    reached: &Bound<'_, PyAny>,
    out: &Bound<'_, PyAny>,
) -> PyResult<()> {
    let py = out.py();
    let x = read::<E>("x", x)?;
    let (up, down) = (read::<E>("thr_up", thresholds.0)?, read::<E>("thr_down", thresholds.1)?);
    let (mut reached, mut out) = (write::<E>("reached", reached)?, write::<E>("out", out)?);
    let [steps, n] = lengths("x", x.shape())?;
    expect_shape("out", out.shape(), &[steps, n, 2])?;
    let job = UpDown {
        x: x.as_slice()?,
        shape: (steps, n),
        thresholds: (up.as_slice()?, down.as_slice()?),
        reached: reached.as_slice_mut()?,
        out: out.as_slice_mut()?,
    };
    compute(py, 1, |context| E::up_down(context, job))
}

/// Write counts of thresholds that x went up and down.
#[pyfunction]
fn encode_up_down(
    x: &Bound<'_, PyAny>,
    thr_up: &Bound<'_, PyAny>,
    thr_down: &Bound<'_, PyAny>,
    reached: &Bound<'_, PyAny>,
    out: &Bound<'_, PyAny>,
) -> PyResult<()> {
    match float("x", x)? {
        Float::F32 => up_down_typed::<f32>(x, (thr_up, thr_down), reached, out),
        Float::F64 => up_down_typed::<f64>(x, (thr_up, thr_down), reached, out),
    }
}

fn times_typed<E: Loops + Element>(spikes: &Bound<'_, PyAny>, out: &Bound<'_, PyAny>, packed: bool, threads: usize) -> PyResult<()> {
    let py = out.py();
    let mut out = write::<E>("out", out)?;
    let [n, count] = lengths("out", out.shape())?;
    if packed {
        let words = read::<u64>("spikes", spikes)?;
        let [steps, across] = lengths("spikes", words.shape())?;
        expect_shape("spikes", &[across], &[words_of(n)])?;
        let (spikes, out) = (Spikes::Packed(words.as_slice()?), out.as_slice_mut()?);
        compute(py, threads, |context| E::times(context, spikes, (steps, n), count, out))
    } else {
        let x = read::<E>("spikes", spikes)?;
        let [steps, entries] = lengths("spikes", x.shape())?;
        expect_shape("spikes", &[entries], &[n])?;
        let (spikes, out) = (Spikes::Dense(x.as_slice()?), out.as_slice_mut()?);
        compute(py, threads, |context| E::times(context, spikes, (steps, n), count, out))
    }
}

/// Write the steps of the first spikes of every neuron.
#[pyfunction]
#[pyo3(signature = (spikes, out, *, packed=false, threads=1))]
fn decode_times(spikes: &Bound<'_, PyAny>, out: &Bound<'_, PyAny>, packed: bool, threads: usize) -> PyResult<()> {
    match float("out", out)? {
        Float::F32 => times_typed::<f32>(spikes, out, packed, threads),
        Float::F64 => times_typed::<f64>(spikes, out, packed, threads),
    }
}

/// Put the functions into the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(encode_bernoulli, module)?)?;
    module.add_function(wrap_pyfunction!(encode_delta, module)?)?;
    module.add_function(wrap_pyfunction!(encode_up_down, module)?)?;
    module.add_function(wrap_pyfunction!(decode_times, module)?)
}
