//! Izhikevich's neuron, an Euler step of it.
//!
//! ```text
//! u = v + k ((((sq v v + mn v) + const) - w) + x)
//! y = w + a (b v - w)                                  v: the membrane carried in; a has the step in it
//! s = fire(u)
//! v = (1 - s) u + s c
//! w = (1 - s) y + s (y + d)
//! ```

use fearless_simd::prelude::*;

use super::{Arriving, Convention, Inputs, Model, State, States, Step, blend};
use crate::elem::{Elem, V};
use crate::stage::fire::Fire;
use crate::stage::{Coefficient, Coefficients, Column, Gradients, for_each_register};

/// The coefficients it reads.
pub const READS: &[Coefficient] = &[
    Coefficient::K,
    Coefficient::VThreshold,
    Coefficient::A,
    Coefficient::B,
    Coefficient::C,
    Coefficient::D,
    Coefficient::Sq,
    Coefficient::Mn,
    Coefficient::Const,
];

/// The model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Izhikevich {
    /// Single or strict.
    pub fire: Fire,
}

struct Evaluation<E: Elem, S: Simd, const K: usize> {
    b: Column<E, S, K>,
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
        let (mut b, mut u, mut y, mut jumped) = (*v, *v, *v, *v);
        for j in 0..K {
            let drive = (k.get(Coefficient::Sq, j) * (v[j] * v[j]) + k.get(Coefficient::Mn, j) * v[j]) + k.get(Coefficient::Const, j);
            b[j] = (drive - w[j]) + x[j];
            u[j] = v[j] + k.get(Coefficient::K, j) * b[j];
            y[j] = w[j] + k.get(Coefficient::A, j) * (k.get(Coefficient::B, j) * v[j] - w[j]);
            jumped[j] = y[j] + k.get(Coefficient::D, j);
        }
        let s = self.fire.forward::<E, S, C, K>(simd, k, [&u, &k.column(Coefficient::VThreshold)]);
        let mut after = *inputs.states;
        after[State::V as usize] = blend::<E, S, K>(simd, &s, &u, &k.column(Coefficient::C));
        after[State::W as usize] = blend::<E, S, K>(simd, &s, &y, &jumped);
        Evaluation { b, y, jumped, step: Step { s, u, after } }
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
    fn adjoint<E: Elem, S: Simd, C: Coefficients<E, S, K>, const K: usize>(
        self,
        simd: S,
        convention: Convention<E>,
        k: &C,
        inputs: &Inputs<'_, E, S, K>,
        arriving: &Arriving<'_, E, S, K>,
        d: &mut States<E, S, K>,
        sums: &mut Gradients<E, S, K>,
    ) -> [Column<E, S, K>; 2] {
        let at = self.evaluate(simd, k, inputs);
        let Step { s, u, .. } = &at.step;
        let (v, w) = (&inputs.states[State::V as usize], &inputs.states[State::W as usize]);
        let one = V::<E, S>::splat(simd, E::ONE);
        let (dv, dw) = (d[State::V as usize], d[State::W as usize]);
        let theta = k.column(Coefficient::VThreshold);
        let slope = convention.surrogate.slope(simd, u, &theta);
        let mut grads = [dv; 9];
        let mut dx = dv;
        for_each_register!(j < K => {
            let (c, step, a, b) = (k.get(Coefficient::C, j), k.get(Coefficient::K, j), k.get(Coefficient::A, j), k.get(Coefficient::B, j));
            let mut ds = arriving.out[j];
            if !convention.detach_reset {
                ds += (c - u[j]) * dv[j] + (at.jumped[j] - at.y[j]) * dw[j];
            }
            let e = slope[j] * ds;
            let du = (one - s[j]) * dv[j] + arriving.u[j] + e;
            let db = step * du;
            let da = a * dw[j];
            dx[j] = db;
            d[State::V as usize][j] =
                du + db * ((k.get(Coefficient::Sq, j) + k.get(Coefficient::Sq, j)) * v[j] + k.get(Coefficient::Mn, j)) + da * b;
            d[State::W as usize][j] = dw[j] - da - db;
            let terms =
                [at.b[j] * du, -e, (b * v[j] - w[j]) * dw[j], v[j] * da, s[j] * dv[j], s[j] * dw[j], v[j] * v[j] * db, v[j] * db, db];
            for n in 0..9 {
                grads[n][j] = terms[n];
            }
        });
        for n in 0..9 {
            sums.add(READS[n], &grads[n]);
        }
        [dx, dx]
    }
}
