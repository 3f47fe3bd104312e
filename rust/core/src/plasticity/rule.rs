//! Spike-timing-dependent plasticity as numbers, and what it does to a row of weights.
//!
//! ```text
//! w <- w + (f+(w) dp - f-(w) dm), then kept within its bounds
//! additive        f+ = 1                     f- = 1
//! step            f+ = [w_max - w > 0]       f- = [w - w_min > 0]
//! multiplicative  f+ = max(0, w_max - w)     f- = max(0, w - w_min)
//! power           the same to the power mu
//! ```
//!
//! `dp` sums, over the samples of a batch and the places of a convolution, what a spike that was sent finds in the traces of those that
//! arrived; `dm` what a spike that arrives finds in the traces of those that were sent.

use fearless_simd::prelude::*;

use super::power::power;
use rsnn_base::elem::Elem;
use rsnn_base::error::{Error, Result};

/// How a change depends on the weight.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Dependence {
    /// Not at all.
    Additive,
    /// Not at all, until a bound is reached.
    Step,
    /// By the distance to the bound.
    Multiplicative,
    /// By a power of the distance to the bound.
    Power(f64),
}

impl Dependence {
    /// By its name.
    pub fn named(name: &str, mu: f64) -> Result<Self> {
        match name {
            "additive" => Ok(Self::Additive),
            "step" => Ok(Self::Step),
            "multiplicative" => Ok(Self::Multiplicative),
            "power" => Ok(Self::Power(mu)),
            _ => Err(Error::value(format!("dependence={name:?}: must be additive, step, multiplicative or power"))),
        }
    }
}

/// Which pairs of spikes count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pairing {
    /// All of them: a spike adds to its trace.
    All,
    /// Of each neuron the last: a spike sets its trace.
    Nearest,
}

impl Pairing {
    /// By its name.
    pub fn named(name: &str) -> Result<Self> {
        match name {
            "all" => Ok(Self::All),
            "nearest" => Ok(Self::Nearest),
            _ => Err(Error::value(format!("pairing={name:?}: must be all or nearest"))),
        }
    }
}

/// What a spike that arrives and one that is sent in the same step do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coincidence {
    /// Both: the one that arrived counts as before the other, and as after it.
    Both,
    /// The one that arrived came before.
    Potentiate,
    /// Nothing.
    Neither,
}

impl Coincidence {
    /// By its name.
    pub fn named(name: &str) -> Result<Self> {
        match name {
            "both" => Ok(Self::Both),
            "potentiate" => Ok(Self::Potentiate),
            "none" => Ok(Self::Neither),
            _ => Err(Error::value(format!("coincidence={name:?}: must be potentiate, both or none"))),
        }
    }
}

/// What the neurons on one side of the synapses carry, and what their spikes do.
#[derive(Clone, Copy, Debug)]
pub struct Side<E> {
    /// Of the trace, in a step.
    pub decay: E,
    /// What a spike adds to it.
    pub gain: E,
    /// What a spike does to a weight, times the trace on the other side.
    pub amplitude: E,
    /// Of the second trace of this side, in a step.
    pub slow_decay: E,
    /// What a spike does besides, times its own second trace.
    pub slow_amplitude: E,
}

/// A rule.
#[derive(Clone, Copy, Debug)]
pub struct Rule<E> {
    /// The neurons before the synapses, whose spikes weaken.
    pub before: Side<E>,
    /// Those after them, whose spikes strengthen.
    pub after: Side<E>,
    /// Subtracted from the traces before, where a spike is sent.
    pub x_target: E,
    /// How a change depends on the weight.
    pub dependence: Dependence,
    /// Which pairs count.
    pub pairing: Pairing,
    /// Spikes of the same step.
    pub coincidence: Coincidence,
    /// What the dependence is measured from.
    pub w_min: E,
    /// The same.
    pub w_max: E,
    /// Whether weights are kept between the two.
    pub bounded: bool,
}

impl<E: Elem> Rule<E> {
    /// Write the change of a row of weights to `change`, which holds `dp`.
    #[inline(always)]
    pub(super) fn change<S: Simd>(&self, simd: S, w: &[E], change: &mut [E], dm: &[E], factors: &mut [Vec<f64>; 2]) {
        let (low, high) = (self.w_min, self.w_max);
        let above = |d: E| if d > E::ZERO { E::ONE } else { E::ZERO };
        let rest = |d: E| if d < E::ZERO { E::ZERO } else { d };
        match self.dependence {
            Dependence::Additive => {
                for (dp, dm) in change.iter_mut().zip(dm) {
                    *dp -= *dm;
                }
            }
            Dependence::Step => {
                for ((dp, dm), w) in change.iter_mut().zip(dm).zip(w) {
                    *dp = above(high - *w) * *dp - above(*w - low) * *dm;
                }
            }
            Dependence::Multiplicative => {
                for ((dp, dm), w) in change.iter_mut().zip(dm).zip(w) {
                    *dp = rest(high - *w) * *dp - rest(*w - low) * *dm;
                }
            }
            Dependence::Power(mu) => {
                let [up, down] = factors;
                up.clear();
                up.extend(w.iter().map(|w| (high - *w).to_f64()));
                down.clear();
                down.extend(w.iter().map(|w| (*w - low).to_f64()));
                power(simd, up, mu);
                power(simd, down, mu);
                for ((dp, dm), (up, down)) in change.iter_mut().zip(dm).zip(up.iter().zip(down)) {
                    *dp = E::from_f64(*up) * *dp - E::from_f64(*down) * *dm;
                }
            }
        }
    }

    /// `w + change` of a row, kept within the bounds.
    #[inline(always)]
    pub(super) fn change_all(&self, w: &mut [E], change: &[E]) {
        let (low, high) = (self.w_min, self.w_max);
        if self.bounded {
            // Written as two choices between numbers, which become vector code.
            for (w, change) in w.iter_mut().zip(change) {
                let moved = *w + *change;
                let moved = if moved < low { low } else { moved };
                *w = if moved > high { high } else { moved };
            }
        } else {
            for (w, change) in w.iter_mut().zip(change) {
                *w += *change;
            }
        }
    }

    /// `w + change`, kept within the bounds.
    #[inline(always)]
    pub(super) fn changed(&self, w: E, change: E) -> E {
        let w = w + change;
        if !self.bounded {
            w
        } else if w < self.w_min {
            self.w_min
        } else if w > self.w_max {
            self.w_max
        } else {
            w
        }
    }
}
