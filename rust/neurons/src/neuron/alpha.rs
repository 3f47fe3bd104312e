//! snnTorch's `Alpha`: the membrane is the difference of two decays, and the reset acts on both of them, one step late.
//!
//! ```text
//! r  = [v - v_threshold > 0]                             on the membrane carried in
//! e  = alpha i + x;   f = beta h - x;   m = scale (e + f)
//! subtract   i = e - v_threshold r;   h = f - (beta h_old - x) r;   v = m + h_old r
//! drop       i = e - e r;             h = f - f r;                  v = m - m r
//! none       i = e;  h = f;  v = m
//! s  = [v - v_threshold > 0];   inhibition   s = s * allowed;   graded   output = s * graded
//! ```

use fearless_simd::prelude::*;

use super::spec::Words;
use super::{Arriving, Convention, Inputs, Model, State, States, Step, Whole};
use crate::stage::fire::{Fire, graded_adjoint, product};
use crate::stage::reset::Reset;
use crate::stage::{Coefficient, Coefficients, Column, Gradients, for_each_register};
use crate::surrogate::Slopes;
use rsnn_base::elem::{Elem, V};
use rsnn_base::error::Result;

/// The model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alpha {
    /// Strict.
    pub fire: Fire,
    /// None, subtract or drop.
    pub reset: Reset,
    /// Whether only one neuron of a group may fire.
    pub inhibition: bool,
    /// Whether spikes are scaled on leaving.
    pub graded: bool,
}

struct Evaluation<E: Elem, S: Simd, const K: usize> {
    r: Column<E, S, K>,
    e: Column<E, S, K>,
    f: Column<E, S, K>,
    m: Column<E, S, K>,
    fired: Column<E, S, K>,
    step: Step<E, S, K>,
}

impl Alpha {
    #[inline(always)]
    fn evaluate<E: Elem, S: Simd, C: Coefficients<E, S, K>, const K: usize>(
        self,
        simd: S,
        k: &C,
        inputs: &Inputs<'_, E, S, K>,
    ) -> Evaluation<E, S, K> {
        let states = inputs.states;
        let (v, i, h, x) = (&states[State::V as usize], &states[State::I as usize], &states[State::H as usize], inputs.x);
        let theta = k.column(Coefficient::VThreshold);
        let r = self.fire.forward::<E, S, C, K>(simd, k, [v, &theta]);
        let (mut e, mut f, mut m) = (*v, *v, *v);
        for j in 0..K {
            e[j] = k.get(Coefficient::Alpha, j) * i[j] + x[j];
            f[j] = k.get(Coefficient::Beta, j) * h[j] - x[j];
            m[j] = k.get(Coefficient::Scale, j) * (e[j] + f[j]);
        }
        let (mut to_i, mut to_h, mut u) = (e, f, m);
        match self.reset {
            Reset::Subtract => {
                for j in 0..K {
                    to_i[j] = e[j] - theta[j] * r[j];
                    to_h[j] = f[j] - f[j] * r[j];
                    u[j] = m[j] + h[j] * r[j];
                }
            }
            Reset::Drop => {
                for j in 0..K {
                    to_i[j] = e[j] - e[j] * r[j];
                    to_h[j] = f[j] - f[j] * r[j];
                    u[j] = m[j] - m[j] * r[j];
                }
            }
            _ => {}
        }
        let mut fired = self.fire.forward::<E, S, C, K>(simd, k, [&u, &theta]);
        if self.inhibition {
            fired = product::<E, S, K>(&fired, inputs.allowed);
        }
        let s = if self.graded { product::<E, S, K>(&fired, &k.column(Coefficient::Graded)) } else { fired };
        let mut after = *states;
        after[State::V as usize] = u;
        after[State::I as usize] = to_i;
        after[State::H as usize] = to_h;
        Evaluation { r, e, f, m, fired, step: Step { s, u, after } }
    }
}

impl Whole for Alpha {
    const ORDER: &'static str = "alpha fire reset [inhibition] [graded] [recurrent_merged]";
    const OWN: &'static [&'static str] = &[];

    fn parse(words: &mut Words<'_>) -> Result<Self> {
        let fire = words.choice("fire", &[("strict", Fire::Strict), ("soft", Fire::Soft)])?;
        let reset = words.choice("reset", &[("none", Reset::None), ("subtract", Reset::Subtract), ("drop", Reset::Drop)])?;
        Ok(Self { fire, reset, inhibition: words.flag("inhibition"), graded: words.flag("graded") })
    }

    fn reads(self, which: Coefficient) -> bool {
        matches!(which, Coefficient::Alpha | Coefficient::Scale | Coefficient::Beta | Coefficient::VThreshold)
            || (self.graded && which == Coefficient::Graded)
    }
}

impl Model for Alpha {
    #[inline(always)]
    fn keeps(self, state: State) -> bool {
        matches!(state, State::V | State::I | State::H)
    }

    #[inline(always)]
    fn competes(self) -> bool {
        self.inhibition
    }

    #[inline(always)]
    fn step<E: Elem, S: Simd, C: Coefficients<E, S, K>, const K: usize>(
        self,
        simd: S,
        k: &C,
        inputs: &Inputs<'_, E, S, K>,
    ) -> Step<E, S, K> {
        self.evaluate(simd, k, inputs).step
    }

    #[inline(always)]
    fn adjoint<E: Elem, S: Simd, C: Coefficients<E, S, K>, H: Slopes<E>, const K: usize>(
        self,
        simd: S,
        convention: Convention<H>,
        k: &C,
        inputs: &Inputs<'_, E, S, K>,
        arriving: &Arriving<'_, E, S, K>,
        d: &mut States<E, S, K>,
        sums: &mut Gradients<E, S, K>,
    ) -> [Column<E, S, K>; 2] {
        let at = self.evaluate(simd, k, inputs);
        let states = inputs.states;
        let (v, i, h) = (&states[State::V as usize], &states[State::I as usize], &states[State::H as usize]);
        let theta = k.column(Coefficient::VThreshold);
        let one = V::<E, S>::splat(simd, E::ONE);
        let zero = V::<E, S>::splat(simd, E::ZERO);
        let slope = convention.slopes.slope(simd, &at.step.u, &theta);
        let late = convention.slopes.slope(simd, v, &theta);
        let mut ds = graded_adjoint(self.graded, k, &at.fired, arriving.out, sums);
        if self.inhibition {
            ds = product::<E, S, K>(&ds, inputs.allowed);
        }
        let [mut alpha, mut scale, mut beta, mut dtheta] = [*v; 4];
        let mut dx = *v;
        for_each_register!(j < K => {
            let (di, dh, r) = (d[State::I as usize][j], d[State::H as usize][j], at.r[j]);
            let e = slope[j] * ds[j];
            let du = d[State::V as usize][j] + arriving.u[j] + e;
            dtheta[j] = -e;
            let (mut de, mut df, mut dm, mut dhold, mut dr) = (di, dh, du, zero, zero);
            match self.reset {
                Reset::Subtract => {
                    df = dh * (one - r);
                    dhold = du * r;
                    dtheta[j] -= r * di;
                    dr = h[j] * du - theta[j] * di - at.f[j] * dh;
                }
                Reset::Drop => {
                    de = di * (one - r);
                    df = dh * (one - r);
                    dm = du * (one - r);
                    dr = -(at.e[j] * di + at.f[j] * dh + at.m[j] * du);
                }
                _ => {}
            }
            let both = k.get(Coefficient::Scale, j) * dm;
            scale[j] = (at.e[j] + at.f[j]) * dm;
            de += both;
            df += both;
            alpha[j] = i[j] * de;
            beta[j] = h[j] * df;
            dx[j] = de - df;
            let back = if convention.detach.carried() { zero } else { late[j] * dr };
            dtheta[j] -= back;
            d[State::V as usize][j] = back;
            d[State::I as usize][j] = k.get(Coefficient::Alpha, j) * de;
            d[State::H as usize][j] = k.get(Coefficient::Beta, j) * df + dhold;
        });
        sums.add(Coefficient::Alpha, &alpha);
        sums.add(Coefficient::Scale, &scale);
        sums.add(Coefficient::Beta, &beta);
        sums.add(Coefficient::VThreshold, &dtheta);
        [dx, dx]
    }
}
