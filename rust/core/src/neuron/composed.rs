//! One step of a neuron composed of stages, and its adjoint.
//!
//! ```text
//! (c, i) = synapse(i, x)                       stage/synapse.rs
//! r      = fire(v)             late resets     stage/fire.rs     spikes read off the membrane carried in
//! w      = before(v, r)        late resets     stage/reset.rs
//! u      = membrane(w, c)                      stage/membrane.rs
//! u      = between(u, r)       late resets     stage/reset.rs
//! u      = v, s = 0            where rest > 0  refractory: the membrane is held, the synapse goes on
//! s      = fire(u)                             stage/fire.rs
//! v      = after(u, s, r)                      stage/reset.rs
//! rest   = refractory where s != 0, else one less, not below 0
//! v      = v_min where v < v_min               clip
//! ```

use fearless_simd::prelude::*;

use super::spec::{Plan, STATES, State};
use crate::elem::{Elem, V};
use crate::stage::fire::Fire;
use crate::stage::{Coefficient, Coefficients, Column, Gradients, Mask, choose};
use crate::surrogate::Surrogate;

/// The states of a column, by [`State`].
pub type States<E, S, const K: usize> = [Column<E, S, K>; STATES];

/// Everything that happens in one step; the forward keeps what it needs, the adjoint sees it all.
pub struct Step<E: Elem, S: Simd, const K: usize> {
    /// The current the membrane sees.
    pub c: Column<E, S, K>,
    /// Spikes read off the membrane carried in.
    pub r: Column<E, S, K>,
    /// The membrane that decays.
    pub w: Column<E, S, K>,
    /// The membrane before the reset.
    pub u: Column<E, S, K>,
    /// The spikes.
    pub s: Column<E, S, K>,
    /// Where the neuron rests in this step.
    pub held: [Mask<E, S>; K],
    /// The membrane before the clip.
    pub unclipped: Column<E, S, K>,
    /// The states after the step.
    pub after: States<E, S, K>,
}

impl<E: Elem, S: Simd, const K: usize> Step<E, S, K> {
    /// Take the step.
    #[inline(always)]
    pub fn take<P: Plan, C: Coefficients<E, S, K>>(simd: S, plan: P, k: &C, states: &States<E, S, K>, x: &Column<E, S, K>) -> Self {
        let spec = plan.spec();
        let zero = V::<E, S>::splat(simd, E::ZERO);
        let (v, rest) = (&states[State::V as usize], &states[State::Rest as usize]);
        let mut after = *states;
        let (c, i) = spec.synapse.forward::<E, S, C, K>(k, &states[State::I as usize], x);
        after[State::I as usize] = i;
        let mut r = [zero; K];
        if spec.rule.is_late() {
            r = spec.fire.forward::<E, S, C, K>(simd, k, v);
        }
        let w = spec.rule.before::<E, S, C, K>(simd, k, v, &r);
        let mut u = spec.membrane.forward::<E, S, C, K>(k, &w, &c);
        spec.rule.between::<E, S, C, K>(k, &mut u, &r);
        let mut held = [Mask::<E, S>::splat(simd, false); K];
        if spec.refractory {
            for j in 0..K {
                held[j] = rest[j].simd_gt(zero);
                u[j] = choose::<E, S>(held[j], v[j], u[j]);
            }
        }
        let mut s = spec.fire.forward::<E, S, C, K>(simd, k, &u);
        if spec.refractory {
            let one = V::<E, S>::splat(simd, E::ONE);
            for j in 0..K {
                s[j] = choose::<E, S>(held[j], zero, s[j]);
                let less = choose::<E, S>(held[j], rest[j] - one, zero);
                after[State::Rest as usize][j] = choose::<E, S>(s[j].simd_eq(zero), less, k.get(Coefficient::Refractory, j));
            }
        }
        let unclipped = spec.rule.after::<E, S, C, K>(simd, k, &u, &s, &r);
        let mut next = unclipped;
        if spec.clip {
            for j in 0..K {
                let low = k.get(Coefficient::VMin, j);
                next[j] = choose::<E, S>(unclipped[j].simd_lt(low), low, unclipped[j]);
            }
        }
        after[State::V as usize] = next;
        if spec.fire == Fire::None {
            s = next;
        }
        Self { c, r, w, u, s, held, unclipped, after }
    }
}

/// What flows back into a step.
pub struct Arriving<'a, E: Elem, S: Simd, const K: usize> {
    /// Gradient of what the step sent on.
    pub out: &'a Column<E, S, K>,
    /// Gradient of the membrane before the reset.
    pub u: &'a Column<E, S, K>,
}

/// How spikes are differentiated.
#[derive(Clone, Copy)]
pub struct Convention<E> {
    /// What stands for `ds/du`.
    pub surrogate: Surrogate<E>,
    /// Whether the reset is taken as a constant.
    pub detach_reset: bool,
}

/// One step backwards: `d` holds the gradients of the states after the step and leaves with those before; returns `dx`.
#[inline(always)]
pub fn adjoint<E: Elem, S: Simd, P: Plan, C: Coefficients<E, S, K>, const K: usize>(
    simd: S,
    plan: P,
    convention: Convention<E>,
    k: &C,
    (states, x): (&States<E, S, K>, &Column<E, S, K>),
    arriving: &Arriving<'_, E, S, K>,
    d: &mut States<E, S, K>,
    sums: &mut Gradients<E, S, K>,
) -> Column<E, S, K> {
    let spec = plan.spec();
    let step = Step::take(simd, plan, k, states, x);
    let zero = V::<E, S>::splat(simd, E::ZERO);
    let v = &states[State::V as usize];
    let mut dv = d[State::V as usize];
    let spiking = spec.fire != Fire::None;
    if !spiking {
        for j in 0..K {
            dv[j] += arriving.out[j];
        }
    }
    if spec.clip {
        let mut low = dv;
        for j in 0..K {
            let below = step.unclipped[j].simd_lt(k.get(Coefficient::VMin, j));
            low[j] = choose::<E, S>(below, dv[j], zero);
            dv[j] = choose::<E, S>(below, zero, dv[j]);
        }
        sums.add(Coefficient::VMin, &low);
    }
    let (mut du, mut ds, mut dr) =
        spec.rule.after_adjoint::<E, S, C, K>(simd, k, [&step.u, &step.s, &step.r], &dv, convention.detach_reset, sums);
    for j in 0..K {
        du[j] += arriving.u[j];
    }
    if spiking {
        for j in 0..K {
            ds[j] += arriving.out[j];
            if spec.refractory {
                ds[j] = choose::<E, S>(step.held[j], zero, ds[j]);
            }
        }
        let e = spec.fire.adjoint::<E, S, C, K>(simd, k, convention.surrogate, &step.u, &ds);
        let mut dtheta = e;
        for j in 0..K {
            du[j] += e[j];
            dtheta[j] = -e[j];
        }
        sums.add(Coefficient::VThreshold, &dtheta);
    }
    let mut past = [zero; K];
    if spec.refractory {
        for j in 0..K {
            past[j] = choose::<E, S>(step.held[j], du[j], zero);
            du[j] = choose::<E, S>(step.held[j], zero, du[j]);
        }
    }
    spec.rule.between_adjoint::<E, S, C, K>(k, &step.r, &du, &mut dr, sums);
    let (dw, dc) = spec.membrane.adjoint::<E, S, C, K>(k, (&step.w, &step.c), &du, sums);
    dv = spec.rule.before_adjoint::<E, S, C, K>(simd, k, (v, &step.r), &dw, &mut dr, sums);
    if spec.rule.is_late() && !convention.detach_reset {
        let e = spec.fire.adjoint::<E, S, C, K>(simd, k, convention.surrogate, v, &dr);
        let mut dtheta = e;
        for j in 0..K {
            dv[j] += e[j];
            dtheta[j] = -e[j];
        }
        sums.add(Coefficient::VThreshold, &dtheta);
    }
    for j in 0..K {
        dv[j] += past[j];
    }
    d[State::V as usize] = dv;
    let (dx, di) = spec.synapse.adjoint::<E, S, C, K>(k, (&states[State::I as usize], x), &dc, &d[State::I as usize], sums);
    d[State::I as usize] = di;
    dx
}
