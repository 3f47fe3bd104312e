//! The layers with weights: of each, both ways to compute it, which give the same bits.

use fearless_simd::Level;

use super::signal::{Signal, count};
use rsnn_base::elem::Elem;
use rsnn_base::error::{Error, Result};
use rsnn_base::pool::Stop;
use rsnn_neurons::scan::visit::{Feed, PADDING, is_whole};
use rsnn_products::event::conv::{Scatter, WHOLE};
use rsnn_products::event::gather::Gather;
use rsnn_products::event::{Event, Path, Touched};
use rsnn_products::product::gemm::{Right, Target, multiply, panel_width};
use rsnn_products::product::{Conv2d, Raster, finite, length};

/// From this part of inputs that are not 0 on, the dense product is faster (measured: `benchmarks/inference.py`).
const LINEAR_DENSE: f64 = 0.3;
/// The same of a convolution.
const CONV_DENSE: f64 = 0.3;

/// A layer with weights.
pub struct Product<E> {
    kind: Kind<E>,
    /// Added last, for each output, padded as rows of inputs of neurons are; none where all are 0.
    pub bias: Option<Vec<E>>,
    /// Inputs of a sample.
    pub inputs: usize,
    /// Outputs of a sample.
    pub outputs: usize,
}

#[allow(clippy::large_enum_variant, reason = "a network has few layers")]
enum Kind<E> {
    Linear(Linear<E>),
    Conv(Conv<E>),
}

struct Linear<E> {
    gather: Gather<E>,
    /// Rows of a sample: the layer acts on its last axis.
    rows: usize,
    inputs: usize,
    outputs: usize,
    /// Where each input's weights begin.
    offsets: Vec<usize>,
}

struct Conv<E> {
    scatter: Scatter<E>,
    raster: Raster<E>,
    channels: usize,
    output: (usize, usize),
    outputs: usize,
}

/// Memory of a product, for one sample.
#[derive(Clone, Debug, Default)]
pub struct Desk<E> {
    frame: Vec<E>,
    row: Vec<E>,
}

impl<E: Elem> Product<E> {
    /// Every input to every output, for each of `rows` rows of a sample; the weight is (outputs, inputs).
    pub fn linear(level: Level, rows: usize, weight: &[E], bias: Option<&[E]>, (outputs, inputs): (usize, usize)) -> Result<Self> {
        length("weight", weight, &[outputs, inputs])?;
        let bias = checked(weight, bias, outputs)?.map(|bias| repeated(bias, rows));
        let gather = Gather::new(weight, (outputs, inputs), panel_width::<E>(level));
        let offsets = (0..inputs).map(|i| i * gather.pitch).collect();
        let linear = Linear { gather, rows, inputs, outputs, offsets };
        Ok(Self { kind: Kind::Linear(linear), bias, inputs: rows * inputs, outputs: rows * outputs })
    }

    /// A convolution of one image in raster order; the weight is (outputs, channels, kernel rows, kernel columns).
    pub fn conv2d(conv: &Conv2d, weight: &[E], bias: Option<&[E]>) -> Result<Self> {
        length("weight", weight, &[conv.outputs, conv.channels, conv.kernel.0, conv.kernel.1])?;
        let output = conv.output_size()?;
        let pixels = output.0 * output.1;
        let bias = checked(weight, bias, conv.outputs)?.map(|bias| repeated(bias, pixels));
        let (scatter, raster) = (Scatter::new(conv, weight)?, Raster::new(conv, weight)?);
        let inputs = conv.channels * conv.size.0 * conv.size.1;
        let kind = Kind::Conv(Conv { scatter, raster, channels: conv.channels, output, outputs: conv.outputs });
        Ok(Self { kind, bias, inputs, outputs: pixels * conv.outputs })
    }

    /// The pixels that its events mark, all of them touched.
    #[must_use]
    pub fn touched(&self) -> Touched {
        match &self.kind {
            Kind::Linear(linear) => Touched::all(1, linear.rows, linear.outputs),
            Kind::Conv(conv) => Touched::all(conv.output.0, conv.output.1, conv.outputs),
        }
    }

    /// Steps that the dense way computes together.
    #[must_use]
    pub fn together(&self) -> usize {
        if matches!(self.kind, Kind::Linear(_)) { usize::MAX } else { 1 }
    }

    /// Whether the dense way is taken for a block of inputs.
    #[must_use]
    pub fn is_dense(&self, level: Level, path: Path, x: &Signal<E>) -> bool {
        let most = if matches!(self.kind, Kind::Linear(_)) { LINEAR_DENSE } else { CONV_DENSE };
        match path {
            Path::Event => false,
            Path::Dense => true,
            Path::Auto => x.count(level) as f64 > most * (x.len * x.steps) as f64,
        }
    }

    /// Begin to add a step of events, where that is done row by row: of a convolution.
    #[must_use]
    pub fn rows<'a>(&'a self, events: &'a [Event<E>]) -> Option<Feed<'a, E>> {
        let Kind::Conv(conv) = &self.kind else { return None };
        let row = conv.output.1 * conv.outputs;
        let held = if is_whole::<E>(row) { conv.scatter.held() } else { WHOLE };
        Some(Feed { events: conv.scatter.begin(events, held), row })
    }

    /// Sums that a step of events needs.
    #[must_use]
    pub fn sums(&self) -> usize {
        match &self.kind {
            Kind::Conv(conv) if is_whole::<E>(conv.output.1 * conv.outputs) => conv.scatter.held() * conv.output.1 * conv.outputs,
            _ => self.outputs.next_multiple_of(PADDING),
        }
    }

    /// Add a step of events to `sums`, which is 0 there, and mark what they reach; gives the synaptic operations.
    pub fn follow(&self, level: Level, events: &[Event<E>], sums: &mut [E], mut touched: Option<&mut Touched>, desk: &mut Desk<E>) -> u64 {
        let linear = match &self.kind {
            Kind::Conv(conv) => return conv.scatter.add(level, events, sums),
            Kind::Linear(linear) => linear,
        };
        let mut left = events;
        while let Some(event) = left.first() {
            let row = event.at as usize / linear.inputs;
            let first = row * linear.inputs;
            let (now, later) = left.split_at(left.partition_point(|event| (event.at as usize) < first + linear.inputs));
            left = later;
            if let Some(touched) = touched.as_deref_mut() {
                touched.mark(0, row, 1);
            }
            if linear.rows == 1 && sums.len() >= linear.gather.pitch {
                linear.gather.sum(level, now, first, &mut sums[..linear.gather.pitch]);
            } else {
                desk.row.resize(linear.gather.pitch, E::ZERO);
                linear.gather.sum(level, now, first, &mut desk.row);
                sums[row * linear.outputs..][..linear.outputs].copy_from_slice(&desk.row[..linear.outputs]);
            }
        }
        events.len() as u64 * linear.outputs as u64
    }

    /// Write the sums of some steps, all inputs multiplied, to rows of `pitch` entries.
    pub fn multiply(&self, level: Level, x: &[E], sums: &mut [E], pitch: usize, desk: &mut Desk<E>, stop: &Stop<'_>) {
        match &self.kind {
            Kind::Conv(conv) => {
                for (x, sums) in x.chunks_exact(self.inputs.max(1)).zip(sums.chunks_exact_mut(pitch.max(1))) {
                    conv.raster.run(level, x, &mut desk.frame, &mut sums[..self.outputs]);
                }
                if self.inputs == 0 {
                    sums.fill(E::ZERO);
                }
            }
            Kind::Linear(linear) => {
                let right = Right { values: &linear.gather.weight, offsets: &linear.offsets, advance: panel_width::<E>(level) };
                if linear.rows == 1 {
                    multiply(level, x, &right, Target { values: sums, stride: pitch, columns: 0..linear.outputs }, stop);
                    return;
                }
                let one = linear.rows * linear.inputs;
                for (t, sums) in sums.chunks_exact_mut(pitch.max(1)).enumerate() {
                    let target = Target { values: &mut sums[..self.outputs], stride: linear.outputs, columns: 0..linear.outputs };
                    if self.outputs > 0 {
                        multiply(level, &x[t * one..(t + 1) * one], &right, target, stop);
                    }
                }
            }
        }
    }

    /// The synaptic operations of a block: what is not 0, once for each output it reaches.
    #[must_use]
    pub fn operations(&self, level: Level, x: &Signal<E>) -> u64 {
        match &self.kind {
            Kind::Linear(linear) => x.count(level) as u64 * linear.outputs as u64,
            Kind::Conv(conv) if x.is_listed() => {
                x.all_events().iter().map(|event| conv.scatter.fan_out(event.at as usize / conv.channels)).sum()
            }
            Kind::Conv(conv) => {
                let pixels = self.inputs / conv.channels.max(1);
                let of_pixel = |(pixel, values): (usize, &[E])| count(level, values) as u64 * conv.scatter.fan_out(pixel % pixels);
                x.rows().chunks_exact(conv.channels.max(1)).enumerate().map(of_pixel).sum()
            }
        }
    }
}

fn repeated<E: Elem>(bias: &[E], times: usize) -> Vec<E> {
    let mut all = bias.repeat(times);
    all.resize(all.len().next_multiple_of(PADDING), E::ZERO);
    all
}

/// The bias, where it changes anything; weights and bias have to be finite.
fn checked<'a, E: Elem>(weight: &[E], bias: Option<&'a [E]>, outputs: usize) -> Result<Option<&'a [E]>> {
    finite("weight", weight)?;
    let Some(bias) = bias else { return Ok(None) };
    if bias.len() != outputs {
        return Err(Error::value(format!("bias has {} entries; the weight has {outputs} outputs", bias.len())));
    }
    finite("bias", bias)?;
    Ok(bias.iter().any(|b| *b != E::ZERO).then_some(bias))
}
