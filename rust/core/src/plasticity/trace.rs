//! Traces: what is left of the spikes of a neuron.
//!
//! ```text
//! a <- decay a + gain z            all spikes
//! a <- gain z where z, else decay a     the last one
//! ```

use fearless_simd::Level;

use super::rule::Pairing;
use rsnn_base::elem::{Elem, on_level};
use rsnn_base::error::Result;
use rsnn_base::pool::{Context, for_each};
use rsnn_products::product::length;

/// A spike trace over time, of neurons side by side.
pub struct SpikeTrace<'a, E> {
    /// Spikes (steps, n).
    pub x: &'a [E],
    /// Of each step, (n,) or one for all.
    pub decay: &'a [E],
    /// What a spike adds, (n,) or one for all.
    pub gain: &'a [E],
    /// Which spikes count.
    pub pairing: Pairing,
    /// (n,): before the run, then after it.
    pub state: &'a mut [E],
    /// (steps, n): after each step.
    pub out: &'a mut [E],
}

/// Add the spikes of a step to traces that have decayed already.
#[inline(always)]
pub(super) fn add<E: Elem>(trace: &mut [E], z: &[E], gain: E, pairing: Pairing) {
    for (a, z) in trace.iter_mut().zip(z) {
        *a = joined(*a, *z, gain, pairing);
    }
}

/// `a`, decayed already, after a step with `z`.
#[inline(always)]
fn joined<E: Elem>(a: E, z: E, gain: E, pairing: Pairing) -> E {
    match pairing {
        Pairing::All => a + gain * z,
        Pairing::Nearest => {
            if z == E::ZERO {
                a
            } else {
                gain * z
            }
        }
    }
}

/// Run a trace over time.
pub fn trace<E: Elem>(context: &Context<'_>, level: Level, job: SpikeTrace<'_, E>) -> Result<()> {
    let n = job.state.len();
    for (name, values) in [("decay", job.decay), ("gain", job.gain)] {
        length(name, values, &[if values.len() == 1 { 1 } else { n }])?;
    }
    length("out", job.out, &[job.x.len()])?;
    if n == 0 {
        return Ok(());
    }
    let at = |values: &[E], k: usize| if values.len() == 1 { values[0] } else { values[k] };
    let SpikeTrace { x, decay, gain, pairing, state, out } = job;
    let serial = Context { threads: 1, poll: context.poll };
    for_each(&serial, vec![(state, out)], |(state, out), stop| {
        for (t, (x, out)) in x.chunks_exact(n).zip(out.chunks_exact_mut(n)).enumerate() {
            if t % 64 == 0 && stop.now() {
                return;
            }
            on_level!(level, simd => {
                let _ = simd;
                for k in 0..n {
                    state[k] = joined(at(decay, k) * state[k], x[k], at(gain, k), pairing);
                    out[k] = state[k];
                }
            });
        }
    })
}
