//! tinyODIN: a crossbar of neurons, events one after the other, spikes through a queue.
//!
//! ```text
//! spike of neuron p        v_j = clamp(v_j + W[p, j])     for every j ascending
//! time reference           v_j moves by leak_j towards 0, not across
//! after each of the two    v_j >= threshold_j and v_j >= 0: a spike of j, v_j = 0; sent on unless disabled
//! ```
//! Spikes wait in a queue of 128, where the one being processed still counts; what comes to a full queue is lost. An event is
//! finished, queue and all, before the next. Membranes have 12 bits; a threshold has 12 bits without a sign.

use std::collections::VecDeque;

use fearless_simd::Level;

use crate::neuron::{Neuron, outside};
use crate::rows::{Flow, Lined, Rows, RunWord, padded};
use crate::word::Number;
use rsnn_base::error::{Error, Result};
use rsnn_base::pool::{Context, Stop, for_each};
use rsnn_base::raw::Ahead;

/// Neurons of the chip.
pub const MOST: usize = 256;
const QUEUE: usize = 128;
const BITS: u32 = 12;
/// Events between two questions whether to stop.
const PAUSE: usize = 16;
/// Spikes that one event may set off before the chip is said to fire for ever.
const ENDLESS: usize = 1 << 16;
/// The two updates as lines of knobs.
const SPIKE: &str = "v=12,saturate fire=single reset=zero";
const LEAK: &str = "v=12,saturate,constant,before fire=single reset=zero";

/// Numbers of a chip with `n` neurons.
#[derive(Clone, Copy, Debug)]
pub struct Chip<'a> {
    /// Weights `(pre, post)`.
    pub weights: &'a [i64],
    /// Thresholds.
    pub threshold: &'a [i64],
    /// Leaks.
    pub leak: &'a [i64],
    /// Neurons whose spikes are not sent.
    pub disable: &'a [bool],
    /// Spikes do not come back to the neurons.
    pub open_loop: bool,
}

/// What a chip sent: addresses in order, and how many for each event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Addresses.
    pub spikes: Vec<u8>,
    /// For each event.
    pub counts: Vec<i64>,
    /// Additions of a weight to a membrane.
    pub operations: u64,
    /// Spikes that came to a full queue.
    pub lost: u64,
}

struct Running<'a> {
    chip: &'a Chip<'a>,
    level: Level,
    spike: Neuron,
    leak: Neuron,
    n: usize,
    rows: Rows<i32>,
    /// What the next update adds.
    drive: Lined<i32>,
    /// The spikes of the last one.
    fired: Lined<i32>,
    queue: VecDeque<usize>,
    sent: Sent,
}

impl Running<'_> {
    /// Neurons that have just fired: sent on, in ascending order.
    fn collect(&mut self, only: Option<usize>) {
        for j in 0..self.n {
            if self.fired[j] == 0 || self.chip.disable[j] || only.is_some_and(|only| only != j) {
                continue;
            }
            self.sent.spikes.push(u8::narrow(i64::try_from(j).unwrap_or(0)));
            if self.chip.open_loop {
                continue;
            }
            if self.queue.len() < QUEUE {
                self.queue.push_back(j);
            } else {
                self.sent.lost += 1;
            }
        }
    }

    fn update(&mut self, leak: bool) {
        let neuron = if leak { self.leak } else { self.spike };
        if self.n > 0 {
            let traces = [&mut [] as &mut [i32], &mut [], &mut []];
            let mut flow = Flow {
                steps: 1,
                lanes: self.rows.v.len(),
                x: &self.drive,
                s: &mut self.fired,
                traces,
                restarts: 0,
                calm: false,
                ahead: Ahead::NONE,
            };
            i32::run(self.level, &neuron, &mut self.rows, &mut flow);
        }
    }

    /// One neuron alone: the others keep their membranes.
    fn update_one(&mut self, j: usize, add: i32, leak: bool) {
        let v = self.rows.v.clone();
        self.drive.fill(0);
        self.drive[j] = add;
        self.update(leak);
        let own = self.rows.v[j];
        self.rows.v = v;
        self.rows.v[j] = own;
        self.collect(Some(j));
    }

    /// A spike of `p` reaches every neuron.
    fn reach(&mut self, p: usize) {
        let n = self.n;
        self.drive.iter_mut().zip(&self.chip.weights[p * n..][..n]).for_each(|(u, &w)| *u = i32::narrow(w));
        self.update(false);
        self.sent.operations += n as u64;
        self.collect(None);
    }

    /// Process a word; false where the chip does not come to rest after it.
    fn event(&mut self, word: u16, stop: &Stop<'_>) -> bool {
        let n = self.n;
        let address = usize::from(word & 0xff);
        if word & 0x100 != 0 {
            if address == 0xff {
                self.drive.fill(0);
                self.update(true);
                self.collect(None);
            } else if address < n {
                self.update_one(address, 0, true);
            }
        } else {
            let weight = i32::from((word & 0xf0).cast_signed() << 8 >> 12);
            let virtually = word & 0x200 != 0;
            let neuron = if virtually { address & 0xf } else { address };
            if neuron < n {
                if virtually && weight != 0 {
                    self.update_one(neuron, weight, false);
                } else {
                    self.reach(neuron);
                }
            }
        }
        let mut done = 0_usize;
        while let Some(&p) = self.queue.front() {
            if done % PAUSE == PAUSE - 1 && stop.now() {
                return true;
            }
            if done == ENDLESS {
                return false;
            }
            self.reach(p);
            self.queue.pop_front();
            done += 1;
        }
        true
    }
}

/// Process events, words of 10 bits; `v` comes in and goes out.
pub fn run(context: &Context<'_>, level: Level, chip: &Chip<'_>, events: &[u16], v: &mut [i64]) -> Result<Sent> {
    let n = v.len();
    let lengths = [chip.threshold.len(), chip.leak.len(), chip.disable.len()];
    if n > MOST || chip.weights.len() != n * n || lengths.iter().any(|&length| length != n) {
        return Err(Error::value(format!("weights, threshold, leak, disable, v: must belong to the same {n} neurons, at most {MOST}")));
    }
    let far = |values: &[i64], low: i64, high: i64| values.iter().any(|&value| value < low || value > high);
    if far(chip.weights, -8, 7) || far(chip.threshold, 0, 4095) || far(chip.leak, 0, 127) || v.iter().any(|&v| outside(v.into(), BITS)) {
        return Err(Error::value("weights -8 to 7, threshold 0 to 4095, leak 0 to 127, v -2048 to 2047 are what the chip holds"));
    }
    if let Some(word) = events.iter().find(|&&word| word > 0x3ff) {
        return Err(Error::value(format!("events: {word} is not a word of 10 bits")));
    }
    let rows = Rows {
        v: padded(v, 0),
        v_threshold: padded(chip.threshold, 1),
        // Of 0 is a threshold like any other here: a neuron fires once an update.
        low_thresholds: false,
        decay_v: padded(chip.leak, 0),
        ..Rows::default()
    };
    let mut running = Running {
        chip,
        level,
        spike: Neuron::parse(SPIKE)?,
        leak: Neuron::parse(LEAK)?,
        n,
        drive: Lined::zeros(rows.v.len()),
        fired: Lined::zeros(rows.v.len()),
        rows,
        queue: VecDeque::new(),
        sent: Sent::default(),
    };
    let mut endless = None;
    for_each(context, vec![(&mut running, &mut endless)], |(running, endless), stop| {
        for (k, &word) in events.iter().enumerate() {
            if k % PAUSE == 0 && stop.now() {
                break;
            }
            let before = running.sent.spikes.len();
            if !running.event(word, stop) {
                *endless = Some(k);
                break;
            }
            running.sent.counts.push(i64::try_from(running.sent.spikes.len() - before).unwrap_or(i64::MAX));
        }
    })?;
    if let Some(k) = endless {
        return Err(Error::value(format!(
            "events: after event {k} the chip goes on firing by itself, {ENDLESS} spikes and no end; raise threshold, lower weights, or \
             cut the loop with open_loop=True"
        )));
    }
    v.iter_mut().zip(running.rows.v.iter()).for_each(|(v, &value)| *v = i64::from(value));
    Ok(running.sent)
}
