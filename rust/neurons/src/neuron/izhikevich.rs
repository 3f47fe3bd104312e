//! Izhikevich's neuron, an Euler step of it.
//!
//! ```text
//! u = v + k ((((sq v v + mn v) + const) - w) + x)
//! y = w + a (b v - w)                   recovery=carried   the membrane carried in: Norse
//!     w + a (b u - w)                   recovery=updated   the membrane of this step: the published code
//!     w + a (b (u - v_leak))            recovery=drift     the same without a decay: its accommodation
//! s = fire(u)
//! v = (1 - s) u + s c
//! w = (1 - s) y + s (y + d)
//! ```
//!
//! `a` has the step in it.

use fearless_simd::prelude::*;

use super::spec::Words;
use super::{Arriving, Convention, Inputs, Model, State, States, Step, Whole, blend};
use crate::stage::Coefficient::{Own0 as A, Own1 as B, Own2 as C_AFTER, Own3 as D, Own4 as SQ, Own5 as MN, Own6 as CONST};
use crate::stage::fire::Fire;
use crate::stage::{Coefficient, Coefficients, Column, Gradients, for_each_register};
use crate::surrogate::Slopes;
use rsnn_base::elem::{Elem, V};
use rsnn_base::error::Result;

/// The coefficients it reads, in the order of its gradients; `v_leak` where the recovery drifts.
const READS: [Coefficient; 10] = [Coefficient::K, Coefficient::VThreshold, A, B, C_AFTER, D, SQ, MN, CONST, Coefficient::VLeak];

/// What the recovery follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recovery {
    /// The membrane carried in.
    Carried,
    /// The membrane of this step, before the reset.
    Updated,
    /// The same, and it does not decay.
    Drift,
}

/// The model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Izhikevich {
    /// What the recovery follows.
    pub recovery: Recovery,
    /// Single or strict.
    pub fire: Fire,
}

struct Evaluation<E: Elem, S: Simd, const K: usize> {
    b: Column<E, S, K>,
    away: Column<E, S, K>,
    pull: Column<E, S, K>,
    y: Column<E, S, K>,
    jumped: Column<E, S, K>,
    step: Step<E, S, K>,
}

impl Izhikevich {
    #[inline(always)]
    fn evaluate<E: Elem, S: Simd, C: Coefficients<E, S, K>, const K: usize>(
        self,
        simd: S,
        k: &C,
        inputs: &Inputs<'_, E, S, K>,
    ) -> Evaluation<E, S, K> {
        let (v, w, x) = (&inputs.states[State::V as usize], &inputs.states[State::W as usize], inputs.x);
        let (mut b, mut u, mut pull, mut y, mut jumped) = (*v, *v, *v, *v, *v);
        for j in 0..K {
            let drive = (k.get(SQ, j) * (v[j] * v[j]) + k.get(MN, j) * v[j]) + k.get(CONST, j);
            b[j] = (drive - w[j]) + x[j];
            u[j] = v[j] + k.get(Coefficient::K, j) * b[j];
        }
        let mut away = if self.recovery == Recovery::Carried { *v } else { u };
        if self.recovery == Recovery::Drift {
            for j in 0..K {
                away[j] = u[j] - k.get(Coefficient::VLeak, j);
                pull[j] = k.get(B, j) * away[j];
            }
        } else {
            for j in 0..K {
                pull[j] = k.get(B, j) * away[j] - w[j];
            }
        }
        for j in 0..K {
            y[j] = w[j] + k.get(A, j) * pull[j];
            jumped[j] = y[j] + k.get(D, j);
        }
        let s = self.fire.forward::<E, S, C, K>(simd, k, [&u, &k.column(Coefficient::VThreshold)]);
        let mut after = *inputs.states;
        after[State::V as usize] = blend::<E, S, K>(simd, &s, &u, &k.column(C_AFTER));
        after[State::W as usize] = blend::<E, S, K>(simd, &s, &y, &jumped);
        Evaluation { b, away, pull, y, jumped, step: Step { s, u, after } }
    }
}

impl Whole for Izhikevich {
    const ORDER: &'static str = "izhikevich [recovery] fire [recurrent_merged]";
    const OWN: &'static [&'static str] = &["a", "b", "c", "d", "sq", "mn", "const"];

    fn parse(words: &mut Words<'_>) -> Result<Self> {
        let table = [("carried", Recovery::Carried), ("updated", Recovery::Updated), ("drift", Recovery::Drift)];
        let recovery = words.choice_or("recovery", &table, Recovery::Carried)?;
        let fire = words.choice("fire", &[("single", Fire::Single), ("strict", Fire::Strict), ("soft", Fire::Soft)])?;
        Ok(Self { recovery, fire })
    }

    fn reads(self, which: Coefficient) -> bool {
        READS.contains(&which) && (which != Coefficient::VLeak || self.recovery == Recovery::Drift)
    }
}

impl Model for Izhikevich {
    #[inline(always)]
    fn keeps(self, state: State) -> bool {
        matches!(state, State::V | State::W)
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
        let Step { s, u, .. } = &at.step;
        let v = &inputs.states[State::V as usize];
        let (zero, one) = (V::<E, S>::splat(simd, E::ZERO), V::<E, S>::splat(simd, E::ONE));
        let (dv, dw) = (d[State::V as usize], d[State::W as usize]);
        let theta = k.column(Coefficient::VThreshold);
        let slope = convention.slopes.slope(simd, u, &theta);
        let mut grads = [dv; 10];
        let mut dx = dv;
        let carried = self.recovery == Recovery::Carried;
        let decays = self.recovery != Recovery::Drift;
        for_each_register!(j < K => {
            let mut ds = arriving.out[j];
            if !convention.detach.reset {
                ds += (k.get(C_AFTER, j) - u[j]) * dv[j] + (at.jumped[j] - at.y[j]) * dw[j];
            }
            let e = slope[j] * ds;
            let da = k.get(A, j) * dw[j];
            let follows = da * k.get(B, j);
            let mut du = (one - s[j]) * dv[j] + arriving.u[j] + e;
            if !carried {
                du += follows;
            }
            let db = k.get(Coefficient::K, j) * du;
            dx[j] = db;
            d[State::V as usize][j] =
                du + db * ((k.get(SQ, j) + k.get(SQ, j)) * v[j] + k.get(MN, j)) + if carried { follows } else { zero };
            d[State::W as usize][j] = dw[j] - if decays { da } else { zero } - db;
            let terms = [
                at.b[j] * du,
                -e,
                at.pull[j] * dw[j],
                at.away[j] * da,
                s[j] * dv[j],
                s[j] * dw[j],
                v[j] * v[j] * db,
                v[j] * db,
                db,
                -follows,
            ];
            for n in 0..10 {
                grads[n][j] = terms[n];
            }
        });
        for n in 0..10 {
            sums.add(READS[n], &grads[n]);
        }
        [dx, dx]
    }
}
