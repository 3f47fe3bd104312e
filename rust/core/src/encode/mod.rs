//! From numbers to spikes, and back to their times: what loops over time and neurons there.

pub mod bernoulli;
pub mod change;
pub mod philox;
pub mod times;

use rsnn_base::error::{Error, Result};

/// That `name` has `want` entries.
fn expect_length(name: &str, got: usize, want: Option<usize>) -> Result<()> {
    if Some(got) == want { Ok(()) } else { Err(Error::value(format!("{name}: {got} entries came; the shape asks for {want:?}"))) }
}
