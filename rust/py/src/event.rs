//! Bindings of what follows the events of an input. `_rsnn.pyi` says what each argument is.

use numpy::{Element, PyReadonlyArrayDyn, PyUntypedArrayMethods};
use pyo3::prelude::*;
use rsnn_core::elem::Elem;
use rsnn_core::event::{Events, Values, words_of};
use rsnn_core::product::{Conv2d, Products};

use crate::array::{expect_shape, lengths, read, write};
use crate::error::{compute, to_python};
use crate::neuron::{Float, float, level};

/// The arrays that events are made of.
struct Kept<'py, E: Element> {
    words: PyReadonlyArrayDyn<'py, u64>,
    values: Option<PyReadonlyArrayDyn<'py, E>>,
}

impl<'py, E: Elem + Element> Kept<'py, E> {
    fn read(words: &Bound<'py, PyAny>, values: Option<&Bound<'py, PyAny>>) -> PyResult<Self> {
        Ok(Self { words: read::<u64>("words", words)?, values: values.map(|v| read::<E>("values", v)).transpose()? })
    }

    fn events(&self, shape: (usize, usize)) -> PyResult<Events<'_, E>> {
        expect_shape("words", self.words.shape(), &[shape.0, words_of(shape.1)])?;
        let values = match &self.values {
            None => Values::Ones,
            Some(values) => Values::Listed(values.as_slice()?),
        };
        Events::new(self.words.as_slice()?, values, shape).map_err(|e| to_python(&e))
    }
}

fn scan_typed<E: Products + Element>(
    x: &Bound<'_, PyAny>,
    words: &Bound<'_, PyAny>,
    threads: usize,
    name: Option<&str>,
) -> PyResult<(u64, bool)> {
    let (py, level) = (x.py(), level(name)?);
    let x = read::<E>("x", x)?;
    let mut words = write::<u64>("words", words)?;
    let [rows, n] = lengths("x", x.shape())?;
    expect_shape("words", words.shape(), &[rows, words_of(n)])?;
    let (x, words) = (x.as_slice()?, words.as_slice_mut()?);
    let found = compute(py, threads, |context| E::scan(context, level, x, words, (rows, n)))?;
    Ok((found.count, found.unit))
}

/// Write the bits of what is not 0 in the rows of x; count them, and say whether all of x is 0 or 1.
#[pyfunction]
#[pyo3(signature = (x, words, *, threads=1, level=None))]
fn event_scan(x: &Bound<'_, PyAny>, words: &Bound<'_, PyAny>, threads: usize, level: Option<&str>) -> PyResult<(u64, bool)> {
    match float("x", x)? {
        Float::F32 => scan_typed::<f32>(x, words, threads, level),
        Float::F64 => scan_typed::<f64>(x, words, threads, level),
    }
}

/// About which share of x is not 0.
#[pyfunction]
fn event_estimate(x: &Bound<'_, PyAny>) -> PyResult<f64> {
    match float("x", x)? {
        Float::F32 => Ok(f32::estimate(level(None)?, read::<f32>("x", x)?.as_slice()?)),
        Float::F64 => Ok(f64::estimate(level(None)?, read::<f64>("x", x)?.as_slice()?)),
    }
}

fn list_typed<E: Products + Element>(x: &Bound<'_, PyAny>, words: &Bound<'_, PyAny>, values: &Bound<'_, PyAny>) -> PyResult<()> {
    let py = x.py();
    let (x, words) = (read::<E>("x", x)?, read::<u64>("words", words)?);
    let mut values = write::<E>("values", values)?;
    let [rows, n] = lengths("x", x.shape())?;
    let (x, words, values) = (x.as_slice()?, words.as_slice()?, values.as_slice_mut()?);
    compute(py, 1, |_| E::list(x, words, values, (rows, n)))
}

/// Write the values of the events of x, by row and ascending.
#[pyfunction]
fn event_values(x: &Bound<'_, PyAny>, words: &Bound<'_, PyAny>, values: &Bound<'_, PyAny>) -> PyResult<()> {
    match float("x", x)? {
        Float::F32 => list_typed::<f32>(x, words, values),
        Float::F64 => list_typed::<f64>(x, words, values),
    }
}

fn unpack_typed<E: Products + Element>(words: &Bound<'_, PyAny>, values: Option<&Bound<'_, PyAny>>, x: &Bound<'_, PyAny>) -> PyResult<()> {
    let py = x.py();
    let kept = Kept::<E>::read(words, values)?;
    let mut x = write::<E>("x", x)?;
    let [rows, n] = lengths("x", x.shape())?;
    let (events, x) = (kept.events((rows, n))?, x.as_slice_mut()?);
    compute(py, 1, |_| {
        E::unpack(&events, x);
        Ok(())
    })
}

/// Write the dense rows that events are made of.
#[pyfunction]
fn event_unpack(words: &Bound<'_, PyAny>, values: Option<&Bound<'_, PyAny>>, x: &Bound<'_, PyAny>) -> PyResult<()> {
    match float("x", x)? {
        Float::F32 => unpack_typed::<f32>(words, values, x),
        Float::F64 => unpack_typed::<f64>(words, values, x),
    }
}

fn weight_gradient_typed<E: Products + Element>(
    (words, values): (&Bound<'_, PyAny>, Option<&Bound<'_, PyAny>>),
    grad: &Bound<'_, PyAny>,
    (grad_weight, grad_bias): (&Bound<'_, PyAny>, &Bound<'_, PyAny>),
    threads: usize,
    name: Option<&str>,
) -> PyResult<()> {
    let (py, level) = (grad.py(), level(name)?);
    let kept = Kept::<E>::read(words, values)?;
    let grad = read::<E>("grad", grad)?;
    let mut grad_weight = write::<E>("grad_weight", grad_weight)?;
    let mut grad_bias = write::<E>("grad_bias", grad_bias)?;
    let [rows, outputs] = lengths("grad", grad.shape())?;
    let [_, inputs] = lengths("grad_weight", grad_weight.shape())?;
    expect_shape("grad_weight", grad_weight.shape(), &[outputs, inputs])?;
    expect_shape("grad_bias", grad_bias.shape(), &[outputs])?;
    let events = kept.events((rows, inputs))?;
    let (grad, grad_weight, grad_bias) = (grad.as_slice()?, grad_weight.as_slice_mut()?, grad_bias.as_slice_mut()?);
    compute(py, threads, |context| E::weight_gradient(context, level, &events, grad, grad_weight, grad_bias))
}

/// `grad_weight = grad.T @ x` by the events of x, and `grad_bias = grad.sum(0)`, summed over ascending rows.
#[pyfunction]
#[pyo3(signature = (words, values, grad, grad_weight, grad_bias, *, threads=1, level=None))]
fn event_weight_gradient(
    words: &Bound<'_, PyAny>,
    values: Option<&Bound<'_, PyAny>>,
    grad: &Bound<'_, PyAny>,
    grad_weight: &Bound<'_, PyAny>,
    grad_bias: &Bound<'_, PyAny>,
    threads: usize,
    level: Option<&str>,
) -> PyResult<()> {
    match float("grad", grad)? {
        Float::F32 => weight_gradient_typed::<f32>((words, values), grad, (grad_weight, grad_bias), threads, level),
        Float::F64 => weight_gradient_typed::<f64>((words, values), grad, (grad_weight, grad_bias), threads, level),
    }
}

fn conv2d_weight_gradient_typed<E: Products + Element>(
    (words, values): (&Bound<'_, PyAny>, Option<&Bound<'_, PyAny>>),
    grad: &Bound<'_, PyAny>,
    grad_weight: &Bound<'_, PyAny>,
    size: (usize, usize),
    (stride, padding): ((usize, usize), (usize, usize)),
    threads: usize,
    name: Option<&str>,
) -> PyResult<()> {
    let (py, level) = (grad.py(), level(name)?);
    let kept = Kept::<E>::read(words, values)?;
    let grad = read::<E>("grad", grad)?;
    let mut grad_weight = write::<E>("grad_weight", grad_weight)?;
    let [images, outputs, _, _] = lengths("grad", grad.shape())?;
    let [_, channels, rows, columns] = lengths("grad_weight", grad_weight.shape())?;
    expect_shape("grad_weight", grad_weight.shape(), &[outputs, channels, rows, columns])?;
    let conv = Conv2d { images, channels, outputs, size, kernel: (rows, columns), stride, padding };
    let after = conv.output_size().map_err(|e| to_python(&e))?;
    expect_shape("grad", grad.shape(), &[images, outputs, after.0, after.1])?;
    let entries = channels.saturating_mul(size.0).saturating_mul(size.1);
    let events = kept.events((images, entries))?;
    let (grad, grad_weight) = (grad.as_slice()?, grad_weight.as_slice_mut()?);
    compute(py, threads, |context| E::conv2d_weight_gradient(context, level, &events, grad, grad_weight, &conv))
}

/// The gradient of a convolution's weight by the events of its input, a row of words for each image of this size.
#[pyfunction]
#[pyo3(signature = (words, values, grad, grad_weight, *, size, stride, padding, threads=1, level=None))]
fn event_conv2d_weight_gradient(
    words: &Bound<'_, PyAny>,
    values: Option<&Bound<'_, PyAny>>,
    grad: &Bound<'_, PyAny>,
    grad_weight: &Bound<'_, PyAny>,
    size: (usize, usize),
    stride: (usize, usize),
    padding: (usize, usize),
    threads: usize,
    level: Option<&str>,
) -> PyResult<()> {
    match float("grad", grad)? {
        Float::F32 => conv2d_weight_gradient_typed::<f32>((words, values), grad, grad_weight, size, (stride, padding), threads, level),
        Float::F64 => conv2d_weight_gradient_typed::<f64>((words, values), grad, grad_weight, size, (stride, padding), threads, level),
    }
}

/// Add this file's functions to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(event_scan, module)?)?;
    module.add_function(wrap_pyfunction!(event_estimate, module)?)?;
    module.add_function(wrap_pyfunction!(event_values, module)?)?;
    module.add_function(wrap_pyfunction!(event_unpack, module)?)?;
    module.add_function(wrap_pyfunction!(event_conv2d_weight_gradient, module)?)?;
    module.add_function(wrap_pyfunction!(event_weight_gradient, module)?)
}
