//! A layer of `DynapCNN` in time steps, as sinabs simulates a core: product, integer neurons, sum pooling.
//!
//! Arrays are `(T, batch, channels, rows, columns)`. Layers follow each other within a step, so one layer runs over the whole
//! sequence before the next; here in blocks of steps, so the sums between product and neurons stay small. Where few inputs are not 0 and
//! neurons that get nothing stay as they are, the layer follows its events instead (`follow.rs`).

use std::sync::atomic::{AtomicBool, Ordering};

use fearless_simd::Level;

use crate::follow::follow;
use crate::neuron::Neuron;
use crate::product::{Geometry, Product};
use crate::rows::Extent;
use crate::scan::{Coefficients, State, Trace, generic as scan};
use crate::word::{Integers, Number, Word, largest, of_each};
use rsnn_base::error::{Error, Result};
use rsnn_base::pool::{Context, for_each};

/// Sums kept between product and neurons.
const SUMS: usize = 1 << 21;

/// What a layer did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// What the membranes reached.
    pub extent: Extent,
    /// Additions of a weight to a membrane, borders counted exactly.
    pub operations: u128,
}

/// Where a layer writes: spikes and traces before pooling, what it sends on after it.
pub struct Outputs<'a> {
    /// `(T, batch, features, oy, ox)`.
    pub spikes: &'a mut [i32],
    /// `(T, batch, features, oy / pool, ox / pool)`; `None` where nothing is pooled.
    pub pooled: Option<&'a mut [i32]>,
    /// Like the spikes.
    pub traces: Vec<(Trace, &'a mut [i32])>,
}

/// Run one layer over `batch` sequences. Biases and thresholds are one for each feature, or one for all;
/// an error counts steps from `first_step`.
pub fn layer(
    context: &Context<'_>,
    level: Level,
    neuron: &Neuron,
    geometry: Geometry,
    x: Integers<'_>,
    batch: usize,
    weight: &[i64],
    coefficients: Coefficients<'_>,
    pool: usize,
    state: State<'_>,
    outputs: Outputs<'_>,
    first_step: usize,
) -> Result<Stats> {
    of_each!(x, x => generic(context, level, neuron, geometry, x, batch, weight, coefficients, pool, state, outputs, first_step))
}

fn generic<X: Number>(
    context: &Context<'_>,
    level: Level,
    neuron: &Neuron,
    geometry: Geometry,
    x: &[X],
    batch: usize,
    weight: &[i64],
    coefficients: Coefficients<'_>,
    pool: usize,
    mut state: State<'_>,
    mut outputs: Outputs<'_>,
    first_step: usize,
) -> Result<Stats> {
    let product = Product::new(geometry, weight)?;
    let lanes = batch * geometry.outputs();
    let steps = outputs.spikes.len().checked_div(lanes).unwrap_or(0);
    let mut stats = Stats::default();
    if lanes == 0 {
        return Ok(stats);
    }
    let inputs = batch * geometry.inputs();
    if x.len() != steps * inputs {
        return Err(Error::value(format!("x: {} entries do not belong to {steps} steps of {inputs} inputs", x.len())));
    }
    if outputs.traces.is_empty()
        && let Some(stats) =
            follow(context, level, neuron, &product, x, batch, coefficients, pool, state.v, outputs.spikes, outputs.pooled.as_deref_mut())?
    {
        return Ok(stats);
    }
    let chunk = (SUMS / lanes).clamp(1, steps.max(1));
    for first in (0..steps).step_by(chunk) {
        let steps = first..steps.min(first + chunk);
        let x = &x[steps.start * inputs..steps.end * inputs];
        let cut = steps.start * lanes..steps.end * lanes;
        let spikes = &mut outputs.spikes[cut.clone()];
        let mut traces: Vec<(Trace, &mut [i32])> = outputs.traces.iter_mut().map(|(trace, out)| (*trace, &mut out[cut.clone()])).collect();
        let bound = product.bound(x);
        let (extent, operations) = if bound <= i128::from(i32::MAX) {
            let mut sums = vec![0_i32; cut.len()];
            let operations = product.run(context, level, x, &mut sums)?;
            (
                scan(context, level, neuron, &sums, lanes, coefficients, state.reborrow(), spikes, &mut traces, first_step + steps.start),
                operations,
            )
        } else if bound <= i128::from(i64::MAX) {
            let mut sums = vec![0_i64; cut.len()];
            let operations = product.run(context, level, x, &mut sums)?;
            (
                scan(context, level, neuron, &sums, lanes, coefficients, state.reborrow(), spikes, &mut traces, first_step + steps.start),
                operations,
            )
        } else {
            return Err(Error::value(format!(
                "x, weight: a sum of products could reach {bound}, which 64 bits do not hold; use smaller values"
            )));
        };
        stats.extent.join(&extent?);
        stats.operations += operations;
    }
    if let Some(pooled) = outputs.pooled {
        pool_maps(context, &*outputs.spikes, geometry.output(), pool, pooled)?;
    }
    Ok(stats)
}

/// `out[y, x]` = the sum of the `pool` x `pool` window at `(y pool, x pool)` of each map; trailing rows and columns are dropped.
pub fn sum_pool(context: &Context<'_>, maps: Integers<'_>, size: [usize; 2], pool: usize, out: &mut [i32]) -> Result<()> {
    of_each!(maps, maps => pool_maps(context, maps, size, pool, out))
}

fn pool_maps<X: Number>(context: &Context<'_>, maps: &[X], [height, width]: [usize; 2], pool: usize, out: &mut [i32]) -> Result<()> {
    if pool == 0 {
        return Err(Error::value("pool=0 has no meaning; use 1 for no pooling"));
    }
    let (rows, columns) = (height / pool, width / pool);
    let count = maps.len().checked_div(height * width).unwrap_or(0);
    if out.len() != count * rows * columns {
        return Err(Error::value(format!("out: {} entries do not belong to {count} maps of {rows} x {columns}", out.len())));
    }
    if out.is_empty() {
        return Ok(());
    }
    let group = (SUMS / (height * width)).max(1);
    let most = largest(maps).saturating_mul(pool as i128).saturating_mul(pool as i128);
    if most > i128::from(i64::MAX) {
        return Err(Error::value(format!("pool: a sum over {pool} x {pool} could reach {most}; use a smaller window or smaller inputs")));
    }
    let large = AtomicBool::new(false);
    let tasks = maps.chunks(group * height * width).zip(out.chunks_mut(group * rows * columns)).collect();
    for_each(context, tasks, |(maps, out): (&[X], &mut [i32]), _| {
        for (map, out) in maps.chunks(height * width).zip(out.chunks_mut(rows * columns)) {
            let fits = match pool {
                _ if most > i128::from(i32::MAX) => pool_map::<i64, X>(map, width, pool, out),
                // The usual windows as constants: loops of known length.
                2 => pool_map::<i32, X>(map, width, 2, out),
                4 => pool_map::<i32, X>(map, width, 4, out),
                _ => pool_map::<i32, X>(map, width, pool, out),
            };
            if !fits {
                large.store(true, Ordering::Relaxed);
            }
        }
    })?;
    if large.into_inner() {
        return Err(Error::value("pool: a pooled sum leaves 32 bits; use a smaller window or smaller inputs"));
    }
    Ok(())
}

/// Pool one map, in a word that holds every sum; says whether all of them fit the output.
#[inline(always)]
fn pool_map<W: Word, X: Number>(map: &[X], width: usize, pool: usize, out: &mut [i32]) -> bool {
    let columns = width / pool;
    let mut fits = true;
    for (window, out) in map.chunks(width * pool).zip(out.chunks_mut(columns)) {
        for (column, out) in out.iter_mut().enumerate() {
            let mut sum = W::ZERO;
            for row in 0..pool {
                for x in &window[row * width + column * pool..][..pool] {
                    sum = sum + W::narrow(x.wide());
                }
            }
            fits &= W::BITS <= i32::BITS || i32::try_from(sum.wide()).is_ok();
            *out = Number::narrow(sum.wide());
        }
    }
    fits
}
