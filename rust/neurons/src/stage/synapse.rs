//! How input becomes current. `x` input, `i` the current kept, `h` a second one, `c` the current the membrane sees.
//!
//! ```text
//! none               c = x
//! decay_jump_use     i = alpha i + x;              c = i                snnTorch, SpikingJelly CUBA, native
//! jump_decay_use     i = alpha (i + x);            c = i                sinabs, rockpool
//! scaled_jump_decay  i = scale (alpha (i + x));    c = i                sinabs ALIF with norm_input
//! jump_use_decay     j = i + x;  c = j;  i = alpha j
//! jump_use_euler     j = i + x;  c = j;  i = j + eta j                  Norse
//! use_decay_jump     c = i;  i = alpha i + x
//! use_euler_jump     c = i;  i = (i + eta i) + x                        Norse LSNN
//! dual               i = alpha i + x;  h = alpha_rise h + x;  c = scale (i - h)
//! ```
//!
//! A recurrent operand `r` is added right after `x`, as a term of its own: `(i + x) + r`, `(alpha i + x) + r`. Without a synapse it
//! is left to the membrane.

use fearless_simd::prelude::*;

use super::{Coefficient, Coefficients, Column, Gradients, Maybe};
use rsnn_base::elem::Elem;

/// The order in which a synapse decays, jumps and is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Synapse {
    /// The input is the current.
    None,
    /// Decay, add the input, use.
    DecayJumpUse,
    /// Add the input, decay, use.
    JumpDecayUse,
    /// Add the input, decay, scale, use; the scaled current is kept.
    ScaledJumpDecay,
    /// Add the input, use, decay.
    JumpUseDecay,
    /// The same with a decay by an Euler step.
    JumpUseEuler,
    /// Use, decay, add the input.
    UseDecayJump,
    /// The same with a decay by an Euler step.
    UseEulerJump,
    /// The difference of two decays.
    Dual,
}

/// What a synapse makes of an input.
pub struct Current<E: Elem, S: Simd, const K: usize> {
    /// What the membrane sees.
    pub c: Column<E, S, K>,
    /// The current kept.
    pub i: Column<E, S, K>,
    /// The second current kept.
    pub h: Column<E, S, K>,
}

/// `x`, or `x` plus the operand where there is one, added to `base` in the promised order.
#[inline(always)]
fn jump<E: Elem, S: Simd, const K: usize>(base: &Column<E, S, K>, x: &Column<E, S, K>, operand: &Maybe<E, S, K>) -> Column<E, S, K> {
    let mut sum = *base;
    for j in 0..K {
        sum[j] += x[j];
    }
    if operand.there {
        for j in 0..K {
            sum[j] += operand.column[j];
        }
    }
    sum
}

#[inline(always)]
fn times<E: Elem, S: Simd, C: Coefficients<E, S, K>, const K: usize>(k: &C, which: Coefficient, y: &Column<E, S, K>) -> Column<E, S, K> {
    let mut product = *y;
    for j in 0..K {
        product[j] = k.get(which, j) * y[j];
    }
    product
}

#[inline(always)]
fn plus<E: Elem, S: Simd, const K: usize>(a: &Column<E, S, K>, b: &Column<E, S, K>) -> Column<E, S, K> {
    let mut sum = *a;
    for j in 0..K {
        sum[j] += b[j];
    }
    sum
}

#[inline(always)]
fn product<E: Elem, S: Simd, const K: usize>(a: &Column<E, S, K>, b: &Column<E, S, K>) -> Column<E, S, K> {
    let mut both = *a;
    for j in 0..K {
        both[j] *= b[j];
    }
    both
}

impl Synapse {
    /// One step.
    #[inline(always)]
    pub fn forward<E: Elem, S: Simd, C: Coefficients<E, S, K>, const K: usize>(
        self,
        k: &C,
        [i, h]: [&Column<E, S, K>; 2],
        x: &Column<E, S, K>,
        operand: &Maybe<E, S, K>,
    ) -> Current<E, S, K> {
        let mut to = Current { c: *x, i: *i, h: *h };
        match self {
            Self::None => {}
            Self::DecayJumpUse => {
                to.i = jump::<E, S, K>(&times::<E, S, C, K>(k, Coefficient::Alpha, i), x, operand);
                to.c = to.i;
            }
            Self::JumpDecayUse | Self::ScaledJumpDecay => {
                to.i = times::<E, S, C, K>(k, Coefficient::Alpha, &jump::<E, S, K>(i, x, operand));
                if self == Self::ScaledJumpDecay {
                    to.i = times::<E, S, C, K>(k, Coefficient::Scale, &to.i);
                }
                to.c = to.i;
            }
            Self::JumpUseDecay => {
                to.c = jump::<E, S, K>(i, x, operand);
                to.i = times::<E, S, C, K>(k, Coefficient::Alpha, &to.c);
            }
            Self::JumpUseEuler => {
                to.c = jump::<E, S, K>(i, x, operand);
                to.i = plus::<E, S, K>(&to.c, &times::<E, S, C, K>(k, Coefficient::Eta, &to.c));
            }
            Self::UseDecayJump => {
                to.c = *i;
                to.i = jump::<E, S, K>(&times::<E, S, C, K>(k, Coefficient::Alpha, i), x, operand);
            }
            Self::UseEulerJump => {
                to.c = *i;
                to.i = jump::<E, S, K>(&plus::<E, S, K>(i, &times::<E, S, C, K>(k, Coefficient::Eta, i)), x, operand);
            }
            Self::Dual => {
                to.i = jump::<E, S, K>(&times::<E, S, C, K>(k, Coefficient::Alpha, i), x, operand);
                to.h = jump::<E, S, K>(&times::<E, S, C, K>(k, Coefficient::AlphaRise, h), x, operand);
                for j in 0..K {
                    to.c[j] = k.get(Coefficient::Scale, j) * (to.i[j] - to.h[j]);
                }
            }
        }
        to
    }

    /// From the gradients of `c`, and of `i` and `h` after the step: `dx`, which is also that of the operand; `di` and `dh` leave as
    /// the gradients before the step.
    #[inline(always)]
    pub fn adjoint<E: Elem, S: Simd, C: Coefficients<E, S, K>, const K: usize>(
        self,
        k: &C,
        [i, h, x]: [&Column<E, S, K>; 3],
        operand: &Maybe<E, S, K>,
        after: &Current<E, S, K>,
        dc: &Column<E, S, K>,
        [di, dh]: [&mut Column<E, S, K>; 2],
        sums: &mut Gradients<E, S, K>,
    ) -> Column<E, S, K> {
        match self {
            Self::None => *dc,
            Self::DecayJumpUse => {
                let dx = plus::<E, S, K>(di, dc);
                sums.add(Coefficient::Alpha, &product::<E, S, K>(&dx, i));
                *di = times::<E, S, C, K>(k, Coefficient::Alpha, &dx);
                dx
            }
            Self::JumpDecayUse | Self::ScaledJumpDecay => {
                let jumped = jump::<E, S, K>(i, x, operand);
                let mut decayed = plus::<E, S, K>(di, dc);
                if self == Self::ScaledJumpDecay {
                    sums.add(Coefficient::Scale, &product::<E, S, K>(&decayed, &times::<E, S, C, K>(k, Coefficient::Alpha, &jumped)));
                    decayed = times::<E, S, C, K>(k, Coefficient::Scale, &decayed);
                }
                sums.add(Coefficient::Alpha, &product::<E, S, K>(&decayed, &jumped));
                *di = times::<E, S, C, K>(k, Coefficient::Alpha, &decayed);
                *di
            }
            Self::JumpUseDecay => {
                sums.add(Coefficient::Alpha, &product::<E, S, K>(di, &after.c));
                *di = plus::<E, S, K>(dc, &times::<E, S, C, K>(k, Coefficient::Alpha, di));
                *di
            }
            Self::JumpUseEuler => {
                sums.add(Coefficient::Eta, &product::<E, S, K>(di, &after.c));
                *di = plus::<E, S, K>(dc, &plus::<E, S, K>(di, &times::<E, S, C, K>(k, Coefficient::Eta, di)));
                *di
            }
            Self::UseDecayJump => {
                let dx = *di;
                sums.add(Coefficient::Alpha, &product::<E, S, K>(di, i));
                *di = plus::<E, S, K>(dc, &times::<E, S, C, K>(k, Coefficient::Alpha, di));
                dx
            }
            Self::UseEulerJump => {
                let dx = *di;
                sums.add(Coefficient::Eta, &product::<E, S, K>(di, i));
                *di = plus::<E, S, K>(dc, &plus::<E, S, K>(di, &times::<E, S, C, K>(k, Coefficient::Eta, di)));
                dx
            }
            Self::Dual => {
                let scaled = times::<E, S, C, K>(k, Coefficient::Scale, dc);
                let mut difference = after.i;
                for j in 0..K {
                    difference[j] -= after.h[j];
                }
                sums.add(Coefficient::Scale, &product::<E, S, K>(dc, &difference));
                let (to_i, mut to_h) = (plus::<E, S, K>(di, &scaled), *dh);
                for j in 0..K {
                    to_h[j] -= scaled[j];
                }
                sums.add(Coefficient::Alpha, &product::<E, S, K>(&to_i, i));
                sums.add(Coefficient::AlphaRise, &product::<E, S, K>(&to_h, h));
                *di = times::<E, S, C, K>(k, Coefficient::Alpha, &to_i);
                *dh = times::<E, S, C, K>(k, Coefficient::AlphaRise, &to_h);
                plus::<E, S, K>(&to_i, &to_h)
            }
        }
    }
}
