//! Bindings of the products between layers. Rows are samples, steps times batch; `_rsnn.pyi` says what each argument is.

use numpy::{Element, PyUntypedArrayMethods};
use pyo3::prelude::*;
use rsnn_core::event::{Path, words_of};
use rsnn_core::product::{Cell, Conv2d, Done, Pool2d, Products, Rows};

use crate::array::{expect_shape, lengths, read, write};
use crate::error::{InvalidValueError, compute, to_python};
use crate::neuron::{Float, float, level};

/// What every product takes.
struct Request<'a, 'py> {
    x: &'a Bound<'py, PyAny>,
    out: &'a Bound<'py, PyAny>,
    threads: usize,
    level: Option<&'a str>,
}

/// A weight and the bias that goes with it.
type Weights<'a, 'py> = (&'a Bound<'py, PyAny>, Option<&'a Bound<'py, PyAny>>);

/// What was done: the path taken, the events counted, and whether all of x is known to be 0 or 1.
type Said = (&'static str, u64, bool);

fn said(done: Done) -> Said {
    (if done.path == Path::Event { "event" } else { "dense" }, done.events, done.unit)
}

fn path_of(name: &str) -> PyResult<Path> {
    match name {
        "auto" => Ok(Path::Auto),
        "event" => Ok(Path::Event),
        "dense" => Ok(Path::Dense),
        _ => Err(InvalidValueError::new_err(format!("path={name:?}: must be \"auto\", \"event\" or \"dense\""))),
    }
}

fn linear_typed<E: Products + Element>(
    request: &Request<'_, '_>,
    (weight, bias): Weights<'_, '_>,
    inputs: Option<usize>,
    path: &str,
    words: Option<&Bound<'_, PyAny>>,
) -> PyResult<Said> {
    let (level, path) = (level(request.level)?, path_of(path)?);
    let weight = read::<E>("weight", weight)?;
    let bias = bias.map(|b| read::<E>("bias", b)).transpose()?;
    let mut out = write::<E>("out", request.out)?;
    let [outputs, taken] = lengths("weight", weight.shape())?;
    let [rows, _] = lengths("out", out.shape())?;
    expect_shape("out", out.shape(), &[rows, outputs])?;
    let (mut packed, mut dense) = (None, None);
    if let Some(inputs) = inputs {
        expect_shape("weight", weight.shape(), &[outputs, inputs])?;
        let x = read::<u64>("x", request.x)?;
        expect_shape("x", x.shape(), &[rows, words_of(inputs)])?;
        packed = Some(x);
    } else {
        let x = read::<E>("x", request.x)?;
        expect_shape("x", x.shape(), &[rows, taken])?;
        dense = Some(x);
    }
    let mut words = words.map(|w| write::<u64>("words", w)).transpose()?;
    if let Some(words) = &words {
        expect_shape("words", words.shape(), &[rows, words_of(taken)])?;
    }
    if let Some(bias) = &bias {
        expect_shape("bias", bias.shape(), &[outputs])?;
    }
    let x = match (&packed, &dense) {
        (Some(packed), _) => Rows::Packed(packed.as_slice()?),
        (_, Some(dense)) => Rows::Dense(dense.as_slice()?),
        _ => Rows::Dense(&[]),
    };
    let weight = weight.as_slice()?;
    let bias = bias.as_ref().map(numpy::PyReadonlyArray::as_slice).transpose()?;
    let out = out.as_slice_mut()?;
    let words = words.as_mut().map(numpy::PyReadwriteArray::as_slice_mut).transpose()?;
    let done = compute(request.x.py(), request.threads, |context| {
        E::linear(context, level, &x, weight, bias, out, (rows, taken, outputs), (path, words))
    })?;
    Ok(said(done))
}

/// `out = x @ weight.T + bias`, summed in ascending input index; x dense, or with `inputs` the words of that many bits.
#[pyfunction]
#[pyo3(signature = (x, weight, bias, out, *, inputs=None, path="auto", words=None, threads=1, level=None))]
fn linear(
    x: &Bound<'_, PyAny>,
    weight: &Bound<'_, PyAny>,
    bias: Option<&Bound<'_, PyAny>>,
    out: &Bound<'_, PyAny>,
    inputs: Option<usize>,
    path: &str,
    words: Option<&Bound<'_, PyAny>>,
    threads: usize,
    level: Option<&str>,
) -> PyResult<Said> {
    let request = Request { x, out, threads, level };
    match float("weight", weight)? {
        Float::F32 => linear_typed::<f32>(&request, (weight, bias), inputs, path, words),
        Float::F64 => linear_typed::<f64>(&request, (weight, bias), inputs, path, words),
    }
}

fn input_gradient_typed<E: Products + Element>(request: &Request<'_, '_>, weight: &Bound<'_, PyAny>) -> PyResult<()> {
    let level = level(request.level)?;
    let grad = read::<E>("grad", request.x)?;
    let weight = read::<E>("weight", weight)?;
    let mut out = write::<E>("out", request.out)?;
    let [rows, outputs] = lengths("grad", grad.shape())?;
    let [_, inputs] = lengths("weight", weight.shape())?;
    expect_shape("weight", weight.shape(), &[outputs, inputs])?;
    expect_shape("out", out.shape(), &[rows, inputs])?;
    let (grad, weight, out) = (grad.as_slice()?, weight.as_slice()?, out.as_slice_mut()?);
    compute(request.x.py(), request.threads, |context| E::input_gradient(context, level, grad, weight, out, (rows, inputs, outputs)))
}

/// `out = grad @ weight`, in an order of its own.
#[pyfunction]
#[pyo3(signature = (grad, weight, out, *, threads=1, level=None))]
fn input_gradient(
    grad: &Bound<'_, PyAny>,
    weight: &Bound<'_, PyAny>,
    out: &Bound<'_, PyAny>,
    threads: usize,
    level: Option<&str>,
) -> PyResult<()> {
    let request = Request { x: grad, out, threads, level };
    match float("grad", grad)? {
        Float::F32 => input_gradient_typed::<f32>(&request, weight),
        Float::F64 => input_gradient_typed::<f64>(&request, weight),
    }
}

fn conv2d_typed<E: Products + Element>(
    request: &Request<'_, '_>,
    (weight, bias): Weights<'_, '_>,
    stride: (usize, usize),
    padding: (usize, usize),
    path: &str,
    words: Option<&Bound<'_, PyAny>>,
) -> PyResult<Said> {
    let (level, path) = (level(request.level)?, path_of(path)?);
    let x = read::<E>("x", request.x)?;
    let weight = read::<E>("weight", weight)?;
    let bias = bias.map(|b| read::<E>("bias", b)).transpose()?;
    let mut out = write::<E>("out", request.out)?;
    let [images, channels, height, width] = lengths("x", x.shape())?;
    let [outputs, _, rows, columns] = lengths("weight", weight.shape())?;
    expect_shape("weight", weight.shape(), &[outputs, channels, rows, columns])?;
    let conv = Conv2d { images, channels, outputs, size: (height, width), kernel: (rows, columns), stride, padding };
    let size = conv.output_size().map_err(|e| to_python(&e))?;
    expect_shape("out", out.shape(), &[images, outputs, size.0, size.1])?;
    if let Some(bias) = &bias {
        expect_shape("bias", bias.shape(), &[outputs])?;
    }
    let mut words = words.map(|w| write::<u64>("words", w)).transpose()?;
    if let Some(words) = &words {
        expect_shape("words", words.shape(), &[images, words_of(channels * height * width)])?;
    }
    let words = words.as_mut().map(numpy::PyReadwriteArray::as_slice_mut).transpose()?;
    let (x, weight) = (x.as_slice()?, weight.as_slice()?);
    let bias = bias.as_ref().map(numpy::PyReadonlyArray::as_slice).transpose()?;
    let out = out.as_slice_mut()?;
    let done = compute(request.x.py(), request.threads, |context| E::conv2d(context, level, x, weight, bias, out, &conv, (path, words)))?;
    Ok(said(done))
}

/// A convolution of images with zero padding, summed by kernel row, column, then channel.
#[pyfunction]
#[pyo3(signature = (x, weight, bias, out, *, stride, padding, path="auto", words=None, threads=1, level=None))]
fn conv2d(
    x: &Bound<'_, PyAny>,
    weight: &Bound<'_, PyAny>,
    bias: Option<&Bound<'_, PyAny>>,
    out: &Bound<'_, PyAny>,
    stride: (usize, usize),
    padding: (usize, usize),
    path: &str,
    words: Option<&Bound<'_, PyAny>>,
    threads: usize,
    level: Option<&str>,
) -> PyResult<Said> {
    let request = Request { x, out, threads, level };
    match float("x", x)? {
        Float::F32 => conv2d_typed::<f32>(&request, (weight, bias), stride, padding, path, words),
        Float::F64 => conv2d_typed::<f64>(&request, (weight, bias), stride, padding, path, words),
    }
}

fn pool2d_typed<E: Products + Element>(request: &Request<'_, '_>, kernel: (usize, usize), cell: Cell) -> PyResult<()> {
    let x = read::<E>("x", request.x)?;
    let mut out = write::<E>("out", request.out)?;
    let [images, channels, height, width] = lengths("x", x.shape())?;
    let pool = Pool2d { planes: images * channels, size: (height, width), kernel, cell };
    let size = pool.output_size().map_err(|e| to_python(&e))?;
    expect_shape("out", out.shape(), &[images, channels, size.0, size.1])?;
    let (x, out) = (x.as_slice()?, out.as_slice_mut()?);
    compute(request.x.py(), request.threads, |context| E::pool2d(context, x, out, &pool))
}

/// Sums, averages or the largest of whole cells, in raster order.
#[pyfunction]
#[pyo3(signature = (x, out, *, kernel, kind, threads=1))]
fn pool2d(x: &Bound<'_, PyAny>, out: &Bound<'_, PyAny>, kernel: (usize, usize), kind: &str, threads: usize) -> PyResult<()> {
    let cell = match kind {
        "sum" => Cell::Sum,
        "average" => Cell::Average,
        "max" => Cell::Max,
        _ => return Err(InvalidValueError::new_err(format!("kind={kind:?}: must be \"sum\", \"average\" or \"max\""))),
    };
    let request = Request { x, out, threads, level: None };
    match float("x", x)? {
        Float::F32 => pool2d_typed::<f32>(&request, kernel, cell),
        Float::F64 => pool2d_typed::<f64>(&request, kernel, cell),
    }
}

/// Add this file's functions to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(linear, module)?)?;
    module.add_function(wrap_pyfunction!(input_gradient, module)?)?;
    module.add_function(wrap_pyfunction!(conv2d, module)?)?;
    module.add_function(wrap_pyfunction!(pool2d, module)?)
}
