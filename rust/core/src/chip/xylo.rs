//! Xylo: input, recurrent and output synapses that saturate spike by spike, hidden neurons with aliases, output neurons.
//!
//! ```text
//! isyn[k] = sat(isyn[k] + w)                     for each spike, sources ascending: input first, then the last step's hidden spikes;
//!                                                w = wrap(weight << shift); of a source at most 15 input spikes, 31 hidden ones count
//! isyn_out = sat(isyn_out + w_out)               the same, of the last step's hidden spikes
//! isyn[k] = isyn[k] decayed by dash_syn[k]       a shift of at least 1, before it is used
//! hidden  = the neuron of the version            of the sum over k of isyn[k]; at most 31 spikes a step
//! alias   a neuron's spikes are added to another's, 31 at most: to a higher one before it fires, to a lower one after
//! output  the same neuron, one spike a step
//! ```
//! All states have 16 bits. Samples do not meet: a task is one of them.

use std::sync::{Mutex, PoisonError};

use fearless_simd::Level;

use crate::chip::fire::fire_one;
use crate::chip::neuron::{Decay, Neuron};
use crate::chip::recurrent::by_sample;
use crate::chip::step::{Extent, Rows, decay, evolve};
use crate::chip::synapse::{Active, Synapses};
use crate::chip::word::Number;
use crate::elem::on_level;
use crate::error::{Error, Result};
use crate::pool::{Context, Stop, for_each};

const BITS: u32 = 16;
const MOST_INPUT: i64 = 15;
const MOST_HIDDEN: i32 = 31;
/// Steps between two questions whether to stop.
const PAUSE: usize = 64;
const LOW: i32 = i16::MIN as i32;
const HIGH: i32 = i16::MAX as i32;

/// The neuron of a version, as a line of knobs; hidden neurons of version 1 have no bias.
const LINES: [&str; 2] = ["v=16,saturate,shift,before reset=subtract", "v=16,saturate,shift,before change reset=subtract"];

/// Sizes of a core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Input channels.
    pub inputs: usize,
    /// Hidden neurons.
    pub hidden: usize,
    /// Synapses of a hidden neuron.
    pub synapses: usize,
    /// Output neurons.
    pub outputs: usize,
}

/// A population: decays and thresholds, one for each neuron.
#[derive(Clone, Copy, Debug)]
pub struct Population<'a> {
    /// Shifts of the currents, synapse by synapse.
    pub dash_syn: &'a [i64],
    /// Shifts of the membranes.
    pub dash_mem: &'a [i64],
    /// Thresholds.
    pub threshold: &'a [i64],
    /// Biases.
    pub bias: &'a [i64],
}

/// A core as it is described: weights `(source, synapse, target)`.
#[derive(Clone, Copy, Debug)]
pub struct Core<'a> {
    /// Sizes.
    pub sizes: Sizes,
    /// 1 or 2.
    pub version: usize,
    /// From the input.
    pub w_in: &'a [i64],
    /// Between hidden neurons.
    pub w_rec: &'a [i64],
    /// To the output.
    pub w_out: &'a [i64],
    /// Shifts of the three weights.
    pub shifts: [u32; 3],
    /// Hidden neurons.
    pub hidden: Population<'a>,
    /// Output neurons.
    pub output: Population<'a>,
    /// For each hidden neuron, the one that its spikes are added to, or -1.
    pub alias: &'a [i64],
}

/// Arrays of a run, sample after sample; `None` for what is not recorded.
#[derive(Debug)]
pub struct Arrays<'a> {
    /// States that come in and go out: currents `(synapse, hidden)`, membranes, currents and membranes of the outputs, last spikes.
    pub state: [&'a mut [i32]; 5],
    /// Spikes of hidden and output neurons, `(T, batch, n)`.
    pub spikes: [&'a mut [i32]; 2],
    /// The first four states after each step, `(T, batch, ...)`.
    pub record: [Option<&'a mut [i32]>; 4],
}

/// The same of one sample: rows by step.
struct Sample<'a> {
    state: [&'a mut [i32]; 5],
    spikes: [Vec<&'a mut [i32]>; 2],
    record: [Vec<&'a mut [i32]>; 4],
}

impl<'a> Arrays<'a> {
    /// Cut into samples; `sizes` are the entries of the states.
    fn samples(self, batch: usize, sizes: [usize; 5]) -> Vec<Sample<'a>> {
        let mut k = 0;
        let mut states = self.state.map(|state| {
            let n = sizes[k];
            k += 1;
            let mut rows: Vec<&mut [i32]> =
                if n == 0 { (0..batch).map(|_| Default::default()).collect() } else { state.chunks_mut(n).collect() };
            rows.reverse();
            rows
        });
        let [hidden, out] = self.spikes;
        let mut spikes = [by_sample(hidden, batch, sizes[1]), by_sample(out, batch, sizes[2])];
        let mut k = 0;
        let mut record = self.record.map(|out| {
            k += 1;
            by_sample(out.unwrap_or_default(), batch, sizes[k - 1])
        });
        (0..batch)
            .map(|sample| Sample {
                state: states.each_mut().map(|rows| rows.pop().unwrap_or_default()),
                spikes: spikes.each_mut().map(|rows| std::mem::take(&mut rows[sample])),
                record: record.each_mut().map(|rows| std::mem::take(&mut rows[sample])),
            })
            .collect()
    }
}

/// What a run did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Of the hidden membranes.
    pub hidden: Extent,
    /// Of the output membranes.
    pub output: Extent,
    /// Additions of a weight to a current, one for each spike.
    pub operations: u64,
}

/// A population ready to run.
#[derive(Clone)]
struct Neurons {
    line: Neuron,
    rows: Rows<i32>,
    isyn: Vec<i32>,
    dash_syn: Vec<i32>,
}

impl Neurons {
    fn new(version: usize, most: i32, p: &Population<'_>) -> Result<Self> {
        let line = Neuron::parse(&format!("{} most={most}", LINES[version - 1]))?;
        let narrow = |values: &[i64]| values.iter().map(|&value| i32::narrow(value)).collect::<Vec<i32>>();
        let n = p.threshold.len();
        let rows = Rows {
            u: vec![0; n],
            s: vec![0; n],
            v: vec![0; n],
            bias: narrow(p.bias),
            v_threshold: narrow(p.threshold),
            low_thresholds: p.threshold.iter().any(|&threshold| threshold < 1),
            decay_v: narrow(p.dash_mem),
            ..Rows::default()
        };
        Ok(Self { line, rows, isyn: vec![0; p.dash_syn.len()], dash_syn: narrow(p.dash_syn) })
    }

    /// Let the currents decay, add them up, and fire.
    fn step(&mut self, level: Level) -> Extent {
        on_level!(level, simd => {
            let _ = simd;
            decay(Decay::Shift, &mut self.isyn, &self.dash_syn);
            self.rows.u.fill(0);
            for current in self.isyn.chunks(self.rows.u.len().max(1)) {
                self.rows.u.iter_mut().zip(current).for_each(|(u, &i)| *u += i);
            }
        });
        evolve(level, &self.line, &mut self.rows).0
    }
}

/// Add the spikes of aliased neurons to their targets, in ascending order; a target above its source fires anew, having fired already.
fn pass_on(alias: &[i64], rows: &mut Rows<i32>, given: &mut [i32]) {
    for source in 0..alias.len() {
        if given[source] > 0 {
            let (n, v) = fire_one(rows.u[source], rows.v_threshold[source], 0, given[source], MOST_HIDDEN, BITS);
            (rows.s[source], rows.v[source], given[source]) = (n, v, 0);
        }
        let Ok(target) = usize::try_from(alias[source]) else { continue };
        let n = rows.s[source];
        let total = if target > source { &mut given[target] } else { &mut rows.s[target] };
        *total = (*total + n).min(MOST_HIDDEN);
    }
}

impl Core<'_> {
    fn check(&self) -> Result<()> {
        let Sizes { inputs, hidden, synapses, outputs } = self.sizes;
        let lengths = [
            ("w_in", self.w_in.len(), inputs * synapses * hidden),
            ("w_rec", self.w_rec.len(), hidden * synapses * hidden),
            ("w_out", self.w_out.len(), hidden * outputs),
            ("dash_syn", self.hidden.dash_syn.len(), synapses * hidden),
            ("dash_mem", self.hidden.dash_mem.len(), hidden),
            ("threshold", self.hidden.threshold.len(), hidden),
            ("bias", self.hidden.bias.len(), hidden),
            ("dash_syn_out", self.output.dash_syn.len(), outputs),
            ("dash_mem_out", self.output.dash_mem.len(), outputs),
            ("threshold_out", self.output.threshold.len(), outputs),
            ("bias_out", self.output.bias.len(), outputs),
            ("alias", self.alias.len(), hidden),
        ];
        if let Some((name, came, needed)) = lengths.into_iter().find(|(_, came, needed)| came != needed) {
            return Err(Error::value(format!("{name}: {came} entries came, {needed} are needed")));
        }
        if !(1..=2).contains(&self.version) || self.shifts.iter().any(|&shift| shift > 15) {
            return Err(Error::value(format!("version {} and shifts {:?}: must be 1 or 2, and at most 15", self.version, self.shifts)));
        }
        let wide = [self.w_in, self.w_rec, self.w_out, self.hidden.threshold, self.hidden.bias, self.output.threshold, self.output.bias];
        if !wide.into_iter().all(|values| values.iter().all(|&value| i16::try_from(value).is_ok())) {
            return Err(Error::value("weights, thresholds and biases must fit 16 bits"));
        }
        let dashes = [self.hidden.dash_syn, self.hidden.dash_mem, self.output.dash_syn, self.output.dash_mem];
        if dashes.into_iter().flatten().any(|dash| !(0..=15).contains(dash)) {
            return Err(Error::value("dashes must be from 0 to 15"));
        }
        if self.alias.iter().any(|&target| target < -1 || target >= i64::try_from(hidden).unwrap_or(i64::MAX)) {
            return Err(Error::value("alias: must be -1 or a hidden neuron"));
        }
        Ok(())
    }

    /// Entries of the states of a sample.
    fn entries(&self) -> [usize; 5] {
        let Sizes { hidden, synapses, outputs, .. } = self.sizes;
        [synapses * hidden, hidden, outputs, outputs, hidden]
    }

    fn check_arrays<X: Number>(&self, raster: &[X], batch: usize, steps: usize, arrays: &Arrays<'_>) -> Result<()> {
        let (entries, rows) = (self.entries(), steps * batch);
        let wrong = arrays.state.iter().zip(entries).any(|(state, n)| state.len() != batch * n)
            || arrays.spikes.iter().zip([entries[1], entries[2]]).any(|(out, n)| out.len() != rows * n)
            || arrays.record.iter().zip(entries).any(|(out, n)| out.as_ref().is_some_and(|out| out.len() != rows * n))
            || raster.len() != rows * self.sizes.inputs;
        if wrong {
            return Err(Error::value("raster, state, spikes, record: an array does not have the size of the core"));
        }
        if arrays.state.iter().flat_map(|state| state.iter()).any(|&value| !(LOW..=HIGH).contains(&value)) {
            return Err(Error::value("state: must fit 16 bits"));
        }
        if raster.iter().any(|count| count.wide() < 0) {
            return Err(Error::value("raster: counts must not be negative"));
        }
        Ok(())
    }

    /// Run `batch` samples over `raster (T, batch, inputs)`.
    pub fn run<X: Number>(
        &self,
        context: &Context<'_>,
        level: Level,
        raster: &[X],
        batch: usize,
        steps: usize,
        arrays: Arrays<'_>,
    ) -> Result<Stats> {
        self.check()?;
        self.check_arrays(raster, batch, steps, &arrays)?;
        let Sizes { inputs, hidden, synapses, outputs } = self.sizes;
        let effective = |weights: &[i64], shift: u32, targets: usize| {
            let spare = i64::BITS - BITS;
            Synapses::<i32>::new(weights, targets, |w| (w << (spare + shift)) >> spare)
        };
        let wired = Wired {
            core: self,
            w_in: effective(self.w_in, self.shifts[0], synapses * hidden),
            w_rec: effective(self.w_rec, self.shifts[1], synapses * hidden),
            w_out: effective(self.w_out, self.shifts[2], outputs),
            hidden: Neurons::new(self.version, MOST_HIDDEN, &self.hidden)?,
            output: Neurons::new(self.version, 1, &self.output)?,
            aliased: self.alias.iter().any(|&target| target >= 0),
        };
        let total = Mutex::new(Stats::default());
        let samples = arrays.samples(batch, self.entries()).into_iter().enumerate().collect();
        for_each(context, samples, |(k, sample), stop| {
            let row = |t: usize| &raster[(t * batch + k) * inputs..][..inputs];
            let stats = wired.sample(level, row, steps, sample, stop);
            let mut total = total.lock().unwrap_or_else(PoisonError::into_inner);
            total.hidden.join(&stats.hidden);
            total.output.join(&stats.output);
            total.operations += stats.operations;
        })?;
        Ok(total.into_inner().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A core with its weights laid out for events.
struct Wired<'a> {
    core: &'a Core<'a>,
    w_in: Synapses<i32>,
    w_rec: Synapses<i32>,
    w_out: Synapses<i32>,
    hidden: Neurons,
    output: Neurons,
    aliased: bool,
}

impl Wired<'_> {
    fn sample<'x, X: Number + 'x>(
        &self,
        level: Level,
        raster: impl Fn(usize) -> &'x [X],
        steps: usize,
        mut sample: Sample<'_>,
        stop: &Stop<'_>,
    ) -> Stats {
        let (mut hidden, mut output) = (self.hidden.clone(), self.output.clone());
        let mut sent = sample.state[4].to_vec();
        hidden.isyn.copy_from_slice(sample.state[0]);
        hidden.rows.v.copy_from_slice(sample.state[1]);
        output.isyn.copy_from_slice(sample.state[2]);
        output.rows.v.copy_from_slice(sample.state[3]);
        let mut active = Active::default();
        let mut given = vec![0; sent.len()];
        let mut stats = Stats::default();
        for t in 0..steps {
            if t % PAUSE == 0 && stop.now() {
                break;
            }
            active.find(raster(t), MOST_INPUT);
            stats.operations += self.w_in.saturating(level, &active, LOW, HIGH, &mut hidden.isyn);
            active.find(&sent, i64::from(MOST_HIDDEN));
            stats.operations += self.w_rec.saturating(level, &active, LOW, HIGH, &mut hidden.isyn);
            if !output.isyn.is_empty() {
                stats.operations += self.w_out.saturating(level, &active, LOW, HIGH, &mut output.isyn);
            }
            let mut extent = hidden.step(level);
            stats.output.join(&output.step(level));
            if self.aliased {
                pass_on(self.core.alias, &mut hidden.rows, &mut given);
                extent.spikes = hidden.rows.s.iter().map(|&s| i128::from(s)).sum();
                extent.fired = hidden.rows.s.iter().map(|&s| u64::from(s != 0)).sum();
            }
            stats.hidden.join(&extent);
            sent.copy_from_slice(&hidden.rows.s);
            let after = [&hidden.isyn, &hidden.rows.v, &output.isyn, &output.rows.v];
            for (out, values) in sample.record.iter_mut().zip(after).filter(|(out, _)| !out.is_empty()) {
                out[t].copy_from_slice(values);
            }
            for (out, values) in sample.spikes.iter_mut().zip([&hidden.rows.s, &output.rows.s]).filter(|(out, _)| !out.is_empty()) {
                out[t].copy_from_slice(values);
            }
        }
        for (state, values) in sample.state.iter_mut().zip([&hidden.isyn, &hidden.rows.v, &output.isyn, &output.rows.v, &sent]) {
            state.copy_from_slice(values);
        }
        stats
    }
}
