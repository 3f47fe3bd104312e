//! The time loops of neurons in float64, as machine code.
//!
//! Nothing takes longer to compile, and a crate is compiled in one thread: so float32 is a crate of its own, compiled at the same time.

rsnn_neurons::time_loops!(f64);
