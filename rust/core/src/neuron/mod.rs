//! Neuron models: what one step is, over the stages.

pub mod composed;
pub mod spec;
