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

use crate::fire::fire_one;
use crate::lanes::{Lanes, Vector};
use crate::neuron::{Decay, Neuron};
use crate::recurrent::by_sample;
use crate::rows::{Extent, Flow, Lined, Rows, RunWord, WIDTH, padded};
use crate::step::decay;
use crate::synapse::{Active, Synapses};
use crate::word::{Integers, Number, of_each};
use rsnn_base::elem::on_level;
use rsnn_base::error::{Error, Result};
use rsnn_base::pool::{Context, Stop, for_each};
use rsnn_base::raw::Ahead;

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

/// A population ready to run; rows are padded, currents synapse by synapse.
#[derive(Clone, Debug)]
struct Neurons {
    line: Neuron,
    count: usize,
    rows: Rows<i32>,
    isyn: Lined<i32>,
    /// The largest absolute current that there can be.
    reached: u64,
    dash_syn: Lined<i32>,
    /// What reaches the membranes.
    drive: Lined<i32>,
    s: Lined<i32>,
    /// Membranes before they fired, where aliases need them.
    u: Lined<i32>,
}

impl Neurons {
    fn new(version: usize, most: i32, p: &Population<'_>, aliased: bool) -> Result<Self> {
        let line = Neuron::parse(&format!("{} most={most}", LINES[version - 1]))?;
        let count = p.threshold.len();
        let rows = Rows {
            v: Lined::zeros(count.next_multiple_of(WIDTH)),
            bias: padded(p.bias, 0),
            v_threshold: padded(p.threshold, 1),
            low_thresholds: p.threshold.iter().any(|&threshold| threshold < 1),
            decay_v: padded(p.dash_mem, 0),
            ..Rows::default()
        };
        let row = rows.v.clone();
        let pitch = row.len();
        let mut dash_syn = Lined::zeros(p.dash_syn.len().checked_div(count).unwrap_or(0) * pitch);
        for (to, dash) in dash_syn.chunks_mut(pitch.max(1)).zip(p.dash_syn.chunks(count.max(1))) {
            to.copy_from_slice(&padded(dash, 0));
        }
        let u = if aliased { row.clone() } else { Lined::default() };
        Ok(Self { line, count, rows, isyn: Lined::zeros(dash_syn.len()), reached: 0, dash_syn, drive: row.clone(), s: row, u })
    }

    /// Add what sources send to the currents, spike by spike, saturating; returns how many weights were added.
    fn receive(&mut self, level: Level, synapses: &Synapses<i32>, active: &Active<i32>) -> u64 {
        // Where no sum on the way can leave its bits, saturating is adding.
        let (reach, operations) = synapses.reach(active);
        self.reached = self.reached.saturating_add(reach);
        if self.reached <= u64::from(HIGH.unsigned_abs()) {
            synapses.total(level, active, &mut self.isyn);
        } else {
            synapses.saturating(level, active, LOW, HIGH, &mut self.isyn);
        }
        operations
    }

    /// Let the currents decay, add them up, and fire.
    fn step(&mut self, level: Level) -> Extent {
        if self.count == 0 {
            return Extent::default();
        }
        on_level!(level, simd => self.reached = currents::<Vector<i32, _>>(simd, &mut self.isyn, &self.dash_syn, &mut self.drive));
        let traces = [&mut [] as &mut [i32], &mut self.u, &mut []];
        let mut flow = Flow {
            steps: 1,
            lanes: self.rows.v.len(),
            x: &self.drive,
            s: &mut self.s,
            traces,
            restarts: 0,
            calm: false,
            ahead: Ahead::NONE,
        };
        i32::run(level, &self.line, &mut self.rows, &mut flow).0
    }

    /// The rows that are arrays of a caller, and where they lie here: stretches of `count`.
    fn stretches<'a>(&self, row: &'a [i32]) -> impl Iterator<Item = &'a [i32]> {
        let count = self.count;
        row.chunks(self.rows.v.len().max(1)).map(move |row| &row[..count])
    }

    /// Copy a padded row out.
    fn give(&self, row: &[i32], out: &mut [i32]) {
        out.chunks_mut(self.count.max(1)).zip(self.stretches(row)).for_each(|(out, row)| out.copy_from_slice(row));
    }

    /// Take over currents and membranes.
    fn take(&mut self, isyn: &[i32], v: &[i32]) {
        let (count, pitch) = (self.count.max(1), self.rows.v.len().max(1));
        self.isyn.chunks_mut(pitch).zip(isyn.chunks(count)).for_each(|(row, isyn)| row[..count].copy_from_slice(isyn));
        self.rows.v[..v.len()].copy_from_slice(v);
        self.reached = isyn.iter().map(|i| u64::from(i.unsigned_abs())).max().unwrap_or(0);
    }
}

/// Currents after their decay, and their sums; gives the largest absolute current.
#[inline(always)]
fn currents<L: Lanes<Word = i32>>(token: L::Token, isyn: &mut [i32], dash: &[i32], sums: &mut [i32]) -> u64 {
    let pitch = sums.len();
    let (mut low, mut high) = (L::of(token, 0), L::of(token, 0));
    for from in (0..pitch).step_by(L::LEN) {
        let mut sum = L::splat(token, 0);
        for at in (from..isyn.len()).step_by(pitch) {
            let [i] = decay(token, Decay::Shift, [L::load(token, &isyn[at..])], &[L::load(token, &dash[at..])]);
            i.store(&mut isyn[at..]);
            (low, high) = (low.min(i), high.max(i));
            sum = sum.add(i);
        }
        sum.store(&mut sums[from..]);
    }
    u64::from(high.fold(Ord::max).unsigned_abs().max(low.fold(Ord::min).unsigned_abs()))
}

/// Add the spikes of aliased neurons to their targets, in ascending order; a target above its source fires anew, having fired already.
fn pass_on(alias: &[i64], hidden: &mut Neurons, given: &mut [i32]) {
    let (rows, s) = (&mut hidden.rows, &mut hidden.s);
    for source in 0..alias.len() {
        if given[source] > 0 {
            let (n, v) = fire_one(hidden.u[source], rows.v_threshold[source], 0, given[source], MOST_HIDDEN, BITS);
            (s[source], rows.v[source], given[source]) = (n, v, 0);
        }
        let Ok(target) = usize::try_from(alias[source]) else { continue };
        let n = s[source];
        let total = if target > source { &mut given[target] } else { &mut s[target] };
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
}

/// A core with its weights laid out for events: made once, run as often as is wanted.
#[derive(Debug)]
pub struct Wired {
    sizes: Sizes,
    w_in: Synapses<i32>,
    w_rec: Synapses<i32>,
    w_out: Synapses<i32>,
    hidden: Neurons,
    output: Neurons,
    /// Empty where there is none.
    alias: Vec<i64>,
}

impl Wired {
    /// Check a description and lay it out.
    pub fn new(core: &Core<'_>) -> Result<Self> {
        core.check()?;
        let Sizes { hidden, synapses, outputs, .. } = core.sizes;
        let aliased = core.alias.iter().any(|&target| target >= 0);
        let pitch = |count: usize| (count.max(1), count.next_multiple_of(WIDTH));
        let effective = |weights: &[i64], shift: u32, targets: usize, apart: (usize, usize)| {
            let spare = i64::BITS - BITS;
            Synapses::<i32>::apart(weights, targets, apart, |w| (w << (spare + shift)) >> spare)
        };
        Ok(Self {
            sizes: core.sizes,
            w_in: effective(core.w_in, core.shifts[0], synapses * hidden, pitch(hidden)),
            w_rec: effective(core.w_rec, core.shifts[1], synapses * hidden, pitch(hidden)),
            w_out: effective(core.w_out, core.shifts[2], outputs, pitch(outputs)),
            hidden: Neurons::new(core.version, MOST_HIDDEN, &core.hidden, aliased)?,
            output: Neurons::new(core.version, 1, &core.output, false)?,
            alias: if aliased { core.alias.to_vec() } else { Vec::new() },
        })
    }

    /// Sizes of the core.
    #[must_use]
    pub fn sizes(&self) -> Sizes {
        self.sizes
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
    pub fn run(
        &self,
        context: &Context<'_>,
        level: Level,
        raster: Integers<'_>,
        batch: usize,
        steps: usize,
        arrays: Arrays<'_>,
    ) -> Result<Stats> {
        of_each!(raster, raster => self.generic(context, level, raster, batch, steps, arrays))
    }

    fn generic<X: Number>(
        &self,
        context: &Context<'_>,
        level: Level,
        raster: &[X],
        batch: usize,
        steps: usize,
        arrays: Arrays<'_>,
    ) -> Result<Stats> {
        self.check_arrays(raster, batch, steps, &arrays)?;
        let inputs = self.sizes.inputs;
        let total = Mutex::new(Stats::default());
        let samples = arrays.samples(batch, self.entries()).into_iter().enumerate().collect();
        for_each(context, samples, |(k, sample), stop| {
            let row = |t: usize| &raster[(t * batch + k) * inputs..][..inputs];
            let stats = self.sample(level, row, steps, sample, stop);
            let mut total = total.lock().unwrap_or_else(PoisonError::into_inner);
            total.hidden.join(&stats.hidden);
            total.output.join(&stats.output);
            total.operations += stats.operations;
        })?;
        Ok(total.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    fn sample<'x, X: Number + 'x>(
        &self,
        level: Level,
        raster: impl Fn(usize) -> &'x [X],
        steps: usize,
        mut sample: Sample<'_>,
        stop: &Stop<'_>,
    ) -> Stats {
        let (mut hidden, mut output) = (self.hidden.clone(), self.output.clone());
        hidden.take(sample.state[0], sample.state[1]);
        output.take(sample.state[2], sample.state[3]);
        let count = self.sizes.hidden;
        hidden.s[..count].copy_from_slice(sample.state[4]);
        let mut active = Active::default();
        let mut given = vec![0; self.alias.len()];
        let mut stats = Stats::default();
        for t in 0..steps {
            if t % PAUSE == 0 && stop.now() {
                break;
            }
            active.find(level, raster(t), MOST_INPUT);
            stats.operations += hidden.receive(level, &self.w_in, &active);
            active.find(level, &hidden.s, i64::from(MOST_HIDDEN));
            stats.operations += hidden.receive(level, &self.w_rec, &active);
            stats.operations += output.receive(level, &self.w_out, &active);
            let mut extent = hidden.step(level);
            stats.output.join(&output.step(level));
            if !self.alias.is_empty() {
                pass_on(&self.alias, &mut hidden, &mut given);
                extent.spikes = hidden.s.iter().map(|&s| i128::from(s)).sum();
                extent.fired = hidden.s.iter().map(|&s| u64::from(s != 0)).sum();
            }
            stats.hidden.join(&extent);
            let after = [(&hidden, &hidden.isyn), (&hidden, &hidden.rows.v), (&output, &output.isyn), (&output, &output.rows.v)];
            for (out, (neurons, row)) in sample.record.iter_mut().zip(after).filter(|(out, _)| !out.is_empty()) {
                neurons.give(row, out[t]);
            }
            for (out, neurons) in sample.spikes.iter_mut().zip([&hidden, &output]).filter(|(out, _)| !out.is_empty()) {
                neurons.give(&neurons.s, out[t]);
            }
        }
        let after =
            [(&hidden, &hidden.isyn), (&hidden, &hidden.rows.v), (&output, &output.isyn), (&output, &output.rows.v), (&hidden, &hidden.s)];
        for (state, (neurons, row)) in sample.state.iter_mut().zip(after) {
            neurons.give(row, state);
        }
        stats
    }
}
