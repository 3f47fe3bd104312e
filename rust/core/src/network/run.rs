//! A run: the memory of every sample, and all nodes over block after block of its steps.

use std::collections::VecDeque;
use std::sync::Arc;

use super::map::{Cells, Map};
use super::neurons::Membranes;
use super::product::Desk;
use super::signal::{Signal, count, list, list_bits};
use super::{Op, Plan};
use crate::error::{Error, Result};
use crate::event::{Event, Path};
use crate::pool::{Context, Stop, for_each};
use crate::scan::Kernels;
use crate::scan::forward::Trace;

/// From this part of inputs that are not 0 on they are not listed.
const LISTED: f64 = 0.3;

/// The input of a run; row `t * samples + b` is a step of a sample.
#[derive(Clone, Copy)]
pub enum Input<'a, E> {
    /// All entries.
    Dense(&'a [E]),
    /// A bit for each entry, rows of whole words.
    Bits(&'a [u64]),
    /// What is not 0: where each row begins (and the end), entry, and value, 1 where there is none.
    Events(&'a [u64], &'a [u32], Option<&'a [E]>),
}

/// What a node did, counted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Inputs of a product that were not 0.
    pub inputs: u64,
    /// Its synaptic operations.
    pub operations: u64,
    /// Blocks in which it followed the events.
    pub followed: u64,
    /// Blocks in which it multiplied everything.
    pub multiplied: u64,
    /// Outputs of neurons that were not 0.
    pub fired: u64,
    /// All their spikes.
    pub spikes: f64,
}

impl Counts {
    fn add(&mut self, other: &Self) {
        self.inputs += other.inputs;
        self.operations += other.operations;
        self.followed += other.followed;
        self.multiplied += other.multiplied;
        self.fired += other.fired;
        self.spikes += other.spikes;
    }
}

/// The spikes of a layer of one sample, as they are kept.
#[derive(Clone, Debug)]
struct Kept<E> {
    at: Vec<u32>,
    /// Empty while all are 1.
    values: Vec<E>,
    /// Of each step.
    counts: Vec<u64>,
}

impl<E: Kernels> Kept<E> {
    fn push(&mut self, events: &[Event<E>]) {
        self.counts.push(events.len() as u64);
        if self.values.is_empty() && events.iter().any(|event| event.value != E::ONE) {
            self.values = vec![E::ONE; self.at.len()];
            self.values.extend(events.iter().map(|event| event.value));
        } else if !self.values.is_empty() {
            self.values.extend(events.iter().map(|event| event.value));
        }
        self.at.extend(events.iter().map(|event| event.at));
    }
}

/// What a node remembers of one sample.
enum Memory<E> {
    Nothing,
    Desk(Desk<E>),
    Membranes(Membranes<E>),
    Cells(Cells<E>),
    Past(VecDeque<Vec<Event<E>>>),
}

/// One sample.
struct Sample<E> {
    memory: Vec<Memory<E>>,
    signals: Vec<Signal<E>>,
    counts: Vec<Counts>,
    kept: Vec<Option<Kept<E>>>,
    failed: Option<Error>,
}

/// A network at work: it goes on from where the last call left it.
pub struct Run<E> {
    plan: Arc<Plan<E>>,
    samples: Vec<Sample<E>>,
    /// Whether a call was interrupted: the samples stand at different steps.
    broken: bool,
}

/// Spikes of a layer: where each row, sample after sample, begins (and the end), entry, and value where they are not all 1.
pub type Spikes<E> = (Vec<u64>, Vec<u32>, Option<Vec<E>>);

/// What is asked for of a call.
pub struct Job<'a, E> {
    /// Steps.
    pub steps: usize,
    /// The input.
    pub input: Input<'a, E>,
    /// Which way products are computed.
    pub path: Path,
    /// `(steps, samples, entries)` of the last node.
    pub output: &'a mut [E],
    /// What is recorded: node, trace, `(steps, samples, entries)`.
    pub record: Vec<(usize, Trace, &'a mut [E])>,
}

/// The rows of one sample of what a call writes.
struct Rows<'a, E> {
    output: Vec<&'a mut [E]>,
    record: Vec<(usize, Trace, Vec<&'a mut [E]>)>,
}

/// Cut `(steps, samples, len)` into the rows of each sample.
fn deal<E>(array: &mut [E], samples: usize, len: usize) -> Vec<Vec<&mut [E]>> {
    let mut rows: Vec<Vec<&mut [E]>> = (0..samples).map(|_| Vec::new()).collect();
    for (k, row) in array.chunks_exact_mut(len.max(1)).enumerate() {
        rows[k % samples].push(row);
    }
    rows
}

impl<E: Kernels> Run<E> {
    /// Begin with `samples` samples, all states 0; `kept` says of which nodes the spikes are kept.
    #[must_use]
    pub fn new(plan: Arc<Plan<E>>, samples: usize, kept: &[bool]) -> Self {
        let one = |_| Sample {
            memory: plan.nodes.iter().map(|node| memory_of(node)).collect(),
            signals: plan.nodes.iter().map(|node| Signal::new(node.len)).collect(),
            counts: vec![Counts::default(); plan.nodes.len()],
            kept: kept.iter().map(|kept| kept.then(|| Kept { at: Vec::new(), values: Vec::new(), counts: Vec::new() })).collect(),
            failed: None,
        };
        Self { samples: (0..samples).map(one).collect(), plan, broken: false }
    }

    /// The network.
    #[must_use]
    pub fn plan(&self) -> &Plan<E> {
        &self.plan
    }

    /// How many samples there are.
    #[must_use]
    pub fn samples(&self) -> usize {
        self.samples.len()
    }

    /// Begin from the states of a node: `(samples, states, entries)`.
    pub fn begin(&mut self, node: usize, state: &[E]) -> Result<()> {
        let plan = Arc::clone(&self.plan);
        let width = self.width(node)?;
        if Some(state.len()) != self.samples.len().checked_mul(width) {
            return Err(Error::value(format!("state: {} entries came for {} samples of {width}", state.len(), self.samples.len())));
        }
        for (sample, state) in self.samples.iter_mut().zip(state.chunks_exact(width.max(1))) {
            match (&plan.nodes[node].op, &mut sample.memory[node]) {
                (Op::Neurons(neurons), Memory::Membranes(membranes)) => neurons.begin(membranes, state),
                (_, Memory::Past(past)) => {
                    for (row, state) in past.iter_mut().zip(state.chunks_exact(plan.nodes[node].len.max(1))) {
                        row.clear();
                        list(plan.level, state, row);
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Write the states of a node, `(samples, states, entries)`, to `to`.
    pub fn end(&self, node: usize, to: &mut [E]) -> Result<()> {
        self.check()?;
        let width = self.width(node)?;
        let len = self.plan.nodes[node].len;
        if Some(to.len()) != self.samples.len().checked_mul(width) {
            return Err(Error::value(format!("state: {} entries came for {} samples of {width}", to.len(), self.samples.len())));
        }
        to.fill(E::ZERO);
        for (sample, to) in self.samples.iter().zip(to.chunks_exact_mut(width.max(1))) {
            match (&self.plan.nodes[node].op, &sample.memory[node]) {
                (Op::Neurons(neurons), Memory::Membranes(membranes)) => neurons.end(membranes, to),
                (_, Memory::Past(past)) => {
                    for (row, to) in past.iter().zip(to.chunks_exact_mut(len.max(1))) {
                        for event in row {
                            to[event.at as usize] = event.value;
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The entries of all states of a node together, of one sample.
    pub fn width(&self, node: usize) -> Result<usize> {
        match self.plan.nodes.get(node).map(|node| (&node.op, node.len)) {
            Some((Op::Neurons(neurons), len)) => Ok(neurons.kept * len),
            Some((Op::Delay(steps), len)) => Ok(steps * len),
            _ => Err(Error::value(format!("node {node} has no state"))),
        }
    }

    /// What a node did so far, in all samples.
    #[must_use]
    pub fn counts(&self, node: usize) -> Counts {
        let mut total = Counts::default();
        for sample in &self.samples {
            total.add(&sample.counts[node]);
        }
        total
    }

    /// The spikes that were kept of a node so far, which are forgotten then.
    pub fn take_spikes(&mut self, node: usize) -> Option<Spikes<E>> {
        let mut starts = vec![0];
        let (mut at, mut values) = (Vec::new(), Vec::new());
        let graded = self.samples.iter().any(|sample| sample.kept[node].as_ref().is_some_and(|kept| !kept.values.is_empty()));
        for sample in &mut self.samples {
            let kept = sample.kept[node].as_mut()?;
            for count in kept.counts.drain(..) {
                starts.push(starts.last().copied().unwrap_or(0) + count);
            }
            if graded {
                if kept.values.is_empty() {
                    kept.values.resize(kept.at.len(), E::ONE);
                }
                values.append(&mut kept.values);
            }
            if at.is_empty() {
                at = std::mem::take(&mut kept.at);
            } else {
                at.append(&mut kept.at);
            }
        }
        Some((starts, at, graded.then_some(values)))
    }

    fn check(&self) -> Result<()> {
        if self.broken {
            return Err(Error::value("the run was interrupted in the middle of a step; begin again from a state"));
        }
        Ok(())
    }

    /// Go on for some steps.
    pub fn advance(&mut self, context: &Context<'_>, job: Job<'_, E>) -> Result<()> {
        self.check()?;
        let Self { plan, samples, broken } = self;
        let Job { steps, input, path, output, record } = job;
        let batch = samples.len();
        let rows = steps.checked_mul(batch).ok_or_else(|| Error::value("steps: more than this machine can count"))?;
        let lens = (plan.nodes[0].len, plan.nodes[plan.nodes.len() - 1].len);
        input.check(rows, lens.0)?;
        expect("output", output.len(), rows, lens.1)?;
        for (node, _, array) in &record {
            let Some(Op::Neurons(neurons)) = plan.nodes.get(*node).map(|node| &node.op) else {
                return Err(Error::value(format!("record: node {node} has no neurons")));
            };
            expect("record", array.len(), rows, neurons.len)?;
        }
        if batch == 0 {
            return Ok(());
        }
        let mut all: Vec<Rows<'_, E>> = deal(output, batch, lens.1).into_iter().map(|output| Rows { output, record: Vec::new() }).collect();
        for (node, trace, array) in record {
            for (rows, dealt) in all.iter_mut().zip(deal(array, batch, plan.nodes[node].len)) {
                rows.record.push((node, trace, dealt));
            }
        }
        let block = plan.block();
        let tasks: Vec<_> = samples.iter_mut().zip(all).enumerate().collect();
        // A single step is never left half done: it is not asked in it whether to stop.
        let single = steps == 1;
        let never = || false;
        let asked = Context { threads: context.threads, poll: if single { &never } else { context.poll } };
        let result = for_each(&asked, tasks, |(number, (sample, mut rows)), stop| {
            for first in (0..steps).step_by(block) {
                if stop.now() {
                    return;
                }
                let steps = block.min(steps - first);
                let begin = |t: usize| (first + t) * batch + number;
                input.fill(plan.level, &mut sample.signals[0], steps, begin);
                if let Err(error) = sample.block(plan, path, (first, steps), &mut rows, stop) {
                    sample.failed = Some(error);
                    return;
                }
            }
        });
        *broken = result.is_err() || samples.iter().any(|sample| sample.failed.is_some());
        if let Some(error) = samples.iter_mut().find_map(|sample| sample.failed.take()) {
            return Err(error);
        }
        result
    }
}

fn memory_of<E: Kernels>(node: &super::Node<E>) -> Memory<E> {
    match &node.op {
        Op::Input => Memory::Nothing,
        Op::Product(_) => Memory::Desk(Desk::default()),
        Op::Neurons(neurons) => {
            let mut membranes = Membranes::default();
            neurons.begin(&mut membranes, &[]);
            Memory::Membranes(membranes)
        }
        Op::Map(Map { join, .. }) => Memory::Cells(Cells::new(node.len, *join)),
        Op::Delay(steps) => Memory::Past((0..*steps).map(|_| Vec::new()).collect()),
    }
}

fn expect(name: &str, came: usize, rows: usize, len: usize) -> Result<()> {
    if Some(came) == rows.checked_mul(len) {
        Ok(())
    } else {
        Err(Error::value(format!("{name}: {came} entries came; {rows} rows of {len} are needed")))
    }
}

impl<E: Kernels> Input<'_, E> {
    fn check(&self, rows: usize, len: usize) -> Result<()> {
        match self {
            Self::Dense(x) => expect("x", x.len(), rows, len),
            Self::Bits(words) => {
                expect("x", words.len(), rows, len.div_ceil(64))?;
                let across = len.div_ceil(64);
                if !len.is_multiple_of(64) && words.chunks_exact(across.max(1)).any(|row| row[across - 1] >> (len % 64) != 0) {
                    return Err(Error::value(format!("x: a bit beyond the {len} entries of a step is set; it must be 0")));
                }
                Ok(())
            }
            Self::Events(starts, at, values) => {
                expect("starts", starts.len(), rows + 1, 1)?;
                expect("values", values.map_or(at.len(), <[E]>::len), at.len(), 1)?;
                let ascending = starts.is_sorted() && starts[0] == 0 && starts[rows] == at.len() as u64;
                #[allow(clippy::cast_possible_truncation, reason = "at most at.len()")]
                let sorted = ascending
                    && starts.windows(2).all(|row| {
                        let row = &at[row[0] as usize..row[1] as usize];
                        row.is_sorted_by(|a, b| a < b) && row.last().is_none_or(|last| (*last as usize) < len)
                    });
                if sorted {
                    Ok(())
                } else {
                    Err(Error::value(format!("x: the events of a row must ascend, below {len}, and rows must follow each other")))
                }
            }
        }
    }

    fn fill(&self, level: fearless_simd::Level, signal: &mut Signal<E>, steps: usize, row: impl Fn(usize) -> usize) {
        let len = signal.len;
        match self {
            Self::Dense(x) => {
                let of = |t: usize| &x[row(t) * len..(row(t) + 1) * len];
                if steps > 0 && count(level, of(0)) as f64 > LISTED * len as f64 {
                    for (t, to) in signal.begin_dense(steps).chunks_exact_mut(len.max(1)).enumerate() {
                        to.copy_from_slice(of(t));
                    }
                } else {
                    signal.begin_events();
                    (0..steps).for_each(|t| signal.push(|events| list(level, of(t), events)));
                }
            }
            Self::Bits(words) => {
                let across = len.div_ceil(64);
                signal.begin_events();
                (0..steps).for_each(|t| signal.push(|events| list_bits(&words[row(t) * across..(row(t) + 1) * across], events)));
            }
            Self::Events(starts, at, values) => {
                signal.begin_events();
                for t in 0..steps {
                    #[allow(clippy::cast_possible_truncation, reason = "checked: at most at.len()")]
                    let range = starts[row(t)] as usize..starts[row(t) + 1] as usize;
                    signal.push(|events| {
                        for k in range {
                            let value = values.map_or(E::ONE, |values| values[k]);
                            // Given as an event, it may still be 0.
                            if value != E::ZERO {
                                events.push(Event { at: at[k], value });
                            }
                        }
                    });
                }
            }
        }
    }
}

impl<E: Kernels> Sample<E> {
    /// All nodes over one block; the input is there.
    fn block(&mut self, plan: &Plan<E>, path: Path, (first, steps): (usize, usize), rows: &mut Rows<'_, E>, stop: &Stop<'_>) -> Result<()> {
        let mut recorded = vec![false; plan.nodes.len()];
        for (k, ..) in &rows.record {
            recorded[*k] = true;
        }
        // Products that the neurons after them compute.
        let mut merged = vec![false; plan.nodes.len()];
        for (k, node) in plan.nodes.iter().enumerate() {
            if !recorded[k]
                && let [input] = node.inputs[..]
                && plan.is_merged(input, k)
            {
                merged[input] = true;
            }
        }
        for (k, node) in plan.nodes.iter().enumerate() {
            if stop.now() {
                return Ok(());
            }
            let input = node.inputs.first().copied().unwrap_or(0);
            match &node.op {
                Op::Input => {}
                Op::Product(_) if merged[k] => {}
                Op::Product(_) => self.product(plan, path, k, input, stop),
                Op::Neurons(_) if recorded[k] => self.scan(plan, k, input, first, rows)?,
                Op::Neurons(neurons) if !neurons.can_be_visited() => self.scan(plan, k, input, first, rows)?,
                Op::Neurons(_) => self.visit(plan, path, k, if merged[input] { Some(input) } else { None }, stop),
                Op::Map(map) => {
                    let (before, out) = self.signals.split_at_mut(k);
                    if let Memory::Cells(cells) = &mut self.memory[k] {
                        map.run(plan.level, before, &node.inputs, cells, &mut out[0]);
                    }
                }
                Op::Delay(_) => self.delay(plan, k, input),
            }
            if let Op::Neurons(neurons) = &node.op
                && neurons.spiking
            {
                self.fired(plan, k);
            }
        }
        let last = &mut self.signals[plan.nodes.len() - 1];
        for t in 0..steps {
            let Some(to) = rows.output.get_mut(first + t) else { break };
            if last.is_dense() {
                to.copy_from_slice(last.row(t));
            } else {
                to.fill(E::ZERO);
                for event in last.events(t) {
                    to[event.at as usize] = event.value;
                }
            }
        }
        Ok(())
    }

    /// Count what neurons sent, and keep it where that is wanted.
    fn fired(&mut self, plan: &Plan<E>, k: usize) {
        let signal = &mut self.signals[k];
        signal.list(plan.level);
        self.counts[k].fired += signal.all_events().len() as u64;
        self.counts[k].spikes += signal.all_events().iter().map(|event| event.value.to_f64()).sum::<f64>();
        if let Some(kept) = &mut self.kept[k] {
            for t in 0..signal.steps {
                kept.push(signal.events(t));
            }
        }
    }

    /// Choose the way of a product for this block, and see to it that its input is there.
    fn choose(&mut self, plan: &Plan<E>, path: Path, k: usize, input: usize) -> bool {
        let Op::Product(product) = &plan.nodes[k].op else { return false };
        let (x, counts) = (&mut self.signals[input], &mut self.counts[k]);
        let dense = product.is_dense(plan.level, path, x);
        if dense {
            counts.operations += product.operations(plan.level, x);
            x.spread();
            counts.multiplied += 1;
        } else {
            x.list(plan.level);
            counts.followed += 1;
        }
        counts.inputs += x.count(plan.level) as u64;
        dense
    }

    fn product(&mut self, plan: &Plan<E>, path: Path, k: usize, input: usize, stop: &Stop<'_>) {
        let dense = self.choose(plan, path, k, input);
        let Op::Product(product) = &plan.nodes[k].op else { return };
        let Memory::Desk(desk) = &mut self.memory[k] else { return };
        let (before, out) = self.signals.split_at_mut(k);
        let x = &before[input];
        let len = product.outputs;
        let sums = out[0].begin_dense(x.steps);
        if dense {
            product.multiply(plan.level, x.rows(), sums, len, desk, stop);
        } else {
            sums.fill(E::ZERO);
            for (t, sums) in sums.chunks_exact_mut(len.max(1)).enumerate() {
                self.counts[k].operations += product.follow(plan.level, x.events(t), sums, None, desk);
            }
        }
        if let Some(bias) = &product.bias {
            for sums in sums.chunks_exact_mut(len.max(1)) {
                sums.iter_mut().zip(bias).for_each(|(sum, b)| *sum += *b);
            }
        }
    }

    fn scan(&mut self, plan: &Plan<E>, k: usize, input: usize, first: usize, rows: &mut Rows<'_, E>) -> Result<()> {
        let Op::Neurons(neurons) = &plan.nodes[k].op else { return Ok(()) };
        let Memory::Membranes(membranes) = &mut self.memory[k] else { return Ok(()) };
        self.signals[input].spread();
        let (before, out) = self.signals.split_at_mut(k);
        let x = &before[input];
        let wanted: Vec<Trace> = rows.record.iter().filter(|one| one.0 == k).map(|one| one.1).collect();
        let mut traces = vec![vec![E::ZERO; x.steps * neurons.len]; wanted.len()];
        let record = wanted.into_iter().zip(traces.iter_mut().map(Vec::as_mut_slice)).collect();
        neurons.scan(&Context::serial(), plan.level, x, membranes, record, &mut out[0])?;
        for ((_, _, to), trace) in rows.record.iter_mut().filter(|one| one.0 == k).zip(traces) {
            for (to, row) in to.iter_mut().skip(first).zip(trace.chunks_exact(neurons.len.max(1))) {
                to.copy_from_slice(row);
            }
        }
        Ok(())
    }

    /// Visit neurons, through the product `merged` where there is one.
    fn visit(&mut self, plan: &Plan<E>, path: Path, k: usize, merged: Option<usize>, stop: &Stop<'_>) {
        let input = merged.map_or(plan.nodes[k].inputs[0], |product| plan.nodes[product].inputs[0]);
        let dense = match merged {
            Some(product) => self.choose(plan, path, product, input),
            None => self.signals[input].is_dense(),
        };
        let Op::Neurons(neurons) = &plan.nodes[k].op else { return };
        let Memory::Membranes(membranes) = &mut self.memory[k] else { return };
        let product = merged.and_then(|k| if let Op::Product(product) = &plan.nodes[k].op { Some(product) } else { None });
        let (before, out) = self.signals.split_at_mut(k);
        let made = neurons.visit(plan.level, product, (&before[input], dense), membranes, &mut out[0], stop);
        if let Some(product) = merged {
            self.counts[product].operations += made;
        }
    }

    fn delay(&mut self, plan: &Plan<E>, k: usize, input: usize) {
        let Memory::Past(past) = &mut self.memory[k] else { return };
        self.signals[input].list(plan.level);
        let (before, out) = self.signals.split_at_mut(k);
        out[0].begin_events();
        let mut row = Vec::new();
        for t in 0..before[input].steps {
            row.clear();
            row.extend_from_slice(before[input].events(t));
            past.push_back(row);
            row = past.pop_front().unwrap_or_default();
            out[0].push(|events| events.extend_from_slice(&row));
        }
    }
}
