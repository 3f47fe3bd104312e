//! Norse's conductance-based `CobaLIF`: `i` the excitatory, `h` the inhibitory conductance.
//!
//! ```text
//! i = i + relu(x);  h = h + relu(-x);   i = i + k_e i;  h = h + k_i h          k_e, k_i = -dt / tau
//! u = v + k ((g_leak (v_leak - v) + i (e_exc - v)) + h (e_inh - v))
//! s = [u - v_threshold > 0];   v = (1 - s) u + s v_reset
//! ```

use fearless_simd::prelude::*;

use super::spec::Words;
use super::{Arriving, Convention, Inputs, Model, State, States, Step, Whole, blend};
use crate::stage::Coefficient::{Own0 as K_E, Own1 as K_I, Own2 as G_LEAK, Own3 as E_EXC, Own4 as E_INH};
use crate::stage::fire::Fire;
use crate::stage::{Coefficient, Coefficients, Column, Gradients, choose, for_each_register};
use crate::surrogate::Slopes;
use rsnn_base::elem::{Elem, V};
use rsnn_base::error::Result;

/// The coefficients it reads, in the order of its gradients.
const READS: [Coefficient; 9] =
    [Coefficient::K, Coefficient::VLeak, Coefficient::VThreshold, Coefficient::VReset, K_E, K_I, G_LEAK, E_EXC, E_INH];

/// The model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Coba {
    /// Strict.
    pub fire: Fire,
}

struct Evaluation<E: Elem, S: Simd, const K: usize> {
    jumped: [Column<E, S, K>; 2],
    bracket: Column<E, S, K>,
    step: Step<E, S, K>,
}

impl Coba {
    #[inline(always)]
    fn evaluate<E: Elem, S: Simd, C: Coefficients<E, S, K>, const K: usize>(
        self,
        simd: S,
        k: &C,
        inputs: &Inputs<'_, E, S, K>,
    ) -> Evaluation<E, S, K> {
        let zero = V::<E, S>::splat(simd, E::ZERO);
        let states = inputs.states;
        let (v, x) = (&states[State::V as usize], inputs.x);
        let mut jumped = [states[State::I as usize], states[State::H as usize]];
        let mut kept = jumped;
        let (mut bracket, mut u) = (*v, *v);
        for_each_register!(j < K => {
            let negative = -x[j];
            jumped[0][j] += choose::<E, S>(x[j].simd_le(zero), zero, x[j]);
            jumped[1][j] += choose::<E, S>(negative.simd_le(zero), zero, negative);
            kept[0][j] = jumped[0][j] + k.get(K_E, j) * jumped[0][j];
            kept[1][j] = jumped[1][j] + k.get(K_I, j) * jumped[1][j];
            let leak = k.get(G_LEAK, j) * (k.get(Coefficient::VLeak, j) - v[j]);
            let excited = leak + kept[0][j] * (k.get(E_EXC, j) - v[j]);
            bracket[j] = excited + kept[1][j] * (k.get(E_INH, j) - v[j]);
            u[j] = v[j] + k.get(Coefficient::K, j) * bracket[j];
        });
        let s = self.fire.forward::<E, S, C, K>(simd, k, [&u, &k.column(Coefficient::VThreshold)]);
        let mut after = *states;
        after[State::V as usize] = blend::<E, S, K>(simd, &s, &u, &k.column(Coefficient::VReset));
        after[State::I as usize] = kept[0];
        after[State::H as usize] = kept[1];
        Evaluation { jumped, bracket, step: Step { s, u, after } }
    }
}

impl Whole for Coba {
    const ORDER: &'static str = "coba fire [recurrent_merged]";
    const OWN: &'static [&'static str] = &["k_e", "k_i", "g_leak", "e_exc", "e_inh"];

    fn parse(words: &mut Words<'_>) -> Result<Self> {
        Ok(Self { fire: words.choice("fire", &[("strict", Fire::Strict), ("soft", Fire::Soft)])? })
    }

    fn reads(self, which: Coefficient) -> bool {
        READS.contains(&which)
    }
}

impl Model for Coba {
    #[inline(always)]
    fn keeps(self, state: State) -> bool {
        matches!(state, State::V | State::I | State::H)
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
        let (zero, one) = (V::<E, S>::splat(simd, E::ZERO), V::<E, S>::splat(simd, E::ONE));
        let Step { s, u, after } = &at.step;
        let (v, x) = (&inputs.states[State::V as usize], inputs.x);
        let slope = convention.slopes.slope(simd, u, &k.column(Coefficient::VThreshold));
        let mut grads = [*v; 9];
        let mut dx = *v;
        for_each_register!(j < K => {
            let dv = d[State::V as usize][j];
            let mut ds = arriving.out[j];
            if !convention.detach.reset {
                ds += (k.get(Coefficient::VReset, j) - u[j]) * dv;
            }
            let e = slope[j] * ds;
            let du = (one - s[j]) * dv + arriving.u[j] + e;
            let db = k.get(Coefficient::K, j) * du;
            let (to_exc, to_inh, to_leak) = (k.get(E_EXC, j) - v[j], k.get(E_INH, j) - v[j], k.get(Coefficient::VLeak, j) - v[j]);
            let (exc, inh) = (after[State::I as usize][j], after[State::H as usize][j]);
            let di = d[State::I as usize][j] + db * to_exc;
            let dh = d[State::H as usize][j] + db * to_inh;
            let (ki, kh) = (k.get(K_E, j), k.get(K_I, j));
            let (before_i, before_h) = (di + ki * di, dh + kh * dh);
            dx[j] = choose::<E, S>(x[j].simd_gt(zero), before_i, zero) - choose::<E, S>(x[j].simd_lt(zero), before_h, zero);
            d[State::V as usize][j] = du - db * (k.get(G_LEAK, j) + exc + inh);
            d[State::I as usize][j] = before_i;
            d[State::H as usize][j] = before_h;
            let terms = [
                at.bracket[j] * du,
                k.get(G_LEAK, j) * db,
                -e,
                s[j] * dv,
                at.jumped[0][j] * di,
                at.jumped[1][j] * dh,
                to_leak * db,
                exc * db,
                inh * db,
            ];
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
