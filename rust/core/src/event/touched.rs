//! Which outputs of a step some event has reached: a bit for each pixel, all channels together.

use std::ops::Range;

/// A set of pixels, of rows side by side in memory. A pixel has `unit` neighbouring entries.
#[derive(Clone, Debug)]
pub struct Touched {
    /// The pixels of this step, row by row in whole words.
    words: Vec<u64>,
    /// Those of the next one.
    next: Vec<u64>,
    per_row: usize,
    width: usize,
    unit: usize,
}

/// The bits from `first` on, `count` of them, as far as word `word` holds them.
#[inline(always)]
fn bits(first: usize, count: usize, word: usize) -> u64 {
    let from = first.saturating_sub(word * 64);
    let to = (first + count - word * 64).min(64);
    (u64::MAX >> (64 - (to - from))) << from
}

impl Touched {
    /// All of `rows` rows of `width` pixels of `unit` entries.
    #[must_use]
    pub fn all(rows: usize, width: usize, unit: usize) -> Self {
        let per_row = width.div_ceil(64);
        let mut touched = Self { words: vec![0; rows * per_row], next: vec![0; rows * per_row], per_row, width, unit };
        for row in 0..rows {
            touched.mark(row, 0, width);
        }
        touched
    }

    /// Add pixels `first..first + count` of a row.
    #[inline(always)]
    pub fn mark(&mut self, row: usize, first: usize, count: usize) {
        self.mark_rows(row, 1, first, count);
    }

    /// Add pixels `first..first + count` of some rows.
    #[inline(always)]
    pub fn mark_rows(&mut self, row: usize, rows: usize, first: usize, count: usize) {
        if count > 0 {
            for word in first / 64..(first + count).div_ceil(64) {
                let bits = bits(first, count, word);
                for row in row..row + rows {
                    self.words[row * self.per_row + word] |= bits;
                }
            }
        }
    }

    /// Entries of a row of pixels.
    #[must_use]
    pub fn row(&self) -> usize {
        self.width * self.unit
    }

    /// Add to the next step the pixels that hold some of the entries `from..to`.
    #[inline(always)]
    pub fn keep(&mut self, from: usize, to: usize) {
        if to > from {
            for pixel in from / self.unit..to.div_ceil(self.unit) {
                let (row, column) = (pixel / self.width, pixel % self.width);
                self.next[row * self.per_row + column / 64] |= 1 << (column % 64);
            }
        }
    }

    /// Take the pixels of rows `rows` (up to the last row) out of the set, giving their entries to `visit` as ascending ranges that begin
    /// at multiples of `lanes`, no entry twice; a pixel or two between others come with them.
    #[inline(always)]
    pub fn drain(&mut self, rows: Range<usize>, lanes: usize, mut visit: impl FnMut(&mut Self, usize, usize)) {
        let mut done = 0;
        if self.per_row == 0 {
            return;
        }
        for row in rows.start..rows.end.min(self.words.len() / self.per_row) {
            for word in 0..self.per_row {
                let mut bits = std::mem::take(&mut self.words[row * self.per_row + word]);
                // Pixels between two that are visited: they do not change, and a longer run is cheaper than another one.
                let near = bits | bits << 1 | bits << 2;
                bits |= near & near >> 1 & near >> 2;
                while bits != 0 {
                    let first = bits.trailing_zeros();
                    let run = (!(bits >> first)).trailing_zeros();
                    bits = if first + run >= 64 { 0 } else { bits & (u64::MAX << (first + run)) };
                    let pixel = row * self.width + word * 64 + first as usize;
                    let from = (pixel * self.unit / lanes * lanes).max(done);
                    let to = ((pixel + run as usize) * self.unit).next_multiple_of(lanes);
                    if from < to {
                        visit(self, from, to);
                        done = to;
                    }
                }
            }
        }
    }

    /// Begin the next step, with what was kept for it.
    pub fn turn(&mut self) {
        std::mem::swap(&mut self.words, &mut self.next);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranges(touched: &mut Touched, lanes: usize) -> Vec<(usize, usize)> {
        let mut all = Vec::new();
        touched.drain(0..usize::MAX, lanes, |_, from, to| all.push((from, to)));
        touched.turn();
        all
    }

    #[test]
    fn a_set_gives_its_entries_once_in_order_and_is_empty_then() {
        let mut touched = Touched::all(2, 70, 3);
        assert_eq!(ranges(&mut touched, 1), [(0, 192), (192, 210), (210, 402), (402, 420)]);
        assert_eq!(ranges(&mut touched, 1), []);
        touched.mark(0, 62, 4);
        touched.mark(1, 0, 1);
        touched.mark(1, 69, 1);
        touched.mark(1, 3, 0);
        assert_eq!(ranges(&mut touched, 1), [(186, 192), (192, 198), (210, 213), (417, 420)]);
        touched.mark(0, 1, 1);
        touched.mark(0, 3, 1);
        touched.mark(0, 9, 1);
        assert_eq!(ranges(&mut touched, 8), [(0, 16), (24, 32)], "whole registers, none twice, none of a short gap left out");
    }

    #[test]
    fn what_is_kept_comes_with_the_next_step() {
        let mut touched = Touched::all(2, 70, 3);
        touched.drain(0..2, 1, |touched, from, _| {
            if from == 210 {
                touched.keep(212, 216);
            }
        });
        touched.turn();
        touched.mark(0, 0, 1);
        assert_eq!(ranges(&mut touched, 1), [(0, 3), (210, 216)]);
        assert_eq!(ranges(&mut touched, 1), []);
        touched.keep(5, 5);
        assert_eq!(ranges(&mut touched, 1), []);
    }
}
