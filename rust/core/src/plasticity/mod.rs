//! Synapses that change: spike-timing-dependent plasticity, short-term plasticity, traces and correlation sensors.
//!
//! Work on weights follows the events: a spike that arrives touches a row of weights, one that is sent a column, and no other synapse is
//! looked at. What every neuron carries (its traces) takes one multiplication a step. Two things need all synapses: eligibility traces,
//! which decay for themselves, and the correlation sensor.
//!
//! A convolution is the general case: the weight lies as `[kernel row][kernel column][channel][output]`, images in raster order (rows,
//! columns, channels). Every input to every output is a kernel of one entry over images of one row.

mod geometry;
mod power;
mod rule;
mod run;
mod sensor;
mod short_term;
mod synapses;
mod trace;

pub use geometry::Geometry;
pub use rule::{Coincidence, Dependence, Pairing, Rule, Side};
pub use run::{Job, Neurons, Post, Recorded, run};
pub use sensor::{Sensor, sensor};
pub use short_term::{ShortTerm, short_term};
pub use synapses::Modulated;
pub use trace::{SpikeTrace, trace};

#[cfg(test)]
mod tests;
