//! What a row of events does to rows of numbers: the two loops that gathering and scattering share.

use fearless_simd::{Simd, SimdBase};

use crate::product::gemm::{load_part, store_part};
use rsnn_base::elem::{Elem, V};

/// Visit the events of a row from bit 0 on, ascending.
#[inline(always)]
pub fn each(words: &[u64], mut visit: impl FnMut(usize)) {
    for (number, word) in words.iter().enumerate() {
        let mut bits = *word;
        while bits != 0 {
            visit(number * 64 + bits.trailing_zeros() as usize);
            bits &= bits - 1;
        }
    }
}

/// What an event is worth; asked once for each, in order.
pub trait Amount<E> {
    /// Whether it is always 1, so that nothing need be multiplied.
    const UNIT: bool;
    /// Of entry `i`.
    fn of(&mut self, i: usize) -> E;
}

/// Spikes.
#[derive(Clone, Copy)]
pub struct One;

impl<E: Elem> Amount<E> for One {
    const UNIT: bool = true;
    #[inline(always)]
    fn of(&mut self, _: usize) -> E {
        E::ONE
    }
}

/// The value in a dense row.
#[derive(Clone, Copy)]
pub struct At<'a, E>(pub &'a [E]);

impl<E: Elem> Amount<E> for At<'_, E> {
    const UNIT: bool = false;
    #[inline(always)]
    fn of(&mut self, i: usize) -> E {
        self.0[i]
    }
}

/// The next value of a list.
pub struct Listed<'a, E>(pub std::slice::Iter<'a, E>);

impl<E: Elem> Amount<E> for Listed<'_, E> {
    const UNIT: bool = false;
    #[inline(always)]
    fn of(&mut self, _: usize) -> E {
        self.0.next().copied().unwrap_or(E::ZERO)
    }
}

/// Registers of a tile of columns.
pub type Tile<E, S, const K: usize> = [V<E, S>; K];

/// The sum of the table's rows (K registers wide) at the events.
///
/// The loops are written out, as in [`scatter`]: sums that a closure captures may end up in memory.
#[inline(always)]
pub fn gather<E: Elem, S: Simd, A: Amount<E>, const K: usize>(simd: S, words: &[u64], mut amount: A, table: &[E]) -> Tile<E, S, K> {
    let lanes = V::<E, S>::LEN;
    let mut sums = [V::<E, S>::splat(simd, E::ZERO); K];
    for (number, word) in words.iter().enumerate() {
        let mut bits = *word;
        while bits != 0 {
            let i = number * 64 + bits.trailing_zeros() as usize;
            bits &= bits - 1;
            let row = &table[i * K * lanes..][..K * lanes];
            if A::UNIT {
                for j in 0..K {
                    sums[j] += V::<E, S>::from_slice(simd, &row[j * lanes..(j + 1) * lanes]);
                }
            } else {
                let factor = V::<E, S>::splat(simd, amount.of(i));
                for j in 0..K {
                    sums[j] += V::<E, S>::from_slice(simd, &row[j * lanes..(j + 1) * lanes]) * factor;
                }
            }
        }
    }
    sums
}

/// Add `g` (K registers) to the table's rows at the events.
#[inline(always)]
pub fn scatter<E: Elem, S: Simd, A: Amount<E>, const K: usize>(simd: S, words: &[u64], mut amount: A, g: Tile<E, S, K>, table: &mut [E]) {
    let lanes = V::<E, S>::LEN;
    for (number, word) in words.iter().enumerate() {
        let mut bits = *word;
        while bits != 0 {
            let i = number * 64 + bits.trailing_zeros() as usize;
            bits &= bits - 1;
            let row = &mut table[i * K * lanes..][..K * lanes];
            let factor = V::<E, S>::splat(simd, amount.of(i));
            for j in 0..K {
                let part = &mut row[j * lanes..(j + 1) * lanes];
                let more = if A::UNIT { g[j] } else { g[j] * factor };
                (V::<E, S>::from_slice(simd, part) + more).store_slice(part);
            }
        }
    }
}

/// Up to K registers of a row; past its end they are 0.
#[inline(always)]
pub fn load<E: Elem, S: Simd, const K: usize>(simd: S, row: &[E]) -> Tile<E, S, K> {
    let mut tile = [V::<E, S>::splat(simd, E::ZERO); K];
    for j in 0..K {
        tile[j] = load_part::<E, S>(simd, row, j * V::<E, S>::LEN);
    }
    tile
}

/// As much of K registers as the row has.
#[inline(always)]
pub fn store<E: Elem, S: Simd, const K: usize>(tile: Tile<E, S, K>, row: &mut [E]) {
    for j in 0..K {
        store_part::<E, S>(tile[j], row, j * V::<E, S>::LEN);
    }
}

/// The widths, in registers, of the tiles that a row of `columns` is cut into, ascending; each with its first column.
pub fn tiles(columns: usize, lanes: usize, widest: usize) -> Vec<(usize, usize)> {
    let (mut at, mut all) = (0, Vec::new());
    while at < columns {
        let left = (columns - at).div_ceil(lanes);
        // The largest power of two that is left.
        let width = widest.min(1 << left.ilog2());
        all.push((at, width));
        at += width * lanes;
    }
    all
}

/// Call a kernel with the width of a tile as a constant.
macro_rules! with_width {
    ($width:expr, $K:ident => $work:expr) => {
        match $width {
            1 => {
                const $K: usize = 1;
                $work
            }
            2 => {
                const $K: usize = 2;
                $work
            }
            4 => {
                const $K: usize = 4;
                $work
            }
            8 => {
                const $K: usize = 8;
                $work
            }
            _ => {
                const $K: usize = 16;
                $work
            }
        }
    };
}
pub(super) use with_width;
