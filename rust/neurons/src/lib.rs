//! Spiking neurons in float: a row of stages each, forwards and backwards, and the loop over time that runs them.

pub mod neuron;
pub mod scan;
pub mod stage;
pub mod surrogate;
