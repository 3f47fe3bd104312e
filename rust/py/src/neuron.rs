//! Bindings of the time loop. Arrays are `(outer, time, inner)`; `_rsnn.pyi` says what each argument is.
#![allow(clippy::needless_pass_by_value, reason = "pyo3 hands lists over as vectors of their own")]

use numpy::{Element, PyArrayDescrMethods, PyReadonlyArrayDyn, PyReadwriteArrayDyn, PyUntypedArray, PyUntypedArrayMethods, dtype};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use rsnn_core::Kernels;
use rsnn_core::elem::levels;
use rsnn_core::neuron::{Convention, Detach, Neuron};
use rsnn_core::scan::Table;
use rsnn_core::scan::backward::Backward;
use rsnn_core::scan::forward::{Forward, Output, Trace};
use rsnn_core::scan::group::Recurrent;
use rsnn_core::scan::layout::Shape;
use rsnn_core::stage::Coefficient;
use rsnn_core::surrogate::Surrogate;

use crate::array::{expect_shape, lengths, read, write};
use crate::error::{InvalidTypeError, InvalidValueError, compute, to_python};

/// The float type of an array.
pub enum Float {
    /// float32.
    F32,
    /// float64.
    F64,
}

/// Which of the two float types an array has.
pub fn float(name: &str, array: &Bound<'_, PyAny>) -> PyResult<Float> {
    let py = array.py();
    if let Ok(untyped) = array.cast::<PyUntypedArray>() {
        if untyped.dtype().is_equiv_to(&dtype::<f32>(py)) {
            return Ok(Float::F32);
        }
        if untyped.dtype().is_equiv_to(&dtype::<f64>(py)) {
            return Ok(Float::F64);
        }
    }
    Err(InvalidTypeError::new_err(format!("{name}: an array of float32 or float64 is needed here")))
}

/// The instruction set called `name`; the best where none is named.
pub fn level(name: Option<&str>) -> PyResult<fearless_simd::Level> {
    let known = levels();
    match name {
        None => Ok(known[0].1),
        Some(name) => known.iter().find(|l| l.0 == name).map(|l| l.1).ok_or_else(|| {
            let names: Vec<_> = known.iter().map(|l| l.0).collect();
            InvalidValueError::new_err(format!("level={name:?} is not on this machine; it has {}", names.join(", ")))
        }),
    }
}

fn neuron(text: &str) -> PyResult<Neuron> {
    Neuron::parse(text).map_err(|e| to_python(&e))
}

/// `(state names, coefficient names)` of a spec, in the order of the arrays.
#[pyfunction]
#[pyo3(name = "describe")]
fn describe(spec: &str) -> PyResult<(Vec<&'static str>, Vec<&'static str>)> {
    let neuron = neuron(spec)?;
    Ok((neuron.states().into_iter().map(|s| s.1).collect(), neuron.coefficients().into_iter().map(|c| c.1).collect()))
}

fn shape_of(x: &Bound<'_, PyAny>) -> PyResult<Shape> {
    let [outer, time, inner] = lengths("x", x.cast::<PyUntypedArray>()?.shape())?;
    Ok(Shape { outer, time, inner })
}

/// Check the coefficients' shape; the period of their rows.
pub fn period(neuron: &Neuron, coefficients: &[usize]) -> PyResult<usize> {
    let [rows, period] = lengths("coefficients", coefficients)?;
    expect_shape("coefficients", &[rows], &[neuron.coefficients().len()])?;
    Ok(period)
}

/// An array to record into, or the gradient of one, by name.
pub type Named<'py> = (String, Bound<'py, PyAny>);

/// The weights of a recurrent neuron, `(n, n)` with a row for each neuron that fired or `(n,)`, and its bias.
pub type Weights<'py> = (Bound<'py, PyAny>, Option<Bound<'py, PyAny>>);

/// The same, as the core reads them.
pub type Read<'py, E> = (PyReadonlyArrayDyn<'py, E>, Option<PyReadonlyArrayDyn<'py, E>>);

pub fn read_weights<'py, E: Element>((weight, bias): &Weights<'py>) -> PyResult<Read<'py, E>> {
    Ok((read::<E>("recurrent", weight)?, bias.as_ref().map(|b| read::<E>("recurrent bias", b)).transpose()?))
}

pub fn weights_of<'a, E: Element>((weight, bias): &'a Read<'_, E>) -> PyResult<Recurrent<'a, E>> {
    let bias = match bias {
        Some(array) => Some(array.as_slice()?),
        None => None,
    };
    Ok(Recurrent { size: weight.shape().first().copied().unwrap_or(0), weight: weight.as_slice()?, bias })
}

struct Request<'a, 'py> {
    spec: &'a str,
    x: &'a Bound<'py, PyAny>,
    coefficients: &'a Bound<'py, PyAny>,
    threads: usize,
    level: Option<&'a str>,
}

/// The neurons that are recorded.
fn indices(numbers: &Bound<'_, PyAny>) -> PyResult<Vec<usize>> {
    let numbers = read::<u64>("record_index", numbers)?;
    Ok(numbers.as_slice()?.iter().map(|n| usize::try_from(*n).unwrap_or(usize::MAX)).collect())
}

fn scan_typed<E: Kernels + Element>(
    request: &Request<'_, '_>,
    state: &Bound<'_, PyAny>,
    out: Option<&Bound<'_, PyAny>>,
    packed: bool,
    (record, picked): (&[Named<'_>], Option<&Bound<'_, PyAny>>),
    recurrent: Option<&Weights<'_>>,
    group: Option<usize>,
    checkpoints: Option<&Bound<'_, PyAny>>,
    every: usize,
) -> PyResult<()> {
    let py = request.x.py();
    let (neuron, level, shape) = (neuron(request.spec)?, level(request.level)?, shape_of(request.x)?);
    let Shape { outer, time, inner } = shape;
    let full = [outer, time, inner];
    let n_states = neuron.states().len();
    let x = read::<E>("x", request.x)?;
    let coefficients = read::<E>("coefficients", request.coefficients)?;
    let period = period(&neuron, coefficients.shape())?;
    let mut state = write::<E>("state", state)?;
    expect_shape("state", state.shape(), &[n_states, outer, inner])?;
    let (mut dense, mut words) = (None, None);
    if let Some(out) = out {
        if packed {
            let array = write::<u64>("out", out)?;
            expect_shape("out", array.shape(), &[outer, time, inner.div_ceil(64)])?;
            words = Some(array);
        } else {
            let array = write::<E>("out", out)?;
            expect_shape("out", array.shape(), &full)?;
            dense = Some(array);
        }
    }
    let picked = picked.map(indices).transpose()?;
    let mut traces = Vec::new();
    for (name, array) in record {
        let array = write::<E>("record", array)?;
        expect_shape("record", array.shape(), &[outer, time, picked.as_ref().map_or(inner, Vec::len)])?;
        traces.push((Trace::named(&neuron, name).map_err(|e| to_python(&e))?, array));
    }
    let recurrent = recurrent.map(read_weights::<E>).transpose()?;
    let mut checkpoints = checkpoints.map(|c| write::<E>("checkpoints", c)).transpose()?;
    if let Some(array) = &checkpoints {
        let blocks = if every == 0 { 0 } else { time.div_ceil(every) };
        expect_shape("checkpoints", array.shape(), &[blocks, n_states, outer, inner])?;
    }
    let job = Forward {
        neuron,
        level,
        shape,
        x: x.as_slice()?,
        coefficients: Table { values: coefficients.as_slice()?, period },
        state: state.as_slice_mut()?,
        output: match (&mut dense, &mut words) {
            (Some(array), _) => Output::Dense(array.as_slice_mut()?),
            (_, Some(array)) => Output::Packed(array.as_slice_mut()?),
            _ => Output::None,
        },
        picked: picked.as_deref(),
        group,
        record: traces.iter_mut().map(|(t, a)| Ok((*t, a.as_slice_mut()?))).collect::<PyResult<_>>()?,
        recurrent: recurrent.as_ref().map(weights_of).transpose()?,
        checkpoints: match &mut checkpoints {
            Some(array) => Some((every, array.as_slice_mut()?)),
            None => None,
        },
    };
    compute(py, request.threads, |context| E::forward(context, job))
}

/// Run a neuron forwards; writes `state`, `out`, the recorded arrays and the checkpoints in place.
#[pyfunction]
#[pyo3(signature = (spec, x, coefficients, state, out, *, packed=false, record=Vec::new(), record_index=None, recurrent=None, group=None, checkpoints=None, every=0, threads=1, level=None))]
fn scan(
    spec: &str,
    x: &Bound<'_, PyAny>,
    coefficients: &Bound<'_, PyAny>,
    state: &Bound<'_, PyAny>,
    out: Option<&Bound<'_, PyAny>>,
    packed: bool,
    record: Vec<Named<'_>>,
    record_index: Option<&Bound<'_, PyAny>>,
    recurrent: Option<Weights<'_>>,
    group: Option<usize>,
    checkpoints: Option<&Bound<'_, PyAny>>,
    every: usize,
    threads: usize,
    level: Option<&str>,
) -> PyResult<()> {
    let request = Request { spec, x, coefficients, threads, level };
    match float("x", x)? {
        Float::F32 => {
            scan_typed::<f32>(&request, state, out, packed, (&record, record_index), recurrent.as_ref(), group, checkpoints, every)
        }
        Float::F64 => {
            scan_typed::<f64>(&request, state, out, packed, (&record, record_index), recurrent.as_ref(), group, checkpoints, every)
        }
    }
}

/// The arrays of a backward run.
struct Reverse<'a, 'py> {
    surrogate: (&'a str, &'a [f64]),
    detach: &'a [String],
    needs: &'a [String],
    recurrent: Option<&'a Weights<'py>>,
    grad_recurrent: Option<&'a Weights<'py>>,
    group: Option<usize>,
    every: usize,
    checkpoints: &'a Bound<'py, PyAny>,
    grad_out: Option<&'a Bound<'py, PyAny>>,
    grad_record: &'a [Named<'py>],
    grad_state: &'a Bound<'py, PyAny>,
    grad_x: &'a Bound<'py, PyAny>,
    grad_coefficients: &'a Bound<'py, PyAny>,
}

/// Which rows of the coefficients are needed.
fn rows_of(names: &[(Coefficient, &str)], needs: &[String]) -> PyResult<Vec<usize>> {
    let row = |need: &String| {
        names.iter().position(|n| n.1 == need).ok_or_else(|| {
            let known: Vec<_> = names.iter().map(|n| n.1).collect();
            InvalidValueError::new_err(format!("needs: {need:?} is not there; this neuron has {}", known.join(", ")))
        })
    };
    needs.iter().map(row).collect()
}

fn backward_typed<E: Kernels + Element>(request: &Request<'_, '_>, reverse: &Reverse<'_, '_>) -> PyResult<()> {
    let py = request.x.py();
    let (neuron, level, shape) = (neuron(request.spec)?, level(request.level)?, shape_of(request.x)?);
    let Shape { outer, time, inner } = shape;
    let full = [outer, time, inner];
    let n_states = neuron.states().len();
    let (name, numbers) = reverse.surrogate;
    let slopes = Surrogate::named(name, numbers).map_err(|e| to_python(&e))?;
    let detach = Detach::named(reverse.detach).map_err(|e| to_python(&e))?;
    let x = read::<E>("x", request.x)?;
    let coefficients = read::<E>("coefficients", request.coefficients)?;
    let period = period(&neuron, coefficients.shape())?;
    let checkpoints = read::<E>("checkpoints", reverse.checkpoints)?;
    let blocks = if reverse.every == 0 { 0 } else { time.div_ceil(reverse.every) };
    expect_shape("checkpoints", checkpoints.shape(), &[blocks, n_states, outer, inner])?;
    let grad_out = reverse.grad_out.map(|g| read::<E>("grad_out", g)).transpose()?;
    if let Some(array) = &grad_out {
        expect_shape("grad_out", array.shape(), &full)?;
    }
    let mut arriving: Vec<(Trace, PyReadonlyArrayDyn<'_, E>)> = Vec::new();
    for (name, array) in reverse.grad_record {
        let array = read::<E>("grad_record", array)?;
        expect_shape("grad_record", array.shape(), &full)?;
        arriving.push((Trace::named(&neuron, name).map_err(|e| to_python(&e))?, array));
    }
    let mut grad_state = write::<E>("grad_state", reverse.grad_state)?;
    expect_shape("grad_state", grad_state.shape(), &[n_states, outer, inner])?;
    let mut grad_x = write::<E>("grad_x", reverse.grad_x)?;
    expect_shape("grad_x", grad_x.shape(), &full)?;
    let mut grad_coefficients: PyReadwriteArrayDyn<'_, f64> = write("grad_coefficients", reverse.grad_coefficients)?;
    expect_shape("grad_coefficients", grad_coefficients.shape(), coefficients.shape())?;
    let names = neuron.coefficients();
    let rows = rows_of(&names, reverse.needs)?;
    let recurrent = reverse.recurrent.map(read_weights::<E>).transpose()?;
    let mut grad_weights = None;
    if let (Some((to, to_bias)), Some((weight, bias))) = (reverse.grad_recurrent, &recurrent) {
        let array = write::<E>("grad_recurrent", to)?;
        expect_shape("grad_recurrent", array.shape(), weight.shape())?;
        let of_bias = to_bias.as_ref().filter(|_| bias.is_some()).map(|b| write::<E>("grad_recurrent bias", b)).transpose()?;
        grad_weights = Some((array, of_bias));
    }
    let wanted: Vec<Coefficient> = rows.iter().map(|row| names[*row].0).collect();
    let job = Backward {
        neuron,
        convention: Convention { slopes, detach },
        level,
        shape,
        x: x.as_slice()?,
        coefficients: Table { values: coefficients.as_slice()?, period },
        every: reverse.every,
        checkpoints: checkpoints.as_slice()?,
        recurrent: recurrent.as_ref().map(weights_of).transpose()?,
        group: reverse.group,
        grad_recurrent: match &mut grad_weights {
            None => None,
            Some((weight, bias)) => Some((
                weight.as_slice_mut()?,
                match bias {
                    Some(array) => Some(array.as_slice_mut()?),
                    None => None,
                },
            )),
        },
        grad_output: match &grad_out {
            Some(array) => Some(array.as_slice()?),
            None => None,
        },
        grad_record: arriving.iter().map(|(t, a)| Ok((*t, a.as_slice()?))).collect::<PyResult<_>>()?,
        grad_state: grad_state.as_slice_mut()?,
        grad_x: grad_x.as_slice_mut()?,
        wanted,
    };
    let sums = compute(py, request.threads, |context| E::backward(context, job))?;
    let to = grad_coefficients.as_slice_mut()?;
    for (row, sum) in rows.iter().zip(sums) {
        to[row * period..(row + 1) * period].copy_from_slice(&sum);
    }
    Ok(())
}

/// Run a neuron backwards; writes `grad_state`, `grad_x` and the needed rows of `grad_coefficients` in place.
#[pyfunction]
#[pyo3(signature = (spec, surrogate, surrogate_params, x, coefficients, checkpoints, every, grad_out, grad_record, grad_state, grad_x, grad_coefficients, *, needs, detach, recurrent=None, grad_recurrent=None, group=None, threads=1, level=None))]
fn scan_backward(
    spec: &str,
    surrogate: &str,
    surrogate_params: Vec<f64>,
    x: &Bound<'_, PyAny>,
    coefficients: &Bound<'_, PyAny>,
    checkpoints: &Bound<'_, PyAny>,
    every: usize,
    grad_out: Option<&Bound<'_, PyAny>>,
    grad_record: Vec<Named<'_>>,
    grad_state: &Bound<'_, PyAny>,
    grad_x: &Bound<'_, PyAny>,
    grad_coefficients: &Bound<'_, PyAny>,
    needs: Vec<String>,
    detach: Vec<String>,
    recurrent: Option<Weights<'_>>,
    grad_recurrent: Option<Weights<'_>>,
    group: Option<usize>,
    threads: usize,
    level: Option<&str>,
) -> PyResult<()> {
    let request = Request { spec, x, coefficients, threads, level };
    let reverse = Reverse {
        surrogate: (surrogate, &surrogate_params),
        detach: &detach,
        needs: &needs,
        recurrent: recurrent.as_ref(),
        grad_recurrent: grad_recurrent.as_ref(),
        group,
        every,
        checkpoints,
        grad_out,
        grad_record: &grad_record,
        grad_state,
        grad_x,
        grad_coefficients,
    };
    match float("x", x)? {
        Float::F32 => backward_typed::<f32>(&request, &reverse),
        Float::F64 => backward_typed::<f64>(&request, &reverse),
    }
}

/// The names of the instruction sets on this machine, best first.
#[pyfunction]
#[pyo3(name = "levels")]
fn level_names() -> Vec<&'static str> {
    levels().into_iter().map(|l| l.0).collect()
}

/// What this build is: `simd` in use, `profile`, `version`.
#[pyfunction]
fn build(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let facts = PyDict::new(py);
    facts.set_item("version", env!("CARGO_PKG_VERSION"))?;
    facts.set_item("simd", levels()[0].0)?;
    facts.set_item("profile", if cfg!(debug_assertions) { "debug" } else { "release" })?;
    Ok(facts)
}

/// Add this file's functions to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(describe, module)?)?;
    module.add_function(wrap_pyfunction!(scan, module)?)?;
    module.add_function(wrap_pyfunction!(scan_backward, module)?)?;
    module.add_function(wrap_pyfunction!(level_names, module)?)?;
    module.add_function(wrap_pyfunction!(build, module)?)
}
