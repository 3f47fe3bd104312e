//! Chips in integers: what a chip's own simulator computes, bit for bit.
//!
//! One neuron core serves every target: a chip is a line of knobs ([`neuron`]), the routing in front of it and the limits that the
//! Python side checks. [`step`] is one step of a column of neurons, [`rows`] and [`scan`] the loops over neurons and time. The products in front of them are
//! exact in any order ([`product`]), so they follow the events.

mod bounds;
pub mod dynapcnn;
pub mod events;
pub mod fire;
mod follow;
pub mod lanes;
pub mod neuron;
pub mod product;
pub mod recurrent;
pub mod rows;
pub mod scan;
pub mod step;
pub mod synapse;
pub mod tinyodin;
pub mod word;
pub mod xylo;

pub use fearless_simd::Level;

#[cfg(test)]
mod tests;
