//! Short-term plasticity after Tsodyks and Markram: facilitation `u`, resources `x`.
//!
//! ```text
//! u'  = (u - k_f u) + (U (1 - u)) z
//! out = (u' x) z                      the resources of before the step
//! x'  = (x + k_d (1 - x)) - out
//! ```

use fearless_simd::Level;

use rsnn_base::elem::{Elem, on_level};
use rsnn_base::error::Result;
use rsnn_base::pool::{Context, for_each};
use rsnn_products::product::length;

/// A run over time of synapses side by side.
pub struct ShortTerm<'a, E> {
    /// Spikes (steps, n).
    pub z: &'a [E],
    /// `k_f`, `k_d` and `U`: (n,) each, or one for all.
    pub numbers: [&'a [E]; 3],
    /// `u` and `x`, (n,) each: before the run, then after it.
    pub state: [&'a mut [E]; 2],
    /// (steps, n).
    pub out: &'a mut [E],
    /// `u` and `x` after each step, (steps, n) where they are wanted.
    pub record: [Option<&'a mut [E]>; 2],
}

/// Run synapses over time.
pub fn short_term<E: Elem>(context: &Context<'_>, level: Level, job: ShortTerm<'_, E>) -> Result<()> {
    let n = job.state[0].len();
    length("x", job.state[1], &[n])?;
    length("out", job.out, &[job.z.len()])?;
    for (name, values) in ["tau_facilitation", "tau_depression", "utilization"].into_iter().zip(job.numbers) {
        length(name, values, &[if values.len() == 1 { 1 } else { n }])?;
    }
    for record in job.record.iter().flatten() {
        length("record", record, &[job.z.len()])?;
    }
    if n == 0 {
        return Ok(());
    }
    let serial = Context { threads: 1, poll: context.poll };
    for_each(&serial, vec![job], |job, stop| {
        let at = |values: &[E], k: usize| if values.len() == 1 { values[0] } else { values[k] };
        let ShortTerm { z, numbers: [facilitation, depression, jump], state: [u, x], out, mut record } = job;
        for (t, (z, out)) in z.chunks_exact(n).zip(out.chunks_exact_mut(n)).enumerate() {
            if t % 64 == 0 && stop.now() {
                return;
            }
            on_level!(level, simd => {
                let _ = simd;
                for k in 0..n {
                    let after = (u[k] - at(facilitation, k) * u[k]) + (at(jump, k) * (E::ONE - u[k])) * z[k];
                    let sent = (after * x[k]) * z[k];
                    x[k] = (x[k] + at(depression, k) * (E::ONE - x[k])) - sent;
                    u[k] = after;
                    out[k] = sent;
                }
            });
            for (record, state) in record.iter_mut().zip([&*u, &*x]) {
                if let Some(record) = record {
                    record[t * n..(t + 1) * n].copy_from_slice(state);
                }
            }
        }
    })
}
