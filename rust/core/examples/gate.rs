//! Fixed pieces of work, to be counted in instructions: `gate NAME REPEATS`, or `gate` alone for the names and the instruction set.
//!
//! `benchmarks/gate.py` runs each under callgrind with two numbers of repeats; the difference is the work alone. A kernel that lost its
//! inlining or its vectors shows as a factor here, on any machine, whatever else it is doing.

use rsnn_core::Kernels;
use rsnn_core::chip::dynapcnn::{Outputs, layer};
use rsnn_core::chip::product::Geometry;
use rsnn_core::chip::{neuron, scan as chip_scan};
use rsnn_core::elem::{Elem, levels};
use rsnn_core::event::Path;
use rsnn_core::neuron::{Convention, Detach, Neuron};
use rsnn_core::pool::Context;
use rsnn_core::product::{Conv2d, Rows, conv2d, linear};
use rsnn_core::scan::Table;
use rsnn_core::scan::backward::Backward;
use rsnn_core::scan::forward::{Forward, Output};
use rsnn_core::scan::layout::Shape;
use rsnn_core::surrogate::Surrogate;
use rsnn_core::{Error, Result};

/// Whole registers of every instruction set and a ragged end.
const SHAPE: Shape = Shape { outer: 2, time: 64, inner: 1043 };
const EVERY: usize = 32;

const LIF: &str = "synapse=none membrane=leaky fire=single reset=subtract timing=same";
const CUBA: &str = "synapse=decay_jump_use membrane=leaky fire=single reset=subtract timing=same";
const RARE: &str = "synapse=none membrane=leaky+leak+bias+gain fire=multi reset=value timing=residual refractory clip";
const IAF: &str = "synapse=none membrane=leaky fire=multi reset=subtract timing=same";

/// The same instruction set on every machine that has it; the counter does not know the wider ones.
fn level() -> Result<(&'static str, fearless_simd::Level)> {
    levels().into_iter().find(|(name, _)| *name != "avx512").ok_or_else(|| Error::value("no instruction set that the gate can count"))
}

/// Numbers between 0 and 1 without a pattern that a tile would see.
fn noise<E: Elem>(count: usize) -> Vec<E> {
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        f64::from(u32::try_from(seed >> 40).unwrap_or(0)) / f64::from(1_u32 << 24)
    };
    (0..count).map(|_| E::from_f64(next())).collect()
}

/// One value for each coefficient of the neuron.
fn coefficients<E: Elem>(neuron: &Neuron) -> Vec<E> {
    let value = |name| match name {
        "alpha" => 0.8,
        "beta" => 0.95,
        "v_leak" | "bias" => 0.01,
        "gain" => 0.5,
        "v_threshold" => 1.25,
        "refractory" => 2.0,
        "v_min" => -1.0,
        _ => 0.0,
    };
    neuron.coefficients().iter().map(|(_, name)| E::from_f64(value(name))).collect()
}

fn neuron_forward<E: Kernels>(text: &str, packed: bool, repeats: usize) -> Result<()> {
    let neuron = Neuron::parse(text)?;
    let (x, values) = (noise::<E>(SHAPE.elements()?), coefficients::<E>(&neuron));
    let mut state = vec![E::ZERO; neuron.states().len() * SHAPE.outer * SHAPE.inner];
    let mut out = vec![E::ZERO; SHAPE.elements()?];
    let mut bits = vec![0; SHAPE.outer * SHAPE.time * SHAPE.inner.div_ceil(64)];
    for _ in 0..repeats {
        let job = Forward {
            neuron,
            level: level()?.1,
            shape: SHAPE,
            x: &x,
            coefficients: Table { values: &values, period: 1 },
            state: &mut state,
            output: if packed { Output::Packed(&mut bits) } else { Output::Dense(&mut out) },
            record: Vec::new(),
            picked: None,
            recurrent: None,
            group: None,
            checkpoints: None,
        };
        E::forward(&Context::serial(), job)?;
    }
    Ok(())
}

fn neuron_backward<E: Kernels>(text: &str, repeats: usize) -> Result<()> {
    let neuron = Neuron::parse(text)?;
    let (x, values) = (noise::<E>(SHAPE.elements()?), coefficients::<E>(&neuron));
    let kept = neuron.states().len() * SHAPE.outer * SHAPE.inner;
    let checkpoints = noise::<E>(SHAPE.time.div_ceil(EVERY) * kept);
    let gradient = noise::<E>(SHAPE.elements()?);
    let (mut grad_state, mut grad_x) = (vec![E::ZERO; kept], vec![E::ZERO; x.len()]);
    for _ in 0..repeats {
        let job = Backward {
            neuron,
            convention: Convention {
                slopes: Surrogate::named("atan", &[1.0, std::f64::consts::PI])?,
                detach: Detach { reset: true, ..Detach::default() },
            },
            level: level()?.1,
            shape: SHAPE,
            x: &x,
            coefficients: Table { values: &values, period: 1 },
            every: EVERY,
            checkpoints: &checkpoints,
            recurrent: None,
            group: None,
            grad_recurrent: None,
            grad_output: Some(&gradient),
            grad_record: Vec::new(),
            grad_state: &mut grad_state,
            grad_x: &mut grad_x,
            wanted: neuron.coefficients().iter().map(|(which, _)| *which).take(1).collect(),
        };
        E::backward(&Context::serial(), job)?;
    }
    Ok(())
}

fn fully_connected(repeats: usize) -> Result<()> {
    let shape = (100, 133, 77);
    let (x, weight) = (noise::<f32>(shape.0 * shape.1), noise::<f32>(shape.2 * shape.1));
    let mut out = vec![0.0; shape.0 * shape.2];
    for _ in 0..repeats {
        linear(&Context::serial(), level()?.1, &Rows::Dense(&x), &weight, None, &mut out, shape, (Path::Dense, None))?;
    }
    Ok(())
}

fn convolution(repeats: usize) -> Result<()> {
    let conv = Conv2d { images: 8, channels: 5, outputs: 19, size: (17, 13), kernel: (3, 3), stride: (1, 1), padding: (1, 1) };
    let (height, width) = conv.output_size()?;
    let x = noise::<f32>(conv.images * conv.channels * conv.size.0 * conv.size.1);
    let weight = noise::<f32>(conv.outputs * conv.channels * conv.kernel.0 * conv.kernel.1);
    let mut out = vec![0.0; conv.images * conv.outputs * height * width];
    for _ in 0..repeats {
        conv2d(&Context::serial(), level()?.1, &x, &weight, None, &mut out, &conv, (Path::Dense, None))?;
    }
    Ok(())
}

fn core_of_a_chip(repeats: usize) -> Result<()> {
    const STEPS: usize = 20;
    let geometry = Geometry { channels: 5, input: [17, 13], features: 19, kernel: [3, 3], stride: [1, 1], padding: [1, 1] };
    let events: Vec<i32> = noise::<f32>(STEPS * geometry.inputs()).into_iter().map(|value| i32::from(value < 0.1)).collect();
    let weight: Vec<i64> = (0..19 * 5 * 9).map(|k| (k * 37) % 255 - 127).collect();
    let neuron = neuron::Neuron::parse("fire=multi reset=subtract compare=at_least v=32,saturate watch=16")?;
    let coefficients = chip_scan::Coefficients { table: &[0, 300, 0, 0, 0, 0, 0, 0], repeat: 1 };
    let mut state = vec![0; geometry.outputs()];
    let mut spikes = vec![0; STEPS * geometry.outputs()];
    for _ in 0..repeats {
        let outputs = Outputs { spikes: &mut spikes, pooled: None, traces: Vec::new() };
        layer(
            &Context::serial(),
            level()?.1,
            &neuron,
            geometry,
            events.as_slice().into(),
            1,
            &weight,
            coefficients,
            1,
            chip_scan::State::membranes(&mut state),
            outputs,
            0,
        )?;
    }
    Ok(())
}

/// A name and what it runs, so many times.
type Work = (&'static str, fn(usize) -> Result<()>);

const WORK: &[Work] = &[
    ("lif_forward_f32", |n| neuron_forward::<f32>(LIF, false, n)),
    ("lif_forward_f64", |n| neuron_forward::<f64>(LIF, false, n)),
    ("lif_forward_packed_f32", |n| neuron_forward::<f32>(LIF, true, n)),
    ("cuba_forward_f32", |n| neuron_forward::<f32>(CUBA, false, n)),
    ("iaf_forward_f32", |n| neuron_forward::<f32>(IAF, false, n)),
    ("rare_forward_f32", |n| neuron_forward::<f32>(RARE, false, n)),
    ("lif_backward_f32", |n| neuron_backward::<f32>(LIF, n)),
    ("cuba_backward_f64", |n| neuron_backward::<f64>(CUBA, n)),
    ("linear_f32", fully_connected),
    ("conv2d_f32", convolution),
    ("dynapcnn_layer", core_of_a_chip),
];

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, repeats] = arguments.as_slice() else {
        println!("{}", level()?.0);
        for (name, _) in WORK {
            println!("{name}");
        }
        return Ok(());
    };
    let (_, work) = WORK.iter().find(|(known, _)| known == name).ok_or_else(|| format!("{name}: no such work"))?;
    work(repeats.parse()?)?;
    Ok(())
}
