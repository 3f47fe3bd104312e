//! The stages a neuron is built from, each with its forward and its adjoint side by side.
//!
//! A stage works on a column: `K` registers of neurons at once ([`Column`]). What is chosen at run time is branched on once for a
//! column, never for a register, so a choice costs nothing measurable. Everything is `inline(always)`: a function that is not
//! inlined below the dispatch loses the instruction set.

use fearless_simd::prelude::*;

use crate::elem::{Elem, V};

pub mod adaptation;
pub mod fire;
pub mod membrane;
pub mod reset;
pub mod synapse;

/// `K` registers of neighbouring neurons.
pub type Column<E, S, const K: usize> = [V<E, S>; K];

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

/// The coefficients that neurons read, in the order every interface lists them.
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
    /// `a`: Izhikevich: step of the recovery.
    A,
    /// `b`: Izhikevich: how the recovery follows the membrane.
    B,
    /// `c`: Izhikevich: membrane after a spike.
    C,
    /// `d`: Izhikevich: what a spike adds to the recovery.
    D,
    /// `sq`: Izhikevich: factor of v^2.
    Sq,
    /// `mn`: Izhikevich: factor of v.
    Mn,
    /// `const`: Izhikevich: constant.
    Const,
    /// `k_e`: Euler step of the excitatory conductance, negative.
    KE,
    /// `k_i`: Euler step of the inhibitory conductance, negative.
    KI,
    /// `g_leak`: leak conductance.
    GLeak,
    /// `e_exc`: excitatory reversal potential.
    EExc,
    /// `e_inh`: inhibitory reversal potential.
    EInh,
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
        (Self::A, "a"),
        (Self::B, "b"),
        (Self::C, "c"),
        (Self::D, "d"),
        (Self::Sq, "sq"),
        (Self::Mn, "mn"),
        (Self::Const, "const"),
        (Self::KE, "k_e"),
        (Self::KI, "k_i"),
        (Self::GLeak, "g_leak"),
        (Self::EExc, "e_exc"),
        (Self::EInh, "e_inh"),
    ];
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

/// A value for each neuron of the column, read where it lies.
#[derive(Clone, Copy)]
pub struct Each<'a, E: Elem, S: Simd> {
    /// The instruction set.
    pub simd: S,
    /// All rows, each padded to whole columns.
    pub values: &'a [E],
    /// Where the column begins in each row.
    pub at: &'a [usize; COEFFICIENTS],
    /// The column's first neuron.
    pub from: usize,
}

impl<E: Elem, S: Simd, const K: usize> Coefficients<E, S, K> for Each<'_, E, S> {
    #[inline(always)]
    fn get(&self, which: Coefficient, j: usize) -> V<E, S> {
        let lanes = V::<E, S>::LEN;
        let at = self.at[which as usize] + self.from + j * lanes;
        V::<E, S>::from_slice(self.simd, &self.values[at..at + lanes])
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
