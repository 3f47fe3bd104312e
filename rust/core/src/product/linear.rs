//! `y[r, o] = (sum over ascending i of x[r, i] * w[o, i]) + bias[o]`, the bias added last.
//!
//! Layout: `x` (rows, inputs), `w` (outputs, inputs), `y` (rows, outputs). The weight is transposed once into panels of the width the
//! product reads, `[panel][input][column]`, the last one filled up with zeros. Tasks are blocks of rows.

use fearless_simd::Level;

use super::gemm::{Right, multiply, panel_width};
use super::{TASK, finite, length};
use crate::elem::Elem;
use crate::error::{Error, Result};
use crate::pool::{Context, for_each};

/// Rows of a task where there are many: a multiple of the tile, small enough for the second cache.
const ROWS: usize = 192;
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
    let width = panel_width::<E>(level);
    let panels = transpose(context, weight, inputs, width)?;
    let offsets: Vec<usize> = (0..inputs).map(|i| i * width).collect();
    let right = Right { values: &panels, offsets: &offsets, advance: inputs * width };

    let block = rows.div_ceil(16).next_multiple_of(12).min(ROWS).max(TASK / (inputs * outputs).max(1)).min(rows);
    let tasks: Vec<(usize, &mut [E])> = out.chunks_mut(block * outputs).enumerate().collect();
    for_each(context, tasks, |(number, out), stop| {
        let first = number * block;
        let rows = out.len() / outputs;
        multiply(level, &x[first * inputs..(first + rows) * inputs], &right, out, outputs, stop);
        if let Some(bias) = bias {
            for row in out.chunks_exact_mut(outputs) {
                for (y, b) in row.iter_mut().zip(bias) {
                    *y += *b;
                }
            }
        }
    })
}

/// The weight (outputs, inputs) as `[panel][input][width]`.
fn transpose<E: Elem>(context: &Context<'_>, weight: &[E], inputs: usize, width: usize) -> Result<Vec<E>> {
    if weight.is_empty() {
        return Ok(Vec::new());
    }
    let outputs = weight.len() / inputs;
    let size = inputs * width;
    let count = outputs.div_ceil(width);
    let mut panels = zeros(count.checked_mul(size), "weight")?;
    let group = (TASK / 8).div_ceil(size);
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
    })?;
    Ok(panels)
}

/// So many zeros, or an error where the machine does not have the memory.
pub(super) fn zeros<E: Elem>(count: Option<usize>, name: &str) -> Result<Vec<E>> {
    let mut values = Vec::new();
    match count {
        Some(count) if values.try_reserve_exact(count).is_ok() => {
            values.resize(count, E::ZERO);
            Ok(values)
        }
        _ => Err(Error::value(format!("{name}: not enough memory to lay it out for the product; use smaller layers or fewer steps in one call"))),
    }
}
