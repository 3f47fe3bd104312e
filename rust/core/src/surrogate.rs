//! Surrogate gradients: what stands for `ds/dv` in the backward pass. `y = v - theta`.
//!
//! ```text
//! atan           (alpha/2) / (1 + (pi/2 alpha y)^2)      peak alpha/2, area 1
//! fast_sigmoid   1 / (1 + slope |y|)^2                   peak 1, area 2/slope
//! ```

use fearless_simd::prelude::*;

use crate::elem::{Elem, V};
use crate::error::{Error, Result};
use crate::stage::Column;

/// Something that knows the slope of a spike: what the adjoint of a model is written over.
pub trait Slopes<E: Elem>: Copy + Send + Sync {
    /// The slope at `v` with threshold `theta`.
    fn slope<S: Simd, const K: usize>(self, simd: S, v: &Column<E, S, K>, theta: &Column<E, S, K>) -> Column<E, S, K>;
}

/// The surrogates that most people train with, compiled into the kernels of everyday neurons.
#[derive(Clone, Copy, Debug)]
pub enum Usual<E> {
    /// [`Surrogate::ATan`].
    ATan {
        /// Peak.
        half: E,
        /// Steepness.
        scale: E,
    },
    /// [`Surrogate::FastSigmoid`].
    FastSigmoid {
        /// Steepness.
        slope: E,
    },
}

impl<E: Elem> Usual<E> {
    /// This surrogate as a usual one, if it is.
    #[must_use]
    pub fn of(surrogate: Surrogate<E>) -> Option<Self> {
        match surrogate {
            Surrogate::ATan { half, scale } => Some(Self::ATan { half, scale }),
            Surrogate::FastSigmoid { slope } => Some(Self::FastSigmoid { slope }),
        }
    }
}

impl<E: Elem> Slopes<E> for Usual<E> {
    #[inline(always)]
    fn slope<S: Simd, const K: usize>(self, simd: S, v: &Column<E, S, K>, theta: &Column<E, S, K>) -> Column<E, S, K> {
        match self {
            Self::ATan { half, scale } => Surrogate::ATan { half, scale }.slope(simd, v, theta),
            Self::FastSigmoid { slope } => Surrogate::FastSigmoid { slope }.slope(simd, v, theta),
        }
    }
}

/// Any surrogate, called once a column: one compiled function for each instruction set, where to compile every form into every model
/// would double the code and take the registers of the adjoint.
#[derive(Clone, Copy, Debug)]
pub struct Apart<E>(pub Surrogate<E>);

impl<E: Elem> Slopes<E> for Apart<E> {
    #[inline(always)]
    fn slope<S: Simd, const K: usize>(self, simd: S, v: &Column<E, S, K>, theta: &Column<E, S, K>) -> Column<E, S, K> {
        let mut h = *v;
        apart(simd, &self.0, &mut h, theta);
        h
    }
}

/// `vectorize` gives the instruction set back that a function of its own would lose.
#[inline(never)]
fn apart<E: Elem, S: Simd, const K: usize>(simd: S, surrogate: &Surrogate<E>, h: &mut Column<E, S, K>, theta: &Column<E, S, K>) {
    simd.vectorize(
        #[inline(always)]
        || *h = surrogate.slope(simd, h, theta),
    );
}

/// A surrogate and its numbers, rounded once to the data's type.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Surrogate<E> {
    /// Derivative of an arc tangent.
    ATan {
        /// `alpha / 2`
        half: E,
        /// `pi/2 alpha`
        scale: E,
    },
    /// Derivative of `y / (1 + slope |y|)`.
    FastSigmoid {
        /// Steepness.
        slope: E,
    },
}

impl<E: Elem> Surrogate<E> {
    /// The surrogate called `name` with `parameters` in the order of its table line.
    pub fn named(name: &str, parameters: &[f64]) -> Result<Self> {
        match (name, parameters) {
            ("atan", &[alpha]) => {
                Ok(Self::ATan { half: E::from_f64(alpha / 2.0), scale: E::from_f64(std::f64::consts::FRAC_PI_2 * alpha) })
            }
            ("fast_sigmoid", &[slope]) => Ok(Self::FastSigmoid { slope: E::from_f64(slope) }),
            _ => Err(Error::value(format!(
                "surrogate={name:?} with {} numbers is not known; known are \"atan\" (alpha) and \"fast_sigmoid\" (slope)",
                parameters.len()
            ))),
        }
    }

    /// The slope at `v` with threshold `theta`.
    #[inline(always)]
    fn slope<S: Simd, const K: usize>(self, simd: S, v: &Column<E, S, K>, theta: &Column<E, S, K>) -> Column<E, S, K> {
        let one = V::<E, S>::splat(simd, E::ONE);
        let mut h = *v;
        match self {
            Self::ATan { half, scale } => {
                let half = V::<E, S>::splat(simd, half);
                for j in 0..K {
                    let q = (v[j] - theta[j]) * scale;
                    h[j] = half / (one + q * q);
                }
            }
            Self::FastSigmoid { slope } => {
                for j in 0..K {
                    let q = (v[j] - theta[j]).abs() * slope + one;
                    h[j] = one / (q * q);
                }
            }
        }
        h
    }
}
