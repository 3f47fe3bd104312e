//! Integer neurons over time: one loop for every neuron of [`crate::neuron`].
//!
//! Arrays are `(T, lanes)`. Lanes do not meet: a task is a tile of lanes. It goes through blocks of [`STEPS`] steps, and in each through
//! pieces of [`WIDTH`] lanes: their input is gathered in the first cache, their spikes leave from there, past the cache where the array is
//! large. For every piece and block a bound on all that can occur picks the word to compute in (`i32`, `i64` or `i128`), so no operation
//! overflows.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use fearless_simd::Level;

use crate::bounds::{Bounds, keeps_current};
use crate::neuron::{Decay, Fire, Neuron, range};
use crate::rows::{Extent, Flow, Lined, Rows, RunWord, STEPS, WIDTH, padded};
use crate::word::{Integers, Number, Word, of_each};
use rsnn_base::elem::on_level;
use rsnn_base::error::{Error, Result};
use rsnn_base::memory::is_large;
use rsnn_base::pool::{Context, Stop, for_each};
use rsnn_base::raw::{Ahead, fence, stream};

/// Lanes of a task.
const TILE: usize = 8 * WIDTH;
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
    #[inline(always)]
    pub(crate) fn keep<W: Word>(&mut self, rows: &Rows<W>) {
        for (state, row) in [(&mut *self.v, &rows.v), (&mut *self.i, &rows.i), (&mut *self.rest, &rows.rest)] {
            state.iter_mut().zip(row.iter()).for_each(|(state, value)| *state = value.wide());
        }
    }

    /// Those of some lanes.
    fn part(&mut self, lanes: &Range<usize>) -> State<'_> {
        fn cut<'s>(state: &'s mut [i64], lanes: &Range<usize>) -> &'s mut [i64] {
            if state.is_empty() { state } else { &mut state[lanes.clone()] }
        }
        State { v: cut(self.v, lanes), i: cut(self.i, lanes), rest: cut(self.rest, lanes) }
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

/// The traces of a block, in the order of [`Flow::traces`].
pub(crate) const TRACES: [Trace; 3] = [Trace::V, Trace::U, Trace::I];

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
    /// Whether spikes and traces pass by the cache.
    streamed: bool,
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

/// Coefficients and states as rows of a word.
pub(crate) fn rows_of<W: Word>(columns: &Columns, state: &State<'_>) -> Rows<W> {
    // The padding is at rest: nothing reaches it, and its thresholds are not at 0.
    let [bias, v_threshold, v_low, v_min, v_max, decay_v, decay_i, refractory] = std::array::from_fn(|row| {
        padded(&columns[row], if row == Row::Threshold as usize { 1 } else { -i64::from(row == Row::Low as usize) })
    });
    let low_thresholds = columns[Row::Threshold as usize].iter().any(|&threshold| threshold < 1);
    let (v, i, rest) = (padded(state.v, 0), padded(state.i, 0), padded(state.rest, 0));
    Rows { v, i, rest, bias, low_thresholds, v_threshold, v_low, v_min, v_max, decay_v, decay_i, refractory }
}

/// Up to [`WIDTH`] neighbouring lanes of a tile: what does not change while time runs.
struct Piece {
    /// In the tile.
    lanes: Range<usize>,
    columns: Columns,
    bounds: Bounds,
    /// In the usual word, if that holds them.
    usual: Option<Rows<i32>>,
}

/// A block of a piece: `(steps, WIDTH)` of input, spikes and traces, in the first cache.
struct Scratch<W> {
    x: Lined<W>,
    s: Lined<W>,
    traces: [Lined<W>; 3],
}

impl<W: Word> Scratch<W> {
    fn new<O>(traces: &[(Trace, Vec<&mut [O]>)]) -> Self {
        let row = || Lined::zeros(STEPS * WIDTH);
        let kept = TRACES.map(|which| if traces.iter().any(|(trace, _)| *trace == which) { row() } else { Lined::default() });
        Self { x: row(), s: row(), traces: kept }
    }
}

/// Fill a row of [`WIDTH`], the rest with 0; gives the least and the greatest.
#[inline(always)]
fn fill<X: Number, W: Word>(to: &mut [W], x: &[X]) -> (X, X) {
    let (mut low, mut high) = (X::default(), X::default());
    // Whole rows are by far the most: a length that is known needs no calls.
    if let (Ok(to), Ok(x)) = (<&mut [W; WIDTH]>::try_from(&mut *to), <&[X; WIDTH]>::try_from(x)) {
        for (to, &x) in to.iter_mut().zip(x) {
            *to = W::narrow(x.wide());
            (low, high) = (low.min(x), high.max(x));
        }
        return (low, high);
    }
    for (to, &x) in to.iter_mut().zip(x) {
        *to = W::narrow(x.wide());
        (low, high) = (low.min(x), high.max(x));
    }
    to[x.len()..].fill(W::ZERO);
    (low, high)
}

impl<X: Number> Shared<'_, X> {
    fn row(&self, step: usize, first: usize, count: usize) -> &[X] {
        &self.x[step * self.lanes + first..][..count]
    }

    fn tile<O: Number>(&self, tile: &mut Tile<'_, O>, stop: &Stop<'_>) -> (Extent, Option<Overrun>) {
        let (first, count, steps) = (tile.first, tile.state.v.len(), tile.spikes.len());
        let mut pieces: Vec<Piece> = Vec::new();
        for from in (0..count).step_by(WIDTH) {
            let lanes = from..count.min(from + WIDTH);
            let columns = columns_of(self.neuron, &self.coefficients, first + from, lanes.len());
            let bounds = Bounds::new(self.neuron, &columns);
            let fits = bounds.fixed <= i128::from(i32::MAX);
            let usual = fits.then(|| rows_of(&columns, &tile.state.part(&lanes)));
            pieces.push(Piece { lanes, columns, bounds, usual });
        }
        let mut extent = Extent::default();
        let mut overrun = None;
        let mut scratch = Scratch::<i32>::new(&tile.traces);
        for start in (0..steps).step_by(STEPS) {
            if stop.now() {
                break;
            }
            let block = start..steps.min(start + STEPS);
            for piece in &mut pieces {
                let (reached, over) = self.piece(tile, piece, block.clone(), &mut scratch);
                extent.join(&reached);
                // The earliest, whatever the piece.
                overrun = [overrun, over].into_iter().flatten().min();
            }
            if overrun.is_some() {
                break;
            }
        }
        if self.streamed {
            fence();
        }
        (extent, overrun)
    }

    /// A block of a piece, in the narrowest word that holds everything.
    fn piece<O: Number>(
        &self,
        tile: &mut Tile<'_, O>,
        piece: &mut Piece,
        steps: Range<usize>,
        scratch: &mut Scratch<i32>,
    ) -> (Extent, Option<Overrun>) {
        // What does not fit is seen by its size.
        let x = self.gather(tile.first, piece, &steps, &mut scratch.x);
        let state = tile.state.part(&piece.lanes);
        let (mut most, mut calm) = (0, false);
        on_level!(self.level, simd => {
            most = piece.bounds.most(self.neuron, x, &state, steps.len());
            calm = keeps_current(self.neuron, x, &state, steps.len());
        });
        match &mut piece.usual {
            Some(rows) if most <= i128::from(i32::MAX) => {
                on_level!(self.level, simd => for (row, state) in [(&mut rows.v, &*state.v), (&mut rows.i, &*state.i), (&mut rows.rest, &*state.rest)] {
                    row.iter_mut().zip(state).for_each(|(row, &state)| *row = Word::narrow(state));
                });
                self.block(tile, &piece.lanes, rows, steps, scratch, calm)
            }
            _ if most <= i128::from(i64::MAX) => {
                let mut rows = rows_of::<i64>(&piece.columns, &state);
                let mut wide = Scratch::new(&tile.traces);
                self.gather(tile.first, piece, &steps, &mut wide.x);
                self.block(tile, &piece.lanes, &mut rows, steps, &mut wide, calm)
            }
            _ => {
                let mut rows = rows_of::<i128>(&piece.columns, &state);
                let mut wide = Scratch::new(&tile.traces);
                self.gather(tile.first, piece, &steps, &mut wide.x);
                self.block(tile, &piece.lanes, &mut rows, steps, &mut wide, calm)
            }
        }
    }

    /// Bring the input of a block into a word; gives the largest absolute value.
    fn gather<W: Word>(&self, first: usize, piece: &Piece, steps: &Range<usize>, to: &mut [W]) -> i128 {
        let (first, count) = (first + piece.lanes.start, piece.lanes.len());
        let (mut low, mut high) = (X::default(), X::default());
        on_level!(self.level, simd => for (to, t) in to.chunks_exact_mut(WIDTH).zip(steps.clone()) {
            let (least, most) = fill(to, self.row(t, first, count));
            (low, high) = (low.min(least), high.max(most));
        });
        i128::from(high.wide()).max(-i128::from(low.wide()))
    }

    fn block<W: RunWord, O: Number>(
        &self,
        tile: &mut Tile<'_, O>,
        lanes: &Range<usize>,
        rows: &mut Rows<W>,
        steps: Range<usize>,
        scratch: &mut Scratch<W>,
        calm: bool,
    ) -> (Extent, Option<Overrun>) {
        let mut restarts = 0;
        if self.neuron.restart.is_some() {
            restarts = steps.clone().enumerate().map(|(k, t)| u32::from(self.neuron.restarts(self.first_step + t)) << k).sum();
        }
        // Rows lie far apart, where no processor looks for them.
        let ahead = Ahead::new(self.x, steps.end * self.lanes + tile.first + lanes.start, lanes.len(), self.lanes);
        let traces = scratch.traces.each_mut().map(|row| &mut **row);
        let mut flow = Flow { steps: steps.len(), lanes: rows.v.len(), x: &scratch.x, s: &mut scratch.s, traces, restarts, calm, ahead };
        let (extent, overrun) = W::run(self.level, self.neuron, rows, &mut flow);
        if let Some((t, (lane, value, name))) = overrun {
            return (extent, Some((steps.start + t, tile.first + lanes.start + lane, value, name)));
        }
        on_level!(self.level, simd => tile.state.part(lanes).keep(rows));
        self.leave(&scratch.s, &mut tile.spikes[steps.clone()], lanes);
        for (trace, out) in &mut tile.traces {
            let row = &scratch.traces[TRACES.iter().position(|which| which == trace).unwrap_or(0)];
            self.leave(row, &mut out[steps.clone()], lanes);
        }
        (extent, None)
    }

    /// Write a block of rows to where it belongs.
    fn leave<W: Word, O: Number>(&self, from: &[W], to: &mut [&mut [O]], lanes: &Range<usize>) {
        on_level!(self.level, simd => for (from, to) in from.chunks_exact(WIDTH).zip(to) {
            let mut row = [O::default(); WIDTH];
            row.iter_mut().zip(from).for_each(|(to, from)| *to = O::narrow(from.wide()));
            let to = &mut to[lanes.clone()];
            if self.streamed {
                stream(self.level, to, &row[..lanes.len()]);
            } else {
                to.copy_from_slice(&row[..lanes.len()]);
            }
        });
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
    if let Some(wide) = registers.into_iter().flatten().find(|register| <O as Number>::BITS < register.limit()) {
        return Err(Error::value(format!("spikes: {} bits are too few for states of {} bits", <O as Number>::BITS, wide.limit())));
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

/// Spikes and traces in one type, each in the shape of the input.
pub type Written<'a, O> = (&'a mut [O], Vec<(Trace, &'a mut [O])>);

/// Where spikes and traces go: the type must hold the states.
#[derive(Debug)]
pub enum Outputs<'a> {
    /// 32 bits.
    I32(Written<'a, i32>),
    /// 64 bits.
    I64(Written<'a, i64>),
}

/// Run `lanes` neurons over the rows of `x`; `state` comes in and goes out. An error counts steps from `first_step`.
pub fn scan(
    context: &Context<'_>,
    level: Level,
    neuron: &Neuron,
    x: Integers<'_>,
    lanes: usize,
    coefficients: Coefficients<'_>,
    state: State<'_>,
    outputs: Outputs<'_>,
    first_step: usize,
) -> Result<Extent> {
    match outputs {
        Outputs::I32((spikes, mut traces)) => {
            of_each!(x, x => generic(context, level, neuron, x, lanes, coefficients, state, spikes, &mut traces, first_step))
        }
        Outputs::I64((spikes, mut traces)) => {
            of_each!(x, x => generic(context, level, neuron, x, lanes, coefficients, state, spikes, &mut traces, first_step))
        }
    }
}

/// [`scan`] of one type.
pub(crate) fn generic<X: Number, O: Number>(
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
        let shared = Shared { level, neuron, x, lanes, coefficients, first_step: first_step + k * CHUNK, streamed: is_large::<O>(x.len()) };
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
