//! The layers of neurons: visited step by step, where that is possible, else run through the time loop block by block.

use fearless_simd::Level;

use super::product::{Desk, Product};
use super::signal::Signal;
use crate::Kernels;
use rsnn_base::error::Result;
use rsnn_base::memory::Aligned;
use rsnn_base::pool::{Context, Stop};
use rsnn_neurons::neuron::Neuron;
use rsnn_neurons::scan::Table;
use rsnn_neurons::scan::forward::{Forward, Output, Trace};
use rsnn_neurons::scan::group::Recurrent;
use rsnn_neurons::scan::layout::Shape;
use rsnn_neurons::scan::visit::{PADDING, Visit, Visitor};
use rsnn_products::event::Touched;

/// A layer of neurons.
pub struct Neurons<E> {
    /// What they are.
    pub neuron: Neuron,
    /// How many.
    pub len: usize,
    /// The length of a row of states, padded.
    pub pitch: usize,
    /// How many states they keep.
    pub n_states: usize,
    /// Whether they send spikes.
    pub spiking: bool,
    coefficients: Vec<E>,
    period: usize,
    /// Weights of a row for each neuron that fired, and bias.
    recurrent: Option<(usize, Vec<E>, Option<Vec<E>>)>,
    group: Option<usize>,
    visitor: Option<Visitor<E>>,
}

/// What is asked for of a layer of neurons, besides what it sends on: `(steps, neurons)` each.
pub type Traces<'a, E> = Vec<(Trace, Vec<&'a mut [E]>)>;

/// Memory of the neurons of one sample.
#[derive(Debug, Default)]
pub struct Membranes<E> {
    /// `(states, pitch)`.
    pub state: Aligned<E>,
    /// The input of a step, or of some; 0 between two steps.
    x: Aligned<E>,
    /// Whom to visit in the next step.
    touched: Option<Touched>,
    desk: Desk<E>,
}

impl<E: Kernels> Neurons<E> {
    /// Neurons side by side, with their coefficients, `(n, period)`; `recurrent` is the size of a group, weights and bias.
    pub fn new(
        neuron: Neuron,
        spiking: bool,
        len: usize,
        (coefficients, period): (Vec<E>, usize),
        recurrent: Option<(usize, Vec<E>, Option<Vec<E>>)>,
        group: Option<usize>,
    ) -> Result<Self> {
        let visitor = match (&recurrent, group) {
            (None, None) => Visitor::new(&neuron, &Table { values: &coefficients, period }, len)?,
            _ => None,
        };
        let n_states = neuron.states().len();
        let pitch = len.next_multiple_of(PADDING);
        let neurons = Self { neuron, len, pitch, n_states, spiking, coefficients, period, recurrent, group, visitor };
        // The loop over time knows best what fits: no steps are run.
        let mut nothing = Signal::new(len);
        nothing.begin_dense(0);
        let mut membranes = Membranes::default();
        membranes.state.reset(n_states * pitch);
        neurons.scan(&Context::serial(), rsnn_base::elem::levels()[0].1, &nothing, &mut membranes, Vec::new(), &mut Signal::new(len))?;
        Ok(neurons)
    }

    /// Whether they can be visited step by step.
    #[must_use]
    pub fn can_be_visited(&self) -> bool {
        self.visitor.is_some()
    }

    /// Run a block through the loop over time: `x` has all entries.
    pub fn scan(
        &self,
        context: &Context<'_>,
        level: Level,
        x: &Signal<E>,
        membranes: &mut Membranes<E>,
        record: Vec<(Trace, &mut [E])>,
        out: &mut Signal<E>,
    ) -> Result<()> {
        let (len, pitch) = (self.len, self.pitch);
        let mut state: Vec<E> = membranes.state.chunks_exact(pitch.max(1)).flat_map(|row| &row[..len]).copied().collect();
        let job = Forward {
            neuron: self.neuron,
            level,
            shape: Shape { outer: 1, time: x.steps, inner: len },
            x: x.rows(),
            coefficients: Table { values: &self.coefficients, period: self.period },
            state: &mut state,
            output: Output::Dense(out.begin_dense(x.steps)),
            record,
            picked: None,
            recurrent: self.recurrent.as_ref().map(|(size, weight, bias)| Recurrent { size: *size, weight, bias: bias.as_deref() }),
            group: self.group,
            checkpoints: None,
        };
        E::forward(context, job)?;
        for (row, from) in membranes.state.chunks_exact_mut(pitch.max(1)).zip(state.chunks_exact(len.max(1))) {
            row[..len].copy_from_slice(from);
        }
        // Whoever visits next knows nothing of these steps.
        membranes.touched = None;
        Ok(())
    }

    /// Run a block step by step: `x` is what comes in, through `product` where there is one, which takes the dense way where `dense`
    /// says so. Then `x` has all entries, else the events. Gives the synaptic operations of the way of events.
    pub fn visit(
        &self,
        level: Level,
        product: Option<&Product<E>>,
        (x, dense): (&Signal<E>, bool),
        membranes: &mut Membranes<E>,
        out: &mut Signal<E>,
        stop: &Stop<'_>,
    ) -> u64 {
        let Some(visitor) = &self.visitor else { return 0 };
        let (len, pitch) = (self.len, self.pitch);
        let Membranes { state, x: sums, touched, desk } = membranes;
        let bias = product.and_then(|product| product.bias.as_deref());
        let quiet = visitor.quiet && bias.is_none() && !dense;
        if quiet {
            touched.get_or_insert_with(|| product.map_or_else(|| Touched::all(1, len, 1), Product::touched));
        } else {
            *touched = None;
        }
        let together = if dense { product.map_or(1, Product::together).min(x.steps) } else { 1 };
        let needed = if dense { together * pitch } else { product.map_or(pitch, Product::sums) };
        if sums.len() < needed {
            sums.reset(needed);
        }
        let mut made = 0;
        if self.spiking {
            out.begin_events();
        } else {
            out.begin_dense(x.steps);
        }
        for t in 0..x.steps {
            let mut feed = None;
            let at = t % together.max(1) * pitch;
            match (product, dense) {
                (Some(product), true) => {
                    if at == 0 {
                        let steps = together.min(x.steps - t);
                        let rows = &x.rows()[t * x.len..(t + steps) * x.len];
                        product.multiply(level, rows, &mut sums[..steps * pitch], pitch, desk, stop);
                    }
                }
                (Some(product), false) => {
                    feed = product.rows(x.events(t));
                    if feed.is_none() {
                        made += product.follow(level, x.events(t), &mut sums[..pitch], touched.as_mut(), desk);
                    }
                }
                (None, true) => sums[..len].copy_from_slice(x.row(t)),
                (None, false) => {
                    for event in x.events(t) {
                        sums[event.at as usize] = event.value;
                        if let Some(touched) = touched.as_mut() {
                            touched.mark(0, event.at as usize, 1);
                        }
                    }
                }
            }
            let visit = Visit { state, x: &mut sums[at..], bias, touched: touched.as_mut(), feed };
            if self.spiking {
                out.push(|events| made += visitor.fire(level, visit, events));
            } else {
                made += visitor.write(level, visit, out.row_mut(t));
            }
        }
        made
    }

    /// Begin from a state, `(states, neurons)`.
    pub fn begin(&self, membranes: &mut Membranes<E>, state: &[E]) {
        membranes.state.reset(self.n_states * self.pitch);
        for (row, from) in membranes.state.chunks_exact_mut(self.pitch.max(1)).zip(state.chunks_exact(self.len.max(1))) {
            row[..self.len].copy_from_slice(from);
        }
        membranes.touched = None;
    }

    /// Write the state, `(states, neurons)`, to `to`.
    pub fn end(&self, membranes: &Membranes<E>, to: &mut [E]) {
        for (to, row) in to.chunks_exact_mut(self.len.max(1)).zip(membranes.state.chunks_exact(self.pitch.max(1))) {
            to.copy_from_slice(&row[..self.len]);
        }
    }
}
