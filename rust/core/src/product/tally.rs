//! How much there is to do: the entries that are not 0, for each position of a row over all rows, and the sum of all entries.
//!
//! Counts are integers and the sum is meant for spikes, whole numbers that `f64` adds without rounding up to 2^53: both are exact.

use fearless_simd::{Level, dispatch};

use super::{TASK, length};
use crate::elem::Elem;
use crate::error::Result;
use crate::pool::{Context, for_each};

/// Add to `counts` (positions), for `x` (rows, positions), the entries that are not 0 (NaN is not); give the sum of all entries.
pub fn tally<E: Elem>(context: &Context<'_>, x: &[E], counts: &mut [u64], rows: usize) -> Result<f64> {
    let positions = counts.len();
    length("x", x, &[rows, positions])?;
    if x.is_empty() {
        return Ok(0.0);
    }
    let block = TASK.div_ceil(positions).min(rows);
    let mut parts = vec![(0.0, vec![0_u32; positions]); rows.div_ceil(block)];
    let tasks: Vec<_> = parts.iter_mut().zip(x.chunks(block * positions)).collect();
    let level = Level::new();
    for_each(context, tasks, |((sum, counts), x), stop| {
        for row in x.chunks_exact(positions) {
            if stop.now() {
                return;
            }
            *sum += dispatch!(level, _simd => tally_row(row, counts));
        }
    })?;
    let mut total = 0.0;
    for (sum, part) in parts {
        total += sum;
        for (count, part) in counts.iter_mut().zip(part) {
            *count += u64::from(part);
        }
    }
    Ok(total)
}

/// Plain loops, which the compiler turns into vectors of whatever instruction set surrounds them.
#[inline(always)]
fn tally_row<E: Elem>(row: &[E], counts: &mut [u32]) -> f64 {
    for (count, x) in counts.iter_mut().zip(row) {
        *count += u32::from(*x != E::ZERO);
    }
    // Several sums at a time: one would wait for itself.
    let mut sums = [0.0; 16];
    let mut parts = row.chunks_exact(16);
    for part in &mut parts {
        for (sum, x) in sums.iter_mut().zip(part) {
            *sum += x.to_f64();
        }
    }
    sums.iter().sum::<f64>() + parts.remainder().iter().map(|x| x.to_f64()).sum::<f64>()
}
