//! The integer neuron of every chip: a row of knobs, one step, one loop.
//!
//! One step of one neuron, exact integers:
//! ```text
//! u = v + x + bias                     counted in `beyond` where it leaves `watch` bits
//! u = overflow(u)                      into `bits` bits: saturate, wrap, or an error
//! s = fire(u)                          multi: how often v_threshold goes into u > 0;  single: 1 where u >= v_threshold, else 0
//!                                      compare "above" fires for u > v_threshold: the same with u - 1
//! v = reset(u, s)                      subtract: u - s v_threshold;  zero: 0 where s != 0;  none: u
//! v = max(v, v_min)                    clip
//! ```
//! Arrays are `(T, lanes)`. Lanes do not meet: a task is a tile of lanes that stays in the first cache while time runs over it.
//! Every [`BLOCK`] steps a bound on all that can occur picks the word to compute in (`i32`, `i64` or `i128`), so no operation overflows.

use std::sync::{Mutex, PoisonError};

use fearless_simd::{Level, dispatch};

use crate::chip::word::{Number, Word, largest};
use crate::error::{Error, Result};
use crate::pool::{Context, Stop, for_each};

/// Lanes of a task: six rows of words in the first cache.
const TILE: usize = 512;
/// Steps between two choices of the word.
const BLOCK: usize = 32;
/// Steps cut into row slices at once.
const CHUNK: usize = 1024;
/// Neuron-steps below which threads cost more than they save.
const SMALL: usize = 1 << 15;

/// How many spikes one step gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fire {
    /// At most one.
    Single,
    /// As many as thresholds fit into the membrane.
    Multi,
}

/// What a spike does to the membrane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reset {
    /// One threshold less for each spike.
    Subtract,
    /// Back to 0.
    Zero,
    /// Nothing.
    None,
}

/// What happens to a membrane that leaves its bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overflow {
    /// It stays at the end of the range.
    Saturate,
    /// Two's complement.
    Wrap,
    /// The run stops with an error that names the step and the neuron.
    Error,
}

/// The knobs of an integer neuron.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Neuron {
    /// Spikes per step.
    pub fire: Fire,
    /// Reset by a spike.
    pub reset: Reset,
    /// Fire above the threshold only, not at it.
    pub above: bool,
    /// Bits of the membrane, 2 to 64.
    pub bits: u32,
    /// Outside those bits.
    pub overflow: Overflow,
    /// Bits outside which a membrane is counted, 2 to 64.
    pub watch: u32,
    /// Whether there is a lower clip.
    pub clip: bool,
}

impl Neuron {
    /// Read `"fire=multi reset=subtract compare=at_least bits=16 overflow=saturate watch=16 [clip]"`.
    pub fn parse(spec: &str) -> Result<Self> {
        let wrong = |word: &str| Error::value(format!("spec: {word:?} is not understood in {spec:?}"));
        let mut neuron = Self {
            fire: Fire::Multi,
            reset: Reset::Subtract,
            above: false,
            bits: 16,
            overflow: Overflow::Saturate,
            watch: 16,
            clip: false,
        };
        for word in spec.split_whitespace() {
            let bits = |text: &str| text.parse().ok().filter(|bits| (2..=64).contains(bits)).ok_or_else(|| wrong(word));
            match word.split_once('=').unwrap_or((word, "")) {
                ("fire", "single") => neuron.fire = Fire::Single,
                ("fire", "multi") => neuron.fire = Fire::Multi,
                ("reset", "subtract") => neuron.reset = Reset::Subtract,
                ("reset", "zero") => neuron.reset = Reset::Zero,
                ("reset", "none") => neuron.reset = Reset::None,
                ("compare", "at_least") => neuron.above = false,
                ("compare", "above") => neuron.above = true,
                ("overflow", "saturate") => neuron.overflow = Overflow::Saturate,
                ("overflow", "wrap") => neuron.overflow = Overflow::Wrap,
                ("overflow", "error") => neuron.overflow = Overflow::Error,
                ("bits", text) => neuron.bits = bits(text)?,
                ("watch", text) => neuron.watch = bits(text)?,
                ("clip", "") => neuron.clip = true,
                _ => return Err(wrong(word)),
            }
        }
        Ok(neuron)
    }

    /// The first and the last value of `bits` bits.
    fn range(bits: u32) -> (i64, i64) {
        (i64::MIN >> (64 - bits), i64::MAX >> (64 - bits))
    }

    /// Whether a value leaves `bits` bits.
    #[inline(always)]
    fn outside(value: i128, bits: u32) -> bool {
        let (first, last) = Self::range(bits);
        value < i128::from(first) || value > i128::from(last)
    }
}

/// Coefficients of the lanes: lane `k` takes entry `k / repeat % n` of each.
#[derive(Clone, Copy, Debug)]
pub struct Coefficients<'a> {
    /// Added at every step.
    pub bias: &'a [i64],
    /// At least 1.
    pub v_threshold: &'a [i64],
    /// The lower clip, read where the neuron has one.
    pub v_min: &'a [i64],
    /// Neighbouring lanes that share an entry.
    pub repeat: usize,
}

/// What the membranes reached before overflow was dealt with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    /// Neuron-steps outside the watched bits.
    pub beyond: u64,
    /// The lowest membrane, at most 0.
    pub lowest: i128,
    /// The highest membrane, at least 0.
    pub highest: i128,
}

impl Extent {
    /// Both together.
    pub fn join(&mut self, other: &Self) {
        self.beyond += other.beyond;
        self.lowest = self.lowest.min(other.lowest);
        self.highest = self.highest.max(other.highest);
    }
}

/// What can be recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trace {
    /// The membrane after the step.
    V,
    /// The membrane before it fires, after overflow.
    U,
}

/// The first membrane that did not fit, where that is an error.
type Overrun = (usize, usize, i128);

/// One tile's buffers, one row each.
#[derive(Default)]
struct Rows<W> {
    v: Vec<W>,
    u: Vec<W>,
    s: Vec<W>,
    bias: Vec<W>,
    v_threshold: Vec<W>,
    v_min: Vec<W>,
}

fn narrow<W: Word>(values: &[i64]) -> Vec<W> {
    values.iter().map(|&value| W::narrow(value)).collect()
}

/// `s` and `v` from `u`, one pass. The closures are the two knobs; inlined, each pair is a loop of its own.
#[inline(always)]
fn fire_and_reset<W: Word>(rows: &mut Rows<W>, fire: impl Fn(W, W) -> W, reset: impl Fn(W, W, W) -> W) {
    let (spikes, v) = (rows.s.iter_mut(), rows.v.iter_mut());
    for (((s, v), &u), &threshold) in spikes.zip(v).zip(&rows.u).zip(&rows.v_threshold) {
        *s = fire(u, threshold);
        *v = reset(u, *s, threshold);
    }
}

#[inline(always)]
fn reset_with<W: Word>(rows: &mut Rows<W>, reset: Reset, fire: impl Fn(W, W) -> W) {
    match reset {
        Reset::Subtract => fire_and_reset(rows, fire, |u, s, threshold| u - s * threshold),
        Reset::Zero => fire_and_reset(rows, fire, |u, s, _| if s == W::ZERO { u } else { W::ZERO }),
        Reset::None => fire_and_reset(rows, fire, |u, _, _| u),
    }
}

/// One step of a row: `u` comes in holding the input. Returns what the membranes reached, and the first lane outside `bits` (as an error).
#[inline(always)]
fn step<W: Word>(neuron: &Neuron, rows: &mut Rows<W>) -> (Extent, Option<(usize, i128)>) {
    let (mut low, mut high) = (W::ZERO, W::ZERO);
    for ((u, &v), &bias) in rows.u.iter_mut().zip(&rows.v).zip(&rows.bias) {
        *u = v + *u + bias;
        low = low.min(*u);
        high = high.max(*u);
    }
    let mut extent = Extent { beyond: 0, lowest: low.widest(), highest: high.widest() };
    let outside = |bits| Neuron::outside(extent.lowest, bits) || Neuron::outside(extent.highest, bits);
    let (leaves_watch, leaves_bits) = (outside(neuron.watch), outside(neuron.bits));
    // Rows that leave the range are rare: they alone pay for it. Where W is too narrow for the range, nothing left it.
    if leaves_watch {
        extent.beyond = rows.u.iter().filter(|u| Neuron::outside(u.widest(), neuron.watch)).count() as u64;
    }
    if leaves_bits {
        match neuron.overflow {
            Overflow::Error => {
                let mut lanes = rows.u.iter().map(|u| u.widest()).enumerate();
                return (extent, lanes.find(|(_, u)| Neuron::outside(*u, neuron.bits)));
            }
            Overflow::Saturate => {
                let (first, last) = Neuron::range(neuron.bits);
                let (first, last) = (W::narrow(first), W::narrow(last));
                rows.u.iter_mut().for_each(|u| *u = (*u).clamp(first, last));
            }
            Overflow::Wrap => {
                let spare = W::BITS - neuron.bits;
                rows.u.iter_mut().for_each(|u| *u = (*u << spare) >> spare);
            }
        }
    }
    let back = if neuron.above { W::ONE } else { W::ZERO };
    match neuron.fire {
        Fire::Single => reset_with(rows, neuron.reset, |u, threshold| if u - back >= threshold { W::ONE } else { W::ZERO }),
        Fire::Multi => reset_with(rows, neuron.reset, |u, threshold| (u - back).times(threshold)),
    }
    if neuron.clip {
        rows.v.iter_mut().zip(&rows.v_min).for_each(|(v, &v_min)| *v = (*v).max(v_min));
    }
    (extent, None)
}

/// A tile of lanes: its coefficients, its state, and its columns of the outputs, one slice for each step.
struct Tile<'a, O> {
    first: usize,
    state: &'a mut [i64],
    spikes: Vec<&'a mut [O]>,
    traces: Vec<(Trace, Vec<&'a mut [O]>)>,
}

/// What all tiles share.
struct Shared<'a, X> {
    level: Level,
    neuron: &'a Neuron,
    x: &'a [X],
    lanes: usize,
    coefficients: Coefficients<'a>,
}

impl<X: Number> Shared<'_, X> {
    /// One value for each lane of a tile, run by run.
    fn lanes_of(&self, values: &[i64], first: usize, count: usize) -> Vec<i64> {
        let (repeat, mut lanes) = (self.coefficients.repeat, Vec::with_capacity(count));
        while lanes.len() < count {
            let lane = first + lanes.len();
            let run = if values.len() <= 1 { count } else { (repeat - lane % repeat).min(count - lanes.len()) };
            lanes.resize(lanes.len() + run, values.get(lane / repeat % values.len().max(1)).copied().unwrap_or(0));
        }
        lanes
    }

    fn row(&self, step: usize, first: usize, count: usize) -> &[X] {
        &self.x[step * self.lanes + first..][..count]
    }

    fn tile<O: Number>(&self, tile: &mut Tile<'_, O>, stop: &Stop<'_>) -> (Extent, Option<Overrun>) {
        let (first, count, steps) = (tile.first, tile.state.len(), tile.spikes.len());
        let bias = self.lanes_of(self.coefficients.bias, first, count);
        let v_threshold = self.lanes_of(self.coefficients.v_threshold, first, count);
        let v_min = self.lanes_of(self.coefficients.v_min, first, count);
        let mut extent = Extent::default();
        for start in (0..steps).step_by(BLOCK) {
            if stop.now() {
                break;
            }
            let block = start..steps.min(start + BLOCK);
            // |u| grows by at most max|x| + max|bias| a step from max(|v|, |v_min|), and a membrane inside its bits stays there.
            let rows = block.clone().map(|t| dispatch!(self.level, _simd => largest(self.row(t, first, count))));
            let grows = rows.max().unwrap_or(0) + largest(&bias);
            let starts = largest(tile.state).max(largest(&v_min)) + grows * (block.len() as i128 - 1);
            let most = (starts.min(1 << (self.neuron.bits - 1)) + grows + 1).max(largest(&v_threshold));
            let coefficients = [&bias, &v_threshold, &v_min];
            let (reached, overrun) = if most <= i128::from(i32::MAX) {
                self.block::<i32, O>(tile, block, coefficients)
            } else if most <= i128::from(i64::MAX) {
                self.block::<i64, O>(tile, block, coefficients)
            } else {
                self.block::<i128, O>(tile, block, coefficients)
            };
            extent.join(&reached);
            if overrun.is_some() {
                return (extent, overrun);
            }
        }
        (extent, None)
    }

    fn block<W: Word, O: Number>(
        &self,
        tile: &mut Tile<'_, O>,
        steps: std::ops::Range<usize>,
        [bias, v_threshold, v_min]: [&Vec<i64>; 3],
    ) -> (Extent, Option<Overrun>) {
        let count = tile.state.len();
        let mut rows = Rows::<W> {
            v: narrow(tile.state),
            u: vec![W::ZERO; count],
            s: vec![W::ZERO; count],
            bias: narrow(bias),
            v_threshold: narrow(v_threshold),
            v_min: narrow(v_min),
        };
        let store = |out: &mut [O], row: &[W]| dispatch!(self.level, _simd => out.iter_mut().zip(row).for_each(|(out, value)| *out = O::narrow(value.wide())));
        let mut extent = Extent::default();
        for t in steps {
            let x = self.row(t, tile.first, count);
            dispatch!(self.level, _simd => rows.u.iter_mut().zip(x).for_each(|(u, x)| *u = W::narrow(x.wide())));
            let (reached, overrun) = dispatch!(self.level, _simd => step(self.neuron, &mut rows));
            extent.join(&reached);
            if let Some((lane, value)) = overrun {
                return (extent, Some((t, tile.first + lane, value)));
            }
            store(&mut *tile.spikes[t], &rows.s);
            for (trace, out) in &mut tile.traces {
                store(&mut *out[t], if *trace == Trace::V { &rows.v } else { &rows.u });
            }
        }
        tile.state.iter_mut().zip(&rows.v).for_each(|(state, v)| *state = v.wide());
        (extent, None)
    }
}

/// The columns of a `(T, lanes)` array, by tile.
fn columns<O>(out: &mut [O], lanes: usize) -> Vec<Vec<&mut [O]>> {
    let mut tiles: Vec<Vec<&mut [O]>> = (0..lanes.div_ceil(TILE)).map(|_| Vec::with_capacity(out.len() / lanes)).collect();
    for row in out.chunks_mut(lanes) {
        for (tile, piece) in tiles.iter_mut().zip(row.chunks_mut(TILE)) {
            tile.push(piece);
        }
    }
    tiles
}

fn check<O: Number>(
    neuron: &Neuron,
    lanes: usize,
    coefficients: &Coefficients<'_>,
    state: &[i64],
    steps: usize,
    lengths: &[usize],
) -> Result<()> {
    if lengths.iter().any(|&length| length != steps * lanes) || state.len() != lanes {
        return Err(Error::value(format!(
            "spikes, record, state: arrays of {lengths:?} and {} entries do not belong to {steps} steps of {lanes} neurons",
            state.len()
        )));
    }
    let Coefficients { bias, v_threshold, v_min, repeat } = *coefficients;
    if bias.is_empty() || v_threshold.is_empty() || repeat == 0 || (neuron.clip && v_min.is_empty()) {
        return Err(Error::value("coefficients: bias, v_threshold and, with a clip, v_min need at least one entry, and repeat at least 1"));
    }
    if O::BITS < neuron.bits {
        return Err(Error::value(format!("spikes: {} bits are too few for membranes of {} bits", O::BITS, neuron.bits)));
    }
    if let Some(low) = v_threshold.iter().find(|&&threshold| threshold < 1) {
        return Err(Error::value(format!("v_threshold={low} would fire without input; it must be at least 1")));
    }
    let (first, last) = Neuron::range(neuron.bits);
    let outside = |values: &[i64]| values.iter().copied().find(|&value| value < first || value > last);
    for (name, found) in [("state", outside(state)), ("v_min", if neuron.clip { outside(v_min) } else { None })] {
        if let Some(value) = found {
            return Err(Error::value(format!("{name}: {value} does not fit the {} bits of the membrane ({first} to {last})", neuron.bits)));
        }
    }
    Ok(())
}

/// Run `lanes` neurons over the rows of `x`; `state` comes in and goes out. Spikes and traces have the shape of `x`. An error
/// counts steps from `first_step`.
pub fn scan<X: Number, O: Number>(
    context: &Context<'_>,
    level: Level,
    neuron: &Neuron,
    x: &[X],
    lanes: usize,
    coefficients: Coefficients<'_>,
    state: &mut [i64],
    spikes: &mut [O],
    traces: &mut [(Trace, &mut [O])],
    first_step: usize,
) -> Result<Extent> {
    let steps = x.len().checked_div(lanes).unwrap_or(0);
    let lengths: Vec<usize> = [x.len(), spikes.len()].into_iter().chain(traces.iter().map(|(_, trace)| trace.len())).collect();
    check::<O>(neuron, lanes, &coefficients, state, steps, &lengths)?;
    let mut total = Extent::default();
    if lanes == 0 {
        return Ok(total);
    }
    let alone = Context { threads: 1, poll: context.poll };
    let context = if x.len() < SMALL { &alone } else { context };
    let chunk = CHUNK * lanes;
    let mut rest: Vec<(Trace, _)> = traces.iter_mut().map(|(trace, out)| (*trace, out.chunks_mut(chunk))).collect();
    for (k, (x, spikes)) in x.chunks(chunk).zip(spikes.chunks_mut(chunk)).enumerate() {
        let mut cut: Vec<_> =
            rest.iter_mut().map(|(trace, pieces)| (*trace, columns(pieces.next().unwrap_or_default(), lanes).into_iter())).collect();
        let tiles: Vec<Tile<'_, O>> = columns(spikes, lanes)
            .into_iter()
            .zip(state.chunks_mut(TILE))
            .enumerate()
            .map(|(tile, (spikes, state))| Tile {
                first: tile * TILE,
                state,
                spikes,
                traces: cut.iter_mut().map(|(trace, columns)| (*trace, columns.next().unwrap_or_default())).collect(),
            })
            .collect();
        let shared = Shared { level, neuron, x, lanes, coefficients };
        let reached = Mutex::new((Extent::default(), None::<Overrun>));
        for_each(context, tiles, |mut tile, stop| {
            let (extent, overrun) = shared.tile(&mut tile, stop);
            let mut reached = reached.lock().unwrap_or_else(PoisonError::into_inner);
            reached.0.join(&extent);
            // The earliest, whatever the order in which tiles end.
            reached.1 = [reached.1, overrun].into_iter().flatten().min();
        })?;
        let (extent, overrun) = reached.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some((t, lane, value)) = overrun {
            let (first, last) = Neuron::range(neuron.bits);
            return Err(Error::value(format!(
                "the membrane of neuron {lane} becomes {value} at step {}, outside the {} bits it has ({first} to {last}); \
                 use smaller inputs or weights, more bits, or overflow=\"saturate\" or \"wrap\"",
                first_step + k * CHUNK + t,
                neuron.bits
            )));
        }
        total.join(&extent);
    }
    Ok(total)
}
