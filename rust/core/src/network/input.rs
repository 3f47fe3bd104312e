//! What comes into a network, as its input node gives it on.

use fearless_simd::Level;

use super::signal::{Signal, count, list, list_bits};
use crate::Kernels;
use rsnn_base::error::{Error, Result};
use rsnn_products::event::Event;

/// From this part of inputs that are not 0 on they are not listed.
const LISTED: f64 = 0.3;

/// The input of a run; row `t * samples + b` is a step of a sample.
#[derive(Clone, Copy)]
pub enum Input<'a, E> {
    /// All entries.
    Dense(&'a [E]),
    /// A bit for each entry, rows of whole words.
    Bits(&'a [u64]),
    /// What is not 0: where each row begins (and the end), entry, and value, 1 where there is none.
    Events(&'a [u64], &'a [u32], Option<&'a [E]>),
}

/// An error where an array does not have so many rows of `len` entries.
pub(super) fn expect(name: &str, came: usize, rows: usize, len: usize) -> Result<()> {
    if Some(came) == rows.checked_mul(len) {
        Ok(())
    } else {
        Err(Error::value(format!("{name}: {came} entries came; {rows} rows of {len} are needed")))
    }
}

impl<E: Kernels> Input<'_, E> {
    /// That there are `rows` rows of `len` entries, and that events are in order.
    pub(super) fn check(&self, rows: usize, len: usize) -> Result<()> {
        match self {
            Self::Dense(x) => expect("x", x.len(), rows, len),
            Self::Bits(words) => {
                expect("x", words.len(), rows, len.div_ceil(64))?;
                let across = len.div_ceil(64);
                if !len.is_multiple_of(64) && words.chunks_exact(across.max(1)).any(|row| row[across - 1] >> (len % 64) != 0) {
                    return Err(Error::value(format!("x: a bit beyond the {len} entries of a step is set; it must be 0")));
                }
                Ok(())
            }
            Self::Events(starts, at, values) => {
                expect("starts", starts.len(), rows + 1, 1)?;
                expect("values", values.map_or(at.len(), <[E]>::len), at.len(), 1)?;
                let ascending = starts.is_sorted() && starts[0] == 0 && starts[rows] == at.len() as u64;
                #[allow(clippy::cast_possible_truncation, reason = "at most at.len()")]
                let sorted = ascending
                    && starts.windows(2).all(|row| {
                        let row = &at[row[0] as usize..row[1] as usize];
                        row.is_sorted_by(|a, b| a < b) && row.last().is_none_or(|last| (*last as usize) < len)
                    });
                if sorted {
                    Ok(())
                } else {
                    Err(Error::value(format!("x: the events of a row must ascend, below {len}, and rows must follow each other")))
                }
            }
        }
    }

    /// Write some steps to `signal`: of each the row that `row` says.
    pub(super) fn fill(&self, level: Level, signal: &mut Signal<E>, steps: usize, row: impl Fn(usize) -> usize) {
        let len = signal.len;
        match self {
            Self::Dense(x) => {
                let of = |t: usize| &x[row(t) * len..(row(t) + 1) * len];
                if steps > 0 && count(level, of(0)) as f64 > LISTED * len as f64 {
                    for (t, to) in signal.begin_dense(steps).chunks_exact_mut(len.max(1)).enumerate() {
                        to.copy_from_slice(of(t));
                    }
                } else {
                    signal.begin_events();
                    (0..steps).for_each(|t| signal.push(|events| list(level, of(t), events)));
                }
            }
            Self::Bits(words) => {
                let across = len.div_ceil(64);
                signal.begin_events();
                (0..steps).for_each(|t| signal.push(|events| list_bits(&words[row(t) * across..(row(t) + 1) * across], events)));
            }
            Self::Events(starts, at, values) => {
                signal.begin_events();
                for t in 0..steps {
                    #[allow(clippy::cast_possible_truncation, reason = "checked: at most at.len()")]
                    let range = starts[row(t)] as usize..starts[row(t) + 1] as usize;
                    signal.push(|events| {
                        for k in range {
                            let value = values.map_or(E::ONE, |values| values[k]);
                            // Given as an event, it may still be 0.
                            if value != E::ZERO {
                                events.push(Event { at: at[k], value });
                            }
                        }
                    });
                }
            }
        }
    }
}
