//! The time loops of neurons in float32, as machine code.
//!
//! Nothing takes longer to compile, and a crate is compiled in one thread: so float64 is a crate of its own, compiled at the same time.

rsnn_neurons::time_loops!(f32);
