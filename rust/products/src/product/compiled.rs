//! The float types that products are compiled for.

use fearless_simd::Level;

use super::{Conv2d, Done, Pool2d, Rows, conv, input, linear, pool2d};
use crate::event::{Events, Found, Path, bits, frames, weight};
use rsnn_base::compiled;
use rsnn_base::elem::Elem;
use rsnn_base::error::Result;
use rsnn_base::pool::Context;

compiled! {
    /// The products of the float types they are compiled for.
    pub trait Products: Elem
    /// See [`super::linear`].
    fn linear = linear, (
        context: &Context<'_>,
        level: Level,
        x: &Rows<'_, Self>,
        weight: &[Self],
        bias: Option<&[Self]>,
        out: &mut [Self],
        shape: (usize, usize, usize),
        way: (Path, Option<&mut [u64]>)
    ) -> Result<Done>;

    /// See [`super::input_gradient`].
    fn input_gradient = input::input_gradient, (
        context: &Context<'_>,
        level: Level,
        grad: &[Self],
        weight: &[Self],
        out: &mut [Self],
        shape: (usize, usize, usize)
    ) -> Result<()>;

    /// See [`crate::event::weight::weight_gradient`].
    fn weight_gradient = weight::weight_gradient, (
        context: &Context<'_>,
        level: Level,
        events: &Events<'_, Self>,
        grad: &[Self],
        grad_weight: &mut [Self],
        grad_bias: &mut [Self]
    ) -> Result<()>;

    /// See [`super::conv2d`].
    fn conv2d = conv::conv2d, (
        context: &Context<'_>,
        level: Level,
        x: &[Self],
        weight: &[Self],
        bias: Option<&[Self]>,
        out: &mut [Self],
        conv: &Conv2d,
        way: (Path, Option<&mut [u64]>)
    ) -> Result<Done>;

    /// See [`crate::event::frames::weight_gradient`].
    fn conv2d_weight_gradient = frames::weight_gradient, (
        context: &Context<'_>,
        level: Level,
        events: &Events<'_, Self>,
        grad: &[Self],
        grad_weight: &mut [Self],
        conv: &Conv2d
    ) -> Result<()>;

    /// See [`super::pool2d`].
    fn pool2d = pool2d, (context: &Context<'_>, x: &[Self], out: &mut [Self], pool: &Pool2d) -> Result<()>;

    /// See [`crate::event::scan`].
    fn scan = bits::scan, (context: &Context<'_>, level: Level, x: &[Self], words: &mut [u64], shape: (usize, usize)) -> Result<Found>;

    /// See [`crate::event::estimate`].
    fn estimate = bits::estimate, (level: Level, x: &[Self]) -> f64;

    /// See [`crate::event::bits::list`].
    fn list = bits::list, (x: &[Self], words: &[u64], values: &mut [Self], shape: (usize, usize)) -> Result<()>;

    /// See [`crate::event::Events::unpack`].
    fn unpack = bits::unpack, (events: &Events<'_, Self>, x: &mut [Self]) -> ();
}
