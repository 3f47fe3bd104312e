//! The gradient of a product's input, `dx[r, i] = sum over o of dy[r, o] * w[o, i]`: a dense product, whose bits are not promised.

use fearless_simd::Level;

use super::gemm::{Right, Target, multiply_fused, panel_width};
use super::{TASK, finite, length};
use rsnn_base::elem::Elem;
use rsnn_base::error::Result;
use rsnn_base::memory::Aligned;
use rsnn_base::pool::{Context, for_each};

/// Rows of a task: a multiple of the tile, small enough for the second cache.
const ROWS: usize = 192;

/// Write to `out` (rows, inputs) the product of `grad` (rows, outputs) and the weight (outputs, inputs).
pub fn input_gradient<E: Elem>(
    context: &Context<'_>,
    level: Level,
    grad: &[E],
    weight: &[E],
    out: &mut [E],
    (rows, inputs, outputs): (usize, usize, usize),
) -> Result<()> {
    length("grad", grad, &[rows, outputs])?;
    length("weight", weight, &[outputs, inputs])?;
    length("out", out, &[rows, inputs])?;
    finite("weight", weight)?;
    if out.is_empty() {
        return Ok(());
    }
    // The rows of the weight in panels as wide as a tile: `[panel][output][column]`.
    let width = panel_width::<E>(level);
    let mut panels = Aligned::zeros(inputs.div_ceil(width).checked_mul(outputs * width), "weight")?;
    if outputs > 0 {
        for (panel, panels) in panels.chunks_exact_mut(outputs * width).enumerate() {
            let columns = panel * width..inputs.min((panel + 1) * width);
            for (to, row) in panels.chunks_exact_mut(width).zip(weight.chunks_exact(inputs)) {
                to[..columns.len()].copy_from_slice(&row[columns.clone()]);
            }
        }
    }
    let offsets: Vec<usize> = (0..outputs).map(|o| o * width).collect();
    let right = Right { values: &panels, offsets: &offsets, advance: outputs * width };
    let block = rows.div_ceil(16).next_multiple_of(12).min(ROWS).max(TASK / (inputs * outputs).max(1)).min(rows);
    let tasks: Vec<(usize, &mut [E])> = out.chunks_mut(block * inputs).enumerate().collect();
    for_each(context, tasks, |(number, out), stop| {
        let grad = &grad[number * block * outputs..][..out.len() / inputs * outputs];
        multiply_fused(level, grad, &right, Target { values: out, stride: inputs, columns: 0..inputs }, stop);
    })
}
