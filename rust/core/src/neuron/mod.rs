//! Neuron models.
