//! The Allen Institute's GLIF-3: a leaky integrate-and-fire neuron with two after-spike currents, `a` and `w`.
//!
//! ```text
//! u  = (v_leak + beta (v - v_leak)) + gain (x + (a + w))
//! p  = decay_1 a;   q = decay_2 w
//! s  = fire(u)
//! v  = (1 - s) u + s v_reset
//! a  = (1 - s) p + s (jump_1 + keep_1 p)
//! w  = (1 - s) q + s (jump_2 + keep_2 q)
//! refractory: where rest > 0 everything holds: u = v, p = a, q = w, s = 0
//!             rest = refractory where s != 0, else one less, not below 0
//! ```

use fearless_simd::prelude::*;

use super::spec::Words;
use super::{Arriving, Convention, Inputs, Model, State, States, Step, Whole, blend};
use crate::stage::Coefficient::{Own0 as DECAY_1, Own1 as DECAY_2, Own2 as KEEP_1, Own3 as KEEP_2, Own4 as JUMP_1, Own5 as JUMP_2};
use crate::stage::fire::Fire;
use crate::stage::{Coefficient, Coefficients, Column, Gradients, Mask, choose, for_each_register};
use crate::surrogate::Slopes;
use rsnn_base::elem::{Elem, V};
use rsnn_base::error::Result;

/// The coefficients it reads, in the order of its gradients; those of a refractory period come on top.
const READS: [Coefficient; 11] = [
    Coefficient::Beta,
    Coefficient::VLeak,
    Coefficient::Gain,
    Coefficient::VThreshold,
    Coefficient::VReset,
    DECAY_1,
    DECAY_2,
    KEEP_1,
    KEEP_2,
    JUMP_1,
    JUMP_2,
];

/// The model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Glif3 {
    /// Single.
    pub fire: Fire,
    /// Whether it rests after a spike.
    pub refractory: bool,
}

struct Evaluation<E: Elem, S: Simd, const K: usize> {
    held: [Mask<E, S>; K],
    z: Column<E, S, K>,
    decayed: [Column<E, S, K>; 2],
    jumped: [Column<E, S, K>; 2],
    step: Step<E, S, K>,
}

impl Glif3 {
    #[inline(always)]
    fn evaluate<E: Elem, S: Simd, C: Coefficients<E, S, K>, const K: usize>(
        self,
        simd: S,
        k: &C,
        inputs: &Inputs<'_, E, S, K>,
    ) -> Evaluation<E, S, K> {
        let (zero, one) = (V::<E, S>::splat(simd, E::ZERO), V::<E, S>::splat(simd, E::ONE));
        let states = inputs.states;
        let (v, a, w, rest) =
            (&states[State::V as usize], &states[State::A as usize], &states[State::W as usize], &states[State::Rest as usize]);
        let (mut z, mut u, mut decayed, mut jumped) = (*v, *v, [*a, *w], [*a, *w]);
        let mut held = [Mask::<E, S>::splat(simd, false); K];
        for_each_register!(j < K => {
            z[j] = inputs.x[j] + (a[j] + w[j]);
            let leak = k.get(Coefficient::VLeak, j);
            u[j] = (leak + k.get(Coefficient::Beta, j) * (v[j] - leak)) + k.get(Coefficient::Gain, j) * z[j];
            decayed[0][j] = k.get(DECAY_1, j) * a[j];
            decayed[1][j] = k.get(DECAY_2, j) * w[j];
        });
        if self.refractory {
            for j in 0..K {
                held[j] = rest[j].simd_gt(zero);
                u[j] = choose::<E, S>(held[j], v[j], u[j]);
                decayed[0][j] = choose::<E, S>(held[j], a[j], decayed[0][j]);
                decayed[1][j] = choose::<E, S>(held[j], w[j], decayed[1][j]);
            }
        }
        let mut s = self.fire.forward::<E, S, C, K>(simd, k, [&u, &k.column(Coefficient::VThreshold)]);
        let mut after = *states;
        if self.refractory {
            for j in 0..K {
                s[j] = choose::<E, S>(held[j], zero, s[j]);
                let less = choose::<E, S>(held[j], rest[j] - one, zero);
                after[State::Rest as usize][j] = choose::<E, S>(s[j].simd_eq(zero), less, k.get(Coefficient::Refractory, j));
            }
        }
        for j in 0..K {
            jumped[0][j] = k.get(JUMP_1, j) + k.get(KEEP_1, j) * decayed[0][j];
            jumped[1][j] = k.get(JUMP_2, j) + k.get(KEEP_2, j) * decayed[1][j];
        }
        after[State::V as usize] = blend::<E, S, K>(simd, &s, &u, &k.column(Coefficient::VReset));
        after[State::A as usize] = blend::<E, S, K>(simd, &s, &decayed[0], &jumped[0]);
        after[State::W as usize] = blend::<E, S, K>(simd, &s, &decayed[1], &jumped[1]);
        Evaluation { held, z, decayed, jumped, step: Step { s, u, after } }
    }
}

impl Whole for Glif3 {
    const ORDER: &'static str = "glif3 fire [refractory] [recurrent_merged]";
    const OWN: &'static [&'static str] = &["decay_1", "decay_2", "keep_1", "keep_2", "jump_1", "jump_2"];

    fn parse(words: &mut Words<'_>) -> Result<Self> {
        let fire = words.choice("fire", &[("single", Fire::Single), ("soft", Fire::Soft)])?;
        Ok(Self { fire, refractory: words.flag("refractory") })
    }

    fn reads(self, which: Coefficient) -> bool {
        READS.contains(&which) || (self.refractory && which == Coefficient::Refractory)
    }
}

impl Model for Glif3 {
    #[inline(always)]
    fn keeps(self, state: State) -> bool {
        matches!(state, State::V | State::A | State::W) || (self.refractory && state == State::Rest)
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
        let Step { s, u, .. } = &at.step;
        let states = inputs.states;
        let (v, a, w) = (&states[State::V as usize], &states[State::A as usize], &states[State::W as usize]);
        let [p, q] = &at.decayed;
        let (dv, da, dw) = (d[State::V as usize], d[State::A as usize], d[State::W as usize]);
        let slope = convention.slopes.slope(simd, u, &k.column(Coefficient::VThreshold));
        let mut grads = [*v; 11];
        let mut dx = *v;
        for_each_register!(j < K => {
            let mut ds = arriving.out[j];
            if !convention.detach.reset {
                ds += (k.get(Coefficient::VReset, j) - u[j]) * dv[j] + (at.jumped[0][j] - p[j]) * da[j] + (at.jumped[1][j] - q[j]) * dw[j];
            }
            let e = choose::<E, S>(at.held[j], zero, slope[j] * ds);
            let du = (one - s[j]) * dv[j] + arriving.u[j] + e;
            let (jump_p, jump_q) = (s[j] * da[j], s[j] * dw[j]);
            let dp = (da[j] - jump_p) + k.get(KEEP_1, j) * jump_p;
            let dq = (dw[j] - jump_q) + k.get(KEEP_2, j) * jump_q;
            // Where the neuron rests, u, p and q are the states carried in and nothing else.
            let (moved, p_decays, q_decays) =
                (choose::<E, S>(at.held[j], zero, du), choose::<E, S>(at.held[j], zero, dp), choose::<E, S>(at.held[j], zero, dq));
            let (beta, gain) = (k.get(Coefficient::Beta, j), k.get(Coefficient::Gain, j));
            let dz = gain * moved;
            dx[j] = dz;
            d[State::V as usize][j] = choose::<E, S>(at.held[j], du, beta * moved);
            d[State::A as usize][j] = choose::<E, S>(at.held[j], dp, dz + k.get(DECAY_1, j) * p_decays);
            d[State::W as usize][j] = choose::<E, S>(at.held[j], dq, dz + k.get(DECAY_2, j) * q_decays);
            let terms = [
                (v[j] - k.get(Coefficient::VLeak, j)) * moved,
                (one - beta) * moved,
                at.z[j] * moved,
                -e,
                s[j] * dv[j],
                a[j] * p_decays,
                w[j] * q_decays,
                p[j] * jump_p,
                q[j] * jump_q,
                jump_p,
                jump_q,
            ];
            for n in 0..11 {
                grads[n][j] = terms[n];
            }
        });
        for n in 0..11 {
            sums.add(READS[n], &grads[n]);
        }
        [dx, dx]
    }
}
