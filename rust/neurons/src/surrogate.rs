//! Surrogate gradients: what stands for `ds/dv` in the backward pass. `y = v - theta`, `a = |y|`; the numbers of each in the order written.
//!
//! ```text
//! atan                  (p, k)                  p / (1 + (k y)^2)
//! fast_sigmoid          (p, k)                  p / (1 + k a)^2
//! sigmoid               (p, k)                  p e / (1 + e)^2, e = exp(-k a)         also the slope of a tanh
//! laplace               (p, k, c)               p exp(-k |y - c|)
//! exponential           (p, w)                  p / (w theta) exp(-a / (w theta))      grows with the threshold
//! periodic_exponential  (p, w)                  p exp(-|d| / w), d = y where v < theta, else theta (2 frac(v / theta - 1/2) - 1)
//! gaussian              (p, k, c)               p exp(-(k (y - c))^2)                  also the slope of an error function
//! multi_gaussian        (p, k, c, q, l, d)      p exp(-(k (y - c))^2) - q exp(-(l (y - d))^2) - q exp(-(l (y + d))^2)
//! triangle              (p, k)                  max(0, p - k a)
//! boxcar                (p, w, o)               p where a < w, else o
//! sides                 (b, z, p)               b where y < 0, p where y > 0, else z
//! window                (p, w)                  p / theta where v >= theta - w, else 0
//! circ                  (p, c)                  p / (c + y^2)^(3/2)
//! sparse_fast_sigmoid   (p, k, b)               p / (1 + k a)^2 where y > b, else 0
//! reciprocal            (p, k)                  p / (1 + k a)
//! s2nn                  (p, k, q)               p e / (1 + e)^2, e = exp(-k a), where y < 0, else q / (y + 1)
//! capped_reciprocal     (p, c)                  min(p / a, c)
//! log_tail              (b, p)                  b where y <= 0, p where y <= 1, else p / y
//! ```
//!
//! `python/rsnn/reference/surrogate.py` is the twin: the same operations in the same order.

use fearless_simd::prelude::*;

use crate::stage::{Column, choose};
use rsnn_base::elem::{Elem, V};
use rsnn_base::error::{Error, Result};
use rsnn_base::math::exp;

/// The most numbers that a form has.
const MOST: usize = 6;

/// The shape of a surrogate; the file's head has the equations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    ATan,
    FastSigmoid,
    Sigmoid,
    Laplace,
    Exponential,
    PeriodicExponential,
    Gaussian,
    MultiGaussian,
    Triangle,
    Boxcar,
    Sides,
    Window,
    Circ,
    SparseFastSigmoid,
    Reciprocal,
    S2nn,
    CappedReciprocal,
    LogTail,
}

/// Names, forms, and how many numbers each has.
const FORMS: [(&str, Form, usize); 18] = [
    ("atan", Form::ATan, 2),
    ("fast_sigmoid", Form::FastSigmoid, 2),
    ("sigmoid", Form::Sigmoid, 2),
    ("laplace", Form::Laplace, 3),
    ("exponential", Form::Exponential, 2),
    ("periodic_exponential", Form::PeriodicExponential, 2),
    ("gaussian", Form::Gaussian, 3),
    ("multi_gaussian", Form::MultiGaussian, MOST),
    ("triangle", Form::Triangle, 2),
    ("boxcar", Form::Boxcar, 3),
    ("sides", Form::Sides, 3),
    ("window", Form::Window, 2),
    ("circ", Form::Circ, 2),
    ("sparse_fast_sigmoid", Form::SparseFastSigmoid, 3),
    ("reciprocal", Form::Reciprocal, 2),
    ("s2nn", Form::S2nn, 3),
    ("capped_reciprocal", Form::CappedReciprocal, 2),
    ("log_tail", Form::LogTail, 2),
];

/// A surrogate: its form, and its numbers rounded once to the data's type.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Surrogate<E> {
    form: Form,
    numbers: [E; MOST],
}

/// Something that knows the slope of a spike: what the adjoint of a model is written over.
pub trait Slopes<E: Elem>: Copy + Send + Sync {
    /// The slope at `v` with threshold `theta`.
    fn slope<S: Simd, const K: usize>(self, simd: S, v: &Column<E, S, K>, theta: &Column<E, S, K>) -> Column<E, S, K>;
}

/// The surrogates that most people train with, compiled into the kernels of everyday neurons.
#[derive(Clone, Copy, Debug)]
pub enum Usual<E> {
    /// `atan`: peak and steepness.
    ATan([E; 2]),
    /// `fast_sigmoid`: peak and steepness.
    FastSigmoid([E; 2]),
}

impl<E: Elem> Usual<E> {
    /// This surrogate as a usual one, if it is.
    #[must_use]
    pub fn of(surrogate: Surrogate<E>) -> Option<Self> {
        let [p, k, ..] = surrogate.numbers;
        match surrogate.form {
            Form::ATan => Some(Self::ATan([p, k])),
            Form::FastSigmoid => Some(Self::FastSigmoid([p, k])),
            _ => None,
        }
    }
}

impl<E: Elem> Slopes<E> for Usual<E> {
    #[inline(always)]
    fn slope<S: Simd, const K: usize>(self, simd: S, v: &Column<E, S, K>, theta: &Column<E, S, K>) -> Column<E, S, K> {
        let mut h = *v;
        match self {
            Self::ATan([p, k]) => {
                for j in 0..K {
                    h[j] = atan::<E, S>(simd, v[j] - theta[j], p, k);
                }
            }
            Self::FastSigmoid([p, k]) => {
                for j in 0..K {
                    h[j] = fast_sigmoid::<E, S>(simd, v[j] - theta[j], p, k);
                }
            }
        }
        h
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

/// Not a closure: it might not be inlined, and lose the instruction set.
#[inline(always)]
fn number<E: Elem, S: Simd>(simd: S, value: E) -> V<E, S> {
    V::<E, S>::splat(simd, value)
}

#[inline(always)]
fn atan<E: Elem, S: Simd>(simd: S, y: V<E, S>, p: E, k: E) -> V<E, S> {
    let q = y * k;
    number::<E, S>(simd, p) / (number::<E, S>(simd, E::ONE) + q * q)
}

#[inline(always)]
fn fast_sigmoid<E: Elem, S: Simd>(simd: S, y: V<E, S>, p: E, k: E) -> V<E, S> {
    let q = y.abs() * k + E::ONE;
    number::<E, S>(simd, p) / (q * q)
}

impl<E: Elem> Surrogate<E> {
    /// The surrogate called `name` with its numbers.
    pub fn named(name: &str, numbers: &[f64]) -> Result<Self> {
        let Some((_, form, count)) = FORMS.iter().find(|line| line.0 == name) else {
            let known: Vec<_> = FORMS.iter().map(|line| line.0).collect();
            return Err(Error::value(format!("surrogate={name:?} is not known; known are {}", known.join(", "))));
        };
        if numbers.len() != *count {
            return Err(Error::value(format!("surrogate={name:?} takes {count} numbers; {} came", numbers.len())));
        }
        let mut rounded = [E::ZERO; MOST];
        for (to, number) in rounded.iter_mut().zip(numbers) {
            *to = E::from_f64(*number);
        }
        Ok(Self { form: *form, numbers: rounded })
    }

    /// The slope of one register: what goes into the exponential, for forms that have one, and what is made of it.
    #[inline(always)]
    fn at<S: Simd>(self, simd: S, v: V<E, S>, theta: V<E, S>) -> V<E, S> {
        let [p, k, c, q, l, d] = self.numbers;
        let one = number::<E, S>(simd, E::ONE);
        let y = v - theta;
        let a = y.abs();
        // One exponential for all forms: each further one in the code is compiled for every instruction set.
        let e = exp::<E, S>(
            simd,
            match self.form {
                Form::Sigmoid | Form::S2nn => -(a * k),
                Form::Laplace => -((y - c).abs() * k),
                Form::Exponential => -(a / (theta * k)),
                Form::PeriodicExponential => {
                    let turns = v / theta - E::from_f64(0.5);
                    let part = turns - turns.floor();
                    let folded = theta * ((part + part) - one);
                    -(choose::<E, S>(v.simd_lt(theta), y, folded).abs() / number::<E, S>(simd, k))
                }
                Form::Gaussian | Form::MultiGaussian => {
                    let z = (y - c) * k;
                    -(z * z)
                }
                _ => return self.without_exp::<S>(simd, v, theta),
            },
        );
        match self.form {
            Form::Exponential => e * (number::<E, S>(simd, p) / (theta * k)),
            Form::Sigmoid | Form::S2nn => {
                let r = e + one;
                let h = (e / (r * r)) * p;
                if self.form == Form::Sigmoid {
                    h
                } else {
                    choose::<E, S>(y.simd_lt(number::<E, S>(simd, E::ZERO)), h, number::<E, S>(simd, c) / (y + one))
                }
            }
            Form::MultiGaussian => {
                let (right, left) = ((y - d) * l, (y + d) * l);
                (e * p - exp::<E, S>(simd, -(right * right)) * q) - exp::<E, S>(simd, -(left * left)) * q
            }
            _ => e * p,
        }
    }

    /// The same, of the forms that have no exponential.
    #[inline(always)]
    fn without_exp<S: Simd>(self, simd: S, v: V<E, S>, theta: V<E, S>) -> V<E, S> {
        let [p, k, c, ..] = self.numbers;
        let (zero, one) = (number::<E, S>(simd, E::ZERO), number::<E, S>(simd, E::ONE));
        let [high, other, third] = [number::<E, S>(simd, p), number::<E, S>(simd, k), number::<E, S>(simd, c)];
        let y = v - theta;
        let a = y.abs();
        match self.form {
            Form::ATan => atan::<E, S>(simd, y, p, k),
            Form::Triangle => {
                let h = high - a * k;
                choose::<E, S>(h.simd_lt(zero), zero, h)
            }
            Form::Boxcar => choose::<E, S>(a.simd_lt(other), high, third),
            Form::Sides => choose::<E, S>(y.simd_lt(zero), high, choose::<E, S>(y.simd_gt(zero), third, other)),
            Form::Window => choose::<E, S>(v.simd_ge(theta - k), high / theta, zero),
            Form::Circ => {
                let r = y * y + k;
                high / (r * r.sqrt())
            }
            Form::SparseFastSigmoid => choose::<E, S>(y.simd_gt(third), fast_sigmoid::<E, S>(simd, y, p, k), zero),
            Form::Reciprocal => high / (a * k + one),
            Form::CappedReciprocal => {
                let h = high / a;
                choose::<E, S>(h.simd_gt(other), other, h)
            }
            Form::LogTail => {
                let upper = choose::<E, S>(y.simd_gt(one), other / y, other);
                choose::<E, S>(y.simd_le(zero), high, upper)
            }
            _ => fast_sigmoid::<E, S>(simd, y, p, k),
        }
    }

    #[inline(always)]
    fn slope<S: Simd, const K: usize>(&self, simd: S, v: &Column<E, S, K>, theta: &Column<E, S, K>) -> Column<E, S, K> {
        let mut h = *v;
        for j in 0..K {
            h[j] = self.at::<S>(simd, v[j], theta[j]);
        }
        h
    }
}
