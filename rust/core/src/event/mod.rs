//! Work that follows the events: the entries of an input that are not 0 (NaN is not).
//!
//! A row of an input is a row of bits, `[row][ceil(n / 64)]`, bit `i % 64` of word `i / 64` for entry `i`; what fills up the last word is
//! 0. Where all entries are 0 and 1 that is everything; otherwise the values lie beside. A term 0 * w of a sum that starts from +0
//! changes no bit while w is finite, so sums over the events, in ascending order, are the same bits as over all entries.

pub mod bits;
pub mod frames;
pub mod linear;
mod rows;
pub mod weight;

pub use bits::{Events, Found, Values, estimate, scan, words_of};

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
pub const CROSSOVER: f64 = 0.3;

#[cfg(test)]
mod tests;
