//! Work that follows the events: the entries of an input that are not 0 (NaN is not).
//!
//! A row of an input is a row of bits, `[row][ceil(n / 64)]`, bit `i % 64` of word `i / 64` for entry `i`; what fills up the last word is
//! 0. Where all entries are 0 and 1 that is everything; otherwise the values lie beside. A term 0 * w of a sum that starts from +0
//! changes no bit while w is finite, so sums over the events, in ascending order, are the same bits as over all entries.
//!
//! Where little is left of a row, as between the layers of a network, it is a list of [`Event`]s.

pub mod bits;
pub mod conv;
pub mod frames;
pub mod gather;
pub mod linear;
mod rows;
mod touched;
pub mod weight;

pub use bits::{Events, Found, Values, estimate, scan, words_of};
pub use touched::{Laid, Touched};

/// An entry of a sample that is not 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Event<E> {
    /// Which entry, in the order of memory. The events of a sample ascend.
    pub at: u32,
    /// Its value.
    pub value: E,
}

/// Which way a product goes; the bits are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// The way that is faster at the density that is found.
    Auto,
    /// A row of the weight for every event.
    Event,
    /// All entries, zeros too.
    Dense,
}

/// The share of entries that are not 0 above which a dense product is faster. Measured: see docs/performance.md.
pub const CROSSOVER: f64 = 0.45;

#[cfg(test)]
mod tests;
