//! A convolution that follows the events: each is scattered to the outputs it reaches.
//!
//! ```text
//! y[p, q, o] += w[o, c, j, i] * x[y, x, c]      for all j, i, p, q with p sy + j - py = y and q sx + i - px = x
//! ```
//!
//! Images lie in raster order, `[row][column][channel]`. Events in raster order reach every output by kernel row, column, then channel:
//! the order of the dense product.
//!
//! An event of row y meets the kernel rows j that are equal to `(y + py) mod sy`, its phase, and so with columns. Those of one phase reach
//! neighbouring outputs, from the last kernel row to the first. So the weights lie as
//! `[row phase][column phase][channel][kernel row, descending][kernel column, descending][output]`: an event is a few runs of neighbours,
//! one for each output row, cut where the image ends.

use fearless_simd::{Level, Simd};

use super::{Event, Touched};
use crate::elem::{Elem, on_level};
use crate::error::Result;
use crate::product::Conv2d;

/// The outputs along one axis that a row or a column of the image reaches.
#[derive(Clone, Copy, Debug, Default)]
struct Reach {
    /// The first output.
    first: usize,
    /// How many.
    count: usize,
    /// Kernel entries of the phase that reach beyond the image before it.
    skip: usize,
    phase: usize,
}

/// How many kernel entries are of a phase.
fn taps(kernel: usize, stride: usize, phase: usize) -> usize {
    kernel.saturating_sub(phase).div_ceil(stride)
}

fn reaches(size: usize, kernel: usize, stride: usize, padding: usize, output: usize) -> Vec<Reach> {
    (0..size)
        .map(|y| {
            let phase = (y + padding) % stride;
            let taps = taps(kernel, stride, phase);
            // One beyond the last output, and from there back to the first; both may lie outside.
            let end = (y + padding) / stride + 1;
            let first = end.saturating_sub(taps);
            let skip = (taps + first) - end;
            let count = end.min(output).saturating_sub(first);
            Reach { first, count, skip, phase }
        })
        .collect()
}

/// The weights of a convolution as events want them.
#[derive(Clone, Debug)]
pub struct Scatter<E> {
    outputs: usize,
    channels: usize,
    /// Columns out.
    width: usize,
    /// For each row and each column of the image.
    rows: Vec<Reach>,
    columns: Vec<Reach>,
    /// Where the weights of each pair of phases begin, and the entries of one kernel row of one channel, and of a channel.
    phases: Vec<(usize, usize, usize)>,
    /// Column phases.
    across: usize,
    weight: Vec<E>,
    /// `2^64 / channels`, rounded up: to divide by multiplying.
    inverse: u64,
}

impl<E: Elem> Scatter<E> {
    /// Lay out the weight (outputs, channels, kernel rows, kernel columns).
    pub fn new(conv: &Conv2d, weight: &[E]) -> Result<Self> {
        let output = conv.output_size()?;
        let (kernel, stride) = (conv.kernel, conv.stride);
        let mut laid = Vec::with_capacity(weight.len());
        let mut phases = Vec::new();
        let of_phase = |kernel: usize, stride: usize, phase: usize| (phase..kernel).step_by(stride).rev();
        for phase_row in 0..stride.0.min(kernel.0) {
            for phase_column in 0..stride.1.min(kernel.1) {
                let row = taps(kernel.1, stride.1, phase_column) * conv.outputs;
                phases.push((laid.len(), row, row * taps(kernel.0, stride.0, phase_row)));
                for c in 0..conv.channels {
                    for j in of_phase(kernel.0, stride.0, phase_row) {
                        for i in of_phase(kernel.1, stride.1, phase_column) {
                            laid.extend(
                                (0..conv.outputs).map(|o| weight[((o * conv.channels + c) * kernel.0 + j) * kernel.1 + i]),
                            );
                        }
                    }
                }
            }
        }
        Ok(Self {
            outputs: conv.outputs,
            channels: conv.channels,
            width: output.1,
            rows: reaches(conv.size.0, kernel.0, stride.0, conv.padding.0, output.0),
            columns: reaches(conv.size.1, kernel.1, stride.1, conv.padding.1, output.1),
            phases,
            across: stride.1.min(kernel.1),
            weight: laid,
            inverse: (u64::MAX / conv.channels.max(1) as u64).wrapping_add(1),
        })
    }

    /// How many synapses leave the channels of pixel `pixel`.
    #[must_use]
    pub fn fan_out(&self, pixel: usize) -> u64 {
        let (row, column) = (self.rows[pixel / self.columns.len()], self.columns[pixel % self.columns.len()]);
        (row.count * column.count * self.outputs) as u64
    }

    /// Add one image of events to `sums` (rows, columns, outputs), marking the pixels they reach; gives the multiplications that were made.
    pub fn add(&self, level: Level, events: &[Event<E>], sums: &mut [E], touched: Option<&mut Touched>) -> u64 {
        let mut made = 0;
        on_level!(level, simd => made = self.add_on(simd, events, sums, touched));
        made
    }

    #[inline(always)]
    fn add_on<S: Simd>(&self, simd: S, events: &[Event<E>], sums: &mut [E], mut touched: Option<&mut Touched>) -> u64 {
        let across = self.columns.len() * self.channels;
        let pitch = self.width * self.outputs;
        let mut left = events;
        let mut made = 0;
        while let Some(event) = left.first() {
            let y = event.at as usize / across;
            let begin = y * across;
            let row = self.rows[y];
            let count = left.iter().position(|event| event.at as usize - begin >= across).unwrap_or(left.len());
            let (now, later) = left.split_at(count);
            left = later;
            if row.count == 0 {
                continue;
            }
            let mut last = usize::MAX;
            for event in now {
                let entry = event.at as usize - begin;
                let x = if self.channels == 1 { entry } else { ((entry as u128 * u128::from(self.inverse)) >> 64) as usize };
                let channel = entry - x * self.channels;
                let column = self.columns[x];
                if column.count == 0 {
                    continue;
                }
                let (start, one_row, one_channel) = self.phases[row.phase * self.across + column.phase];
                let mut from = start + channel * one_channel + row.skip * one_row + column.skip * self.outputs;
                let mut to = row.first * pitch + column.first * self.outputs;
                let length = column.count * self.outputs;
                for _ in 0..row.count {
                    E::add_scaled(simd, &mut sums[to..to + length], &self.weight[from..from + length], event.value);
                    from += one_row;
                    to += pitch;
                }
                made += row.count * length;
                if x != last
                    && let Some(touched) = touched.as_deref_mut()
                {
                    for p in row.first..row.first + row.count {
                        touched.mark(p, column.first, column.count);
                    }
                }
                last = x;
            }
        }
        made as u64
    }
}
