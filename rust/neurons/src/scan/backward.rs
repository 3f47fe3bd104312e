//! Backwards in time: gradients of the input, the initial state and the coefficients.
//!
//! Nothing but the state before every block was kept. A block is recomputed from there into a tape that stays in the cache, and the
//! tape is run in reverse: every adjoint sees every intermediate, and no model needs a list of what to save. The recomputation has
//! the forward's own bits, so the gradients do not depend on how often the state was kept.

use std::ops::Range;

use fearless_simd::{Level, prelude::*};

use super::backward_group::{self, Share};
use super::forward::Trace;
use super::group::{self, Recurrent};
use super::layout::{self, Shape};
use super::outgoing::Outgoing;
use super::{Rows, Table, add, load, load_states, slots, store, store_states, worthwhile};
use crate::neuron::{
    Arriving, Convention, Inputs, Model, Neuron, STATES, State, States, WithModel, WithSharedModel, for_each_state, is_left_out,
    with_model, with_shared_model,
};
use crate::stage::{COEFFICIENTS, Coefficient, Column, Gradients};
use crate::surrogate::{Apart, Slopes, Surrogate, Usual};
use rsnn_base::elem::{Elem, V, on_level};
use rsnn_base::error::{Error, Result};
use rsnn_base::memory::is_large;
use rsnn_base::pool::{Context, Stop, for_each};
use rsnn_base::raw::{fence, prefetch};

/// A run backwards. Shapes are `(outer, time, inner)`.
pub struct Backward<'a, E> {
    /// The neuron.
    pub neuron: Neuron,
    /// How spikes are differentiated.
    pub convention: Convention<Surrogate<E>>,
    /// The instruction set; every one gives the same bits.
    pub level: Level,
    /// Shape of `x`.
    pub shape: Shape,
    /// Input of the forward run.
    pub x: &'a [E],
    /// Coefficients of the forward run.
    pub coefficients: Table<'a, E>,
    /// Every how many steps the state was kept.
    pub every: usize,
    /// The states kept, `(ceil(time / every), states, outer, inner)`.
    pub checkpoints: &'a [E],
    /// The weights of the forward run.
    pub recurrent: Option<Recurrent<'a, E>>,
    /// Neurons of a group that compete.
    pub group: Option<usize>,
    /// Gradients of the weights, of their shape, and of the bias.
    pub grad_recurrent: Option<(&'a mut [E], Option<&'a mut [E]>)>,
    /// Gradient of the output, if there is one.
    pub grad_output: Option<&'a [E]>,
    /// Gradients of what was recorded.
    pub grad_record: Vec<(Trace, &'a [E])>,
    /// `(states, outer, inner)`: gradient of the final state, then of the initial one.
    pub grad_state: &'a mut [E],
    /// Gradient of `x`.
    pub grad_x: &'a mut [E],
    /// Which coefficients want a gradient.
    pub wanted: Vec<Coefficient>,
}

/// Steps between asking for a row and using it.
const AHEAD: usize = 8;

pub(super) struct Tile<'a, E> {
    pub outer: usize,
    pub first: usize,
    pub width: usize,
    pub grad_state: Vec<&'a mut [E]>,
    pub grad_x: Outgoing<'a, E>,
    /// A row for each wanted coefficient.
    pub sums: Vec<&'a mut [E]>,
    /// What its groups add to the gradients of the weights.
    pub share: Option<&'a mut Share<E>>,
}

pub(super) struct Common<'a, E> {
    pub rows: &'a Rows<E>,
    pub slots: [Option<usize>; STATES],
    pub n_states: usize,
    pub shape: Shape,
    pub every: usize,
    pub x: &'a [E],
    pub checkpoints: &'a [E],
    pub grad_output: Option<&'a [E]>,
    pub grad_record: &'a [(Trace, &'a [E])],
    pub wanted: &'a [Coefficient],
    /// Where neurons act on each other, how they do.
    pub groups: Option<backward_group::Groups<'a, E>>,
}

impl<E: Elem> Common<'_, E> {
    #[inline(always)]
    pub fn at(&self, outer: usize, t: usize, lane: usize) -> usize {
        (outer * self.shape.time + t) * self.shape.inner + lane
    }

    /// Where the state before a block of steps is kept.
    #[inline(always)]
    pub fn checkpoint_at(&self, block: usize, k: usize, outer: usize) -> usize {
        ((block * self.n_states + k) * self.shape.outer + outer) * self.shape.inner
    }

    /// The gradients that arrive at a step from outside, of its output and of the membrane before the reset; those of recorded states
    /// are added to `d`.
    #[inline(always)]
    pub fn arriving<S: Simd, const K: usize>(&self, simd: S, here: Range<usize>, d: &mut States<E, S, K>) -> [Column<E, S, K>; 2] {
        let zero = [V::<E, S>::splat(simd, E::ZERO); K];
        let mut out = zero;
        if let Some(array) = self.grad_output {
            out = load(simd, &array[here.clone()]);
        }
        let mut u = zero;
        for (trace, array) in self.grad_record {
            let arriving = load::<E, S, K>(simd, &array[here.clone()]);
            if *trace == Trace::U {
                add::<E, S, K>(&mut u, &arriving);
            }
            for_each_state!(N => {
                if *trace == Trace::After(State::ALL[N].0) {
                    add::<E, S, K>(&mut d[N], &arriving);
                }
            });
        }
        [out, u]
    }

    #[inline(always)]
    fn checkpoint<S: Simd, const K: usize>(&self, simd: S, block: usize, outer: usize, from: usize, to: usize) -> States<E, S, K> {
        let mut states = [[V::<E, S>::splat(simd, E::ZERO); K]; STATES];
        for_each_state!(N => {
            if let Some(k) = self.slots[N] {
                let row = self.checkpoint_at(block, k, outer);
                states[N] = load(simd, &self.checkpoints[row + from..row + to]);
            }
        });
        states
    }
}

#[inline(always)]
fn columns<E: Elem, S: Simd, M: Model, H: Slopes<E>, const K: usize>(
    simd: S,
    (model, convention): (M, Convention<H>),
    common: &Common<'_, E>,
    tile: &mut Tile<'_, E>,
    stop: &Stop<'_>,
) {
    let wide = K * V::<E, S>::LEN;
    let zero = [V::<E, S>::splat(simd, E::ZERO); K];
    let mut wanted = [false; COEFFICIENTS];
    for which in common.wanted {
        wanted[*which as usize] = true;
    }
    let time = common.shape.time;
    // Only what the neuron keeps is written: compiled stages drop the rest.
    let mut keeps = [false; STATES];
    for_each_state!(N => {
        keeps[N] = model.keeps(State::ALL[N].0);
    });
    let longest = common.every.min(time);
    let mut k = common.rows.each::<S, K>(simd);
    let mut tape: [Vec<Column<E, S, K>>; STATES] = std::array::from_fn(|n| vec![zero; if keeps[n] { longest } else { 0 }]);
    let mut xs = vec![zero; longest];
    // Made once: only what is wanted is read and written, and clearing all of it for every column would cost a tenth of the work.
    let mut sums = Gradients { wanted, sums: [zero; COEFFICIENTS] };
    for block in (0..time.div_ceil(common.every)).rev() {
        if stop.now() {
            return;
        }
        let (t0, t1) = (block * common.every, ((block + 1) * common.every).min(time));
        tile.grad_x.begin((t0, t1));
        let mut from = 0;
        while from < tile.width {
            let to = (from + wide).min(tile.width);
            let (lane, end) = (tile.first + from, tile.first + to);
            if !common.rows.shared {
                common.rows.fill(simd, &mut k, lane);
            }
            // A step some way ahead in this column, or, near its end, the same way into the next one.
            let steps = t1 - t0;
            let ahead = |step: usize| if step + AHEAD < steps { (step + AHEAD, lane) } else { (step + AHEAD - steps, end) };
            let mut states: States<E, S, K> = common.checkpoint(simd, block, tile.outer, lane, end);
            for t in t0..t1 {
                for_each_state!(N => {
                    if keeps[N] {
                        tape[N][t - t0] = states[N];
                    }
                });
                let at = common.at(tile.outer, t, lane);
                let x = load(simd, &common.x[at..at + (to - from)]);
                let (step, from) = ahead(t - t0);
                prefetch(common.x, common.at(tile.outer, t0 + step, from), wide);
                xs[t - t0] = x;
                states = model.step(simd, &k, &Inputs { states: &states, x: &x, operand: &zero, allowed: &zero }).after;
            }
            let mut d: States<E, S, K> = load_states(simd, &common.slots, &tile.grad_state, from, to);
            for (which, row) in common.wanted.iter().zip(&tile.sums) {
                sums.sums[*which as usize] = load(simd, &row[from..to]);
            }
            for t in (t0..t1).rev() {
                let at = common.at(tile.outer, t, lane);
                let here = at..at + (to - from);
                let x = xs[t - t0];
                let [out, u] = common.arriving(simd, here, &mut d);
                if let Some(array) = common.grad_output {
                    let (step, from) = ahead(t1 - 1 - t);
                    prefetch(array, common.at(tile.outer, t1 - 1 - step.min(steps - 1), from), wide);
                }
                let mut before = [zero; STATES];
                for_each_state!(N => {
                    if keeps[N] {
                        before[N] = tape[N][t - t0];
                    }
                });
                let arriving = Arriving { out: &out, u: &u };
                let inputs = Inputs { states: &before, x: &x, operand: &zero, allowed: &zero };
                let [dx, _] = model.adjoint(simd, convention, &k, &inputs, &arriving, &mut d, &mut sums);
                tile.grad_x.write(t, (from, to), &dx);
            }
            store_states(&common.slots, &d, &mut tile.grad_state, from, to);
            for (which, row) in common.wanted.iter().zip(&mut tile.sums) {
                store(&sums.sums[*which as usize], &mut row[from..to]);
            }
            tile.grad_x.leave(simd.level(), (t0, t1), (from, to));
            from = to;
        }
    }
    fence();
}

/// 4 registers at once: the adjoint holds more values than the forward, and the tape must stay in the cache.
#[inline(always)]
fn run<E: Elem, S: Simd, M: Model, H: Slopes<E>>(
    simd: S,
    model: (M, Convention<H>),
    common: &Common<'_, E>,
    tile: &mut Tile<'_, E>,
    stop: &Stop<'_>,
) {
    if const { is_left_out::<S, M>() } {
        unreachable!("old instruction sets run everyday neurons as all others");
    }
    columns::<E, S, M, H, 4>(simd, model, common, tile, stop);
}

#[inline(never)]
fn enter<E: Elem, M: Model, H: Slopes<E>>(
    level: Level,
    model: (M, Convention<H>),
    common: &Common<'_, E>,
    tile: &mut Tile<'_, E>,
    stop: &Stop<'_>,
) {
    on_level!(level, simd => run(simd, model, common, tile, stop));
}

/// A tile, ready for a model. Everyday neurons with a usual surrogate have kernels with that compiled in; the others call theirs.
struct Run<'a, 'b, E: Elem> {
    level: Level,
    convention: Convention<Surrogate<E>>,
    common: &'a Common<'b, E>,
    tile: Tile<'b, E>,
    stop: &'a Stop<'a>,
}

impl<E: Elem> Run<'_, '_, E> {
    fn run<M: Model, H: Slopes<E>>(&mut self, model: (M, Convention<H>)) {
        // What a model never is, is known when it is compiled, and not compiled for it.
        let recurrent = model.0.keeps(State::S);
        match &self.common.groups {
            Some(groups) if recurrent || model.0.competes() => {
                backward_group::enter(self.level, model, (self.common, groups), &mut self.tile, self.stop);
            }
            _ if recurrent => {}
            _ => enter(self.level, model, self.common, &mut self.tile, self.stop),
        }
    }
}

impl<E: Elem> WithSharedModel for Run<'_, '_, E> {
    fn with_shared<M: Model>(mut self, model: M) {
        let Convention { slopes, detach } = self.convention;
        self.run((model, Convention { slopes: Apart(slopes), detach }));
    }
}

/// The same where the surrogate is a usual one.
struct UsualRun<'a, 'b, E: Elem> {
    run: Run<'a, 'b, E>,
    slopes: Usual<E>,
}

impl<E: Elem> Run<'_, '_, E> {
    /// Run it for a neuron.
    fn of(self, neuron: Neuron) {
        match Usual::of(self.convention.slopes) {
            Some(slopes) => with_model(neuron, self.level, UsualRun { run: self, slopes }),
            None => with_shared_model(neuron, self),
        }
    }
}

impl<E: Elem> WithModel for UsualRun<'_, '_, E> {
    fn with<M: Model>(self, model: M) {
        self.run.with_shared(model);
    }

    fn with_everyday<M: Model>(self, model: M) {
        let Self { mut run, slopes } = self;
        let detach = run.convention.detach;
        run.run((model, Convention { slopes, detach }));
    }
}

impl<E: Elem> Backward<'_, E> {
    /// That the arrays have the entries of the shape.
    fn check(&self) -> Result<()> {
        let elements = self.shape.elements()?;
        if self.every == 0 {
            return Err(Error::value("every: 0 steps between checkpoints; give at least 1"));
        }
        layout::expect("x", self.x.len(), elements)?;
        let Shape { outer, time, inner } = self.shape;
        layout::expect("checkpoints", self.checkpoints.len(), time.div_ceil(self.every) * self.neuron.states().len() * outer * inner)?;
        if let Some(array) = self.grad_output {
            layout::expect("grad_out", array.len(), elements)?;
        }
        for (_, array) in &self.grad_record {
            layout::expect("grad_record", array.len(), elements)?;
        }
        match self.wanted.iter().find(|w| !self.neuron.reads(**w)) {
            Some(which) => Err(Error::value(format!("needs: this neuron does not read {which:?}"))),
            None => Ok(()),
        }
    }
}

/// Run it. Returns the gradients of the wanted coefficients, one row of `period` numbers each, summed in the order of the neurons. Whoever
/// calls this compiles it, for minutes: `rsnn_core::Kernels` has it compiled.
pub fn generic<E: Elem>(context: &Context<'_>, job: Backward<'_, E>) -> Result<Vec<Vec<f64>>> {
    job.check()?;
    let Backward {
        neuron,
        convention,
        level,
        shape,
        x,
        coefficients,
        every,
        checkpoints,
        recurrent,
        group,
        grad_recurrent,
        grad_output,
        grad_record,
        grad_state,
        grad_x,
        wanted,
    } = job;
    let elements = shape.elements()?;
    let Shape { outer, time, inner } = shape;
    let rows = Rows::new(&neuron, &coefficients, inner)?;
    let size = group::checked(&neuron, recurrent.as_ref(), group, inner)?;
    let n_states = neuron.states().len();
    let ranges = size.map_or_else(|| layout::ranges(inner), |size| backward_group::ranges(inner, size, recurrent.as_ref()));
    let mut sums = vec![E::ZERO; wanted.len() * outer * inner];
    let mut grad_states = layout::deal("grad_state", grad_state, (n_states, outer, 1, inner), &ranges)?.into_iter();
    let mut grad_xs = layout::deal("grad_x", grad_x, (1, outer, time, inner), &ranges)?.into_iter();
    let mut sum_rows = layout::deal("sums", &mut sums, (wanted.len(), outer, 1, inner), &ranges)?.into_iter();
    let mut shares: Vec<Share<E>> = Vec::new();
    if let (Some((weight, bias)), Some(recurrent)) = (&grad_recurrent, &recurrent) {
        layout::expect("grad_recurrent", weight.len(), recurrent.weight.len())?;
        layout::expect("grad_recurrent bias", bias.as_ref().map_or(recurrent.size, |b| b.len()), recurrent.size)?;
        shares.resize_with(outer * ranges.len(), Share::default);
    }
    let mut each_share = shares.iter_mut();
    let streamed = is_large::<E>(x.len()) && size.is_none();
    let mut tiles = Vec::new();
    for b in 0..outer {
        for range in &ranges {
            tiles.push(Tile {
                outer: b,
                first: range.start,
                width: range.len(),
                grad_state: grad_states.next().unwrap_or_default(),
                grad_x: Outgoing::new(grad_xs.next().unwrap_or_default(), streamed),
                sums: sum_rows.next().unwrap_or_default(),
                share: each_share.next(),
            });
        }
    }
    let common = Common {
        rows: &rows,
        slots: slots(&neuron),
        n_states,
        shape,
        every,
        x,
        checkpoints,
        grad_output,
        grad_record: &grad_record,
        wanted: &wanted,
        groups: size.map(|size| backward_group::Groups::new(level, size, recurrent)),
    };
    let work = group::work(elements, recurrent.as_ref());
    let context = Context { threads: worthwhile(context.threads, work), poll: context.poll };
    for_each(&context, tiles, |tile, stop| Run { level, convention, common: &common, tile, stop }.of(neuron))?;
    if let Some((weight, bias)) = grad_recurrent {
        Share::total(&shares, weight, bias);
    }
    let lanes = outer * inner;
    Ok((0..wanted.len()).map(|k| total(&sums[k * lanes..(k + 1) * lanes], inner, coefficients.period)).collect())
}

/// What the neurons that share a number add up to, in their order.
fn total<E: Elem>(row: &[E], inner: usize, period: usize) -> Vec<f64> {
    let mut total = vec![0.0; period];
    for (lane, value) in row.iter().enumerate() {
        total[lane % inner % period] += value.to_f64();
    }
    total
}
