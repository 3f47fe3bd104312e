//! How the membrane integrates, every operation rounded on its own. `z` is its input: the current `c`, plus `bias`, times `gain`, where
//! these are there (a bias of 0 and a gain of 1 are left out: they change no value). `y` is an adaptation current, where there is one.
//!
//! ```text
//! leaky       u = beta v + z                               with a leak to v_leak != 0:   u = (v_leak + beta (v - v_leak)) + z
//! lapicque    u = beta v + ((z r) inverse) dt                                            snnTorch
//! euler       u = v + k (((v_leak - v) + z) - y)                                         Norse LIF
//! euler_exp   u = v + k ((((v_leak - v) + delta_t exp((v - v_rheobase) / delta_t)) + z) - y)
//! box         u = v + k ((z + v_leak) - v)                                               Norse LIFBox
//! quad        u = v + k (((a0 (v - v_leak)) (v - v_crit) + z) - y)
//! tau         u = v + (z - (v - v_leak)) / tau                                           SpikingJelly
//! tau_decay   u = (v - (v - v_leak) / tau) + z
//! tau_exp     u = v + ((((z + v_leak) - v) + delta_t exp((v - v_rheobase) / delta_t)) - y) / tau
//! tau_quad    u = v + ((z + (a0 (v - v_leak)) (v - v_crit)) - y) / tau
//! mul         u = v + (z - (v - v_leak)) k                                               SpikingJelly ParametricLIF
//! mul_decay   u = (v - (v - v_leak) k) + z
//! ```
//!
//! A recurrent operand that no synapse took is added last in `leaky` and `lapicque`, else to `z`.

use fearless_simd::prelude::*;

use super::{Coefficient, Coefficients, Column, Gradients, Maybe, for_each_register};
use rsnn_base::elem::{Elem, V};
use rsnn_base::math::exp;

/// The form of the integration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Exponential decay to 0, or to `v_leak`.
    Leaky,
    /// Decay, with the input weighted in three steps.
    Lapicque,
    /// An Euler step.
    Euler,
    /// An Euler step with an exponential drive.
    EulerExp,
    /// An Euler step, input first.
    Box,
    /// An Euler step of a quadratic drive.
    Quad,
    /// An Euler step by division, the input decays as well.
    Tau,
    /// The same where the input does not.
    TauDecay,
    /// By division, with an exponential drive.
    TauExp,
    /// By division, of a quadratic drive.
    TauQuad,
    /// As `Tau`, by multiplication.
    Mul,
    /// As `TauDecay`, by multiplication.
    MulDecay,
}

impl Form {
    /// Whether the input sits in a bracket that an adaptation current can join.
    #[must_use]
    pub fn takes_current(self) -> bool {
        matches!(self, Self::Euler | Self::EulerExp | Self::Quad | Self::TauExp | Self::TauQuad)
    }

    #[inline(always)]
    fn has_exp(self) -> bool {
        matches!(self, Self::EulerExp | Self::TauExp)
    }

    #[inline(always)]
    fn has_quad(self) -> bool {
        matches!(self, Self::Quad | Self::TauQuad)
    }

    #[inline(always)]
    fn divides(self) -> bool {
        matches!(self, Self::Tau | Self::TauDecay | Self::TauExp | Self::TauQuad)
    }
}

/// The membrane stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Membrane {
    /// The form of the integration.
    pub form: Form,
    /// `leaky` leaks to `v_leak`, not to 0.
    pub leak: bool,
    /// There is a constant input.
    pub bias: bool,
    /// The input is weighted.
    pub gain: bool,
}

/// What flows into the membrane besides its own past.
#[derive(Clone, Copy)]
pub struct Inflow<'a, E: Elem, S: Simd, const K: usize> {
    /// The current.
    pub c: &'a Column<E, S, K>,
    /// The recurrent operand, where no synapse took it.
    pub operand: &'a Maybe<E, S, K>,
    /// The adaptation current.
    pub y: &'a Maybe<E, S, K>,
}

/// Gradients of the inflow.
pub struct Outflow<E: Elem, S: Simd, const K: usize> {
    /// Of the membrane that decays.
    pub v: Column<E, S, K>,
    /// Of the current.
    pub c: Column<E, S, K>,
    /// Of the operand.
    pub operand: Column<E, S, K>,
    /// Of the adaptation current.
    pub y: Column<E, S, K>,
}

impl Membrane {
    /// `z`.
    #[inline(always)]
    fn input<E: Elem, S: Simd, C: Coefficients<E, S, K>, const K: usize>(self, k: &C, inflow: &Inflow<'_, E, S, K>) -> Column<E, S, K> {
        let mut z = *inflow.c;
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
        if inflow.operand.there && !self.operand_last() {
            for j in 0..K {
                z[j] += inflow.operand.column[j];
            }
        }
        z
    }

    #[inline(always)]
    fn operand_last(self) -> bool {
        matches!(self.form, Form::Leaky | Form::Lapicque)
    }

    /// `(v - v_rheobase) / delta_t`, and its exponential.
    #[inline(always)]
    fn exponential<E: Elem, S: Simd, C: Coefficients<E, S, K>, const K: usize>(
        simd: S,
        k: &C,
        v: &Column<E, S, K>,
    ) -> [Column<E, S, K>; 2] {
        let (mut q, mut e) = (*v, *v);
        for_each_register!(j < K => {
            q[j] = (v[j] - k.get(Coefficient::VRheobase, j)) / k.get(Coefficient::DeltaT, j);
            e[j] = exp::<E, S>(simd, q[j]);
        });
        [q, e]
    }

    /// The bracket of the Euler forms.
    #[inline(always)]
    fn bracket<E: Elem, S: Simd, C: Coefficients<E, S, K>, const K: usize>(
        self,
        simd: S,
        k: &C,
        v: &Column<E, S, K>,
        z: &Column<E, S, K>,
        y: &Maybe<E, S, K>,
    ) -> Column<E, S, K> {
        let leak = k.column(Coefficient::VLeak);
        let mut b = *z;
        match self.form {
            Form::Leaky | Form::Lapicque | Form::TauDecay | Form::MulDecay => {}
            Form::Euler => {
                for j in 0..K {
                    b[j] = (leak[j] - v[j]) + z[j];
                }
            }
            Form::Box => {
                for j in 0..K {
                    b[j] = (z[j] + leak[j]) - v[j];
                }
            }
            Form::Tau | Form::Mul => {
                for j in 0..K {
                    b[j] = z[j] - (v[j] - leak[j]);
                }
            }
            Form::EulerExp | Form::TauExp => {
                let [_, e] = Self::exponential::<E, S, C, K>(simd, k, v);
                for j in 0..K {
                    let drive = k.get(Coefficient::DeltaT, j) * e[j];
                    b[j] = if self.form == Form::EulerExp { ((leak[j] - v[j]) + drive) + z[j] } else { ((z[j] + leak[j]) - v[j]) + drive };
                }
            }
            Form::Quad | Form::TauQuad => {
                for j in 0..K {
                    let drive = (k.get(Coefficient::A0, j) * (v[j] - leak[j])) * (v[j] - k.get(Coefficient::VCrit, j));
                    b[j] = drive + z[j];
                }
            }
        }
        if y.there {
            for j in 0..K {
                b[j] -= y.column[j];
            }
        }
        b
    }

    /// `u` from the membrane that decays and what flows in.
    #[inline(always)]
    pub fn forward<E: Elem, S: Simd, C: Coefficients<E, S, K>, const K: usize>(
        self,
        simd: S,
        k: &C,
        v: &Column<E, S, K>,
        inflow: &Inflow<'_, E, S, K>,
    ) -> Column<E, S, K> {
        let mut z = self.input(k, inflow);
        let mut u = *v;
        match self.form {
            Form::Leaky | Form::Lapicque => {
                if self.form == Form::Lapicque {
                    for j in 0..K {
                        z[j] = ((z[j] * k.get(Coefficient::R, j)) * k.get(Coefficient::Inverse, j)) * k.get(Coefficient::Dt, j);
                    }
                }
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
                for j in 0..K {
                    u[j] += z[j];
                }
                if inflow.operand.there {
                    for j in 0..K {
                        u[j] += inflow.operand.column[j];
                    }
                }
            }
            Form::TauDecay | Form::MulDecay => {
                for j in 0..K {
                    let away = v[j] - k.get(Coefficient::VLeak, j);
                    let lost =
                        if self.form == Form::TauDecay { away / k.get(Coefficient::Tau, j) } else { away * k.get(Coefficient::K, j) };
                    u[j] = (v[j] - lost) + z[j];
                }
            }
            _ => {
                let b = self.bracket(simd, k, v, &z, inflow.y);
                if self.form.divides() {
                    for j in 0..K {
                        u[j] = v[j] + b[j] / k.get(Coefficient::Tau, j);
                    }
                } else {
                    for j in 0..K {
                        u[j] = v[j] + k.get(Coefficient::K, j) * b[j];
                    }
                }
            }
        }
        u
    }

    /// From the gradient of `u`: those of all that flows in.
    #[inline(always)]
    pub fn adjoint<E: Elem, S: Simd, C: Coefficients<E, S, K>, const K: usize>(
        self,
        simd: S,
        k: &C,
        v: &Column<E, S, K>,
        inflow: &Inflow<'_, E, S, K>,
        du: &Column<E, S, K>,
        sums: &mut Gradients<E, S, K>,
    ) -> Outflow<E, S, K> {
        let z = self.input(k, inflow);
        let zero = [V::<E, S>::splat(simd, E::ZERO); K];
        let mut to = Outflow { v: *du, c: *du, operand: *du, y: zero };
        match self.form {
            Form::Leaky | Form::Lapicque => self.leaky_adjoint(k, v, &z, du, &mut to, sums),
            Form::TauDecay | Form::MulDecay => {
                let (mut leak, mut scale) = (zero, zero);
                for j in 0..K {
                    let away = v[j] - k.get(Coefficient::VLeak, j);
                    if self.form == Form::TauDecay {
                        let tau = k.get(Coefficient::Tau, j);
                        leak[j] = du[j] / tau;
                        scale[j] = (away / tau) * leak[j];
                    } else {
                        leak[j] = k.get(Coefficient::K, j) * du[j];
                        scale[j] = -(away * du[j]);
                    }
                    to.v[j] = du[j] - leak[j];
                }
                sums.add(Coefficient::VLeak, &leak);
                sums.add(if self.form == Form::TauDecay { Coefficient::Tau } else { Coefficient::K }, &scale);
            }
            _ => self.bracket_adjoint(simd, k, v, (&z, inflow.y), du, &mut to, sums),
        }
        // Through z: the operand (unless it was added last), the gain, the bias.
        if !self.operand_last() {
            to.operand = to.c;
        }
        if self.gain {
            let (mut term, dz) = (*inflow.c, to.c);
            for j in 0..K {
                if self.bias {
                    term[j] += k.get(Coefficient::Bias, j);
                }
                term[j] *= dz[j];
                to.c[j] = k.get(Coefficient::Gain, j) * dz[j];
            }
            sums.add(Coefficient::Gain, &term);
        }
        if self.bias {
            sums.add(Coefficient::Bias, &to.c);
        }
        to
    }

    #[inline(always)]
    fn leaky_adjoint<E: Elem, S: Simd, C: Coefficients<E, S, K>, const K: usize>(
        self,
        k: &C,
        v: &Column<E, S, K>,
        z: &Column<E, S, K>,
        du: &Column<E, S, K>,
        to: &mut Outflow<E, S, K>,
        sums: &mut Gradients<E, S, K>,
    ) {
        let mut term = *v;
        for j in 0..K {
            to.v[j] = k.get(Coefficient::Beta, j) * du[j];
        }
        if self.leak {
            let mut leak = *du;
            for j in 0..K {
                term[j] = v[j] - k.get(Coefficient::VLeak, j);
                leak[j] = du[j] - to.v[j];
            }
            sums.add(Coefficient::VLeak, &leak);
        }
        for j in 0..K {
            term[j] *= du[j];
        }
        sums.add(Coefficient::Beta, &term);
        if self.form == Form::Lapicque {
            let (mut r, mut inverse, mut dt) = (*du, *du, *du);
            for j in 0..K {
                let (kr, ki, kd) = (k.get(Coefficient::R, j), k.get(Coefficient::Inverse, j), k.get(Coefficient::Dt, j));
                r[j] = z[j] * ki * kd * du[j];
                inverse[j] = z[j] * kr * kd * du[j];
                dt[j] = z[j] * kr * ki * du[j];
                to.c[j] = kr * ki * kd * du[j];
            }
            sums.add(Coefficient::R, &r);
            sums.add(Coefficient::Inverse, &inverse);
            sums.add(Coefficient::Dt, &dt);
        }
    }

    #[inline(always)]
    fn bracket_adjoint<E: Elem, S: Simd, C: Coefficients<E, S, K>, const K: usize>(
        self,
        simd: S,
        k: &C,
        v: &Column<E, S, K>,
        (z, y): (&Column<E, S, K>, &Maybe<E, S, K>),
        du: &Column<E, S, K>,
        to: &mut Outflow<E, S, K>,
        sums: &mut Gradients<E, S, K>,
    ) {
        let b = self.bracket(simd, k, v, z, y);
        let (mut db, mut term) = (*du, *du);
        if self.form.divides() {
            for j in 0..K {
                let tau = k.get(Coefficient::Tau, j);
                db[j] = du[j] / tau;
                term[j] = -((b[j] / tau) * db[j]);
            }
            sums.add(Coefficient::Tau, &term);
        } else {
            for j in 0..K {
                db[j] = k.get(Coefficient::K, j) * du[j];
                term[j] = b[j] * du[j];
            }
            sums.add(Coefficient::K, &term);
        }
        to.c = db;
        for j in 0..K {
            to.y[j] = -db[j];
        }
        if self.form.has_quad() {
            let (mut a0, mut leak, mut crit) = (db, db, db);
            for j in 0..K {
                let (low, high) = (v[j] - k.get(Coefficient::VLeak, j), v[j] - k.get(Coefficient::VCrit, j));
                let steep = k.get(Coefficient::A0, j) * db[j];
                a0[j] = low * high * db[j];
                leak[j] = -(steep * high);
                crit[j] = -(steep * low);
                to.v[j] = du[j] + steep * (low + high);
            }
            sums.add(Coefficient::A0, &a0);
            sums.add(Coefficient::VLeak, &leak);
            sums.add(Coefficient::VCrit, &crit);
            return;
        }
        for j in 0..K {
            to.v[j] = du[j] - db[j];
        }
        sums.add(Coefficient::VLeak, &db);
        if self.form.has_exp() {
            let [q, e] = Self::exponential::<E, S, C, K>(simd, k, v);
            let (mut sharp, mut onset) = (e, e);
            for j in 0..K {
                let slope = e[j] * db[j];
                to.v[j] += slope;
                onset[j] = -slope;
                sharp[j] = slope - slope * q[j];
            }
            sums.add(Coefficient::VRheobase, &onset);
            sums.add(Coefficient::DeltaT, &sharp);
        }
    }
}
