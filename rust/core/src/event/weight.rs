//! The gradient of a weight by events: `dW[o, i] = sum over ascending r of x[r, i] * dy[r, o]`, and `db[o] = sum over ascending r of dy[r, o]`.
//!
//! A row of dy stays in registers and is added to one row of the transposed gradient for each event. A task owns some inputs of one tile
//! of columns: a piece that stays in the second cache. However it is cut, every sum runs over ascending rows: the bits are the same.

use fearless_simd::{Level, Simd, SimdBase};

use super::bits::{Events, Values, WORD, words_of};
use super::linear::Table;
use super::rows::{At, Listed, One, Tile, load, scatter, store, with_width};
use crate::elem::{Elem, V, on_level};
use crate::error::Result;
use crate::pool::{Context, Stop, for_each};
use crate::product::length;

/// Bytes of the gradient that a task adds to: they stay in the second cache.
const PIECE: usize = 3 << 18;
/// Rows between two questions whether to stop.
const ROWS: usize = 64;

/// Write the gradients of weight (outputs, inputs) and bias (outputs) from those of y (rows, outputs).
pub fn weight_gradient<E: Elem>(
    context: &Context<'_>,
    level: Level,
    events: &Events<'_, E>,
    grad: &[E],
    grad_weight: &mut [E],
    grad_bias: &mut [E],
) -> Result<()> {
    let ((rows, inputs), outputs) = (events.shape(), grad_bias.len());
    length("grad", grad, &[rows, outputs])?;
    length("grad_weight", grad_weight, &[outputs, inputs])?;
    grad_bias.fill(E::ZERO);
    let mut table = Table::zeros(level, "grad_weight", inputs, outputs)?;
    let mut rest = grad_bias;
    let mut tasks = Vec::new();
    // Each thread reads all of dy, so there are not more pieces than threads, or than the cache asks for.
    let across = words_of(inputs);
    for (column, columns, panel) in table.tiles_mut() {
        let words = (PIECE / (columns * size_of::<E>() * WORD)).max(1).min(across.div_ceil(context.threads.max(1))).max(1);
        let (bias, after) = rest.split_at_mut(columns.min(rest.len()));
        rest = after;
        let mut bias = Some(bias);
        let mut panel = panel;
        for first in (0..across.max(1)).step_by(words) {
            let (piece, after) = panel.split_at_mut((words * WORD * columns).min(panel.len()));
            panel = after;
            let words = first..across.min(first + words);
            tasks.push((Piece { words, column, columns, table: piece }, bias.take()));
        }
    }
    for_each(context, tasks, |(piece, bias), stop| on_level!(level, simd => enter(simd, piece, bias, (events, grad, outputs), stop)))?;
    table.write(context, grad_weight)
}

/// Some inputs, by their words, of one tile of columns.
struct Piece<'a, E> {
    words: std::ops::Range<usize>,
    column: usize,
    columns: usize,
    table: &'a mut [E],
}

type Inputs<'a, E> = (&'a Events<'a, E>, &'a [E], usize);

#[inline(always)]
fn enter<E: Elem, S: Simd>(simd: S, piece: Piece<'_, E>, bias: Option<&mut [E]>, inputs: Inputs<'_, E>, stop: &Stop<'_>) {
    with_width!(piece.columns / V::<E, S>::LEN, K => run::<E, S, K>(simd, piece, bias, inputs, stop));
}

#[inline(always)]
fn run<E: Elem, S: Simd, const K: usize>(
    simd: S,
    piece: Piece<'_, E>,
    bias: Option<&mut [E]>,
    (events, grad, outputs): Inputs<'_, E>,
    stop: &Stop<'_>,
) {
    let Piece { words, column, columns, table } = piece;
    let end = outputs.min(column + columns);
    let n = events.shape().1;
    let from = words.start * WORD;
    let mut total: Tile<E, S, K> = load::<E, S, K>(simd, &[]);
    for (row, dy) in grad.chunks_exact(outputs).enumerate() {
        if row % ROWS == 0 && stop.now() {
            return;
        }
        let dy = load::<E, S, K>(simd, &dy[column..end]);
        let bits = &events.row(row)[words.clone()];
        match events.values() {
            Values::Ones => scatter(simd, bits, One, dy, table),
            Values::Dense(x) => scatter(simd, bits, At(&x[row * n + from..(row + 1) * n]), dy, table),
            Values::Listed(list) => scatter(simd, bits, Listed(events.listed(list, row, words.start).iter()), dy, table),
        }
        if bias.is_some() {
            for j in 0..K {
                total[j] += dy[j];
            }
        }
    }
    if let Some(bias) = bias {
        store::<E, S, K>(total, bias);
    }
}
