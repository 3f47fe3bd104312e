//! Layers that move entries about and join those that meet: pooling, the order of axes, sums of several inputs.
//!
//! ```text
//! y[m] = sum over all n with table[n] = m, ascending, input after input, of x[n]        from +0
//! mean divides that sum by the size of a cell; largest takes the greatest entry of a cell, a NaN where there is one
//! ```

use fearless_simd::Level;

use super::signal::Signal;
use rsnn_base::elem::Elem;
use rsnn_products::event::Event;

/// What becomes of the entries of a cell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Join {
    /// They are added.
    Sum,
    /// Their sum is divided by the size of a cell.
    Mean(usize),
    /// The greatest of a cell of so many.
    Largest(usize),
}

/// Where `table` says so, an entry goes nowhere.
pub const NOWHERE: u32 = u32::MAX;
/// From this part of entries that are not 0 on, all are looked at.
const DENSE: f64 = 0.25;

/// A layer that moves entries.
#[derive(Clone, Debug)]
pub struct Map {
    /// Where each cell of `unit` neighbouring entries goes, as the number of a cell; to its own place where there is none.
    pub table: Option<Vec<u32>>,
    /// Entries that go together.
    pub unit: u32,
    /// What happens where they meet.
    pub join: Join,
}

/// Memory of a [`Map`], all 0 between two steps.
#[derive(Clone, Debug)]
pub struct Cells<E> {
    values: Vec<E>,
    /// Entries that came, of [`Join::Largest`] alone.
    seen: Vec<u32>,
    bits: Vec<u64>,
}

impl<E: Elem> Cells<E> {
    /// For `len` entries out.
    #[must_use]
    pub fn new(len: usize, join: Join) -> Self {
        let seen = if matches!(join, Join::Largest(_)) { vec![0; len] } else { Vec::new() };
        Self { values: vec![E::ZERO; len], seen, bits: vec![0; len.div_ceil(64)] }
    }
}

/// The greater of two, or the NaN among them.
#[inline(always)]
#[allow(clippy::eq_op, reason = "a NaN is not equal to itself")]
fn greater<E: Elem>(a: E, b: E) -> E {
    if b > a || b != b { b } else { a }
}

impl Map {
    #[inline(always)]
    fn to(&self, from: u32) -> u32 {
        let Some(table) = &self.table else { return from };
        if self.unit == 1 {
            return table[from as usize];
        }
        let cell = from / self.unit;
        let to = table[cell as usize];
        if to == NOWHERE { to } else { to * self.unit + (from - cell * self.unit) }
    }

    /// Fill `out` from the inputs, whose steps are equal in number.
    pub fn run<E: Elem>(&self, level: Level, inputs: &mut [Signal<E>], which: &[usize], cells: &mut Cells<E>, out: &mut Signal<E>) {
        let steps = which.first().map_or(0, |first| inputs[*first].steps);
        let few = which.iter().all(|input| {
            let input = &inputs[*input];
            (input.count(level) as f64) <= DENSE * (input.len * input.steps) as f64
        });
        if few {
            for input in which {
                inputs[*input].list(level);
            }
            out.begin_events();
            for t in 0..steps {
                for input in which {
                    self.take(inputs[*input].events(t), cells);
                }
                out.push(|events| self.give(cells, events));
            }
        } else {
            for input in which {
                inputs[*input].spread();
            }
            let len = out.len;
            for (t, row) in out.begin_dense(steps).chunks_exact_mut(len.max(1)).enumerate() {
                self.spread(which.iter().map(|input| inputs[*input].row(t)), row);
            }
        }
    }

    fn take<E: Elem>(&self, events: &[Event<E>], cells: &mut Cells<E>) {
        // What is the same for all events is asked once.
        let Some(table) = &self.table else { return self.put(events, cells, |from| from) };
        if self.unit == 1 {
            self.put(events, cells, |from| table[from as usize]);
        } else if self.unit.is_power_of_two() {
            let (shift, within) = (self.unit.trailing_zeros(), self.unit - 1);
            self.put(events, cells, |from| {
                let to = table[(from >> shift) as usize];
                if to == NOWHERE { to } else { to << shift | from & within }
            });
        } else {
            self.put(events, cells, |from| self.to(from));
        }
    }

    /// Add events to the cells that `to` says.
    #[inline(always)]
    fn put<E: Elem>(&self, events: &[Event<E>], cells: &mut Cells<E>, to: impl Fn(u32) -> u32) {
        let Cells { values, seen, bits } = cells;
        for event in events {
            let to = to(event.at);
            if to == NOWHERE {
                continue;
            }
            let to = to as usize;
            let (value, word) = (&mut values[to], &mut bits[to / 64]);
            if let Join::Largest(_) = self.join {
                let first = *word >> (to % 64) & 1 == 0;
                *value = if first { event.value } else { greater(*value, event.value) };
                seen[to] += 1;
            } else {
                *value += event.value;
            }
            *word |= 1 << (to % 64);
        }
    }

    #[inline(always)]
    fn give<E: Elem>(&self, cells: &mut Cells<E>, events: &mut Vec<Event<E>>) {
        // To multiply by 1 / 4 is to divide by 4, and so with every power of 2.
        let size = if let Join::Mean(size) = self.join { size } else { 1 };
        let (by, exact) = (E::from_f64(size as f64), size.is_power_of_two());
        let inverse = E::ONE / by;
        for (word, bits) in cells.bits.iter_mut().enumerate() {
            let mut bits = std::mem::take(bits);
            while bits != 0 {
                let at = word * 64 + bits.trailing_zeros() as usize;
                bits &= bits - 1;
                let mut value = std::mem::take(&mut cells.values[at]);
                match self.join {
                    Join::Sum => {}
                    Join::Mean(_) => value = if exact { value * inverse } else { value / by },
                    Join::Largest(size) => {
                        if (std::mem::take(&mut cells.seen[at]) as usize) < size {
                            value = greater(value, E::ZERO);
                        }
                    }
                }
                if value != E::ZERO {
                    #[allow(clippy::cast_possible_truncation, reason = "networks refuse samples of 2^32 entries")]
                    events.push(Event { at: at as u32, value });
                }
            }
        }
    }

    fn spread<'a, E: Elem>(&self, rows: impl Iterator<Item = &'a [E]>, out: &mut [E]) {
        out.fill(if matches!(self.join, Join::Largest(_)) { E::from_f64(f64::NEG_INFINITY) } else { E::ZERO });
        for row in rows {
            for (from, value) in (0..).zip(row) {
                let to = self.to(from);
                if to != NOWHERE {
                    let to = &mut out[to as usize];
                    *to = if matches!(self.join, Join::Largest(_)) { greater(*to, *value) } else { *to + *value };
                }
            }
        }
        if let Join::Mean(size) = self.join {
            let size = E::from_f64(size as f64);
            for value in out {
                *value /= size;
            }
        }
    }
}
