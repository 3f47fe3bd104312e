//! Forwards in time: `(x, state) -> (output, traces, state)`.
//!
//! A recurrent neuron needs the last spikes of all its group before the next step: there time is outermost, some groups are a tile, and the
//! operand `r = W s + bias` is gathered from the rows of `W` whose neurons fired, in ascending order of the neurons. The same holds for
//! neurons that compete: a step is looked at first, and then taken with one neuron of the group allowed to fire.

use std::ops::Range;

use fearless_simd::{Level, prelude::*};

use super::group::{self, Group, Recurrent};
use super::layout::{self, Shape};
use super::outgoing::Outgoing;
use super::{BLOCK, FAR, NEAR_BLOCK, Rows, Table, WIDEST, load, load_states, slots, store, store_full, store_states, worthwhile};
use crate::neuron::{Inputs, Model, Neuron, STATES, State, States, WithModel, for_each_state, is_left_out, with_model};
use crate::stage::{Coefficients, Column};
use rsnn_base::elem::{Elem, V, on_level};
use rsnn_base::error::{Error, Result};
use rsnn_base::memory::is_large;
use rsnn_base::pool::{Context, Stop, for_each};
use rsnn_base::raw::{fence, prefetch};

/// Where the output goes.
pub enum Output<'a, E> {
    /// Nowhere.
    None,
    /// `(outer, time, inner)`, a float each.
    Dense(&'a mut [E]),
    /// `(outer, time, ceil(inner / 64))`, a bit each: 1 where the output is not 0.
    Packed(&'a mut [u64]),
}

/// What can be recorded at each step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trace {
    /// The membrane before the reset.
    U,
    /// A state after the step.
    After(State),
}

impl Trace {
    /// The trace called `name` of a neuron.
    pub fn named(neuron: &Neuron, name: &str) -> Result<Self> {
        if name == "u" {
            return Ok(Self::U);
        }
        let states = neuron.states();
        states.iter().find(|s| s.1 == name).map(|s| Self::After(s.0)).ok_or_else(|| {
            let known: Vec<_> = states.iter().map(|s| s.1).collect();
            Error::value(format!("record: {name:?} is not there; this neuron has u, {}", known.join(", ")))
        })
    }
}

/// A run forwards. Shapes are `(outer, time, inner)`.
pub struct Forward<'a, E> {
    /// The neuron.
    pub neuron: Neuron,
    /// The instruction set; every one gives the same bits.
    pub level: Level,
    /// Shape of `x`.
    pub shape: Shape,
    /// Input.
    pub x: &'a [E],
    /// Coefficients.
    pub coefficients: Table<'a, E>,
    /// `(states, outer, inner)`: before the run, then after it.
    pub state: &'a mut [E],
    /// What is sent on.
    pub output: Output<'a, E>,
    /// What is recorded, `(outer, time, inner)` each, or `(outer, time, picked)`.
    pub record: Vec<(Trace, &'a mut [E])>,
    /// The neurons that are recorded, ascending; all of them by default.
    pub picked: Option<&'a [usize]>,
    /// The weights of a recurrent neuron.
    pub recurrent: Option<Recurrent<'a, E>>,
    /// Neurons that compete: neighbours; divides `inner`.
    pub group: Option<usize>,
    /// Every how many steps to keep the state, and where: `(ceil(time / every), states, outer, inner)`.
    pub checkpoints: Option<(usize, &'a mut [E])>,
}

/// Takes the results of one step of one column.
trait Sink<E: Elem>: Send {
    fn put<S: Simd, const K: usize>(
        &mut self,
        simd: S,
        at: (usize, usize, usize),
        s: &Column<E, S, K>,
        u: &Column<E, S, K>,
        after: &States<E, S, K>,
    );

    /// The steps of a block begin.
    fn begin(&mut self, _steps: (usize, usize)) {}

    /// Neurons `from..to` have taken the steps of the block.
    fn leave(&mut self, _level: Level, _steps: (usize, usize), _lanes: (usize, usize)) {}
}

impl<E: Elem> Sink<E> for Outgoing<'_, E> {
    #[inline(always)]
    fn put<S: Simd, const K: usize>(
        &mut self,
        _: S,
        (t, from, to): (usize, usize, usize),
        s: &Column<E, S, K>,
        _: &Column<E, S, K>,
        _: &States<E, S, K>,
    ) {
        self.write(t, (from, to), s);
    }

    #[inline(always)]
    fn begin(&mut self, steps: (usize, usize)) {
        Outgoing::begin(self, steps);
    }

    #[inline(always)]
    fn leave(&mut self, level: Level, steps: (usize, usize), lanes: (usize, usize)) {
        Outgoing::leave(self, level, steps, lanes);
    }
}

struct Bits<'a>(Vec<&'a mut [u64]>);

impl<E: Elem> Sink<E> for Bits<'_> {
    #[inline(always)]
    fn put<S: Simd, const K: usize>(
        &mut self,
        simd: S,
        (t, from, to): (usize, usize, usize),
        s: &Column<E, S, K>,
        _: &Column<E, S, K>,
        _: &States<E, S, K>,
    ) {
        let lanes = V::<E, S>::LEN;
        let zero = V::<E, S>::splat(simd, E::ZERO);
        let row = &mut self.0[t][from / 64..to.div_ceil(64)];
        let first = from % 64;
        for j in 0..K {
            let at = first + j * lanes;
            let Some(word) = row.get_mut(at / 64) else { break };
            let left = to.saturating_sub(from + j * lanes);
            let mut bits = (!s[j].simd_eq(zero)).to_bitmask();
            if left < lanes {
                bits &= (1 << left) - 1;
            }
            let bits = bits << (at % 64);
            *word = if at.is_multiple_of(64) { bits } else { *word | bits };
        }
    }
}

struct Recorder<'a, E> {
    dense: Option<Outgoing<'a, E>>,
    bits: Option<Bits<'a>>,
    traces: Vec<(Trace, Vec<&'a mut [E]>)>,
    /// The neurons of the tile that are recorded, as numbers in `inner`, and its first neuron.
    picked: Option<(&'a [usize], usize)>,
}

impl<E: Elem> Recorder<'_, E> {
    /// Keep what was asked for of neurons `from..to` of the tile.
    #[inline(always)]
    fn keep<S: Simd, const K: usize>(
        row: &mut [E],
        picked: Option<(&[usize], usize)>,
        (from, to): (usize, usize),
        column: &Column<E, S, K>,
    ) {
        let Some((picked, first)) = picked else {
            store(column, &mut row[from..to]);
            return;
        };
        let slots = slots_of(picked, first + from..first + to);
        if !slots.is_empty() {
            let mut part = [E::ZERO; WIDEST];
            store_full(column, &mut part[..K * V::<E, S>::LEN]);
            pick(row, picked, slots, first + from, &part);
        }
    }
}

/// Where the neurons of a range are in a list of some.
#[inline(never)]
fn slots_of(picked: &[usize], range: Range<usize>) -> Range<usize> {
    picked.partition_point(|lane| *lane < range.start)..picked.partition_point(|lane| *lane < range.end)
}

/// Not inlined, as its neighbour: it would cost those who record nothing their registers.
#[inline(never)]
fn pick<E: Elem>(row: &mut [E], picked: &[usize], slots: Range<usize>, first: usize, part: &[E]) {
    for slot in slots {
        row[slot] = part[picked[slot] - first];
    }
}

impl<E: Elem> Sink<E> for Recorder<'_, E> {
    #[inline(always)]
    fn put<S: Simd, const K: usize>(
        &mut self,
        simd: S,
        at: (usize, usize, usize),
        s: &Column<E, S, K>,
        u: &Column<E, S, K>,
        after: &States<E, S, K>,
    ) {
        if let Some(dense) = &mut self.dense {
            dense.put(simd, at, s, u, after);
        }
        if let Some(bits) = &mut self.bits {
            Sink::<E>::put(bits, simd, at, s, u, after);
        }
        let (t, from, to) = at;
        for (trace, rows) in &mut self.traces {
            let row = &mut *rows[t];
            if *trace == Trace::U {
                Self::keep::<S, K>(row, self.picked, (from, to), u);
            }
            for_each_state!(N => {
                if *trace == Trace::After(State::ALL[N].0) {
                    Self::keep::<S, K>(row, self.picked, (from, to), &after[N]);
                }
            });
        }
    }

    #[inline(always)]
    fn begin(&mut self, steps: (usize, usize)) {
        if let Some(dense) = &mut self.dense {
            dense.begin(steps);
        }
    }

    #[inline(always)]
    fn leave(&mut self, level: Level, steps: (usize, usize), lanes: (usize, usize)) {
        if let Some(dense) = &mut self.dense {
            dense.leave(level, steps, lanes);
        }
    }
}

struct Tile<'a, E, O> {
    /// All of this outer index.
    x: &'a [E],
    /// Its first neuron.
    first: usize,
    width: usize,
    state: Vec<&'a mut [E]>,
    /// Block after block, state after state.
    checkpoints: Vec<&'a mut [E]>,
    sink: O,
}

/// What all tiles share.
struct Common<'a, E> {
    rows: &'a Rows<E>,
    slots: [Option<usize>; STATES],
    time: usize,
    inner: usize,
    block: usize,
    /// Steps between two checkpoints.
    every: usize,
    recurrent: Option<Recurrent<'a, E>>,
    /// Neurons of a group, where they act on each other.
    size: usize,
}

/// How far the neurons of a group would be above their threshold after step `t`.
#[inline(always)]
fn look<E: Elem, S: Simd, M: Model, C: Coefficients<E, S, K>, const K: usize>(
    simd: S,
    model: M,
    common: &Common<'_, E>,
    tile: &Tile<'_, E, impl Sink<E>>,
    t: usize,
    group: &mut Group<E>,
    k: &mut C,
    refill: impl Fn(&mut C, usize),
) {
    let wide = K * V::<E, S>::LEN;
    let zero = [V::<E, S>::splat(simd, E::ZERO); K];
    let mut from = 0;
    while from < tile.width {
        let to = (from + wide).min(tile.width);
        refill(k, tile.first + from);
        let states: States<E, S, K> = load_states(simd, &common.slots, &tile.state, from, to);
        let mut r = zero;
        if !group.operand.is_empty() {
            r = load(simd, &group.operand[from..to]);
        }
        let at = t * common.inner + tile.first;
        let x = load(simd, &tile.x[at + from..at + to]);
        let u = model.step(simd, &*k, &Inputs { states: &states, x: &x, operand: &r, allowed: &zero }).u;
        store(&group::lead(k, &u), &mut group.lead[from..to]);
        from = to;
    }
}

/// Steps `t0..t1` of all columns of a tile: one step where neurons act on each other.
#[inline(always)]
fn advance<E: Elem, S: Simd, M: Model, O: Sink<E>, C: Coefficients<E, S, K>, const K: usize>(
    simd: S,
    model: M,
    common: &Common<'_, E>,
    tile: &mut Tile<'_, E, O>,
    (t0, t1): (usize, usize),
    (operand, allowed): (&[E], &[E]),
    k: &mut C,
    refill: impl Fn(&mut C, usize),
) {
    let wide = K * V::<E, S>::LEN;
    let n_states = tile.state.len();
    // Steps of the next block are asked for while this one is worked on; of groups the next few.
    let ahead = if model.keeps(State::S) || model.competes() { 2 } else { common.block } * common.inner;
    tile.sink.begin((t0, t1));
    let mut from = 0;
    while from < tile.width {
        let to = (from + wide).min(tile.width);
        refill(k, tile.first + from);
        let mut states: States<E, S, K> = load_states(simd, &common.slots, &tile.state, from, to);
        if !tile.checkpoints.is_empty() && t0.is_multiple_of(common.every) {
            let b = t0 / common.every;
            store_states(&common.slots, &states, &mut tile.checkpoints[b * n_states..(b + 1) * n_states], from, to);
        }
        let mut r = [V::<E, S>::splat(simd, E::ZERO); K];
        if model.keeps(State::S) && !operand.is_empty() {
            r = load(simd, &operand[from..to]);
        }
        let mut may = r;
        if model.competes() && !allowed.is_empty() {
            may = load(simd, &allowed[from..to]);
        }
        for t in t0..t1 {
            let at = t * common.inner + tile.first;
            let x = load(simd, &tile.x[at + from..at + to]);
            prefetch(tile.x, at + ahead + from, wide);
            let step = model.step(simd, &*k, &Inputs { states: &states, x: &x, operand: &r, allowed: &may });
            tile.sink.put(simd, (t, from, to), &step.s, &step.u, &step.after);
            states = step.after;
        }
        store_states(&common.slots, &states, &mut tile.state, from, to);
        tile.sink.leave(simd.level(), (t0, t1), (from, to));
        from = to;
    }
}

#[inline(always)]
fn all_steps<E: Elem, S: Simd, M: Model, O: Sink<E>, C: Coefficients<E, S, K>, const K: usize>(
    simd: S,
    model: M,
    common: &Common<'_, E>,
    tile: &mut Tile<'_, E, O>,
    stop: &Stop<'_>,
    k: &mut C,
    refill: impl Fn(&mut C, usize),
) {
    if !model.keeps(State::S) && !model.competes() {
        let mut t0 = 0;
        while t0 < common.time {
            if stop.now() {
                return;
            }
            let t1 = (t0 + common.block).min((t0 - t0 % common.every).saturating_add(common.every)).min(common.time);
            advance(simd, model, common, tile, (t0, t1), (&[], &[]), k, &refill);
            t0 = t1;
        }
        fence();
        return;
    }
    let mut group = Group::default();
    if model.competes() {
        group.lead.resize(tile.width, E::ZERO);
        group.allowed.resize(tile.width, E::ZERO);
    }
    for t in 0..common.time {
        if t.is_multiple_of(BLOCK) && stop.now() {
            return;
        }
        if let (Some(recurrent), Some(slot)) = (&common.recurrent, common.slots[State::S as usize]) {
            group.operand.resize(tile.width, E::ZERO);
            for (s, r) in tile.state[slot].chunks_exact(common.size).zip(group.operand.chunks_exact_mut(common.size)) {
                group.fired.clear();
                recurrent.list(simd, s, &mut group.fired);
                recurrent.gather(simd, s, r, &group.fired);
            }
        }
        if model.competes() {
            look(simd, model, common, tile, t, &mut group, k, &refill);
            group::allow(&group.lead, &mut group.allowed, common.size);
        }
        advance(simd, model, common, tile, (t, t + 1), (&group.operand, &group.allowed), k, &refill);
    }
}

/// The coefficients are kept beside the column, or, worth it for everyday neurons that share them, in registers.
#[inline(always)]
fn run<E: Elem, S: Simd, M: Model, O: Sink<E>, const K: usize, const EVERYDAY: bool>(
    simd: S,
    model: M,
    common: &Common<'_, E>,
    tile: &mut Tile<'_, E, O>,
    stop: &Stop<'_>,
) {
    let rows = common.rows;
    if EVERYDAY && rows.shared {
        let mut shared = rows.shared(simd);
        all_steps::<E, S, M, O, _, K>(
            simd,
            model,
            common,
            tile,
            stop,
            &mut shared,
            #[inline(always)]
            |_, _| {},
        );
    } else {
        let mut each = rows.each::<S, K>(simd);
        all_steps::<E, S, M, O, _, K>(
            simd,
            model,
            common,
            tile,
            stop,
            &mut each,
            #[inline(always)]
            |each, from| {
                if !rows.shared {
                    rows.fill(simd, each, from);
                }
            },
        );
    }
}

/// One kernel for each (number, model, sink): the dispatch happens once for a tile.
#[inline(never)]
fn enter<E: Elem, M: Model, O: Sink<E>, const EVERYDAY: bool>(
    level: Level,
    model: M,
    common: &Common<'_, E>,
    tile: &mut Tile<'_, E, O>,
    stop: &Stop<'_>,
) {
    on_level!(level, simd => register_file::<E, _, M, O, EVERYDAY>(simd, model, common, tile, stop));
}

/// 8 registers at once where there are 32, else 4.
#[inline(always)]
fn register_file<E: Elem, S: Simd, M: Model, O: Sink<E>, const EVERYDAY: bool>(
    simd: S,
    model: M,
    common: &Common<'_, E>,
    tile: &mut Tile<'_, E, O>,
    stop: &Stop<'_>,
) {
    if const { is_left_out::<S, M>() } {
        unreachable!("old instruction sets run everyday neurons as all others");
    }
    if V::<E, S>::LEN * size_of::<E>() == 64 {
        run::<E, S, M, O, 8, EVERYDAY>(simd, model, common, tile, stop);
    } else {
        run::<E, S, M, O, 4, EVERYDAY>(simd, model, common, tile, stop);
    }
}

/// Run it. Whoever calls this compiles it, for minutes: `rsnn_core::Kernels` has it compiled.
pub fn generic<E: Elem>(context: &Context<'_>, job: Forward<'_, E>) -> Result<()> {
    let Forward { neuron, level, shape, x, coefficients, state, output, record, picked, recurrent, group, checkpoints } = job;
    layout::expect("x", x.len(), shape.elements()?)?;
    let Shape { outer, time, inner } = shape;
    let rows = Rows::new(&neuron, &coefficients, inner)?;
    let size = group::checked(&neuron, recurrent.as_ref(), group, inner)?;
    let ranges = size.map_or_else(|| layout::ranges(inner), |size| group::ranges(inner, size));
    let n_states = neuron.states().len();
    let mut states = layout::deal("state", state, (n_states, outer, 1, inner), &ranges)?.into_iter();
    let (every, mut marks) = match checkpoints {
        Some((0, _)) => return Err(Error::value("every: 0 steps between checkpoints; give at least 1")),
        Some((every, array)) => (every, layout::deal("checkpoints", array, (time.div_ceil(every) * n_states, outer, 1, inner), &ranges)?),
        None => (usize::MAX, (0..outer * ranges.len()).map(|_| Vec::new()).collect()),
    };
    let mut marks = marks.drain(..);
    let shape = (1, outer, time, inner);
    let plain = record.is_empty();
    let mut traces = Vec::new();
    if picked.is_some_and(|all| !all.is_sorted_by(|a, b| a < b) || all.last().is_some_and(|last| *last >= inner)) {
        return Err(Error::value(format!("record_index: must be ascending, below {inner}")));
    }
    let in_slots: Vec<_> = ranges.iter().map(|range| picked.map_or(range.clone(), |all| slots_of(all, range.clone()))).collect();
    for (trace, array) in record {
        let width = picked.map_or(inner, <[usize]>::len);
        traces.push((trace, layout::deal("record", array, (1, outer, time, width), &in_slots)?.into_iter()));
    }
    let (mut dense, mut bits) = (None, None);
    match output {
        Output::None => {}
        Output::Dense(array) => dense = Some(layout::deal("out", array, shape, &ranges)?.into_iter()),
        Output::Packed(_) if recurrent.is_some() || group.is_some() => {
            return Err(Error::value("packed: neurons that act on each other give floats; pack them afterwards"));
        }
        Output::Packed(words) => {
            let in_words: Vec<_> = ranges.iter().map(|r| r.start / 64..r.end.div_ceil(64)).collect();
            bits = Some(layout::deal("out", words, (1, outer, time, inner.div_ceil(64)), &in_words)?.into_iter());
        }
    }
    let streamed = is_large::<E>(x.len()) && size.is_none();
    let block = if streamed || inner * size_of::<E>() >= FAR { NEAR_BLOCK } else { BLOCK };
    let common = Common { rows: &rows, slots: slots(&neuron), time, inner, block, every, recurrent, size: size.unwrap_or(0) };
    let mut tiles = Vec::new();
    for b in 0..outer {
        for (range, slots) in ranges.iter().zip(&in_slots) {
            let sink = Recorder {
                dense: dense.as_mut().and_then(Iterator::next).map(|rows| Outgoing::new(rows, streamed)),
                bits: bits.as_mut().and_then(Iterator::next).map(Bits),
                traces: traces.iter_mut().filter_map(|(trace, rows)| Some((*trace, rows.next()?))).collect(),
                picked: picked.map(|all| (&all[slots.clone()], range.start)),
            };
            tiles.push(Tile {
                x: &x[b * time * inner..(b + 1) * time * inner],
                first: range.start,
                width: range.len(),
                state: states.next().unwrap_or_default(),
                checkpoints: marks.next().unwrap_or_default(),
                sink,
            });
        }
    }
    let context = Context { threads: worthwhile(context.threads, group::work(x.len(), recurrent.as_ref())), poll: context.poll };
    for_each(&context, tiles, |tile, stop| with_model(neuron, level, Run { level, common: &common, tile, plain, stop }))
}

/// A tile, ready for a model.
struct Run<'a, 'b, E: Elem> {
    level: Level,
    common: &'a Common<'b, E>,
    tile: Tile<'b, E, Recorder<'b, E>>,
    plain: bool,
    stop: &'a Stop<'a>,
}

impl<E: Elem> WithModel for Run<'_, '_, E> {
    fn with<M: Model>(mut self, model: M) {
        enter::<E, M, _, false>(self.level, model, self.common, &mut self.tile, self.stop);
    }

    /// One output and nothing recorded has a kernel of its own.
    fn with_everyday<M: Model>(self, model: M) {
        let Self { level, common, tile, plain, stop } = self;
        let Tile { x, first, width, state, checkpoints, sink } = tile;
        match sink {
            Recorder { dense: Some(sink), bits: None, .. } if plain => {
                enter::<E, M, _, true>(level, model, common, &mut Tile { x, first, width, state, checkpoints, sink }, stop);
            }
            Recorder { dense: None, bits: Some(sink), .. } if plain => {
                enter::<E, M, _, true>(level, model, common, &mut Tile { x, first, width, state, checkpoints, sink }, stop);
            }
            sink => enter::<E, M, _, false>(level, model, common, &mut Tile { x, first, width, state, checkpoints, sink }, stop),
        }
    }
}
