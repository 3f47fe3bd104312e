//! A population with synapses of its own, as Lava runs it: what fired in one step arrives in the next.
//!
//! ```text
//! a(t) = x(t) + (e > 0 ? sum << e : sum >> -e),   sum = w s(t - 1)          s counted, or only whether it is not 0
//! ```
//! Samples do not meet: a task is one of them. The word holds what a bound over the whole run proves.

use std::sync::{Mutex, PoisonError};

use fearless_simd::Level;

use crate::bounds::Bounds;
use crate::neuron::{Fire, Neuron, range};
use crate::rows::{Extent, Flow, Lined, Rows, RunWord};
use crate::scan::{Coefficients, Columns, State, TRACES, Trace, check, columns_of, pieces, rows_of};
use crate::synapse::{Active, Synapses, gain};
use crate::word::{Number, largest};
use rsnn_base::error::{Error, Result};
use rsnn_base::pool::{Context, Stop, for_each};
use rsnn_base::raw::Ahead;

/// Steps between two questions whether to stop.
const PAUSE: usize = 64;

/// The synapses of a population onto itself: weights `(pre, post)`, a shift of their sum, whether spikes are counted.
#[derive(Clone, Copy, Debug)]
pub struct Own<'a> {
    /// One row of targets for each source.
    pub weights: &'a [i64],
    /// The sum is multiplied by `2^exponent`, downwards where that is negative.
    pub exponent: i32,
    /// Graded spikes keep their value; others are 1 where they are not 0.
    pub graded: bool,
}

/// What is recorded of a sample, a row for each step.
type Traces<'a> = Vec<(Trace, Vec<&'a mut [i32]>)>;

struct Sample<'a> {
    state: State<'a>,
    sent: &'a mut [i64],
    spikes: Vec<&'a mut [i32]>,
    traces: Traces<'a>,
}

/// Run `batch` samples of `n` neurons over `x (T, batch, n)`; `sent (batch, n)` holds the spikes of the step before.
/// Returns what the membranes reached and the synaptic operations.
pub fn recurrent(
    context: &Context<'_>,
    level: Level,
    neuron: &Neuron,
    own: Own<'_>,
    x: &[i64],
    batch: usize,
    n: usize,
    coefficients: Coefficients<'_>,
    mut state: State<'_>,
    sent: &mut [i64],
    spikes: &mut [i32],
    traces: &mut [(Trace, &mut [i32])],
) -> Result<(Extent, u64)> {
    let lanes = batch * n;
    let steps = x.len().checked_div(lanes).unwrap_or(0);
    let lengths: Vec<usize> = [x.len(), spikes.len()].into_iter().chain(traces.iter().map(|(_, trace)| trace.len())).collect();
    check::<i32>(neuron, lanes, &coefficients, &state, steps, &lengths)?;
    if own.weights.len() != n * n || sent.len() != lanes || !(-31..=31).contains(&own.exponent) {
        return Err(Error::value(format!("weights, sent: {} and {} entries do not belong to {n} neurons", own.weights.len(), sent.len())));
    }
    if matches!(neuron.fire, Fire::Multi(None)) {
        return Err(Error::value("spec: recurrent neurons need a limit of spikes for each step; give one"));
    }
    if lanes == 0 {
        return Ok((Extent::default(), 0));
    }
    let columns = columns_of(neuron, &coefficients, 0, n);
    let fired = if let Fire::Multi(Some(most)) = neuron.fire { i128::from(most) } else { 1 };
    let sums = (gain(own.weights, n) * fired.max(largest(sent))) << own.exponent.max(0);
    let bound = Bounds::new(neuron, &columns).most(neuron, largest(x) + sums, &state, steps).max(sums).max(largest(own.weights));
    let mut samples = Vec::new();
    let mut traced: Vec<Traces<'_>> = (0..batch).map(|_| Vec::new()).collect();
    for (trace, out) in traces {
        traced.iter_mut().zip(by_sample(out, batch, n)).for_each(|(all, rows)| all.push((*trace, rows)));
    }
    for (((state, sent), spikes), traces) in pieces(&mut state, n).zip(sent.chunks_mut(n)).zip(by_sample(spikes, batch, n)).zip(traced) {
        samples.push(Sample { state, sent, spikes, traces });
    }
    let total = Mutex::new((Extent::default(), 0_u64, None));
    for_each(context, samples.into_iter().enumerate().collect(), |(k, mut sample), stop| {
        let x = |t: usize| &x[(t * batch + k) * n..][..n];
        let (extent, operations, overrun) = if bound <= i128::from(i32::MAX) {
            run::<i32>(level, neuron, &own, x, &columns, &mut sample, stop)
        } else if bound <= i128::from(i64::MAX) {
            run::<i64>(level, neuron, &own, x, &columns, &mut sample, stop)
        } else {
            run::<i128>(level, neuron, &own, x, &columns, &mut sample, stop)
        };
        let mut total = total.lock().unwrap_or_else(PoisonError::into_inner);
        total.0.join(&extent);
        total.1 += operations;
        total.2 = [total.2, overrun.map(|(t, lane, value, name)| (t, k * n + lane, value, name))].into_iter().flatten().min();
    })?;
    let (extent, operations, overrun) = total.into_inner().unwrap_or_else(PoisonError::into_inner);
    if let Some((t, lane, value, name)) = overrun {
        let register = neuron.current.filter(|_| name == "current").unwrap_or(neuron.membrane);
        let (first, last) = range(register.limit());
        return Err(Error::value(format!(
            "the {name} of neuron {lane} becomes {value} at step {t}, outside the {} bits it has ({first} to {last}); use smaller weights",
            register.limit()
        )));
    }
    Ok((extent, operations))
}

/// The rows of `(T, batch, n)`, by sample.
pub(crate) fn by_sample<O>(out: &mut [O], batch: usize, n: usize) -> Vec<Vec<&mut [O]>> {
    let mut cut: Vec<Vec<&mut [O]>> = (0..batch).map(|_| Vec::new()).collect();
    if n == 0 {
        return cut;
    }
    for (k, row) in out.chunks_mut(n).enumerate() {
        cut[k % batch].push(row);
    }
    cut
}

type Overrun = (usize, usize, i128, &'static str);

fn run<'x, W: RunWord>(
    level: Level,
    neuron: &Neuron,
    own: &Own<'_>,
    x: impl Fn(usize) -> &'x [i64],
    columns: &Columns,
    sample: &mut Sample<'_>,
    stop: &Stop<'_>,
) -> (Extent, u64, Option<Overrun>) {
    let n = sample.state.v.len();
    let synapses = Synapses::<W>::new(own.weights, n, |w| w);
    let mut active = Active::default();
    let mut rows: Rows<W> = rows_of(columns, &sample.state);
    let row = || Lined::zeros(rows.v.len());
    let (mut drive, mut s): (Lined<W>, Lined<W>) = (row(), row());
    let mut kept = TRACES.map(|which| if sample.traces.iter().any(|(trace, _)| *trace == which) { row() } else { Lined::default() });
    let (mut extent, mut operations) = (Extent::default(), 0);
    let (up, down) = (own.exponent.max(0).unsigned_abs(), (-own.exponent).max(0).unsigned_abs());
    for t in 0..sample.spikes.len() {
        if t % PAUSE == 0 && stop.now() {
            break;
        }
        if !own.graded {
            sample.sent.iter_mut().for_each(|s| *s = i64::from(*s != 0));
        }
        drive.fill(W::ZERO);
        active.find(level, sample.sent, i64::MAX);
        operations += synapses.operations(&active);
        synapses.total(level, &active, &mut drive[..n]);
        drive.iter_mut().zip(x(t)).for_each(|(drive, &x)| *drive = ((*drive << up) >> down) + W::narrow(x));
        let traces = kept.each_mut().map(|row| &mut **row);
        let mut flow = Flow {
            steps: 1,
            lanes: rows.v.len(),
            x: &drive,
            s: &mut s,
            traces,
            restarts: u32::from(neuron.restarts(t)),
            calm: false,
            ahead: Ahead::NONE,
        };
        let (reached, overrun) = W::run(level, neuron, &mut rows, &mut flow);
        extent.join(&reached);
        if let Some((_, (lane, value, name))) = overrun {
            return (extent, operations, Some((t, lane, value, name)));
        }
        for ((out, sent), s) in sample.spikes[t].iter_mut().zip(sample.sent.iter_mut()).zip(s.iter()) {
            *sent = s.wide();
            *out = Number::narrow(*sent);
        }
        for (trace, out) in &mut sample.traces {
            let row = &kept[TRACES.iter().position(|which| which == trace).unwrap_or(0)];
            out[t].iter_mut().zip(row.iter()).for_each(|(out, value)| *out = Number::narrow(value.wide()));
        }
    }
    sample.state.keep(&rows);
    (extent, operations, None)
}
