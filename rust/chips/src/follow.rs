//! A layer of `DynapCNN` that follows the events: only neurons that one has reached are visited.
//!
//! A neuron without leak, bias or anything that runs by itself does not change while its input is 0 and it does not fire. So the events
//! of a step are scattered, the pixels they reach are marked, and the neurons of these pixels take the step of every chip, gathered side
//! by side. Who is still at the threshold afterwards is visited in the next step as well; the first step visits all, unless everything is
//! at 0. Spikes and counts are those of visiting all: a membrane that rests inside its bits adds nothing to them. Where one leaves the
//! watched bits (it would be counted in every step), or what could occur exceeds a word, nothing is followed.
//!
//! Lanes are `(oy, ox, o)`: the neurons of a pixel lie side by side, as the weights of an event do. A task is a sample. This pays until
//! much of the input is not 0: a step that reaches most pixels takes all of them as they lie.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use fearless_simd::Level;

use crate::bounds::Bounds;
use crate::dynapcnn::Stats;
use crate::neuron::{Decay, Fire, Neuron, Overflow, Reset, outside};
use crate::product::Product;
use crate::recurrent::by_sample;
use crate::rows::{Extent, Flow, Lined, Rows, RunWord, WIDTH, padded};
use crate::scan::{Coefficients, Row, State, columns_of};
use crate::synapse::Active;
use crate::word::{Number, largest};
use rsnn_base::elem::on_level;
use rsnn_base::error::{Error, Result};
use rsnn_base::pool::{Context, Stop, for_each};
use rsnn_base::raw::{Ahead, fence, stream};

/// Steps between two questions whether to stop.
const PAUSE: usize = 4;
/// Inputs that are counted at once.
const STRETCH: usize = 1 << 12;

/// One input of so many may be something else than 0, or nothing is followed.
const SPARSE: usize = 4;

/// Spikes of a row that is cleared past the cache: else it would drive membranes and sums out of it.
const LARGE: usize = 1 << 16;
/// What it is cleared with.
const ZEROS: [i32; 1 << 10] = [0; 1 << 10];

/// Whether neurons that get 0 and do not fire stay as they are, and count nothing.
fn is_quiet(neuron: &Neuron, row: impl Fn(Row) -> Vec<i64>) -> bool {
    neuron.current.is_none()
        && neuron.membrane.decay == Decay::None
        && neuron.membrane.overflow != Overflow::WrapOnce
        && !neuron.change
        && !neuron.refractory
        && neuron.restart.is_none()
        && neuron.fire != Fire::Ternary
        && neuron.fire != Fire::Multi(Some(0))
        && row(Row::Bias).iter().all(|&bias| bias == 0)
        && row(Row::Threshold).iter().all(|&threshold| threshold >= 1)
        && (neuron.low.is_none() || row(Row::Min).iter().all(|&v| v <= 0))
        && (neuron.high.is_none() || row(Row::Max).iter().all(|&v| v >= 0))
}

/// The largest absolute value of an array of which at most so many are not 0.
fn largest_of_few<X: Number>(level: Level, x: &[X], most: usize) -> Option<i128> {
    let (mut low, mut high, mut count) = (X::default(), X::default(), 0);
    for x in x.chunks(STRETCH) {
        let mut found = (X::default(), X::default(), 0);
        on_level!(level, simd => found = look(x));
        (low, high, count) = (low.min(found.0), high.max(found.1), count + found.2 as usize);
        if count > most {
            return None;
        }
    }
    Some(largest(&[low, high]))
}

/// The least and the greatest, 0 included, and how many are not 0. Two loops: of one the compiler makes no registers.
#[inline(always)]
fn look<X: Number>(x: &[X]) -> (X, X, u32) {
    let (mut low, mut high, mut count) = (X::default(), X::default(), 0);
    for &x in x {
        (low, high) = (low.min(x), high.max(x));
    }
    if low != high {
        for &x in x {
            count += u32::from(x != X::default());
        }
    }
    (low, high, count)
}

/// Where the events of a row of the input land in a row of the output: neighbours, since weights lie by the phase of the kernel's
/// columns, and in each from the last to the first.
struct Runs {
    /// Of each column of the input: the first column of the output, how many, and the place of the first one's weight.
    columns: Vec<(usize, usize, usize)>,
    /// `(channel, ky, place, feature)`.
    weight: Lined<i32>,
}

impl Runs {
    fn new(product: &Product) -> Self {
        let geometry = product.geometry();
        let (across, stride, features) = (geometry.kernel[1], geometry.stride[1], geometry.features);
        let order: Vec<usize> = (0..stride.min(across)).flat_map(|phase| (phase..across).step_by(stride).rev()).collect();
        let run = |x: usize| {
            // Taps ascend with the kernel, so outputs descend, one by one.
            let taps = product.columns(x);
            let (kx, first) = taps.last().copied().unwrap_or_default();
            (first, taps.len(), order.iter().position(|&k| k == kx).unwrap_or(0))
        };
        let lines = geometry.channels * geometry.kernel[0];
        let turned: Vec<i64> = (0..lines)
            .flat_map(|line| {
                order.iter().flat_map(move |&kx| product.weight()[(line * across + kx) * features..][..features].iter().copied())
            })
            .collect();
        Self { columns: (0..geometry.input[1]).map(run).collect(), weight: padded(&turned, 0) }
    }
}

/// What all samples share.
struct Shared<'a, X> {
    level: Level,
    neuron: &'a Neuron,
    product: &'a Product,
    runs: Runs,
    /// Every neuron's, in a row for each column of them.
    rows: Rows<i32>,
    x: &'a [X],
    batch: usize,
    pool: usize,
    /// Whether spikes pass by the cache.
    streamed: bool,
    /// Whether a step can leave a membrane at its threshold.
    stays: bool,
}

/// Where a sample comes from and goes to, a row for each step.
struct Sample<'a> {
    index: usize,
    v: &'a mut [i64],
    spikes: Vec<&'a mut [i32]>,
    /// Empty where nothing is pooled.
    pooled: Vec<&'a mut [i32]>,
}

/// Why a sample was not finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    /// A membrane left its bits, or those that are watched.
    Beyond,
    /// A pooled sum left 32 bits.
    Pooled,
}

/// The rows of every neuron, if work that follows the events gives what a step of all of them gives, and pays.
fn reachable<X: Number>(
    level: Level,
    neuron: &Neuron,
    product: &Product,
    x: &[X],
    batch: usize,
    coefficients: Coefficients<'_>,
    v: &mut [i64],
) -> Option<Rows<i32>> {
    let geometry = product.geometry();
    let ([height, width], features) = (geometry.output(), geometry.features);
    let steps = x.len().checked_div(batch * geometry.inputs()).unwrap_or(0);
    let per_feature = Coefficients { repeat: 1, ..coefficients };
    let columns = columns_of(neuron, &per_feature, 0, features);
    if steps == 0
        || coefficients.repeat != height * width
        || !is_quiet(neuron, |row| columns[row as usize].clone())
        || v.iter().any(|&v| outside(v.into(), neuron.watch))
    {
        return None;
    }
    let input = largest_of_few(level, x, x.len() / SPARSE)?;
    let bounds = Bounds::new(neuron, &columns);
    let most = product.bound_of(input).max(largest(product.weight()));
    if bounds.most(neuron, most, &State::membranes(v), steps) > i128::from(i32::MAX) {
        return None;
    }
    let pixelwise = |row: Row, with: i64| -> Lined<i32> {
        let own = &columns[row as usize];
        if own.is_empty() { Lined::default() } else { padded(&own.repeat(height * width), with) }
    };
    Some(Rows {
        v: Lined::zeros(geometry.outputs().next_multiple_of(WIDTH)),
        v_threshold: pixelwise(Row::Threshold, 1),
        v_min: pixelwise(Row::Min, 0),
        v_max: pixelwise(Row::Max, 0),
        ..Rows::default()
    })
}

/// Run a layer over its events, if that pays and gives the same; else nothing has changed but outputs.
pub(crate) fn follow<X: Number>(
    context: &Context<'_>,
    level: Level,
    neuron: &Neuron,
    product: &Product,
    x: &[X],
    batch: usize,
    coefficients: Coefficients<'_>,
    pool: usize,
    v: &mut [i64],
    spikes: &mut [i32],
    pooled: Option<&mut [i32]>,
) -> Result<Option<Stats>> {
    let geometry = product.geometry();
    let ([height, width], features, lanes) = (geometry.output(), geometry.features, geometry.outputs());
    let Some(rows) = reachable(level, neuron, product, x, batch, coefficients, v).filter(|_| pool > 0) else { return Ok(None) };
    let shared = Shared {
        level,
        neuron,
        product,
        runs: Runs::new(product),
        rows,
        x,
        batch,
        pool,
        streamed: lanes >= LARGE,
        stays: neuron.fire != Fire::Multi(None) || neuron.reset == Reset::None,
    };
    let sums = pooled.as_ref().map_or(0, |_| features * (height / pool) * (width / pool));
    let states: Vec<&mut [i64]> = v.chunks_mut(lanes).collect();
    let rows = by_sample(spikes, batch, lanes).into_iter().zip(by_sample(pooled.unwrap_or_default(), batch, sums));
    let mut after: Vec<Vec<i32>> = vec![Vec::new(); batch];
    let samples = states.into_iter().zip(rows).enumerate().map(|(index, (v, (spikes, pooled)))| Sample { index, v, spikes, pooled });
    let total = Mutex::new((Stats::default(), None::<Ended>));
    let beyond = AtomicBool::new(false);
    for_each(context, samples.zip(&mut after).collect(), |(mut sample, after), stop| {
        if beyond.load(Ordering::Relaxed) {
            return;
        }
        let found = shared.sample(&mut sample, after, stop);
        let mut total = total.lock().unwrap_or_else(PoisonError::into_inner);
        match found {
            Ok(stats) => {
                total.0.extent.join(&stats.extent);
                total.0.operations += stats.operations;
            }
            Err(Ended::Pooled) if total.1.is_none() => total.1 = Some(Ended::Pooled),
            Err(Ended::Pooled) => {}
            Err(Ended::Beyond) => {
                total.1 = Some(Ended::Beyond);
                beyond.store(true, Ordering::Relaxed);
            }
        }
    })?;
    match total.into_inner().unwrap_or_else(PoisonError::into_inner) {
        (_, Some(Ended::Beyond)) => Ok(None),
        (_, Some(Ended::Pooled)) => Err(Error::value("pool: a pooled sum leaves 32 bits; use a smaller window or smaller inputs")),
        (stats, None) => {
            // Only now: had something been beyond, the states of all samples would be needed again.
            for (v, after) in v.chunks_mut(lanes).zip(after) {
                turn(&after, features, v, |&v| i64::from(v));
            }
            Ok(Some(stats))
        }
    }
}

/// `(oy, ox, o)` to `(o, oy, ox)`.
fn turn<A, B>(from: &[A], features: usize, to: &mut [B], f: impl Fn(&A) -> B) {
    for (feature, map) in to.chunks_mut(from.len() / features).enumerate() {
        map.iter_mut().zip(from[feature..].iter().step_by(features)).for_each(|(to, from)| *to = f(from));
    }
}

/// A short row: no call for a copy of a few numbers.
#[inline(always)]
fn copy(to: &mut [i32], from: &[i32]) {
    let (whole, rest) = to.as_chunks_mut::<8>();
    let (from, from_rest) = from.as_chunks::<8>();
    whole.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
    rest.iter_mut().zip(from_rest).for_each(|(to, from)| *to = *from);
}

/// What lives while time runs over a sample.
struct Work {
    v: Lined<i32>,
    sums: Lined<i32>,
    marked: Vec<bool>,
    /// Marked pixels.
    list: Vec<u32>,
    drive: Lined<i32>,
    s: Lined<i32>,
    rows: Rows<i32>,
    fired: Active<i32>,
}

impl Work {
    #[inline(always)]
    fn mark(&mut self, pixel: usize) {
        if !self.marked[pixel] {
            self.marked[pixel] = true;
            // Maps of more pixels than 32 bits count do not fit into memory as integers.
            self.list.push(u32::try_from(pixel).unwrap_or(u32::MAX));
        }
    }
}

impl<X: Number> Shared<'_, X> {
    fn sample(&self, sample: &mut Sample<'_>, after: &mut Vec<i32>, stop: &Stop<'_>) -> std::result::Result<Stats, Ended> {
        let geometry = self.product.geometry();
        let (features, lanes, inputs) = (geometry.features, geometry.outputs(), geometry.inputs());
        let pixels = lanes / features;
        let mut work = Work {
            v: Lined::zeros(self.rows.v.len()),
            sums: Lined::zeros(self.rows.v.len()),
            marked: vec![false; pixels],
            list: Vec::new(),
            drive: Lined::zeros(self.rows.v.len()),
            s: Lined::zeros(self.rows.v.len()),
            rows: self.rows.clone(),
            fired: Active::default(),
        };
        for (feature, map) in sample.v.chunks(pixels).enumerate() {
            work.v[feature..lanes].iter_mut().step_by(features).zip(map).for_each(|(to, &from)| *to = i32::narrow(from));
        }
        if sample.v.iter().any(|&v| v != 0) {
            (0..pixels).for_each(|pixel| work.mark(pixel));
        }
        let mut stats = Stats::default();
        let mut active = Active::default();
        for (t, spikes) in sample.spikes.iter_mut().enumerate() {
            if t % PAUSE == 0 && stop.now() {
                break;
            }
            if self.streamed {
                spikes.chunks_mut(ZEROS.len()).for_each(|part| stream(self.level, part, &ZEROS[..part.len()]));
            } else {
                spikes.fill(0);
            }
            let mut pooled = sample.pooled.get_mut(t);
            if let Some(pooled) = &mut pooled {
                pooled.fill(0);
            }
            active.find(self.level, &self.x[(t * self.batch + sample.index) * inputs..][..inputs], i64::MAX);
            on_level!(self.level, simd => stats.operations += self.scatter(&active, &mut work));
            let mut extent = Extent::default();
            // Where most are reached, all are taken, in order: nobody has to be moved.
            let all = work.list.len() * 4 > pixels * 3;
            if all {
                work.list.clear();
                work.list.extend((0_u32..).take(pixels));
                std::mem::swap(&mut work.v, &mut work.rows.v);
                std::mem::swap(&mut work.sums, &mut work.drive);
            } else {
                on_level!(self.level, simd => self.gather(&mut work));
            }
            let count = work.list.len() * features;
            if count > 0 {
                let traces = [&mut [] as &mut [i32], &mut [], &mut []];
                let end = count.next_multiple_of(WIDTH);
                let mut flow =
                    Flow { steps: 1, lanes: end, x: &work.drive, s: &mut work.s, traces, restarts: 0, calm: false, ahead: Ahead::NONE };
                let (reached, overrun) = i32::run(self.level, self.neuron, &mut work.rows, &mut flow);
                if overrun.is_some() || outside(reached.lowest, self.neuron.watch) || outside(reached.highest, self.neuron.watch) {
                    return Err(Ended::Beyond);
                }
                extent = reached;
                work.fired.find(self.level, &work.s[..end], i64::MAX);
                self.send(&work, spikes, pooled.map(|pooled| &mut **pooled))?;
                on_level!(self.level, simd => self.put_back(&mut work, all));
            }
            stats.extent.join(&extent);
        }
        if self.streamed {
            fence();
        }
        *after = work.v[..lanes].to_vec();
        Ok(stats)
    }

    /// Add the weights of the events to the sums, and mark the pixels they reach.
    #[inline(always)]
    fn scatter(&self, active: &Active<i32>, work: &mut Work) -> u128 {
        let geometry = self.product.geometry();
        let (features, [height, width], kernel) = (geometry.features, geometry.input, geometry.kernel);
        let across = geometry.output()[1];
        let mut operations = 0;
        for &(entry, count) in active.entries() {
            let (line, x) = (entry / width, entry % width);
            let (channel, rows) = (line / height, self.product.rows(line % height));
            let (first, many, place) = self.runs.columns[x];
            for &(ky, oy) in rows {
                let pixel = oy * across + first;
                let weight = &self.runs.weight[((channel * kernel[0] + ky) * kernel[1] + place) * features..][..many * features];
                let sums = &mut work.sums[pixel * features..][..many * features];
                let (whole, rest) = sums.as_chunks_mut::<8>();
                let (from, from_rest) = weight.as_chunks::<8>();
                // Through copies: then nothing can overlap, and they are registers.
                for (sums, weights) in whole.iter_mut().zip(from) {
                    let (mut now, weights) = (*sums, *weights);
                    for k in 0..8 {
                        now[k] += count * weights[k];
                    }
                    *sums = now;
                }
                rest.iter_mut().zip(from_rest).for_each(|(sum, w)| *sum += count * w);
                (pixel..pixel + many).for_each(|pixel| work.mark(pixel));
            }
            operations += u128::from(count.unsigned_abs()) * (rows.len() * many * features) as u128;
        }
        operations
    }

    /// Bring the marked pixels side by side; their sums are 0 afterwards.
    #[inline(always)]
    fn gather(&self, work: &mut Work) {
        let features = self.product.geometry().features;
        for (k, &pixel) in work.list.iter().enumerate() {
            let (to, from) = (k * features..(k + 1) * features, pixel as usize * features..(pixel as usize + 1) * features);
            copy(&mut work.rows.v[to.clone()], &work.v[from.clone()]);
            copy(&mut work.drive[to], &work.sums[from.clone()]);
            work.sums[from].iter_mut().for_each(|sum| *sum = 0);
        }
        // What is beside them up to whole registers does nothing.
        let count = work.list.len() * features;
        let end = count.next_multiple_of(WIDTH);
        work.rows.v[count..end].fill(0);
        work.drive[count..end].fill(0);
    }

    /// Write what the marked pixels fired.
    fn send(&self, work: &Work, spikes: &mut [i32], mut pooled: Option<&mut [i32]>) -> std::result::Result<(), Ended> {
        let geometry = self.product.geometry();
        let (features, [height, width]) = (geometry.features, geometry.output());
        let (rows, columns) = (height / self.pool, width / self.pool);
        for &(lane, s) in work.fired.entries() {
            let (pixel, feature) = (work.list[lane / features] as usize, lane % features);
            spikes[feature * height * width + pixel] = s;
            if let Some(pooled) = &mut pooled {
                let (y, x) = (pixel / width / self.pool, pixel % width / self.pool);
                if y < rows && x < columns {
                    let sum = &mut pooled[(feature * rows + y) * columns + x];
                    *sum = sum.checked_add(s).ok_or(Ended::Pooled)?;
                }
            }
        }
        Ok(())
    }

    /// Keep the membranes, and who has to be visited in the next step.
    #[inline(always)]
    fn put_back(&self, work: &mut Work, all: bool) {
        let features = self.product.geometry().features;
        let at = i32::from(!self.neuron.above);
        let mut kept = 0;
        for k in 0..work.list.len() {
            let pixel = work.list[k] as usize;
            let from = k * features..(k + 1) * features;
            if !all {
                copy(&mut work.v[pixel * features..][..features], &work.rows.v[from.clone()]);
            }
            let again = self.stays && work.rows.v[from.clone()].iter().zip(&work.rows.v_threshold[from]).any(|(&v, &t)| v + at > t);
            work.marked[pixel] = again;
            work.list[kept] = work.list[k];
            kept += usize::from(again);
        }
        work.list.truncate(kept);
        if all {
            std::mem::swap(&mut work.v, &mut work.rows.v);
            std::mem::swap(&mut work.sums, &mut work.drive);
            work.sums.fill(0);
        }
    }
}
