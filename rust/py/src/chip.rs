//! Bindings of `rsnn_core::chip`: integer neurons, a layer of a convolutional chip, sum pooling.
//!
//! Arrays are C-contiguous and in native byte order; the Python side prepares them.

use numpy::{Element, PyArrayDyn, PyArrayMethods, PyReadonlyArrayDyn, PyReadwriteArrayDyn, PyUntypedArrayMethods};
use pyo3::prelude::*;
use rsnn_core::chip::Level;
use rsnn_core::chip::dynapcnn::{Outputs, layer, sum_pool};
use rsnn_core::chip::neuron::Neuron;
use rsnn_core::chip::product::Geometry;
use rsnn_core::chip::scan::{Coefficients, Outputs as Scanned, ROWS, State, Trace, Written, scan};
use rsnn_core::chip::word::Integers;

use crate::error::{InvalidTypeError, InvalidValueError, borrowed, compute};

/// What came back: neuron-steps beyond the watched bits, the lowest and the highest membrane, spikes, neuron-steps that fired.
pub type Extent = (u64, i128, i128, i128, u64);

/// As Python gets it.
pub fn plain(extent: &rsnn_core::chip::rows::Extent) -> Extent {
    (extent.beyond, extent.lowest, extent.highest, extent.spikes, extent.fired)
}

fn not_contiguous(name: &str) -> PyErr {
    InvalidValueError::new_err(format!("{name}: the array must be C-contiguous; use numpy.ascontiguousarray"))
}

fn cast<'a, 'py, T: Element>(name: &str, array: &'a Bound<'py, PyAny>, accepted: &str) -> PyResult<&'a Bound<'py, PyArrayDyn<T>>> {
    array.cast().map_err(|_| {
        let kind = array.getattr("dtype").map_or_else(|_| array.get_type().to_string(), |dtype| dtype.to_string());
        InvalidTypeError::new_err(format!("{name}: {kind} came; accepted is a numpy array of {accepted}"))
    })
}

fn read<'py, T: Element>(name: &str, array: &Bound<'py, PyAny>) -> PyResult<PyReadonlyArrayDyn<'py, T>> {
    cast::<T>(name, array, std::any::type_name::<T>())?.try_readonly().map_err(|e| borrowed(name, &e))
}

fn write<'py, T: Element>(name: &str, array: &Bound<'py, PyAny>) -> PyResult<PyReadwriteArrayDyn<'py, T>> {
    cast::<T>(name, array, std::any::type_name::<T>())?.try_readwrite().map_err(|e| borrowed(name, &e))
}

pub fn trace(name: &str) -> PyResult<Trace> {
    match name {
        "v" => Ok(Trace::V),
        "u" => Ok(Trace::U),
        "i" => Ok(Trace::I),
        _ => {
            Err(InvalidValueError::new_err(format!("record: {name:?} is not a state of this neuron; accepted are \"v\", \"u\" and \"i\"")))
        }
    }
}

pub fn neuron(spec: &str) -> PyResult<Neuron> {
    Neuron::parse(spec).map_err(|error| InvalidValueError::new_err(error.to_string()))
}

/// A `(rows, n)` table of coefficients.
pub fn table(array: &Bound<'_, PyAny>) -> PyResult<Vec<i64>> {
    let array = crate::array::read::<i64>("coefficients", array)?;
    if array.shape().len() != 2 || array.shape()[0] != ROWS.len() {
        return Err(InvalidValueError::new_err(format!("coefficients: the rows must be {}", ROWS.map(|(_, name)| name).join(", "))));
    }
    array.to_vec().map_err(|_| not_contiguous("coefficients"))
}

/// The rows `v`, then `i` and `rest` where the neuron has them, of a `(fields, n)` state.
pub fn split<'a>(neuron: &Neuron, state: &'a mut [i64]) -> State<'a> {
    let fields = 1 + usize::from(neuron.current.is_some()) + usize::from(neuron.refractory);
    let lanes = state.len() / fields;
    let (v, others) = state.split_at_mut(lanes);
    let (i, rest) = others.split_at_mut(if neuron.current.is_some() { lanes } else { 0 });
    State { v, i, rest }
}

/// An array of integers, of one of the types that kernels read.
pub enum Array<'py> {
    I8(PyReadonlyArrayDyn<'py, i8>),
    U8(PyReadonlyArrayDyn<'py, u8>),
    I16(PyReadonlyArrayDyn<'py, i16>),
    I32(PyReadonlyArrayDyn<'py, i32>),
    I64(PyReadonlyArrayDyn<'py, i64>),
}

/// `work` on the array of whichever type it is.
macro_rules! typed {
    ($array:expr, $x:ident => $work:expr) => {
        match $array {
            Array::I8($x) => $work,
            Array::U8($x) => $work,
            Array::I16($x) => $work,
            Array::I32($x) => $work,
            Array::I64($x) => $work,
        }
    };
}

impl<'py> Array<'py> {
    /// What is none of these types is refused as 64 bits.
    pub fn new(name: &str, array: &Bound<'py, PyAny>) -> PyResult<Self> {
        if array.cast::<PyArrayDyn<i8>>().is_ok() {
            read(name, array).map(Self::I8)
        } else if array.cast::<PyArrayDyn<u8>>().is_ok() {
            read(name, array).map(Self::U8)
        } else if array.cast::<PyArrayDyn<i16>>().is_ok() {
            read(name, array).map(Self::I16)
        } else if array.cast::<PyArrayDyn<i32>>().is_ok() {
            read(name, array).map(Self::I32)
        } else {
            read(name, array).map(Self::I64)
        }
    }

    pub fn shape(&self) -> &[usize] {
        typed!(self, x => x.shape())
    }

    pub fn integers(&self, name: &str) -> PyResult<Integers<'_>> {
        typed!(self, x => x.as_slice().map(Integers::from)).map_err(|_| not_contiguous(name))
    }
}

/// `(T, n)` integers through `n` neurons.
#[allow(clippy::needless_pass_by_value, reason = "a list comes from Python as a vector of its own")]
#[pyfunction]
#[pyo3(signature = (spec, x, coefficients, state, spikes, record, *, repeat=1, first_step=0, threads=1))]
fn integer_scan(
    py: Python<'_>,
    spec: &str,
    x: &Bound<'_, PyAny>,
    coefficients: &Bound<'_, PyAny>,
    state: &Bound<'_, PyAny>,
    spikes: &Bound<'_, PyAny>,
    record: Vec<(String, Bound<'_, PyAny>)>,
    repeat: usize,
    first_step: usize,
    threads: usize,
) -> PyResult<Extent> {
    let neuron = neuron(spec)?;
    let rows = table(coefficients)?;
    let x = Array::new("x", x)?;
    let mut state = write::<i64>("state", state)?;
    let state = state.as_slice_mut().map_err(|_| not_contiguous("state"))?;
    let x = x.integers("x")?;
    let mut run = |outputs: Scanned<'_>| {
        compute(py, threads, |context| {
            let coefficients = Coefficients { table: &rows, repeat };
            let state = split(&neuron, state);
            scan(context, Level::new(), &neuron, x, state.v.len(), coefficients, state, outputs, first_step)
        })
    };
    let extent = if spikes.cast::<PyArrayDyn<i32>>().is_ok() {
        written::<i32, _>(spikes, &record, |written| run(Scanned::I32(written)))
    } else {
        written::<i64, _>(spikes, &record, |written| run(Scanned::I64(written)))
    };
    Ok(plain(&extent?))
}

/// Lend spikes and traces of one type to `run`.
fn written<O: Element, R>(
    spikes: &Bound<'_, PyAny>,
    record: Record<'_, '_>,
    run: impl FnOnce(Written<'_, O>) -> PyResult<R>,
) -> PyResult<R> {
    let mut spikes = write::<O>("spikes", spikes)?;
    let (names, mut arrays) = writes::<O>(record)?;
    let spikes = spikes.as_slice_mut().map_err(|_| not_contiguous("spikes"))?;
    run((spikes, slices(&names, &mut arrays)?))
}

type Record<'a, 'py> = &'a [(String, Bound<'py, PyAny>)];

fn writes<'py, O: Element>(record: Record<'_, 'py>) -> PyResult<(Vec<Trace>, Vec<PyReadwriteArrayDyn<'py, O>>)> {
    let names = record.iter().map(|(name, _)| trace(name)).collect::<PyResult<_>>()?;
    Ok((names, record.iter().map(|(_, array)| write::<O>("record", array)).collect::<PyResult<_>>()?))
}

fn slices<'a, O: Element>(names: &[Trace], arrays: &'a mut [PyReadwriteArrayDyn<'_, O>]) -> PyResult<Vec<(Trace, &'a mut [O])>> {
    let pairs = names.iter().zip(arrays);
    pairs.map(|(name, array)| Ok((*name, array.as_slice_mut().map_err(|_| not_contiguous("record"))?))).collect()
}

/// One layer: `x (T, B, C, H, W)` through `weight (O, C, kh, kw)`, neurons and sum pooling.
#[allow(clippy::needless_pass_by_value, reason = "a list comes from Python as a vector of its own")]
#[pyfunction]
#[pyo3(signature = (spec, x, weight, coefficients, state, spikes, pooled, record, *, stride, padding, pool, first_step=0, threads=1))]
fn integer_layer(
    py: Python<'_>,
    spec: &str,
    x: &Bound<'_, PyAny>,
    weight: &Bound<'_, PyAny>,
    coefficients: &Bound<'_, PyAny>,
    state: &Bound<'_, PyAny>,
    spikes: &Bound<'_, PyAny>,
    pooled: Option<&Bound<'_, PyAny>>,
    record: Vec<(String, Bound<'_, PyAny>)>,
    stride: [usize; 2],
    padding: [usize; 2],
    pool: usize,
    first_step: usize,
    threads: usize,
) -> PyResult<(Extent, u128)> {
    let neuron = neuron(spec)?;
    let rows = table(coefficients)?;
    let x = Array::new("x", x)?;
    let weight = read::<i64>("weight", weight)?;
    let (&[_, batch, channels, height, width], &[features, fan, kernel_rows, kernel_columns]) = (x.shape(), weight.shape()) else {
        return Err(InvalidValueError::new_err("x, weight: the axes must be (T, B, C, H, W) and (O, C, kh, kw)"));
    };
    if fan != channels {
        return Err(InvalidValueError::new_err(format!("weight: it takes {fan} channels, x has {channels}")));
    }
    let geometry = Geometry { channels, input: [height, width], features, kernel: [kernel_rows, kernel_columns], stride, padding };
    let mut state = write::<i64>("state", state)?;
    let mut pooled = pooled.map(|pooled| write::<i32>("pooled", pooled)).transpose()?;
    let pooled = pooled.as_mut().map(|pooled| pooled.as_slice_mut()).transpose().map_err(|_| not_contiguous("pooled"))?;
    let (x, weight) = (x.integers("x")?, weight.as_slice().map_err(|_| not_contiguous("weight"))?);
    let state = state.as_slice_mut().map_err(|_| not_contiguous("state"))?;
    let stats = written(spikes, &record, |(spikes, traces)| {
        let outputs = Outputs { spikes, pooled, traces };
        compute(py, threads, |context| {
            geometry.check()?;
            let [height, width] = geometry.output();
            let coefficients = Coefficients { table: &rows, repeat: height * width };
            let state = split(&neuron, state);
            layer(context, Level::new(), &neuron, geometry, x, batch, weight, coefficients, pool, state, outputs, first_step)
        })
    })?;
    Ok((plain(&stats.extent), stats.operations))
}

/// Sums over windows of the last two axes of `x`, trailing rows and columns dropped.
#[pyfunction]
#[pyo3(signature = (x, out, *, pool, threads=1))]
fn integer_pool(py: Python<'_>, x: &Bound<'_, PyAny>, out: &Bound<'_, PyAny>, pool: usize, threads: usize) -> PyResult<()> {
    let x = Array::new("x", x)?;
    let &[.., height, width] = x.shape() else {
        return Err(InvalidValueError::new_err("x: the last two axes must be rows and columns"));
    };
    let mut out = write::<i32>("out", out)?;
    let x = x.integers("x")?;
    let out = out.as_slice_mut().map_err(|_| not_contiguous("out"))?;
    compute(py, threads, |context| sum_pool(context, x, [height, width], pool, out))
}

/// Add this file's functions to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(integer_scan, module)?)?;
    module.add_function(wrap_pyfunction!(integer_layer, module)?)?;
    module.add_function(wrap_pyfunction!(integer_pool, module)?)
}
