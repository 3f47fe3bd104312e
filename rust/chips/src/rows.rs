//! Rows of integer neurons, and the loop over them: a column of registers, then the steps of a block.

use std::ops::{Deref, DerefMut};

use fearless_simd::Level;

use crate::lanes::{AddScaled, Lanes, One, Vector};
use crate::neuron::{Clip, DYNAPCNN, LOIHI, Neuron, XYLO};
use crate::step::{Column, map, outside, step};
use crate::word::Word;
use rsnn_base::elem::on_level;
use rsnn_base::raw::Ahead;

/// Registers side by side: their chains of operations fill each other's gaps.
const COLUMN: usize = 4;
/// Rows are padded to a multiple of this: a column of the widest registers of the narrowest word.
pub const WIDTH: usize = COLUMN * 16;
/// Steps of a block at most: a lane of any word counts its spikes of at most one a step.
pub const STEPS: usize = 32;

/// What neurons fired, and what their membranes reached before overflow was dealt with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    /// Spikes; those downwards count as -1.
    pub spikes: i128,
    /// Neuron-steps that fired.
    pub fired: u64,
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
        self.spikes += other.spikes;
        self.fired += other.fired;
        self.beyond += other.beyond;
        self.lowest = self.lowest.min(other.lowest);
        self.highest = self.highest.max(other.highest);
    }
}

/// The state that left its bits where that is an error: the lane, its value, and which one it is.
pub type Overrun = (usize, i128, &'static str);

/// A row that begins at a line of the cache: no register is read or written across two.
#[derive(Debug)]
pub struct Lined<W> {
    all: Vec<W>,
    head: usize,
    len: usize,
}

/// Bytes of a line of the cache.
const LINE: usize = 64;

impl<W> Lined<W> {
    /// Where a row of `len` begins in a vector that has a line more; where no place is known, it lies as it lies, and is slower.
    fn head(all: &[W], len: usize) -> usize {
        all.as_ptr().align_offset(LINE).min(all.len() - len)
    }
}

impl<W: Word> Lined<W> {
    /// So many zeros.
    #[must_use]
    pub fn zeros(len: usize) -> Self {
        if len == 0 {
            return Self::default();
        }
        let all = vec![W::ZERO; len + LINE / size_of::<W>()];
        Self { head: Self::head(&all, len), all, len }
    }
}

impl<W> Default for Lined<W> {
    fn default() -> Self {
        Self { all: Vec::new(), head: 0, len: 0 }
    }
}

impl<W: Clone> Clone for Lined<W> {
    fn clone(&self) -> Self {
        // The copy begins elsewhere in its line.
        let mut all = self.all.clone();
        let head = Self::head(&all, self.len);
        if head >= self.head {
            all.rotate_right(head - self.head);
        } else {
            all.rotate_left(self.head - head);
        }
        Self { all, head, len: self.len }
    }
}

impl<W> Deref for Lined<W> {
    type Target = [W];
    #[inline(always)]
    fn deref(&self) -> &[W] {
        &self.all[self.head..][..self.len]
    }
}

impl<W> DerefMut for Lined<W> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [W] {
        &mut self.all[self.head..][..self.len]
    }
}

/// Columns of the neurons of a row: states and coefficients, padded to [`WIDTH`] with neurons that do nothing. What a neuron does not
/// have is empty.
#[derive(Clone, Debug, Default)]
pub struct Rows<W> {
    /// Membrane.
    pub v: Lined<W>,
    /// Current.
    pub i: Lined<W>,
    /// Refractory steps left.
    pub rest: Lined<W>,
    /// Added at every step.
    pub bias: Lined<W>,
    /// Whether a threshold is below 1.
    pub low_thresholds: bool,
    /// Upper threshold.
    pub v_threshold: Lined<W>,
    /// Lower threshold of a ternary neuron.
    pub v_low: Lined<W>,
    /// Lower clip.
    pub v_min: Lined<W>,
    /// Upper clip.
    pub v_max: Lined<W>,
    /// The number of the membrane's decay.
    pub decay_v: Lined<W>,
    /// The number of the current's decay.
    pub decay_i: Lined<W>,
    /// Refractory steps.
    pub refractory: Lined<W>,
}

/// A row of values, as a word, padded.
pub(crate) fn padded<W: Word>(values: &[i64], with: i64) -> Lined<W> {
    let mut row = Lined::zeros(values.len().next_multiple_of(WIDTH));
    let (own, padding) = row.split_at_mut(values.len());
    own.iter_mut().zip(values).for_each(|(to, &value)| *to = W::narrow(value));
    padding.fill(W::narrow(with));
    row
}

/// What goes through rows in a block of steps: arrays `(steps, padded lanes)`.
pub struct Flow<'a, W> {
    /// At most [`STEPS`].
    pub steps: usize,
    /// How many lanes of the rows, a multiple of [`WIDTH`].
    pub lanes: usize,
    /// In; the padding is 0.
    pub x: &'a [W],
    /// Out: the spikes.
    pub s: &'a mut [W],
    /// Out, where it is not empty: membrane after the step, membrane before it fired, current after the step.
    pub traces: [&'a mut [W]; 3],
    /// Bit `t`: states are 0 before step `t`.
    pub restarts: u32,
    /// No current can leave its bits in these steps.
    pub calm: bool,
    /// What is read after this block, a row for each step.
    pub(crate) ahead: Ahead,
}

/// What came of it: the counts, and the first step in which a state left its bits where that is an error.
pub type Reached = (Extent, Option<(usize, Overrun)>);

/// The coefficients of a column.
pub(crate) struct Numbers<L, const K: usize> {
    pub bias: Column<L, K>,
    pub low_thresholds: bool,
    pub v_threshold: Column<L, K>,
    pub v_low: Column<L, K>,
    pub v_min: Column<L, K>,
    pub v_max: Column<L, K>,
    pub decay_v: Column<L, K>,
    pub decay_i: Column<L, K>,
    pub refractory: Column<L, K>,
}

/// The states of a column.
#[derive(Clone, Copy)]
pub(crate) struct States<L, const K: usize> {
    pub v: Column<L, K>,
    pub i: Column<L, K>,
    pub rest: Column<L, K>,
}

/// Counts of a block.
pub(crate) struct Tally<L> {
    pub low: L,
    pub high: L,
    /// Spikes of neurons that fired once.
    pub ones: L,
    pub beyond: u64,
    spikes: i128,
    fired: i128,
}

impl<L: Lanes> Tally<L> {
    #[inline(always)]
    fn new(token: L::Token) -> Self {
        let zero = L::splat(token, L::Word::ZERO);
        Self { low: zero, high: zero, ones: zero, beyond: 0, spikes: 0, fired: 0 }
    }

    /// Both together.
    #[inline(always)]
    fn join(&mut self, other: &Self) {
        (self.low, self.high) = (self.low.min(other.low), self.high.max(other.high));
        self.ones = self.ones.add(other.ones);
        self.beyond += other.beyond;
        self.spikes += other.spikes;
        self.fired += other.fired;
    }

    /// Whether no membrane that was met would have been moved or counted, had somebody looked.
    #[inline(always)]
    fn is_calm<const K: usize>(&self, token: L::Token, neuron: &Neuron, numbers: &Numbers<L, K>) -> bool {
        let clipped = |j: usize| {
            let low = if neuron.low == Some(Clip::Before) { numbers.v_min[j] } else { self.low };
            let high = if neuron.high == Some(Clip::Before) { numbers.v_max[j] } else { self.high };
            L::or(low.above(self.low), self.high.above(high))
        };
        let mut moved = clipped(0);
        for j in 1..K {
            moved = L::or(moved, clipped(j));
        }
        L::bits(moved) == 0 && outside(token, &[self.low, self.high], neuron.watch.min(neuron.membrane.bits)).is_none()
    }

    /// Count spikes one by one, or take them off again.
    #[inline(always)]
    pub fn count<const K: usize>(&mut self, s: &Column<L, K>, off: bool) {
        let mut row = [L::Word::ZERO; 16];
        for s in s {
            s.store(&mut row);
            for s in &row[..L::LEN] {
                let (spikes, fired) = (s.widest(), i128::from(*s != L::Word::ZERO));
                self.spikes += if off { -spikes } else { spikes };
                self.fired += if off { -fired } else { fired };
            }
        }
    }

    #[inline(always)]
    fn extent(&self) -> Extent {
        let ones = self.ones.fold(|one, other| one + other).widest();
        Extent {
            spikes: self.spikes + ones,
            fired: u64::try_from(self.fired + ones).unwrap_or(0),
            beyond: self.beyond,
            lowest: self.low.fold(Ord::min).widest(),
            highest: self.high.fold(Ord::max).widest(),
        }
    }
}

#[inline(always)]
fn load<L: Lanes, const K: usize>(token: L::Token, row: &[L::Word], from: usize) -> Column<L, K> {
    if row.is_empty() {
        return [L::splat(token, L::Word::ZERO); K];
    }
    let row = &row[from..][..K * L::LEN];
    map(
        &[(); K],
        #[inline(always)]
        |j, ()| L::load(token, &row[j * L::LEN..]),
    )
}

#[inline(always)]
fn store<L: Lanes, const K: usize>(column: &Column<L, K>, row: &mut [L::Word], from: usize) {
    if row.is_empty() {
        return;
    }
    let row = &mut row[from..][..K * L::LEN];
    for j in 0..K {
        column[j].store(&mut row[j * L::LEN..]);
    }
}

/// One column through all steps of the block.
#[inline(always)]
fn steps<L: Lanes, const K: usize>(
    token: L::Token,
    neuron: &Neuron,
    numbers: &Numbers<L, K>,
    state: &mut States<L, K>,
    flow: &mut Flow<'_, L::Word>,
    from: usize,
    tally: &mut Tally<L>,
) -> Option<(usize, Overrun)> {
    let zero = L::splat(token, L::Word::ZERO);
    for t in 0..flow.steps {
        if flow.restarts >> t & 1 != 0 {
            (state.v, state.i) = ([zero; K], [zero; K]);
        }
        if from == 0 {
            flow.ahead.ask(t);
        }
        let at = t * flow.lanes + from;
        let (step, over) = step(token, neuron, numbers, state, load(token, flow.x, at), tally);
        if let Some((lane, value, name)) = over {
            return Some((t, (from + lane, value, name)));
        }
        store(&step.s, flow.s, at);
        for (trace, column) in flow.traces.iter_mut().zip([&state.v, &step.u, &state.i]) {
            store(column, trace, at);
        }
    }
    None
}

/// All columns of the rows. Where `calm` is the neuron that looks after nothing and the current keeps within its bits anyway, a column is
/// run as that one first: few membranes ever leave their bits, and the least and the greatest say whether one did.
#[inline(always)]
fn columns<L: Lanes, const K: usize>(
    token: L::Token,
    neuron: &Neuron,
    calm: Option<&Neuron>,
    rows: &mut Rows<L::Word>,
    flow: &mut Flow<'_, L::Word>,
) -> Reached {
    let mut tally = Tally::new(token);
    let mut overrun: Option<(usize, Overrun)> = None;
    let calm = calm.filter(|_| flow.calm && !rows.low_thresholds);
    for from in (0..flow.lanes).step_by(K * L::LEN) {
        let numbers: Numbers<L, K> = Numbers {
            bias: load(token, &rows.bias, from),
            low_thresholds: rows.low_thresholds,
            v_threshold: load(token, &rows.v_threshold, from),
            v_low: load(token, &rows.v_low, from),
            v_min: load(token, &rows.v_min, from),
            v_max: load(token, &rows.v_max, from),
            decay_v: load(token, &rows.decay_v, from),
            decay_i: load(token, &rows.decay_i, from),
            refractory: load(token, &rows.refractory, from),
        };
        let mut state: States<L, K> =
            States { v: load(token, &rows.v, from), i: load(token, &rows.i, from), rest: load(token, &rows.rest, from) };
        let mut done = false;
        if let Some(calm) = calm {
            let (begun, mut own) = (state, Tally::new(token));
            steps(token, calm, &numbers, &mut state, flow, from, &mut own);
            done = own.is_calm(token, neuron, &numbers);
            if done {
                tally.join(&own);
            } else {
                state = begun;
            }
        }
        if !done && let Some(found) = steps(token, neuron, &numbers, &mut state, flow, from, &mut tally) {
            overrun = Some(overrun.map_or(found, |earlier| earlier.min(found)));
        }
        store(&state.v, &mut rows.v, from);
        store(&state.i, &mut rows.i, from);
        store(&state.rest, &mut rows.rest, from);
    }
    (tally.extent(), overrun)
}

/// A word that rows of neurons are run in.
pub trait RunWord: AddScaled {
    /// Run a block of steps. Compiled once for each word and instruction set, whatever the arrays hold.
    fn run(level: Level, neuron: &Neuron, rows: &mut Rows<Self>, flow: &mut Flow<'_, Self>) -> Reached;
}

macro_rules! run_word {
    ($word:ty $(, $everyday:ident $calm:expr)*) => {
        impl RunWord for $word {
            #[inline(never)]
            fn run(level: Level, neuron: &Neuron, rows: &mut Rows<Self>, flow: &mut Flow<'_, Self>) -> Reached {
                let mut reached = Default::default();
                // Everyday lines are known when compiling, and their branches gone.
                $(if *neuron == $everyday {
                    on_level!(level, simd => reached = columns::<Vector<$word, _>, COLUMN>(simd, &$everyday, $calm, rows, flow));
                    return reached;
                })*
                on_level!(level, simd => reached = columns::<Vector<$word, _>, COLUMN>(simd, neuron, None, rows, flow));
                reached
            }
        }
    };
}

run_word!(i32, LOIHI Some(&LOIHI.calm()), DYNAPCNN None, XYLO None);
run_word!(i64);

impl RunWord for i128 {
    #[inline(never)]
    fn run(_: Level, neuron: &Neuron, rows: &mut Rows<Self>, flow: &mut Flow<'_, Self>) -> Reached {
        columns::<One, COLUMN>((), neuron, None, rows, flow)
    }
}
