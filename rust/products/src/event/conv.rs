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
//! one for each output row, cut where the image ends. The gradient of the weight goes the same ways back:
//!
//! ```text
//! dw[o, c, j, i] += dy[p, q, o] * x[y, x, c]
//! ```

use std::ops::Range;

use fearless_simd::{Level, Simd};

use super::{Event, Touched};
use crate::product::Conv2d;
use rsnn_base::elem::{Elem, on_level};
use rsnn_base::error::Result;
use rsnn_base::memory::Aligned;

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

/// As many rows as any image has, a power of 2.
pub const WHOLE: usize = 1 << 63;

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
#[derive(Debug)]
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
    weight: Aligned<E>,
    /// Entries of a run that is not cut, of most phases.
    run: usize,
    /// Rows that an event may reach, rounded up to a power of 2.
    reach: usize,
    /// `2^64 / channels`, rounded up: to divide by multiplying.
    inverse: u64,
}

/// Calls `visit` with the index in the weight (outputs, channels, kernel rows, kernel columns) of each entry as it lies here.
fn in_order(conv: &Conv2d, mut visit: impl FnMut(usize)) {
    let (kernel, stride) = (conv.kernel, conv.stride);
    let of_phase = |kernel: usize, stride: usize, phase: usize| (phase..kernel).step_by(stride).rev();
    for phase_row in 0..stride.0.min(kernel.0) {
        for phase_column in 0..stride.1.min(kernel.1) {
            for c in 0..conv.channels {
                for j in of_phase(kernel.0, stride.0, phase_row) {
                    for i in of_phase(kernel.1, stride.1, phase_column) {
                        (0..conv.outputs).for_each(|o| visit(((o * conv.channels + c) * kernel.0 + j) * kernel.1 + i));
                    }
                }
            }
        }
    }
}

/// Add a gradient that lies as events want it to that of the weight (outputs, channels, kernel rows, kernel columns).
pub fn add_laid<E: Elem>(conv: &Conv2d, laid: &[E], grad_weight: &mut [E]) {
    let mut laid = laid.iter();
    in_order(conv, |at| grad_weight[at] += laid.next().copied().unwrap_or(E::ZERO));
}

impl<E: Elem> Scatter<E> {
    /// Lay out the weight (outputs, channels, kernel rows, kernel columns).
    pub fn new(conv: &Conv2d, weight: &[E]) -> Result<Self> {
        let output = conv.output_size()?;
        let (kernel, stride) = (conv.kernel, conv.stride);
        let mut laid = Vec::with_capacity(weight.len());
        in_order(conv, |at| laid.push(weight[at]));
        let (mut phases, mut begin) = (Vec::new(), 0);
        for phase_row in 0..stride.0.min(kernel.0) {
            for phase_column in 0..stride.1.min(kernel.1) {
                let row = taps(kernel.1, stride.1, phase_column) * conv.outputs;
                let channel = row * taps(kernel.0, stride.0, phase_row);
                phases.push((begin, row, channel));
                begin += channel * conv.channels;
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
            weight: Aligned::of(&laid),
            run: taps(kernel.1, stride.1, 0) * conv.outputs,
            reach: taps(kernel.0, stride.0, 0).next_power_of_two(),
            inverse: (u64::MAX / conv.channels.max(1) as u64).wrapping_add(1),
        })
    }

    /// How many synapses leave the channels of pixel `pixel`.
    #[must_use]
    pub fn fan_out(&self, pixel: usize) -> u64 {
        let (row, column) = (self.rows[pixel / self.columns.len()], self.columns[pixel % self.columns.len()]);
        (row.count * column.count * self.outputs) as u64
    }

    /// Add to `laid`, which lies as the weight does here, what one image of events and the gradient (rows, columns, outputs) give.
    pub fn add_gradient(&self, level: Level, events: &[Event<E>], grad: &[E], laid: &mut [E]) {
        let mut left = events;
        while let Some((y, now)) = self.next_row(&mut left) {
            self.go_row(level, now, (y, WHOLE - 1), Back { grad, laid }, None);
        }
    }

    /// Take the events of the next row that has some.
    fn next_row<'a>(&self, left: &mut &'a [Event<E>]) -> Option<(usize, &'a [Event<E>])> {
        let across = self.columns.len() * self.channels;
        let y = left.first()?.at as usize / across;
        let end = (y + 1) * across;
        let count = left.iter().position(|event| event.at as usize >= end).unwrap_or(left.len());
        let (now, later) = left.split_at(count);
        *left = later;
        Some((y, now))
    }

    /// Begin to add one image of events, to the sums of `held` rows: row p is at `p % held`, a power of 2.
    #[must_use]
    pub fn begin<'a>(&'a self, events: &'a [Event<E>], held: usize) -> Scattering<'a, E> {
        Scattering { scatter: self, left: events, last: held - 1, made: 0 }
    }

    /// How many rows of sums are enough, where rows are taken as soon as they are complete: those that an event may reach.
    #[must_use]
    pub fn held(&self) -> usize {
        self.reach
    }

    /// Add one image of events to `sums` (rows, columns, outputs); gives the multiplications that were made.
    pub fn add(&self, level: Level, events: &[Event<E>], sums: &mut [E]) -> u64 {
        let mut scattering = self.begin(events, WHOLE);
        while scattering.row(level, sums, None).is_some() {}
        scattering.made
    }
}

/// An image of events that is being added.
pub struct Scattering<'a, E> {
    scatter: &'a Scatter<E>,
    left: &'a [Event<E>],
    /// The rows that are held, less one.
    last: usize,
    /// Multiplications so far.
    pub made: u64,
}

impl<E: Elem> Scattering<'_, E> {
    /// Add the next row that has events, marking the pixels they reach; None where no row is left.
    pub fn row(&mut self, level: Level, sums: &mut [E], touched: Option<&mut Touched>) -> Option<()> {
        let (y, now) = self.scatter.next_row(&mut self.left)?;
        let out = Out { weight: &self.scatter.weight, sums };
        self.made += self.scatter.go_row(level, now, (y, self.last), out, touched);
        Some(())
    }

    /// Where among the rows that are held the sums of row `row` are.
    #[inline(always)]
    #[must_use]
    pub fn place(&self, row: usize) -> usize {
        row & self.last
    }

    /// Rows out, from the first, to which nothing will be added any more.
    #[inline(always)]
    #[must_use]
    pub fn complete(&self) -> usize {
        let across = self.scatter.columns.len() * self.scatter.channels;
        self.left.first().map_or(usize::MAX, |event| self.scatter.rows[event.at as usize / across].first)
    }
}

/// What happens along a run of weights and of outputs.
trait Along<E: Elem> {
    /// `from..` in the weights and `to..` in the outputs.
    fn run<S: Simd>(&mut self, simd: S, from: Range<usize>, to: Range<usize>, value: E);
}

/// The outputs receive what the weights give.
struct Out<'a, E> {
    weight: &'a [E],
    sums: &'a mut [E],
}

impl<E: Elem> Along<E> for Out<'_, E> {
    #[inline(always)]
    fn run<S: Simd>(&mut self, simd: S, from: Range<usize>, to: Range<usize>, value: E) {
        E::add_scaled(simd, &mut self.sums[to], &self.weight[from], value);
    }
}

/// The weights' gradients receive those of the outputs.
struct Back<'a, E> {
    grad: &'a [E],
    laid: &'a mut [E],
}

impl<E: Elem> Along<E> for Back<'_, E> {
    #[inline(always)]
    fn run<S: Simd>(&mut self, simd: S, from: Range<usize>, to: Range<usize>, value: E) {
        E::add_scaled(simd, &mut self.laid[from], &self.grad[to], value);
    }
}

impl<E: Elem> Scatter<E> {
    /// Go along the runs of the events of row `y`; `last + 1` rows of outputs are held. Runs of the commonest lengths are compiled by
    /// themselves.
    #[inline(never)]
    fn go_row<A: Along<E>>(
        &self,
        level: Level,
        events: &[Event<E>],
        (y, last): (usize, usize),
        mut along: A,
        touched: Option<&mut Touched>,
    ) -> u64 {
        let (mut made, along) = (0, &mut along);
        on_level!(level, simd => made = match self.run {
            24 => self.runs::<_, _, 24>(simd, events, (y, last), along, touched),
            48 => self.runs::<_, _, 48>(simd, events, (y, last), along, touched),
            96 => self.runs::<_, _, 96>(simd, events, (y, last), along, touched),
            _ => self.runs::<_, _, 0>(simd, events, (y, last), along, touched),
        });
        made
    }

    /// The same; a run that is not cut is `N` long, if `N` is not 0.
    #[inline(always)]
    fn runs<S: Simd, A: Along<E>, const N: usize>(
        &self,
        simd: S,
        events: &[Event<E>],
        (y, last): (usize, usize),
        along: &mut A,
        mut touched: Option<&mut Touched>,
    ) -> u64 {
        let begin = y * self.columns.len() * self.channels;
        let pitch = self.width * self.outputs;
        let row = self.rows[y];
        if row.count == 0 {
            return 0;
        }
        let phases = &self.phases[row.phase * self.across..][..self.across];
        let mut made = 0;
        // What the events of one pixel share: where their weights begin, those of a kernel row and of a channel, and what they reach.
        let (mut pixel, mut weights, mut to, mut length) = (usize::MAX, (0, 0, 0), 0, 0);
        for event in events {
            let entry = event.at as usize - begin;
            #[allow(clippy::cast_possible_truncation, reason = "a quotient of entry")]
            let x = if self.channels == 1 { entry } else { ((entry as u128 * u128::from(self.inverse)) >> 64) as usize };
            if x != pixel {
                pixel = x;
                let column = self.columns[x];
                length = column.count * self.outputs;
                if length > 0 {
                    let (start, one_row, one_channel) = phases[column.phase];
                    weights = (start + row.skip * one_row + column.skip * self.outputs, one_row, one_channel);
                    to = column.first * self.outputs;
                    if let Some(touched) = touched.as_deref_mut() {
                        touched.mark_rows(row.first, row.count, column.first, column.count);
                    }
                }
            }
            if length == 0 {
                continue;
            }
            let (start, one_row, one_channel) = weights;
            let mut from = start + (entry - x * self.channels) * one_channel;
            let whole = N > 0 && length == N;
            for p in row.first..row.first + row.count {
                let to = (p & last) * pitch + to;
                if whole {
                    along.run(simd, from..from + N, to..to + N, event.value);
                } else {
                    along.run(simd, from..from + length, to..to + length, event.value);
                }
                from += one_row;
            }
            made += row.count * length;
        }
        made as u64
    }
}
