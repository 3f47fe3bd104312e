//! Products between layers, summed in a promised order: the same bits on every instruction set, for any number of threads, for a
//! sample alone or in a batch, and for an engine that visits spikes only.
//!
//! Weights and biases have to be finite: 0 times infinity is not 0, so nothing could be left out.

mod compiled;
mod conv;
pub mod gemm;
mod input;
mod linear;
mod pool2d;
mod raster;

pub use compiled::Products;
pub use conv::{Conv2d, conv2d};
pub use input::input_gradient;
pub use linear::{Done, Rows, linear};
pub use pool2d::{Cell, Pool2d, pool2d};
pub use raster::Raster;

use rsnn_base::elem::Elem;
use rsnn_base::error::{Error, Result};

/// Multiplications worth a task of its own; cutting finer costs more than a second thread gains.
const TASK: usize = 1 << 21;

/// Refuse infinite and undefined values, naming the first.
pub fn finite<E: Elem>(name: &str, values: &[E]) -> Result<()> {
    #[allow(clippy::eq_op, reason = "x - x is 0 for every finite x and NaN for all others")]
    let bad = |x: &E| *x - *x != E::ZERO;
    for (block, part) in values.chunks(1024).enumerate() {
        // Without an early exit the inner loop is vector code.
        if part.iter().fold(false, |any, x| any | bad(x)) {
            let at = part.iter().position(bad).unwrap_or(0);
            return Err(Error::value(format!(
                "{name}: entry {} in memory order is {}; every value must be finite. Look for a division by zero or a diverged training run",
                block * 1024 + at,
                part[at]
            )));
        }
    }
    Ok(())
}

/// Refuse a slice of the wrong length.
pub fn length<E>(name: &str, values: &[E], shape: &[usize]) -> Result<()> {
    let wanted = shape.iter().try_fold(1_usize, |n, &k| n.checked_mul(k));
    if wanted == Some(values.len()) {
        Ok(())
    } else {
        Err(Error::value(format!(
            "{name} has {} entries; its shape {shape:?} needs {}",
            values.len(),
            shape.iter().map(|&k| k as u128).product::<u128>()
        )))
    }
}

#[cfg(test)]
mod tests;
