//! The loop over time of a layer whose synapses change: what arrives, the neurons, the change.
//!
//! A step, in this order:
//!
//! ```text
//! input    = (sum over ascending i of w[o, i] x[i]) + bias[o]
//! neurons take their step; their output is what is sent
//! traces decay;  a spike's amplitude = z (a + a_slow y), y its own second trace of before this step's spikes
//! the spikes of this step join the traces that they count in at once (see Coincidence); weights change; the others join theirs
//! ```

use std::sync::{Mutex, PoisonError};

use fearless_simd::Level;

use super::geometry::Geometry;
use super::rule::{Coincidence, Rule, Side};
use super::synapses::{Change, Modulated, Spike, product, reward};
use super::trace::add;
use crate::Kernels;
use rsnn_base::elem::{Elem, on_level};
use rsnn_base::error::{Error, Result};
use rsnn_base::pool::{Context, Stop, for_each};
use rsnn_neurons::neuron::Neuron;
use rsnn_neurons::scan::Table;
use rsnn_neurons::scan::forward::{Forward, Output, Trace};
use rsnn_neurons::scan::group::Recurrent;
use rsnn_neurons::scan::layout::Shape;
use rsnn_products::product::length;

/// The neurons behind the synapses.
pub struct Neurons<'a, E> {
    /// What they are.
    pub neuron: Neuron,
    /// Their coefficients, in the order of the entries.
    pub coefficients: Table<'a, E>,
    /// (states, samples, outputs): before the run, then after it.
    pub state: &'a mut [E],
    /// Added to what comes through the synapses, for each column.
    pub bias: Option<&'a [E]>,
    /// What comes through the synapses, (steps, samples, inputs), where that is not what arrives.
    pub drive: Option<&'a [E]>,
    /// The weights of a recurrent neuron.
    pub recurrent: Option<Recurrent<'a, E>>,
    /// Neurons that compete: neighbours.
    pub group: Option<usize>,
    /// (steps, samples, outputs).
    pub out: &'a mut [E],
    /// What is recorded, (steps, samples, outputs) each.
    pub record: Vec<(Trace, &'a mut [E])>,
}

/// What is sent.
pub enum Post<'a, E> {
    /// Spikes that are known already, (steps, samples, outputs).
    Given(&'a [E]),
    /// The output of neurons, which the weights drive.
    Neurons(Neurons<'a, E>),
}

/// Weights that are kept.
pub struct Recorded<'a, E> {
    /// After every so many steps.
    pub every: usize,
    /// (steps / every, rows, columns).
    pub weight: &'a mut [E],
}

/// A run over time.
pub struct Job<'a, E> {
    /// How weights change.
    pub rule: Rule<E>,
    /// Which synapses there are.
    pub geometry: Geometry,
    /// Samples of a batch.
    pub samples: usize,
    /// Spikes that arrive, (steps, samples, inputs).
    pub pre: &'a [E],
    /// Those that are sent.
    pub post: Post<'a, E>,
    /// (rows, columns): before the run, then after it.
    pub weight: &'a mut [E],
    /// Traces before the synapses, (samples, inputs), and after them, (samples, outputs): before the run, then after it.
    pub traces: [&'a mut [E]; 2],
    /// The second ones, where the rule has them.
    pub slow: Option<[&'a mut [E]; 2]>,
    /// Reward modulation.
    pub modulated: Option<Modulated<'a, E>>,
    /// Weights to keep.
    pub record: Option<Recorded<'a, E>>,
}

impl<E: Elem> Job<'_, E> {
    fn steps(&self) -> usize {
        let sent = match &self.post {
            Post::Given(post) => post.len(),
            Post::Neurons(neurons) => neurons.out.len(),
        };
        let sides = [(self.pre.len(), self.geometry.inputs()), (sent, self.geometry.outputs())];
        sides.into_iter().find_map(|(all, row)| all.checked_div(self.samples * row)).unwrap_or(0)
    }

    fn check(&self) -> Result<()> {
        let (steps, samples, geometry) = (self.steps(), self.samples, &self.geometry);
        let (inputs, outputs, rows, columns) = (geometry.inputs(), geometry.outputs(), geometry.rows(), geometry.columns());
        length("pre", self.pre, &[steps, samples, inputs])?;
        length("weight", self.weight, &[rows, columns])?;
        for [before, after] in
            [Some([&*self.traces[0], &*self.traces[1]]), self.slow.as_ref().map(|s| [&*s[0], &*s[1]])].into_iter().flatten()
        {
            length("trace", before, &[samples, inputs])?;
            length("trace", after, &[samples, outputs])?;
        }
        if let Some(modulated) = &self.modulated {
            length("eligibility", modulated.eligibility, &[samples, rows, columns])?;
            length("reward", modulated.reward, &[steps, samples])?;
        }
        if let Some(Recorded { every, weight }) = &self.record {
            let kept = steps.checked_div(*every).ok_or_else(|| Error::value("record: every=0; must be at least 1"))?;
            length("record", weight, &[kept, rows, columns])?;
        }
        match &self.post {
            Post::Given(post) => length("post", post, &[steps, samples, outputs]),
            Post::Neurons(neurons) => {
                length("out", neurons.out, &[steps, samples, outputs])?;
                length("state", neurons.state, &[neurons.neuron.states().len(), samples, outputs])?;
                length("bias", neurons.bias.unwrap_or_default(), &[neurons.bias.map_or(0, |_| columns)])?;
                for (_, record) in &neurons.record {
                    length("record", record, &[steps, samples, outputs])?;
                }
                neurons.drive.map_or(Ok(()), |drive| length("drive", drive, &[steps, samples, inputs]))
            }
        }
    }
}

/// Run over time.
pub fn run<E: Kernels>(context: &Context<'_>, level: Level, job: Job<'_, E>) -> Result<()> {
    job.check()?;
    let failure = Mutex::new(None);
    let serial = Context { threads: 1, poll: context.poll };
    for_each(&serial, vec![job], |job, stop| {
        if let Err(error) = advance(job, level, stop) {
            *failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        }
    })?;
    failure.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
}

fn advance<E: Kernels>(mut job: Job<'_, E>, level: Level, stop: &Stop<'_>) -> Result<()> {
    let (steps, samples, geometry) = (job.steps(), job.samples, job.geometry);
    let (inputs, outputs) = (samples * geometry.inputs(), samples * geometry.outputs());
    let weights = job.weight.len();
    let mut learning = Learning::new(&geometry);
    let mut sums = vec![E::ZERO; outputs];
    for t in 0..steps {
        if stop.now() {
            return Ok(());
        }
        let pre = &job.pre[t * inputs..][..inputs];
        let post = match &mut job.post {
            Post::Given(post) => &post[t * outputs..][..outputs],
            Post::Neurons(neurons) => {
                let drive = neurons.drive.map_or(pre, |drive| &drive[t * inputs..][..inputs]);
                list(drive, geometry.inputs(), &mut learning.arrived, |_, z| z);
                sums.fill(E::ZERO);
                on_level!(level, simd => product(simd, &geometry, job.weight, &learning.arrived, &mut sums));
                if let Some(bias) = neurons.bias {
                    for sums in sums.chunks_exact_mut(bias.len().max(1)) {
                        sums.iter_mut().zip(bias).for_each(|(sum, bias)| *sum += *bias);
                    }
                }
                neurons.step(level, t, &sums)?;
                &neurons.out[t * outputs..][..outputs]
            }
        };
        on_level!(level, simd => {
            let (rule, traces) = (&job.rule, &mut job.traces);
            let (early, late) = ([rule.coincidence != Coincidence::Neither, rule.coincidence == Coincidence::Both], [pre, post]);
            let sides = [&rule.before, &rule.after];
            let lists = [&mut learning.arrived, &mut learning.sent];
            let mut slow = job.slow.as_mut();
            for (k, list) in lists.into_iter().enumerate() {
                decay(traces[k], sides[k].decay);
                let second = slow.as_mut().map(|slow| &mut *slow[k]);
                amplitudes(sides[k], late[k], second, rule.pairing, list, [geometry.inputs(), geometry.outputs()][k]);
                if early[k] {
                    add(traces[k], late[k], sides[k].gain, rule.pairing);
                }
            }
            match &mut job.modulated {
                None => {
                    learning.change.collect(simd, &geometry, rule.x_target, (&learning.arrived, traces[0]), (&learning.sent, traces[1]));
                    learning.change.learn(simd, &geometry, rule, job.weight);
                }
                Some(modulated) => {
                    decay(modulated.eligibility, modulated.decay);
                    for sample in 0..samples {
                        let (arrived, sent) = (of_sample(&learning.arrived, sample), of_sample(&learning.sent, sample));
                        learning.change.collect(simd, &geometry, rule.x_target, (arrived, traces[0]), (sent, traces[1]));
                        let own = &mut modulated.eligibility[sample * weights..][..weights];
                        learning.change.mark(simd, &geometry, rule, job.weight, own);
                    }
                    reward(rule, job.weight, modulated.eligibility, &modulated.reward[t * samples..][..samples]);
                }
            }
            for k in 0..2 {
                if !early[k] {
                    add(traces[k], late[k], sides[k].gain, rule.pairing);
                }
            }
        });
        if let Some(Recorded { every, weight }) = &mut job.record
            && (t + 1).is_multiple_of(*every)
        {
            weight[((t + 1) / *every - 1) * weights..][..weights].copy_from_slice(job.weight);
        }
    }
    Ok(())
}

struct Learning<E> {
    arrived: Vec<Spike<E>>,
    sent: Vec<Spike<E>>,
    change: Change<E>,
}

impl<E: Elem> Learning<E> {
    fn new(geometry: &Geometry) -> Self {
        Self { arrived: Vec::new(), sent: Vec::new(), change: Change::new(geometry) }
    }
}

impl<E: Kernels> Neurons<'_, E> {
    /// Take step `t`.
    fn step(&mut self, level: Level, t: usize, x: &[E]) -> Result<()> {
        let n = x.len();
        let step = t * n..(t + 1) * n;
        let job = Forward {
            neuron: self.neuron,
            level,
            shape: Shape { outer: 1, time: 1, inner: n },
            x,
            coefficients: self.coefficients,
            state: self.state,
            output: Output::Dense(&mut self.out[step.clone()]),
            record: self.record.iter_mut().map(|(trace, to)| (*trace, &mut to[step.clone()])).collect(),
            picked: None,
            recurrent: self.recurrent,
            group: self.group,
            checkpoints: None,
        };
        E::forward(&Context::serial(), job)
    }
}

#[inline(always)]
fn decay<E: Elem>(trace: &mut [E], by: E) {
    for a in trace {
        *a = by * *a;
    }
}

/// List what is not 0 in the rows of a batch, with what `value` makes of it.
#[inline(always)]
fn list<E: Elem>(x: &[E], n: usize, to: &mut Vec<Spike<E>>, value: impl Fn(usize, E) -> E) {
    let fires = |z: &E| *z != E::ZERO;
    to.clear();
    for (sample, row) in x.chunks_exact(n.max(1)).enumerate() {
        for (block, part) in row.chunks(16).enumerate() {
            // Most of it is 0: looked at together.
            if !part.iter().fold(false, |any, z| any | fires(z)) {
                continue;
            }
            for (lane, z) in part.iter().enumerate() {
                if fires(z) {
                    let at = block * 16 + lane;
                    to.push(Spike { sample, at, value: value(sample * n + at, *z) });
                }
            }
        }
    }
}

/// List the spikes of one side with what they do to a weight; decay its second trace, and add them to it.
#[inline(always)]
fn amplitudes<E: Elem>(side: &Side<E>, z: &[E], second: Option<&mut [E]>, pairing: super::rule::Pairing, to: &mut Vec<Spike<E>>, n: usize) {
    if let Some(second) = second {
        decay(second, side.slow_decay);
        list(z, n, to, |k, z| z * (side.amplitude + side.slow_amplitude * second[k]));
        add(second, z, E::ONE, pairing);
    } else {
        list(z, n, to, |_, z| z * side.amplitude);
    }
}

/// The spikes of one sample; they come in ascending order of the samples.
fn of_sample<E>(spikes: &[Spike<E>], sample: usize) -> &[Spike<E>] {
    let from = spikes.partition_point(|spike| spike.sample < sample);
    let to = spikes.partition_point(|spike| spike.sample <= sample);
    &spikes[from..to]
}
