//! How input becomes current. `x` input, `i` the current kept, `c` the current the membrane sees.
//!
//! ```text
//! none             c = x
//! decay_jump_use   i = alpha i + x;    c = i                      snnTorch, SpikingJelly CUBA, native
//! jump_decay_use   i = alpha (i + x);  c = i                      sinabs, rockpool
//! jump_use_decay   j = i + x;  c = j;  i = alpha j                Norse (exact decay)
//! use_decay_jump   c = i;      i = alpha i + x                    Norse LSNN order
//! ```

use fearless_simd::prelude::*;

use super::{Coefficient, Coefficients, Column, Gradients};
use crate::elem::Elem;

/// The order in which a synapse decays, jumps and is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Synapse {
    /// The input is the current.
    None,
    /// Decay, add the input, use.
    DecayJumpUse,
    /// Add the input, decay, use.
    JumpDecayUse,
    /// Add the input, use, decay.
    JumpUseDecay,
    /// Use, decay, add the input.
    UseDecayJump,
}

impl Synapse {
    /// `(c, i after the step)`.
    #[inline(always)]
    pub fn forward<E: Elem, S: Simd, C: Coefficients<E, S, K>, const K: usize>(
        self,
        k: &C,
        i: &Column<E, S, K>,
        x: &Column<E, S, K>,
    ) -> (Column<E, S, K>, Column<E, S, K>) {
        let (mut c, mut next) = (*x, *i);
        match self {
            Self::None => {}
            Self::DecayJumpUse => {
                for j in 0..K {
                    next[j] = k.get(Coefficient::Alpha, j) * i[j] + x[j];
                    c[j] = next[j];
                }
            }
            Self::JumpDecayUse => {
                for j in 0..K {
                    next[j] = k.get(Coefficient::Alpha, j) * (i[j] + x[j]);
                    c[j] = next[j];
                }
            }
            Self::JumpUseDecay => {
                for j in 0..K {
                    c[j] = i[j] + x[j];
                    next[j] = k.get(Coefficient::Alpha, j) * c[j];
                }
            }
            Self::UseDecayJump => {
                for j in 0..K {
                    c[j] = i[j];
                    next[j] = k.get(Coefficient::Alpha, j) * i[j] + x[j];
                }
            }
        }
        (c, next)
    }

    /// From the gradients of `c` and of `i` after the step: `(dx, gradient of i before)`.
    #[inline(always)]
    pub fn adjoint<E: Elem, S: Simd, C: Coefficients<E, S, K>, const K: usize>(
        self,
        k: &C,
        (i, x): (&Column<E, S, K>, &Column<E, S, K>),
        dc: &Column<E, S, K>,
        di: &Column<E, S, K>,
        sums: &mut Gradients<E, S, K>,
    ) -> (Column<E, S, K>, Column<E, S, K>) {
        let (mut dx, mut before, mut dalpha) = (*dc, *di, *dc);
        match self {
            Self::None => return (dx, before),
            Self::DecayJumpUse => {
                for j in 0..K {
                    dx[j] = di[j] + dc[j];
                    dalpha[j] = dx[j] * i[j];
                    before[j] = k.get(Coefficient::Alpha, j) * dx[j];
                }
            }
            Self::JumpDecayUse => {
                for j in 0..K {
                    let after = di[j] + dc[j];
                    dalpha[j] = after * (i[j] + x[j]);
                    dx[j] = k.get(Coefficient::Alpha, j) * after;
                    before[j] = dx[j];
                }
            }
            Self::JumpUseDecay => {
                for j in 0..K {
                    dalpha[j] = di[j] * (i[j] + x[j]);
                    dx[j] = dc[j] + k.get(Coefficient::Alpha, j) * di[j];
                    before[j] = dx[j];
                }
            }
            Self::UseDecayJump => {
                for j in 0..K {
                    dalpha[j] = di[j] * i[j];
                    dx[j] = di[j];
                    before[j] = dc[j] + k.get(Coefficient::Alpha, j) * di[j];
                }
            }
        }
        sums.add(Coefficient::Alpha, &dalpha);
        (dx, before)
    }
}
