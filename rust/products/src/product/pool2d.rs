//! `y[r, c, p, q] = sum in raster order of x[r, c, p ky + j, q kx + i]` from +0; the average divides that sum by `ky * kx`.
//! The largest starts from the first pixel, whose place the next one takes in raster order where it is larger, or NaN.
//!
//! The stride is the kernel; rows and columns that do not fill a whole cell are dropped.

use super::{TASK, length};
use rsnn_base::elem::Elem;
use rsnn_base::error::{Error, Result};
use rsnn_base::pool::{Context, for_each};

/// What is done with the pixels of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell {
    /// They are added.
    Sum,
    /// Their sum is divided by their number.
    Average,
    /// The largest is taken.
    Max,
}

/// The sizes of a pooling; pairs are (rows, columns).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool2d {
    /// Images times channels.
    pub planes: usize,
    /// Of one plane in.
    pub size: (usize, usize),
    /// Of a cell, at least 1.
    pub kernel: (usize, usize),
    /// What is done with them.
    pub cell: Cell,
}

impl Pool2d {
    /// Of one plane out.
    pub fn output_size(&self) -> Result<(usize, usize)> {
        let (size, kernel) = (self.size, self.kernel);
        if kernel.0 == 0 || kernel.1 == 0 {
            return Err(Error::value(format!("kernel {kernel:?} must be at least 1")));
        }
        Ok((size.0 / kernel.0, size.1 / kernel.1))
    }
}

/// Pool `x` (planes, height, width) into `out` (planes, height / ky, width / kx).
pub fn pool2d<E: Elem>(context: &Context<'_>, x: &[E], out: &mut [E], pool: &Pool2d) -> Result<()> {
    let (size, kernel) = (pool.size, pool.kernel);
    let output = pool.output_size()?;
    length("x", x, &[pool.planes, size.0, size.1])?;
    length("out", out, &[pool.planes, output.0, output.1])?;
    if out.is_empty() {
        return Ok(());
    }
    let divisor = E::from_f64((kernel.0 * kernel.1) as f64);
    let plane = output.0 * output.1;
    let group = (TASK / 2).div_ceil(size.0 * size.1);
    let tasks: Vec<(&mut [E], &[E])> = out.chunks_mut(group * plane).zip(x.chunks(group * size.0 * size.1)).collect();
    for_each(context, tasks, |(out, x), stop| {
        for (out, x) in out.chunks_exact_mut(plane).zip(x.chunks_exact(size.0 * size.1)) {
            if stop.now() {
                return;
            }
            for (out, x) in out.chunks_exact_mut(output.1).zip(x.chunks_exact(size.1 * kernel.0)) {
                if pool.cell == Cell::Max {
                    for (cell, first) in out.iter_mut().zip(x.chunks_exact(kernel.1)) {
                        *cell = first[0];
                    }
                    x.chunks_exact(size.1).for_each(|row| max_row(out, row, kernel.1));
                    continue;
                }
                out.fill(E::ZERO);
                x.chunks_exact(size.1).for_each(|row| add_row(out, row, kernel.1));
                if pool.cell == Cell::Average {
                    for y in out {
                        *y /= divisor;
                    }
                }
            }
        }
    })
}

/// Add to each cell its part of one row, from left to right.
fn add_row<E: Elem>(cells: &mut [E], row: &[E], kernel: usize) {
    for (cell, part) in cells.iter_mut().zip(row.chunks_exact(kernel)) {
        *cell = part.iter().fold(*cell, |sum, x| sum + *x);
    }
}

/// Take into each cell the largest of its part of one row, from left to right.
fn max_row<E: Elem>(cells: &mut [E], row: &[E], kernel: usize) {
    for (cell, part) in cells.iter_mut().zip(row.chunks_exact(kernel)) {
        *cell = part.iter().fold(*cell, |most, x| if *x > most || x.to_f64().is_nan() { *x } else { most });
    }
}
