//! Norse's conductance-based `CobaLIF`: `i` the excitatory, `h` the inhibitory conductance.
//!
//! ```text
//! i = i + relu(x);  h = h + relu(-x);   i = i + k_e i;  h = h + k_i h          k_e, k_i = -dt / tau
//! u = v + k ((g_leak (v_leak - v) + i (e_exc - v)) + h (e_inh - v))
//! s = [u - v_threshold > 0];   v = (1 - s) u + s v_reset
//! ```

use fearless_simd::prelude::*;

use super::{Arriving, Convention, Inputs, Model, State, States, Step, blend};
use crate::elem::{Elem, V};
use crate::stage::fire::Fire;
use crate::stage::{Coefficient, Coefficients, Column, Gradients, choose, for_each_register};

/// The coefficients it reads.
pub const READS: &[Coefficient] = &[
    Coefficient::K,
    Coefficient::VLeak,
    Coefficient::VThreshold,
    Coefficient::VReset,
    Coefficient::KE,
    Coefficient::KI,
    Coefficient::GLeak,
    Coefficient::EExc,
    Coefficient::EInh,
];

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
            kept[0][j] = jumped[0][j] + k.get(Coefficient::KE, j) * jumped[0][j];
            kept[1][j] = jumped[1][j] + k.get(Coefficient::KI, j) * jumped[1][j];
            let leak = k.get(Coefficient::GLeak, j) * (k.get(Coefficient::VLeak, j) - v[j]);
            let excited = leak + kept[0][j] * (k.get(Coefficient::EExc, j) - v[j]);
            bracket[j] = excited + kept[1][j] * (k.get(Coefficient::EInh, j) - v[j]);
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
        let (zero, one) = (V::<E, S>::splat(simd, E::ZERO), V::<E, S>::splat(simd, E::ONE));
        let Step { s, u, after } = &at.step;
        let (v, x) = (&inputs.states[State::V as usize], inputs.x);
        let slope = convention.surrogate.slope(simd, u, &k.column(Coefficient::VThreshold));
        let mut grads = [*v; 9];
        let mut dx = *v;
        for_each_register!(j < K => {
            let dv = d[State::V as usize][j];
            let mut ds = arriving.out[j];
            if !convention.detach_reset {
                ds += (k.get(Coefficient::VReset, j) - u[j]) * dv;
            }
            let e = slope[j] * ds;
            let du = (one - s[j]) * dv + arriving.u[j] + e;
            let db = k.get(Coefficient::K, j) * du;
            let (to_exc, to_inh, to_leak) =
                (k.get(Coefficient::EExc, j) - v[j], k.get(Coefficient::EInh, j) - v[j], k.get(Coefficient::VLeak, j) - v[j]);
            let (exc, inh) = (after[State::I as usize][j], after[State::H as usize][j]);
            let di = d[State::I as usize][j] + db * to_exc;
            let dh = d[State::H as usize][j] + db * to_inh;
            let (ki, kh) = (k.get(Coefficient::KE, j), k.get(Coefficient::KI, j));
            let (before_i, before_h) = (di + ki * di, dh + kh * dh);
            dx[j] = choose::<E, S>(x[j].simd_gt(zero), before_i, zero) - choose::<E, S>(x[j].simd_lt(zero), before_h, zero);
            d[State::V as usize][j] = du - db * (k.get(Coefficient::GLeak, j) + exc + inh);
            d[State::I as usize][j] = before_i;
            d[State::H as usize][j] = before_h;
            let terms = [
                at.bracket[j] * du,
                k.get(Coefficient::GLeak, j) * db,
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
