//! Bindings of synapses that change. `_rsnn.pyi` says what each argument is.
#![allow(clippy::needless_pass_by_value, reason = "pyo3 hands lists over as vectors of their own")]

use std::collections::HashMap;

use numpy::{Element, PyReadonlyArrayDyn, PyReadwriteArrayDyn, PyUntypedArrayMethods};
use pyo3::prelude::*;
use rsnn_core::Loops;
use rsnn_core::elem::Elem;
use rsnn_core::neuron::Neuron;
use rsnn_core::plasticity::{
    Coincidence, Dependence, Geometry, Job, Modulated, Neurons, Pairing, Post, Recorded, Rule, Sensor, ShortTerm, Side, SpikeTrace,
};
use rsnn_core::product::Conv2d;
use rsnn_core::scan::{Table, forward};

use crate::array::{expect_shape, lengths, read, write};
use crate::error::{InvalidValueError, compute, to_python};
use crate::neuron::{Float, Named, Weights, float, level, period, read_weights, weights_of};

/// The words and the numbers of a rule.
type Described = (HashMap<String, String>, HashMap<String, f64>);

/// Channels in and out; rows and columns of an image, of the kernel, the stride, the padding.
type Sizes = (usize, usize, (usize, usize), (usize, usize), (usize, usize), (usize, usize));

/// Spec, coefficients, state and output of the neurons behind the synapses.
type Behind<'py> = (String, Bound<'py, PyAny>, Bound<'py, PyAny>, Bound<'py, PyAny>);

fn of<'a, T>(all: &'a HashMap<String, T>, name: &str) -> PyResult<&'a T> {
    all.get(name).ok_or_else(|| InvalidValueError::new_err(format!("rule: {name} is missing")))
}

fn rule<E: Elem>((words, numbers): &Described) -> PyResult<Rule<E>> {
    let number = |name: &str| of(numbers, name).map(|value| E::from_f64(*value));
    let side = |decay, gain, amplitude, slow_decay, slow_amplitude| {
        PyResult::Ok(Side {
            decay: number(decay)?,
            gain: number(gain)?,
            amplitude: number(amplitude)?,
            slow_decay: number(slow_decay)?,
            slow_amplitude: number(slow_amplitude)?,
        })
    };
    Ok(Rule {
        before: side("decay_plus", "gain_plus", "a_minus", "decay_x", "a3_minus")?,
        after: side("decay_minus", "gain_minus", "a_plus", "decay_y", "a3_plus")?,
        x_target: number("x_target")?,
        dependence: Dependence::named(of(words, "dependence")?, *of(numbers, "mu")?).map_err(|e| to_python(&e))?,
        pairing: Pairing::named(of(words, "pairing")?).map_err(|e| to_python(&e))?,
        coincidence: Coincidence::named(of(words, "coincidence")?).map_err(|e| to_python(&e))?,
        w_min: number("w_min")?,
        w_max: number("w_max")?,
        bounded: *of(numbers, "bounded")? != 0.0,
    })
}

/// Everything of a run that is one of two float types.
struct Request<'a, 'py> {
    rule: &'a Described,
    sizes: Sizes,
    pre: &'a Bound<'py, PyAny>,
    weight: &'a Bound<'py, PyAny>,
    traces: &'a [Bound<'py, PyAny>],
    post: Option<&'a Bound<'py, PyAny>>,
    behind: Option<&'a Behind<'py>>,
    bias: Option<&'a Bound<'py, PyAny>>,
    drive: Option<&'a Bound<'py, PyAny>>,
    recurrent: Option<&'a Weights<'py>>,
    group: Option<usize>,
    record: &'a [Named<'py>],
    modulated: Option<&'a (f64, Bound<'py, PyAny>, Bound<'py, PyAny>)>,
    kept: Option<&'a (usize, Bound<'py, PyAny>)>,
    level: Option<&'a str>,
}

/// Read an array that may be there.
fn maybe<'py, E: Element>(name: &str, array: Option<&Bound<'py, PyAny>>) -> PyResult<Option<PyReadonlyArrayDyn<'py, E>>> {
    array.map(|array| read::<E>(name, array)).transpose()
}

fn slice<'a, E: Element>(array: Option<&'a PyReadonlyArrayDyn<'_, E>>) -> PyResult<Option<&'a [E]>> {
    match array {
        Some(array) => Ok(Some(array.as_slice()?)),
        None => Ok(None),
    }
}

/// Two slices of a list of arrays that holds them from `at` on.
fn two<'a, E: Element>(arrays: &'a mut [PyReadwriteArrayDyn<'_, E>]) -> PyResult<[&'a mut [E]; 2]> {
    match arrays {
        [first, second] => Ok([first.as_slice_mut()?, second.as_slice_mut()?]),
        _ => Err(InvalidValueError::new_err("traces: two arrays are needed here, or four")),
    }
}

fn run_typed<E: Loops + Element>(request: &Request<'_, '_>) -> PyResult<()> {
    let py = request.pre.py();
    let (channels, outputs, size, kernel, stride, padding) = request.sizes;
    let conv = Conv2d { images: 1, channels, outputs, size, kernel, stride, padding };
    let geometry = Geometry::new(conv).map_err(|e| to_python(&e))?;
    let pre = read::<E>("pre", request.pre)?;
    let [_, samples, inputs] = lengths("pre", pre.shape())?;
    expect_shape("pre", &[inputs], &[geometry.inputs()])?;
    let mut weight = write::<E>("weight", request.weight)?;
    expect_shape("weight", weight.shape(), &[geometry.rows(), geometry.columns()])?;
    let mut traces = request.traces.iter().map(|array| write::<E>("traces", array)).collect::<PyResult<Vec<_>>>()?;
    let (first, second) = traces.split_at_mut(2.min(request.traces.len()));
    let given = maybe::<E>("post", request.post)?;
    let (bias, drive) = (maybe::<E>("bias", request.bias)?, maybe::<E>("drive", request.drive)?);
    let recurrent = request.recurrent.map(read_weights::<E>).transpose()?;
    let mut behind = match request.behind {
        None => None,
        Some((spec, coefficients, state, out)) => {
            let neuron = Neuron::parse(spec).map_err(|e| to_python(&e))?;
            let coefficients = read::<E>("coefficients", coefficients)?;
            let period = period(&neuron, coefficients.shape())?;
            Some((neuron, coefficients, period, write::<E>("state", state)?, write::<E>("out", out)?))
        }
    };
    let mut recorded = request.record.iter().map(|(name, array)| Ok((name, write::<E>("record", array)?))).collect::<PyResult<Vec<_>>>()?;
    let mut eligibility = request.modulated.map(|(_, array, _)| write::<E>("eligibility", array)).transpose()?;
    let rewards = maybe::<E>("reward", request.modulated.map(|(.., reward)| reward))?;
    let mut kept = request.kept.map(|(every, array)| PyResult::Ok((*every, write::<E>("kept", array)?))).transpose()?;
    let post = match (&given, &mut behind) {
        (Some(post), _) => Post::Given(post.as_slice()?),
        (None, Some((neuron, coefficients, period, state, out))) => {
            let mut record = Vec::new();
            for (name, array) in &mut recorded {
                record.push((forward::Trace::named(neuron, name).map_err(|e| to_python(&e))?, array.as_slice_mut()?));
            }
            Post::Neurons(Neurons {
                neuron: *neuron,
                coefficients: Table { values: coefficients.as_slice()?, period: *period },
                state: state.as_slice_mut()?,
                bias: slice(bias.as_ref())?,
                drive: slice(drive.as_ref())?,
                recurrent: recurrent.as_ref().map(weights_of).transpose()?,
                group: request.group,
                out: out.as_slice_mut()?,
                record,
            })
        }
        (None, None) => return Err(InvalidValueError::new_err("post: neither spikes nor neurons came; one of them is needed here")),
    };
    let modulated = match (&mut eligibility, &rewards, request.modulated) {
        (Some(eligibility), Some(reward), Some((decay, ..))) => {
            Some(Modulated { decay: E::from_f64(*decay), eligibility: eligibility.as_slice_mut()?, reward: reward.as_slice()? })
        }
        _ => None,
    };
    let job = Job {
        rule: rule(request.rule)?,
        geometry,
        samples,
        pre: pre.as_slice()?,
        post,
        weight: weight.as_slice_mut()?,
        traces: two(first)?,
        slow: if second.is_empty() { None } else { Some(two(second)?) },
        modulated,
        record: match &mut kept {
            Some((every, array)) => Some(Recorded { every: *every, weight: array.as_slice_mut()? }),
            None => None,
        },
    };
    let level = level(request.level)?;
    compute(py, 1, |context| E::learn(context, level, job))
}

/// Run synapses that change over time; writes `weight`, `traces`, what `neurons` has to write, eligibilities and what is kept in place.
#[pyfunction]
#[pyo3(signature = (rule, sizes, pre, weight, traces, *, post=None, neurons=None, bias=None, drive=None, recurrent=None, group=None, record=Vec::new(), modulated=None, kept=None, level=None))]
fn plasticity_run(
    rule: Described,
    sizes: Sizes,
    pre: &Bound<'_, PyAny>,
    weight: &Bound<'_, PyAny>,
    traces: Vec<Bound<'_, PyAny>>,
    post: Option<&Bound<'_, PyAny>>,
    neurons: Option<Behind<'_>>,
    bias: Option<&Bound<'_, PyAny>>,
    drive: Option<&Bound<'_, PyAny>>,
    recurrent: Option<Weights<'_>>,
    group: Option<usize>,
    record: Vec<Named<'_>>,
    modulated: Option<(f64, Bound<'_, PyAny>, Bound<'_, PyAny>)>,
    kept: Option<(usize, Bound<'_, PyAny>)>,
    level: Option<&str>,
) -> PyResult<()> {
    let request = Request {
        rule: &rule,
        sizes,
        pre,
        weight,
        traces: &traces,
        post,
        behind: neurons.as_ref(),
        bias,
        drive,
        recurrent: recurrent.as_ref(),
        group,
        record: &record,
        modulated: modulated.as_ref(),
        kept: kept.as_ref(),
        level,
    };
    match float("pre", pre)? {
        Float::F32 => run_typed::<f32>(&request),
        Float::F64 => run_typed::<f64>(&request),
    }
}

fn trace_typed<E: Loops + Element>(
    x: &Bound<'_, PyAny>,
    [decay, gain, state, out]: [&Bound<'_, PyAny>; 4],
    pairing: Pairing,
    name: Option<&str>,
) -> PyResult<()> {
    let (py, level) = (x.py(), level(name)?);
    let (x, decay, gain) = (read::<E>("x", x)?, read::<E>("decay", decay)?, read::<E>("gain", gain)?);
    let (mut state, mut out) = (write::<E>("state", state)?, write::<E>("out", out)?);
    let [_, n] = lengths("x", x.shape())?;
    expect_shape("state", state.shape(), &[n])?;
    expect_shape("out", out.shape(), x.shape())?;
    let job = SpikeTrace {
        x: x.as_slice()?,
        decay: decay.as_slice()?,
        gain: gain.as_slice()?,
        pairing,
        state: state.as_slice_mut()?,
        out: out.as_slice_mut()?,
    };
    compute(py, 1, |context| E::trace(context, level, job))
}

/// Run traces over time; writes `state` and `out` in place.
#[pyfunction]
#[pyo3(signature = (x, decay, gain, state, out, *, pairing, level=None))]
fn plasticity_trace(
    x: &Bound<'_, PyAny>,
    decay: &Bound<'_, PyAny>,
    gain: &Bound<'_, PyAny>,
    state: &Bound<'_, PyAny>,
    out: &Bound<'_, PyAny>,
    pairing: &str,
    level: Option<&str>,
) -> PyResult<()> {
    let pairing = Pairing::named(pairing).map_err(|e| to_python(&e))?;
    match float("x", x)? {
        Float::F32 => trace_typed::<f32>(x, [decay, gain, state, out], pairing, level),
        Float::F64 => trace_typed::<f64>(x, [decay, gain, state, out], pairing, level),
    }
}

/// Arrays to record into, each of which may be missing.
type Wanted<'py, const N: usize> = [Option<Bound<'py, PyAny>>; N];

/// The arrays to record into as slices.
fn wanted<'a, E: Element, const N: usize>(arrays: &'a mut [Option<PyReadwriteArrayDyn<'_, E>>]) -> PyResult<[Option<&'a mut [E]>; N]> {
    let mut slices = [const { None }; N];
    for (to, array) in slices.iter_mut().zip(arrays) {
        if let Some(array) = array {
            *to = Some(array.as_slice_mut()?);
        }
    }
    Ok(slices)
}

fn written<'py, E: Element, const N: usize>(arrays: &Wanted<'py, N>) -> PyResult<Vec<Option<PyReadwriteArrayDyn<'py, E>>>> {
    arrays.iter().map(|array| array.as_ref().map(|array| write::<E>("record", array)).transpose()).collect()
}

fn short_term_typed<E: Loops + Element>(
    z: &Bound<'_, PyAny>,
    numbers: &[Bound<'_, PyAny>; 3],
    [u, x, out]: [&Bound<'_, PyAny>; 3],
    record: &Wanted<'_, 2>,
    name: Option<&str>,
) -> PyResult<()> {
    let (py, level) = (z.py(), level(name)?);
    let z = read::<E>("z", z)?;
    let [a, b, c] = [&numbers[0], &numbers[1], &numbers[2]].map(|array| read::<E>("numbers", array));
    let (a, b, c) = (a?, b?, c?);
    let (mut u, mut x, mut out) = (write::<E>("u", u)?, write::<E>("x", x)?, write::<E>("out", out)?);
    let mut record = written(record)?;
    let [_, n] = lengths("z", z.shape())?;
    expect_shape("u", u.shape(), &[n])?;
    expect_shape("out", out.shape(), z.shape())?;
    let job = ShortTerm {
        z: z.as_slice()?,
        numbers: [a.as_slice()?, b.as_slice()?, c.as_slice()?],
        state: [u.as_slice_mut()?, x.as_slice_mut()?],
        out: out.as_slice_mut()?,
        record: wanted(&mut record)?,
    };
    compute(py, 1, |context| E::short_term(context, level, job))
}

/// Run short-term plasticity over time; writes `u`, `x`, `out` and what is recorded in place.
#[pyfunction]
#[pyo3(signature = (z, numbers, u, x, out, *, record, level=None))]
fn plasticity_short_term(
    z: &Bound<'_, PyAny>,
    numbers: [Bound<'_, PyAny>; 3],
    u: &Bound<'_, PyAny>,
    x: &Bound<'_, PyAny>,
    out: &Bound<'_, PyAny>,
    record: Wanted<'_, 2>,
    level: Option<&str>,
) -> PyResult<()> {
    match float("z", z)? {
        Float::F32 => short_term_typed::<f32>(z, &numbers, [u, x, out], &record, level),
        Float::F64 => short_term_typed::<f64>(z, &numbers, [u, x, out], &record, level),
    }
}

fn sensor_typed<E: Loops + Element>(
    pre: &Bound<'_, PyAny>,
    post: &Bound<'_, PyAny>,
    numbers: [f64; 4],
    state: &[Bound<'_, PyAny>; 3],
    record: &Wanted<'_, 3>,
    name: Option<&str>,
) -> PyResult<()> {
    let (py, level) = (pre.py(), level(name)?);
    let (pre, post) = (read::<E>("pre", pre)?, read::<E>("post", post)?);
    let [steps, samples, before] = lengths("pre", pre.shape())?;
    let [_, _, after] = lengths("post", post.shape())?;
    expect_shape("post", post.shape(), &[steps, samples, after])?;
    let [a, b, c] = [&state[0], &state[1], &state[2]].map(|array| write::<E>("state", array));
    let (mut a, mut b, mut c) = (a?, b?, c?);
    let mut record = written(record)?;
    let job = Sensor {
        pre: pre.as_slice()?,
        post: post.as_slice()?,
        shape: (samples, before, after),
        numbers: numbers.map(E::from_f64),
        state: [a.as_slice_mut()?, b.as_slice_mut()?, c.as_slice_mut()?],
        record: wanted(&mut record)?,
    };
    compute(py, 1, |context| E::sensor(context, level, job))
}

/// Run correlation sensors over time; writes `state` and what is recorded in place.
#[pyfunction]
#[pyo3(signature = (pre, post, numbers, state, *, record, level=None))]
fn plasticity_sensor(
    pre: &Bound<'_, PyAny>,
    post: &Bound<'_, PyAny>,
    numbers: [f64; 4],
    state: [Bound<'_, PyAny>; 3],
    record: Wanted<'_, 3>,
    level: Option<&str>,
) -> PyResult<()> {
    match float("pre", pre)? {
        Float::F32 => sensor_typed::<f32>(pre, post, numbers, &state, &record, level),
        Float::F64 => sensor_typed::<f64>(pre, post, numbers, &state, &record, level),
    }
}

/// Add this file's functions to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(plasticity_run, module)?)?;
    module.add_function(wrap_pyfunction!(plasticity_trace, module)?)?;
    module.add_function(wrap_pyfunction!(plasticity_short_term, module)?)?;
    module.add_function(wrap_pyfunction!(plasticity_sensor, module)?)
}
