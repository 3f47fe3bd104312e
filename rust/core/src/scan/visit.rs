//! One step of neurons of which only some are visited: those that an event has reached.
//!
//! A neuron without leak, drive or anything that runs by itself does not change while its input is 0 and it does not fire: at
//! `u = v + 0` nothing happens, and nothing has to be done. Who is still at or above the threshold after a step (a reset that subtracts
//! can leave it there, one to a value can put it there) is visited in the next one, event or not. The first step of a run visits
//! all, so a state may come from anywhere. Neurons of which that is not true are visited in every step.
//!
//! This is the same step as everywhere, on one register after the other; what is visited besides comes from rounding to whole
//! registers, and does not change.

use fearless_simd::{Level, prelude::*};

use super::{Rows, Table, load_full, store_full};
use crate::elem::{Elem, V, on_level};
use crate::error::Result;
use crate::event::conv::Scattering;
use crate::event::{Event, Touched};
use crate::neuron::composed::Composed;
use crate::neuron::spec::{Clip, Everyday, Operand, Plain, Plan, Spec};
use crate::neuron::{Inputs, Model, Neuron, STATES, State, States, for_each_state};
use crate::stage::adaptation::Adaptation;
use crate::stage::fire::Fire;
use crate::stage::membrane::{Form, Membrane};
use crate::stage::reset::{Reset, Rule, Timing};
use crate::stage::synapse::Synapse;
use crate::stage::{Coefficient, Coefficients, Column};

/// Entries that a row of states or inputs is padded to.
pub const PADDING: usize = 64;

/// The integrator of everyday, compiled by itself: no leak, the threshold subtracted.
#[derive(Clone, Copy, Debug)]
struct Integrator<const MULTI: bool>;

impl<const MULTI: bool> Plan for Integrator<MULTI> {
    #[inline(always)]
    fn spec(self) -> Spec {
        Spec {
            synapse: Synapse::None,
            membrane: Membrane { form: Form::Leaky, leak: false, bias: false, gain: false },
            adaptation: Adaptation::None,
            fire: if MULTI { Fire::Multi } else { Fire::Single },
            rule: Rule { reset: Reset::Subtract, timing: Timing::Same },
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
    /// The states they keep.
    pub kept: usize,
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
    /// The input; 0 afterwards.
    pub x: &'a mut [E],
    /// Added to it.
    pub bias: Option<&'a [E]>,
    /// Whom to visit; all of them where it is None.
    pub touched: Option<&'a mut Touched>,
    /// Events that a convolution adds to the input on the way.
    pub feed: Option<Feed<'a, E>>,
}

/// A convolution under way: neurons of a row are visited as soon as all of its events have been added, while it is in the cache.
pub struct Feed<'a, E> {
    /// The convolution.
    pub events: Scattering<'a, E>,
    /// Neurons of a row of the image.
    pub row: usize,
}

/// Takes what neurons send on.
trait Sink<E: Elem> {
    fn put<S: Simd>(&mut self, simd: S, from: usize, left: usize, s: V<E, S>);
}

/// What is not 0.
struct Spikes<'a, E>(&'a mut Vec<Event<E>>);

impl<E: Elem> Sink<E> for Spikes<'_, E> {
    #[inline(always)]
    fn put<S: Simd>(&mut self, simd: S, from: usize, left: usize, s: V<E, S>) {
        let mut bits = (!s.simd_eq(V::<E, S>::splat(simd, E::ZERO))).to_bitmask();
        if bits == 0 {
            return;
        }
        if left < V::<E, S>::LEN {
            bits &= (1 << left) - 1;
        }
        let values = s.as_slice();
        while bits != 0 {
            let lane = bits.trailing_zeros();
            bits &= bits - 1;
            #[allow(clippy::cast_possible_truncation, reason = "networks refuse samples of 2^32 entries")]
            self.0.push(Event { at: from as u32 + lane, value: values[lane as usize] });
        }
    }
}

/// Everything.
struct Row<'a, E>(&'a mut [E]);

impl<E: Elem> Sink<E> for Row<'_, E> {
    #[inline(always)]
    fn put<S: Simd>(&mut self, _: S, from: usize, left: usize, s: V<E, S>) {
        if left < V::<E, S>::LEN {
            self.0[from..].copy_from_slice(&s.as_slice()[..left]);
        } else {
            s.store_slice(&mut self.0[from..from + V::<E, S>::LEN]);
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
        let (kept, pitch) = (neuron.states().len(), len.next_multiple_of(PADDING));
        Ok(Some(Self { spec, plain, rows, kept, len, pitch, quiet, spiking: spec.fire != Fire::None }))
    }

    /// Take a step; the spikes are added to a list. Gives the multiplications made on the way.
    pub fn fire(&self, level: Level, visit: Visit<'_, E>, spikes: &mut Vec<Event<E>>) -> u64 {
        let spikes = Spikes(spikes);
        // The everyday ones have code of their own.
        let gain = self.spec.membrane.gain;
        let (current, bare) = (Everyday::<true, false> { gain }, Everyday::<false, false> { gain });
        if !self.rows.shared {
            self.enter(level, self.plain, visit, spikes)
        } else if self.spec == Integrator::<true>.spec() {
            self.enter(level, Integrator::<true>, visit, spikes)
        } else if self.spec == Integrator::<false>.spec() {
            self.enter(level, Integrator::<false>, visit, spikes)
        } else if self.spec == current.spec() {
            self.enter(level, current, visit, spikes)
        } else if self.spec == bare.spec() {
            self.enter(level, bare, visit, spikes)
        } else {
            self.enter(level, self.plain, visit, spikes)
        }
    }

    /// Take a step, visiting all; what they send on is written to a row.
    pub fn write(&self, level: Level, visit: Visit<'_, E>, row: &mut [E]) -> u64 {
        self.enter(level, self.plain, visit, Row(row))
    }

    #[inline(never)]
    fn enter<P: Plan>(&self, level: Level, plan: P, visit: Visit<'_, E>, sink: impl Sink<E>) -> u64 {
        let mut made = 0;
        on_level!(level, simd => made = self.step(simd, plan, visit, sink));
        made
    }

    #[inline(always)]
    fn step<S: Simd, P: Plan>(&self, simd: S, plan: P, visit: Visit<'_, E>, sink: impl Sink<E>) -> u64 {
        let Visit { state, x, bias, touched, feed } = visit;
        let mut work = Work { visitor: self, plan, state, x, bias, sink };
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
    plan: P,
    state: &'a mut [E],
    x: &'a mut [E],
    bias: Option<&'a [E]>,
    sink: T,
}

impl<E: Elem, P: Plan, T: Sink<E>> Work<'_, E, P, T> {
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
        let (mut ready, mut row, mut made) = (0, 0, 0);
        if let Some(mut feed) = feed {
            row = feed.row;
            let in_rows = row.is_multiple_of(V::<E, S>::LEN);
            loop {
                let complete = feed.events.complete();
                if in_rows && complete != usize::MAX && complete > ready {
                    self.rows(simd, touched.as_deref_mut(), (ready, complete, row), k, &refill);
                    ready = complete;
                }
                if feed.events.row(simd.level(), self.x, touched.as_deref_mut()).is_none() {
                    break;
                }
            }
            made = feed.events.made;
        }
        self.rows(simd, touched.as_deref_mut(), (ready, usize::MAX, row), k, &refill);
        if let Some(touched) = touched {
            touched.turn();
        }
        made
    }

    /// Visit rows `first..end` of `row` neurons each, to the last of all where there is no end.
    #[inline(always)]
    fn rows<S: Simd, C: Coefficients<E, S, 1>>(
        &mut self,
        simd: S,
        touched: Option<&mut Touched>,
        (first, end, row): (usize, usize, usize),
        k: &mut C,
        refill: &impl Fn(&mut C, usize),
    ) {
        let lanes = V::<E, S>::LEN;
        let len = self.visitor.len;
        if let Some(touched) = touched {
            touched.drain(
                first..end,
                lanes,
                #[inline(always)]
                |touched, from, to| {
                    for from in (from..to).step_by(lanes) {
                        refill(k, from);
                        if self.register(simd, from, k) {
                            touched.keep(from, (from + lanes).min(len));
                        }
                    }
                },
            );
        } else {
            let end = if end == usize::MAX { len } else { end * row };
            for from in (first * row..end).step_by(lanes) {
                refill(k, from);
                self.register(simd, from, k);
            }
        }
    }

    /// The step of one register of neurons; whether one of them has to be visited in the next step as well.
    #[inline(always)]
    fn register<S: Simd, C: Coefficients<E, S, 1>>(&mut self, simd: S, from: usize, k: &C) -> bool {
        let Visitor { pitch, len, .. } = self.visitor;
        let spec = self.plan.spec();
        let lanes = V::<E, S>::LEN;
        let zero = [V::<E, S>::splat(simd, E::ZERO); 1];
        let mut states: States<E, S, 1> = [zero; STATES];
        for_each_state!(N => {
            if let Some(slot) = slot(spec, N) {
                states[N] = load_full(simd, &self.state[slot * pitch + from..][..lanes]);
            }
        });
        let input = &mut self.x[from..from + lanes];
        let mut x: Column<E, S, 1> = load_full(simd, input);
        store_full(&zero, input);
        if let Some(bias) = self.bias {
            x[0] += V::<E, S>::from_slice(simd, &bias[from..from + lanes]);
        }
        let step = Composed(self.plan).step(simd, k, &Inputs { states: &states, x: &x, operand: &zero, allowed: &zero });
        for_each_state!(N => {
            if let Some(slot) = slot(spec, N) {
                store_full(&step.after[N], &mut self.state[slot * pitch + from..][..lanes]);
            }
        });
        self.sink.put(simd, from, len - from, step.s[0]);
        let over = step.after[State::V as usize][0].simd_ge(k.get(Coefficient::VThreshold, 0));
        over.to_bitmask() != 0
    }
}

/// Where a state lies among those that are kept: known when compiling, where the stages are.
#[inline(always)]
fn slot(spec: Spec, which: usize) -> Option<usize> {
    let mut before = 0;
    for_each_state!(N => {
        before += usize::from(N < which && spec.keeps(State::ALL[N].0));
    });
    spec.keeps(State::ALL[which].0).then_some(before)
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
