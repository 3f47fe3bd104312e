//! The float types that networks, rules and encoders are compiled for.

use fearless_simd::Level;
use rsnn_base::compiled;
use rsnn_base::elem::Elem;
use rsnn_base::error::Result;
use rsnn_base::pool::Context;
use rsnn_neurons::scan::backward::Backward;
use rsnn_neurons::scan::forward::Forward;

use crate::encode::bernoulli::{self, Bernoulli};
use crate::encode::change::{self, Delta, UpDown};
use crate::encode::times::{self, Spikes};
use crate::network::run::{self, Job, Run};
use crate::plasticity::{self, Sensor, ShortTerm, SpikeTrace};

/// The time loops of neurons, for the float types that they are compiled for.
pub trait Kernels: Elem {
    /// Run forwards.
    fn forward(context: &Context<'_>, job: Forward<'_, Self>) -> Result<()>;

    /// Run backwards. Returns the gradients of the wanted coefficients, one row of `period` numbers each.
    fn backward(context: &Context<'_>, job: Backward<'_, Self>) -> Result<Vec<Vec<f64>>>;
}

macro_rules! kernels {
    ($float:ty = $compiled:ident) => {
        impl Kernels for $float {
            fn forward(context: &Context<'_>, job: Forward<'_, Self>) -> Result<()> {
                $compiled::forward(context, job)
            }

            fn backward(context: &Context<'_>, job: Backward<'_, Self>) -> Result<Vec<Vec<f64>>> {
                $compiled::backward(context, job)
            }
        }
    };
}

kernels!(f32 = rsnn_neurons_f32);
kernels!(f64 = rsnn_neurons_f64);

compiled! {
    /// Everything of this crate that loops over neurons or time, for the float types it is compiled for.
    pub trait Loops: Kernels

    /// See [`Run::advance`].
    fn advance = run::advance, (run: &mut Run<Self>, context: &Context<'_>, job: Job<'_, Self>) -> Result<()>;

    /// See [`plasticity::run`].
    fn learn = plasticity::run, (context: &Context<'_>, level: Level, job: plasticity::Job<'_, Self>) -> Result<()>;

    /// See [`plasticity::trace`].
    fn trace = plasticity::trace, (context: &Context<'_>, level: Level, job: SpikeTrace<'_, Self>) -> Result<()>;

    /// See [`plasticity::short_term`].
    fn short_term = plasticity::short_term, (context: &Context<'_>, level: Level, job: ShortTerm<'_, Self>) -> Result<()>;

    /// See [`plasticity::sensor`].
    fn sensor = plasticity::sensor, (context: &Context<'_>, level: Level, job: Sensor<'_, Self>) -> Result<()>;

    /// See [`change::delta`].
    fn delta = change::delta, (
        context: &Context<'_>,
        level: Level,
        x: &[Self],
        shape: (usize, usize),
        change: Delta<Self>,
        out: &mut [Self]
    ) -> Result<()>;

    /// See [`change::up_down`].
    fn up_down = change::up_down, (context: &Context<'_>, job: UpDown<'_, Self>) -> Result<()>;

    /// See [`bernoulli::bernoulli`].
    fn bernoulli = bernoulli::bernoulli, (context: &Context<'_>, job: Bernoulli<'_, Self>) -> Result<()>;

    /// See [`times::times`].
    fn times = times::times, (
        context: &Context<'_>,
        spikes: Spikes<'_, Self>,
        shape: (usize, usize),
        count: usize,
        out: &mut [Self]
    ) -> Result<()>;
}
