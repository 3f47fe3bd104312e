//! The convolution of one image in raster order, `[row][column][channel]`, in and out: what the engine of networks multiplies where
//! events are many. The sums are those of [`super::conv2d`], in the same order.
//!
//! The weight lies as `[kernel row][kernel column][channel][output]`, outputs padded to whole registers. A kernel row of all channels is
//! a run of neighbours in the image, so a tile of some pixels by some registers of outputs takes one entry of each pixel's run after the
//! other. Where there is padding, the image is first copied into a frame of zeros.

use fearless_simd::{Level, prelude::*};

use super::Conv2d;
use rsnn_base::elem::{Elem, V, on_level};
use rsnn_base::error::Result;
use rsnn_base::memory::Aligned;

/// Pixels of a tile.
const PIXELS: usize = 6;
/// Entries that outputs are padded to: the widest register.
const LANES: usize = 16;

/// A convolution, ready for images in raster order.
#[derive(Debug)]
pub struct Raster<E> {
    conv: Conv2d,
    output: (usize, usize),
    /// `(kernel rows, kernel columns, channels, padded)`.
    weight: Aligned<E>,
    padded: usize,
}

impl<E: Elem> Raster<E> {
    /// Lay out the weight (outputs, channels, kernel rows, kernel columns).
    pub fn new(conv: &Conv2d, weight: &[E]) -> Result<Self> {
        let output = conv.output_size()?;
        let padded = conv.outputs.next_multiple_of(LANES);
        let (channels, taps) = (conv.channels, conv.kernel.0 * conv.kernel.1);
        let mut laid = Aligned::default();
        laid.reset(taps * channels * padded);
        for o in 0..conv.outputs {
            for c in 0..channels {
                for tap in 0..taps {
                    laid[(tap * channels + c) * padded + o] = weight[(o * channels + c) * taps + tap];
                }
            }
        }
        Ok(Self { conv: *conv, output, weight: laid, padded })
    }

    /// Convolve one image into `out`. `frame` is memory that is used again, for this convolution alone.
    pub fn run(&self, level: Level, image: &[E], frame: &mut Vec<E>, out: &mut [E]) {
        let Conv2d { channels, size, padding, .. } = self.conv;
        if padding == (0, 0) {
            on_level!(level, simd => self.rows(simd, image, out));
            return;
        }
        let width = (size.1 + 2 * padding.1) * channels;
        frame.resize((size.0 + 2 * padding.0) * width, E::ZERO);
        let row = size.1 * channels;
        for (to, from) in frame.chunks_exact_mut(width.max(1)).skip(padding.0).zip(image.chunks_exact(row.max(1))) {
            to[padding.1 * channels..][..row].copy_from_slice(from);
        }
        on_level!(level, simd => self.rows(simd, frame, out));
    }

    #[inline(always)]
    fn rows<S: Simd>(&self, simd: S, frame: &[E], out: &mut [E]) {
        let outputs = self.conv.outputs;
        for (p, row) in out.chunks_exact_mut((self.output.1 * outputs).max(1)).enumerate() {
            let mut q = 0;
            while q + PIXELS <= self.output.1 {
                self.tile::<S, PIXELS>(simd, frame, (p, q), row);
                q += PIXELS;
            }
            while q < self.output.1 {
                self.tile::<S, 1>(simd, frame, (p, q), row);
                q += 1;
            }
        }
    }

    /// `P` pixels of an output row from column `q` on, all outputs.
    #[inline(always)]
    fn tile<S: Simd, const P: usize>(&self, simd: S, frame: &[E], at: (usize, usize), row: &mut [E]) {
        let lanes = V::<E, S>::LEN;
        let outputs = self.conv.outputs;
        let mut from = 0;
        while from < outputs {
            if from + lanes < outputs {
                self.registers::<S, P, 2>(simd, frame, at, from, row);
                from += 2 * lanes;
            } else {
                self.registers::<S, P, 1>(simd, frame, at, from, row);
                from += lanes;
            }
        }
    }

    #[inline(always)]
    fn registers<S: Simd, const P: usize, const W: usize>(&self, simd: S, frame: &[E], (p, q): (usize, usize), from: usize, row: &mut [E]) {
        let lanes = V::<E, S>::LEN;
        let Conv2d { channels, size, kernel, stride, padding, outputs, .. } = self.conv;
        let width = (size.1 + 2 * padding.1) * channels;
        let run = kernel.1 * channels;
        let mut sums = [[V::<E, S>::splat(simd, E::ZERO); W]; P];
        for j in 0..kernel.0 {
            let begin = (p * stride.0 + j) * width + q * stride.1 * channels;
            let mut runs: [&[E]; P] = [&[]; P];
            for k in 0..P {
                runs[k] = &frame[begin + k * stride.1 * channels..][..run];
            }
            let weights = &self.weight[j * run * self.padded..][..run * self.padded];
            for (n, weight) in weights.chunks_exact(self.padded).enumerate() {
                // Outputs are padded to the widest register, so a second one may lie beyond.
                let mut w = [V::<E, S>::splat(simd, E::ZERO); W];
                for r in 0..W {
                    w[r] = V::<E, S>::from_slice(simd, &weight[from + r * lanes..from + (r + 1) * lanes]);
                }
                for k in 0..P {
                    let x = V::<E, S>::splat(simd, runs[k][n]);
                    for r in 0..W {
                        sums[k][r] += w[r] * x;
                    }
                }
            }
        }
        for k in 0..P {
            let to = &mut row[(q + k) * outputs + from..(q + k) * outputs + outputs.min(from + W * lanes)];
            for r in 0..W {
                let part = &mut to[(r * lanes).min(outputs - from)..];
                if part.len() >= lanes {
                    sums[k][r].store_slice(&mut part[..lanes]);
                } else {
                    let count = part.len();
                    part.copy_from_slice(&sums[k][r].as_slice()[..count]);
                }
            }
        }
    }
}
