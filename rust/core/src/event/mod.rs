//! Products that follow the events: what is 0 is not multiplied. An event is everything that is not 0.
//!
//! Every sum starts from +0 and takes its terms in the order of the dense products (`product`), multiply then add. A term whose input is 0
//! changes no bit of it, weights being finite, so both give the same bits.

pub mod conv;
pub mod gather;
mod touched;

pub use touched::Touched;

/// An entry of a sample that is not 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Event<E> {
    /// Which entry, in the order of memory. The events of a sample ascend.
    pub at: u32,
    /// Its value.
    pub value: E,
}
