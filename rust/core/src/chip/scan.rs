//! Integer neurons over time: one loop for every neuron of [`crate::chip::neuron`].
//!
//! Arrays are `(T, lanes)`. Lanes do not meet: a task is a tile of lanes that stays in the first cache while time runs over it.
//! Every [`BLOCK`] steps a bound on all that can occur picks the word to compute in (`i32`, `i64` or `i128`), so no operation overflows.

use std::sync::{Mutex, PoisonError};

use fearless_simd::{Level, dispatch};

use crate::chip::neuron::{Clip, Decay, Fire, Neuron, Overflow, Register, range};
use crate::chip::step::{Extent, Rows, step};
use crate::chip::word::{Number, Word, largest};
use crate::error::{Error, Result};
use crate::pool::{Context, Stop, for_each};
use crate::raw::prefetch;

/// Lanes of a task: a dozen rows of words in the first cache.
const TILE: usize = 512;
/// Steps between two choices of the word.
const BLOCK: usize = 32;
/// Rows that are asked for ahead.
const AHEAD: usize = 6;
/// Steps cut into row slices at once.
const CHUNK: usize = 1024;
/// Neuron-steps below which threads cost more than they save.
const SMALL: usize = 1 << 15;

/// The numbers of a neuron, in the order of the rows of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Row {
    /// Added at every step.
    Bias,
    /// The threshold.
    Threshold,
    /// The lower threshold of a ternary neuron.
    Low,
    /// The lower clip.
    Min,
    /// The upper clip.
    Max,
    /// The number of the membrane's decay.
    DecayV,
    /// The number of the current's decay.
    DecayI,
    /// Refractory steps.
    Refractory,
}

/// Names of the rows, in order.
pub const ROWS: [(Row, &str); 8] = [
    (Row::Bias, "bias"),
    (Row::Threshold, "v_threshold"),
    (Row::Low, "v_low"),
    (Row::Min, "v_min"),
    (Row::Max, "v_max"),
    (Row::DecayV, "decay_v"),
    (Row::DecayI, "decay_i"),
    (Row::Refractory, "refractory"),
];

/// A table of [`ROWS`] with `n` entries each: lane `k` takes entry `k / repeat % n`. Rows that a neuron does not use are not read.
#[derive(Clone, Copy, Debug)]
pub struct Coefficients<'a> {
    /// Row after row.
    pub table: &'a [i64],
    /// Neighbouring lanes that share an entry.
    pub repeat: usize,
}

impl<'a> Coefficients<'a> {
    /// One row.
    #[must_use]
    pub fn row(&self, row: Row) -> &'a [i64] {
        let n = self.table.len() / ROWS.len();
        &self.table[row as usize * n..][..n]
    }
}

/// The states of all lanes; a neuron without a current or a refractory period has none of those.
#[derive(Debug)]
pub struct State<'a> {
    /// Membranes.
    pub v: &'a mut [i64],
    /// Currents.
    pub i: &'a mut [i64],
    /// Refractory steps left.
    pub rest: &'a mut [i64],
}

impl<'a> State<'a> {
    /// Membranes only.
    pub fn membranes(v: &'a mut [i64]) -> Self {
        Self { v, i: &mut [], rest: &mut [] }
    }

    /// Take over the states of a row.
    pub(crate) fn keep<W: Word>(&mut self, rows: &Rows<W>) {
        for (state, row) in [(&mut *self.v, &rows.v), (&mut *self.i, &rows.i), (&mut *self.rest, &rows.rest)] {
            state.iter_mut().zip(row).for_each(|(state, value)| *state = value.wide());
        }
    }

    /// The same, for a shorter time.
    pub fn reborrow(&mut self) -> State<'_> {
        State { v: self.v, i: self.i, rest: self.rest }
    }
}

/// What can be recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trace {
    /// The membrane after the step.
    V,
    /// The membrane before it fires, after overflow.
    U,
    /// The current after the step.
    I,
}

/// The first state that did not fit, where that is an error: step, lane, value, which state.
type Overrun = (usize, usize, i128, &'static str);

/// Whether a neuron reads a row.
fn reads(neuron: &Neuron, row: Row) -> bool {
    match row {
        Row::Bias | Row::Threshold => true,
        Row::Low => neuron.fire == Fire::Ternary,
        Row::Min => neuron.low.is_some(),
        Row::Max => neuron.high.is_some(),
        Row::DecayV => neuron.membrane.decay != Decay::None,
        Row::DecayI => neuron.current.is_some_and(|current| current.decay != Decay::None),
        Row::Refractory => neuron.refractory,
    }
}

/// A tile of lanes: its state, and its columns of the outputs, one slice for each step.
struct Tile<'a, O> {
    first: usize,
    state: State<'a>,
    spikes: Vec<&'a mut [O]>,
    traces: Vec<(Trace, Vec<&'a mut [O]>)>,
}

/// Coefficients of the lanes of a tile, in the order of [`ROWS`]; empty where the neuron does not read them.
pub(crate) type Columns = [Vec<i64>; ROWS.len()];

/// What all tiles share.
struct Shared<'a, X> {
    level: Level,
    neuron: &'a Neuron,
    x: &'a [X],
    lanes: usize,
    coefficients: Coefficients<'a>,
    first_step: usize,
}

fn narrow<W: Word>(values: &[i64]) -> Vec<W> {
    values.iter().map(|&value| W::narrow(value)).collect()
}

/// What bounds everything that a step can meet, apart from input and state: it does not change while time runs.
pub(crate) struct Bounds {
    bias: i128,
    /// The largest of what may take the membrane's place.
    clip: i128,
    /// What a threshold below 1, or a second one, can add to a membrane in a step.
    push: i128,
    /// The largest of all coefficients, and of what one turn of an overflow moves a state by.
    fixed: i128,
}

impl Bounds {
    /// Of these coefficients.
    pub(crate) fn new(neuron: &Neuron, columns: &Columns) -> Self {
        let of = |row: Row| largest(&columns[row as usize]);
        let spikes = if let Fire::Multi(Some(most)) = neuron.fire { i128::from(most) } else { 1 };
        let lowest = columns[Row::Threshold as usize].iter().chain(&columns[Row::Low as usize]).copied().min().unwrap_or(0).min(0);
        let both = if neuron.fire == Fire::Ternary { of(Row::Threshold).max(of(Row::Low)) } else { 0 };
        let turn = |register: Register| if register.overflow == Overflow::WrapOnce { 2_i128 << register.bits } else { 0 };
        let coefficients = columns.iter().map(|column| largest(column)).max().unwrap_or(0);
        Self {
            bias: of(Row::Bias),
            clip: of(Row::Min).max(of(Row::Max)),
            push: (-i128::from(lowest) * spikes).max(both),
            fixed: (2 * coefficients).max(turn(neuron.membrane)).max(neuron.current.map_or(0, turn)),
        }
    }

    /// The largest absolute value in `steps` steps from this state, of inputs up to `x`.
    pub(crate) fn most(&self, neuron: &Neuron, x: i128, state: &State<'_>, steps: usize) -> i128 {
        let input = x << neuron.shift;
        let mut drive = neuron.input_bits.map_or(input, |bits| input.min(1 << (bits - 1)));
        let mut found = input.max(drive).max(self.fixed);
        if let Some(current) = neuron.current {
            drive = current.reach(largest(state.i), drive, steps);
            found = found.max(drive);
        }
        // A bias is added to the current, or to the membrane.
        let add = drive + self.bias + self.push;
        let start = largest(state.v).max(self.clip);
        let mut membrane = neuron.membrane.reach(start, add, steps);
        if self.push == 0 && neuron.low == Some(Clip::Before) && neuron.high == Some(Clip::Before) {
            membrane = membrane.min(start + add);
        }
        if neuron.change {
            membrane = 2 * membrane + add;
        }
        found.max(membrane + self.push) + 1
    }
}

/// One value for each lane of a tile, in runs.
fn lanes_of(values: &[i64], repeat: usize, first: usize, count: usize) -> Vec<i64> {
    if values.len() <= 1 {
        return vec![values.first().copied().unwrap_or(0); count];
    }
    let mut lanes = Vec::with_capacity(count);
    while lanes.len() < count {
        let (lane, left) = (first + lanes.len(), count - lanes.len());
        if repeat == 1 {
            let entries = &values[lane % values.len()..];
            lanes.extend_from_slice(&entries[..left.min(entries.len())]);
        } else {
            let run = (repeat - lane % repeat).min(left);
            lanes.resize(lanes.len() + run, values[lane / repeat % values.len()]);
        }
    }
    lanes
}

/// The coefficients of the lanes from `first` on.
pub(crate) fn columns_of(neuron: &Neuron, coefficients: &Coefficients<'_>, first: usize, count: usize) -> Columns {
    ROWS.map(|(row, _)| if reads(neuron, row) { lanes_of(coefficients.row(row), coefficients.repeat, first, count) } else { Vec::new() })
}

/// Coefficients and states as columns of a word.
pub(crate) fn rows_of<W: Word>(columns: &Columns, state: &State<'_>) -> Rows<W> {
    let count = state.v.len();
    let [bias, v_threshold, v_low, v_min, v_max, decay_v, decay_i, refractory] = columns.each_ref().map(|column| narrow::<W>(column));
    Rows {
        u: vec![W::ZERO; count],
        s: vec![W::ZERO; count],
        v: narrow(state.v),
        i: narrow(state.i),
        rest: narrow(state.rest),
        low_thresholds: v_threshold.iter().any(|&threshold| threshold < W::ONE),
        bias,
        v_threshold,
        v_low,
        v_min,
        v_max,
        decay_v,
        decay_i,
        refractory,
    }
}

impl<X: Number> Shared<'_, X> {
    fn row(&self, step: usize, first: usize, count: usize) -> &[X] {
        &self.x[step * self.lanes + first..][..count]
    }

    fn tile<O: Number>(&self, tile: &mut Tile<'_, O>, stop: &Stop<'_>) -> (Extent, Option<Overrun>) {
        let (first, count, steps) = (tile.first, tile.state.v.len(), tile.spikes.len());
        let columns = columns_of(self.neuron, &self.coefficients, first, count);
        let bounds = Bounds::new(self.neuron, &columns);
        let mut extent = Extent::default();
        for start in (0..steps).step_by(BLOCK) {
            if stop.now() {
                break;
            }
            let block = start..steps.min(start + BLOCK);
            // Rows of a tile lie far apart: they are asked for before they are read, and so is where spikes will be written.
            let rows = block.clone().map(|t| {
                prefetch(self.x, (t + AHEAD) * self.lanes + first, count);
                prefetch(tile.spikes[t], 0, count);
                dispatch!(self.level, _simd => largest(self.row(t, first, count)))
            });
            let most = bounds.most(self.neuron, rows.max().unwrap_or(0), &tile.state, block.len());
            let (reached, overrun) = if most <= i128::from(i32::MAX) {
                self.block::<i32, O>(tile, block, &columns)
            } else if most <= i128::from(i64::MAX) {
                self.block::<i64, O>(tile, block, &columns)
            } else {
                self.block::<i128, O>(tile, block, &columns)
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
        columns: &Columns,
    ) -> (Extent, Option<Overrun>) {
        let count = tile.state.v.len();
        let mut rows: Rows<W> = rows_of(columns, &tile.state);
        let store = |out: &mut [O], row: &[W]| dispatch!(self.level, _simd => out.iter_mut().zip(row).for_each(|(out, value)| *out = O::narrow(value.wide())));
        let mut extent = Extent::default();
        for t in steps {
            if self.neuron.restarts(self.first_step + t) {
                rows.v.fill(W::ZERO);
                rows.i.fill(W::ZERO);
            }
            let x = self.row(t, tile.first, count);
            dispatch!(self.level, _simd => rows.u.iter_mut().zip(x).for_each(|(u, x)| *u = W::narrow(x.wide())));
            let (reached, overrun) = step(self.level, self.neuron, &mut rows);
            extent.join(&reached);
            if let Some((lane, value, name)) = overrun {
                return (extent, Some((t, tile.first + lane, value, name)));
            }
            store(&mut *tile.spikes[t], &rows.s);
            for (trace, out) in &mut tile.traces {
                store(
                    &mut *out[t],
                    match trace {
                        Trace::V => &rows.v,
                        Trace::U => &rows.u,
                        Trace::I => &rows.i,
                    },
                );
            }
        }
        tile.state.keep(&rows);
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

/// The states in pieces of a size.
pub(crate) fn pieces<'a>(state: &'a mut State<'_>, size: usize) -> impl Iterator<Item = State<'a>> {
    let (mut i, mut rest) = (state.i.chunks_mut(size), state.rest.chunks_mut(size));
    state.v.chunks_mut(size).map(move |v| State { v, i: i.next().unwrap_or_default(), rest: rest.next().unwrap_or_default() })
}

pub(crate) fn check<O: Number>(
    neuron: &Neuron,
    lanes: usize,
    coefficients: &Coefficients<'_>,
    state: &State<'_>,
    steps: usize,
    lengths: &[usize],
) -> Result<()> {
    if lengths.iter().any(|&length| length != steps * lanes) || state.v.len() != lanes {
        return Err(Error::value(format!(
            "spikes, record, state: arrays of {lengths:?} and {} entries do not belong to {steps} steps of {lanes} neurons",
            state.v.len()
        )));
    }
    for (name, given, needed) in [("i", state.i.len(), neuron.current.is_some()), ("rest", state.rest.len(), neuron.refractory)] {
        let right = if needed { lanes } else { 0 };
        if given != right {
            return Err(Error::value(format!("state.{name}: {given} entries came, this neuron needs {right}")));
        }
    }
    if !coefficients.table.len().is_multiple_of(ROWS.len()) || coefficients.table.is_empty() || coefficients.repeat == 0 {
        return Err(Error::value(format!(
            "coefficients: a table of {} rows with at least one entry is needed, and repeat at least 1",
            ROWS.len()
        )));
    }
    let registers = [Some(neuron.membrane), neuron.current];
    if let Some(wide) = registers.into_iter().flatten().find(|register| O::BITS < register.limit()) {
        return Err(Error::value(format!("spikes: {} bits are too few for states of {} bits", O::BITS, wide.limit())));
    }
    let unlimited = neuron.fire == Fire::Multi(None);
    if let Some(low) = coefficients.row(Row::Threshold).iter().find(|&&threshold| unlimited && threshold < 1) {
        return Err(Error::value(format!("v_threshold={low} would fire without end; it must be at least 1")));
    }
    let within = |name: &str, values: &[i64], low: i64, high: i64| match values.iter().find(|&&value| value < low || value > high) {
        Some(value) => Err(Error::value(format!("{name}: {value} does not fit, it must be from {low} to {high}"))),
        None => Ok(()),
    };
    let (first, last) = range(neuron.membrane.bits);
    let of = |row: Row| if reads(neuron, row) { coefficients.row(row) } else { &[] };
    within("v_min", of(Row::Min), first, last)?;
    within("v_max", of(Row::Max), first, last)?;
    within("decay_v", of(Row::DecayV), 0, neuron.membrane.most_decay())?;
    within("refractory", of(Row::Refractory), 0, i64::from(i32::MAX))?;
    within("rest", state.rest, 0, i64::from(i32::MAX))?;
    let (first, last) = range(neuron.membrane.limit());
    within("state", state.v, first, last)?;
    if let Some(current) = neuron.current {
        let (first, last) = range(current.limit());
        within("state.i", state.i, first, last)?;
        within("decay_i", of(Row::DecayI), 0, current.most_decay())?;
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
    mut state: State<'_>,
    spikes: &mut [O],
    traces: &mut [(Trace, &mut [O])],
    first_step: usize,
) -> Result<Extent> {
    let steps = x.len().checked_div(lanes).unwrap_or(0);
    let lengths: Vec<usize> = [x.len(), spikes.len()].into_iter().chain(traces.iter().map(|(_, trace)| trace.len())).collect();
    check::<O>(neuron, lanes, &coefficients, &state, steps, &lengths)?;
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
            .zip(pieces(&mut state, TILE))
            .enumerate()
            .map(|(tile, (spikes, state))| Tile {
                first: tile * TILE,
                state,
                spikes,
                traces: cut.iter_mut().map(|(trace, columns)| (*trace, columns.next().unwrap_or_default())).collect(),
            })
            .collect();
        let shared = Shared { level, neuron, x, lanes, coefficients, first_step: first_step + k * CHUNK };
        let reached = Mutex::new((Extent::default(), None::<Overrun>));
        for_each(context, tiles, |mut tile, stop| {
            let (extent, overrun) = shared.tile(&mut tile, stop);
            let mut reached = reached.lock().unwrap_or_else(PoisonError::into_inner);
            reached.0.join(&extent);
            // The earliest, whatever the order in which tiles end.
            reached.1 = [reached.1, overrun].into_iter().flatten().min();
        })?;
        let (extent, overrun) = reached.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some((t, lane, value, name)) = overrun {
            let register = neuron.current.filter(|_| name == "current").unwrap_or(neuron.membrane);
            let bits = register.limit();
            let (first, last) = range(bits);
            return Err(Error::value(format!(
                "the {name} of neuron {lane} becomes {value} at step {}, outside the {bits} bits it has ({first} to {last}); \
                 use smaller inputs or weights, more bits, or overflow=\"saturate\" or \"wrap\"",
                first_step + k * CHUNK + t,
            )));
        }
        total.join(&extent);
    }
    Ok(total)
}
