//! Rows that columns write, block after block: in place, or, where the array is large, past the cache.
//!
//! An array that does not fit into the cache is not there any more when it is read again, and a plain store would read each line first.
//! So a column's block is gathered in the first-level cache, and leaves it by stores that pass the others by.

use fearless_simd::{Level, Simd};

use super::{WIDEST, store};
use crate::stage::Column;
use rsnn_base::elem::Elem;
use rsnn_base::raw::stream;

/// Steps of a block that is gathered at most: more would not stay in the first-level cache.
const LONGEST: usize = 64;

/// The rows of a tile, one for each step.
pub(super) struct Outgoing<'a, E> {
    rows: Vec<&'a mut [E]>,
    streamed: bool,
    /// The steps of a column, [`WIDEST`] apart; empty where they are written in place.
    gathered: Vec<E>,
    /// The step that comes first in it.
    base: usize,
}

impl<'a, E: Elem> Outgoing<'a, E> {
    pub fn new(rows: Vec<&'a mut [E]>, streamed: bool) -> Self {
        Self { rows, streamed, gathered: Vec::new(), base: 0 }
    }

    /// The steps of a block begin.
    #[inline(always)]
    pub fn begin(&mut self, (t0, t1): (usize, usize)) {
        self.base = t0;
        if self.streamed && self.gathered.len() < WIDEST * (t1 - t0) {
            if t1 - t0 <= LONGEST {
                self.gathered = vec![E::ZERO; WIDEST * (t1 - t0)];
            } else {
                self.streamed = false;
            }
        }
    }

    /// What neurons `from..to` send on at step `t`.
    #[inline(always)]
    pub fn write<S: Simd, const K: usize>(&mut self, t: usize, (from, to): (usize, usize), column: &Column<E, S, K>) {
        let row = if self.gathered.is_empty() {
            &mut self.rows[t][from..to]
        } else {
            &mut self.gathered[(t - self.base) * WIDEST..][..to - from]
        };
        store(column, row);
    }

    /// Neurons `from..to` have taken the steps of the block.
    #[inline(always)]
    pub fn leave(&mut self, level: Level, (t0, t1): (usize, usize), (from, to): (usize, usize)) {
        if !self.gathered.is_empty() {
            for (row, gathered) in self.rows[t0..t1].iter_mut().zip(self.gathered.chunks(WIDEST)) {
                stream(level, &mut row[from..to], &gathered[..to - from]);
            }
        }
    }
}
