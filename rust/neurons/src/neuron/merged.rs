//! Any neuron whose own output comes back to it, as a wrapper around its step: the operand joins the input before anything else.
//!
//! ```text
//! x = x + operand
//! the step of the neuron
//! last output = output
//! ```

use fearless_simd::prelude::*;

use super::{Arriving, Convention, Inputs, Model, State, States, Step};
use crate::stage::{Coefficients, Column, Gradients};
use crate::surrogate::Slopes;
use rsnn_base::elem::{Elem, V};

/// The wrapper.
#[derive(Clone, Copy, Debug)]
pub struct Merged<M>(pub M);

/// `a + b`.
#[inline(always)]
fn sum<E: Elem, S: Simd, const K: usize>(a: &Column<E, S, K>, b: &Column<E, S, K>) -> Column<E, S, K> {
    let mut both = *a;
    for j in 0..K {
        both[j] += b[j];
    }
    both
}

impl<M: Model> Model for Merged<M> {
    #[inline(always)]
    fn keeps(self, state: State) -> bool {
        state == State::S || self.0.keeps(state)
    }

    #[inline(always)]
    fn competes(self) -> bool {
        self.0.competes()
    }

    #[inline(always)]
    fn step<E: Elem, S: Simd, C: Coefficients<E, S, K>, const K: usize>(
        self,
        simd: S,
        k: &C,
        inputs: &Inputs<'_, E, S, K>,
    ) -> Step<E, S, K> {
        let x = sum::<E, S, K>(inputs.x, inputs.operand);
        let mut step = self.0.step(simd, k, &Inputs { x: &x, ..*inputs });
        step.after[State::S as usize] = step.s;
        step
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
        let x = sum::<E, S, K>(inputs.x, inputs.operand);
        let out = sum::<E, S, K>(arriving.out, &d[State::S as usize]);
        let flows = self.0.adjoint(simd, convention, k, &Inputs { x: &x, ..*inputs }, &Arriving { out: &out, ..*arriving }, d, sums);
        // What the last output did to this step came through the operand.
        d[State::S as usize] = [V::<E, S>::splat(simd, E::ZERO); K];
        flows
    }
}
