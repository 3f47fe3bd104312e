//! A run: block after block of every sample, on as many threads as there are samples.

use std::sync::Arc;

use super::input::{Input, expect};
use super::sample::{Counts, Memory, Rows, Sample};
use super::signal::list;
use super::{Op, Plan};
use crate::Kernels;
use rsnn_base::error::{Error, Result};
use rsnn_base::pool::{Context, for_each};
use rsnn_neurons::scan::forward::Trace;
use rsnn_products::event::Path;

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
        Self { samples: (0..samples).map(|_| Sample::new(&plan, kept)).collect(), plan, broken: false }
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
            Some((Op::Neurons(neurons), len)) => Ok(neurons.n_states * len),
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

/// See [`Run::advance`].
pub fn advance<E: Kernels>(run: &mut Run<E>, context: &Context<'_>, job: Job<'_, E>) -> Result<()> {
    run.advance(context, job)
}
