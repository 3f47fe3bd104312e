//! Convolutions by events, for training: forward, and the gradient of the weight, over images (channels, height, width).
//!
//! The events of an image are sorted into raster order, `[pixel][channel]`, and go the ways of `conv.rs`, forward and back; y and dy are
//! turned between `[output][pixel]` and `[pixel][output]`. Every output meets kernel rows, columns and channels in ascending order, which is
//! the promised one. Tasks are images; the gradients of some images are summed in a share, and the shares in their order: neither depends
//! on the number of threads.

use fearless_simd::Level;

use super::bits::Events;
use super::conv::{Scatter, add_laid};
use super::{CROSSOVER, Event};
use crate::product::{Conv2d, finite, length};
use rsnn_base::elem::Elem;
use rsnn_base::error::{Error, Result};
use rsnn_base::memory::Aligned;
use rsnn_base::pool::{Context, for_each};

/// Additions worth a task of its own.
const TASK: usize = 1 << 20;
/// Shares of a gradient at most.
const SHARES: usize = 16;
/// Bytes that all shares together should not exceed.
const SHARED_BYTES: usize = 1 << 26;
/// Nanoseconds, about, of a multiplication in the dense convolution; and by events of an output, beyond what it takes densely, for it is
/// zeroed and turned, of an event, and of a multiplication. Measured over eight shapes at 0.3 to 30 %; they hold where 8 to 128 channels
/// and kernels of 3 to 5 cross within a third.
const TIMES: [f64; 4] = [0.042, 0.8, 15.0, 0.1];
/// Pixels turned at a time: what is read and what is written stay in the first cache.
const STRIP: usize = 32;

/// The events of one image in raster order.
struct Sorted<E> {
    /// Where the events of each pixel begin; the next one's place while they are sorted.
    places: Vec<u32>,
    events: Vec<Event<E>>,
    channels: usize,
}

impl<E: Elem> Sorted<E> {
    fn new(conv: &Conv2d) -> Self {
        Self { places: vec![0; conv.size.0 * conv.size.1 + 1], events: Vec::new(), channels: conv.channels }
    }

    #[allow(clippy::cast_possible_truncation, reason = "an image has fewer than 2^32 entries; checked by the caller")]
    fn fill(&mut self, events: &Events<'_, E>, image: usize) {
        let pixels = self.places.len() - 1;
        self.places.fill(0);
        let mut count = 0;
        events.visit(image, |at, _| {
            self.places[at % pixels + 1] += 1;
            count += 1;
        });
        for k in 1..pixels {
            self.places[k] += self.places[k - 1];
        }
        self.events.resize(count, Event { at: 0, value: E::ZERO });
        events.visit(image, |at, value| {
            let (channel, pixel) = (at / pixels, at % pixels);
            let place = &mut self.places[pixel];
            self.events[*place as usize] = Event { at: (pixel * self.channels + channel) as u32, value };
            *place += 1;
        });
    }
}

/// The share of entries that are not 0 above which the dense convolution is faster: the more, the more is multiplied for each output.
#[must_use]
pub fn crossover(conv: &Conv2d) -> f64 {
    let Ok(output) = conv.output_size() else { return 0.0 };
    let [multiply, output_time, event, follow] = TIMES;
    let entries = (conv.channels * conv.size.0 * conv.size.1) as f64;
    let outputs = (conv.outputs * output.0 * output.1) as f64;
    let products = outputs * (conv.channels * conv.kernel.0 * conv.kernel.1) as f64;
    let spared = products * multiply - outputs * output_time;
    (spared / (entries * event + products * follow)).clamp(0.0, CROSSOVER)
}

/// Refuse events that are not those of the convolution's images.
fn check<E: Elem>(conv: &Conv2d, events: &Events<'_, E>) -> Result<(usize, usize)> {
    let entries = conv.channels.checked_mul(conv.size.0).and_then(|n| n.checked_mul(conv.size.1));
    if Some(events.shape().1) != entries || events.shape().0 != conv.images {
        return Err(Error::value(format!("x: events of {:?} came; the convolution is {conv:?}", events.shape())));
    }
    if u32::try_from(events.shape().1).is_err() {
        return Err(Error::value("x: images of more than 2^32 entries have too many events to list"));
    }
    conv.output_size()
}

/// Write (rows, columns) to (columns, rows).
fn turn<E: Elem>(from: &[E], columns: usize, to: &mut [E]) {
    let rows = from.len() / columns.max(1);
    for first in (0..rows).step_by(STRIP) {
        let last = rows.min(first + STRIP);
        for (column, to) in to.chunks_exact_mut(rows.max(1)).enumerate() {
            for (k, to) in to[first..last].iter_mut().enumerate() {
                *to = from[(first + k) * columns + column];
            }
        }
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
    let output = check(conv, events)?;
    let pixels = output.0 * output.1;
    length("weight", weight, &[conv.outputs, conv.channels, conv.kernel.0, conv.kernel.1])?;
    length("out", out, &[conv.images, conv.outputs, output.0, output.1])?;
    finite("weight", weight)?;
    if let Some(bias) = bias {
        length("bias", bias, &[conv.outputs])?;
        finite("bias", bias)?;
    }
    if out.is_empty() {
        return Ok(());
    }
    let scatter = Scatter::new(conv, weight)?;
    let image_out = conv.outputs * pixels;
    let average = usize::try_from(events.count()).unwrap_or(usize::MAX) / conv.images;
    let cost = average.saturating_mul(conv.kernel.0 * conv.kernel.1 * conv.outputs).saturating_add(image_out);
    let group = (TASK / cost.max(1)).clamp(1, conv.images);
    let tasks: Vec<_> = out.chunks_mut(group * image_out).enumerate().collect();
    for_each(context, tasks, |(number, out), stop| {
        let (mut sorted, mut sums) = (Sorted::new(conv), vec![E::ZERO; image_out]);
        for (image, out) in out.chunks_exact_mut(image_out).enumerate() {
            if stop.now() {
                return;
            }
            sums.fill(E::ZERO);
            sorted.fill(events, number * group + image);
            scatter.add(level, &sorted.events, &mut sums);
            turn(&sums, conv.outputs, out);
            if let Some(bias) = bias {
                for (out, bias) in out.chunks_exact_mut(pixels).zip(bias) {
                    for y in out {
                        *y += *bias;
                    }
                }
            }
        }
    })
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
    let output = check(conv, events)?;
    length("grad_weight", grad_weight, &[conv.outputs, conv.channels, conv.kernel.0, conv.kernel.1])?;
    length("grad", grad, &[conv.images, conv.outputs, output.0, output.1])?;
    grad_weight.fill(E::ZERO);
    if grad.is_empty() || grad_weight.is_empty() {
        return Ok(());
    }
    let scatter = Scatter::new(conv, grad_weight)?;
    let size = grad_weight.len();
    drop(Aligned::<E>::zeros(Some(size), "grad_weight")?);
    let image_out = conv.outputs * output.0 * output.1;
    // No more shares than their sum is worth beside the gradient that is read.
    let worth = (4 * conv.images * image_out / size).max(1);
    let shares = SHARES.min(SHARED_BYTES / size_of_val(grad_weight).max(1)).min(worth).clamp(1, conv.images);
    let mut totals = vec![Vec::new(); shares];
    let tasks = totals.iter_mut().enumerate().map(|(n, total)| (n * conv.images / shares..(n + 1) * conv.images / shares, total)).collect();
    for_each(context, tasks, |(images, total): (std::ops::Range<usize>, &mut Vec<E>), stop| {
        total.resize(size, E::ZERO);
        let (mut sorted, mut dy) = (Sorted::new(conv), vec![E::ZERO; image_out]);
        for image in images {
            if stop.now() {
                return;
            }
            sorted.fill(events, image);
            if !sorted.events.is_empty() {
                turn(&grad[image * image_out..][..image_out], output.0 * output.1, &mut dy);
                scatter.add_gradient(level, &sorted.events, &dy, total);
            }
        }
    })?;
    for total in totals {
        add_laid(conv, &total, grad_weight);
    }
    Ok(())
}
