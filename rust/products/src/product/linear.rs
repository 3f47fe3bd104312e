//! `y[r, o] = (sum over ascending i of x[r, i] * w[o, i]) + bias[o]`, the bias added last.
//!
//! Where most of x is 0 the sums run over its events (`event/linear.rs`): the same bits. What follows is the dense way.
//!
//! Layout: `x` (rows, inputs), `w` (outputs, inputs), `y` (rows, outputs). A group of outputs at a time, the weight is transposed into
//! panels of the width that the product reads, `[panel][input][column]`; what fills up the last one is computed and dropped. Tasks are
//! blocks of rows. A row or two are not worth the transposition: they are summed from the weight as it lies, 8 outputs abreast.

use fearless_simd::Level;

use super::gemm::{Right, Target, multiply, panel_width};
use super::{TASK, finite, length};
use crate::event::linear::Table;
use crate::event::{self, CROSSOVER, Events, Found, Path, Values, estimate, scan, words_of};
use rsnn_base::elem::Elem;
use rsnn_base::error::Result;
use rsnn_base::memory::Aligned;
use rsnn_base::pool::{Context, for_each};

/// Rows of a task where there are many: a multiple of the tile, small enough for the second cache.
const ROWS: usize = 192;
/// So few rows are summed without transposing the weight (measured: 3 break even).
const FEW: usize = 2;
/// An estimated share of events above which they are not even counted.
const CLEARLY: f64 = CROSSOVER * 1.5;
/// Outputs summed side by side for a few rows: enough to hide the latency of an addition.
const ABREAST: usize = 8;
/// Weights transposed at a time: they stay in the cache and their memory is used again.
const GROUP: usize = 1 << 20;
/// Inputs transposed at a time: what is read and what is written stay in the first cache.
const STRIP: usize = 32;

/// What a product multiplies.
pub enum Rows<'a, E> {
    /// All entries (rows, inputs).
    Dense(&'a [E]),
    /// The bits of 0 and 1, (rows, words of inputs).
    Packed(&'a [u64]),
}

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Done {
    /// Event or dense, never auto.
    pub path: Path,
    /// Entries that are not 0; 0 where a dense product was asked for or an estimate was enough.
    pub events: u64,
    /// Whether all entries are known to be 0 or 1.
    pub unit: bool,
}

/// Multiply `x` (rows, inputs) by the weight (outputs, inputs) into `out` (rows, outputs).
///
/// The bits of a dense x go to `words` (rows, words of inputs) if they are found on the way: where the path taken is that of the events.
pub fn linear<E: Elem>(
    context: &Context<'_>,
    level: Level,
    x: &Rows<'_, E>,
    weight: &[E],
    bias: Option<&[E]>,
    out: &mut [E],
    shape: (usize, usize, usize),
    (path, words): (Path, Option<&mut [u64]>),
) -> Result<Done> {
    let (rows, inputs, outputs) = shape;
    if let Rows::Dense(x) = x {
        length("x", x, &[rows, inputs])?;
    }
    length("weight", weight, &[outputs, inputs])?;
    length("out", out, &[rows, outputs])?;
    finite("weight", weight)?;
    if let Some(bias) = bias {
        length("bias", bias, &[outputs])?;
        finite("bias", bias)?;
    }
    let all = rows as f64 * inputs as f64;
    match x {
        Rows::Packed(words) => {
            let events = Events::new(words, Values::Ones, (rows, inputs))?;
            let found = Found { count: events.count(), unit: true };
            if path == Path::Event || (path == Path::Auto && found.count as f64 <= all * CROSSOVER) {
                return by_events(context, level, &events, weight, bias, out, shape, found);
            }
            let mut x = Aligned::zeros(rows.checked_mul(inputs), "x")?;
            events.unpack(0, &mut x);
            dense(context, level, &x, weight, bias, out, shape)?;
            Ok(Done { path: Path::Dense, events: found.count, unit: true })
        }
        Rows::Dense(x) => {
            let mut found = Found { count: 0, unit: false };
            if path == Path::Event || (path == Path::Auto && estimate(level, x) <= CLEARLY) {
                let mut own = Vec::new();
                let words = if let Some(words) = words {
                    words
                } else {
                    own.resize(rows * words_of(inputs), 0);
                    &mut own
                };
                found = scan(context, level, x, words, (rows, inputs))?;
                if path == Path::Event || found.count as f64 <= all * CROSSOVER {
                    let values = if found.unit { Values::Ones } else { Values::Dense(x) };
                    let events = Events::new(words, values, (rows, inputs))?;
                    return by_events(context, level, &events, weight, bias, out, shape, found);
                }
            }
            dense(context, level, x, weight, bias, out, shape)?;
            Ok(Done { path: Path::Dense, events: found.count, unit: found.unit })
        }
    }
}

/// A row of the transposed weight for each event; for a few rows the weight is read as it lies.
fn by_events<E: Elem>(
    context: &Context<'_>,
    level: Level,
    events: &Events<'_, E>,
    weight: &[E],
    bias: Option<&[E]>,
    out: &mut [E],
    (rows, inputs, outputs): (usize, usize, usize),
    found: Found,
) -> Result<Done> {
    if rows <= FEW {
        let lists = (0..rows).map(|row| events.list(row)).collect::<Vec<_>>();
        let group = (TASK / 8).div_ceil(lists.iter().map(Vec::len).sum::<usize>().max(1));
        few(context, |row| lists[row].iter().copied(), weight, bias, out, (inputs, outputs), group)?;
    } else {
        let table = Table::transposed(context, level, weight, outputs, inputs)?;
        event::linear::linear(context, level, events, &table, bias, out)?;
    }
    Ok(Done { path: Path::Event, events: found.count, unit: found.unit })
}

fn dense<E: Elem>(
    context: &Context<'_>,
    level: Level,
    x: &[E],
    weight: &[E],
    bias: Option<&[E]>,
    out: &mut [E],
    (rows, inputs, outputs): (usize, usize, usize),
) -> Result<()> {
    if out.is_empty() {
        return Ok(());
    }
    if rows <= FEW {
        let group = (TASK / 8).div_ceil((rows * inputs).max(1));
        return few(
            context,
            |row| x[row * inputs..(row + 1) * inputs].iter().copied().enumerate(),
            weight,
            bias,
            out,
            (inputs, outputs),
            group,
        );
    }
    let width = panel_width::<E>(level);
    let offsets: Vec<usize> = (0..inputs).map(|i| i * width).collect();
    let group = (GROUP / inputs.max(1)).next_multiple_of(width).min(outputs);
    let mut panels = Aligned::zeros(group.div_ceil(width).checked_mul(inputs * width), "weight")?;
    let block = rows.div_ceil(16).next_multiple_of(12).min(ROWS).max(TASK / (inputs * group).max(1)).min(rows);
    for first in (0..outputs).step_by(group) {
        let columns = first..outputs.min(first + group);
        transpose(context, &weight[columns.start * inputs..columns.end * inputs], &mut panels, inputs, width)?;
        let right = Right { values: &panels, offsets: &offsets, advance: inputs * width };
        let tasks: Vec<(usize, &mut [E])> = out.chunks_mut(block * outputs).enumerate().collect();
        for_each(context, tasks, |(number, out), stop| {
            let x = &x[number * block * inputs..][..out.len() / outputs * inputs];
            multiply(level, x, &right, Target { values: out, stride: outputs, columns: columns.clone() }, stop);
            if let Some(bias) = bias {
                for row in out.chunks_exact_mut(outputs) {
                    add(&mut row[columns.clone()], &bias[columns.clone()]);
                }
            }
        })?;
    }
    Ok(())
}

fn add<E: Elem>(row: &mut [E], bias: &[E]) {
    for (y, b) in row.iter_mut().zip(bias) {
        *y += *b;
    }
}

/// A few rows by the weight as it lies; the sums of one row are as independent as vectors would be. `x` gives the entries of a row.
fn few<E: Elem, I: Iterator<Item = (usize, E)>>(
    context: &Context<'_>,
    x: impl Fn(usize) -> I + Sync,
    weight: &[E],
    bias: Option<&[E]>,
    out: &mut [E],
    (inputs, outputs): (usize, usize),
    group: usize,
) -> Result<()> {
    if out.is_empty() {
        return Ok(());
    }
    let group = group.next_multiple_of(ABREAST);
    let mut tasks = Vec::new();
    for (row, out) in out.chunks_exact_mut(outputs).enumerate() {
        tasks.extend(out.chunks_mut(group).enumerate().map(|(number, part)| (row, number * group, part)));
    }
    for_each(context, tasks, |(row, first, part), stop| {
        for (number, sums) in part.chunks_mut(ABREAST).enumerate() {
            if stop.now() {
                return;
            }
            let first = first + number * ABREAST;
            // Past the last output its row is summed again and dropped.
            let rows: [&[E]; ABREAST] = std::array::from_fn(|k| &weight[(first + k.min(sums.len() - 1)) * inputs..][..inputs]);
            let mut total = [E::ZERO; ABREAST];
            for (i, x) in x(row) {
                for (total, row) in total.iter_mut().zip(&rows) {
                    *total += row[i] * x;
                }
            }
            sums.copy_from_slice(&total[..sums.len()]);
            if let Some(bias) = bias {
                add(sums, &bias[first..first + sums.len()]);
            }
        }
    })
}

/// The weight (columns, inputs) as `[panel][input][width]`.
fn transpose<E: Elem>(context: &Context<'_>, weight: &[E], panels: &mut [E], inputs: usize, width: usize) -> Result<()> {
    let size = inputs * width;
    if size == 0 {
        return Ok(());
    }
    let group = (TASK / 16).div_ceil(size);
    let tasks: Vec<(&mut [E], &[E])> = panels.chunks_mut(group * size).zip(weight.chunks(group * size)).collect();
    for_each(context, tasks, |(panels, weight), _| {
        for (panel, weight) in panels.chunks_exact_mut(size).zip(weight.chunks(size)) {
            for first in (0..inputs).step_by(STRIP) {
                let strip = first..inputs.min(first + STRIP);
                for (column, row) in weight.chunks_exact(inputs).enumerate() {
                    for (entries, w) in panel[first * width..].chunks_exact_mut(width).zip(&row[strip.clone()]) {
                        entries[column] = *w;
                    }
                }
            }
        }
    })
}
