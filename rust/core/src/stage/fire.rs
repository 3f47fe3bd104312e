//! When a neuron fires, and how many spikes that is. NaN never fires: every comparison with it is false.
//!
//! ```text
//! none     no spikes: the neuron sends on its membrane
//! single   s = [u - v_threshold >= 0]
//! multi    s = trunc(u / v_threshold) where u > 0, else 0
//! capped   s = min(multi, max_spikes)
//! soft     s = 1/2 + y / (1 + 2 |y|), y = u - v_threshold        for tests of gradients: smooth, its slope is FastSigmoid(2)
//! ```
//!
//! The adjoint replaces `ds/du` by a surrogate, see [`crate::surrogate`]; `ds/dv_threshold` is its negative.

use fearless_simd::prelude::*;

use super::{Coefficient, Coefficients, Column, choose};
use crate::elem::{Elem, V};
use crate::surrogate::Surrogate;

/// What a step sends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fire {
    /// The membrane.
    None,
    /// At most one spike.
    Single,
    /// As many as thresholds fit.
    Multi,
    /// The same, up to a most.
    Capped,
    /// A smooth stand-in for one spike.
    Soft,
}

impl Fire {
    /// `s` from `u`.
    #[inline(always)]
    pub fn forward<E: Elem, S: Simd, C: Coefficients<E, S, K>, const K: usize>(
        self,
        simd: S,
        k: &C,
        u: &Column<E, S, K>,
    ) -> Column<E, S, K> {
        let (zero, one) = (V::<E, S>::splat(simd, E::ZERO), V::<E, S>::splat(simd, E::ONE));
        let mut s = *u;
        match self {
            Self::None => {}
            Self::Single => {
                for j in 0..K {
                    let above = (u[j] - k.get(Coefficient::VThreshold, j)).simd_ge(zero);
                    s[j] = choose::<E, S>(above, one, zero);
                }
            }
            Self::Multi | Self::Capped => {
                for j in 0..K {
                    let count = (u[j] / k.get(Coefficient::VThreshold, j)).trunc();
                    s[j] = choose::<E, S>(u[j].simd_gt(zero), count, zero);
                }
                if self == Self::Capped {
                    for j in 0..K {
                        s[j] = s[j].min(k.get(Coefficient::MaxSpikes, j));
                    }
                }
            }
            Self::Soft => {
                let half = V::<E, S>::splat(simd, E::from_f64(0.5));
                for j in 0..K {
                    let y = u[j] - k.get(Coefficient::VThreshold, j);
                    s[j] = half + y / (one + (y.abs() + y.abs()));
                }
            }
        }
        s
    }

    /// From the gradient of `s`: its share of the gradient of `u`; the threshold gets the negative of it.
    #[inline(always)]
    pub fn adjoint<E: Elem, S: Simd, C: Coefficients<E, S, K>, const K: usize>(
        self,
        simd: S,
        k: &C,
        surrogate: Surrogate<E>,
        u: &Column<E, S, K>,
        ds: &Column<E, S, K>,
    ) -> Column<E, S, K> {
        let mut theta = *u;
        for j in 0..K {
            theta[j] = k.get(Coefficient::VThreshold, j);
        }
        let mut e = surrogate.slope(simd, u, &theta);
        for j in 0..K {
            e[j] *= ds[j];
        }
        e
    }
}
