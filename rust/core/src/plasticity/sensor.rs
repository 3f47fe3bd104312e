//! The correlation sensor of `BrainScaleS-2`, idealised as Norse has it, for every synapse (sample, before, after).
//!
//! ```text
//! c' = (c + (1 - b) (-(k_c c))) + eta_c pre
//! a' = (a + b (-(k_a a))) + eta_a post
//! b' = [(b + post) - pre > 0]          b: whether the last spike was one that was sent
//! ```

use fearless_simd::Level;

use rsnn_base::elem::{Elem, on_level};
use rsnn_base::error::Result;
use rsnn_base::pool::{Context, for_each};
use rsnn_products::product::length;

/// A run over time.
pub struct Sensor<'a, E> {
    /// Spikes (steps, samples, before).
    pub pre: &'a [E],
    /// Spikes (steps, samples, after).
    pub post: &'a [E],
    /// Samples, neurons before, neurons after.
    pub shape: (usize, usize, usize),
    /// `k_c`, `k_a`, `eta_c`, `eta_a`.
    pub numbers: [E; 4],
    /// `b`, `c` and `a`, (samples, before, after) each: before the run, then after it.
    pub state: [&'a mut [E]; 3],
    /// The three after each step, (steps, samples, before, after), where they are wanted.
    pub record: [Option<&'a mut [E]>; 3],
}

/// Run sensors over time.
pub fn sensor<E: Elem>(context: &Context<'_>, level: Level, job: Sensor<'_, E>) -> Result<()> {
    let (samples, before, after) = job.shape;
    let sides = [(job.pre.len(), samples * before), (job.post.len(), samples * after)];
    let steps = sides.into_iter().find_map(|(all, row)| all.checked_div(row)).unwrap_or(0);
    length("pre", job.pre, &[steps, samples, before])?;
    length("post", job.post, &[steps, samples, after])?;
    for state in &job.state {
        length("state", state, &[samples, before, after])?;
    }
    for record in job.record.iter().flatten() {
        length("record", record, &[steps, samples, before, after])?;
    }
    let serial = Context { threads: 1, poll: context.poll };
    for_each(&serial, vec![job], |mut job, stop| {
        let size = samples * before * after;
        for t in 0..steps {
            if stop.now() {
                return;
            }
            on_level!(level, simd => {
                let _ = simd;
                step(&mut job, t);
            });
            for (record, state) in job.record.iter_mut().zip(&job.state) {
                if let Some(record) = record {
                    record[t * size..(t + 1) * size].copy_from_slice(state);
                }
            }
        }
    })
}

#[inline(always)]
fn step<E: Elem>(job: &mut Sensor<'_, E>, t: usize) {
    let (samples, before, after) = job.shape;
    let [k_c, k_a, eta_c, eta_a] = job.numbers;
    let [last, correlation, anti] = &mut job.state;
    for s in 0..samples {
        let pre = &job.pre[(t * samples + s) * before..][..before];
        let post = &job.post[(t * samples + s) * after..][..after];
        for (j, pre) in pre.iter().enumerate() {
            let from = (s * before + j) * after;
            for (i, post) in post.iter().enumerate() {
                let (b, c, a) = (last[from + i], correlation[from + i], anti[from + i]);
                correlation[from + i] = (c + (E::ONE - b) * (E::ZERO - k_c * c)) + eta_c * *pre;
                anti[from + i] = (a + b * (E::ZERO - k_a * a)) + eta_a * *post;
                last[from + i] = if (b + *post) - *pre > E::ZERO { E::ONE } else { E::ZERO };
            }
        }
    }
}
