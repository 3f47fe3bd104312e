//! Neuron models: what one step is. Most are composed of stages; those that do not fit implement [`Model`] whole.
//!
//! A neuron arrives as text, its spec: the stages of a composed one (see [`spec`]), or the name of a whole one with its options.

use fearless_simd::Level;
use fearless_simd::prelude::*;

use crate::stage::{Coefficient, Coefficients, Column, Gradients};
use crate::surrogate::Slopes;
use rsnn_base::elem::{Elem, is_old, runs_old};
use rsnn_base::error::{Error, Result};

pub mod alpha;
pub mod coba;
pub mod composed;
pub mod glif3;
pub mod izhikevich;
pub mod merged;
pub mod spec;

use composed::Composed;
use merged::Merged;
use spec::{Everyday, Plain, Spec, Stages, Words};

/// The states a neuron can have, in the order every interface lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum State {
    /// Membrane.
    V,
    /// Synaptic current.
    I,
    /// A second synaptic current.
    H,
    /// Adaptation: a threshold or a current.
    A,
    /// Recovery.
    W,
    /// Refractory steps left.
    Rest,
    /// The last spikes, of a recurrent neuron.
    S,
}

/// How many states there are.
pub const STATES: usize = 7;

impl State {
    /// All of them, in order.
    pub const ALL: [(Self, &'static str); STATES] =
        [(Self::V, "v"), (Self::I, "i"), (Self::H, "h"), (Self::A, "a"), (Self::W, "w"), (Self::Rest, "rest"), (Self::S, "s")];
}

/// `body` for every state, its index a constant. Not a loop: one that the compiler does not unroll indexes the states at run time,
/// and they never see a register again (4 times slower).
macro_rules! for_each_state {
    ($n:ident => $body:block) => {{
        $crate::neuron::for_each_state!(@one $n 0 $body);
        $crate::neuron::for_each_state!(@one $n 1 $body);
        $crate::neuron::for_each_state!(@one $n 2 $body);
        $crate::neuron::for_each_state!(@one $n 3 $body);
        $crate::neuron::for_each_state!(@one $n 4 $body);
        $crate::neuron::for_each_state!(@one $n 5 $body);
        $crate::neuron::for_each_state!(@one $n 6 $body);
    }};
    (@one $n:ident $k:literal $body:block) => {{
        const $n: usize = $k;
        $body
    }};
}
pub(crate) use for_each_state;

const _: () = assert!(STATES == 7, "for_each_state lists them");

/// The states of a column, by [`State`].
pub type States<E, S, const K: usize> = [Column<E, S, K>; STATES];

/// What comes of a step.
pub struct Step<E: Elem, S: Simd, const K: usize> {
    /// What is sent on.
    pub s: Column<E, S, K>,
    /// The membrane before the reset.
    pub u: Column<E, S, K>,
    /// The states after it.
    pub after: States<E, S, K>,
}

/// What goes into a step.
#[derive(Clone, Copy)]
pub struct Inputs<'a, E: Elem, S: Simd, const K: usize> {
    /// The states before it.
    pub states: &'a States<E, S, K>,
    /// The input.
    pub x: &'a Column<E, S, K>,
    /// The recurrent operand; read by recurrent neurons alone.
    pub operand: &'a Column<E, S, K>,
    /// 1 where the neuron may fire, else 0; read by neurons that compete alone.
    pub allowed: &'a Column<E, S, K>,
}

/// What flows back into a step, besides the gradients of its states.
#[derive(Clone, Copy)]
pub struct Arriving<'a, E: Elem, S: Simd, const K: usize> {
    /// Gradient of what the step sent on.
    pub out: &'a Column<E, S, K>,
    /// Gradient of the membrane before the reset.
    pub u: &'a Column<E, S, K>,
}

/// How spikes are differentiated.
#[derive(Clone, Copy)]
pub struct Convention<H> {
    /// What stands for `ds/du`: a [`Slopes`].
    pub slopes: H,
    /// What is taken as a constant.
    pub detach: Detach,
}

/// What a gradient takes as a constant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Detach {
    /// `reset`: the spikes, in what every reset does with them.
    pub reset: bool,
    /// `carried`: the spikes that late resets read off the membrane carried in; those of the step flow (snnTorch's `reset_delay=False`).
    pub carried: bool,
    /// `threshold`: what an adaptation moves of the threshold, where spikes are tested against it; what resets take off flows (sinabs' ALIF).
    pub threshold: bool,
    /// `adaptation`: the spikes, in what they add to an adaptation (Norse's recurrent LSNN).
    pub adaptation: bool,
}

impl Detach {
    /// The paths of these names.
    pub fn named<T: AsRef<str>>(names: &[T]) -> Result<Self> {
        let mut detach = Self::default();
        for name in names {
            match name.as_ref() {
                "reset" => detach.reset = true,
                "carried" => detach.carried = true,
                "threshold" => detach.threshold = true,
                "adaptation" => detach.adaptation = true,
                other => {
                    let known = "reset, carried, threshold, adaptation";
                    return Err(Error::value(format!("detach: {other:?} is not known; accepted are {known}")));
                }
            }
        }
        Ok(detach)
    }

    /// Whether spikes read off the membrane carried in are constants.
    #[inline(always)]
    #[must_use]
    pub fn carried(self) -> bool {
        self.reset || self.carried
    }
}

/// One step of a neuron and its adjoint.
pub trait Model: Copy + Send + Sync {
    /// Whether everybody uses it: it has code of its own, but not for instruction sets that are old; see [`with_model`].
    const EVERYDAY: bool = false;

    /// Whether the neuron keeps this state.
    fn keeps(self, state: State) -> bool;

    /// Whether only one neuron of a group may fire.
    #[inline(always)]
    fn competes(self) -> bool {
        false
    }

    /// Take a step.
    fn step<E: Elem, S: Simd, C: Coefficients<E, S, K>, const K: usize>(
        self,
        simd: S,
        k: &C,
        inputs: &Inputs<'_, E, S, K>,
    ) -> Step<E, S, K>;

    /// One step backwards: `d` holds the gradients of the states after the step and leaves with those before; returns the gradients of
    /// the input and of the operand.
    fn adjoint<E: Elem, S: Simd, C: Coefficients<E, S, K>, H: Slopes<E>, const K: usize>(
        self,
        simd: S,
        convention: Convention<H>,
        k: &C,
        inputs: &Inputs<'_, E, S, K>,
        arriving: &Arriving<'_, E, S, K>,
        d: &mut States<E, S, K>,
        sums: &mut Gradients<E, S, K>,
    ) -> [Column<E, S, K>; 2];
}

/// A model that is not composed of stages.
pub trait Whole: Model {
    /// The words of its spec in their order, its name the first.
    const ORDER: &'static str;

    /// The names of the coefficients that no other neuron has, `Coefficient::Own0` the first.
    const OWN: &'static [&'static str];

    /// Read its spec from the word after its name.
    fn parse(words: &mut Words<'_>) -> Result<Self>;

    /// Whether it reads this coefficient.
    fn reads(self, which: Coefficient) -> bool;
}

/// The table of whole models: everything that asks which one a neuron is.
macro_rules! whole_models {
    ($($(#[$about:meta])* $name:ident: $model:ty,)*) => {
        /// A neuron as it was asked for.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Neuron {
            /// Of stages.
            Composed(Spec),
            $($(#[$about])* $name {
                /// Which of its forms.
                model: $model,
                /// Whether its own output comes back to it.
                recurrent: bool,
            },)*
        }

        impl Neuron {
            /// Read a spec.
            pub fn parse(text: &str) -> Result<Self> {
                $(
                    let order = <$model as Whole>::ORDER;
                    let mut words = Words::of(text, order);
                    if order.split(' ').next().is_some_and(|name| words.flag(name)) {
                        let model = <$model as Whole>::parse(&mut words)?;
                        let recurrent = words.flag("recurrent_merged");
                        return words.end().map(|()| Self::$name { model, recurrent });
                    }
                )*
                Spec::parse(text).map(Self::Composed)
            }

            /// Whether the neuron keeps this state.
            #[must_use]
            pub fn keeps(&self, state: State) -> bool {
                match self {
                    Self::Composed(spec) => spec.keeps(state),
                    $(Self::$name { model, recurrent } => model.keeps(state) || (*recurrent && state == State::S),)*
                }
            }

            /// Whether the neuron reads this coefficient.
            #[must_use]
            pub fn reads(&self, which: Coefficient) -> bool {
                match self {
                    Self::Composed(spec) => spec.reads(which),
                    $(Self::$name { model, .. } => model.reads(which),)*
                }
            }

            /// Whether only one neuron of a group may fire.
            #[must_use]
            pub fn competes(&self) -> bool {
                match self {
                    Self::Composed(spec) => spec.inhibition,
                    $(Self::$name { model, .. } => model.competes(),)*
                }
            }

            /// The names of the coefficients that this model has alone.
            fn own(&self) -> &'static [&'static str] {
                match self {
                    Self::Composed(_) => &[],
                    $(Self::$name { .. } => <$model as Whole>::OWN,)*
                }
            }
        }

        /// Give `work` the model of this neuron; the composed ones share theirs.
        pub fn with_shared_model(neuron: Neuron, work: impl WithSharedModel) {
            match neuron {
                Neuron::Composed(spec) => match Plain::of(spec) {
                    Some(plain) => work.with_shared(Composed(plain)),
                    None => work.with_shared(Composed(spec)),
                },
                $(Neuron::$name { model, recurrent: false } => work.with_shared(model),)*
                $(Neuron::$name { model, recurrent: true } => work.with_shared(Merged(model)),)*
            }
        }

        /// Give `work` the model of this neuron: the everyday ones have code of their own, the rest of the composed share theirs.
        pub fn with_model(neuron: Neuron, level: Level, work: impl WithModel) {
            match neuron {
                Neuron::Composed(spec) => with_composed(spec, level, work),
                $(Neuron::$name { model, recurrent: false } => work.with(model),)*
                $(Neuron::$name { model, recurrent: true } => work.with(Merged(model)),)*
            }
        }
    };
}

whole_models! {
    /// Izhikevich's.
    Izhikevich: izhikevich::Izhikevich,
    /// snnTorch's `Alpha`.
    Alpha: alpha::Alpha,
    /// Norse's `CobaLIF`.
    Coba: coba::Coba,
    /// The Allen Institute's GLIF-3.
    Glif3: glif3::Glif3,
}

impl Neuron {
    /// Whether it takes a recurrent operand.
    #[must_use]
    pub fn is_recurrent(&self) -> bool {
        self.keeps(State::S)
    }

    /// The states it keeps, in order.
    #[must_use]
    pub fn states(&self) -> Vec<(State, &'static str)> {
        State::ALL.into_iter().filter(|(state, _)| self.keeps(*state)).collect()
    }

    /// The coefficients it reads, in order.
    #[must_use]
    pub fn coefficients(&self) -> Vec<(Coefficient, &'static str)> {
        let named = |(which, name): (Coefficient, _)| (which, which.own().map_or(name, |n| self.own()[n]));
        Coefficient::ALL.into_iter().filter(|(which, _)| self.reads(*which)).map(named).collect()
    }
}

/// Whether a kernel is never run and need not be compiled: that of an everyday neuron for an old instruction set.
#[must_use]
pub const fn is_left_out<S: Simd, M: Model>() -> bool {
    M::EVERYDAY && is_old::<S>()
}

/// Something to do with a model, for which no neuron is worth code of its own.
pub trait WithSharedModel {
    /// Do it.
    fn with_shared<M: Model>(self, model: M);
}

/// Something to do with a model, whichever it is.
pub trait WithModel {
    /// Do it.
    fn with<M: Model>(self, model: M);

    /// Do it with a model that everybody uses: worth more compiled code, but for instruction sets that [`rsnn_base::elem::is_old`].
    fn with_everyday<M: Model>(self, model: M);
}

fn with_composed(spec: Spec, level: Level, work: impl WithModel) {
    let gain = spec.membrane.gain;
    let (current, bare) = (Everyday::<true, false> { gain }, Everyday::<false, false> { gain });
    let (current_back, bare_back) = (Everyday::<true, true> { gain }, Everyday::<false, true> { gain });
    let own = !runs_old(level);
    if own && spec == current.spec() {
        work.with_everyday(Composed(current));
    } else if own && spec == bare.spec() {
        work.with_everyday(Composed(bare));
    } else if own && spec == current_back.spec() {
        work.with_everyday(Composed(current_back));
    } else if own && spec == bare_back.spec() {
        work.with_everyday(Composed(bare_back));
    } else if let Some(plain) = Plain::of(spec) {
        work.with(Composed(plain));
    } else {
        work.with(Composed(spec));
    }
}

/// `(1 - s) u + s to`: a reset by mixing.
#[inline(always)]
fn blend<E: Elem, S: Simd, const K: usize>(simd: S, s: &Column<E, S, K>, u: &Column<E, S, K>, to: &Column<E, S, K>) -> Column<E, S, K> {
    let mut v = *u;
    for j in 0..K {
        v[j] = (rsnn_base::elem::V::<E, S>::splat(simd, E::ONE) - s[j]) * u[j] + s[j] * to[j];
    }
    v
}
