//! A core of `DynapCNN` event by event, as its documents describe the chip: no time steps inside a layer, one event after the other.
//!
//! ```text
//! at each step    v += bias                                             the tick of the slow clock; nothing fires at it
//! at each event   for each target, rows, then columns, then features ascending:
//!                 v = contain(v + w);  v >= v_threshold: one spike, v = v - v_threshold (or 0);  v = max(v, v_min)
//! ```
//! A neuron fires at most once for an event, and its spikes go on in the order in which they were fired. What order the silicon has is
//! not published; this one is defined.

use crate::neuron::{Neuron, Overflow, Reset, outside, range};
use crate::product::Geometry;
use crate::rows::Extent;
use rsnn_base::error::{Error, Result};
use rsnn_base::pool::{Context, for_each};

/// Events between two questions whether to stop.
const PAUSE: usize = 1024;

/// Events of one sample in order: `offsets[t]..offsets[t + 1]` are those of step `t`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Events {
    /// One more than there are steps.
    pub offsets: Vec<usize>,
    /// Entries of the map, `(channel, row, column)` flattened.
    pub entries: Vec<u32>,
}

/// Numbers of a core: one bias for each feature or one for all, one threshold, one lower clip.
#[derive(Clone, Copy, Debug)]
pub struct Numbers<'a> {
    /// Added at each step.
    pub bias: &'a [i64],
    /// At least 1.
    pub v_threshold: i64,
    /// Read where the neuron has a lower clip.
    pub v_min: i64,
}

/// Run one core over the events of one sample; returns what it sends, after pooling, what the membranes reached, and the additions.
/// `spikes (T, features, rows, columns)` counts what it fired, before pooling.
pub fn layer(
    context: &Context<'_>,
    neuron: &Neuron,
    geometry: &Geometry,
    events: &Events,
    weight: &[i64],
    numbers: &Numbers<'_>,
    pool: usize,
    v: &mut [i64],
    spikes: &mut [i32],
) -> Result<(Events, Extent, u64)> {
    geometry.check()?;
    let steps = events.offsets.len().saturating_sub(1);
    let [rows, columns] = geometry.output();
    let outputs = geometry.outputs();
    if weight.len() != geometry.weights() || v.len() != outputs || spikes.len() != steps * outputs || pool == 0 {
        return Err(Error::value("weight, v, spikes, pool: do not belong to the map"));
    }
    if numbers.bias.is_empty() || numbers.v_threshold < 1 {
        return Err(Error::value("bias, v_threshold: at least one bias and a threshold of at least 1 are needed"));
    }
    let ordered =
        events.offsets.windows(2).all(|pair| pair[0] <= pair[1]) && events.offsets.last().is_none_or(|&last| last == events.entries.len());
    if !ordered || events.entries.iter().any(|&entry| entry as usize >= geometry.inputs()) {
        return Err(Error::value("events: they do not belong to the map"));
    }
    let large = |values: &[i64]| values.iter().any(|&value| outside(i128::from(value), 62));
    if large(weight) || large(numbers.bias) || large(v) || large(&[numbers.v_threshold, numbers.v_min]) {
        return Err(Error::value("weight, bias, v, v_threshold, v_min: must fit 62 bits"));
    }
    let mut run = Run {
        neuron,
        numbers,
        taps: [geometry.taps(0), geometry.taps(1)],
        extent: Extent::default(),
        operations: 0,
        sent: Events { offsets: vec![0], entries: Vec::new() },
        overrun: None,
    };
    let fan_in = geometry.weights().checked_div(geometry.features).unwrap_or(0);
    let turned: Vec<i64> = (0..fan_in).flat_map(|k| (0..geometry.features).map(move |o| weight[o * fan_in + k])).collect();
    for_each(context, vec![(&mut run, v, spikes)], |(run, v, spikes), stop| {
        for (t, pair) in events.offsets.windows(2).enumerate() {
            let spikes = &mut spikes[t * outputs..][..outputs];
            run.tick(t, v, rows * columns);
            for (k, &entry) in events.entries[pair[0]..pair[1]].iter().enumerate() {
                if (k % PAUSE == 0 && stop.now()) || run.overrun.is_some() {
                    return;
                }
                run.event(t, entry as usize, geometry, &turned, v, spikes, pool);
            }
            run.sent.offsets.push(run.sent.entries.len());
        }
    })?;
    if let Some((t, lane, value)) = run.overrun {
        let bits = run.neuron.membrane.bits;
        let (first, last) = range(bits);
        return Err(Error::value(format!(
            "the membrane of neuron {lane} becomes {value} at step {t}, outside the {bits} bits it has ({first} to {last}); \
             use smaller inputs or weights, or overflow=\"saturate\" or \"wrap\""
        )));
    }
    Ok((run.sent, run.extent, run.operations))
}

struct Run<'a> {
    neuron: &'a Neuron,
    numbers: &'a Numbers<'a>,
    taps: [Vec<Vec<(usize, usize)>>; 2],
    extent: Extent,
    operations: u64,
    sent: Events,
    overrun: Option<(usize, usize, i64)>,
}

impl Run<'_> {
    /// Add to a membrane, inside its bits.
    fn add(&mut self, t: usize, lane: usize, v: &mut i64, w: i64) {
        let bits = self.neuron.membrane.bits;
        let u = *v + w;
        let wide = i128::from(u);
        let beyond = u64::from(outside(wide, self.neuron.watch));
        self.extent.join(&Extent { beyond, lowest: wide, highest: wide, ..Extent::default() });
        *v = u;
        if outside(wide, bits) {
            let (first, last) = range(bits);
            match self.neuron.membrane.overflow {
                Overflow::Saturate => *v = u.clamp(first, last),
                Overflow::Wrap => *v = (u << (64 - bits)) >> (64 - bits),
                Overflow::WrapOnce | Overflow::Error => self.overrun = self.overrun.or(Some((t, lane, u))),
            }
        }
    }

    fn tick(&mut self, t: usize, v: &mut [i64], map: usize) {
        let bias = self.numbers.bias;
        if bias.iter().all(|&bias| bias == 0) {
            return;
        }
        for (lane, v) in v.iter_mut().enumerate() {
            self.add(t, lane, v, bias[lane / map % bias.len()]);
        }
    }

    fn event(&mut self, t: usize, entry: usize, geometry: &Geometry, weight: &[i64], v: &mut [i64], spikes: &mut [i32], pool: usize) {
        let Geometry { features, kernel, input, .. } = *geometry;
        let [rows, columns] = geometry.output();
        let (line, column) = (entry / input[1], entry % input[1]);
        let (channel, row) = (line / input[0], line % input[0]);
        let (down, across) = (self.taps[0][row].clone(), self.taps[1][column].clone());
        // Taps ascend with the kernel, so outputs descend.
        for &(ky, oy) in down.iter().rev() {
            for &(kx, ox) in across.iter().rev() {
                let own = &weight[((channel * kernel[0] + ky) * kernel[1] + kx) * features..][..features];
                for (feature, &w) in own.iter().enumerate() {
                    let lane = (feature * rows + oy) * columns + ox;
                    self.add(t, lane, &mut v[lane], w);
                    let v = &mut v[lane];
                    if *v >= self.numbers.v_threshold {
                        *v = match self.neuron.reset {
                            Reset::Subtract => *v - self.numbers.v_threshold,
                            Reset::Zero => 0,
                            Reset::None => *v,
                        };
                        spikes[lane] = spikes[lane].saturating_add(1);
                        self.extent.spikes += 1;
                        self.extent.fired += u64::from(spikes[lane] == 1);
                        self.send(feature, oy / pool, ox / pool, [rows / pool, columns / pool]);
                    }
                    if self.neuron.low.is_some() {
                        *v = (*v).max(self.numbers.v_min);
                    }
                }
            }
        }
        self.operations += (down.len() * across.len() * features) as u64;
    }

    fn send(&mut self, feature: usize, y: usize, x: usize, [rows, columns]: [usize; 2]) {
        if y < rows && x < columns {
            // A map of more than 32 bits of entries does not fit into memory.
            self.sent.entries.push(u32::try_from((feature * rows + y) * columns + x).unwrap_or(u32::MAX));
        }
    }
}
