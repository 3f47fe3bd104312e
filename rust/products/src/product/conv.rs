//! `y[r, o, p, q] = (sum by kernel row j, column i, then channel c of x[r, c, p sy + j - py, q sx + i - px] * w[o, c, j, i]) + bias[o]`,
//! the bias added last; x is 0 outside the image.
//!
//! Where nearly all of x is 0 the sums run over its events (`event/frames.rs`): the same bits. What follows is the dense way.
//!
//! Nothing is copied once for every kernel entry. Each image is laid out once, with its padding and sorted by stride phase: rows that
//! are equal modulo sy together, columns that are equal modulo sx together, as `[channel][row phase][column phase][height][width]`.
//! There, the pixel a kernel entry meets at output (p, q) lies at a fixed offset plus `p * width + q`: an output row runs with unit
//! stride for any stride, and one row follows on the other. So a strip of output rows is one product of the weight
//! (outputs, kernel entries) with rows of the image that start at these offsets. The few columns between rows are computed and dropped.

use fearless_simd::Level;

use super::gemm::{Right, Target, multiply, panel_width};
use super::linear::Done;
use super::{TASK, finite, length};
use crate::event::{Events, Found, Path, Values, estimate, frames, scan, words_of};
use rsnn_base::elem::Elem;
use rsnn_base::error::{Error, Result};
use rsnn_base::memory::Aligned;
use rsnn_base::pool::{Context, for_each};

/// Sums of one strip: they stay in the cache until they are written to their place.
const STRIP: usize = 1 << 14;

/// The sizes of a convolution; pairs are (rows, columns).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conv2d {
    /// Images.
    pub images: usize,
    /// Channels in.
    pub channels: usize,
    /// Channels out.
    pub outputs: usize,
    /// Of one image in.
    pub size: (usize, usize),
    /// Of the kernel, at least 1.
    pub kernel: (usize, usize),
    /// At least 1.
    pub stride: (usize, usize),
    /// Zeros on each side.
    pub padding: (usize, usize),
}

impl Conv2d {
    /// Of one image out.
    pub fn output_size(&self) -> Result<(usize, usize)> {
        let axis = |size: usize, kernel: usize, stride: usize, padding: usize| {
            if kernel == 0 || stride == 0 {
                return Err(Error::value(format!("kernel {:?} and stride {:?} must be at least 1", self.kernel, self.stride)));
            }
            let padded = padding.checked_mul(2).and_then(|both| both.checked_add(size));
            match padded.and_then(|padded| padded.checked_sub(kernel)) {
                Some(room) => Ok(room / stride + 1),
                None => Err(Error::value(format!(
                    "kernel {:?} does not fit into an image of {:?} with padding {:?}; use a smaller kernel or more padding",
                    self.kernel, self.size, self.padding
                ))),
            }
        };
        Ok((
            axis(self.size.0, self.kernel.0, self.stride.0, self.padding.0)?,
            axis(self.size.1, self.kernel.1, self.stride.1, self.padding.1)?,
        ))
    }
}

/// One image laid out with padding, by stride phase.
struct Layout {
    /// Phases that a kernel entry can meet.
    phases: (usize, usize),
    /// Of one phase plane.
    height: usize,
    width: usize,
}

impl Layout {
    fn new(conv: &Conv2d, output: (usize, usize)) -> Self {
        let (kernel, stride) = (conv.kernel, conv.stride);
        Self {
            phases: (kernel.0.min(stride.0), kernel.1.min(stride.1)),
            height: output.0 + (kernel.0 - 1) / stride.0,
            width: output.1 + (kernel.1 - 1) / stride.1,
        }
    }

    /// Entries of one channel.
    fn channel(&self) -> Option<usize> {
        self.height.checked_mul(self.width)?.checked_mul(self.phases.0 * self.phases.1)
    }

    /// Where row y, column x of the padded channel lies; None where no kernel entry looks.
    fn position(&self, conv: &Conv2d, y: usize, x: usize) -> Option<usize> {
        let (row, row_phase) = (y / conv.stride.0, y % conv.stride.0);
        let (column, column_phase) = (x / conv.stride.1, x % conv.stride.1);
        let seen = row < self.height && column < self.width && row_phase < self.phases.0 && column_phase < self.phases.1;
        seen.then(|| ((row_phase * self.phases.1 + column_phase) * self.height + row) * self.width + column)
    }

    /// Write the image (channels, height, width) to its places; the padding stays as it is.
    fn fill<E: Elem>(&self, conv: &Conv2d, image: &[E], laid: &mut [E]) {
        let (size, stride, padding) = (conv.size, conv.stride, conv.padding);
        let Some(channel) = self.channel().filter(|&n| n > 0) else { return };
        if size.0 * size.1 == 0 {
            return;
        }
        for (image, laid) in image.chunks_exact(size.0 * size.1).zip(laid.chunks_exact_mut(channel)) {
            for (y, row) in image.chunks_exact(size.1).enumerate() {
                for first in 0..stride.1.min(size.1) {
                    let x = first + padding.1;
                    let Some(at) = self.position(conv, y + padding.0, x) else { continue };
                    let places = &mut laid[at..at + self.width - x / stride.1];
                    if stride.1 == 1 {
                        let count = row.len().min(places.len());
                        places[..count].copy_from_slice(&row[..count]);
                    } else {
                        for (place, value) in places.iter_mut().zip(row[first..].iter().step_by(stride.1)) {
                            *place = *value;
                        }
                    }
                }
            }
        }
    }
}

/// Convolve `x` (images, channels, height, width) with the weight (outputs, channels, kernel rows, kernel columns) into `out`.
///
/// The bits of x, a row for each image, go to `words` if they are found on the way: where the path taken is that of the events.
pub fn conv2d<E: Elem>(
    context: &Context<'_>,
    level: Level,
    x: &[E],
    weight: &[E],
    bias: Option<&[E]>,
    out: &mut [E],
    conv: &Conv2d,
    (path, words): (Path, Option<&mut [u64]>),
) -> Result<Done> {
    let output = conv.output_size()?;
    length("x", x, &[conv.images, conv.channels, conv.size.0, conv.size.1])?;
    length("weight", weight, &[conv.outputs, conv.channels, conv.kernel.0, conv.kernel.1])?;
    length("out", out, &[conv.images, conv.outputs, output.0, output.1])?;
    finite("weight", weight)?;
    if let Some(bias) = bias {
        length("bias", bias, &[conv.outputs])?;
        finite("bias", bias)?;
    }
    let shape = (conv.images, conv.channels * conv.size.0 * conv.size.1);
    let mut found = Found { count: 0, unit: false };
    let crossover = frames::crossover(conv);
    if path == Path::Event || (path == Path::Auto && crossover > 0.0 && estimate(level, x) <= crossover * 1.5) {
        let mut own = Vec::new();
        let words = if let Some(words) = words {
            words
        } else {
            own.resize(shape.0 * words_of(shape.1), 0);
            &mut own
        };
        found = scan(context, level, x, words, shape)?;
        if path == Path::Event || found.count as f64 <= x.len() as f64 * crossover {
            let values = if found.unit { Values::Ones } else { Values::Dense(x) };
            frames::conv2d(context, level, &Events::new(words, values, shape)?, weight, bias, out, conv)?;
            return Ok(Done { path: Path::Event, events: found.count, unit: found.unit });
        }
    }
    dense(context, level, x, weight, bias, out, conv, output)?;
    Ok(Done { path: Path::Dense, events: found.count, unit: found.unit })
}

fn dense<E: Elem>(
    context: &Context<'_>,
    level: Level,
    x: &[E],
    weight: &[E],
    bias: Option<&[E]>,
    out: &mut [E],
    conv: &Conv2d,
    output: (usize, usize),
) -> Result<()> {
    if out.is_empty() {
        return Ok(());
    }
    let layout = Layout::new(conv, output);
    let taps = conv.kernel.0 * conv.kernel.1;
    // Row 0 of the weight is every kernel entry in the promised order: by row, column, then channel.
    let depth = taps * conv.channels;
    let mut ordered = Aligned::zeros(Some(weight.len()), "weight")?;
    for (row, weight) in ordered.chunks_exact_mut(depth.max(1)).zip(weight.chunks_exact(depth.max(1))) {
        for (channel, weight) in weight.chunks_exact(taps).enumerate() {
            for (tap, w) in weight.iter().enumerate() {
                row[tap * conv.channels + channel] = *w;
            }
        }
    }
    let channel_size = layout.channel();
    let laid_size = channel_size.and_then(|n| n.checked_mul(conv.channels)).and_then(|n| n.checked_add(2 * panel_width::<E>(level)));
    // A task's memory is asked for once here, where a lack of it can be told.
    drop(Aligned::<E>::zeros(laid_size, "x")?);
    let offsets: Vec<usize> = (0..depth)
        .map(|k| {
            let (tap, channel) = (k / conv.channels, k % conv.channels);
            let place = layout.position(conv, tap / conv.kernel.1, tap % conv.kernel.1).unwrap_or(0);
            channel * channel_size.unwrap_or(0) + place
        })
        .collect();

    let image_in = conv.channels * conv.size.0 * conv.size.1;
    let image_out = conv.outputs * output.0 * output.1;
    let rows = (STRIP.div_ceil(conv.outputs).max(128) / layout.width).clamp(1, output.0);
    let group = (TASK / (image_out * depth).max(1)).clamp(1, conv.images);
    let tasks: Vec<(usize, &mut [E])> = out.chunks_mut(group * image_out).enumerate().collect();
    for_each(context, tasks, |(number, out), stop| {
        let mut laid = vec![E::ZERO; laid_size.unwrap_or(0)];
        let mut sums = Vec::new();
        for (image, out) in out.chunks_exact_mut(image_out).enumerate() {
            layout.fill(conv, &x[(number * group + image) * image_in..][..image_in], &mut laid);
            for top in (0..output.0).step_by(rows) {
                if stop.now() {
                    return;
                }
                let rows = rows.min(output.0 - top);
                let columns = (rows - 1) * layout.width + output.1;
                sums.resize(conv.outputs * columns, E::ZERO);
                let right = Right { values: &laid[top * layout.width..], offsets: &offsets, advance: panel_width::<E>(level) };
                let target = Target { values: &mut sums, stride: columns, columns: 0..columns };
                multiply(level, &ordered, &right, target, stop);
                for (channel, (sums, out)) in sums.chunks_exact(columns).zip(out.chunks_exact_mut(output.0 * output.1)).enumerate() {
                    let out = &mut out[top * output.1..(top + rows) * output.1];
                    for (sums, out) in sums.chunks(layout.width).zip(out.chunks_exact_mut(output.1)) {
                        match bias {
                            None => out.copy_from_slice(&sums[..output.1]),
                            Some(bias) => out.iter_mut().zip(sums).for_each(|(y, s)| *y = *s + bias[channel]),
                        }
                    }
                }
            }
        }
    })
}
