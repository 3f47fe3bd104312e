//! The stages a neuron is built from, each with its forward and its adjoint side by side.
//!
//! A stage works on a column: `K` registers of neurons at once ([`Column`]). What is chosen at run time is branched on once for a
//! column, never for a register, so a choice costs nothing measurable. Everything is `inline(always)`: a function that is not
//! inlined below the dispatch loses the instruction set.

use fearless_simd::prelude::*;

use crate::elem::{Elem, V};

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

/// `if mask { yes } else { no }`, lane by lane.
#[inline(always)]
pub fn choose<E: Elem, S: Simd>(mask: Mask<E, S>, yes: V<E, S>, no: V<E, S>) -> V<E, S> {
    mask.select(yes, no)
}

/// The coefficients of a neuron, in the order every interface lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Coefficient {
    /// Decay of the synaptic current.
    Alpha,
    /// Decay of the membrane.
    Beta,
    /// Where the membrane leaks to.
    VLeak,
    /// A constant input.
    Bias,
    /// Weight of the input, `g r`.
    Gain,
    /// The threshold.
    VThreshold,
    /// Most spikes in one step.
    MaxSpikes,
    /// Where a reset to a value goes.
    VReset,
    /// Steps without a spike after one.
    Refractory,
    /// The lower clip.
    VMin,
}

/// How many coefficients there are.
pub const COEFFICIENTS: usize = 10;

impl Coefficient {
    /// All of them, in order.
    pub const ALL: [(Self, &'static str); COEFFICIENTS] = [
        (Self::Alpha, "alpha"),
        (Self::Beta, "beta"),
        (Self::VLeak, "v_leak"),
        (Self::Bias, "bias"),
        (Self::Gain, "gain"),
        (Self::VThreshold, "v_threshold"),
        (Self::MaxSpikes, "max_spikes"),
        (Self::VReset, "v_reset"),
        (Self::Refractory, "refractory"),
        (Self::VMin, "v_min"),
    ];
}

/// Where a stage finds its coefficients: one value for all neurons, or one for each.
pub trait Coefficients<E: Elem, S: Simd, const K: usize>: Copy {
    /// Coefficient `which` of register `j`.
    fn get(&self, which: Coefficient, j: usize) -> V<E, S>;
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

/// A value for each neuron of the column.
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
