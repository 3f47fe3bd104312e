//! Groups of neurons that act on each other between two steps: through weights, or by competing.

use fearless_simd::prelude::*;

use super::{layout, store};
use crate::elem::{Elem, V};
use crate::error::{Error, Result};

/// How the neurons of a group act on each other in the next step.
#[derive(Clone, Copy, Debug)]
pub struct Recurrent<'a, E> {
    /// Neurons of a group: neighbours, `size` divides `inner`.
    pub size: usize,
    /// `(size, size)`, a row for each neuron that fired; or `(size,)`, one weight for each neuron to itself.
    pub weight: &'a [E],
    /// Added last, `(size,)`.
    pub bias: Option<&'a [E]>,
}

impl<E: Elem> Recurrent<'_, E> {
    pub(super) fn check(&self, inner: usize) -> Result<()> {
        let Self { size, weight, bias } = self;
        if inner == 0 {
            return Ok(());
        }
        if *size == 0 || !inner.is_multiple_of(*size) {
            return Err(Error::value(format!("recurrent: weights of {size} neurons do not divide {inner} neurons")));
        }
        if weight.len() != *size && Some(weight.len()) != size.checked_mul(*size) {
            return Err(Error::value(format!(
                "recurrent: {} weights came; {size} neurons need ({size}, {size}) or ({size},)",
                weight.len()
            )));
        }
        layout::expect("recurrent bias", bias.map_or(*size, <[E]>::len), *size)?;
        let finite = |all: &[E]| all.iter().all(|w| w.to_f64().is_finite());
        if finite(weight) && bias.is_none_or(finite) {
            Ok(())
        } else {
            Err(Error::value("recurrent: a weight is not finite; weights must be finite"))
        }
    }

    /// `r = W s + bias`; `fired` is room for a list.
    #[inline(always)]
    pub(super) fn gather<S: Simd>(&self, simd: S, spikes: &[E], r: &mut [E], fired: &mut Vec<usize>) {
        if self.weight.len() == self.size && self.size > 1 {
            for j in 0..self.size {
                r[j] = self.weight[j] * spikes[j];
            }
        } else {
            fired.clear();
            fired.extend((0..self.size).filter(|pre| spikes[*pre] != E::ZERO));
            let lanes = V::<E, S>::LEN;
            let mut from = 0;
            while from + 4 * lanes <= self.size {
                self.sum::<S, 4>(simd, spikes, fired, from, r);
                from += 4 * lanes;
            }
            while from + lanes <= self.size {
                self.sum::<S, 1>(simd, spikes, fired, from, r);
                from += lanes;
            }
            for post in from..self.size {
                r[post] = fired.iter().fold(E::ZERO, |sum, pre| sum + self.weight[pre * self.size + post] * spikes[*pre]);
            }
        }
        if let Some(bias) = self.bias {
            for (to, b) in r.iter_mut().zip(bias) {
                *to += *b;
            }
        }
    }

    /// What comes from those that fired to `K` registers of neurons: the sums stay there.
    #[inline(always)]
    fn sum<S: Simd, const K: usize>(&self, simd: S, spikes: &[E], fired: &[usize], from: usize, r: &mut [E]) {
        let lanes = V::<E, S>::LEN;
        let mut sum = [V::<E, S>::splat(simd, E::ZERO); K];
        for pre in fired {
            let row = &self.weight[pre * self.size + from..][..K * lanes];
            let s = V::<E, S>::splat(simd, spikes[*pre]);
            for j in 0..K {
                sum[j] += V::<E, S>::from_slice(simd, &row[j * lanes..(j + 1) * lanes]) * s;
            }
        }
        store(&sum, &mut r[from..from + K * lanes]);
    }
}

/// Rows for one step of a group; empty for neurons that do not act on each other.
#[derive(Default)]
pub(super) struct Group<E> {
    /// What the last spikes bring, `r = W s + bias`.
    pub operand: Vec<E>,
    /// The neurons that fired.
    pub fired: Vec<usize>,
    /// `u - v_threshold`, looked at before the step is taken.
    pub lead: Vec<E>,
    /// 1 for the neuron that may fire.
    pub allowed: Vec<E>,
}

impl<E: Elem> Group<E> {
    /// Allow the first of the largest leads, NaN the largest of all, as torch's argmax.
    pub fn allow(&mut self) {
        let mut best = 0;
        for (j, y) in self.lead.iter().enumerate() {
            if self.lead[best].to_f64().is_nan() {
                break;
            }
            if *y > self.lead[best] || y.to_f64().is_nan() {
                best = j;
            }
        }
        self.allowed.fill(E::ZERO);
        self.allowed[best] = E::ONE;
    }
}
