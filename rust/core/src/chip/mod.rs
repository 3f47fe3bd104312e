//! Chips in integers: what a chip's own simulator computes, bit for bit.
//!
//! One neuron core serves every target ([`integer`]): a chip is a [`integer::Neuron`], the routing in front of it and the limits
//! that the Python side checks. The products in front of it are exact in any order ([`product`]), so they follow the events.

pub mod dynapcnn;
pub mod integer;
pub mod product;
pub mod word;

pub use fearless_simd::Level;

#[cfg(test)]
mod tests;
