//! The gradient of a weight by events: `dW[o, i] = sum over ascending r of x[r, i] * dy[r, o]`, and `db[o] = sum over ascending r of dy[r, o]`.
//!
//! A row of dy stays in registers and is added to one row of the transposed gradient for each event. The gradient is cut into pieces, some
//! inputs by some columns: so small that a piece stays in the first cache while many rows are added to it, but for inputs with so few
//! events that rows would be loaded for nothing. These rows stay in the second cache while piece after piece takes them. However it is cut,
//! every sum runs over ascending rows: the bits are the same.

use std::ops::Range;

use fearless_simd::{Level, Simd, SimdBase};

use super::bits::{Events, Values, WORD, ones, words_of};
use super::linear::Table;
use super::rows::{At, Listed, One, Tile, load, scatter, store, with_width};
use crate::product::length;
use rsnn_base::elem::{Elem, V, on_level};
use rsnn_base::error::Result;
use rsnn_base::pool::{Context, Stop, for_each};

/// Registers that a row of dy is loaded into at most.
const WIDEST: usize = 8;
/// Bytes of a piece that stay in the first cache.
const PIECE: usize = 1 << 15;
/// Events that a row of dy is worth loading for.
const WORTH: f64 = 4.0;
/// Bytes of dy that stay in the second cache.
const BLOCK: usize = 1 << 18;

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
    let mut table = Table::zeros(level, "grad_weight", inputs, outputs, WIDEST)?;
    let across = words_of(inputs);
    let average = events.count() as f64 / (rows * across).max(1) as f64;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small number, or as many as there are")]
    let worth = (WORTH / average.max(1e-3)) as usize;
    let mut rest = grad_bias;
    let mut pieces = Vec::new();
    for (column, columns, panel) in table.panels_mut() {
        let (bias, after) = rest.split_at_mut(columns.min(rest.len()));
        rest = after;
        let mut bias = Some(bias);
        let mut panel = panel;
        let words = (PIECE / (columns * size_of::<E>() * WORD)).max(worth).clamp(1, across.max(1));
        for first in (0..across.max(1)).step_by(words) {
            let (part, after) = panel.split_at_mut((words * WORD * columns).min(panel.len()));
            panel = after;
            pieces.push(Piece { words: first..across.min(first + words), column, columns, table: part, bias: bias.take() });
        }
    }
    // A thread takes pieces that lie together: all of them read the same rows.
    let together = pieces.len().div_ceil(context.threads.max(1)).max(1);
    let mut tasks = Vec::new();
    while !pieces.is_empty() {
        let later = pieces.split_off(together.min(pieces.len()));
        tasks.push(std::mem::replace(&mut pieces, later));
    }
    let block = (BLOCK / (outputs * size_of::<E>()).max(1)).max(WORD);
    for_each(context, tasks, |mut pieces: Vec<Piece<'_, E>>, stop| {
        let mut starts = vec![0; block.min(rows)];
        for first in (0..rows).step_by(block) {
            let rows = first..rows.min(first + block);
            if work(level, &mut pieces, (events, grad, outputs), rows, &mut starts, stop).is_none() {
                return;
            }
        }
    })?;
    table.write(context, grad_weight)
}

/// Some inputs, by their words, and some columns.
struct Piece<'a, E> {
    words: Range<usize>,
    column: usize,
    columns: usize,
    table: &'a mut [E],
    /// Of these columns, with the first inputs of them.
    bias: Option<&'a mut [E]>,
}

type Inputs<'a, E> = (&'a Events<'a, E>, &'a [E], usize);

/// Add some rows to pieces in their order, by columns, then words. `starts` is memory for a number of each row.
fn work<E: Elem>(
    level: Level,
    pieces: &mut [Piece<'_, E>],
    inputs: Inputs<'_, E>,
    rows: Range<usize>,
    starts: &mut [usize],
    stop: &Stop<'_>,
) -> Option<()> {
    let events = inputs.0;
    let listed = matches!(events.values(), Values::Listed(_));
    let mut at = None;
    for piece in pieces {
        if stop.now() {
            return None;
        }
        if listed {
            // How many values of a row lie before those of this piece.
            let before =
                at.take().filter(|(column, words): &(usize, Range<usize>)| (*column, words.end) == (piece.column, piece.words.start));
            for (start, row) in starts.iter_mut().zip(rows.clone()) {
                let words = events.row(row);
                match &before {
                    Some((_, last)) => *start += ones(&words[last.clone()]),
                    None => *start = ones(&words[..piece.words.start]),
                }
            }
            at = Some((piece.column, piece.words.clone()));
        }
        on_level!(level, simd => enter(simd, piece, inputs, rows.clone(), starts));
    }
    Some(())
}

#[inline(always)]
fn enter<E: Elem, S: Simd>(simd: S, piece: &mut Piece<'_, E>, inputs: Inputs<'_, E>, rows: Range<usize>, starts: &[usize]) {
    with_width!(piece.columns / V::<E, S>::LEN, K => run::<E, S, K>(simd, piece, inputs, rows, starts));
}

#[inline(always)]
fn run<E: Elem, S: Simd, const K: usize>(
    simd: S,
    piece: &mut Piece<'_, E>,
    (events, grad, outputs): Inputs<'_, E>,
    rows: Range<usize>,
    starts: &[usize],
) {
    let Piece { words, column, columns, table, bias } = piece;
    let from = words.start * WORD;
    let end = outputs.min(*column + *columns);
    let n = events.shape().1;
    if let Some(bias) = bias {
        let mut total: Tile<E, S, K> = load::<E, S, K>(simd, bias);
        for row in rows.clone() {
            let dy = load::<E, S, K>(simd, &grad[row * outputs + *column..row * outputs + end]);
            for j in 0..K {
                total[j] += dy[j];
            }
        }
        store::<E, S, K>(total, bias);
    }
    for (row, start) in rows.clone().zip(starts) {
        let bits = &events.row(row)[words.clone()];
        if bits == [0] {
            continue;
        }
        let dy = load::<E, S, K>(simd, &grad[row * outputs + *column..row * outputs + end]);
        match events.values() {
            Values::Ones => scatter(simd, bits, One, dy, table),
            Values::Dense(x) => scatter(simd, bits, At(&x[row * n + from..(row + 1) * n]), dy, table),
            Values::Listed(list) => scatter(simd, bits, Listed(events.values_from(list, row, *start).iter()), dy, table),
        }
    }
}
