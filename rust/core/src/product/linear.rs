//! `y[r, o] = (sum over ascending i of x[r, i] * w[o, i]) + bias[o]`, the bias added last.
//!
//! Layout: `x` (rows, inputs), `w` (outputs, inputs), `y` (rows, outputs). A group of outputs at a time, the weight is transposed into
//! panels of the width that the product reads, `[panel][input][column]`; what fills up the last one is computed and dropped. Tasks are
//! blocks of rows. A row or two are not worth the transposition: they are summed from the weight as it lies, 8 outputs abreast.

use fearless_simd::Level;

use super::gemm::{Right, Target, multiply, panel_width};
use super::{TASK, finite, length};
use crate::elem::Elem;
use crate::error::{Error, Result};
use crate::pool::{Context, for_each};

/// Rows of a task where there are many: a multiple of the tile, small enough for the second cache.
const ROWS: usize = 192;
/// So few rows are summed without transposing the weight (measured: 3 break even).
const FEW: usize = 2;
/// Outputs summed side by side for a few rows: enough to hide the latency of an addition.
const ABREAST: usize = 8;
/// Weights transposed at a time: they stay in the cache and their memory is used again.
const GROUP: usize = 1 << 20;
/// Inputs transposed at a time: what is read and what is written stay in the first cache.
const STRIP: usize = 32;

/// Multiply `x` (rows, inputs) by the weight (outputs, inputs) into `out` (rows, outputs).
pub fn linear<E: Elem>(
    context: &Context<'_>,
    level: Level,
    x: &[E],
    weight: &[E],
    bias: Option<&[E]>,
    out: &mut [E],
    (rows, inputs, outputs): (usize, usize, usize),
) -> Result<()> {
    length("x", x, &[rows, inputs])?;
    length("weight", weight, &[outputs, inputs])?;
    length("out", out, &[rows, outputs])?;
    finite("weight", weight)?;
    if let Some(bias) = bias {
        length("bias", bias, &[outputs])?;
        finite("bias", bias)?;
    }
    if out.is_empty() {
        return Ok(());
    }
    if rows <= FEW {
        let group = (TASK / 8).div_ceil((rows * inputs).max(1));
        return few(context, x, weight, bias, out, (inputs, outputs), group);
    }
    let width = panel_width::<E>(level);
    let offsets: Vec<usize> = (0..inputs).map(|i| i * width).collect();
    let group = (GROUP / inputs.max(1)).next_multiple_of(width).min(outputs);
    let mut panels = zeros(group.div_ceil(width).checked_mul(inputs * width), "weight")?;
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

/// A few rows by the weight as it lies; the sums of one row are as independent as vectors would be.
fn few<E: Elem>(
    context: &Context<'_>,
    x: &[E],
    weight: &[E],
    bias: Option<&[E]>,
    out: &mut [E],
    (inputs, outputs): (usize, usize),
    group: usize,
) -> Result<()> {
    let group = group.next_multiple_of(ABREAST);
    let mut tasks = Vec::new();
    for (row, out) in out.chunks_exact_mut(outputs).enumerate() {
        tasks.extend(out.chunks_mut(group).enumerate().map(|(number, part)| (row, number * group, part)));
    }
    for_each(context, tasks, |(row, first, part), stop| {
        let x = &x[row * inputs..(row + 1) * inputs];
        for (number, sums) in part.chunks_mut(ABREAST).enumerate() {
            if stop.now() {
                return;
            }
            let first = first + number * ABREAST;
            // Past the last output its row is summed again and dropped.
            let rows: [&[E]; ABREAST] = std::array::from_fn(|k| &weight[(first + k.min(sums.len() - 1)) * inputs..][..inputs]);
            let mut total = [E::ZERO; ABREAST];
            for (i, x) in x.iter().enumerate() {
                for (total, row) in total.iter_mut().zip(&rows) {
                    *total += row[i] * *x;
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

/// So many zeros, or an error where the machine does not have the memory.
pub(super) fn zeros<E: Elem>(count: Option<usize>, name: &str) -> Result<Vec<E>> {
    let mut values = Vec::new();
    match count {
        Some(count) if values.try_reserve_exact(count).is_ok() => {
            values.resize(count, E::ZERO);
            Ok(values)
        }
        _ => Err(Error::value(format!(
            "{name}: not enough memory to lay it out for the product; use smaller layers or fewer steps in one call"
        ))),
    }
}
