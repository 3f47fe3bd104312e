//! Synapses between populations: rows of targets, visited for the sources that fired.
//!
//! ```text
//! total       y[post] += sum over pre of count[pre] w[pre, post]              exact, in any order
//! saturating  y[post] = sat(y[post] + w[pre, post]), count[pre] times, for pre ascending
//! ```
//! The second is order-dependent once a value saturates. The spikes of one source share one weight, hence one sign, and then
//! `count` saturating additions end where one saturating addition of `count w` ends: towards one side a value moves until it stops
//! at the end and stays. So both kinds of delivery cost one addition for each target of a source that fired.

use std::ops::Range;

use fearless_simd::{Level, Simd, SimdBase, SimdMask};

use crate::chip::lanes::{AddScaled, Native};
use crate::chip::rows::Lined;
use crate::chip::word::{Number, Word};
use crate::elem::on_level;

/// The targets of one source: a stretch of one of two lists.
#[derive(Clone, Debug)]
enum Targets {
    /// A weight for each target.
    Dense(Range<usize>),
    /// Targets and weights, where most weights are 0.
    Sparse(Range<usize>),
}

/// Weights by source.
#[derive(Clone, Debug)]
pub struct Synapses<W> {
    rows: Vec<Targets>,
    dense: Lined<W>,
    sparse: Vec<(u32, W)>,
    /// Of each source: weights that are not 0, and the largest absolute one.
    sent: Vec<(u64, u64)>,
}

impl<W: AddScaled> Synapses<W> {
    /// From one row of weights for each source, each taken through `effective`; every row has `targets` entries.
    #[must_use]
    pub fn new(weights: &[i64], targets: usize, effective: impl Fn(i64) -> i64) -> Self {
        Self::apart(weights, targets, (targets.max(1), targets.max(1)), effective)
    }

    /// The same; a row comes in stretches of `stretch` targets, which lie `pitch` apart in the sums.
    #[must_use]
    pub fn apart(weights: &[i64], targets: usize, (stretch, pitch): (usize, usize), effective: impl Fn(i64) -> i64) -> Self {
        let mut dense = Vec::new();
        let mut made = Self { rows: Vec::new(), dense: Lined::default(), sparse: Vec::new(), sent: Vec::new() };
        for row in weights.chunks(targets.max(1)) {
            let there: usize = row.iter().map(|&w| usize::from(w != 0)).sum();
            let most = row.iter().map(|&w| effective(w).unsigned_abs()).max().unwrap_or(0);
            let pairs = row.iter().enumerate().filter(|&(_, &w)| w != 0);
            let pairs = pairs.map(|(post, &w)| (post / stretch * pitch + post % stretch, W::narrow(effective(w))));
            // A scattered addition costs about as much as a register of neighbouring ones.
            made.rows.push(if there * 8 < targets {
                let first = made.sparse.len();
                made.sparse.extend(pairs.map(|(post, w)| (u32::try_from(post).unwrap_or(u32::MAX), w)));
                Targets::Sparse(first..made.sparse.len())
            } else {
                let (first, last) = (dense.len(), targets - 1);
                let end = (last / stretch * pitch + last % stretch + 1).next_multiple_of(RUN);
                dense.resize(first + end.min(targets.div_ceil(stretch) * pitch), W::ZERO);
                pairs.for_each(|(post, w)| dense[first + post] = w);
                Targets::Dense(first..dense.len())
            });
            made.sent.push((there as u64, most));
        }
        made.dense = Lined::zeros(dense.len());
        made.dense.copy_from_slice(&dense);
        made
    }

    /// By how much, at most, these sources can move any one sum on the way.
    #[must_use]
    pub fn reach(&self, active: &Active<W>) -> u64 {
        if self.sent.is_empty() {
            return 0; // without targets nothing was laid out
        }
        let most = active.entries().iter().map(|&(source, count)| count.wide().unsigned_abs().saturating_mul(self.sent[source].1));
        most.fold(0, u64::saturating_add)
    }

    /// Add up what the sources send; returns how many weights were added, one for each spike and target.
    pub fn total(&self, level: Level, active: &Active<W>, sums: &mut [W]) -> u64 {
        let mut operations = 0;
        on_level!(level, simd => operations = self.deliver(simd, active, None, sums));
        operations
    }

    /// Add spike by spike, saturating between `low` and `high`.
    pub fn saturating(&self, level: Level, active: &Active<W>, low: W, high: W, sums: &mut [W]) -> u64 {
        let mut operations = 0;
        on_level!(level, simd => operations = self.deliver(simd, active, Some((low, high)), sums));
        operations
    }

    #[inline(always)]
    fn deliver<S: Simd>(&self, simd: S, active: &Active<W>, ends: Option<(W, W)>, sums: &mut [W]) -> u64 {
        let mut operations = 0;
        if sums.is_empty() {
            return 0;
        }
        for &(source, count) in active.entries() {
            operations += count.wide().unsigned_abs() * self.sent[source].0;
            match &self.rows[source] {
                Targets::Dense(row) => W::add_scaled(simd, sums, &self.dense[row.clone()], count, ends),
                Targets::Sparse(row) => {
                    for &(post, w) in &self.sparse[row.clone()] {
                        let sum = &mut sums[post as usize];
                        *sum = *sum + count * w;
                        if let Some((low, high)) = ends {
                            *sum = (*sum).max(low).min(high);
                        }
                    }
                }
            }
        }
        operations
    }
}

/// A row of weights is padded to a multiple of so many, where there is room.
const RUN: usize = 16;

/// The sources that fired, ascending, and how often.
#[derive(Clone, Debug, Default)]
pub struct Active<W> {
    /// As many as fired, and room that is used again.
    list: Vec<(usize, W)>,
    len: usize,
}

impl<W: Word> Active<W> {
    /// Who fired, and how often.
    #[must_use]
    #[inline(always)]
    pub fn entries(&self) -> &[(usize, W)] {
        &self.list[..self.len]
    }

    /// Find them; at most `most` spikes of a source count.
    pub fn find<X: Number>(&mut self, level: Level, counts: &[X], most: i64) {
        if self.list.len() < counts.len() {
            self.list.resize(counts.len(), (0, W::ZERO));
        }
        on_level!(level, simd => self.registers(simd, counts, most));
    }

    #[inline(always)]
    fn registers<S: Simd, X: Number>(&mut self, simd: S, counts: &[X], most: i64) {
        let lanes = Native::<X, S>::LEN;
        let zero = Native::<X, S>::splat(simd, X::default());
        let list = &mut self.list[..counts.len()];
        let mut there = 0;
        let rows = counts.chunks_exact(lanes);
        let rest = rows.remainder();
        for (row, first) in rows.zip((0..).step_by(lanes)) {
            let mut fired = !Native::<X, S>::from_slice(simd, row).simd_eq(zero).to_bitmask() & (u64::MAX >> (64 - lanes));
            while fired != 0 {
                let k = fired.trailing_zeros() as usize;
                list[there] = (first + k, W::narrow(row[k].wide().min(most)));
                there += 1;
                fired &= fired - 1;
            }
        }
        for (&count, at) in rest.iter().zip(counts.len() - rest.len()..) {
            if count != X::default() {
                list[there] = (at, W::narrow(count.wide().min(most)));
                there += 1;
            }
        }
        self.len = there;
    }
}

/// The largest sum of absolute weights into one target.
#[must_use]
pub fn gain(weights: &[i64], targets: usize) -> i128 {
    let mut sums = vec![0_i128; targets];
    for row in weights.chunks(targets.max(1)) {
        sums.iter_mut().zip(row).for_each(|(sum, &w)| *sum += i128::from(w.unsigned_abs()));
    }
    sums.into_iter().max().unwrap_or(0)
}
