//! Products between the layers of a network of spikes: dense, or along the events, with the same bits.

pub mod event;
pub mod product;
