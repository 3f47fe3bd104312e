//! All arithmetic of rsnn: neurons, products between layers, chips in integers.
//!
//! Slices in, slices out; nothing here knows who calls it. Every float operation is rounded on its own, in the documented order
//! (no fused multiply-add), so results are the same bits on every instruction set and for any number of threads.

mod aligned;
pub mod chip;
pub mod distance;
pub mod elem;
pub mod encode;
pub mod error;
pub mod event;
pub mod math;
pub mod network;
pub mod neuron;
pub mod plasticity;
pub mod pool;
pub mod product;
mod raw;
pub mod scan;
pub mod stage;
pub mod surrogate;

pub use error::{Error, Result};
