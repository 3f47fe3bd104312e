//! Backwards in time where neurons act on each other: time is outermost, and some groups go through it side by side.
//!
//! ```text
//! per block, forwards      tape: the states before each step, the operand r = W s + bias, and which neurons may fire
//! per step, backwards      dx, dr, d, and the sums of the coefficients from the adjoint of the step
//!                          d_s[pre]         = sum over post of dr[post] W[post, pre]       into the step before
//!                          dW[pre]         += s[pre] dr         for those that fired, in ascending order
//!                          dbias           += dr
//! ```
//!
//! Spikes are few: the weights' gradient adds a row for each of them. What flows into the spikes is dense: a product over the groups of
//! a tile, which serves several rows with each weight that is loaded. Both sum in an order of their own, which depends neither on the
//! number of threads nor on how often the state was kept: the tiles of a task add to its share, and shares are added in their order.

use std::ops::Range;

use fearless_simd::{Level, prelude::*};

use super::backward::{Common, Tile};
use super::group::{self, Recurrent};
use super::{load, load_full, store, store_full};
use crate::neuron::{Arriving, Convention, Inputs, Model, STATES, State, States, for_each_state, is_left_out};
use crate::stage::{COEFFICIENTS, Column, Each, Gradients};
use crate::surrogate::Slopes;
use rsnn_base::elem::{Elem, V, on_level};
use rsnn_base::pool::Stop;
use rsnn_base::raw::prefetch;
use rsnn_products::product::gemm::{Right, Target, multiply, panel_width};

/// Steps between asking for a row and using it.
const AHEAD: usize = 2;
/// Tasks, each with a share of its own of the weights' gradient, that a run is cut into at most.
const SHARES: usize = 16;
/// Bytes that all shares together should not exceed.
const SHARED_BYTES: usize = 1 << 26;

/// How neurons act on each other, ready for the kernels.
pub(super) struct Groups<'a, E> {
    size: usize,
    recurrent: Option<Recurrent<'a, E>>,
    /// The weight in panels for the product, `[panel][post][column]`; what fills up the last one is 0.
    panels: Vec<E>,
    /// Where each row of a panel starts, and how far panels are apart.
    offsets: Vec<usize>,
    advance: usize,
}

impl<'a, E: Elem> Groups<'a, E> {
    pub fn new(level: Level, size: usize, recurrent: Option<Recurrent<'a, E>>) -> Self {
        let mut made = Self { size, recurrent, panels: Vec::new(), offsets: Vec::new(), advance: 0 };
        if let Some(recurrent) = recurrent.filter(|r| !r.is_own()) {
            let width = panel_width::<E>(level);
            made.offsets = (0..size).map(|post| post * width).collect();
            made.advance = size * width;
            made.panels = vec![E::ZERO; size.div_ceil(width) * made.advance];
            for (pre, row) in recurrent.weight.chunks_exact(size.max(1)).enumerate() {
                let at = pre / width * made.advance + pre % width;
                for (post, w) in row.iter().enumerate() {
                    made.panels[at + post * width] = *w;
                }
            }
        }
        made
    }
}

/// What one task adds to the gradients of the weights and of the bias.
#[derive(Default)]
pub(super) struct Share<E> {
    weight: Vec<E>,
    bias: Vec<E>,
}

impl<E: Elem> Share<E> {
    /// Write the sum of all, in order, to the gradients.
    pub fn total(shares: &[Self], weight: &mut [E], bias: Option<&mut [E]>) {
        let sum = |to: &mut [E], part: fn(&Self) -> &[E]| {
            to.fill(E::ZERO);
            for share in shares {
                for (to, from) in to.iter_mut().zip(part(share)) {
                    *to += *from;
                }
            }
        };
        sum(weight, |share| &share.weight);
        if let Some(bias) = bias {
            sum(bias, |share| &share.bias);
        }
    }
}

/// The ranges of neurons that tasks take, each some tiles; they do not depend on the number of threads.
pub(super) fn ranges<E>(inner: usize, size: usize, recurrent: Option<&Recurrent<'_, E>>) -> Vec<Range<usize>> {
    let tiles = group::ranges(inner, size);
    let most = recurrent.map_or(usize::MAX, |r| (SHARED_BYTES / size_of_val(r.weight).max(1)).clamp(2, SHARES));
    let tasks = tiles.len().min(most);
    (0..tasks).map(|n| tiles[n * tiles.len() / tasks].start..tiles[(n + 1) * tiles.len() / tasks - 1].end).collect()
}

/// What the groups side by side need while they go through time; rows are padded to whole columns.
struct Room<E> {
    stride: usize,
    /// Rows of a step: the states before it, the operand, and which neurons may fire.
    rows: usize,
    tape: Vec<E>,
    /// Gradients of the states.
    d: Vec<E>,
    /// Gradient of the operand.
    dr: Vec<E>,
    lead: Vec<E>,
    /// The neurons that fired before each step of the block, group after group; where each list ends.
    fired: Vec<u32>,
    ends: Vec<usize>,
}

impl<E: Elem> Room<E> {
    #[inline(always)]
    fn row(&self, step: usize, k: usize) -> Range<usize> {
        let at = (step * self.rows + k) * self.stride;
        at..at + self.stride
    }

    /// Row `k` of a step, `K` registers from `from` on; 0 where the neuron has no such row.
    #[inline(always)]
    fn read<S: Simd, const K: usize>(&self, simd: S, step: usize, k: Option<usize>, from: usize) -> Column<E, S, K> {
        let mut column = [V::<E, S>::splat(simd, E::ZERO); K];
        if let Some(k) = k {
            let at = self.row(step, k).start + from;
            column = load_full(simd, &self.tape[at..at + K * V::<E, S>::LEN]);
        }
        column
    }
}

/// A model, how it is differentiated, and everything it runs on.
struct Run<'a, 'b, E, M, H> {
    level: Level,
    model: M,
    convention: Convention<H>,
    common: &'a Common<'b, E>,
    groups: &'a Groups<'b, E>,
    stop: &'a Stop<'a>,
    /// The rows of the operand and of those that may fire, if there are any.
    operand: Option<usize>,
    allowed: Option<usize>,
}

impl<E: Elem, M: Model, H: Slopes<E>> Run<'_, '_, E, M, H> {
    /// Where a state lies; compiled stages drop those that are not kept.
    #[inline(always)]
    fn slot(&self, state: usize) -> Option<usize> {
        if self.model.keeps(State::ALL[state].0) { self.common.slots[state] } else { None }
    }

    #[inline(always)]
    fn states<S: Simd, const K: usize>(&self, simd: S, room: &Room<E>, step: usize, from: usize) -> States<E, S, K> {
        let mut states = [[V::<E, S>::splat(simd, E::ZERO); K]; STATES];
        for_each_state!(N => {
            if self.slot(N).is_some() {
                states[N] = room.read(simd, step, self.slot(N), from);
            }
        });
        states
    }

    /// All tiles of a task, one after the other.
    #[inline(always)]
    fn task<S: Simd, const K: usize>(&self, simd: S, tile: &mut Tile<'_, E>) {
        if const { is_left_out::<S, M>() } {
            unreachable!("old instruction sets run everyday neurons as all others");
        }
        let Self { common, groups, .. } = self;
        let width = group::abreast(groups.size).saturating_mul(groups.size).min(tile.width);
        let stride = width.next_multiple_of(K * V::<E, S>::LEN);
        let rows = common.n_states + usize::from(self.operand.is_some()) + usize::from(self.allowed.is_some());
        let mut room = Room {
            stride,
            rows,
            tape: vec![E::ZERO; common.every.min(common.shape.time) * rows * stride],
            d: vec![E::ZERO; common.n_states * stride],
            dr: vec![E::ZERO; stride],
            lead: vec![E::ZERO; if self.allowed.is_some() { stride } else { 0 }],
            fired: Vec::new(),
            ends: Vec::new(),
        };
        if let (Some(share), Some(recurrent)) = (&mut tile.share, &groups.recurrent) {
            share.weight.resize(recurrent.weight.len(), E::ZERO);
            share.bias.resize(groups.size, E::ZERO);
        }
        let mut wanted = [false; COEFFICIENTS];
        for which in common.wanted {
            wanted[*which as usize] = true;
        }
        let mut k = common.rows.each::<S, K>(simd);
        let mut sums = Gradients { wanted, sums: [[V::<E, S>::splat(simd, E::ZERO); K]; COEFFICIENTS] };
        let mut first = 0;
        while first < tile.width {
            let part = first..tile.width.min(first + width);
            for (k, row) in tile.grad_state.iter().enumerate() {
                room.d[k * stride..][..part.len()].copy_from_slice(&row[part.clone()]);
            }
            for block in (0..common.shape.time.div_ceil(common.every)).rev() {
                if self.stop.now() {
                    return;
                }
                let (t0, t1) = (block * common.every, ((block + 1) * common.every).min(common.shape.time));
                self.recompute(simd, block, (t0, t1), &part, tile, &mut room, &mut k);
                for t in (t0..t1).rev() {
                    self.reverse(simd, (t, t - t0), &part, tile, &mut room, &mut k, &mut sums);
                    self.bring_back(simd, t - t0, part.len(), tile, &mut room);
                }
            }
            for (k, row) in tile.grad_state.iter_mut().enumerate() {
                row[part.clone()].copy_from_slice(&room.d[k * stride..][..part.len()]);
            }
            first = part.end;
        }
    }

    /// Fill the tape with the steps of a block, in the forward's own bits.
    #[inline(always)]
    fn recompute<S: Simd, const K: usize>(
        &self,
        simd: S,
        block: usize,
        (t0, t1): (usize, usize),
        part: &Range<usize>,
        tile: &Tile<'_, E>,
        room: &mut Room<E>,
        k: &mut Each<E, S, K>,
    ) {
        let Self { model, common, groups, .. } = self;
        let wide = K * V::<E, S>::LEN;
        let zero = [V::<E, S>::splat(simd, E::ZERO); K];
        let width = part.len();
        for k in 0..common.n_states {
            let at = common.checkpoint_at(block, k, tile.outer) + tile.first + part.start;
            let row = room.row(0, k).start;
            room.tape[row..row + width].copy_from_slice(&common.checkpoints[at..at + width]);
        }
        room.fired.clear();
        room.ends.clear();
        room.ends.push(0);
        for t in t0..t1 {
            let step = t - t0;
            if let (Some(recurrent), Some(operand), Some(slot)) = (&groups.recurrent, self.operand, self.slot(State::S as usize)) {
                let (before, after) = room.tape.split_at_mut((step * room.rows + operand) * room.stride);
                let s = &before[(step * room.rows + slot) * room.stride..][..width];
                for (s, r) in s.chunks_exact(groups.size).zip(after[..width].chunks_exact_mut(groups.size)) {
                    let begin = room.fired.len();
                    recurrent.list(simd, s, &mut room.fired);
                    recurrent.gather(simd, s, r, &room.fired[begin..]);
                    room.ends.push(room.fired.len());
                }
            }
            for look in [true, false] {
                if if look { self.allowed.is_none() } else { t + 1 == t1 } {
                    continue; // nobody competes; or nobody asks for what comes after the block
                }
                let mut from = 0;
                while from < width {
                    let to = (from + wide).min(width);
                    let lane = tile.first + part.start + from;
                    if !common.rows.shared {
                        common.rows.fill(simd, k, lane);
                    }
                    let at = common.at(tile.outer, t, lane);
                    let x = load(simd, &common.x[at..at + (to - from)]);
                    if !look {
                        let later = at + AHEAD * common.shape.inner;
                        prefetch(common.x, later, to - from);
                    }
                    let states = self.states(simd, room, step, from);
                    let operand = room.read(simd, step, self.operand, from);
                    let allowed = if look { zero } else { room.read(simd, step, self.allowed, from) };
                    let came = model.step(simd, &*k, &Inputs { states: &states, x: &x, operand: &operand, allowed: &allowed });
                    if look {
                        let lead = group::lead(&*k, &came.u);
                        store_full(&lead, &mut room.lead[from..from + wide]);
                    } else {
                        for_each_state!(N => {
                            if let Some(slot) = self.slot(N) {
                                let row = room.row(step + 1, slot).start + from;
                                store_full(&came.after[N], &mut room.tape[row..row + wide]);
                            }
                        });
                    }
                    from = to;
                }
                if let (true, Some(allowed)) = (look, self.allowed) {
                    let row = room.row(step, allowed).start;
                    group::allow(&room.lead[..width], &mut room.tape[row..row + width], groups.size);
                }
            }
        }
    }

    /// The adjoint of a step, of all columns.
    #[inline(always)]
    fn reverse<S: Simd, const K: usize>(
        &self,
        simd: S,
        (t, step): (usize, usize),
        part: &Range<usize>,
        tile: &mut Tile<'_, E>,
        room: &mut Room<E>,
        k: &mut Each<E, S, K>,
        sums: &mut Gradients<E, S, K>,
    ) {
        let Self { model, common, .. } = self;
        let wide = K * V::<E, S>::LEN;
        let mut from = 0;
        while from < part.len() {
            let to = (from + wide).min(part.len());
            let (first, end) = (part.start + from, part.start + to);
            let lane = tile.first + first;
            if !common.rows.shared {
                common.rows.fill(simd, k, lane);
            }
            let at = common.at(tile.outer, t, lane);
            let here = at..at + (to - from);
            let x = load(simd, &common.x[here.clone()]);
            let states = self.states(simd, room, step, from);
            let operand = room.read(simd, step, self.operand, from);
            let allowed = room.read(simd, step, self.allowed, from);
            let mut d = [[V::<E, S>::splat(simd, E::ZERO); K]; STATES];
            for_each_state!(N => {
                if let Some(slot) = self.slot(N) {
                    d[N] = load_full(simd, &room.d[slot * room.stride + from..][..wide]);
                }
            });
            if let (Some(array), Some(earlier)) = (common.grad_output, at.checked_sub(AHEAD * common.shape.inner)) {
                prefetch(array, earlier, to - from);
                prefetch(common.x, earlier, to - from);
            }
            let [out, u] = common.arriving(simd, here, &mut d);
            for (which, row) in common.wanted.iter().zip(&tile.sums) {
                sums.sums[*which as usize] = load(simd, &row[first..end]);
            }
            let inputs = Inputs { states: &states, x: &x, operand: &operand, allowed: &allowed };
            let [dx, dr] = model.adjoint(simd, self.convention, &*k, &inputs, &Arriving { out: &out, u: &u }, &mut d, sums);
            for (which, row) in common.wanted.iter().zip(&mut tile.sums) {
                store(&sums.sums[*which as usize], &mut row[first..end]);
            }
            tile.grad_x.write(t, (first, end), &dx);
            store_full(&dr, &mut room.dr[from..from + wide]);
            for_each_state!(N => {
                if let Some(slot) = self.slot(N) {
                    store_full(&d[N], &mut room.d[slot * room.stride + from..][..wide]);
                }
            });
            from = to;
        }
    }

    /// From the operand to the spikes of the step before, and to the weights.
    #[inline(always)]
    fn bring_back<S: Simd>(&self, simd: S, step: usize, width: usize, tile: &mut Tile<'_, E>, room: &mut Room<E>) {
        let groups = self.groups;
        let (Some(recurrent), Some(slot)) = (&groups.recurrent, self.slot(State::S as usize)) else { return };
        let size = groups.size;
        let s = &room.tape[room.row(step, slot)][..width];
        let dr = &room.dr[..width];
        let ds = &mut room.d[slot * room.stride..][..width];
        if recurrent.is_own() {
            for (ds, dr) in ds.chunks_exact_mut(size).zip(dr.chunks_exact(size)) {
                for j in 0..size {
                    ds[j] = recurrent.weight[j] * dr[j];
                }
            }
        } else {
            let right = Right { values: &groups.panels, offsets: &groups.offsets, advance: groups.advance };
            multiply(self.level, dr, &right, Target { values: ds, stride: size, columns: 0..size }, self.stop);
        }
        let Some(share) = &mut tile.share else { return };
        let lists = &room.ends[step * (width / size)..];
        for (g, (s, dr)) in s.chunks_exact(size).zip(dr.chunks_exact(size)).enumerate() {
            if recurrent.is_own() {
                for j in 0..size {
                    share.weight[j] += s[j] * dr[j];
                }
            } else {
                scatter(simd, &room.fired[lists[g]..lists[g + 1]], s, dr, &mut share.weight);
            }
            for (to, from) in share.bias.iter_mut().zip(dr) {
                *to += *from;
            }
        }
    }
}

/// `weight[pre] += s[pre] dr` for the neurons of a group that fired.
#[inline(always)]
fn scatter<E: Elem, S: Simd>(simd: S, fired: &[u32], s: &[E], dr: &[E], weight: &mut [E]) {
    let lanes = V::<E, S>::LEN;
    let mut from = 0;
    while from + 8 * lanes <= dr.len() {
        add_rows::<E, S, 8>(simd, fired, s, dr, from, weight);
        from += 8 * lanes;
    }
    while from + lanes <= dr.len() {
        add_rows::<E, S, 1>(simd, fired, s, dr, from, weight);
        from += lanes;
    }
    for pre in fired {
        let pre = *pre as usize;
        for post in from..dr.len() {
            weight[pre * dr.len() + post] += s[pre] * dr[post];
        }
    }
}

/// `K` registers of the rows, those of `dr` loaded once.
#[inline(always)]
fn add_rows<E: Elem, S: Simd, const K: usize>(simd: S, fired: &[u32], s: &[E], dr: &[E], from: usize, weight: &mut [E]) {
    let lanes = V::<E, S>::LEN;
    let d: Column<E, S, K> = load_full(simd, &dr[from..from + K * lanes]);
    for pre in fired {
        let pre = *pre as usize;
        let row = &mut weight[pre * dr.len() + from..][..K * lanes];
        let s = V::<E, S>::splat(simd, s[pre]);
        let mut sum: Column<E, S, K> = load_full(simd, row);
        for j in 0..K {
            sum[j] += d[j] * s;
        }
        store_full(&sum, row);
    }
}

/// One kernel for each (number, model): the dispatch happens once for a task.
#[inline(never)]
pub(super) fn enter<E: Elem, M: Model, H: Slopes<E>>(
    level: Level,
    (model, convention): (M, Convention<H>),
    (common, groups): (&Common<'_, E>, &Groups<'_, E>),
    tile: &mut Tile<'_, E>,
    stop: &Stop<'_>,
) {
    let operand = groups.recurrent.map(|_| common.n_states);
    let allowed = model.competes().then(|| common.n_states + usize::from(operand.is_some()));
    let run = Run { level, model, convention, common, groups, stop, operand, allowed };
    on_level!(level, simd => run.task::<_, 4>(simd, tile));
}
