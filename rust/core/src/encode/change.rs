//! Spikes where a signal changes: from one step to the next, or by a whole threshold since the last spike.

use fearless_simd::Level;

use super::expect_length;
use rsnn_base::elem::{Elem, on_level};
use rsnn_base::error::Result;
use rsnn_base::pool::{Context, for_each};

/// Entries worth a task of its own.
const TASK: usize = 1 << 16;

/// What counts as a change.
#[derive(Clone, Copy)]
pub struct Delta<E> {
    /// The smallest step that is one.
    pub threshold: E,
    /// Whether the value before the first step is the first, not 0.
    pub padding: bool,
    /// Whether a step down is a spike of -1, not none.
    pub off_spike: bool,
}

/// `d = x[t] - x[t-1]`; 1 where `d >= threshold`, and -1, if asked for, where `d <= -threshold` (0 where both are).
pub fn delta<E: Elem>(
    context: &Context<'_>,
    level: Level,
    x: &[E],
    (steps, n): (usize, usize),
    change: Delta<E>,
    out: &mut [E],
) -> Result<()> {
    expect_length("x", x.len(), steps.checked_mul(n))?;
    expect_length("out", out.len(), Some(x.len()))?;
    if x.is_empty() {
        return Ok(());
    }
    let Delta { threshold, padding, off_spike } = change;
    let zeros = vec![E::ZERO; n];
    let start = if padding { &x[..n] } else { &zeros[..] };
    let rows = (TASK / n).max(1);
    for_each(context, out.chunks_mut(rows * n).enumerate().collect(), |(block, out), stop| {
        for (k, out) in out.chunks_mut(n).enumerate() {
            if stop.now() {
                return;
            }
            let t = block * rows + k;
            let before = if t == 0 { start } else { &x[(t - 1) * n..t * n] };
            on_level!(level, _simd => for ((to, x), before) in out.iter_mut().zip(&x[t * n..]).zip(before) {
                let d = *x - *before;
                let up = if d >= threshold { E::ONE } else { E::ZERO };
                let down = if off_spike && (d <= E::ZERO - threshold) { E::ONE } else { E::ZERO };
                *to = up - down;
            });
        }
    })
}

/// A signal that is followed in whole thresholds, up and down.
pub struct UpDown<'a, E> {
    /// `(steps, n)`, finite.
    pub x: &'a [E],
    /// Steps and channels.
    pub shape: (usize, usize),
    /// The thresholds up and down of each channel, positive.
    pub thresholds: (&'a [E], &'a [E]),
    /// What the spikes have reached, `(n)`: where to begin; it is written.
    pub reached: &'a mut [E],
    /// Counts, `(steps, n, 2)`: up, down.
    pub out: &'a mut [E],
}

/// `up = max(floor(d / up_threshold), 0)`, `down = max(floor(d / -down_threshold), 0)` of `d = x[t] - reached`; then
/// `reached = (reached + up up_threshold) - down down_threshold`.
pub fn up_down<E: Elem>(context: &Context<'_>, job: UpDown<'_, E>) -> Result<()> {
    let UpDown { x, shape: (steps, n), thresholds: (ups, downs), reached, out } = job;
    expect_length("x", x.len(), steps.checked_mul(n))?;
    expect_length("out", out.len(), x.len().checked_mul(2))?;
    for (name, length) in [("reached", reached.len()), ("thr_up", ups.len()), ("thr_down", downs.len())] {
        expect_length(name, length, Some(n))?;
    }
    if x.is_empty() {
        return Ok(());
    }
    // A step follows the one before, and there is little to do in it: one task.
    for_each(context, vec![(reached, out)], |(reached, out), stop| {
        for (x, out) in x.chunks(n).zip(out.chunks_mut(2 * n)) {
            if stop.now() {
                return;
            }
            let thresholds = ups.iter().zip(downs);
            for (((x, reached), (up_by, down_by)), out) in x.iter().zip(reached.iter_mut()).zip(thresholds).zip(out.as_chunks_mut::<2>().0)
            {
                let d = *x - *reached;
                let up = whole(d / *up_by);
                let down = whole(d / (E::ZERO - *down_by));
                *out = [up, down];
                *reached = (*reached + up * *up_by) - down * *down_by;
            }
        }
    })
}

#[inline(always)]
fn whole<E: Elem>(value: E) -> E {
    E::from_f64(value.to_f64().floor().max(0.0))
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "the bits are promised")]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_one_from_the_threshold_on() {
        // The examples of snnTorch's spikegen.delta, by hand.
        let run = |x: &[f64], padding, off_spike| {
            let mut out = vec![9.0; x.len()];
            let change = Delta { threshold: 1.0, padding, off_spike };
            delta(&Context::serial(), Level::new(), x, (x.len(), 1), change, &mut out).unwrap();
            out
        };
        let (a, b) = ([1.0, 2.0, 2.9, 3.0, 3.9], [1.0, 2.0, 0.0, 2.0, 2.9]);
        assert_eq!(run(&a, false, false), [1.0, 1.0, 0.0, 0.0, 0.0]);
        assert_eq!(run(&a, true, false), [0.0, 1.0, 0.0, 0.0, 0.0]);
        assert_eq!(run(&b, false, true), [1.0, 1.0, -1.0, 1.0, 0.0]);
        assert_eq!(run(&b, true, true), [0.0, 1.0, -1.0, 1.0, 0.0]);
    }

    #[test]
    fn a_signal_is_followed_in_whole_thresholds() {
        let x = [0.0_f32, 0.4, 1.2, 1.3, -1.0];
        let (mut reached, mut out) = ([0.0], [9.0; 10]);
        let job = UpDown { x: &x, shape: (5, 1), thresholds: (&[0.5], &[1.0]), reached: &mut reached, out: &mut out };
        up_down(&Context::serial(), job).unwrap();
        assert_eq!(out, [0.0, 0.0, 0.0, 0.0, 2.0, 0.0, 0.0, 0.0, 0.0, 2.0]);
        assert_eq!(reached, [-1.0]);
    }
}
