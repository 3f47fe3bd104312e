//! When a neuron fires, and how many spikes that is. NaN never fires: every comparison with it is false.
//!
//! ```text
//! none     no spikes: the neuron sends on its membrane
//! single   s = [u - theta >= 0]
//! strict   s = [u - theta > 0]                             Norse, snnTorch
//! multi    s = trunc(u / theta) where u > 0, else 0
//! capped   s = min(multi, max_spikes)
//! soft     s = 1/2 + y / (1 + 2 |y|), y = u - theta        for tests of gradients: smooth, its slope is FastSigmoid(2)
//! ```
//!
//! What is sent on may be held back or scaled (snnTorch):
//!
//! ```text
//! inhibition   s = s * allowed        before the reset: of a group, only the neuron with the largest u - v_threshold is allowed to fire
//! graded       output = s * graded    after the reset, which sees the spike as it was
//! ```
//!
//! `theta` is `v_threshold`, unless an adaptation moves it. The adjoint replaces `ds/du` by a surrogate, see [`crate::surrogate`];
//! `ds/dtheta` is its negative.

use fearless_simd::prelude::*;

use super::{Coefficient, Coefficients, Column, Gradients, choose};
use rsnn_base::elem::{Elem, V};

/// `a * b`.
#[inline(always)]
pub fn product<E: Elem, S: Simd, const K: usize>(a: &Column<E, S, K>, b: &Column<E, S, K>) -> Column<E, S, K> {
    let mut both = *a;
    for j in 0..K {
        both[j] = a[j] * b[j];
    }
    both
}

/// Gradient of `s` from that of `s * graded`, or of `s` itself where spikes are not graded.
#[inline(always)]
pub fn graded_adjoint<E: Elem, S: Simd, C: Coefficients<E, S, K>, const K: usize>(
    graded: bool,
    k: &C,
    s: &Column<E, S, K>,
    sent: &Column<E, S, K>,
    sums: &mut Gradients<E, S, K>,
) -> Column<E, S, K> {
    if !graded {
        return *sent;
    }
    sums.add(Coefficient::Graded, &product::<E, S, K>(s, sent));
    product::<E, S, K>(sent, &k.column(Coefficient::Graded))
}

/// What a step sends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fire {
    /// The membrane.
    None,
    /// At most one spike.
    Single,
    /// The same, where the threshold is passed and not only reached.
    Strict,
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
        [u, theta]: [&Column<E, S, K>; 2],
    ) -> Column<E, S, K> {
        let (zero, one) = (V::<E, S>::splat(simd, E::ZERO), V::<E, S>::splat(simd, E::ONE));
        let mut s = *u;
        match self {
            Self::None => {}
            Self::Single => {
                for j in 0..K {
                    s[j] = choose::<E, S>((u[j] - theta[j]).simd_ge(zero), one, zero);
                }
            }
            Self::Strict => {
                for j in 0..K {
                    s[j] = choose::<E, S>((u[j] - theta[j]).simd_gt(zero), one, zero);
                }
            }
            Self::Multi | Self::Capped => {
                for j in 0..K {
                    let count = (u[j] / theta[j]).trunc();
                    s[j] = choose::<E, S>(u[j].simd_gt(zero), count, zero);
                }
                if self == Self::Capped {
                    for j in 0..K {
                        // Not `min`: it leaves open which of a NaN and a number it gives.
                        let most = k.get(Coefficient::MaxSpikes, j);
                        s[j] = choose::<E, S>(s[j].simd_gt(most), most, s[j]);
                    }
                }
            }
            Self::Soft => {
                let half = V::<E, S>::splat(simd, E::from_f64(0.5));
                for j in 0..K {
                    let y = u[j] - theta[j];
                    s[j] = half + y / (one + (y.abs() + y.abs()));
                }
            }
        }
        s
    }
}
