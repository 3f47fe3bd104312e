//! The stages a neuron is built from, each with its forward and its adjoint side by side.
//!
//! A stage works on a column: `K` registers of neurons at once ([`Column`]). What is chosen at run time is branched on once for a
//! column, never for a register, so a choice costs nothing measurable. Everything is `inline(always)`: a function that is not
//! inlined below the dispatch loses the instruction set.

use fearless_simd::prelude::*;

use rsnn_base::elem::{Elem, V};

pub mod adaptation;
pub mod fire;
pub mod membrane;
pub mod reset;
pub mod synapse;

/// `K` registers of neighbouring neurons.
pub type Column<E, S, const K: usize> = [V<E, S>; K];

/// `body` for every register of a column, its index a constant. Not a loop: the compiler unrolls short bodies by itself, but a long one
/// it leaves a loop, and then the columns it indexes live in memory (4 times slower).
macro_rules! for_each_register {
    ($j:ident < $k:ident => $body:block) => {{
        $crate::stage::for_each_register!(@one $j $k 0 $body);
        $crate::stage::for_each_register!(@one $j $k 1 $body);
        $crate::stage::for_each_register!(@one $j $k 2 $body);
        $crate::stage::for_each_register!(@one $j $k 3 $body);
        $crate::stage::for_each_register!(@one $j $k 4 $body);
        $crate::stage::for_each_register!(@one $j $k 5 $body);
        $crate::stage::for_each_register!(@one $j $k 6 $body);
        $crate::stage::for_each_register!(@one $j $k 7 $body);
    }};
    (@one $j:ident $k:ident $n:literal $body:block) => {
        if $n < $k {
            let $j = $n;
            $body
        }
    };
}
pub(crate) use for_each_register;

/// The mask of one register.
pub type Mask<E, S> = <V<E, S> as SimdBase<S>>::Mask;

/// A column that holds `value` everywhere.
#[inline(always)]
pub fn splat<E: Elem, S: Simd, const K: usize>(simd: S, value: E) -> Column<E, S, K> {
    [V::<E, S>::splat(simd, value); K]
}

/// A column that may be absent. Not an `Option` of a reference: a pointer chosen at run time would keep the column, and the states it
/// may come from, out of the registers.
#[derive(Clone, Copy)]
pub struct Maybe<E: Elem, S: Simd, const K: usize> {
    /// Whether it is there.
    pub there: bool,
    /// The column; read only where it is there.
    pub column: Column<E, S, K>,
}

/// `if mask { yes } else { no }`, lane by lane.
#[inline(always)]
pub fn choose<E: Elem, S: Simd>(mask: Mask<E, S>, yes: V<E, S>, no: V<E, S>) -> V<E, S> {
    mask.select(yes, no)
}

/// The coefficients that neurons read, in the order every interface lists them: those of the stages, which a whole model may read as
/// well, and places for those that it has alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Coefficient {
    /// `alpha`: decay of the synaptic current.
    Alpha,
    /// `alpha_rise`: decay of the rising current.
    AlphaRise,
    /// `eta`: Euler step of the synaptic current, negative.
    Eta,
    /// `scale`: weight of the synaptic current.
    Scale,
    /// `beta`: decay of the membrane.
    Beta,
    /// `k`: Euler step of the membrane.
    K,
    /// `tau`: time constant of the membrane.
    Tau,
    /// `v_leak`: where the membrane leaks to.
    VLeak,
    /// `v_crit`: upper root of the quadratic drive.
    VCrit,
    /// `a0`: steepness of the quadratic drive.
    A0,
    /// `delta_t`: sharpness of the exponential drive.
    DeltaT,
    /// `v_rheobase`: where the exponential drive sets in.
    VRheobase,
    /// `r`: resistance.
    R,
    /// `inverse`: 1 / (R C).
    Inverse,
    /// `dt`: length of a step.
    Dt,
    /// `bias`: constant input.
    Bias,
    /// `gain`: weight of the input.
    Gain,
    /// `rho`: decay, Euler step, or time constant in steps, of the adaptation.
    Rho,
    /// `kappa`: weight of the adaptation in the threshold.
    Kappa,
    /// `couple`: how the adaptation follows the membrane or the threshold.
    Couple,
    /// `inc`: what a spike adds to the adaptation.
    Inc,
    /// `v_threshold`: threshold.
    VThreshold,
    /// `max_spikes`: most spikes in one step.
    MaxSpikes,
    /// `v_reset`: where a reset to a value goes.
    VReset,
    /// `v_subtract`: what a reset takes off, if not the threshold.
    VSubtract,
    /// `refractory`: steps without a spike after one.
    Refractory,
    /// `v_min`: lower clip.
    VMin,
    /// `graded`: the size of a spike that is sent on.
    Graded,
    /// The first of those that a whole model names itself, [`crate::neuron::Whole::OWN`].
    Own0,
    /// The next of them.
    Own1,
    /// The next of them.
    Own2,
    /// The next of them.
    Own3,
    /// The next of them.
    Own4,
    /// The next of them.
    Own5,
    /// The next of them.
    Own6,
    /// The next of them.
    Own7,
    /// The next of them.
    Own8,
    /// The next of them.
    Own9,
    /// The next of them.
    Own10,
    /// The next of them.
    Own11,
}

/// How many coefficients there are.
pub const COEFFICIENTS: usize = 40;

impl Coefficient {
    /// All of them, in order.
    pub const ALL: [(Self, &'static str); COEFFICIENTS] = [
        (Self::Alpha, "alpha"),
        (Self::AlphaRise, "alpha_rise"),
        (Self::Eta, "eta"),
        (Self::Scale, "scale"),
        (Self::Beta, "beta"),
        (Self::K, "k"),
        (Self::Tau, "tau"),
        (Self::VLeak, "v_leak"),
        (Self::VCrit, "v_crit"),
        (Self::A0, "a0"),
        (Self::DeltaT, "delta_t"),
        (Self::VRheobase, "v_rheobase"),
        (Self::R, "r"),
        (Self::Inverse, "inverse"),
        (Self::Dt, "dt"),
        (Self::Bias, "bias"),
        (Self::Gain, "gain"),
        (Self::Rho, "rho"),
        (Self::Kappa, "kappa"),
        (Self::Couple, "couple"),
        (Self::Inc, "inc"),
        (Self::VThreshold, "v_threshold"),
        (Self::MaxSpikes, "max_spikes"),
        (Self::VReset, "v_reset"),
        (Self::VSubtract, "v_subtract"),
        (Self::Refractory, "refractory"),
        (Self::VMin, "v_min"),
        (Self::Graded, "graded"),
        (Self::Own0, "own_0"),
        (Self::Own1, "own_1"),
        (Self::Own2, "own_2"),
        (Self::Own3, "own_3"),
        (Self::Own4, "own_4"),
        (Self::Own5, "own_5"),
        (Self::Own6, "own_6"),
        (Self::Own7, "own_7"),
        (Self::Own8, "own_8"),
        (Self::Own9, "own_9"),
        (Self::Own10, "own_10"),
        (Self::Own11, "own_11"),
    ];

    /// Which of a whole model's own it is, if it is one.
    #[must_use]
    pub fn own(self) -> Option<usize> {
        (self as usize).checked_sub(Self::Own0 as usize)
    }
}

/// Where a stage finds its coefficients: one value for all neurons, or one for each.
pub trait Coefficients<E: Elem, S: Simd, const K: usize>: Copy {
    /// Coefficient `which` of register `j`.
    fn get(&self, which: Coefficient, j: usize) -> V<E, S>;

    /// Coefficient `which` of the whole column.
    #[inline(always)]
    fn column(&self, which: Coefficient) -> Column<E, S, K> {
        // Not `array::from_fn`: it would not be inlined, and lose the instruction set.
        let mut column = [self.get(which, 0); K];
        for j in 1..K {
            column[j] = self.get(which, j);
        }
        column
    }
}

/// One value for all neurons, kept in registers.
#[derive(Clone, Copy)]
pub struct Shared<E: Elem, S: Simd>(pub [V<E, S>; COEFFICIENTS]);

impl<E: Elem, S: Simd, const K: usize> Coefficients<E, S, K> for Shared<E, S> {
    #[inline(always)]
    fn get(&self, which: Coefficient, _: usize) -> V<E, S> {
        self.0[which as usize]
    }
}

/// A value for each neuron of the column, copied beside it: a kernel reads it at a fixed place, and nothing it writes can change it.
#[derive(Clone, Copy)]
pub struct Each<E: Elem, S: Simd, const K: usize>(pub [Column<E, S, K>; COEFFICIENTS]);

impl<E: Elem, S: Simd, const K: usize> Coefficients<E, S, K> for Each<E, S, K> {
    #[inline(always)]
    fn get(&self, which: Coefficient, j: usize) -> V<E, S> {
        self.0[which as usize][j]
    }
}

/// Gradients of the coefficients, gathered over the steps of a column; only what is asked for.
pub struct Gradients<E: Elem, S: Simd, const K: usize> {
    /// Whether each is wanted.
    pub wanted: [bool; COEFFICIENTS],
    /// The sums so far.
    pub sums: [Column<E, S, K>; COEFFICIENTS],
}

impl<E: Elem, S: Simd, const K: usize> Gradients<E, S, K> {
    /// Add `term(j)` to the gradient of `which` if that is wanted.
    #[inline(always)]
    pub fn add(&mut self, which: Coefficient, term: &Column<E, S, K>) {
        if self.wanted[which as usize] {
            for j in 0..K {
                self.sums[which as usize][j] += term[j];
            }
        }
    }
}
