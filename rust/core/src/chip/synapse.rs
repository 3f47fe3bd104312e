//! Synapses between populations: rows of targets, visited for the sources that fired.
//!
//! ```text
//! total       y[post] += sum over pre of count[pre] w[pre, post]              exact, in any order
//! saturating  y[post] = sat(y[post] + w[pre, post]), count[pre] times, for pre ascending
//! ```
//! The second is order-dependent once a value saturates. The spikes of one source share one weight, hence one sign, and then
//! `count` saturating additions end where one saturating addition of `count w` ends: towards one side a value moves until it stops
//! at the end and stays. So both kinds of delivery cost one addition for each target of a source that fired.

use fearless_simd::Level;

use crate::chip::lanes::{Lanes, Vector};
use crate::chip::word::{Number, Word};
use crate::elem::on_level;

/// The targets of one source.
#[derive(Clone, Debug)]
enum Targets<W> {
    /// A weight for each target.
    Dense(Vec<W>),
    /// Targets and weights, where most weights are 0.
    Sparse(Vec<(u32, W)>),
}

/// Weights by source.
#[derive(Clone, Debug)]
pub struct Synapses<W> {
    rows: Vec<Targets<W>>,
    /// Weights that are not 0, by source.
    fan_out: Vec<u64>,
}

impl<W: Word> Synapses<W> {
    /// From one row of weights for each source, each taken through `effective`; every row has `targets` entries.
    #[must_use]
    pub fn new(weights: &[i64], targets: usize, effective: impl Fn(i64) -> i64) -> Self {
        Self::apart(weights, targets, (targets.max(1), targets.max(1)), effective)
    }

    /// The same; a row comes in stretches of `stretch` targets, which lie `pitch` apart in the sums.
    #[must_use]
    pub fn apart(weights: &[i64], targets: usize, (stretch, pitch): (usize, usize), effective: impl Fn(i64) -> i64) -> Self {
        let mut made = Self { rows: Vec::new(), fan_out: Vec::new() };
        for row in weights.chunks(targets.max(1)) {
            let there: usize = row.iter().map(|&w| usize::from(w != 0)).sum();
            let pairs = row.iter().enumerate().filter(|&(_, &w)| w != 0);
            let pairs = pairs.map(|(post, &w)| (post / stretch * pitch + post % stretch, W::narrow(effective(w))));
            // A scattered addition costs about as much as a register of neighbouring ones.
            made.rows.push(if there * 8 < targets {
                Targets::Sparse(pairs.map(|(post, w)| (u32::try_from(post).unwrap_or(u32::MAX), w)).collect())
            } else {
                let last = targets - 1;
                let end = (last / stretch * pitch + last % stretch + 1).next_multiple_of(RUN);
                let mut dense = vec![W::ZERO; end.min(targets.div_ceil(stretch) * pitch)];
                pairs.for_each(|(post, w)| dense[post] = w);
                Targets::Dense(dense)
            });
            made.fan_out.push(there as u64);
        }
        made
    }

    /// Add up what the sources send; returns how many weights were added, one for each spike and target.
    pub fn total(&self, level: Level, active: &Active<W>, sums: &mut [W]) -> u64 {
        let mut operations = 0;
        on_level!(level, simd => {
            let _ = simd;
            operations = self.deliver(active, |sum, w| sum + w, sums);
        });
        operations
    }

    /// Add spike by spike, saturating between `low` and `high`.
    pub fn saturating(&self, level: Level, active: &Active<W>, low: W, high: W, sums: &mut [W]) -> u64 {
        let mut operations = 0;
        on_level!(level, simd => {
            let _ = simd;
            operations = self.deliver(active, move |sum, w| (sum + w).max(low).min(high), sums);
        });
        operations
    }

    #[inline(always)]
    fn deliver(&self, active: &Active<W>, put: impl Fn(W, W) -> W, sums: &mut [W]) -> u64 {
        let mut operations = 0;
        if sums.is_empty() {
            return 0;
        }
        for &(source, count) in &active.0 {
            operations += count.wide().unsigned_abs() * self.fan_out[source];
            match &self.rows[source] {
                Targets::Dense(weights) => {
                    let (runs, rest) = weights.as_chunks::<RUN>();
                    let (sums, sums_rest) = sums.as_chunks_mut::<RUN>();
                    for (sums, weights) in sums.iter_mut().zip(runs) {
                        for k in 0..RUN {
                            sums[k] = put(sums[k], count * weights[k]);
                        }
                    }
                    sums_rest.iter_mut().zip(rest).for_each(|(sum, &w)| *sum = put(*sum, count * w));
                }
                Targets::Sparse(pairs) => {
                    for &(post, w) in pairs {
                        let sum = &mut sums[post as usize];
                        *sum = put(*sum, count * w);
                    }
                }
            }
        }
        operations
    }
}

/// The sources that fired, ascending, and how often.
#[derive(Clone, Debug, Default)]
pub struct Active<W>(Vec<(usize, W)>);

impl<W: Word> Active<W> {
    /// Who fired, and how often.
    #[must_use]
    pub fn entries(&self) -> &[(usize, W)] {
        &self.0
    }

    /// Find them; at most `most` spikes of a source count.
    pub fn find<X: Number>(&mut self, counts: &[X], most: i64) {
        // Whether a source fired can not be foreseen: each is written, and the place moves on where it did.
        self.0.resize(counts.len() + 1, (0, W::ZERO));
        let mut there = 0;
        for (stretch, at) in counts.chunks(STRETCH).zip((0..).step_by(STRETCH)) {
            // Silence of a stretch is passed over at once.
            if stretch.iter().fold(X::default(), |most, &count| most.max(count)) == X::default()
                && stretch.iter().fold(X::default(), |least, &count| least.min(count)) == X::default()
            {
                continue;
            }
            for (j, &count) in stretch.iter().enumerate() {
                self.0[there] = (at + j, W::narrow(count.wide().min(most)));
                there += usize::from(count != X::default());
            }
        }
        self.0.truncate(there);
    }
}

impl Active<i32> {
    /// The same of a row whose length is a multiple of any register's.
    pub fn find_in_row(&mut self, level: Level, counts: &[i32], most: i32) {
        self.0.clear();
        on_level!(level, simd => self.registers::<Vector<i32, _>>(simd, counts, most));
    }

    #[inline(always)]
    fn registers<L: Lanes<Word = i32>>(&mut self, token: L::Token, counts: &[i32], most: i32) {
        let zero = L::splat(token, 0);
        for (row, first) in counts.chunks_exact(L::LEN).zip((0..).step_by(L::LEN)) {
            let mut fired = !L::bits(L::load(token, row).same(zero)) & (u64::MAX >> (64 - L::LEN));
            while fired != 0 {
                let k = fired.trailing_zeros() as usize;
                self.0.push((first + k, row[k].min(most)));
                fired &= fired - 1;
            }
        }
    }
}

const STRETCH: usize = 32;
/// Targets that are added to at once.
const RUN: usize = 16;

/// The largest sum of absolute weights into one target.
#[must_use]
pub fn gain(weights: &[i64], targets: usize) -> i128 {
    let mut sums = vec![0_i128; targets];
    for row in weights.chunks(targets.max(1)) {
        sums.iter_mut().zip(row).for_each(|(sum, &w)| *sum += i128::from(w.unsigned_abs()));
    }
    sums.into_iter().max().unwrap_or(0)
}
