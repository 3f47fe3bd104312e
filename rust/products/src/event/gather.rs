//! `y[o] = sum over ascending i of w[o, i] * x[i]` for the i with an event: the rows of the transposed weight that events name, added up.
//!
//! The weight lies as `[input][output]`, rows padded to whole registers; some registers of sums stay there over all events.

use fearless_simd::{Level, prelude::*};

use super::Event;
use rsnn_base::elem::{Elem, V, on_level};
use rsnn_base::memory::Aligned;

/// Entries that rows are padded to: the widest register.
const LANES: usize = 16;

/// A weight as events want it.
#[derive(Debug)]
pub struct Gather<E> {
    /// `(inputs, pitch)`, and a panel more, so that the last one can be read whole.
    pub weight: Aligned<E>,
    /// From one row to the next.
    pub pitch: usize,
}

impl<E: Elem> Gather<E> {
    /// Transpose the weight (outputs, inputs); `after` entries more can be read at the end.
    #[must_use]
    pub fn new(weight: &[E], (outputs, inputs): (usize, usize), after: usize) -> Self {
        let pitch = outputs.next_multiple_of(LANES);
        let mut laid = Aligned::default();
        laid.reset(inputs * pitch + after);
        for (o, row) in weight.chunks_exact(inputs.max(1)).take(outputs).enumerate() {
            for (i, w) in row.iter().enumerate() {
                laid[i * pitch + o] = *w;
            }
        }
        Self { weight: laid, pitch }
    }

    /// Write the sums of events, whose inputs are counted from `first`, to `sums`, which is `pitch` long.
    pub fn sum(&self, level: Level, events: &[Event<E>], first: usize, sums: &mut [E]) {
        on_level!(level, simd => self.sum_on(simd, events, first, sums));
    }

    #[inline(always)]
    fn sum_on<S: Simd>(&self, simd: S, events: &[Event<E>], first: usize, sums: &mut [E]) {
        let lanes = V::<E, S>::LEN;
        let mut from = 0;
        while from + 8 * lanes <= self.pitch {
            self.columns::<S, 8>(simd, events, first, from, sums);
            from += 8 * lanes;
        }
        while from + 2 * lanes <= self.pitch {
            self.columns::<S, 2>(simd, events, first, from, sums);
            from += 2 * lanes;
        }
        while from < self.pitch {
            self.columns::<S, 1>(simd, events, first, from, sums);
            from += lanes;
        }
    }

    #[inline(always)]
    fn columns<S: Simd, const K: usize>(&self, simd: S, events: &[Event<E>], first: usize, from: usize, sums: &mut [E]) {
        let lanes = V::<E, S>::LEN;
        let mut all = [V::<E, S>::splat(simd, E::ZERO); K];
        for event in events {
            let row = &self.weight[(event.at as usize - first) * self.pitch + from..][..K * lanes];
            let value = V::<E, S>::splat(simd, event.value);
            for j in 0..K {
                all[j] += V::<E, S>::from_slice(simd, &row[j * lanes..(j + 1) * lanes]) * value;
            }
        }
        for j in 0..K {
            all[j].store_slice(&mut sums[from + j * lanes..from + (j + 1) * lanes]);
        }
    }
}
