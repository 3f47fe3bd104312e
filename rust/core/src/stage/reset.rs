//! What a spike does to the membrane, and when. `s` spikes of this step, `r` those read off the membrane carried in.
//!
//! ```text
//! same       subtract  v = u - s v_threshold      value  v = v_reset where s != 0, else u      blend  v = (1 - s) u + s v_reset
//! next       the reset waits for the next step: there subtract takes r v_threshold off u; value and blend change the membrane
//!            before it decays, as above with r for s
//! residual   as next, and then d = s - r:  subtract  v = u - d v_threshold      value, blend  v = u - d (u - v_reset)
//! none       v = u
//! ```
//!
//! `blend` is how Norse and SpikingJelly write a reset to a value: it carries NaN and the sign of zero along, and it is smooth in `s`.

use fearless_simd::prelude::*;

use super::{Coefficient, Coefficients, Column, Gradients, choose};
use crate::elem::{Elem, V};

/// What a spike does to the membrane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reset {
    /// Nothing.
    None,
    /// The threshold is taken off, once for each spike.
    Subtract,
    /// The membrane is replaced by `v_reset`.
    Value,
    /// The membrane is mixed with `v_reset`, by `s`.
    Blend,
}

/// When the reset is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timing {
    /// In the step of the spike.
    Same,
    /// At the start of the next step (snnTorch's default).
    Next,
    /// At the start of the next step, made good for in this one (snnTorch's `reset_delay=False`).
    Residual,
}

/// The reset stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// What.
    pub reset: Reset,
    /// When.
    pub timing: Timing,
}

impl Rule {
    /// Whether spikes are read off the membrane carried in.
    #[inline(always)]
    #[must_use]
    pub fn is_late(self) -> bool {
        self.timing != Timing::Same && self.reset != Reset::None
    }

    /// A late reset to a value: the membrane that decays.
    #[inline(always)]
    pub fn before<E: Elem, S: Simd, C: Coefficients<E, S, K>, const K: usize>(
        self,
        simd: S,
        k: &C,
        v: &Column<E, S, K>,
        r: &Column<E, S, K>,
    ) -> Column<E, S, K> {
        if self.is_late() { self.to_value::<E, S, C, K>(simd, k, v, r) } else { *v }
    }

    /// `v` with its spikes reset to `v_reset`; untouched where the reset is of another kind.
    #[inline(always)]
    fn to_value<E: Elem, S: Simd, C: Coefficients<E, S, K>, const K: usize>(
        self,
        simd: S,
        k: &C,
        v: &Column<E, S, K>,
        s: &Column<E, S, K>,
    ) -> Column<E, S, K> {
        let (zero, one) = (V::<E, S>::splat(simd, E::ZERO), V::<E, S>::splat(simd, E::ONE));
        let mut to = *v;
        if self.reset == Reset::Value {
            for j in 0..K {
                to[j] = choose::<E, S>(s[j].simd_eq(zero), v[j], k.get(Coefficient::VReset, j));
            }
        } else if self.reset == Reset::Blend {
            for j in 0..K {
                to[j] = (one - s[j]) * v[j] + s[j] * k.get(Coefficient::VReset, j);
            }
        }
        to
    }

    /// Adjoint of [`Rule::to_value`]: `(dv, ds)`.
    #[inline(always)]
    fn to_value_adjoint<E: Elem, S: Simd, C: Coefficients<E, S, K>, const K: usize>(
        self,
        simd: S,
        k: &C,
        (v, s): (&Column<E, S, K>, &Column<E, S, K>),
        dto: &Column<E, S, K>,
        sums: &mut Gradients<E, S, K>,
    ) -> (Column<E, S, K>, Column<E, S, K>) {
        let (zero, one) = (V::<E, S>::splat(simd, E::ZERO), V::<E, S>::splat(simd, E::ONE));
        let (mut dv, mut ds, mut term) = (*dto, *dto, *dto);
        for j in 0..K {
            ds[j] = (k.get(Coefficient::VReset, j) - v[j]) * dto[j];
        }
        if self.reset == Reset::Value {
            for j in 0..K {
                let quiet = s[j].simd_eq(zero);
                term[j] = choose::<E, S>(quiet, zero, dto[j]);
                dv[j] = choose::<E, S>(quiet, dto[j], zero);
            }
        } else {
            for j in 0..K {
                term[j] = s[j] * dto[j];
                dv[j] = (one - s[j]) * dto[j];
            }
        }
        sums.add(Coefficient::VReset, &term);
        (dv, ds)
    }

    /// A late subtraction, after the integration.
    #[inline(always)]
    pub fn between<E: Elem, S: Simd, C: Coefficients<E, S, K>, const K: usize>(self, k: &C, u: &mut Column<E, S, K>, r: &Column<E, S, K>) {
        if self.is_late() && self.reset == Reset::Subtract {
            for j in 0..K {
                u[j] -= r[j] * k.get(Coefficient::VThreshold, j);
            }
        }
    }

    /// `v` after the spikes of this step.
    #[inline(always)]
    pub fn after<E: Elem, S: Simd, C: Coefficients<E, S, K>, const K: usize>(
        self,
        simd: S,
        k: &C,
        u: &Column<E, S, K>,
        s: &Column<E, S, K>,
        r: &Column<E, S, K>,
    ) -> Column<E, S, K> {
        let mut v = *u;
        match (self.timing, self.reset) {
            (_, Reset::None) | (Timing::Next, _) => {}
            (Timing::Same, Reset::Subtract) => {
                for j in 0..K {
                    v[j] = u[j] - s[j] * k.get(Coefficient::VThreshold, j);
                }
            }
            (Timing::Same, Reset::Value | Reset::Blend) => v = self.to_value::<E, S, C, K>(simd, k, u, s),
            (Timing::Residual, Reset::Subtract) => {
                for j in 0..K {
                    v[j] = u[j] - (s[j] - r[j]) * k.get(Coefficient::VThreshold, j);
                }
            }
            (Timing::Residual, Reset::Value | Reset::Blend) => {
                for j in 0..K {
                    v[j] = u[j] - (s[j] - r[j]) * (u[j] - k.get(Coefficient::VReset, j));
                }
            }
        }
        v
    }

    /// Adjoint of [`Rule::after`]: from the gradient of `v`, `(du, ds, dr)`; `ds` and `dr` are 0 where `detach`.
    #[inline(always)]
    pub fn after_adjoint<E: Elem, S: Simd, C: Coefficients<E, S, K>, const K: usize>(
        self,
        simd: S,
        k: &C,
        [u, s, r]: [&Column<E, S, K>; 3],
        dv: &Column<E, S, K>,
        detach: bool,
        sums: &mut Gradients<E, S, K>,
    ) -> (Column<E, S, K>, Column<E, S, K>, Column<E, S, K>) {
        let zero = V::<E, S>::splat(simd, E::ZERO);
        let (mut du, mut ds, mut dr, mut term) = (*dv, [zero; K], [zero; K], [zero; K]);
        match (self.timing, self.reset) {
            (_, Reset::None) | (Timing::Next, _) => return (du, ds, dr),
            (timing, Reset::Subtract) => {
                for j in 0..K {
                    let spikes = if timing == Timing::Same { s[j] } else { s[j] - r[j] };
                    term[j] = -(spikes * dv[j]);
                    ds[j] = -(k.get(Coefficient::VThreshold, j) * dv[j]);
                }
                sums.add(Coefficient::VThreshold, &term);
            }
            (Timing::Same, Reset::Value | Reset::Blend) => {
                (du, ds) = self.to_value_adjoint::<E, S, C, K>(simd, k, (u, s), dv, sums);
            }
            (_, Reset::Value | Reset::Blend) => {
                for j in 0..K {
                    term[j] = (s[j] - r[j]) * dv[j];
                    du[j] = dv[j] - term[j];
                    ds[j] = (k.get(Coefficient::VReset, j) - u[j]) * dv[j];
                }
                sums.add(Coefficient::VReset, &term);
            }
        }
        if detach {
            ds = [zero; K];
        } else if self.timing == Timing::Residual {
            for j in 0..K {
                dr[j] = -ds[j];
            }
        }
        (du, ds, dr)
    }

    /// Adjoint of [`Rule::between`]: adds to `dr`.
    #[inline(always)]
    pub fn between_adjoint<E: Elem, S: Simd, C: Coefficients<E, S, K>, const K: usize>(
        self,
        k: &C,
        r: &Column<E, S, K>,
        du: &Column<E, S, K>,
        dr: &mut Column<E, S, K>,
        sums: &mut Gradients<E, S, K>,
    ) {
        if self.is_late() && self.reset == Reset::Subtract {
            let mut term = *du;
            for j in 0..K {
                term[j] = -(r[j] * du[j]);
                dr[j] -= k.get(Coefficient::VThreshold, j) * du[j];
            }
            sums.add(Coefficient::VThreshold, &term);
        }
    }

    /// Adjoint of [`Rule::before`]: from the gradient of the membrane that decays to the one carried in; adds to `dr`.
    #[inline(always)]
    pub fn before_adjoint<E: Elem, S: Simd, C: Coefficients<E, S, K>, const K: usize>(
        self,
        simd: S,
        k: &C,
        (v, r): (&Column<E, S, K>, &Column<E, S, K>),
        dfrom: &Column<E, S, K>,
        dr: &mut Column<E, S, K>,
        sums: &mut Gradients<E, S, K>,
    ) -> Column<E, S, K> {
        if !self.is_late() || self.reset == Reset::Subtract {
            return *dfrom;
        }
        let (dv, ds) = self.to_value_adjoint::<E, S, C, K>(simd, k, (v, r), dfrom, sums);
        for j in 0..K {
            dr[j] += ds[j];
        }
        dv
    }
}
