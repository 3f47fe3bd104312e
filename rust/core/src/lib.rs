//! All arithmetic of rsnn: neurons, products between layers, networks, chips in integers.
//!
//! Slices in, slices out; nothing here knows who calls it. Every float operation is rounded on its own, in the documented order
//! (no fused multiply-add), so results are the same bits on every instruction set and for any number of threads.
//!
//! Neurons, products and chips are crates of their own: each is compiled alone, so a change in one neither costs the time nor alters
//! the machine code of another. This crate has what combines them, and is the one to depend on.
//!
//! # Example
#![doc = concat!("```\n", include_str!("../examples/lif.rs"), "```")]

mod compiled;
pub mod distance;
pub mod encode;
pub mod network;
pub mod plasticity;

pub use compiled::{Kernels, Loops};
pub use rsnn_base::{Error, Result, elem, error, math, pool};
pub use rsnn_chips as chip;
pub use rsnn_neurons::{neuron, scan, stage, surrogate};
pub use rsnn_products::{event, product};
