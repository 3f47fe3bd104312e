//! One sample of a run: what every node remembers of it, and all nodes over one block of its steps.

use std::collections::VecDeque;

use super::map::{Cells, Map};
use super::neurons::Membranes;
use super::product::Desk;
use super::signal::Signal;
use super::{Node, Op, Plan};
use crate::Kernels;
use rsnn_base::error::{Error, Result};
use rsnn_base::pool::{Context, Stop};
use rsnn_neurons::scan::forward::Trace;
use rsnn_products::event::{Event, Path};

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
    pub(super) fn add(&mut self, other: &Self) {
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
pub(super) struct Kept<E> {
    pub at: Vec<u32>,
    /// Empty while all are 1.
    pub values: Vec<E>,
    /// Of each step.
    pub counts: Vec<u64>,
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
pub(super) enum Memory<E> {
    Nothing,
    Desk(Desk<E>),
    Membranes(Membranes<E>),
    Cells(Cells<E>),
    Past(VecDeque<Vec<Event<E>>>),
}

/// One sample.
pub(super) struct Sample<E> {
    pub memory: Vec<Memory<E>>,
    pub signals: Vec<Signal<E>>,
    pub counts: Vec<Counts>,
    pub kept: Vec<Option<Kept<E>>>,
    pub failed: Option<Error>,
}

/// The rows of one sample of what a call writes.
pub(super) struct Rows<'a, E> {
    pub output: Vec<&'a mut [E]>,
    pub record: Vec<(usize, Trace, Vec<&'a mut [E]>)>,
}

fn memory_of<E: Kernels>(node: &Node<E>) -> Memory<E> {
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

impl<E: Kernels> Sample<E> {
    /// A sample at rest; `kept` says of which nodes the spikes are kept.
    pub(super) fn new(plan: &Plan<E>, kept: &[bool]) -> Self {
        Self {
            memory: plan.nodes.iter().map(memory_of).collect(),
            signals: plan.nodes.iter().map(|node| Signal::new(node.len)).collect(),
            counts: vec![Counts::default(); plan.nodes.len()],
            kept: kept.iter().map(|kept| kept.then(|| Kept { at: Vec::new(), values: Vec::new(), counts: Vec::new() })).collect(),
            failed: None,
        }
    }

    /// All nodes over one block; the input is there.
    pub(super) fn block(
        &mut self,
        plan: &Plan<E>,
        path: Path,
        (first, steps): (usize, usize),
        rows: &mut Rows<'_, E>,
        stop: &Stop<'_>,
    ) -> Result<()> {
        let mut recorded = vec![false; plan.nodes.len()];
        for (k, ..) in &rows.record {
            recorded[*k] = true;
        }
        // Products that the neurons after them compute.
        let mut absorbed = vec![false; plan.nodes.len()];
        for (k, node) in plan.nodes.iter().enumerate() {
            if !recorded[k]
                && let [input] = node.inputs[..]
                && plan.is_absorbed(input, k)
            {
                absorbed[input] = true;
            }
        }
        for (k, node) in plan.nodes.iter().enumerate() {
            if stop.now() {
                return Ok(());
            }
            let input = node.inputs.first().copied().unwrap_or(0);
            match &node.op {
                Op::Input => {}
                Op::Product(_) if absorbed[k] => {}
                Op::Product(_) => self.product(plan, path, k, input, stop),
                Op::Neurons(_) if recorded[k] => self.scan(plan, k, input, first, rows)?,
                Op::Neurons(neurons) if !neurons.can_be_visited() => self.scan(plan, k, input, first, rows)?,
                Op::Neurons(_) => self.visit(plan, path, k, if absorbed[input] { Some(input) } else { None }, stop),
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

    /// Visit neurons, through the product `absorbed` where there is one.
    fn visit(&mut self, plan: &Plan<E>, path: Path, k: usize, absorbed: Option<usize>, stop: &Stop<'_>) {
        let input = absorbed.map_or(plan.nodes[k].inputs[0], |product| plan.nodes[product].inputs[0]);
        let dense = match absorbed {
            Some(product) => self.choose(plan, path, product, input),
            None => self.signals[input].is_dense(),
        };
        let Op::Neurons(neurons) = &plan.nodes[k].op else { return };
        let Memory::Membranes(membranes) = &mut self.memory[k] else { return };
        let product = absorbed.and_then(|k| if let Op::Product(product) = &plan.nodes[k].op { Some(product) } else { None });
        let (before, out) = self.signals.split_at_mut(k);
        let made = neurons.visit(plan.level, product, (&before[input], dense), membranes, &mut out[0], stop);
        if let Some(product) = absorbed {
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
