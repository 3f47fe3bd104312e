//! What every kernel of rsnn stands on: the two float types and their vectors, `exp`, memory, threads and errors.
//!
//! Its one file [`raw`] is all that the compiler cannot check.

mod compiled;
pub mod elem;
pub mod error;
pub mod math;
pub mod memory;
pub mod pool;
pub mod raw;

pub use error::{Error, Result};
