//! Bindings of the engine of networks: a plan is built once, a run goes on from call to call. `_rsnn.pyi` says what each argument is.
#![allow(clippy::needless_pass_by_value, reason = "pyo3 hands lists over as vectors of their own")]

use std::sync::{Arc, Mutex};

use numpy::{Element, IntoPyArray, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use rsnn_core::Loops;
use rsnn_core::event::Path;
use rsnn_core::network::Plan;
use rsnn_core::network::input::Input;
use rsnn_core::network::map::{Join, Map, NOWHERE};
use rsnn_core::network::neurons::Neurons;
use rsnn_core::network::product::Product;
use rsnn_core::network::run::{Job, Run};
use rsnn_core::network::sample::Counts;
use rsnn_core::network::{Op, run};
use rsnn_core::neuron::Neuron;
use rsnn_core::product::Conv2d;
use rsnn_core::scan::forward::Trace;

use crate::array::{expect_shape, lengths, read, write};
use crate::error::{InUseError, InvalidTypeError, InvalidValueError, compute, to_python};
use crate::neuron::level;

/// Something of one of the two float types.
enum Typed<A, B> {
    F32(A),
    F64(B),
}

/// `body` for whichever type it is.
macro_rules! typed {
    ($value:expr, $name:ident: $E:ident => $body:expr) => {
        match $value {
            Typed::F32($name) => {
                type $E = f32;
                $body
            }
            Typed::F64($name) => {
                type $E = f64;
                $body
            }
        }
    };
}

type Plans = Typed<Arc<Plan<f32>>, Arc<Plan<f64>>>;
type Runs = Typed<Run<f32>, Run<f64>>;

/// A network, ready to run: nodes are added, then runs are started.
#[pyclass(module = "rsnn._rsnn")]
struct Engine(Plans);

fn py<T>(result: rsnn_core::Result<T>) -> PyResult<T> {
    result.map_err(|e| to_python(&e))
}

fn add<E: Loops>(plan: &mut Arc<Plan<E>>, op: Op<E>, inputs: Vec<usize>, len: usize) -> PyResult<usize> {
    let Some(plan) = Arc::get_mut(plan) else {
        return Err(InUseError::new_err("engine: a run was started; nothing can be added any more"));
    };
    py(plan.add(op, inputs, len))
}

/// A copy of an array.
fn copied<E: Element + Copy>(name: &str, array: &Bound<'_, PyAny>) -> PyResult<Vec<E>> {
    Ok(read::<E>(name, array)?.as_slice()?.to_vec())
}

fn linear<E: Loops + Element>(
    plan: &mut Arc<Plan<E>>,
    input: usize,
    rows: usize,
    weight: &Bound<'_, PyAny>,
    bias: Option<&Bound<'_, PyAny>>,
) -> PyResult<usize> {
    let weight = read::<E>("weight", weight)?;
    let [outputs, inputs] = lengths("weight", weight.shape())?;
    let bias = bias.map(|b| copied::<E>("bias", b)).transpose()?;
    let product = py(Product::linear(plan.level(), rows, weight.as_slice()?, bias.as_deref(), (outputs, inputs)))?;
    let len = product.outputs;
    add(plan, Op::Product(product), vec![input], len)
}

fn conv2d<E: Loops + Element>(
    plan: &mut Arc<Plan<E>>,
    input: usize,
    weight: &Bound<'_, PyAny>,
    bias: Option<&Bound<'_, PyAny>>,
    (size, stride, padding): ((usize, usize), (usize, usize), (usize, usize)),
) -> PyResult<usize> {
    let weight = read::<E>("weight", weight)?;
    let [outputs, channels, rows, columns] = lengths("weight", weight.shape())?;
    let bias = bias.map(|b| copied::<E>("bias", b)).transpose()?;
    let conv = Conv2d { images: 1, channels, outputs, size, kernel: (rows, columns), stride, padding };
    let product = py(Product::conv2d(&conv, weight.as_slice()?, bias.as_deref()))?;
    let len = product.outputs;
    add(plan, Op::Product(product), vec![input], len)
}

fn neurons<E: Loops + Element>(
    plan: &mut Arc<Plan<E>>,
    input: usize,
    (spec, spiking, len): (&str, bool, usize),
    coefficients: &Bound<'_, PyAny>,
    recurrent: Option<(Bound<'_, PyAny>, Option<Bound<'_, PyAny>>)>,
    group: Option<usize>,
) -> PyResult<usize> {
    let neuron = py(Neuron::parse(spec))?;
    let table = read::<E>("coefficients", coefficients)?;
    let [rows, period] = lengths("coefficients", table.shape())?;
    expect_shape("coefficients", table.shape(), &[neuron.coefficients().len(), period])?;
    let _ = rows;
    let recurrent = recurrent
        .map(|(weight, bias)| {
            let size = weight.cast::<PyUntypedArray>()?.shape().first().copied().unwrap_or(0);
            let bias = bias.map(|b| copied::<E>("recurrent bias", &b)).transpose()?;
            PyResult::Ok((size, copied::<E>("recurrent", &weight)?, bias))
        })
        .transpose()?;
    let neurons = py(Neurons::new(neuron, spiking, len, (table.as_slice()?.to_vec(), period), recurrent, group))?;
    add(plan, Op::Neurons(neurons), vec![input], len)
}

#[pymethods]
impl Engine {
    #[new]
    #[pyo3(signature = (dtype, len, *, level=None))]
    fn new(dtype: &str, len: usize, level: Option<&str>) -> PyResult<Self> {
        let level = self::level(level)?;
        match dtype {
            "float32" => Ok(Self(Typed::F32(Arc::new(py(Plan::new(level, len))?)))),
            "float64" => Ok(Self(Typed::F64(Arc::new(py(Plan::new(level, len))?)))),
            _ => Err(InvalidTypeError::new_err(format!("dtype={dtype:?}: must be float32 or float64"))),
        }
    }

    /// Add a layer of all to all, for each of `rows` rows of a sample.
    fn linear(&mut self, input: usize, rows: usize, weight: &Bound<'_, PyAny>, bias: Option<&Bound<'_, PyAny>>) -> PyResult<usize> {
        typed!(&mut self.0, plan: E => linear::<E>(plan, input, rows, weight, bias))
    }

    /// Add a convolution of images in raster order.
    fn conv2d(
        &mut self,
        input: usize,
        weight: &Bound<'_, PyAny>,
        bias: Option<&Bound<'_, PyAny>>,
        size: (usize, usize),
        stride: (usize, usize),
        padding: (usize, usize),
    ) -> PyResult<usize> {
        typed!(&mut self.0, plan: E => conv2d::<E>(plan, input, weight, bias, (size, stride, padding)))
    }

    /// Add a layer of neurons.
    #[pyo3(signature = (input, spec, spiking, len, coefficients, *, recurrent=None, group=None))]
    fn neurons(
        &mut self,
        input: usize,
        spec: &str,
        spiking: bool,
        len: usize,
        coefficients: &Bound<'_, PyAny>,
        recurrent: Option<(Bound<'_, PyAny>, Option<Bound<'_, PyAny>>)>,
        group: Option<usize>,
    ) -> PyResult<usize> {
        typed!(&mut self.0, plan: E => neurons::<E>(plan, input, (spec, spiking, len), coefficients, recurrent, group))
    }

    /// Add a layer that moves pieces of `unit` entries to where `table` says, -1 for nowhere, and joins those that meet.
    fn map(
        &mut self,
        inputs: Vec<usize>,
        table: Option<&Bound<'_, PyAny>>,
        unit: u32,
        len: usize,
        join: &str,
        window: usize,
    ) -> PyResult<usize> {
        let join = match join {
            "sum" => Join::Sum,
            "mean" => Join::Mean(window),
            "largest" => Join::Largest(window),
            _ => return Err(InvalidValueError::new_err(format!("join={join:?}: must be sum, mean or largest"))),
        };
        let table = table
            .map(|table| PyResult::Ok(copied::<i64>("table", table)?.iter().map(|to| u32::try_from(*to).unwrap_or(NOWHERE)).collect()));
        let op = Map { table: table.transpose()?, unit, join };
        typed!(&mut self.0, plan: E => add::<E>(plan, Op::Map(op), inputs, len))
    }

    /// Add a delay of so many steps.
    fn delay(&mut self, input: usize, steps: usize, len: usize) -> PyResult<usize> {
        typed!(&mut self.0, plan: E => add::<E>(plan, Op::Delay(steps), vec![input], len))
    }

    /// Begin a run of so many samples, all states 0; the spikes of the nodes `kept` are kept.
    fn start(&self, samples: usize, kept: Vec<usize>) -> Session {
        let wanted = |count: usize| (0..count).map(|k| kept.contains(&k)).collect::<Vec<bool>>();
        Session(Mutex::new(match &self.0 {
            Typed::F32(plan) => Typed::F32(Run::new(Arc::clone(plan), samples, &wanted(plan.nodes().len()))),
            Typed::F64(plan) => Typed::F64(Run::new(Arc::clone(plan), samples, &wanted(plan.nodes().len()))),
        }))
    }
}

/// A run of a network, which goes on from call to call.
#[pyclass(frozen, module = "rsnn._rsnn")]
struct Session(Mutex<Runs>);

/// A node, a name, and an array to write.
type Named<'py> = (usize, String, Bound<'py, PyAny>);

fn trace<E: Loops>(plan: &Plan<E>, node: usize, name: &str) -> PyResult<Trace> {
    match plan.nodes().get(node).map(|node| &node.op) {
        Some(Op::Neurons(neurons)) => py(Trace::named(&neurons.neuron, name)),
        _ => Err(InvalidValueError::new_err(format!("record: node {node} has no neurons"))),
    }
}

fn advance<E: Loops + Element>(
    run: &mut Run<E>,
    x: &Bound<'_, PyAny>,
    output: &Bound<'_, PyAny>,
    steps: usize,
    path: Path,
    record: &[Named<'_>],
    threads: usize,
) -> PyResult<()> {
    let py = x.py();
    let mut output = write::<E>("output", output)?;
    let mut traces = Vec::new();
    for (node, name, array) in record {
        traces.push((*node, trace(run.plan(), *node, name)?, write::<E>("record", array)?));
    }
    let record = traces.iter_mut().map(|(node, trace, array)| Ok((*node, *trace, array.as_slice_mut()?))).collect::<PyResult<_>>()?;
    let output = output.as_slice_mut()?;
    if let Ok(lists) = x.cast::<PyTuple>() {
        let (starts, at, values): Lists<'_> = lists.extract()?;
        let (starts, at) = (read::<u64>("starts", &starts)?, read::<u32>("at", &at)?);
        let values = values.map(|values| read::<E>("values", &values)).transpose()?;
        let values = match &values {
            Some(values) => Some(values.as_slice()?),
            None => None,
        };
        let input = Input::Events(starts.as_slice()?, at.as_slice()?, values);
        let job = Job { steps, input, path, output, record };
        return compute(py, threads, |context| E::advance(run, context, job));
    }
    if let Ok(words) = read::<u64>("x", x) {
        let job = Job { steps, input: Input::Bits(words.as_slice()?), path, output, record };
        return compute(py, threads, |context| E::advance(run, context, job));
    }
    let dense = read::<E>("x", x)?;
    let job = Job { steps, input: Input::Dense(dense.as_slice()?), path, output, record };
    compute(py, threads, |context| E::advance(run, context, job))
}

/// What a node did: inputs not 0, operations, blocks followed, blocks multiplied, outputs not 0, spikes.
type Told = (u64, u64, u64, u64, u64, f64);

impl Session {
    fn with<R>(&self, work: impl FnOnce(&mut Runs) -> PyResult<R>) -> PyResult<R> {
        match self.0.try_lock() {
            Ok(mut run) => work(&mut run),
            Err(_) => Err(InUseError::new_err("this run is at work in another thread; give every thread a run of its own")),
        }
    }
}

#[pymethods]
impl Session {
    /// Go on for some steps; writes `output` and the recorded arrays in place.
    #[pyo3(signature = (x, output, steps, *, path="auto", record=Vec::new(), threads=1))]
    fn advance(
        &self,
        x: &Bound<'_, PyAny>,
        output: &Bound<'_, PyAny>,
        steps: usize,
        path: &str,
        record: Vec<Named<'_>>,
        threads: usize,
    ) -> PyResult<()> {
        let path = match path {
            "auto" => Path::Auto,
            "event" => Path::Event,
            "dense" => Path::Dense,
            _ => return Err(InvalidValueError::new_err(format!("path={path:?}: must be auto, event or dense"))),
        };
        self.with(|run| typed!(run, run: E => advance::<E>(run, x, output, steps, path, &record, threads)))
    }

    /// Begin from the states of a node, `(samples, states, entries)`.
    fn begin(&self, node: usize, state: &Bound<'_, PyAny>) -> PyResult<()> {
        self.with(|run| typed!(run, run: E => py(run.begin(node, read::<E>("state", state)?.as_slice()?))))
    }

    /// Write the states of a node, `(samples, states, entries)`.
    fn end(&self, node: usize, state: &Bound<'_, PyAny>) -> PyResult<()> {
        self.with(|run| typed!(run, run: E => py(run.end(node, write::<E>("state", state)?.as_slice_mut()?))))
    }

    /// What a node did so far.
    fn counts(&self, node: usize) -> PyResult<Told> {
        let Counts { inputs, operations, followed, multiplied, fired, spikes } =
            self.with(|run| typed!(run, run: _E => Ok(run.counts(node))))?;
        Ok((inputs, operations, followed, multiplied, fired, spikes))
    }

    /// The spikes kept of a node: where each row begins, entry, and value where they are not all 1.
    fn spikes<'py>(&self, py: Python<'py>, node: usize) -> PyResult<Lists<'py>> {
        self.with(|run| typed!(run, run: _E => give(py, run.take_spikes(node))))
    }
}

/// Arrays of events.
type Lists<'py> = (Bound<'py, PyAny>, Bound<'py, PyAny>, Option<Bound<'py, PyAny>>);

fn give<E: Element>(py: Python<'_>, spikes: Option<run::Spikes<E>>) -> PyResult<Lists<'_>> {
    let (starts, at, values) = spikes.ok_or_else(|| InvalidValueError::new_err("spikes: they were not kept of this node"))?;
    Ok((starts.into_pyarray(py).into_any(), at.into_pyarray(py).into_any(), values.map(|v| v.into_pyarray(py).into_any())))
}

/// Add this file's classes to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Engine>()?;
    module.add_class::<Session>()
}
