//! How the membrane integrates: `u = decay(v) + g (c + bias)`, every operation rounded on its own.
//!
//! ```text
//! decay(v) = beta v              with a leak to v_leak != 0:   v_leak + beta (v - v_leak)
//! g (c + bias)                   a bias of 0 and a gain of 1 are left out: they change no value
//! ```

use fearless_simd::prelude::*;

use super::{Coefficient, Coefficients, Column, Gradients};
use crate::elem::Elem;

/// What the membrane's update contains beyond `beta v + c`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Membrane {
    /// It leaks to `v_leak`, not to 0.
    pub leak: bool,
    /// There is a constant input.
    pub bias: bool,
    /// The input is weighted.
    pub gain: bool,
}

impl Membrane {
    /// `u` from the membrane carried in and the current.
    #[inline(always)]
    pub fn forward<E: Elem, S: Simd, C: Coefficients<E, S, K>, const K: usize>(
        self,
        k: &C,
        v: &Column<E, S, K>,
        c: &Column<E, S, K>,
    ) -> Column<E, S, K> {
        let (mut u, mut z) = (*v, *c);
        if self.leak {
            for j in 0..K {
                let leak = k.get(Coefficient::VLeak, j);
                u[j] = leak + k.get(Coefficient::Beta, j) * (v[j] - leak);
            }
        } else {
            for j in 0..K {
                u[j] = k.get(Coefficient::Beta, j) * v[j];
            }
        }
        if self.bias {
            for j in 0..K {
                z[j] += k.get(Coefficient::Bias, j);
            }
        }
        if self.gain {
            for j in 0..K {
                z[j] = k.get(Coefficient::Gain, j) * z[j];
            }
        }
        for j in 0..K {
            u[j] += z[j];
        }
        u
    }

    /// From the gradient of `u`: `(gradient of v, gradient of c)`.
    #[inline(always)]
    pub fn adjoint<E: Elem, S: Simd, C: Coefficients<E, S, K>, const K: usize>(
        self,
        k: &C,
        (v, c): (&Column<E, S, K>, &Column<E, S, K>),
        du: &Column<E, S, K>,
        sums: &mut Gradients<E, S, K>,
    ) -> (Column<E, S, K>, Column<E, S, K>) {
        let (mut dv, mut dc, mut term) = (*du, *du, *v);
        for j in 0..K {
            dv[j] = k.get(Coefficient::Beta, j) * du[j];
        }
        if self.leak {
            let mut dleak = *du;
            for j in 0..K {
                term[j] = v[j] - k.get(Coefficient::VLeak, j);
                dleak[j] = du[j] - dv[j];
            }
            sums.add(Coefficient::VLeak, &dleak);
        }
        for j in 0..K {
            term[j] *= du[j];
        }
        sums.add(Coefficient::Beta, &term);
        if self.gain {
            term = *c;
            if self.bias {
                for j in 0..K {
                    term[j] += k.get(Coefficient::Bias, j);
                }
            }
            for j in 0..K {
                term[j] *= du[j];
                dc[j] = k.get(Coefficient::Gain, j) * du[j];
            }
            sums.add(Coefficient::Gain, &term);
        }
        if self.bias {
            sums.add(Coefficient::Bias, &dc);
        }
        (dv, dc)
    }
}
