//! A neuron as text: its stages in a fixed order, one space between them.
//!
//! ```text
//! synapse=none|jump_use_decay|decay_jump_use|jump_decay_use|use_decay_jump membrane=leaky[+leak][+bias][+gain]
//! fire=none|single|multi|capped|soft reset=none|subtract|value|blend timing=same|next|residual [refractory] [clip]
//! ```

use crate::error::{Error, Result};
use crate::stage::Coefficient;
use crate::stage::fire::Fire;
use crate::stage::membrane::Membrane;
use crate::stage::reset::{Reset, Rule, Timing};
use crate::stage::synapse::Synapse;

/// The states a neuron can have, in the order every interface lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum State {
    /// Membrane.
    V,
    /// Synaptic current.
    I,
    /// Refractory steps left.
    Rest,
}

/// How many states there are.
pub const STATES: usize = 3;

impl State {
    /// All of them, in order.
    pub const ALL: [(Self, &'static str); STATES] = [(Self::V, "v"), (Self::I, "i"), (Self::Rest, "rest")];
}

/// The stages of one neuron.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spec {
    /// How input becomes current.
    pub synapse: Synapse,
    /// How the membrane integrates.
    pub membrane: Membrane,
    /// What a step sends on.
    pub fire: Fire,
    /// What a spike does to the membrane, and when.
    pub rule: Rule,
    /// Whether a spike silences the neuron for some steps.
    pub refractory: bool,
    /// Whether the membrane has a lower bound.
    pub clip: bool,
}

fn unknown(stage: &str, got: &str, accepted: &str) -> Error {
    Error::value(format!("spec: {stage}={got:?} is not known; accepted are {accepted}"))
}

impl Spec {
    /// Read a spec.
    pub fn parse(text: &str) -> Result<Self> {
        let mut words = text.split(' ');
        let mut stage = |name: &'static str| {
            words.next().and_then(|w| w.strip_prefix(name)?.strip_prefix('=')).ok_or_else(|| {
                Error::value(format!("spec: {text:?} lacks {name}= in its place; the order is synapse membrane fire reset timing"))
            })
        };
        let synapse = match stage("synapse")? {
            "none" => Synapse::None,
            "decay_jump_use" => Synapse::DecayJumpUse,
            "jump_decay_use" => Synapse::JumpDecayUse,
            "jump_use_decay" => Synapse::JumpUseDecay,
            "use_decay_jump" => Synapse::UseDecayJump,
            other => return Err(unknown("synapse", other, "none, decay_jump_use, jump_decay_use, jump_use_decay, use_decay_jump")),
        };
        let mut membrane = Membrane { leak: false, bias: false, gain: false };
        let mut parts = stage("membrane")?.split('+');
        match parts.next() {
            Some("leaky") => {}
            other => return Err(unknown("membrane", other.unwrap_or(""), "leaky")),
        }
        for part in parts {
            match part {
                "leak" => membrane.leak = true,
                "bias" => membrane.bias = true,
                "gain" => membrane.gain = true,
                other => return Err(unknown("membrane", other, "leaky with +leak, +bias, +gain")),
            }
        }
        let fire = match stage("fire")? {
            "none" => Fire::None,
            "single" => Fire::Single,
            "multi" => Fire::Multi,
            "capped" => Fire::Capped,
            "soft" => Fire::Soft,
            other => return Err(unknown("fire", other, "none, single, multi, capped, soft")),
        };
        let reset = match stage("reset")? {
            "none" => Reset::None,
            "subtract" => Reset::Subtract,
            "value" => Reset::Value,
            "blend" => Reset::Blend,
            other => return Err(unknown("reset", other, "none, subtract, value, blend")),
        };
        let timing = match stage("timing")? {
            "same" => Timing::Same,
            "next" => Timing::Next,
            "residual" => Timing::Residual,
            other => return Err(unknown("timing", other, "same, next, residual")),
        };
        let (mut refractory, mut clip) = (false, false);
        for word in words {
            match word {
                "refractory" => refractory = true,
                "clip" => clip = true,
                other => return Err(unknown("option", other, "refractory, clip")),
            }
        }
        if fire == Fire::None && (reset != Reset::None || refractory) {
            return Err(Error::value(format!(
                "spec: {text:?} resets or rests without firing; fire=none takes reset=none and no refractory"
            )));
        }
        Ok(Self { synapse, membrane, fire, rule: Rule { reset, timing }, refractory, clip })
    }

    /// Whether the neuron keeps this state.
    #[must_use]
    pub fn keeps(&self, state: State) -> bool {
        match state {
            State::V => true,
            State::I => self.synapse != Synapse::None,
            State::Rest => self.refractory,
        }
    }

    /// Whether the neuron reads this coefficient.
    #[must_use]
    pub fn reads(&self, which: Coefficient) -> bool {
        match which {
            Coefficient::Alpha => self.synapse != Synapse::None,
            Coefficient::Beta => true,
            Coefficient::VLeak => self.membrane.leak,
            Coefficient::Bias => self.membrane.bias,
            Coefficient::Gain => self.membrane.gain,
            Coefficient::VThreshold => self.fire != Fire::None,
            Coefficient::MaxSpikes => self.fire == Fire::Capped,
            Coefficient::VReset => matches!(self.rule.reset, Reset::Value | Reset::Blend),
            Coefficient::Refractory => self.refractory,
            Coefficient::VMin => self.clip,
        }
    }

    /// The states it keeps, in order.
    #[must_use]
    pub fn states(&self) -> Vec<(State, &'static str)> {
        State::ALL.into_iter().filter(|(state, _)| self.keeps(*state)).collect()
    }

    /// The coefficients it reads, in order.
    #[must_use]
    pub fn coefficients(&self) -> Vec<(Coefficient, &'static str)> {
        Coefficient::ALL.into_iter().filter(|(which, _)| self.reads(*which)).collect()
    }
}

/// Where a kernel finds its stages: in a [`Spec`] at run time, or fixed when it is compiled.
pub trait Plan: Copy + Send + Sync {
    /// The stages.
    fn spec(self) -> Spec;
}

impl Plan for Spec {
    #[inline(always)]
    fn spec(self) -> Spec {
        self
    }
}

/// The everyday neuron, compiled by itself: leak to 0, one spike, subtract at once.
#[derive(Clone, Copy, Debug)]
pub struct Everyday<const SYNAPSE: bool> {
    /// Whether the input is weighted.
    pub gain: bool,
}

impl<const SYNAPSE: bool> Plan for Everyday<SYNAPSE> {
    #[inline(always)]
    fn spec(self) -> Spec {
        Spec {
            synapse: if SYNAPSE { Synapse::DecayJumpUse } else { Synapse::None },
            membrane: Membrane { leak: false, bias: false, gain: self.gain },
            fire: Fire::Single,
            rule: Rule { reset: Reset::Subtract, timing: Timing::Same },
            refractory: false,
            clip: false,
        }
    }
}

/// Something to do with a plan, whichever it is.
pub trait WithPlan {
    /// Do it.
    fn with<P: Plan>(self, plan: P);
}

/// Give `work` the compiled plan of this spec if it has one, else the spec itself.
pub fn with_plan(spec: Spec, work: impl WithPlan) {
    let gain = spec.membrane.gain;
    if spec == (Everyday::<true> { gain }).spec() {
        work.with(Everyday::<true> { gain });
    } else if spec == (Everyday::<false> { gain }).spec() {
        work.with(Everyday::<false> { gain });
    } else {
        work.with(spec);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spec_lists_its_states_and_coefficients_in_order() {
        let spec = Spec::parse("synapse=decay_jump_use membrane=leaky+bias fire=capped reset=value timing=next refractory clip").unwrap();
        let names: Vec<_> = spec.coefficients().into_iter().map(|c| c.1).collect();
        assert_eq!(names, ["alpha", "beta", "bias", "v_threshold", "max_spikes", "v_reset", "refractory", "v_min"]);
        assert_eq!(spec.states().into_iter().map(|s| s.1).collect::<Vec<_>>(), ["v", "i", "rest"]);
    }

    #[test]
    fn what_is_not_a_spec_is_refused_with_what_is_accepted() {
        for (text, part) in [
            ("", "lacks synapse"),
            ("synapse=none membrane=leaky", "lacks fire"),
            ("synapse=odd membrane=leaky fire=none reset=none timing=same", "accepted are none"),
            ("synapse=none membrane=leaky fire=none reset=subtract timing=same", "without firing"),
            ("synapse=none membrane=leaky fire=single reset=none timing=same clap", "refractory, clip"),
        ] {
            let error = Spec::parse(text).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
