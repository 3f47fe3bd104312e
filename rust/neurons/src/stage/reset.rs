//! What a spike does to the membrane, and when. `s` spikes of this step, `r` those read off the membrane carried in, `theta` the
//! threshold of this step.
//!
//! ```text
//! same       subtract  v = u - s theta            value  v = v_reset where s != 0, else u      blend  v = (1 - s) u + s v_reset
//! next       the reset waits for the next step: there subtract takes r v_threshold off u; value and blend change the membrane
//!            before it decays, as above with r for s
//! residual   as next, and then d = s - r:  subtract  v = u - d v_threshold      value, blend  v = u - d (u - v_reset)
//!            drop  waits until after the integration: u = u - r u; residual: then v = u - d u              snnTorch Synaptic
//! same, of one library each   blend_subtract  v = (1 - s) u + s (u - theta)      amount  v = u - s v_subtract      gate  v = u [s = 0] + v_reset
//! none       v = u
//! ```
//!
//! `blend` is how Norse and SpikingJelly write a reset to a value: it carries NaN and the sign of zero along, and it is smooth in `s`.

use fearless_simd::prelude::*;

use super::{Coefficient, Coefficients, Column, Gradients, choose};
use rsnn_base::elem::{Elem, V};

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
    /// The membrane is mixed with itself less the threshold, by `s`.
    BlendSubtract,
    /// A late reset to 0 of what was integrated.
    Drop,
    /// An amount of its own is taken off, once for each spike.
    Amount,
    /// The membrane is cut off by a spike, and `v_reset` is added to every neuron (a defect of sinabs).
    Gate,
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
pub struct Resetting {
    /// What.
    pub reset: Reset,
    /// When.
    pub timing: Timing,
}

impl Resetting {
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

    /// Adjoint of [`Resetting::to_value`]: `(dv, ds)`.
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

    /// A late reset after the integration.
    #[inline(always)]
    pub fn between<E: Elem, S: Simd, C: Coefficients<E, S, K>, const K: usize>(self, k: &C, u: &mut Column<E, S, K>, r: &Column<E, S, K>) {
        if self.is_late() && self.reset == Reset::Subtract {
            for j in 0..K {
                u[j] -= r[j] * k.get(Coefficient::VThreshold, j);
            }
        } else if self.is_late() && self.reset == Reset::Drop {
            for j in 0..K {
                u[j] -= u[j] * r[j];
            }
        }
    }

    /// `v` after the spikes of this step.
    #[inline(always)]
    pub fn after<E: Elem, S: Simd, C: Coefficients<E, S, K>, const K: usize>(
        self,
        simd: S,
        k: &C,
        [u, s, r, theta]: [&Column<E, S, K>; 4],
    ) -> Column<E, S, K> {
        let (zero, one) = (V::<E, S>::splat(simd, E::ZERO), V::<E, S>::splat(simd, E::ONE));
        let mut v = *u;
        match (self.timing, self.reset) {
            (_, Reset::None) | (Timing::Next, _) => {}
            (Timing::Same, Reset::Subtract) => {
                for j in 0..K {
                    v[j] = u[j] - s[j] * theta[j];
                }
            }
            (Timing::Same, Reset::Value | Reset::Blend) => v = self.to_value::<E, S, C, K>(simd, k, u, s),
            (Timing::Same, Reset::BlendSubtract) => {
                for j in 0..K {
                    v[j] = (one - s[j]) * u[j] + s[j] * (u[j] - theta[j]);
                }
            }
            (_, Reset::Amount) => {
                for j in 0..K {
                    v[j] = u[j] - s[j] * k.get(Coefficient::VSubtract, j);
                }
            }
            (_, Reset::Gate) => {
                for j in 0..K {
                    v[j] = u[j] * choose::<E, S>(s[j].simd_eq(zero), one, zero) + k.get(Coefficient::VReset, j);
                }
            }
            (_, Reset::Subtract | Reset::BlendSubtract) => {
                for j in 0..K {
                    v[j] = u[j] - (s[j] - r[j]) * theta[j];
                }
            }
            (_, Reset::Value | Reset::Blend) => {
                for j in 0..K {
                    v[j] = u[j] - (s[j] - r[j]) * (u[j] - k.get(Coefficient::VReset, j));
                }
            }
            (_, Reset::Drop) => {
                for j in 0..K {
                    v[j] = u[j] - (s[j] - r[j]) * u[j];
                }
            }
        }
        v
    }

    /// Adjoint of [`Resetting::after`]: from the gradient of `v`, `[du, ds, dr, dtheta]`; `ds` and `dr` are 0 where `detach`.
    #[inline(always)]
    pub fn after_adjoint<E: Elem, S: Simd, C: Coefficients<E, S, K>, const K: usize>(
        self,
        simd: S,
        k: &C,
        [u, s, r, theta]: [&Column<E, S, K>; 4],
        dv: &Column<E, S, K>,
        detach: bool,
        sums: &mut Gradients<E, S, K>,
    ) -> [Column<E, S, K>; 4] {
        let (zero, one) = (V::<E, S>::splat(simd, E::ZERO), V::<E, S>::splat(simd, E::ONE));
        let (mut du, mut ds, mut dr, mut dtheta, mut term) = (*dv, [zero; K], [zero; K], [zero; K], [zero; K]);
        let late = self.timing == Timing::Residual;
        match (self.timing, self.reset) {
            (_, Reset::None) | (Timing::Next, _) => return [du, ds, dr, dtheta],
            (_, Reset::Subtract | Reset::BlendSubtract) => {
                for j in 0..K {
                    let spikes = if late { s[j] - r[j] } else { s[j] };
                    dtheta[j] = -(spikes * dv[j]);
                    ds[j] = -(theta[j] * dv[j]);
                }
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
            (_, Reset::Amount) => {
                for j in 0..K {
                    term[j] = -(s[j] * dv[j]);
                    ds[j] = -(k.get(Coefficient::VSubtract, j) * dv[j]);
                }
                sums.add(Coefficient::VSubtract, &term);
            }
            (_, Reset::Gate) => {
                // The gate is a comparison with the count: no gradient flows through it, in sinabs neither.
                sums.add(Coefficient::VReset, dv);
                for j in 0..K {
                    du[j] = dv[j] * choose::<E, S>(s[j].simd_eq(zero), one, zero);
                }
            }
            (_, Reset::Drop) => {
                for j in 0..K {
                    du[j] = dv[j] - (s[j] - r[j]) * dv[j];
                    ds[j] = -(u[j] * dv[j]);
                }
            }
        }
        if detach {
            ds = [zero; K];
        } else if late {
            for j in 0..K {
                dr[j] = -ds[j];
            }
        }
        [du, ds, dr, dtheta]
    }

    /// Adjoint of [`Resetting::between`], where `late` is the membrane before it; changes `du`, adds to `dr`.
    #[inline(always)]
    pub fn between_adjoint<E: Elem, S: Simd, C: Coefficients<E, S, K>, const K: usize>(
        self,
        k: &C,
        [late, r]: [&Column<E, S, K>; 2],
        [du, dr]: [&mut Column<E, S, K>; 2],
        sums: &mut Gradients<E, S, K>,
    ) {
        if self.is_late() && self.reset == Reset::Subtract {
            let mut term = *du;
            for j in 0..K {
                term[j] = -(r[j] * du[j]);
                dr[j] -= k.get(Coefficient::VThreshold, j) * du[j];
            }
            sums.add(Coefficient::VThreshold, &term);
        } else if self.is_late() && self.reset == Reset::Drop {
            for j in 0..K {
                dr[j] -= late[j] * du[j];
                du[j] -= r[j] * du[j];
            }
        }
    }

    /// Adjoint of [`Resetting::before`]: from the gradient of the membrane that decays to the one carried in; adds to `dr`.
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
        if !self.is_late() || !matches!(self.reset, Reset::Value | Reset::Blend) {
            return *dfrom;
        }
        let (dv, ds) = self.to_value_adjoint::<E, S, C, K>(simd, k, (v, r), dfrom, sums);
        for j in 0..K {
            dr[j] += ds[j];
        }
        dv
    }
}
