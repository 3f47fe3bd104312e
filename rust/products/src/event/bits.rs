//! From dense rows to bits, counting on the way.

use fearless_simd::{Level, Simd, SimdBase, dispatch, prelude::*};

use super::rows::{Amount, At, Listed, One};
use rsnn_base::elem::{Elem, V};
use rsnn_base::error::{Error, Result};
use rsnn_base::pool::{Context, for_each};

/// Entries of a word.
pub const WORD: usize = 64;
/// Entries worth a task of its own.
const TASK: usize = 1 << 19;
/// Words looked at for an estimate.
const SAMPLES: usize = 512;

/// Words of a row of `n` entries.
#[must_use]
pub fn words_of(n: usize) -> usize {
    n.div_ceil(WORD)
}

/// What a scan has counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Entries that are not 0.
    pub count: u64,
    /// Whether all entries are 0 or 1.
    pub unit: bool,
}

impl Found {
    const NONE: Self = Self { count: 0, unit: true };

    fn and(self, other: Self) -> Self {
        Self { count: self.count + other.count, unit: self.unit && other.unit }
    }
}

/// Write the bits of `x` (rows, n) to `words` (rows, [`words_of`] n).
pub fn scan<E: Elem>(context: &Context<'_>, level: Level, x: &[E], words: &mut [u64], (rows, n): (usize, usize)) -> Result<Found> {
    let across = words_of(n);
    if Some(x.len()) != rows.checked_mul(n) || Some(words.len()) != rows.checked_mul(across) {
        return Err(Error::value(format!("words: {} came; {rows} rows of {n} entries have {across} each", words.len())));
    }
    if x.is_empty() {
        return Ok(Found::NONE);
    }
    let block = TASK.div_ceil(n).min(rows);
    let mut parts = vec![Found::NONE; rows.div_ceil(block)];
    let tasks: Vec<_> = parts.iter_mut().zip(x.chunks(block * n)).zip(words.chunks_mut(block * across)).collect();
    for_each(context, tasks, |((found, x), words), stop| {
        if !stop.now() {
            *found = dispatch!(level, simd => scan_rows(simd, x, words, n));
        }
    })?;
    Ok(parts.into_iter().fold(Found::NONE, Found::and))
}

#[inline(always)]
fn scan_rows<E: Elem, S: Simd>(simd: S, x: &[E], words: &mut [u64], n: usize) -> Found {
    let mut found = Found::NONE;
    for (row, words) in x.chunks_exact(n).zip(words.chunks_exact_mut(words_of(n))) {
        let whole = row.chunks_exact(WORD);
        let rest = whole.remainder();
        for (word, part) in words.iter_mut().zip(whole) {
            let (bits, unit) = one_word(simd, part);
            *word = bits;
            found = found.and(Found { count: u64::from(bits.count_ones()), unit });
        }
        if !rest.is_empty() {
            let mut part = [E::ZERO; WORD];
            part[..rest.len()].copy_from_slice(rest);
            let (bits, unit) = one_word(simd, &part);
            words[words.len() - 1] = bits;
            found = found.and(Found { count: u64::from(bits.count_ones()), unit });
        }
    }
    found
}

/// The bits of 64 entries, and whether all are 0 or 1.
#[inline(always)]
fn one_word<E: Elem, S: Simd>(simd: S, part: &[E]) -> (u64, bool) {
    let lanes = V::<E, S>::LEN;
    let (zero, one) = (V::<E, S>::splat(simd, E::ZERO), V::<E, S>::splat(simd, E::ONE));
    let (mut zeros, mut ones) = (0_u64, 0_u64);
    for from in (0..WORD).step_by(lanes) {
        let x = V::<E, S>::from_slice(simd, &part[from..from + lanes]);
        zeros |= x.simd_eq(zero).to_bitmask() << from;
        ones |= x.simd_eq(one).to_bitmask() << from;
    }
    (!zeros, zeros | ones == !0)
}

/// About which share of `x` is not 0, from a few hundred places spread over it: of a dense input not everything need be read.
pub fn estimate<E: Elem>(level: Level, x: &[E]) -> f64 {
    let all = x.len() / WORD;
    if all <= SAMPLES {
        let count = x.iter().filter(|x| **x != E::ZERO).count();
        return count as f64 / x.len().max(1) as f64;
    }
    dispatch!(level, simd => sample(simd, x, all))
}

#[inline(always)]
fn sample<E: Elem, S: Simd>(simd: S, x: &[E], all: usize) -> f64 {
    let stride = all / SAMPLES;
    let mut count = 0;
    for k in 0..SAMPLES {
        // Scattered within its stretch: an even step could meet the same columns in every row.
        let at = (k * stride + k.wrapping_mul(0x9E37_79B9) / 64 % stride) * WORD;
        count += one_word(simd, &x[at..at + WORD]).0.count_ones();
    }
    f64::from(count) / (SAMPLES * WORD) as f64
}

/// What the entries that are not 0 are.
#[derive(Clone, Copy, Debug)]
pub enum Values<'a, E> {
    /// All 1.
    Ones,
    /// In the dense array that the bits were made of.
    Dense(&'a [E]),
    /// One after the other, by row and ascending.
    Listed(&'a [E]),
}

/// The events of the rows of an input.
pub struct Events<'a, E> {
    words: &'a [u64],
    values: Values<'a, E>,
    /// Where the values of each row start, if they are listed.
    starts: Vec<usize>,
    rows: usize,
    n: usize,
    count: u64,
}

impl<'a, E: Elem> Events<'a, E> {
    /// Check `words` (rows, [`words_of`] n) and the values beside them.
    pub fn new(words: &'a [u64], values: Values<'a, E>, (rows, n): (usize, usize)) -> Result<Self> {
        let across = words_of(n);
        if Some(words.len()) != rows.checked_mul(across) {
            return Err(Error::value(format!("words: {} came; {rows} rows of {n} entries have {across} each", words.len())));
        }
        if !n.is_multiple_of(WORD) && words.chunks_exact(across).any(|row| row[across - 1] >> (n % WORD) != 0) {
            return Err(Error::value(format!("words: a bit beyond the {n} entries of a row is set; it must be 0")));
        }
        let mut starts = Vec::new();
        let mut count = 0_usize;
        if let Values::Listed(_) = values {
            starts.reserve(rows);
            for row in 0..rows {
                starts.push(count);
                count += ones(&words[row * across..][..across]);
            }
        } else {
            count = ones(words);
        }
        let fits = match values {
            Values::Ones => true,
            Values::Dense(x) => Some(x.len()) == rows.checked_mul(n),
            Values::Listed(list) => list.len() == count,
        };
        if !fits {
            return Err(Error::value(format!("values: not as many as {rows} rows of {n} entries with {count} events need")));
        }
        Ok(Self { words, values, starts, rows, n, count: count as u64 })
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The rows, and the entries of one.
    #[must_use]
    pub fn shape(&self) -> (usize, usize) {
        (self.rows, self.n)
    }

    /// The words of a row.
    #[must_use]
    pub fn row(&self, row: usize) -> &'a [u64] {
        let across = words_of(self.n);
        &self.words[row * across..][..across]
    }

    /// What is asked of the values; see [`rows`](super::rows).
    #[inline(always)]
    pub(super) fn values(&self) -> Values<'a, E> {
        self.values
    }

    /// The values of a row but for the first `before`, which must be listed.
    #[inline(always)]
    pub(super) fn values_from(&self, list: &'a [E], row: usize, before: usize) -> &'a [E] {
        &list[self.starts[row] + before..]
    }

    /// Visit the events of a row with their values, ascending.
    pub fn visit(&self, row: usize, visit: impl FnMut(usize, E)) {
        let words = self.row(row);
        match self.values {
            Values::Ones => pairs(words, One, visit),
            Values::Dense(dense) => pairs(words, At(&dense[row * self.n..][..self.n]), visit),
            Values::Listed(list) => pairs(words, Listed(self.values_from(list, row, 0).iter()), visit),
        }
    }

    /// The events of a row with their values.
    #[must_use]
    pub fn list(&self, row: usize) -> Vec<(usize, E)> {
        let mut all = Vec::with_capacity(ones(self.row(row)));
        self.visit(row, |i, value| all.push((i, value)));
        all
    }

    /// Write the dense rows, from `first` on, to `x`.
    pub fn unpack(&self, first: usize, x: &mut [E]) {
        x.fill(E::ZERO);
        for (row, x) in x.chunks_exact_mut(self.n.max(1)).enumerate() {
            self.visit(first + row, |i, value| x[i] = value);
        }
    }
}

fn pairs<E: Elem, A: Amount<E>>(words: &[u64], mut amount: A, mut visit: impl FnMut(usize, E)) {
    super::rows::each(words, |i| visit(i, amount.of(i)));
}

/// Bits that are set.
pub(super) fn ones(words: &[u64]) -> usize {
    words.iter().map(|word| word.count_ones() as usize).sum()
}

/// Write the dense rows of events to `x`.
pub fn unpack<E: Elem>(events: &Events<'_, E>, x: &mut [E]) {
    events.unpack(0, x);
}

/// Write the values of the events in `x` (rows, n) to `values`, by row and ascending.
pub fn list<E: Elem>(x: &[E], words: &[u64], values: &mut [E], (rows, n): (usize, usize)) -> Result<()> {
    let events = Events::new(words, Values::Dense(x), (rows, n))?;
    if events.count() != values.len() as u64 {
        return Err(Error::value(format!("values: room for {} came; there are {} events", values.len(), events.count())));
    }
    let mut at = 0;
    for (row, x) in x.chunks_exact(n.max(1)).enumerate() {
        super::rows::each(events.row(row), |i| {
            values[at] = x[i];
            at += 1;
        });
    }
    Ok(())
}
