//! How arrays are cut into tiles: `(outer, time, inner)`, `inner` contiguous.
//!
//! `(T, ..., N)` with time first is `outer = 1, inner = product of the rest`; `(B, T, ...)` is `outer = B`. A tile is a range of
//! neurons of one outer index over all time. Its bounds never depend on the number of threads.

use std::ops::Range;

use rsnn_base::error::{Error, Result};

/// The shape of an input, or of an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Independent sequences.
    pub outer: usize,
    /// Steps.
    pub time: usize,
    /// Neurons side by side.
    pub inner: usize,
}

impl Shape {
    /// Elements in all, or an error where that does not fit.
    pub fn elements(&self) -> Result<usize> {
        self.outer
            .checked_mul(self.time)
            .and_then(|n| n.checked_mul(self.inner))
            .ok_or_else(|| Error::value(format!("x: {self:?} has more elements than this machine can count; use a smaller shape")))
    }
}

/// Neurons a tile holds at most: their state stays in the first-level cache, and it is a multiple of 64 (a word of packed spikes).
pub const TILE: usize = 1024;

/// The ranges of neurons that tiles hold, the same for every outer index.
#[must_use]
pub fn ranges(inner: usize) -> Vec<Range<usize>> {
    (0..inner).step_by(TILE).map(|from| from..(from + TILE).min(inner)).collect()
}

/// Cut an array `(before, outer, rows, width)` so that each tile gets its part of every row, ordered by `before`, then row.
///
/// The result has a list for each tile, by outer index, then range. Fails where the array has another size.
pub fn deal<'a, T>(
    name: &str,
    array: &'a mut [T],
    (before, outer, rows, width): (usize, usize, usize, usize),
    ranges: &[Range<usize>],
) -> Result<Vec<Vec<&'a mut [T]>>> {
    expect(name, array.len(), before * outer * rows * width)?;
    let mut tiles: Vec<Vec<&mut [T]>> = (0..outer * ranges.len()).map(|_| Vec::with_capacity(before * rows)).collect();
    let mut left = array;
    for _ in 0..before {
        for b in 0..outer {
            for _ in 0..rows {
                for (q, range) in ranges.iter().enumerate() {
                    let (part, rest) = left.split_at_mut(range.len());
                    tiles[b * ranges.len() + q].push(part);
                    left = rest;
                }
            }
        }
    }
    Ok(tiles)
}

/// An error where an array has another number of elements than its shape.
pub fn expect(name: &str, got: usize, want: usize) -> Result<()> {
    if got == want { Ok(()) } else { Err(Error::value(format!("{name}: {got} elements came where {want} belong"))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tile_gets_its_part_of_every_row_in_order() {
        let mut array: Vec<usize> = (0..2 * 2 * 3 * 5).collect();
        let tiles = deal("a", &mut array, (2, 2, 3, 5), &[0..2, 2..5]).unwrap();
        assert_eq!(tiles.len(), 4);
        assert_eq!(tiles[3].iter().map(|row| row[0]).collect::<Vec<_>>(), [17, 22, 27, 47, 52, 57]);
        assert!(tiles.iter().all(|rows| rows.len() == 6));
        assert!(deal("a", &mut [0; 3], (1, 1, 1, 4), &[0..2, 2..4]).is_err());
    }

    #[test]
    fn ranges_cover_all_neurons_once() {
        for inner in [0, 1, 1023, 1024, 1025, 5000] {
            assert_eq!(ranges(inner).iter().map(ExactSizeIterator::len).sum::<usize>(), inner);
        }
    }
}
