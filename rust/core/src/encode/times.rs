//! When neurons fire first.

use super::expect_length;
use rsnn_base::elem::Elem;
use rsnn_base::error::Result;
use rsnn_base::pool::{Context, for_each};
use rsnn_products::event::words_of;

/// Neurons of a task.
const TILE: usize = 1024;

/// Spikes over time.
#[derive(Clone, Copy)]
pub enum Spikes<'a, E> {
    /// `(steps, n)`: what is not 0 is a spike.
    Dense(&'a [E]),
    /// Bits, `(steps, ceil(n / 64))`.
    Packed(&'a [u64]),
}

/// The steps of the first `count` spikes of every neuron, `(n, count)`, ascending; infinity where there are no more.
pub fn times<E: Elem>(context: &Context<'_>, spikes: Spikes<'_, E>, (steps, n): (usize, usize), count: usize, out: &mut [E]) -> Result<()> {
    let across = words_of(n);
    match spikes {
        Spikes::Dense(x) => expect_length("spikes", x.len(), steps.checked_mul(n))?,
        Spikes::Packed(words) => expect_length("spikes", words.len(), steps.checked_mul(across))?,
    }
    expect_length("out", out.len(), n.checked_mul(count))?;
    out.fill(E::from_f64(f64::INFINITY));
    if out.is_empty() {
        return Ok(());
    }
    for_each(context, out.chunks_mut(TILE * count).enumerate().collect(), |(tile, out), stop| {
        let (from, here) = (tile * TILE, out.len() / count);
        let (mut found, mut open) = (vec![0_usize; here], here);
        for t in 0..steps {
            if open == 0 || stop.now() {
                return;
            }
            let time = E::from_f64(t as f64);
            let mut note = |i: usize| {
                if found[i] < count {
                    out[i * count + found[i]] = time;
                    found[i] += 1;
                    open -= usize::from(found[i] == count);
                }
            };
            match spikes {
                Spikes::Dense(x) => {
                    for (i, x) in x[t * n + from..][..here].iter().enumerate() {
                        if *x != E::ZERO {
                            note(i);
                        }
                    }
                }
                Spikes::Packed(words) => {
                    for (k, word) in words[t * across + from / 64..][..words_of(here)].iter().enumerate() {
                        let mut left = *word;
                        while left != 0 {
                            note(64 * k + left.trailing_zeros() as usize);
                            left &= left - 1;
                        }
                    }
                }
            }
        }
    })
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "the bits are promised")]
mod tests {
    use super::*;

    #[test]
    fn the_first_spikes_come_in_order_and_infinity_after_them() {
        let x = [0.0_f32, 1.0, 0.0, 2.0, 1.0, 0.0, 1.0, 1.0, 0.0];
        let mut out = [0.0; 6];
        times(&Context::serial(), Spikes::Dense(&x), (3, 3), 2, &mut out).unwrap();
        assert_eq!(out, [1.0, 2.0, 0.0, 1.0, f32::INFINITY, f32::INFINITY]);
        times(&Context::serial(), Spikes::Packed(&[0b010, 0b011, 0b011]), (3, 3), 2, &mut out).unwrap();
        assert_eq!(out, [1.0, 2.0, 0.0, 1.0, f32::INFINITY, f32::INFINITY]);
    }

    #[test]
    fn every_tile_has_its_own_neurons() {
        let (steps, n) = (9, 3000);
        let mut x = vec![0.0_f64; steps * n];
        for i in 0..n {
            x[i % steps * n + i] = 1.0;
        }
        let mut out = vec![0.0; n];
        times(&Context { threads: 2, poll: &|| false }, Spikes::Dense(&x), (steps, n), 1, &mut out).unwrap();
        assert!(out.iter().enumerate().all(|(i, t)| *t == f64::from(u32::try_from(i % steps).unwrap())));
    }
}
