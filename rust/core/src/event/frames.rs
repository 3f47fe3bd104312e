//! Convolutions by events, for training: forward, and the gradient of the weight.
//!
//! An event of pixel (y, x), channel c and value v meets kernel entry (j, i) in the output pixel (p, q) with `p sy = y + py - j` and
//! `q sx = x + px - i`, where these are whole and inside:
//!
//! ```text
//! y[p, q, :]     += v w[c, j, i, :]
//! dw[c, j, i, :] += v dy[p, q, :]
//! ```
//!
//! Vectors run across the outputs, which are padded to whole registers: the weight is laid out as `[channel][row][column][output]`, one image
//! of y or dy as `[pixel][output]`. Events of an image are taken by pixel, then channel: so every output pixel meets kernel rows, columns and
//! channels in ascending order, which is the promised one. Tasks are images; the gradients of some images are summed in a share, and the
//! shares in their order: neither depends on the number of threads.

use fearless_simd::{Level, Simd, SimdBase, dispatch};

use super::bits::Events;
use crate::aligned::Aligned;
use crate::elem::{Elem, V, on_level};
use crate::error::{Error, Result};
use crate::pool::{Context, for_each};
use crate::product::{Conv2d, finite, length};

/// The share of events above which the dense convolution is faster.
pub const CROSSOVER: f64 = 0.1;
/// Additions worth a task of its own.
const TASK: usize = 1 << 20;
/// Shares of a gradient at most.
const SHARES: usize = 16;
/// Bytes that all shares together should not exceed.
const SHARED_BYTES: usize = 1 << 26;

#[inline(always)]
fn lanes_of<E: Elem, S: Simd>(_: S) -> usize {
    V::<E, S>::LEN
}

/// What both directions know of the shapes.
struct Plan {
    conv: Conv2d,
    output: (usize, usize),
    /// Outputs, padded to whole registers.
    wide: usize,
}

impl Plan {
    fn new<E: Elem>(level: Level, conv: &Conv2d, events: &Events<'_, E>) -> Result<Self> {
        let output = conv.output_size()?;
        let entries = conv.channels.checked_mul(conv.size.0).and_then(|n| n.checked_mul(conv.size.1));
        if Some(events.shape().1) != entries || events.shape().0 != conv.images {
            return Err(Error::value(format!("x: events of {:?} came; the convolution is {conv:?}", events.shape())));
        }
        let lanes = dispatch!(level, simd => lanes_of::<E, _>(simd));
        Ok(Self { conv: *conv, output, wide: conv.outputs.next_multiple_of(lanes) })
    }

    fn taps(&self) -> usize {
        self.conv.kernel.0 * self.conv.kernel.1
    }

    /// Where an event of pixel (y, x) meets the kernel: calls `visit(tap, output pixel)`, by kernel row and column.
    #[inline(always)]
    fn meet(&self, y: usize, x: usize, mut visit: impl FnMut(usize, usize)) {
        let Conv2d { kernel, stride, padding, .. } = self.conv;
        for j in 0..kernel.0 {
            let Some(p) = place(y + padding.0, j, stride.0, self.output.0) else { continue };
            for i in 0..kernel.1 {
                if let Some(q) = place(x + padding.1, i, stride.1, self.output.1) {
                    visit(j * kernel.1 + i, p * self.output.1 + q);
                }
            }
        }
    }
}

/// The output position at which kernel entry `k` meets the padded position `at`.
#[inline(always)]
fn place(at: usize, k: usize, stride: usize, size: usize) -> Option<usize> {
    let from = at.checked_sub(k)?;
    let place = if stride == 1 { from } else { from / stride };
    (place < size && (stride == 1 || from.is_multiple_of(stride))).then_some(place)
}

/// The events of one image, by pixel, then channel.
struct Sorted<E> {
    /// Where the events of each pixel end, shifted by one: those of pixel k are `ends[k]..ends[k + 1]`.
    ends: Vec<u32>,
    events: Vec<(u32, E)>,
}

impl<E: Elem> Sorted<E> {
    fn new(pixels: usize) -> Self {
        Self { ends: vec![0; pixels + 2], events: Vec::new() }
    }

    #[allow(clippy::cast_possible_truncation, reason = "an image has fewer than 2^32 events; checked by the caller")]
    fn fill(&mut self, events: &Events<'_, E>, image: usize, pixels: usize) {
        self.ends.fill(0);
        let mut count = 0;
        events.visit(image, |at, _| {
            self.ends[at % pixels + 2] += 1;
            count += 1;
        });
        for k in 2..self.ends.len() {
            self.ends[k] += self.ends[k - 1];
        }
        self.events.clear();
        self.events.resize(count, (0, E::ZERO));
        events.visit(image, |at, value| {
            let end = &mut self.ends[at % pixels + 1];
            self.events[*end as usize] = ((at / pixels) as u32, value);
            *end += 1;
        });
    }

    /// The events of a pixel.
    #[inline(always)]
    fn of(&self, pixel: usize) -> &[(u32, E)] {
        &self.events[self.ends[pixel] as usize..self.ends[pixel + 1] as usize]
    }
}

/// `to += v from`.
#[inline(always)]
fn add<E: Elem, S: Simd>(simd: S, to: &mut [E], from: &[E], value: E) {
    let lanes = V::<E, S>::LEN;
    let factor = V::<E, S>::splat(simd, value);
    for (to, from) in to.chunks_exact_mut(lanes).zip(from.chunks_exact(lanes)) {
        (V::<E, S>::from_slice(simd, to) + V::<E, S>::from_slice(simd, from) * factor).store_slice(to);
    }
}

/// Convolve the events of images (images, channels * height * width) into `out` (images, outputs, height, width after).
pub fn conv2d<E: Elem>(
    context: &Context<'_>,
    level: Level,
    events: &Events<'_, E>,
    weight: &[E],
    bias: Option<&[E]>,
    out: &mut [E],
    conv: &Conv2d,
) -> Result<()> {
    let plan = Plan::new(level, conv, events)?;
    let (taps, wide, pixels_out) = (plan.taps(), plan.wide, plan.output.0 * plan.output.1);
    length("weight", weight, &[conv.outputs, conv.channels, conv.kernel.0, conv.kernel.1])?;
    length("out", out, &[conv.images, conv.outputs, plan.output.0, plan.output.1])?;
    finite("weight", weight)?;
    if let Some(bias) = bias {
        length("bias", bias, &[conv.outputs])?;
        finite("bias", bias)?;
    }
    if out.is_empty() {
        return Ok(());
    }
    let mut table = Aligned::zeros((conv.channels * taps).checked_mul(wide), "weight")?;
    for (o, weight) in weight.chunks_exact((conv.channels * taps).max(1)).enumerate() {
        for (row, w) in table.chunks_exact_mut(wide).zip(weight) {
            row[o] = *w;
        }
    }
    let pixels = conv.size.0 * conv.size.1;
    let cost =
        (usize::try_from(events.count()).unwrap_or(usize::MAX) / conv.images).saturating_mul(taps * wide).saturating_add(pixels_out * wide);
    let group = (TASK / cost.max(1)).clamp(1, conv.images);
    let image_out = conv.outputs * pixels_out;
    let tasks: Vec<_> = out.chunks_mut(group * image_out).enumerate().collect();
    for_each(context, tasks, |(number, out), stop| {
        let (mut sorted, mut sums) = (Sorted::new(pixels), vec![E::ZERO; pixels_out * wide]);
        for (image, out) in out.chunks_exact_mut(image_out).enumerate() {
            if stop.now() {
                return;
            }
            sums.fill(E::ZERO);
            sorted.fill(events, number * group + image, pixels);
            on_level!(level, simd => forward(simd, &plan, &sorted, &table, &mut sums));
            for (o, out) in out.chunks_exact_mut(pixels_out).enumerate() {
                for (y, sums) in out.iter_mut().zip(sums.chunks_exact(wide)) {
                    *y = bias.map_or(sums[o], |bias| sums[o] + bias[o]);
                }
            }
        }
    })
}

#[inline(always)]
fn forward<E: Elem, S: Simd>(simd: S, plan: &Plan, sorted: &Sorted<E>, table: &[E], sums: &mut [E]) {
    let (taps, wide) = (plan.taps(), plan.wide);
    for y in 0..plan.conv.size.0 {
        for x in 0..plan.conv.size.1 {
            for (channel, value) in sorted.of(y * plan.conv.size.1 + x) {
                let rows = &table[*channel as usize * taps * wide..][..taps * wide];
                plan.meet(
                    y,
                    x,
                    #[inline(always)]
                    |tap, pixel| add(simd, &mut sums[pixel * wide..][..wide], &rows[tap * wide..][..wide], *value),
                );
            }
        }
    }
}

/// Write the gradient of the weight (outputs, channels, kernel rows, kernel columns) from that of y (images, outputs, height, width after).
pub fn weight_gradient<E: Elem>(
    context: &Context<'_>,
    level: Level,
    events: &Events<'_, E>,
    grad: &[E],
    grad_weight: &mut [E],
    conv: &Conv2d,
) -> Result<()> {
    let plan = Plan::new(level, conv, events)?;
    let (taps, wide, pixels_out) = (plan.taps(), plan.wide, plan.output.0 * plan.output.1);
    length("grad_weight", grad_weight, &[conv.outputs, conv.channels, conv.kernel.0, conv.kernel.1])?;
    length("grad", grad, &[conv.images, conv.outputs, plan.output.0, plan.output.1])?;
    grad_weight.fill(E::ZERO);
    if grad.is_empty() || grad_weight.is_empty() {
        return Ok(());
    }
    let pixels = conv.size.0 * conv.size.1;
    let size = (conv.channels * taps).checked_mul(wide);
    drop(Aligned::<E>::zeros(size, "grad_weight")?);
    let size = size.unwrap_or(0);
    let shares = SHARES.min(SHARED_BYTES / (size * size_of::<E>()).max(1)).clamp(1, conv.images);
    let mut totals = vec![Vec::new(); shares];
    let image_out = conv.outputs * pixels_out;
    let tasks = totals.iter_mut().enumerate().map(|(n, total)| (n * conv.images / shares..(n + 1) * conv.images / shares, total)).collect();
    for_each(context, tasks, |(images, total): (std::ops::Range<usize>, &mut Vec<E>), stop| {
        total.resize(size, E::ZERO);
        let (mut sorted, mut dy) = (Sorted::new(pixels), vec![E::ZERO; pixels_out * wide]);
        for image in images {
            if stop.now() {
                return;
            }
            sorted.fill(events, image, pixels);
            if sorted.events.is_empty() {
                continue;
            }
            for (o, grad) in grad[image * image_out..][..image_out].chunks_exact(pixels_out).enumerate() {
                for (dy, grad) in dy.chunks_exact_mut(wide).zip(grad) {
                    dy[o] = *grad;
                }
            }
            on_level!(level, simd => backward(simd, &plan, &sorted, &dy, total));
        }
    })?;
    for total in totals {
        for (at, row) in total.chunks_exact(wide).enumerate() {
            for (o, w) in row[..conv.outputs].iter().enumerate() {
                grad_weight[o * conv.channels * taps + at] += *w;
            }
        }
    }
    Ok(())
}

#[inline(always)]
fn backward<E: Elem, S: Simd>(simd: S, plan: &Plan, sorted: &Sorted<E>, dy: &[E], total: &mut [E]) {
    let (taps, wide) = (plan.taps(), plan.wide);
    for y in 0..plan.conv.size.0 {
        for x in 0..plan.conv.size.1 {
            for (channel, value) in sorted.of(y * plan.conv.size.1 + x) {
                let rows = &mut total[*channel as usize * taps * wide..][..taps * wide];
                plan.meet(
                    y,
                    x,
                    #[inline(always)]
                    |tap, pixel| add(simd, &mut rows[tap * wide..][..wide], &dy[pixel * wide..][..wide], *value),
                );
            }
        }
    }
}
