//! One step of neurons of which only some are visited: those that an event has reached.
//!
//! A neuron without leak, drive or anything that runs by itself does not change while its input is 0 and it does not fire: at
//! `u = v + 0` nothing happens, and nothing has to be done. Who is still at or above the threshold after a step (a reset that subtracts
//! can leave it there, one to a value can put it there) is visited in the next one, event or not. The first step of a run visits
//! all, so a state may come from anywhere. Neurons of which that is not true are visited in every step.
//!
//! This is the same step as everywhere, on one register after the other; what is visited besides comes from rounding to whole
//! registers, and does not change.

use std::ops::Range;

use fearless_simd::{Level, prelude::*};

use super::{Rows, Table, load_full, store_full};
use crate::neuron::composed::Composed;
use crate::neuron::spec::{Clip, Everyday, Operand, Plain, Spec, Stages};
use crate::neuron::{Inputs, Model, Neuron, STATES, State, States, for_each_state, is_left_out};
use crate::stage::adaptation::Adaptation;
use crate::stage::fire::Fire;
use crate::stage::membrane::{Form, Membrane};
use crate::stage::reset::{Reset, Resetting, Timing};
use crate::stage::synapse::Synapse;
use crate::stage::{Coefficient, Coefficients, Column};
use rsnn_base::elem::{Elem, V, on_level, runs_old};
use rsnn_base::error::Result;
use rsnn_products::event::conv::Scattering;
use rsnn_products::event::{Event, Laid, Touched};

/// Entries that a row of states or inputs is padded to.
pub const PADDING: usize = 64;

/// The integrator of everyday, compiled by itself: no leak, the threshold subtracted.
#[derive(Clone, Copy, Debug)]
struct Integrator<const MULTI: bool>;

impl<const MULTI: bool> Stages for Integrator<MULTI> {
    const EVERYDAY: bool = true;

    #[inline(always)]
    fn spec(self) -> Spec {
        Spec {
            synapse: Synapse::None,
            membrane: Membrane { form: Form::Leaky, leak: false, bias: false, gain: false },
            adaptation: Adaptation::None,
            fire: if MULTI { Fire::Multi } else { Fire::Single },
            rule: Resetting { reset: Reset::Subtract, timing: Timing::Same },
            refractory: false,
            masked: false,
            clip: Clip::None,
            operand: Operand::None,
            inhibition: false,
            graded: false,
        }
    }
}

/// Neurons that can be visited one by one: composed ones that keep nothing but membrane, current and rest, and act on nobody.
pub struct Visitor<E> {
    spec: Spec,
    plain: Plain,
    rows: Rows<E>,
    /// How many there are.
    pub len: usize,
    /// The same, padded: the length of a row of inputs or of a state.
    pub pitch: usize,
    /// Whether those that no event has reached do not change.
    pub quiet: bool,
    /// Whether they send spikes; else their membrane.
    pub spiking: bool,
}

/// What of one step goes in.
pub struct Visit<'a, E> {
    /// The states, `pitch` long each.
    pub state: &'a mut [E],
    /// The input, of all neurons or of some rows of them (see [`Feed`]); 0 afterwards.
    pub x: &'a mut [E],
    /// Added to it.
    pub bias: Option<&'a [E]>,
    /// Whom to visit; all of them where it is None.
    pub touched: Option<&'a mut Touched>,
    /// Events that a convolution adds to the input on the way.
    pub feed: Option<Feed<'a, E>>,
}

/// A convolution under way: neurons of a row are visited as soon as all of its events have been added.
///
/// Rows that are whole registers then need no more inputs than those of the rows that an event reaches, which stay in the cache nearest to
/// the processor.
pub struct Feed<'a, E> {
    /// The convolution.
    pub events: Scattering<'a, E>,
    /// Neurons of a row of the image.
    pub row: usize,
}

/// Whether rows of so many neurons are whole registers of every instruction set.
#[must_use]
pub fn is_whole<E>(row: usize) -> bool {
    row.is_multiple_of(64 / size_of::<E>())
}

/// Takes what neurons send on.
trait Sink<E: Elem> {
    /// A register of them; `ones` says that all spikes are 1.
    fn put<S: Simd>(&mut self, simd: S, from: usize, s: V<E, S>, ones: bool);
    /// Nothing more comes.
    fn end(&mut self);
}

/// Registers whose spikes wait to be listed.
const WAITING: usize = 64;

/// What is not 0.
struct Spikes<'a, E> {
    list: &'a mut Vec<Event<E>>,
    /// Registers with spikes of 1: the first neuron, and a bit for each spike. Whether a register has any is as good as chance: to look at
    /// it when many are known spares the processor a wrong guess at every other one.
    waiting: [(u32, u32); WAITING],
    count: usize,
    /// How many neurons there are: what fills up the last register sends nothing.
    len: usize,
}

impl<'a, E: Elem> Spikes<'a, E> {
    fn new(list: &'a mut Vec<Event<E>>, len: usize) -> Self {
        Self { list, waiting: [(0, 0); WAITING], count: 0, len }
    }
}

impl<E: Elem> Sink<E> for Spikes<'_, E> {
    #[inline(always)]
    #[allow(clippy::cast_possible_truncation, reason = "networks refuse samples of 2^32 entries; a register has at most 16 lanes")]
    fn put<S: Simd>(&mut self, simd: S, from: usize, s: V<E, S>, ones: bool) {
        let mut bits = (!s.simd_eq(V::<E, S>::splat(simd, E::ZERO))).to_bitmask();
        if ones {
            self.waiting[self.count % WAITING] = (from as u32, bits as u32);
            self.count += usize::from(bits != 0);
            if self.count == WAITING {
                self.end();
            }
        } else if bits != 0 {
            let values = s.as_slice();
            while bits != 0 {
                let lane = bits.trailing_zeros() as usize;
                bits &= bits - 1;
                if from + lane < self.len {
                    self.list.push(Event { at: (from + lane) as u32, value: values[lane] });
                }
            }
        }
    }

    #[inline(always)]
    fn end(&mut self) {
        for (from, bits) in &self.waiting[..self.count] {
            let mut bits = *bits;
            while bits != 0 {
                let at = from + bits.trailing_zeros();
                bits &= bits - 1;
                if (at as usize) < self.len {
                    self.list.push(Event { at, value: E::ONE });
                }
            }
        }
        self.count = 0;
    }
}

/// What is not 0, or everything: of neurons that have no code of their own.
#[allow(clippy::large_enum_variant, reason = "one for a step, where it is used")]
enum Either<'a, E> {
    Spikes(Spikes<'a, E>),
    Row(&'a mut [E]),
}

impl<E: Elem> Sink<E> for Either<'_, E> {
    #[inline(always)]
    fn put<S: Simd>(&mut self, simd: S, from: usize, s: V<E, S>, ones: bool) {
        match self {
            Self::Spikes(spikes) => spikes.put(simd, from, s, ones),
            Self::Row(row) => {
                let row = &mut row[from..];
                let there = row.len().min(V::<E, S>::LEN);
                row[..there].copy_from_slice(&s.as_slice()[..there]);
            }
        }
    }

    #[inline(always)]
    fn end(&mut self) {
        if let Self::Spikes(spikes) = self {
            spikes.end();
        }
    }
}

impl<E: Elem> Visitor<E> {
    /// `len` neurons side by side, if they can be visited.
    pub fn new(neuron: &Neuron, table: &Table<'_, E>, len: usize) -> Result<Option<Self>> {
        let Neuron::Composed(spec) = *neuron else { return Ok(None) };
        let Some(plain) = Plain::of(spec) else { return Ok(None) };
        let rows = Rows::new(neuron, table, len)?;
        let quiet = is_quiet(spec, neuron, table);
        let pitch = len.next_multiple_of(PADDING);
        Ok(Some(Self { spec, plain, rows, len, pitch, quiet, spiking: spec.fire != Fire::None }))
    }

    /// Take a step; the spikes are added to a list. Gives the multiplications made on the way.
    pub fn fire(&self, level: Level, visit: Visit<'_, E>, spikes: &mut Vec<Event<E>>) -> u64 {
        let spikes = Spikes::new(spikes, self.len);
        // The everyday ones have code of their own.
        let gain = self.spec.membrane.gain;
        let (current, bare) = (Everyday::<true, false> { gain }, Everyday::<false, false> { gain });
        if !self.rows.shared || runs_old(level) {
            self.enter(level, self.plain, visit, Either::Spikes(spikes))
        } else if self.spec == Integrator::<true>.spec() {
            self.enter(level, Integrator::<true>, visit, spikes)
        } else if self.spec == Integrator::<false>.spec() {
            self.enter(level, Integrator::<false>, visit, spikes)
        } else if self.spec == current.spec() {
            self.enter(level, current, visit, spikes)
        } else if self.spec == bare.spec() {
            self.enter(level, bare, visit, spikes)
        } else {
            self.enter(level, self.plain, visit, Either::Spikes(spikes))
        }
    }

    /// Take a step, visiting all; what they send on is written to a row.
    pub fn write(&self, level: Level, visit: Visit<'_, E>, row: &mut [E]) -> u64 {
        self.enter(level, self.plain, visit, Either::Row(row))
    }

    #[inline(never)]
    fn enter<P: Stages>(&self, level: Level, stages: P, visit: Visit<'_, E>, sink: impl Sink<E>) -> u64 {
        let mut made = 0;
        on_level!(level, simd => made = self.step(simd, stages, visit, sink));
        made
    }

    #[inline(always)]
    fn step<S: Simd, P: Stages>(&self, simd: S, stages: P, visit: Visit<'_, E>, sink: impl Sink<E>) -> u64 {
        if const { is_left_out::<S, Composed<P>>() } {
            unreachable!("old instruction sets run everyday neurons as all others");
        }
        let Visit { state, x, bias, touched, feed } = visit;
        let mut work = Work { visitor: self, stages, state, x, bias, sink };
        if self.rows.shared {
            let mut shared = self.rows.shared(simd);
            work.all(
                simd,
                touched,
                feed,
                &mut shared,
                #[inline(always)]
                |_, _| {},
            )
        } else {
            let mut each = self.rows.each::<S, 1>(simd);
            work.all(
                simd,
                touched,
                feed,
                &mut each,
                #[inline(always)]
                |each, from| self.rows.fill(simd, each, from),
            )
        }
    }
}

/// A step under way.
struct Work<'a, E, P, T> {
    visitor: &'a Visitor<E>,
    stages: P,
    state: &'a mut [E],
    x: &'a mut [E],
    bias: Option<&'a [E]>,
    sink: T,
}

impl<E: Elem, P: Stages, T: Sink<E>> Work<'_, E, P, T> {
    /// Feed and visit, row after row where rows are whole registers, else one after the other.
    #[inline(always)]
    fn all<S: Simd, C: Coefficients<E, S, 1>>(
        &mut self,
        simd: S,
        mut touched: Option<&mut Touched>,
        feed: Option<Feed<'_, E>>,
        k: &mut C,
        refill: impl Fn(&mut C, usize),
    ) -> u64 {
        let len = self.visitor.len;
        let laid = touched.as_deref().map(|touched| touched.laid(V::<E, S>::LEN));
        let (mut made, mut whole, mut row) = (0, false, 0);
        if let Some(Feed { mut events, row: fed }) = feed {
            (whole, row) = (is_whole::<E>(fed), fed);
            let mut ready = 0;
            loop {
                if whole {
                    let complete = events.complete().min(len / row.max(1));
                    for number in ready..complete {
                        let shift = (number - events.place(number)) * row;
                        self.rows(simd, touched.as_deref_mut().zip(laid), number..number + 1, row, shift, k, &refill);
                    }
                    ready = complete;
                }
                if events.row(simd.level(), self.x, touched.as_deref_mut()).is_none() {
                    break;
                }
            }
            made = events.made;
        }
        if !whole {
            self.rows(simd, touched.as_deref_mut().zip(laid), 0..usize::MAX, row, 0, k, &refill);
        }
        self.sink.end();
        if let Some(touched) = touched {
            touched.turn();
        }
        made
    }

    /// Visit some rows of `row` neurons each, or all of them; their inputs lie `shift` entries before their states.
    #[inline(always)]
    fn rows<S: Simd, C: Coefficients<E, S, 1>>(
        &mut self,
        simd: S,
        touched: Option<(&mut Touched, Laid)>,
        rows: Range<usize>,
        row: usize,
        shift: usize,
        k: &mut C,
        refill: &impl Fn(&mut C, usize),
    ) {
        let lanes = V::<E, S>::LEN;
        let len = self.visitor.len;
        if let Some((touched, laid)) = touched {
            touched.drain(
                rows,
                laid,
                #[inline(always)]
                |touched, from| {
                    self.run(
                        simd,
                        (from, lanes),
                        from - shift,
                        k,
                        refill,
                        #[inline(always)]
                        |from| touched.keep(from, (from + lanes).min(len)),
                    );
                },
            );
        } else {
            let end = if rows.end == usize::MAX { len } else { rows.end * row };
            let from = rows.start * row;
            self.run(
                simd,
                (from, end.next_multiple_of(lanes) - from),
                from - shift,
                k,
                refill,
                #[inline(always)]
                |_| {},
            );
        }
    }

    /// The step of some registers, `count` neurons from `first` on, whose inputs begin at `input`; `over` is told of each that has to be
    /// visited in the next step as well.
    #[inline(always)]
    fn run<S: Simd, C: Coefficients<E, S, 1>>(
        &mut self,
        simd: S,
        (first, count): (usize, usize),
        input: usize,
        k: &mut C,
        refill: &impl Fn(&mut C, usize),
        mut over: impl FnMut(usize),
    ) {
        let spec = self.stages.spec();
        let lanes = V::<E, S>::LEN;
        let zero = [V::<E, S>::splat(simd, E::ZERO); 1];
        let mut rows: [&mut [E]; STATES] = Default::default();
        let mut left = &mut *self.state;
        for_each_state!(N => {
            if spec.keeps(State::ALL[N].0) {
                let row;
                (row, left) = left.split_at_mut(self.visitor.pitch);
                rows[N] = &mut row[first..][..count];
            }
        });
        debug_assert!(left.is_empty(), "states of another neuron");
        let inputs = self.x[input..][..count].chunks_exact_mut(lanes);
        for (number, input) in inputs.enumerate() {
            let at = number * lanes;
            let from = first + at;
            refill(k, from);
            let mut states: States<E, S, 1> = [zero; STATES];
            for_each_state!(N => {
                if spec.keeps(State::ALL[N].0) {
                    states[N] = load_full(simd, &rows[N][at..at + lanes]);
                }
            });
            let mut x: Column<E, S, 1> = load_full(simd, input);
            store_full(&zero, input);
            if let Some(bias) = self.bias {
                x[0] += V::<E, S>::from_slice(simd, &bias[from..from + lanes]);
            }
            let step = Composed(self.stages).step(simd, k, &Inputs { states: &states, x: &x, operand: &zero, allowed: &zero });
            for_each_state!(N => {
                if spec.keeps(State::ALL[N].0) {
                    store_full(&step.after[N], &mut rows[N][at..at + lanes]);
                }
            });
            self.sink.put(simd, from, step.s[0], matches!(spec.fire, Fire::Single | Fire::Strict));
            if step.after[State::V as usize][0].simd_ge(k.get(Coefficient::VThreshold, 0)).to_bitmask() != 0 {
                over(from);
            }
        }
    }
}

/// Whether neurons that get 0 and do not fire stay exactly as they are.
fn is_quiet<E: Elem>(spec: Spec, neuron: &Neuron, table: &Table<'_, E>) -> bool {
    let Membrane { form, leak, bias, gain } = spec.membrane;
    let membrane = form == Form::Leaky && !leak && !bias && !gain && spec.synapse == Synapse::None;
    let fires = matches!(spec.fire, Fire::Single | Fire::Strict | Fire::Multi | Fire::Capped);
    let resets = matches!(spec.rule.reset, Reset::None | Reset::Subtract | Reset::Value) && !spec.rule.is_late();
    let values = |which: Coefficient, holds: &dyn Fn(f64) -> bool| {
        let row = neuron.coefficients().iter().position(|c| c.0 == which);
        row.is_none_or(|row| table.values[row * table.period..(row + 1) * table.period].iter().all(|v| holds(v.to_f64())))
    };
    // A 0 that is left by a reset or a floor must be the one that adding 0 leaves as it is.
    let kept = |v: f64| v.is_finite() && (v != 0.0 || v.is_sign_positive());
    membrane
        && fires
        && resets
        && !spec.refractory
        && spec.clip != Clip::Relu
        && values(Coefficient::Beta, &|beta| beta.to_bits() == 1.0_f64.to_bits())
        && values(Coefficient::VThreshold, &|theta| theta > 0.0 && theta.is_finite())
        && values(Coefficient::VReset, &kept)
        && values(Coefficient::VMin, &kept)
}
