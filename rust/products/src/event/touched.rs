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

/// How pixels lie in registers.
#[derive(Clone, Copy, Debug)]
pub struct Laid {
    lanes: usize,
    /// So many pixels are a register, or, where that is 1, so many registers are a pixel; 0 where neither is a whole number.
    pixels: usize,
    registers: usize,
}

/// Every first bit of 1, 2, 4, ... 64.
const FIRST: [u64; 7] =
    [u64::MAX, 0x5555_5555_5555_5555, 0x1111_1111_1111_1111, 0x0101_0101_0101_0101, 0x0001_0001_0001_0001, 0x0000_0001_0000_0001, 1];

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

    /// How the pixels lie in registers of `lanes` entries.
    #[must_use]
    pub fn laid(&self, lanes: usize) -> Laid {
        let whole = self.unit > 0 && self.row().is_multiple_of(lanes);
        if whole && lanes.is_multiple_of(self.unit) {
            Laid { lanes, pixels: lanes / self.unit, registers: 1 }
        } else if whole && self.unit.is_multiple_of(lanes) {
            Laid { lanes, pixels: 1, registers: self.unit / lanes }
        } else {
            Laid { lanes, pixels: 0, registers: 0 }
        }
    }

    /// Take the pixels of rows `rows` (up to the last row) out of the set, giving to `visit` where the registers that hold them begin, as
    /// `laid` says they lie: ascending, none twice.
    #[inline(always)]
    pub fn drain(&mut self, rows: Range<usize>, laid: Laid, mut visit: impl FnMut(&mut Self, usize)) {
        let Laid { lanes, pixels, registers } = laid;
        let mut done = 0;
        if self.per_row == 0 {
            return;
        }
        for row in rows.start..rows.end.min(self.words.len() / self.per_row) {
            for word in 0..self.per_row {
                let mut bits = std::mem::take(&mut self.words[row * self.per_row + word]);
                let first = row * self.width + word * 64;
                // The first pixel of a register stands for all of them.
                let mut apart = 1;
                while apart < pixels {
                    bits |= bits >> apart;
                    apart *= 2;
                }
                bits &= FIRST[pixels.max(1).ilog2() as usize];
                while bits != 0 {
                    let pixel = first + bits.trailing_zeros() as usize;
                    bits &= bits - 1;
                    let from = pixel * self.unit;
                    if pixels > 0 {
                        for register in 0..registers {
                            visit(self, from + register * lanes);
                        }
                    } else {
                        // Registers that begin and end within pixels.
                        let end = from + self.unit;
                        let mut from = (from / lanes * lanes).max(done);
                        while from < end {
                            visit(self, from);
                            from += lanes;
                        }
                        done = from;
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

    fn registers(touched: &mut Touched, lanes: usize) -> Vec<usize> {
        let mut all = Vec::new();
        touched.drain(0..usize::MAX, touched.laid(lanes), |_, from| all.push(from));
        touched.turn();
        all
    }

    #[test]
    fn a_set_gives_its_registers_once_in_order_and_is_empty_then() {
        for (width, unit) in [(70, 3), (64, 1), (64, 2), (64, 16), (96, 4), (130, 8), (70, 32), (7, 64), (5, 48), (9, 6)] {
            for lanes in [1, 4, 8, 16] {
                let mut touched = Touched::all(2, width, unit);
                let whole: Vec<usize> = (0..2 * width * unit).step_by(lanes).collect();
                assert_eq!(registers(&mut touched, lanes), whole, "{width} {unit} {lanes}");
                assert_eq!(registers(&mut touched, lanes), []);
                touched.mark(0, width - 2, 2);
                touched.mark(1, 0, 1);
                touched.mark(1, 3, 0);
                touched.mark(1, 4, 1);
                let marked: Vec<usize> = [width - 2, width - 1, width, width + 4].iter().flat_map(|p| p * unit..(p + 1) * unit).collect();
                let expected: Vec<usize> =
                    whole.iter().copied().filter(|from| marked.iter().any(|at| at / lanes == from / lanes)).collect();
                assert_eq!(registers(&mut touched, lanes), expected, "{width} {unit} {lanes}");
            }
        }
    }

    #[test]
    fn what_is_kept_comes_with_the_next_step() {
        let mut touched = Touched::all(2, 70, 3);
        touched.drain(0..2, touched.laid(1), |touched, from| {
            if from == 210 {
                touched.keep(212, 216);
            }
        });
        touched.turn();
        touched.mark(0, 0, 1);
        assert_eq!(registers(&mut touched, 1), [0, 1, 2, 210, 211, 212, 213, 214, 215]);
        assert_eq!(registers(&mut touched, 1), []);
        touched.keep(5, 5);
        assert_eq!(registers(&mut touched, 1), []);
    }
}
