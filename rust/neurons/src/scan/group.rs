//! Groups of neurons that act on each other between two steps: through weights, or by competing.
//!
//! A tile holds several groups, side by side: a sequence of the batch is a group, and what one row of weights is loaded for serves
//! them all where it can.

use std::ops::Range;

use fearless_simd::prelude::*;

use super::layout::TILE;
use super::{layout, store};
use crate::neuron::Neuron;
use crate::stage::{Coefficient, Coefficients, Column};
use rsnn_base::elem::{Elem, V};
use rsnn_base::error::{Error, Result};

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

    /// Whether every neuron has one weight, to itself.
    #[inline(always)]
    pub(super) fn is_own(&self) -> bool {
        self.weight.len() == self.size && self.size > 1
    }

    /// Add the neurons of a group that fired to a list, in ascending order.
    #[inline(always)]
    pub(super) fn list<S: Simd>(&self, simd: S, spikes: &[E], fired: &mut Vec<u32>) {
        if self.is_own() {
            return;
        }
        let lanes = V::<E, S>::LEN;
        let zero = V::<E, S>::splat(simd, E::ZERO);
        let whole = spikes.len() / 64 * 64;
        for (word, spikes) in spikes.chunks_exact(64).enumerate() {
            // A word of many registers: few branches that depend on the data.
            let mut bits = 0;
            for from in (0..64).step_by(lanes) {
                bits |= (!V::<E, S>::from_slice(simd, &spikes[from..from + lanes]).simd_eq(zero)).to_bitmask() << from;
            }
            while bits != 0 {
                fired.push(number(word * 64) + bits.trailing_zeros());
                bits &= bits - 1;
            }
        }
        fired.extend((whole..spikes.len()).filter(|pre| spikes[*pre] != E::ZERO).map(number));
    }

    /// `r = W s + bias` of a group, whose neurons on the list fired.
    #[inline(always)]
    pub(super) fn gather<S: Simd>(&self, simd: S, spikes: &[E], r: &mut [E], fired: &[u32]) {
        if self.is_own() {
            for j in 0..self.size {
                r[j] = self.weight[j] * spikes[j];
            }
        } else {
            let lanes = V::<E, S>::LEN;
            let mut from = 0;
            while from + 8 * lanes <= self.size {
                self.sum::<S, 8>(simd, spikes, fired, from, r);
                from += 8 * lanes;
            }
            while from + 4 * lanes <= self.size {
                self.sum::<S, 4>(simd, spikes, fired, from, r);
                from += 4 * lanes;
            }
            while from + lanes <= self.size {
                self.sum::<S, 1>(simd, spikes, fired, from, r);
                from += lanes;
            }
            for post in from..self.size {
                r[post] = fired.iter().fold(E::ZERO, |sum, pre| {
                    let pre = *pre as usize;
                    sum + self.weight[pre * self.size + post] * spikes[pre]
                });
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
    fn sum<S: Simd, const K: usize>(&self, simd: S, spikes: &[E], fired: &[u32], from: usize, r: &mut [E]) {
        let lanes = V::<E, S>::LEN;
        let mut sum = [V::<E, S>::splat(simd, E::ZERO); K];
        for pre in fired {
            let pre = *pre as usize;
            let row = &self.weight[pre * self.size + from..][..K * lanes];
            let s = V::<E, S>::splat(simd, spikes[pre]);
            for j in 0..K {
                sum[j] += V::<E, S>::from_slice(simd, &row[j * lanes..(j + 1) * lanes]) * s;
            }
        }
        store(&sum, &mut r[from..from + K * lanes]);
    }
}

/// The number of a neuron in its group; weights of so many neurons would not fit into memory.
#[inline(always)]
fn number(pre: usize) -> u32 {
    u32::try_from(pre).unwrap_or(u32::MAX)
}

/// Check how neurons act on each other against what they are; the size of their groups, if they come in any.
pub(super) fn checked<E: Elem>(
    neuron: &Neuron,
    recurrent: Option<&Recurrent<'_, E>>,
    group: Option<usize>,
    inner: usize,
) -> Result<Option<usize>> {
    if let Some(recurrent) = recurrent {
        recurrent.check(inner)?;
    }
    let size = group.or(recurrent.map(|r| r.size));
    if let Some(size) = size.filter(|size| inner > 0 && (*size == 0 || !inner.is_multiple_of(*size))) {
        return Err(Error::value(format!("group: {size} neurons do not divide {inner} neurons")));
    }
    if group.is_some() != neuron.competes() || recurrent.zip(group).is_some_and(|(r, size)| r.size != size) {
        return Err(Error::value("group: a spec with inhibition and the size of a group go together; it is also that of the weights"));
    }
    if recurrent.is_some() != neuron.is_recurrent() {
        return Err(Error::value("recurrent: weights and a spec with recurrent or recurrent_merged go together; give both or neither"));
    }
    Ok(size)
}

/// `u - v_threshold`: how far ahead a neuron is of those it competes with.
#[inline(always)]
pub(super) fn lead<E: Elem, S: Simd, C: Coefficients<E, S, K>, const K: usize>(k: &C, u: &Column<E, S, K>) -> Column<E, S, K> {
    let mut lead = *u;
    for j in 0..K {
        lead[j] -= k.get(Coefficient::VThreshold, j);
    }
    lead
}

/// How many groups stand side by side in a tile: about as many neurons as in any, and a whole number of times the 6 rows that the
/// product backwards takes at once.
pub(super) fn abreast(size: usize) -> usize {
    (TILE / size.max(1)).next_multiple_of(6).max(6)
}

/// The ranges of neurons that tiles hold where they come in groups of `size`; they do not depend on the number of threads.
pub(super) fn ranges(inner: usize, size: usize) -> Vec<Range<usize>> {
    let width = abreast(size).saturating_mul(size.max(1));
    (0..inner).step_by(width).map(|from| from..inner.min(from.saturating_add(width))).collect()
}

/// Multiplications that come with every neuron and step of a recurrent group, as a share of the work of a step.
pub(super) fn work(elements: usize, recurrent: Option<&Recurrent<'_, impl Elem>>) -> usize {
    elements.saturating_mul(1 + recurrent.filter(|r| !r.is_own()).map_or(0, |r| r.size / 32))
}

/// Rows for one step of the groups of a tile; empty for neurons that do not act on each other.
#[derive(Default)]
pub(super) struct Group<E> {
    /// What the last spikes bring, `r = W s + bias`.
    pub operand: Vec<E>,
    /// The neurons that fired.
    pub fired: Vec<u32>,
    /// `u - v_threshold`, looked at before the step is taken.
    pub lead: Vec<E>,
    /// 1 for the neuron that may fire.
    pub allowed: Vec<E>,
}

/// Allow the first of the largest leads of each group of `size`, NaN the largest of all, as torch's argmax.
pub(super) fn allow<E: Elem>(lead: &[E], allowed: &mut [E], size: usize) {
    for (lead, allowed) in lead.chunks_exact(size).zip(allowed.chunks_exact_mut(size)) {
        let mut best = 0;
        for (j, y) in lead.iter().enumerate() {
            if lead[best].to_f64().is_nan() {
                break;
            }
            if *y > lead[best] || y.to_f64().is_nan() {
                best = j;
            }
        }
        allowed.fill(E::ZERO);
        allowed[best] = E::ONE;
    }
}
