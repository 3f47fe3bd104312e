//! One step of a neuron composed of stages, and its adjoint.
//!
//! ```text
//! x      = x + operand           merged operands
//! (c, i, h) = synapse(i, h, x)                 stage/synapse.rs     takes the operand, if there is one and it is not merged
//! r      = fire(v)               late resets   stage/fire.rs        spikes read off the membrane carried in
//! w      = before(v, r)          late resets   stage/reset.rs
//! u      = membrane(w, c, y)                   stage/membrane.rs    takes the operand where there is no synapse
//! u      = between(u, r)         late resets   stage/reset.rs
//! u      = v, s = 0              where rest > 0   refractory: the membrane is held, the synapse goes on
//! theta, a = before(a, v, u)                   stage/adaptation.rs
//! s      = fire(u, theta)                      stage/fire.rs        0 where the neuron may not fire (inhibition)
//! v      = after(u, s, r, theta)               stage/reset.rs
//! a      = after(a, s)                         stage/adaptation.rs
//! output = s * graded            graded        stage/fire.rs        the output, and the last spikes that recurrence sees
//! rest   = refractory where s != 0, else one less, not below 0
//!                                masked: the test rest > 0 has the slope of a spike at y = rest, and rest is differentiated
//! v      = v_min where v < v_min, or relu(v - v_min) + v_min        clip
//! ```

use fearless_simd::prelude::*;

use super::spec::{Clip, Operand, Stages};
use super::{Arriving, Convention, Inputs, Model, State, States, Step};
use crate::stage::adaptation::Adaptation;
use crate::stage::fire::{Fire, graded_adjoint, product};
use crate::stage::membrane::Inflow;
use crate::stage::synapse::{Current, Synapse};
use crate::stage::{Coefficient, Coefficients, Column, Gradients, Mask, Maybe, choose};
use crate::surrogate::Slopes;
use rsnn_base::elem::{Elem, V};

/// A neuron of stages.
#[derive(Clone, Copy, Debug)]
pub struct Composed<P>(pub P);

/// Everything that happens in one step; the forward keeps what it needs, the adjoint sees it all.
struct Evaluation<E: Elem, S: Simd, const K: usize> {
    x: Column<E, S, K>,
    current: Current<E, S, K>,
    r: Column<E, S, K>,
    w: Column<E, S, K>,
    integrated: Column<E, S, K>,
    held: [Mask<E, S>; K],
    theta: Column<E, S, K>,
    slow: Column<E, S, K>,
    unclipped: Column<E, S, K>,
    fired: Column<E, S, K>,
    step: Step<E, S, K>,
}

impl<P: Stages> Composed<P> {
    #[inline(always)]
    fn evaluate<E: Elem, S: Simd, C: Coefficients<E, S, K>, const K: usize>(
        self,
        simd: S,
        k: &C,
        inputs: &Inputs<'_, E, S, K>,
    ) -> Evaluation<E, S, K> {
        let spec = self.0.spec();
        let Inputs { states, x, operand, .. } = *inputs;
        let zero = V::<E, S>::splat(simd, E::ZERO);
        let v = &states[State::V as usize];
        let mut x = *x;
        if spec.operand == Operand::Merged {
            for j in 0..K {
                x[j] += operand[j];
            }
        }
        let apart = Maybe { there: spec.operand == Operand::Apart, column: *operand };
        let current = spec.synapse.forward(k, [&states[State::I as usize], &states[State::H as usize]], &x, &apart);
        let resting = k.column(Coefficient::VThreshold);
        let mut r = [zero; K];
        if spec.rule.is_late() {
            r = spec.fire.forward::<E, S, C, K>(simd, k, [v, &resting]);
        }
        let w = spec.rule.before::<E, S, C, K>(simd, k, v, &r);
        let a = if spec.keeps(State::W) { states[State::W as usize] } else { states[State::A as usize] };
        let to_membrane = Maybe { there: apart.there && spec.synapse == Synapse::None, column: *operand };
        let y = Maybe { there: spec.adaptation.is_current(), column: a };
        let inflow = Inflow { c: &current.c, operand: &to_membrane, y: &y };
        let integrated = spec.membrane.forward(simd, k, &w, &inflow);
        let mut u = integrated;
        spec.rule.between::<E, S, C, K>(k, &mut u, &r);
        let mut held = [Mask::<E, S>::splat(simd, false); K];
        if spec.refractory {
            for j in 0..K {
                held[j] = states[State::Rest as usize][j].simd_gt(zero);
                u[j] = choose::<E, S>(held[j], v[j], u[j]);
            }
        }
        let (theta, slow) = spec.adaptation.before::<E, S, C, K>(k, &a, [v, &u]);
        let mut s = spec.fire.forward::<E, S, C, K>(simd, k, [&u, &theta]);
        if spec.inhibition {
            s = product::<E, S, K>(&s, inputs.allowed);
        }
        let mut after = *states;
        if spec.refractory {
            let one = V::<E, S>::splat(simd, E::ONE);
            for j in 0..K {
                s[j] = choose::<E, S>(held[j], zero, s[j]);
                let less = states[State::Rest as usize][j] - one;
                let less = choose::<E, S>(less.simd_gt(zero), less, zero);
                after[State::Rest as usize][j] = choose::<E, S>(s[j].simd_eq(zero), less, k.get(Coefficient::Refractory, j));
            }
        }
        let unclipped = spec.rule.after::<E, S, C, K>(simd, k, [&u, &s, &r, &theta]);
        let next = clipped(simd, k, spec.clip, &unclipped);
        let moved = spec.adaptation.after::<E, S, C, K>(k, &slow, &s);
        if spec.keeps(State::W) {
            after[State::W as usize] = moved;
        } else {
            after[State::A as usize] = moved;
        }
        after[State::V as usize] = next;
        after[State::I as usize] = current.i;
        after[State::H as usize] = current.h;
        if spec.fire == Fire::None {
            s = next;
        }
        let fired = s;
        if spec.graded {
            s = product::<E, S, K>(&s, &k.column(Coefficient::Graded));
        }
        if spec.keeps(State::S) {
            after[State::S as usize] = s;
        }
        Evaluation { x, current, r, w, integrated, held, theta, slow, unclipped, fired, step: Step { s, u, after } }
    }
}

impl<P: Stages> Composed<P> {
    /// Adds to the gradient of the spikes what comes from where they were sent and masked, and takes what never fired out of it.
    #[inline(always)]
    #[expect(clippy::too_many_arguments, reason = "what leaves the step, and where its gradients go")]
    fn spikes_adjoint<E: Elem, S: Simd, H: Slopes<E>, C: Coefficients<E, S, K>, const K: usize>(
        self,
        simd: S,
        convention: Convention<H>,
        k: &C,
        inputs: &Inputs<'_, E, S, K>,
        at: &Evaluation<E, S, K>,
        arriving: &Arriving<'_, E, S, K>,
        (dv, of_reset): (&Column<E, S, K>, &Column<E, S, K>),
        ds: &mut Column<E, S, K>,
        d: &mut States<E, S, K>,
        sums: &mut Gradients<E, S, K>,
    ) {
        let spec = self.0.spec();
        let sent = graded_adjoint(spec.graded, k, &at.fired, &self.sent_adjoint(arriving, d), sums);
        for j in 0..K {
            ds[j] += sent[j];
        }
        if spec.masked {
            self.mask_adjoint(simd, convention, k, inputs, at, dv, ds, &mut d[State::Rest as usize], sums);
            for j in 0..K {
                ds[j] += of_reset[j];
            }
        }
        if spec.refractory {
            for j in 0..K {
                ds[j] = choose::<E, S>(at.held[j], V::<E, S>::splat(simd, E::ZERO), ds[j]);
            }
        }
        if spec.inhibition {
            *ds = product::<E, S, K>(ds, inputs.allowed);
        }
    }

    /// Gradient of what was sent on: it leaves the step as the output, and as the last spikes that recurrence sees.
    #[inline(always)]
    fn sent_adjoint<E: Elem, S: Simd, const K: usize>(self, arriving: &Arriving<'_, E, S, K>, d: &States<E, S, K>) -> Column<E, S, K> {
        let mut sent = *arriving.out;
        if self.0.spec().keeps(State::S) {
            for j in 0..K {
                sent[j] += d[State::S as usize][j];
            }
        }
        sent
    }
}

impl<P: Stages> Composed<P> {
    /// Adjoint of a mask m that has a slope, by what leaves the step: `dv` of the membrane, `ds` of the spikes, `drest` of the rest:
    ///
    /// ```text
    /// s = (1 - m) s_free;   v = (1 - m) v_free + m v;   rest = (1 - s) relu(rest - m) + s refractory
    /// ```
    #[inline(always)]
    #[expect(clippy::too_many_arguments, reason = "what leaves the step, and where its gradients go")]
    fn mask_adjoint<E: Elem, S: Simd, H: Slopes<E>, C: Coefficients<E, S, K>, const K: usize>(
        self,
        simd: S,
        convention: Convention<H>,
        k: &C,
        inputs: &Inputs<'_, E, S, K>,
        at: &Evaluation<E, S, K>,
        dv: &Column<E, S, K>,
        ds: &mut Column<E, S, K>,
        drest: &mut Column<E, S, K>,
        sums: &mut Gradients<E, S, K>,
    ) {
        let spec = self.0.spec();
        let (zero, one) = (V::<E, S>::splat(simd, E::ZERO), V::<E, S>::splat(simd, E::ONE));
        let (v, rest) = (&inputs.states[State::V as usize], &inputs.states[State::Rest as usize]);
        let mut u_free = at.integrated;
        spec.rule.between::<E, S, C, K>(k, &mut u_free, &at.r);
        let mut s_free = spec.fire.forward::<E, S, C, K>(simd, k, [&u_free, &at.theta]);
        if spec.inhibition {
            s_free = product::<E, S, K>(&s_free, inputs.allowed);
        }
        let v_free = spec.rule.after::<E, S, C, K>(simd, k, [&u_free, &s_free, &at.r, &at.theta]);
        let slope = convention.slopes.slope(simd, rest, &[zero; K]);
        let mut dperiod = *drest;
        for j in 0..K {
            let less = rest[j] - choose::<E, S>(at.held[j], one, zero);
            let kept = choose::<E, S>(less.simd_gt(zero), less, zero);
            ds[j] += drest[j] * (k.get(Coefficient::Refractory, j) - kept);
            // Selected by s, as the forward does; only a smooth stand-in for a spike is neither 0 nor 1.
            let silent = at.fired[j].simd_eq(zero);
            dperiod[j] = choose::<E, S>(silent, zero, drest[j]);
            let onward = choose::<E, S>(silent, choose::<E, S>(less.simd_gt(zero), drest[j], zero), zero);
            let dm = dv[j] * (v[j] - v_free[j]) - ds[j] * s_free[j] - onward;
            drest[j] = onward + dm * slope[j];
        }
        sums.add(Coefficient::Refractory, &dperiod);
    }
}

/// The membrane after the clip.
#[inline(always)]
fn clipped<E: Elem, S: Simd, C: Coefficients<E, S, K>, const K: usize>(
    simd: S,
    k: &C,
    clip: Clip,
    unclipped: &Column<E, S, K>,
) -> Column<E, S, K> {
    let zero = V::<E, S>::splat(simd, E::ZERO);
    let mut next = *unclipped;
    match clip {
        Clip::None => {}
        Clip::Select => {
            for j in 0..K {
                let low = k.get(Coefficient::VMin, j);
                next[j] = choose::<E, S>(unclipped[j].simd_lt(low), low, unclipped[j]);
            }
        }
        Clip::Relu => {
            for j in 0..K {
                let low = k.get(Coefficient::VMin, j);
                let above = unclipped[j] - low;
                next[j] = choose::<E, S>(above.simd_le(zero), zero, above) + low;
            }
        }
    }
    next
}

/// Adjoint of the clip: what is held at `v_min` has no slope but that of `v_min`.
#[inline(always)]
fn clip_adjoint<E: Elem, S: Simd, C: Coefficients<E, S, K>, const K: usize>(
    simd: S,
    k: &C,
    clip: Clip,
    unclipped: &Column<E, S, K>,
    dv: &mut Column<E, S, K>,
    sums: &mut Gradients<E, S, K>,
) {
    if clip == Clip::None {
        return;
    }
    let zero = V::<E, S>::splat(simd, E::ZERO);
    let mut low = *dv;
    for j in 0..K {
        let bound = k.get(Coefficient::VMin, j);
        let below = if clip == Clip::Select { unclipped[j].simd_lt(bound) } else { (unclipped[j] - bound).simd_le(zero) };
        low[j] = choose::<E, S>(below, dv[j], zero);
        dv[j] = choose::<E, S>(below, zero, dv[j]);
    }
    sums.add(Coefficient::VMin, &low);
}

/// Adjoint of the spikes, where `held` is the adaptation that moves a threshold held constant; adds to `du` and `dtheta`.
#[inline(always)]
fn fire_adjoint<E: Elem, S: Simd, const K: usize>(
    slope: &Column<E, S, K>,
    ds: &Column<E, S, K>,
    held: Adaptation,
    [du, dtheta]: [&mut Column<E, S, K>; 2],
    sums: &mut Gradients<E, S, K>,
) {
    let mut rest = *ds;
    for j in 0..K {
        let e = slope[j] * ds[j];
        du[j] += e;
        rest[j] = -e;
    }
    if !held.moves_threshold() {
        for j in 0..K {
            dtheta[j] += rest[j];
        }
    } else if held == Adaptation::Threshold {
        // The spikes see the threshold at rest alone; what a reset takes off is the whole of it still.
        sums.add(Coefficient::VThreshold, &rest);
    }
}

impl<P: Stages> Model for Composed<P> {
    const EVERYDAY: bool = P::EVERYDAY;

    #[inline(always)]
    fn keeps(self, state: State) -> bool {
        self.0.spec().keeps(state)
    }

    #[inline(always)]
    fn competes(self) -> bool {
        self.0.spec().inhibition
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
        let spec = self.0.spec();
        let at = self.evaluate(simd, k, inputs);
        let states = inputs.states;
        let (s, u) = (&at.fired, &at.step.u);
        let zero = V::<E, S>::splat(simd, E::ZERO);
        let v = &states[State::V as usize];
        let mut dv = d[State::V as usize];
        let spiking = spec.fire != Fire::None;
        if !spiking {
            let sent = self.sent_adjoint(arriving, d);
            for j in 0..K {
                dv[j] += sent[j];
            }
        }
        clip_adjoint(simd, k, spec.clip, &at.unclipped, &mut dv, sums);
        let [mut du, mut ds, mut dr, mut dtheta] =
            spec.rule.after_adjoint::<E, S, C, K>(simd, k, [u, s, &at.r, &at.theta], &dv, convention.detach.reset, sums);
        for j in 0..K {
            du[j] += arriving.u[j];
        }
        let a = if spec.keeps(State::W) { states[State::W as usize] } else { states[State::A as usize] };
        let da = if spec.keeps(State::W) { d[State::W as usize] } else { d[State::A as usize] };
        let of_reset = ds;
        if spec.masked {
            ds = [zero; K];
        }
        let others = ds;
        let dslow = spec.adaptation.after_adjoint::<E, S, C, K>(k, [&at.slow, s], &da, &mut ds, sums);
        if convention.detach.adaptation {
            ds = others;
        }
        if spiking {
            self.spikes_adjoint(simd, convention, k, inputs, &at, arriving, (&dv, &of_reset), &mut ds, d, sums);
            let slope = convention.slopes.slope(simd, u, &at.theta);
            let moved = if convention.detach.threshold { spec.adaptation } else { Adaptation::None };
            fire_adjoint(&slope, &ds, moved, [&mut du, &mut dtheta], sums);
        }
        let mut carried = [zero; K];
        let mut da = spec.adaptation.before_adjoint::<E, S, C, K>(k, [&a, v, u], [&dtheta, &dslow], [&mut carried, &mut du], sums);
        if spec.refractory {
            for j in 0..K {
                carried[j] += choose::<E, S>(at.held[j], du[j], zero);
                du[j] = choose::<E, S>(at.held[j], zero, du[j]);
            }
        }
        spec.rule.between_adjoint::<E, S, C, K>(k, [&at.integrated, &at.r], [&mut du, &mut dr], sums);
        let apart = Maybe { there: spec.operand == Operand::Apart, column: *inputs.operand };
        let bare = spec.synapse == Synapse::None;
        let to_membrane = Maybe { there: apart.there && bare, column: *inputs.operand };
        let y = Maybe { there: spec.adaptation.is_current(), column: a };
        let inflow = Inflow { c: &at.current.c, operand: &to_membrane, y: &y };
        let flows = spec.membrane.adjoint(simd, k, &at.w, &inflow, &du, sums);
        dv = spec.rule.before_adjoint::<E, S, C, K>(simd, k, (v, &at.r), &flows.v, &mut dr, sums);
        if spec.rule.is_late() && !convention.detach.carried() {
            let slope = convention.slopes.slope(simd, v, &at.theta);
            let mut dtheta = dr;
            for j in 0..K {
                let e = slope[j] * dr[j];
                dv[j] += e;
                dtheta[j] = -e;
            }
            sums.add(Coefficient::VThreshold, &dtheta);
        }
        for j in 0..K {
            dv[j] += carried[j];
            if y.there {
                da[j] += flows.y[j];
            }
        }
        d[State::V as usize] = dv;
        if spec.keeps(State::W) {
            d[State::W as usize] = da;
        } else {
            d[State::A as usize] = da;
        }
        let [mut di, mut dh] = [d[State::I as usize], d[State::H as usize]];
        let entered = [&states[State::I as usize], &states[State::H as usize], &at.x];
        let dx = spec.synapse.adjoint(k, entered, &apart, &at.current, &flows.c, [&mut di, &mut dh], sums);
        d[State::I as usize] = di;
        d[State::H as usize] = dh;
        // What the last spikes did to this step came through the operand.
        d[State::S as usize] = [zero; K];
        [dx, if bare && spec.operand == Operand::Apart { flows.operand } else { dx }]
    }
}
