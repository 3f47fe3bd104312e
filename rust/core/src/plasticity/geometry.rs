//! Which synapse leads where.

use std::ops::Range;

use rsnn_base::error::{Error, Result};
use rsnn_products::product::Conv2d;

/// Synapses of one kind: a convolution of images in raster order, of which every input to every output is the smallest case.
#[derive(Clone, Copy, Debug)]
pub struct Geometry {
    conv: Conv2d,
    /// Of an image out.
    after: (usize, usize),
}

/// What a synapse of an input leads to.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Its row of the weight: kernel row, kernel column, channel.
    pub row: usize,
    /// The pixel of the image out.
    pub pixel: usize,
}

impl Geometry {
    /// Of a convolution.
    pub fn new(conv: Conv2d) -> Result<Self> {
        let after = conv.output_size()?;
        let made = Self { conv, after };
        let sizes =
            [&[conv.size.0, conv.size.1, conv.channels], &[after.0, after.1, conv.outputs], &[conv.kernel.0, conv.kernel.1, conv.channels]];
        let fits = |sizes: &[usize]| sizes.iter().try_fold(conv.outputs.max(1), |n, &k| n.checked_mul(k));
        if sizes.iter().all(|sizes| fits(*sizes).is_some()) {
            Ok(made)
        } else {
            Err(Error::value("weight: more synapses than this machine can count; use smaller layers"))
        }
    }

    /// Entries of a sample before the synapses.
    #[must_use]
    pub fn inputs(&self) -> usize {
        self.conv.size.0 * self.conv.size.1 * self.conv.channels
    }

    /// Entries of a sample after them.
    #[must_use]
    pub fn outputs(&self) -> usize {
        self.after.0 * self.after.1 * self.conv.outputs
    }

    /// Rows of the weight.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.conv.kernel.0 * self.conv.kernel.1 * self.conv.channels
    }

    /// Columns of the weight: what each kind of output has of its own.
    #[must_use]
    pub fn columns(&self) -> usize {
        self.conv.outputs
    }

    /// Channels in: the rows of one entry of the kernel.
    #[must_use]
    pub fn channels(&self) -> usize {
        self.conv.channels
    }

    /// Visit where entry `at` of a sample leads, by kernel row and column.
    #[inline(always)]
    pub fn places(&self, at: usize, mut visit: impl FnMut(Place)) {
        let Conv2d { channels, size, kernel, stride, padding, .. } = self.conv;
        let (pixel, channel) = (at / channels, at % channels);
        let (y, x) = (pixel / size.1 + padding.0, pixel % size.1 + padding.1);
        for j in 0..kernel.0 {
            let Some(p) = reached(y, j, stride.0, self.after.0) else { continue };
            for i in 0..kernel.1 {
                let Some(q) = reached(x, i, stride.1, self.after.1) else { continue };
                visit(Place { row: (j * kernel.1 + i) * channels + channel, pixel: p * self.after.1 + q });
            }
        }
    }

    /// Visit what a pixel of the image out looks at, by kernel row and column: the channels of a pixel in, and the first row of their weights.
    #[inline(always)]
    pub fn field(&self, pixel: usize, mut visit: impl FnMut(Range<usize>, usize)) {
        let Conv2d { channels, size, kernel, stride, padding, .. } = self.conv;
        let (p, q) = (pixel / self.after.1, pixel % self.after.1);
        for j in 0..kernel.0 {
            let Some(y) = (p * stride.0 + j).checked_sub(padding.0).filter(|y| *y < size.0) else { continue };
            for i in 0..kernel.1 {
                let Some(x) = (q * stride.1 + i).checked_sub(padding.1).filter(|x| *x < size.1) else { continue };
                let from = (y * size.1 + x) * channels;
                visit(from..from + channels, (j * kernel.1 + i) * channels);
            }
        }
    }
}

/// The place along one axis that a kernel entry brings a padded position to.
#[inline(always)]
fn reached(position: usize, entry: usize, stride: usize, after: usize) -> Option<usize> {
    let moved = position.checked_sub(entry)?;
    (moved.is_multiple_of(stride) && moved / stride < after).then_some(moved / stride)
}
