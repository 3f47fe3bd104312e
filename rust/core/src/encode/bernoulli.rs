//! Spikes by chance: neuron i fires in a step where its random word, a number below `2^32`, is below `|p| 2^32`.
//!
//! That is a probability of `|p|` rounded up to a multiple of `2^-32`; 0 never fires, 1 always does. A spike is 1, or -1 where
//! p is negative. The word is that of [`super::philox::group`]: the same for any number of threads and any number of steps.

use fearless_simd::Level;

use super::expect_length;
use super::philox::{GROUP, group, halves};
use rsnn_base::elem::{Elem, on_level};
use rsnn_base::error::Result;
use rsnn_base::pool::{Context, for_each};

/// Words worth a task of its own.
const TASK: usize = 1 << 15;

/// Where the spikes go.
pub enum Output<'a, E> {
    /// `(steps, n)`.
    Dense(&'a mut [E]),
    /// One bit each, `(steps, ceil(n / 64))`: that a spike is negative is not kept.
    Packed(&'a mut [u64]),
}

/// What to do.
pub struct Bernoulli<'a, E> {
    /// Names the stream.
    pub key: u64,
    /// The instruction set.
    pub level: Level,
    /// Steps and neurons.
    pub shape: (usize, usize),
    /// For each neuron, `(n)`, or for each neuron and step, `(steps, n)`.
    pub probability: &'a [E],
    /// Where the spikes go.
    pub output: Output<'a, E>,
}

/// The largest word that fires. Of a probability that is not 0; one above 1 counts as 1.
#[inline(always)]
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 2^32 - 1 by then")]
fn last<E: Elem>(p: E) -> u32 {
    ((p.to_f64().abs() * 4_294_967_296.0).ceil().min(4_294_967_296.0) - 1.0) as u32
}

/// Whether a probability is one: neither 0 nor NaN.
#[inline(always)]
#[allow(clippy::double_comparisons, reason = "NaN is neither")]
fn some<E: Elem>(p: E) -> bool {
    p > E::ZERO || p < E::ZERO
}

/// A run of whole groups, the last of which may be short, in one step.
struct Piece<'a, E> {
    step: u64,
    first: u64,
    probability: &'a [E],
    last: Option<&'a [u32]>,
}

impl<E: Elem> Piece<'_, E> {
    /// Call `take` with every group: its random words, the largest that fire, the probabilities.
    #[inline(always)]
    fn groups(&self, key: [u32; 2], mut take: impl FnMut(&[u32; GROUP], &[u32], &[E])) {
        let mut words = [0; GROUP];
        for (k, p) in self.probability.chunks(GROUP).enumerate() {
            group(key, self.step, self.first + k as u64, &mut words);
            if let Some(last) = self.last {
                take(&words, &last[k * GROUP..k * GROUP + p.len()], p);
            } else {
                let mut own = [0; GROUP];
                for (to, p) in own.iter_mut().zip(p) {
                    *to = last(*p);
                }
                take(&words, &own[..p.len()], p);
            }
        }
    }

    #[inline(always)]
    fn dense(&self, key: [u32; 2], out: &mut [E]) {
        let mut at = 0;
        self.groups(key, |words, last, p| {
            for (((to, word), last), p) in out[at..at + p.len()].iter_mut().zip(words).zip(last).zip(p) {
                let sign = if *p < E::ZERO { E::ZERO - E::ONE } else { E::ONE };
                *to = if (*word <= *last) & some(*p) { sign } else { E::ZERO };
            }
            at += p.len();
        });
    }

    #[inline(always)]
    fn packed(&self, key: [u32; 2], out: &mut [u64]) {
        let mut to = out.iter_mut();
        self.groups(key, |words, last, p| {
            let mut bits = 0;
            for (i, ((word, last), p)) in words.iter().zip(last).zip(p).enumerate() {
                bits |= u64::from((*word <= *last) & some(*p)) << i;
            }
            if let Some(to) = to.next() {
                *to = bits;
            }
        });
    }
}

/// Cut rows of `across` entries into tasks of about `size`: rows together, or parts of one; with each its first row and entry.
fn cut<T>(out: &mut [T], across: usize, size: usize) -> Vec<(usize, usize, &mut [T])> {
    let rows = (size / across).max(1);
    let part = if rows == 1 { size } else { rows * across };
    let mut tasks = Vec::new();
    for (block, rows_of) in out.chunks_mut(rows * across).enumerate() {
        for (k, piece) in rows_of.chunks_mut(part).enumerate() {
            tasks.push((block * rows, k * part, piece));
        }
    }
    tasks
}

/// Write the spikes.
pub fn bernoulli<E: Elem>(context: &Context<'_>, job: Bernoulli<'_, E>) -> Result<()> {
    let Bernoulli { key, level, shape: (steps, n), probability, output } = job;
    let (full, fixed) = (steps.checked_mul(n), probability.len() == n);
    if !fixed {
        expect_length("probability", probability.len(), full)?;
    }
    let across = n.div_ceil(GROUP);
    match &output {
        Output::Dense(out) => expect_length("out", out.len(), full)?,
        Output::Packed(out) => expect_length("out", out.len(), steps.checked_mul(across))?,
    }
    if full == Some(0) {
        return Ok(());
    }
    let key = halves(key);
    let table: Option<Vec<u32>> = fixed.then(|| probability.iter().map(|p| last(*p)).collect());
    // Entries `from ..` of a step.
    let piece = |step: usize, from: usize, length: usize| Piece {
        step: step as u64,
        first: (from / GROUP) as u64,
        probability: &probability[if fixed { from } else { step * n + from }..][..length],
        last: table.as_ref().map(|table| &table[from..from + length]),
    };
    match output {
        Output::Dense(out) => for_each(context, cut(out, n, TASK), |(row, from, out), stop| {
            if !stop.now() {
                on_level!(level, _simd => for (k, out) in out.chunks_mut(n).enumerate() {
                    piece(row + k, from, out.len()).dense(key, out);
                });
            }
        }),
        Output::Packed(out) => for_each(context, cut(out, across, TASK / GROUP), |(row, from, out), stop| {
            if !stop.now() {
                let from = from * GROUP;
                on_level!(level, _simd => for (k, out) in out.chunks_mut(across).enumerate() {
                    piece(row + k, from, (out.len() * GROUP).min(n - from)).packed(key, out);
                });
            }
        }),
    }
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "the bits are promised")]
mod tests {
    use super::*;
    use rsnn_base::elem::levels;

    fn dense(level: Level, threads: usize, shape: (usize, usize), p: &[f32]) -> Vec<f32> {
        let mut out = vec![9.0; shape.0 * shape.1];
        let context = Context { threads, poll: &|| false };
        bernoulli(&context, Bernoulli { key: 5, level, shape, probability: p, output: Output::Dense(&mut out) }).unwrap();
        out
    }

    #[test]
    fn a_word_fires_where_it_is_below_the_probability() {
        for (p, wanted) in [(1.0, u32::MAX), (2.0, u32::MAX), (0.5, (1 << 31) - 1), (-0.5, (1 << 31) - 1), (1e-30, 0)] {
            assert_eq!(last(p), wanted);
        }
        assert!(!some(0.0) && !some(-0.0) && !some(f64::NAN) && some(1e-300) && some(-1.0));
    }

    #[test]
    fn threads_instruction_sets_and_packing_change_no_spike() {
        let best = Level::new();
        for shape in [(1, 1), (7, 63), (5, 64), (3, 65), (2, 70_000), (900, 100)] {
            let p: Vec<f32> = (0..shape.1).map(|i| f32::from(u16::try_from(i % 101).unwrap()) / 100.0).collect();
            let wanted = dense(best, 1, shape, &p);
            assert!(wanted.iter().zip(p.iter().cycle()).all(|(s, p)| (*s == 0.0 || *p > 0.0) && (*s == 1.0 || *p < 1.0)));
            assert_eq!(dense(best, 3, shape, &p), wanted);
            assert_eq!(dense(best, 2, shape, &p.repeat(shape.0)), wanted);
            let negative: Vec<f32> = p.iter().map(|p| -p).collect();
            assert!(dense(best, 1, shape, &negative).iter().zip(&wanted).all(|(a, b)| a + b == 0.0));
            for (_, level) in levels() {
                assert_eq!(dense(level, 1, shape, &p), wanted);
                let across = shape.1.div_ceil(64);
                let mut bits = vec![u64::MAX; shape.0 * across];
                let output = Output::Packed(&mut bits);
                bernoulli(&Context::serial(), Bernoulli { key: 5, level, shape, probability: &p, output }).unwrap();
                for (row, bits) in wanted.chunks(shape.1).zip(bits.chunks(across)) {
                    for i in 0..across * 64 {
                        assert_eq!(bits[i / 64] >> (i % 64) & 1 == 1, row.get(i) == Some(&1.0));
                    }
                }
            }
        }
    }

    #[test]
    fn more_steps_leave_the_first_ones_as_they_were() {
        let p = vec![0.3_f32; 77];
        assert_eq!(dense(Level::new(), 1, (20, 77), &p)[..9 * 77], dense(Level::new(), 1, (9, 77), &p));
    }
}
