//! The integer product in front of the neurons: a cross-correlation that follows the events.
//!
//! ```text
//! y[o, oy, ox] = sum over c, ky, kx of weight[o, c, ky, kx] x[c, oy sy + ky - py, ox sx + kx - px]        x is 0 outside the map
//! ```
//! Integer sums are the same in any order, so each input that is not 0 adds its weight rows where they land, and silence costs nothing.
//! Weights lie as `(c, ky, kx, o)`, sums as `(oy, ox, o)`: one event is `kh kw` runs over neighbouring outputs. A linear layer is the
//! case of a 1x1 map. One addition for one event and one target is one synaptic operation; borders reach fewer targets.

use std::sync::{Mutex, PoisonError};

use fearless_simd::{Level, dispatch};

use crate::word::{Integers, Number, Word, largest, of_each};
use rsnn_base::error::{Error, Result};
use rsnn_base::pool::{Context, Stop, for_each};

/// Sums in one task, as a guide.
const GRAIN: usize = 1 << 14;
/// Additions between two questions whether to stop.
const WORK: usize = 1 << 18;

/// The shape of a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// Input channels.
    pub channels: usize,
    /// Rows and columns of the input map.
    pub input: [usize; 2],
    /// Output channels.
    pub features: usize,
    /// Rows and columns of the kernel.
    pub kernel: [usize; 2],
    /// Step between outputs.
    pub stride: [usize; 2],
    /// Zeros around the map.
    pub padding: [usize; 2],
}

impl Geometry {
    /// Refuse what has no meaning or whose sizes overflow.
    pub fn check(&self) -> Result<()> {
        if self.kernel.contains(&0) || self.stride.contains(&0) {
            return Err(Error::value(format!("kernel {:?} and stride {:?} must be at least 1", self.kernel, self.stride)));
        }
        for axis in 0..2 {
            let padded = self.padding[axis].checked_mul(2).and_then(|both| both.checked_add(self.input[axis]));
            if padded.is_none_or(|padded| padded < self.kernel[axis]) {
                return Err(Error::value(format!(
                    "weight: the kernel {:?} is larger than the map {:?} with its padding {:?}",
                    self.kernel, self.input, self.padding
                )));
            }
        }
        let [height, width] = self.output();
        let outputs = self.features.checked_mul(height).and_then(|n| n.checked_mul(width));
        if outputs.is_none() || self.input[0].checked_mul(self.input[1]).and_then(|n| n.checked_mul(self.channels)).is_none() {
            return Err(Error::value("weight, x: the maps are too large to count"));
        }
        Ok(())
    }

    /// Rows and columns of the output map.
    #[must_use]
    pub fn output(&self) -> [usize; 2] {
        [0, 1].map(|axis| (self.input[axis] + 2 * self.padding[axis] - self.kernel[axis]) / self.stride[axis] + 1)
    }

    /// Entries of one input.
    #[must_use]
    pub fn inputs(&self) -> usize {
        self.channels * self.input[0] * self.input[1]
    }

    /// Entries of one output.
    #[must_use]
    pub fn outputs(&self) -> usize {
        self.features * self.output()[0] * self.output()[1]
    }

    /// Entries of the weight.
    #[must_use]
    pub fn weights(&self) -> usize {
        self.features * self.channels * self.kernel[0] * self.kernel[1]
    }

    /// For every input position along an axis: the kernel entries that meet it, with the output each leads to.
    pub(crate) fn taps(&self, axis: usize) -> Vec<Vec<(usize, usize)>> {
        let (stride, last) = (self.stride[axis], self.output()[axis]);
        let lands = |position: usize, k: usize| {
            let from = (position + self.padding[axis]).checked_sub(k)?;
            (from % stride == 0 && from / stride < last).then_some((k, from / stride))
        };
        (0..self.input[axis]).map(|position| (0..self.kernel[axis]).filter_map(|k| lands(position, k)).collect()).collect()
    }
}

/// Write the product of every input of `x` to `out (N, features, oy, ox)`; returns the synaptic operations.
pub fn correlate(
    context: &Context<'_>,
    level: Level,
    geometry: Geometry,
    x: Integers<'_>,
    weight: &[i64],
    out: &mut [i64],
) -> Result<u128> {
    let product = Product::new(geometry, weight)?;
    let bound = of_each!(x, x => product.bound(x));
    if bound > i128::from(i64::MAX) {
        return Err(Error::value(format!(
            "x, weight: a sum of products could reach {bound}, which 64 bits do not hold; use smaller values"
        )));
    }
    let entries = of_each!(x, x => x.len());
    if entries.checked_div(geometry.inputs()).unwrap_or(0) * geometry.outputs() != out.len() {
        return Err(Error::value(format!("x, out: arrays of {entries} and {} entries came for {geometry:?}", out.len())));
    }
    of_each!(x, x => product.run(context, level, x, out))
}

/// A convolution ready to run: the weight laid out for events.
pub(crate) struct Product {
    geometry: Geometry,
    rows: Vec<Vec<(usize, usize)>>,
    columns: Vec<Vec<(usize, usize)>>,
    weight: Vec<i64>,
    /// The largest sum of absolute weights into one output.
    gain: i128,
}

impl Product {
    /// From a weight `(features, channels, kh, kw)`.
    pub fn new(geometry: Geometry, weight: &[i64]) -> Result<Self> {
        geometry.check()?;
        if weight.len() != geometry.weights() {
            return Err(Error::value(format!("weight: {} entries came for {geometry:?}", weight.len())));
        }
        let fan_in = geometry.channels * geometry.kernel[0] * geometry.kernel[1];
        let sum = |row: &[i64]| row.iter().map(|w| i128::from(w.unsigned_abs())).sum::<i128>();
        let gain = weight.chunks(fan_in.max(1)).map(sum).max().unwrap_or(0);
        let turned = (0..fan_in).flat_map(|k| (0..geometry.features).map(move |o| weight[o * fan_in + k])).collect();
        Ok(Self { geometry, rows: geometry.taps(0), columns: geometry.taps(1), weight: turned, gain })
    }

    /// The shape.
    #[must_use]
    pub fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// The weight `(channel, ky, kx, feature)`.
    #[must_use]
    pub fn weight(&self) -> &[i64] {
        &self.weight
    }

    /// The kernel rows that meet a row of the input, each with the row of the output it leads to.
    #[must_use]
    pub fn rows(&self, row: usize) -> &[(usize, usize)] {
        &self.rows[row]
    }

    /// The same of a column.
    #[must_use]
    pub fn columns(&self, column: usize) -> &[(usize, usize)] {
        &self.columns[column]
    }

    /// The largest absolute value that a sum over these inputs, or any part of it, can take.
    #[must_use]
    pub fn bound<X: Number>(&self, x: &[X]) -> i128 {
        self.bound_of(largest(x))
    }

    /// The same of inputs up to a size.
    #[must_use]
    pub fn bound_of(&self, largest: i128) -> i128 {
        largest.saturating_mul(self.gain)
    }

    /// Write the sums of every input of `x` to `out`; returns the synaptic operations. `W` must hold [`Product::bound`].
    pub fn run<X: Number, W: Word>(&self, context: &Context<'_>, level: Level, x: &[X], out: &mut [W]) -> Result<u128> {
        let (inputs, outputs) = (self.geometry.inputs(), self.geometry.outputs());
        if outputs == 0 {
            return Ok(0);
        }
        let weight: Vec<W> = self.weight.iter().map(|&w| W::narrow(w)).collect();
        let group = (GRAIN / outputs).max(1);
        let total = Mutex::new(0_u128);
        for_each(context, out.chunks_mut(group * outputs).enumerate().collect(), |(k, out), stop| {
            let mut events = vec![W::ZERO; inputs];
            let mut sums = vec![W::ZERO; outputs];
            let mut pause = Pause { stop, work: 0 };
            let mut operations = 0;
            for (j, out) in out.chunks_mut(outputs).enumerate() {
                let x = &x[(k * group + j) * inputs..][..inputs];
                events.iter_mut().zip(x).for_each(|(event, x)| *event = W::narrow(x.wide()));
                operations += dispatch!(level, _simd => self.scatter(&weight, &events, &mut sums, &mut pause));
                self.gather(&sums, out);
            }
            *total.lock().unwrap_or_else(PoisonError::into_inner) += operations;
        })?;
        Ok(total.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    /// Sums `(oy, ox, o)` of one input.
    #[inline(always)]
    fn scatter<W: Word>(&self, weight: &[W], events: &[W], sums: &mut [W], pause: &mut Pause<'_, '_>) -> u128 {
        let Geometry { features, kernel, input, .. } = self.geometry;
        let width = self.geometry.output()[1];
        let mut operations = 0;
        sums.fill(W::ZERO);
        for (line, row) in events.chunks(input[1].max(1)).enumerate() {
            let (channel, taps) = (line / input[0], &self.rows[line % input[0]]);
            if pause.now(row.len()) {
                break;
            }
            for (&event, columns) in row.iter().zip(&self.columns) {
                if event == W::ZERO {
                    continue;
                }
                for &(ky, oy) in taps {
                    for &(kx, ox) in columns {
                        let weight = &weight[((channel * kernel[0] + ky) * kernel[1] + kx) * features..][..features];
                        let sums = &mut sums[(oy * width + ox) * features..][..features];
                        sums.iter_mut().zip(weight).for_each(|(sum, &w)| *sum = *sum + event * w);
                    }
                }
                pause.work += taps.len() * columns.len() * features;
                operations += event.widest().unsigned_abs() * (taps.len() * columns.len() * features) as u128;
            }
        }
        operations
    }

    /// `(oy, ox, o)` to `(o, oy, ox)`.
    fn gather<W: Word>(&self, sums: &[W], out: &mut [W]) {
        let features = self.geometry.features;
        for (feature, map) in out.chunks_mut(sums.len() / features).enumerate() {
            map.iter_mut().zip(sums[feature..].iter().step_by(features)).for_each(|(out, &sum)| *out = sum);
        }
    }
}

/// Asks whether to stop, but only after some work: the clock costs as much as a small frame.
struct Pause<'a, 's> {
    stop: &'a Stop<'s>,
    work: usize,
}

impl Pause<'_, '_> {
    #[inline(always)]
    fn now(&mut self, work: usize) -> bool {
        self.work += work;
        if self.work < WORK {
            return false;
        }
        self.work = 0;
        self.stop.now()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The sum of the file's head, term by term.
    fn plain(g: &Geometry, weight: &[i64], x: &[i64]) -> (Vec<i64>, u128) {
        let ([height, width], mut out, mut operations) = (g.output(), Vec::new(), 0);
        for o in 0..g.features {
            for oy in 0..height {
                for ox in 0..width {
                    let mut sum = 0;
                    for c in 0..g.channels {
                        for ky in 0..g.kernel[0] {
                            for kx in 0..g.kernel[1] {
                                let (y, x_) = (oy * g.stride[0] + ky, ox * g.stride[1] + kx);
                                let inside = |at: usize, axis: usize| at >= g.padding[axis] && at < g.padding[axis] + g.input[axis];
                                if inside(y, 0) && inside(x_, 1) {
                                    let event = x[(c * g.input[0] + y - g.padding[0]) * g.input[1] + x_ - g.padding[1]];
                                    sum += weight[((o * g.channels + c) * g.kernel[0] + ky) * g.kernel[1] + kx] * event;
                                    operations += u128::from(event.unsigned_abs());
                                }
                            }
                        }
                    }
                    out.push(sum);
                }
            }
        }
        (out, operations)
    }

    proptest! {
        #[test]
        fn events_give_the_sum_of_every_term_and_count_each_one_once(
            channels in 0_usize..4, features in 0_usize..4, input in prop::array::uniform2(1_usize..7),
            kernel in prop::array::uniform2(1_usize..4), stride in prop::array::uniform2(1_usize..4),
            padding in prop::array::uniform2(0_usize..4), seed in prop::collection::vec(-9_i64..10, 512),
        ) {
            let g = Geometry { channels, input, features, kernel, stride, padding };
            prop_assume!(g.check().is_ok());
            let weight: Vec<i64> = (0..g.weights()).map(|k| seed[k % 251]).collect();
            let x: Vec<i64> = (0..2 * g.inputs()).map(|k| seed[251 + k % 257].clamp(-2, 3)).collect();
            let product = Product::new(g, &weight).unwrap();
            let mut expected = Vec::new();
            let mut operations = 0;
            for x in x.chunks(g.inputs().max(1)) {
                let (out, n) = plain(&g, &weight, x);
                expected.extend(out);
                operations += n;
            }
            expected.resize(2 * g.outputs(), 0);
            for threads in [1, 3] {
                let context = Context { threads, poll: &|| false };
                let mut out = vec![7_i64; 2 * g.outputs()];
                let counted = product.run(&context, Level::new(), &x, &mut out).unwrap();
                prop_assert_eq!(&out, &expected);
                prop_assert_eq!(counted, operations);
                let mut narrow = vec![7_i32; 2 * g.outputs()];
                product.run(&context, Level::new(), &x, &mut narrow).unwrap();
                prop_assert!(narrow.iter().zip(&expected).all(|(&a, &b)| i64::from(a) == b));
                prop_assert!(expected.iter().all(|&y| i128::from(y).abs() <= product.bound(&x)));
            }
        }
    }
}
