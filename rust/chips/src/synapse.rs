//! Synapses between populations: rows of targets, visited for the sources that fired.
//!
//! ```text
//! total       y[post] += sum over pre of count[pre] w[pre, post]              exact, in any order
//! saturating  y[post] = sat(y[post] + w[pre, post]), count[pre] times, for pre ascending
//! ```
//! The second is order-dependent once a value saturates. The spikes of one source share one weight, hence one sign, and then
//! `count` saturating additions end where one saturating addition of `count w` ends: towards one side a value moves until it stops
//! at the end and stays. So both kinds of delivery cost one addition for each target of a source that fired.

use fearless_simd::{Level, Simd, SimdBase, SimdMask};

use crate::lanes::{AddScaled, Native, RUN};
use crate::rows::Lined;
use crate::word::{Number, Word};
use rsnn_base::elem::on_level;

/// The targets of one source: where they lie in one of two lists.
#[derive(Clone, Copy, Debug)]
struct Targets {
    first: usize,
    len: usize,
    /// The list: targets and weights where most weights are 0, else a weight for each target.
    sparse: bool,
}

/// What a spike of one source does. Looked up for every spike, so small.
#[derive(Clone, Copy, Debug)]
struct Sent {
    /// Weights that are not 0.
    there: u32,
    /// The largest absolute weight, as far as 32 bits hold it.
    most: u32,
}

/// Weights by source.
#[derive(Clone, Debug)]
pub struct Synapses<W> {
    rows: Vec<Targets>,
    sent: Vec<Sent>,
    dense: Lined<W>,
    sparse: Vec<(u32, W)>,
    /// Every row is one [`RUN`] of the dense list.
    short: bool,
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
        let mut made = Self { rows: Vec::new(), sent: Vec::new(), dense: Lined::default(), sparse: Vec::new(), short: false };
        for row in weights.chunks(targets.max(1)) {
            let there: usize = row.iter().map(|&w| usize::from(w != 0)).sum();
            let most = row.iter().map(|&w| effective(w).unsigned_abs()).max().unwrap_or(0);
            let pairs = row.iter().enumerate().filter(|&(_, &w)| w != 0);
            let pairs = pairs.map(|(post, &w)| (post / stretch * pitch + post % stretch, W::narrow(effective(w))));
            // A scattered addition costs about as much as a register of neighbouring ones.
            let sparse = targets > RUN && there * 8 < targets;
            let first = if sparse { made.sparse.len() } else { dense.len() };
            let len = if sparse {
                made.sparse.extend(pairs.map(|(post, w)| (u32::try_from(post).unwrap_or(u32::MAX), w)));
                made.sparse.len() - first
            } else {
                let last = targets - 1;
                let end = (last / stretch * pitch + last % stretch + 1).next_multiple_of(RUN);
                dense.resize(first + end.min(targets.div_ceil(stretch) * pitch), W::ZERO);
                pairs.for_each(|(post, w)| dense[first + post] = w);
                dense.len() - first
            };
            made.rows.push(Targets { first, len, sparse });
            let [there, most] = [there as u64, most].map(|n| u32::try_from(n).unwrap_or(u32::MAX));
            made.sent.push(Sent { there, most });
        }
        made.short = made.rows.iter().all(|row| !row.sparse && row.len == RUN);
        made.dense = Lined::zeros(dense.len());
        made.dense.copy_from_slice(&dense);
        made
    }

    /// How many weights these sources add, one for each spike and target.
    #[must_use]
    pub fn operations(&self, active: &Active<W>) -> u64 {
        if self.sent.is_empty() {
            return 0; // without targets nothing was laid out
        }
        active.entries().iter().map(|&(source, count)| count.wide().unsigned_abs() * u64::from(self.sent[source].there)).sum()
    }

    /// Add up what the sources send.
    pub fn total(&self, level: Level, active: &Active<W>, sums: &mut [W]) {
        on_level!(level, simd => self.deliver(simd, active, None, sums));
    }

    /// Add spike by spike, saturating between `low` and `high`.
    pub fn saturating(&self, level: Level, active: &Active<W>, low: W, high: W, sums: &mut [W]) {
        on_level!(level, simd => self.deliver(simd, active, Some((low, high)), sums));
    }

    #[inline(always)]
    fn deliver<S: Simd>(&self, simd: S, active: &Active<W>, ends: Option<(W, W)>, sums: &mut [W]) {
        if sums.is_empty() {
            return;
        }
        if self.short {
            W::add_rows(simd, &mut sums[..RUN], &self.dense, active.entries(), ends);
            return;
        }
        for &(source, count) in active.entries() {
            let row = &self.rows[source];
            if !row.sparse {
                W::add_scaled(simd, sums, &self.dense[row.first..][..row.len], count, ends);
                continue;
            }
            // Four at a time: the loop would cost as much as the additions.
            let (fours, rest) = self.sparse[row.first..][..row.len].as_chunks::<4>();
            for four in fours {
                for pair in four {
                    add_one(sums, pair, count, ends);
                }
            }
            for pair in rest {
                add_one(sums, pair, count, ends);
            }
        }
    }
}

impl Synapses<i32> {
    /// By how much, at most, these sources can move any one sum on the way; and the operations.
    #[must_use]
    pub fn reach(&self, active: &Active<i32>) -> (u64, u64) {
        let (mut reach, mut operations) = (0_u64, 0);
        if self.sent.is_empty() {
            return (0, 0);
        }
        for &(source, count) in active.entries() {
            let (sent, count) = (self.sent[source], u64::from(count.unsigned_abs()));
            reach = reach.saturating_add(count * u64::from(sent.most));
            operations += count * u64::from(sent.there);
        }
        (reach, operations)
    }
}

/// Add one weight to its sum.
#[inline(always)]
fn add_one<W: Word>(sums: &mut [W], &(post, w): &(u32, W), count: W, ends: Option<(W, W)>) {
    let sum = &mut sums[post as usize];
    *sum = *sum + count * w;
    if let Some((low, high)) = ends {
        *sum = (*sum).max(low).min(high);
    }
}

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
        // 64 sources at a time: where a list of who fired ends is not foreseen, so the fewer lists the better.
        let (blocks, rest) = counts.as_chunks::<64>();
        for (block, first) in blocks.iter().zip((0..).step_by(64)) {
            let mut fired = 0_u64;
            for (row, at) in block.chunks_exact(lanes).zip((0..).step_by(lanes)) {
                let still = Native::<X, S>::from_slice(simd, row).simd_eq(zero).to_bitmask();
                fired |= (!still & (u64::MAX >> (64 - lanes))) << at;
            }
            while fired != 0 {
                let k = fired.trailing_zeros() as usize;
                list[there] = (first + k, W::narrow(block[k].wide().min(most)));
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

#[cfg(test)]
mod tests {
    use super::*;
    use rsnn_base::elem::levels;

    /// Source after source, spike after spike, target after target.
    fn plain(weights: &[i64], targets: usize, counts: &[i64], ends: Option<(i64, i64)>) -> (Vec<i64>, u64) {
        let (mut sums, mut operations) = (vec![5; targets], 0);
        for (row, &count) in weights.chunks(targets).zip(counts) {
            for _ in 0..count {
                for (sum, &w) in sums.iter_mut().zip(row) {
                    *sum += w;
                    if let Some((low, high)) = ends {
                        *sum = (*sum).clamp(low, high);
                    }
                    operations += u64::from(w != 0);
                }
            }
        }
        (sums, operations)
    }

    fn delivered<W: AddScaled + std::fmt::Debug>(
        level: Level,
        weights: &[i64],
        targets: usize,
        pitch: usize,
        counts: &[i64],
        ends: Option<(i64, i64)>,
    ) -> (Vec<i64>, u64) {
        let synapses = Synapses::<W>::apart(weights, targets, (targets, pitch), |w| w);
        let mut active = Active::default();
        active.find(level, counts, i64::MAX);
        let mut sums = vec![W::narrow(5); pitch];
        match ends {
            Some((low, high)) => synapses.saturating(level, &active, W::narrow(low), W::narrow(high), &mut sums),
            None => synapses.total(level, &active, &mut sums),
        }
        (sums[..targets].iter().map(|sum| sum.wide()).collect(), synapses.operations(&active))
    }

    #[test]
    fn short_dense_and_sparse_rows_give_what_one_weight_after_the_other_gives() {
        for (sources, targets, every) in [(130, 8, 1), (130, 16, 9), (200, 100, 1), (64, 100, 23), (1, 40, 2), (63, 3, 2)] {
            let weights: Vec<i64> =
                (0..sources * targets).map(|k| if k % every == 0 { (i64::try_from(k).unwrap() * 37) % 181 - 90 } else { 0 }).collect();
            let counts: Vec<i64> = (0..sources).map(|k| [0, 1, 0, 0, 3, 0, 1][k % 7]).collect();
            for ends in [None, Some((-200, 150))] {
                let expected = plain(&weights, targets, &counts, ends);
                for (name, level) in levels() {
                    for pitch in [targets, targets.next_multiple_of(64)] {
                        let found = [
                            delivered::<i32>(level, &weights, targets, pitch, &counts, ends),
                            delivered::<i64>(level, &weights, targets, pitch, &counts, ends),
                            delivered::<i128>(level, &weights, targets, pitch, &counts, ends),
                        ];
                        for found in found {
                            assert_eq!(found, expected, "{name}: {sources} x {targets} in {pitch}, {ends:?}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn who_fired_is_found_in_order_at_every_length() {
        for len in [0, 1, 63, 64, 65, 127, 128, 300] {
            let counts: Vec<i32> = (0..len).map(|k| [0, 0, 1, 40, 0][(k * k) % 5]).collect();
            let expected: Vec<(usize, i32)> =
                counts.iter().enumerate().filter(|(_, count)| **count != 0).map(|(k, &count)| (k, count.min(31))).collect();
            let bytes: Vec<u8> = counts.iter().map(|&count| u8::try_from(count).unwrap()).collect();
            for (name, level) in levels() {
                let mut active = Active::<i32>::default();
                active.find(level, &counts, 31);
                assert_eq!(active.entries(), expected, "{name}, {len}");
                active.find(level, &bytes, 31);
                assert_eq!(active.entries(), expected, "{name}, {len} bytes");
            }
        }
    }
}
