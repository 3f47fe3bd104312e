//! Bindings of the chips with routing of their own: products, recurrent populations, Xylo, tinyODIN.
//!
//! Arrays are C-contiguous and in native byte order; the Python side prepares them.

use numpy::{Element, PyReadonlyArrayDyn, PyReadwriteArrayDyn, PyUntypedArrayMethods};
use pyo3::prelude::*;
use rsnn_core::Error;
use rsnn_core::chip::Level;
use rsnn_core::chip::events::{Events, Numbers, layer as event_layer};
use rsnn_core::chip::product::{Geometry, correlate};
use rsnn_core::chip::recurrent::{Own, recurrent};
use rsnn_core::chip::scan::{Coefficients, Row, Trace};
use rsnn_core::chip::tinyodin;
use rsnn_core::chip::xylo::{Arrays, Core, Population, Sizes, Wired};

use crate::array::{expect_shape, lengths, read, write};
use crate::chip::{Array, Extent, neuron, plain, split, table, trace};
use crate::error::{InvalidValueError, compute};

type Recorded<'py> = Vec<(String, Bound<'py, PyAny>)>;

/// A slice of an array that [`read`] has shown to be contiguous.
fn slice<'a, T: Element>(name: &str, array: &'a PyReadonlyArrayDyn<'_, T>) -> PyResult<&'a [T]> {
    array.as_slice().map_err(|_| InvalidValueError::new_err(format!("{name}: the array is not contiguous")))
}

fn slice_mut<'a, T: Element>(name: &str, array: &'a mut PyReadwriteArrayDyn<'_, T>) -> PyResult<&'a mut [T]> {
    array.as_slice_mut().map_err(|_| InvalidValueError::new_err(format!("{name}: the array is not contiguous")))
}

/// The cross-correlation of `x (N, C, H, W)` with `weight (O, C, kh, kw)`; returns the synaptic operations.
#[pyfunction]
#[pyo3(signature = (x, weight, out, *, stride, padding, threads=1))]
fn integer_product(
    py: Python<'_>,
    x: &Bound<'_, PyAny>,
    weight: &Bound<'_, PyAny>,
    out: &Bound<'_, PyAny>,
    stride: [usize; 2],
    padding: [usize; 2],
    threads: usize,
) -> PyResult<u128> {
    let (x, weight, mut out) = (Array::new("x", x)?, read::<i64>("weight", weight)?, write::<i64>("out", out)?);
    let [count, channels, height, width] = lengths("x", x.shape())?;
    let [features, fan, kernel_rows, kernel_columns] = lengths("weight", weight.shape())?;
    expect_shape("weight", &[features, fan, kernel_rows, kernel_columns], &[features, channels, kernel_rows, kernel_columns])?;
    let geometry = Geometry { channels, input: [height, width], features, kernel: [kernel_rows, kernel_columns], stride, padding };
    let shape = out.shape().to_vec();
    let (x, weight, out) = (x.integers("x")?, slice("weight", &weight)?, slice_mut("out", &mut out)?);
    compute(py, threads, |context| {
        geometry.check()?;
        let [rows, columns] = geometry.output();
        if shape != [count, features, rows, columns] {
            return Err(Error::value(format!("out: an array of shape {shape:?} came; {:?} is needed", [count, features, rows, columns])));
        }
        correlate(context, Level::new(), geometry, x, weight, out)
    })
}

/// Neurons with synapses onto themselves over `x (T, B, n)`; `sent (B, n)` are the spikes of the step before.
#[allow(clippy::needless_pass_by_value, reason = "a list comes from Python as a vector of its own")]
#[pyfunction]
#[pyo3(signature = (spec, x, coefficients, state, weights, sent, spikes, record, *, exponent, graded, threads=1))]
fn integer_recurrent(
    py: Python<'_>,
    spec: &str,
    x: &Bound<'_, PyAny>,
    coefficients: &Bound<'_, PyAny>,
    state: &Bound<'_, PyAny>,
    weights: &Bound<'_, PyAny>,
    sent: &Bound<'_, PyAny>,
    spikes: &Bound<'_, PyAny>,
    record: Recorded<'_>,
    exponent: i32,
    graded: bool,
    threads: usize,
) -> PyResult<(Extent, u64)> {
    let neuron = neuron(spec)?;
    let (x, rows) = (read::<i64>("x", x)?, table(coefficients)?);
    let [_, batch, n] = lengths("x", x.shape())?;
    let (mut state, mut sent) = (write::<i64>("state", state)?, write::<i64>("sent", sent)?);
    let (weights, mut spikes) = (read::<i64>("weights", weights)?, write::<i32>("spikes", spikes)?);
    let names = record.iter().map(|(name, _)| trace(name)).collect::<PyResult<Vec<Trace>>>()?;
    let mut arrays = record.iter().map(|(_, array)| write::<i32>("record", array)).collect::<PyResult<Vec<_>>>()?;
    let x = slice("x", &x)?;
    let own = Own { weights: slice("weights", &weights)?, exponent, graded };
    let (state, sent, spikes) = (slice_mut("state", &mut state)?, slice_mut("sent", &mut sent)?, slice_mut("spikes", &mut spikes)?);
    let pairs = names.into_iter().zip(&mut arrays);
    let mut traces = pairs.map(|(name, array)| Ok((name, slice_mut("record", array)?))).collect::<PyResult<Vec<_>>>()?;
    let (extent, operations) = compute(py, threads, |context| {
        let coefficients = Coefficients { table: &rows, repeat: 1 };
        recurrent(context, Level::new(), &neuron, own, x, batch, n, coefficients, split(&neuron, state), sent, spikes, &mut traces)
    })?;
    Ok((plain(&extent), operations))
}

/// A Xylo core, its weights laid out for events. `weights`: `w_in (inputs, synapses, hidden)`, `w_rec (hidden, synapses, hidden)`,
/// `w_out (hidden, outputs)`. `hidden` and `output`: `dash_syn`, `dash_mem`, threshold, bias.
#[pyclass(frozen, module = "rsnn._rsnn")]
struct XyloCore(Wired);

const POPULATION: [&str; 4] = ["dash_syn", "dash_mem", "threshold", "bias"];

#[pymethods]
impl XyloCore {
    #[allow(clippy::needless_pass_by_value, reason = "lists come from Python as vectors of their own")]
    #[new]
    fn new<'py>(
        py: Python<'py>,
        version: usize,
        weights: [Bound<'py, PyAny>; 3],
        shifts: [u32; 3],
        hidden: [Bound<'py, PyAny>; 4],
        output: [Bound<'py, PyAny>; 4],
        alias: &Bound<'py, PyAny>,
    ) -> PyResult<Self> {
        let reads = |names: &[&str], arrays: &[Bound<'py, PyAny>]| -> PyResult<Vec<PyReadonlyArrayDyn<'py, i64>>> {
            names.iter().zip(arrays).map(|(name, array)| read::<i64>(name, array)).collect()
        };
        let [inputs, synapses, neurons] = lengths("w_in", read::<i64>("w_in", &weights[0])?.shape())?;
        let [_, outputs] = lengths("w_out", read::<i64>("w_out", &weights[2])?.shape())?;
        let arrays = [reads(&["w_in", "w_rec", "w_out"], &weights)?, reads(&POPULATION, &hidden)?, reads(&POPULATION, &output)?];
        let [weights, hidden, output] =
            arrays.each_ref().map(|all| all.iter().map(|one| slice("weights", one)).collect::<PyResult<Vec<_>>>());
        let (weights, hidden, output) = (weights?, hidden?, output?);
        let alias = read::<i64>("alias", alias)?;
        let core = Core {
            sizes: Sizes { inputs, hidden: neurons, synapses, outputs },
            version,
            w_in: weights[0],
            w_rec: weights[1],
            w_out: weights[2],
            shifts,
            hidden: Population { dash_syn: hidden[0], dash_mem: hidden[1], threshold: hidden[2], bias: hidden[3] },
            output: Population { dash_syn: output[0], dash_mem: output[1], threshold: output[2], bias: output[3] },
            alias: slice("alias", &alias)?,
        };
        Ok(Self(compute(py, 1, |_| Wired::new(&core))?))
    }

    /// Over `raster (T, B, inputs)`. `state`: isyn `(B, synapses, hidden)`, v, `isyn_out`, `v_out`, last spikes; `spikes`: hidden and
    /// output; `record`: the first four states after each step, or None.
    #[allow(clippy::needless_pass_by_value, reason = "lists come from Python as vectors of their own")]
    #[pyo3(signature = (raster, state, spikes, record, *, threads=1))]
    fn run(
        &self,
        py: Python<'_>,
        raster: &Bound<'_, PyAny>,
        state: [Bound<'_, PyAny>; 5],
        spikes: [Bound<'_, PyAny>; 2],
        record: [Option<Bound<'_, PyAny>>; 4],
        threads: usize,
    ) -> PyResult<(Extent, Extent, u64)> {
        let raster = Array::new("raster", raster)?;
        let [steps, batch, _] = lengths("raster", raster.shape())?;
        let mut states = state.iter().map(|array| write::<i32>("state", array)).collect::<PyResult<Vec<_>>>()?;
        let mut fired = spikes.iter().map(|array| write::<i32>("spikes", array)).collect::<PyResult<Vec<_>>>()?;
        let mut kept =
            record.iter().map(|one| one.as_ref().map(|array| write::<i32>("record", array)).transpose()).collect::<PyResult<Vec<_>>>()?;
        let raster = raster.integers("raster")?;
        let mut arrays = Arrays { state: Default::default(), spikes: Default::default(), record: Default::default() };
        for (to, from) in arrays.state.iter_mut().zip(&mut states) {
            *to = slice_mut("state", from)?;
        }
        for (to, from) in arrays.spikes.iter_mut().zip(&mut fired) {
            *to = slice_mut("spikes", from)?;
        }
        for (to, from) in arrays.record.iter_mut().zip(&mut kept) {
            *to = from.as_mut().map(|array| slice_mut("record", array)).transpose()?;
        }
        let stats = compute(py, threads, |context| self.0.run(context, Level::new(), raster, batch, steps, arrays))?;
        Ok((plain(&stats.hidden), plain(&stats.output), stats.operations))
    }
}

#[allow(clippy::needless_pass_by_value, reason = "lists come from Python as vectors of their own")]
/// tinyODIN over event words; returns addresses, counts for each event, synaptic operations, and spikes lost at a full queue.
#[pyfunction]
#[pyo3(signature = (weights, threshold, leak, disable, open_loop, events, v))]
fn tinyodin_run(
    py: Python<'_>,
    weights: &Bound<'_, PyAny>,
    threshold: &Bound<'_, PyAny>,
    leak: &Bound<'_, PyAny>,
    disable: Vec<bool>,
    open_loop: bool,
    events: Vec<u16>,
    v: &Bound<'_, PyAny>,
) -> PyResult<(Vec<u8>, Vec<i64>, u64, u64)> {
    let (weights, threshold) = (read::<i64>("weights", weights)?, read::<i64>("threshold", threshold)?);
    let (leak, mut v) = (read::<i64>("leak", leak)?, write::<i64>("v", v)?);
    let (weights, threshold, leak) = (slice("weights", &weights)?, slice("threshold", &threshold)?, slice("leak", &leak)?);
    let v = slice_mut("v", &mut v)?;
    let chip = tinyodin::Chip { weights, threshold, leak, disable: &disable, open_loop };
    let sent = compute(py, 1, |context| tinyodin::run(context, Level::new(), &chip, &events, v))?;
    Ok((sent.spikes, sent.counts, sent.operations, sent.lost))
}

/// One core event by event: `offsets (T + 1)`, entries of the map `(C, H, W)`, `v (O, H', W')`, `spikes (T, O, H', W')`. Returns
/// offsets and entries of what is sent, what the membranes reached, synaptic operations.
#[allow(clippy::needless_pass_by_value, reason = "lists come from Python as vectors of their own")]
#[pyfunction]
#[pyo3(signature = (spec, offsets, entries, input, weight, coefficients, v, spikes, *, stride, padding, pool))]
fn integer_events(
    py: Python<'_>,
    spec: &str,
    offsets: &Bound<'_, PyAny>,
    entries: &Bound<'_, PyAny>,
    input: [usize; 2],
    weight: &Bound<'_, PyAny>,
    coefficients: &Bound<'_, PyAny>,
    v: &Bound<'_, PyAny>,
    spikes: &Bound<'_, PyAny>,
    stride: [usize; 2],
    padding: [usize; 2],
    pool: usize,
) -> PyResult<(Vec<usize>, Vec<u32>, Extent, u64)> {
    let (neuron, rows) = (neuron(spec)?, table(coefficients)?);
    let weight = read::<i64>("weight", weight)?;
    let [features, channels, kernel_rows, kernel_columns] = lengths("weight", weight.shape())?;
    let geometry = Geometry { channels, input, features, kernel: [kernel_rows, kernel_columns], stride, padding };
    let (offsets, entries) = (read::<i64>("offsets", offsets)?, read::<u32>("entries", entries)?);
    let offsets = slice("offsets", &offsets)?.iter().map(|&k| usize::try_from(k).unwrap_or(usize::MAX)).collect();
    let events = Events { offsets, entries: slice("entries", &entries)?.to_vec() };
    let (mut v, mut spikes) = (write::<i64>("v", v)?, write::<i32>("spikes", spikes)?);
    let (weight, v, spikes) = (slice("weight", &weight)?, slice_mut("v", &mut v)?, slice_mut("spikes", &mut spikes)?);
    let (sent, extent, operations) = compute(py, 1, |context| {
        let table = Coefficients { table: &rows, repeat: 1 };
        let one = |row: Row| table.row(row).first().copied().unwrap_or(0);
        let numbers = Numbers { bias: table.row(Row::Bias), v_threshold: one(Row::Threshold), v_min: one(Row::Min) };
        event_layer(context, &neuron, &geometry, &events, weight, &numbers, pool, v, spikes)
    })?;
    Ok((sent.offsets, sent.entries, plain(&extent), operations))
}

/// Add this file's functions to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(integer_events, module)?)?;
    module.add_function(wrap_pyfunction!(integer_product, module)?)?;
    module.add_function(wrap_pyfunction!(integer_recurrent, module)?)?;
    module.add_class::<XyloCore>()?;
    module.add_function(wrap_pyfunction!(tinyodin_run, module)?)
}
