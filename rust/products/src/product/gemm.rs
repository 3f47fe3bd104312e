//! One matrix product, summed in the promised order.
//!
//! ```text
//! c[m, n] = sum over ascending k of a[m, k] * b[k, n]        from +0, every product and every sum rounded on its own
//! ```
//!
//! Layout: `a` lies row by row. `b` is a [`Right`]: rows that may start anywhere, so that a transposed weight and the shifted views of
//! an image are the same thing to this file. Vectors run across n; a tile of up to 6 rows by 2 vectors keeps its sums in registers
//! while k ascends. 6 x 2 sums, 2 vectors of `b`, one of `a` and one product are the 16 registers that the smallest instruction
//! set has. Long sums are cut into blocks of k and continue from the stored sum: the same additions in the same order.
//!
//! A sum that starts from +0 never becomes -0, so leaving out a term whose `a` or `b` is 0 (the other being finite) changes no bit:
//! that is what lets padding, and an engine that visits only spikes, give the same result.

use std::ops::Range;

use fearless_simd::{Level, Simd, SimdBase, SimdFloat, dispatch};

use rsnn_base::elem::{Elem, V};
use rsnn_base::pool::Stop;

/// Vectors side by side in a tile.
const VECTORS: usize = 2;
/// Rows of the largest tile.
const MOST: usize = 12;
/// Terms summed before the sums go back to memory: a block of `b` two vectors wide stays in the second cache.
const DEPTH: usize = 512;

/// Rows of a tile, by an index that is known when compiling: what a loop indexes before it is unrolled lives in memory, the sums too.
macro_rules! for_each_row {
    ($n:ident < $rows:ident => $body:block) => {
        for_each_row!(@ $n $rows $body 0 1 2 3 4 5 6 7 8 9 10 11)
    };
    (@ $n:ident $rows:ident $body:block $($index:literal)*) => {
        $(if $index < $rows {
            const $n: usize = $index;
            $body
        })*
    };
}

/// The right operand: row k of its panel p starts at `values[p * advance + offsets[k]]` and is read [`panel_width`] wide.
pub struct Right<'a, E> {
    /// Everything; long enough that a panel can be read whole.
    pub values: &'a [E],
    /// Where row k starts.
    pub offsets: &'a [usize],
    /// From one panel to the next.
    pub advance: usize,
}

/// Columns of one panel on this instruction set.
#[must_use]
pub fn panel_width<E: Elem>(level: Level) -> usize {
    dispatch!(level, simd => width_of::<E, _>(simd))
}

#[inline(always)]
fn width_of<E: Elem, S: Simd>(_: S) -> usize {
    VECTORS * V::<E, S>::LEN
}

/// Where a product is written: some columns of every row of `values`.
pub struct Target<'a, E> {
    /// Whole rows, one after the other.
    pub values: &'a mut [E],
    /// The length of a row.
    pub stride: usize,
    /// The columns to write.
    pub columns: Range<usize>,
}

/// Write to `c` the product of `a` (rows, `offsets.len()`) and `b`. Gives up early, leaving `c` undefined, when told to stop.
pub fn multiply<E: Elem>(level: Level, a: &[E], b: &Right<'_, E>, c: Target<'_, E>, stop: &Stop<'_>) {
    dispatch!(level, simd => blocks::<E, _, false>(simd, a, b, c, stop));
}

/// The same with fused multiply-add where there is one: for results whose bits are not promised.
pub fn multiply_fused<E: Elem>(level: Level, a: &[E], b: &Right<'_, E>, c: Target<'_, E>, stop: &Stop<'_>) {
    dispatch!(level, simd => blocks::<E, _, true>(simd, a, b, c, stop));
}

#[inline(always)]
fn blocks<E: Elem, S: Simd, const FUSED: bool>(simd: S, a: &[E], b: &Right<'_, E>, mut c: Target<'_, E>, stop: &Stop<'_>) {
    if b.offsets.is_empty() {
        for row in c.values.chunks_exact_mut(c.stride) {
            row[c.columns.clone()].fill(E::ZERO);
        }
        return;
    }
    let width = width_of::<E, S>(simd);
    for first in (0..b.offsets.len()).step_by(DEPTH) {
        for column in c.columns.clone().step_by(width) {
            if stop.now() {
                return;
            }
            let panel = Panel {
                a,
                depth: b.offsets.len(),
                first,
                values: &b.values[(column - c.columns.start) / width * b.advance..],
                offsets: &b.offsets[first..b.offsets.len().min(first + DEPTH)],
                column,
            };
            if c.columns.end - column > V::<E, S>::LEN {
                panel.run::<S, VECTORS, FUSED>(simd, &mut c);
            } else {
                panel.run::<S, 1, FUSED>(simd, &mut c);
            }
        }
    }
}

/// One panel of `b`, one block of k.
struct Panel<'a, E> {
    a: &'a [E],
    /// Terms of the whole sum: the length of a row of `a`.
    depth: usize,
    /// The first term of this block.
    first: usize,
    values: &'a [E],
    offsets: &'a [usize],
    column: usize,
}

impl<E: Elem> Panel<'_, E> {
    /// All rows of `a`, in tiles of 6, 4, 2 and 1.
    #[inline(always)]
    fn run<S: Simd, const W: usize, const FUSED: bool>(&self, simd: S, c: &mut Target<'_, E>) {
        let rows = c.values.len() / c.stride;
        let mut row = 0;
        // Twice as many sums where there are 32 registers: half the loads for each.
        while V::<E, S>::LEN * size_of::<E>() >= 64 && rows - row >= MOST {
            self.tile::<S, MOST, W, FUSED>(simd, row, c);
            row += MOST;
        }
        while rows - row >= 6 {
            self.tile::<S, 6, W, FUSED>(simd, row, c);
            row += 6;
        }
        if rows - row >= 4 {
            self.tile::<S, 4, W, FUSED>(simd, row, c);
            row += 4;
        }
        if rows - row >= 2 {
            self.tile::<S, 2, W, FUSED>(simd, row, c);
            row += 2;
        }
        if rows - row >= 1 {
            self.tile::<S, 1, W, FUSED>(simd, row, c);
        }
    }

    /// `M` rows of `a` from `row` on, `W` vectors of columns.
    #[inline(always)]
    fn tile<S: Simd, const M: usize, const W: usize, const FUSED: bool>(&self, simd: S, row: usize, c: &mut Target<'_, E>) {
        let len = V::<E, S>::LEN;
        let mut a: [&[E]; M] = [&[]; M];
        for_each_row!(N < M => {
            a[N] = &self.a[(row + N) * self.depth + self.first..][..self.offsets.len()];
        });
        let mut sums = [[V::<E, S>::splat(simd, E::ZERO); W]; M];
        let part = (c.columns.end - self.column).min(W * len);
        if self.first > 0 {
            for_each_row!(N < M => {
                let stored = &c.values[(row + N) * c.stride + self.column..][..part];
                sums[N][0] = load_part::<E, S>(simd, stored, 0);
                if W > 1 {
                    sums[N][1] = load_part::<E, S>(simd, stored, len);
                }
            });
        }
        for (k, &offset) in self.offsets.iter().enumerate() {
            let values = &self.values[offset..][..W * len];
            let first = V::<E, S>::from_slice(simd, &values[..len]);
            let second = V::<E, S>::from_slice(simd, &values[(W - 1) * len..]);
            for_each_row!(N < M => {
                let factor = V::<E, S>::splat(simd, a[N][k]);
                sums[N][0] = if FUSED { factor.mul_add(first, sums[N][0]) } else { sums[N][0] + factor * first };
                if W > 1 {
                    sums[N][1] = if FUSED { factor.mul_add(second, sums[N][1]) } else { sums[N][1] + factor * second };
                }
            });
        }
        for_each_row!(N < M => {
            let stored = &mut c.values[(row + N) * c.stride + self.column..][..part];
            store_part::<E, S>(sums[N][0], stored, 0);
            if W > 1 {
                store_part::<E, S>(sums[N][1], stored, len);
            }
        });
    }
}

/// Entries of the widest register.
const WIDEST: usize = 16;

/// As much of a vector as a row still has from column `from` on, then 0.
///
/// Here and below vectors are passed by value: one whose address was taken would live in memory, the sums of a product too.
#[inline(always)]
pub fn load_part<E: Elem, S: Simd>(simd: S, row: &[E], from: usize) -> V<E, S> {
    let lanes = V::<E, S>::LEN;
    if from + lanes <= row.len() {
        return V::<E, S>::from_slice(simd, &row[from..from + lanes]);
    }
    let mut part = [E::ZERO; WIDEST];
    let rest = &row[from.min(row.len())..];
    part[..rest.len()].copy_from_slice(rest);
    V::<E, S>::from_slice(simd, &part[..lanes])
}

/// As much of a vector as a row still has from column `from` on.
#[inline(always)]
pub fn store_part<E: Elem, S: Simd>(vector: V<E, S>, row: &mut [E], from: usize) {
    let lanes = V::<E, S>::LEN;
    if from + lanes <= row.len() {
        vector.store_slice(&mut row[from..from + lanes]);
    } else if from < row.len() {
        let mut part = [E::ZERO; WIDEST];
        vector.store_slice(&mut part[..lanes]);
        let rest = &mut row[from..];
        rest.copy_from_slice(&part[..rest.len()]);
    }
}
