//! A composed neuron as text: its stages in a fixed order, one space between them.
//!
//! ```text
//! synapse=none|decay_jump_use|jump_decay_use|scaled_jump_decay|jump_use_decay|jump_use_euler|use_decay_jump|use_euler_jump|dual
//! membrane=FORM[+leak][+bias][+gain]     FORM = leaky|lapicque|euler|euler_exp|box|quad|tau|tau_decay|tau_exp|tau_quad|mul|mul_decay
//! [adaptation=threshold|relax|current|recovery]
//! fire=none|single|strict|multi|capped|soft
//! reset=none|subtract|value|blend|blend_subtract|drop|amount|gate      timing=same|next|residual
//! [refractory [masked]] [clip|relu] [recurrent|recurrent_merged] [inhibition] [graded]
//! ```

use super::State;
use crate::stage::Coefficient;
use crate::stage::adaptation::Adaptation;
use crate::stage::fire::Fire;
use crate::stage::membrane::{Form, Membrane};
use crate::stage::reset::{Reset, Resetting, Timing};
use crate::stage::synapse::Synapse;
use rsnn_base::error::{Error, Result};

/// The lower bound of the membrane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clip {
    /// None.
    None,
    /// `v_min` where `v < v_min`.
    Select,
    /// `relu(v - v_min) + v_min`: sinabs, Norse.
    Relu,
}

/// Where the recurrent operand is added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operand {
    /// There is none.
    None,
    /// After the input, as a term of its own.
    Apart,
    /// To the input, before anything else.
    Merged,
}

/// The stages of one neuron.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spec {
    /// How input becomes current.
    pub synapse: Synapse,
    /// How the membrane integrates.
    pub membrane: Membrane,
    /// What spikes move slowly.
    pub adaptation: Adaptation,
    /// What a step sends on.
    pub fire: Fire,
    /// What a spike does to the membrane, and when.
    pub rule: Resetting,
    /// Whether a spike silences the neuron for some steps.
    pub refractory: bool,
    /// Whether the test for resting has the slope of a spike (Norse): forward it is the same.
    pub masked: bool,
    /// The lower bound of the membrane.
    pub clip: Clip,
    /// The recurrent operand.
    pub operand: Operand,
    /// Whether only one neuron of a group may fire.
    pub inhibition: bool,
    /// Whether spikes are scaled on leaving.
    pub graded: bool,
}

/// The words of each stage and what they stand for.
const SYNAPSES: &[(&str, Synapse)] = &[
    ("none", Synapse::None),
    ("decay_jump_use", Synapse::DecayJumpUse),
    ("jump_decay_use", Synapse::JumpDecayUse),
    ("scaled_jump_decay", Synapse::ScaledJumpDecay),
    ("jump_use_decay", Synapse::JumpUseDecay),
    ("jump_use_euler", Synapse::JumpUseEuler),
    ("use_decay_jump", Synapse::UseDecayJump),
    ("use_euler_jump", Synapse::UseEulerJump),
    ("dual", Synapse::Dual),
];
const FORMS: &[(&str, Form)] = &[
    ("leaky", Form::Leaky),
    ("lapicque", Form::Lapicque),
    ("euler", Form::Euler),
    ("euler_exp", Form::EulerExp),
    ("box", Form::Box),
    ("quad", Form::Quad),
    ("tau", Form::Tau),
    ("tau_decay", Form::TauDecay),
    ("tau_exp", Form::TauExp),
    ("tau_quad", Form::TauQuad),
    ("mul", Form::Mul),
    ("mul_decay", Form::MulDecay),
];
const ADAPTATIONS: &[(&str, Adaptation)] = &[
    ("threshold", Adaptation::Threshold),
    ("relax", Adaptation::Relax),
    ("current", Adaptation::Current),
    ("recovery", Adaptation::Recovery),
];
const FIRES: &[(&str, Fire)] = &[
    ("none", Fire::None),
    ("single", Fire::Single),
    ("strict", Fire::Strict),
    ("multi", Fire::Multi),
    ("capped", Fire::Capped),
    ("soft", Fire::Soft),
];
const RESETS: &[(&str, Reset)] = &[
    ("none", Reset::None),
    ("subtract", Reset::Subtract),
    ("value", Reset::Value),
    ("blend", Reset::Blend),
    ("blend_subtract", Reset::BlendSubtract),
    ("drop", Reset::Drop),
    ("amount", Reset::Amount),
    ("gate", Reset::Gate),
];
const TIMINGS: &[(&str, Timing)] = &[("same", Timing::Same), ("next", Timing::Next), ("residual", Timing::Residual)];

fn look<T: Copy>(stage: &str, word: &str, table: &[(&str, T)]) -> Result<T> {
    table.iter().find(|line| line.0 == word).map(|line| line.1).ok_or_else(|| {
        let known: Vec<_> = table.iter().map(|line| line.0).collect();
        Error::value(format!("spec: {stage}={word:?} is not known; accepted are {}", known.join(", ")))
    })
}

/// The words of a spec, read from the first to the last.
pub struct Words<'a> {
    text: &'a str,
    order: &'static str,
    rest: std::iter::Peekable<std::str::Split<'a, char>>,
}

impl<'a> Words<'a> {
    /// The words of `text`, which come in this `order`.
    #[must_use]
    pub fn of(text: &'a str, order: &'static str) -> Self {
        Self { text, order, rest: text.split(' ').peekable() }
    }

    /// The value of the word `name=`, if that is the next one.
    pub fn optional(&mut self, name: &str) -> Option<&'a str> {
        let found = self.rest.peek().and_then(|word| word.strip_prefix(name)?.strip_prefix('='));
        if found.is_some() {
            self.rest.next();
        }
        found
    }

    /// The value of the word `name=`, which is the next one.
    pub fn needed(&mut self, name: &str) -> Result<&'a str> {
        let Self { text, order, .. } = *self;
        self.optional(name).ok_or_else(|| Error::value(format!("spec: {text:?} lacks {name}= in its place; the order is {order}")))
    }

    /// What the word `name=` stands for in a table.
    pub fn choice<T: Copy>(&mut self, name: &str, table: &[(&str, T)]) -> Result<T> {
        look(name, self.needed(name)?, table)
    }

    /// The same, and `default` without the word.
    pub fn choice_or<T: Copy>(&mut self, name: &str, table: &[(&str, T)], default: T) -> Result<T> {
        self.optional(name).map_or(Ok(default), |word| look(name, word, table))
    }

    /// Whether the next word is `word`.
    pub fn flag(&mut self, word: &str) -> bool {
        self.rest.next_if_eq(&word).is_some()
    }

    /// Refuse what is left.
    pub fn end(mut self) -> Result<()> {
        let Self { text, order, .. } = self;
        self.rest.next().map_or(Ok(()), |word| {
            Err(Error::value(format!("spec: {text:?}: {word:?} is not known, or not in its place; the order is {order}")))
        })
    }
}

impl Spec {
    /// Read a spec.
    pub fn parse(text: &str) -> Result<Self> {
        let mut words = Words::of(text, "synapse membrane [adaptation] fire reset timing [options]");
        let synapse = words.choice("synapse", SYNAPSES)?;
        let mut parts = words.needed("membrane")?.split('+');
        let form = look("membrane", parts.next().unwrap_or(""), FORMS)?;
        let mut membrane = Membrane { form, leak: false, bias: false, gain: false };
        for part in parts {
            match part {
                "leak" if form == Form::Leaky => membrane.leak = true,
                "bias" => membrane.bias = true,
                "gain" => membrane.gain = true,
                other => {
                    return Err(Error::value(format!(
                        "spec: membrane: +{other} is not known; accepted are +leak (of leaky), +bias, +gain"
                    )));
                }
            }
        }
        let adaptation = words.choice_or("adaptation", ADAPTATIONS, Adaptation::None)?;
        let fire = words.choice("fire", FIRES)?;
        let reset = words.choice("reset", RESETS)?;
        let timing = words.choice("timing", TIMINGS)?;
        let (mut refractory, mut clip, mut operand) = (false, Clip::None, Operand::None);
        let (mut inhibition, mut graded, mut masked) = (false, false, false);
        for word in words.rest {
            match word {
                "refractory" => refractory = true,
                "masked" => masked = true,
                "clip" => clip = Clip::Select,
                "relu" => clip = Clip::Relu,
                "recurrent" => operand = Operand::Apart,
                "recurrent_merged" => operand = Operand::Merged,
                "inhibition" => inhibition = true,
                "graded" => graded = true,
                other => {
                    let known = "refractory, masked, clip, relu, recurrent, recurrent_merged, inhibition, graded";
                    return Err(Error::value(format!("spec: option {other:?} is not known; accepted are {known}")));
                }
            }
        }
        let spec = Self {
            synapse,
            membrane,
            adaptation,
            fire,
            rule: Resetting { reset, timing },
            refractory,
            masked,
            clip,
            operand,
            inhibition,
            graded,
        };
        spec.contradiction().map_or(Ok(spec), |what| Err(Error::value(format!("spec: {text:?}: {what}"))))
    }

    fn contradiction(&self) -> Option<&'static str> {
        let Resetting { reset, timing } = self.rule;
        if self.fire == Fire::None && (reset != Reset::None || self.refractory) {
            return Some("fire=none takes reset=none and no refractory: it resets or rests without firing");
        }
        if self.masked && !self.refractory {
            return Some("masked says how to rest: it takes refractory");
        }
        if self.fire == Fire::None && (self.inhibition || self.graded) {
            return Some("fire=none sends no spikes: it takes no inhibition or graded");
        }
        if self.inhibition && self.adaptation != Adaptation::None {
            return Some("inhibition takes no adaptation: neurons compete by their distance from v_threshold");
        }
        if reset == Reset::Drop && timing == Timing::Same {
            return Some("reset=drop waits for the next step; it takes timing=next or residual");
        }
        if matches!(reset, Reset::BlendSubtract | Reset::Amount | Reset::Gate) && timing != Timing::Same {
            return Some("this reset takes timing=same");
        }
        if self.rule.is_late() && self.adaptation != Adaptation::None {
            return Some("an adaptation takes timing=same: the carried membrane would be tested against another threshold");
        }
        if self.adaptation.is_current() && !self.membrane.form.takes_current() {
            return Some("an adaptation current takes membrane=euler, euler_exp, quad, tau_exp or tau_quad");
        }
        None
    }

    /// Whether the neuron keeps this state.
    #[must_use]
    #[inline(always)]
    pub fn keeps(&self, state: State) -> bool {
        match state {
            State::V => true,
            State::I => self.synapse != Synapse::None,
            State::H => self.synapse == Synapse::Dual,
            State::A => !matches!(self.adaptation, Adaptation::None | Adaptation::Recovery),
            State::W => self.adaptation == Adaptation::Recovery,
            State::Rest => self.refractory,
            State::S => self.operand != Operand::None,
        }
    }

    /// Whether the neuron reads this coefficient.
    #[must_use]
    pub fn reads(&self, which: Coefficient) -> bool {
        let form = self.membrane.form;
        match which {
            Coefficient::Alpha => !matches!(self.synapse, Synapse::None | Synapse::JumpUseEuler | Synapse::UseEulerJump),
            Coefficient::AlphaRise => self.synapse == Synapse::Dual,
            Coefficient::Eta => matches!(self.synapse, Synapse::JumpUseEuler | Synapse::UseEulerJump),
            Coefficient::Scale => matches!(self.synapse, Synapse::Dual | Synapse::ScaledJumpDecay),
            Coefficient::Beta => matches!(form, Form::Leaky | Form::Lapicque),
            Coefficient::K => matches!(form, Form::Euler | Form::EulerExp | Form::Box | Form::Quad | Form::Mul | Form::MulDecay),
            Coefficient::Tau => matches!(form, Form::Tau | Form::TauDecay | Form::TauExp | Form::TauQuad),
            Coefficient::VLeak => !matches!(form, Form::Leaky | Form::Lapicque) || self.membrane.leak || self.adaptation.is_current(),
            Coefficient::VCrit | Coefficient::A0 => matches!(form, Form::Quad | Form::TauQuad),
            Coefficient::DeltaT | Coefficient::VRheobase => matches!(form, Form::EulerExp | Form::TauExp),
            Coefficient::R | Coefficient::Inverse | Coefficient::Dt => form == Form::Lapicque,
            Coefficient::Bias => self.membrane.bias,
            Coefficient::Gain => self.membrane.gain,
            Coefficient::Rho => !matches!(self.adaptation, Adaptation::None | Adaptation::Relax),
            Coefficient::Kappa => self.adaptation == Adaptation::Threshold,
            Coefficient::Couple => !matches!(self.adaptation, Adaptation::None | Adaptation::Threshold),
            Coefficient::Inc => self.adaptation != Adaptation::None,
            Coefficient::VThreshold => self.fire != Fire::None,
            Coefficient::MaxSpikes => self.fire == Fire::Capped,
            Coefficient::VReset => matches!(self.rule.reset, Reset::Value | Reset::Blend | Reset::Gate),
            Coefficient::VSubtract => self.rule.reset == Reset::Amount,
            Coefficient::Refractory => self.refractory,
            Coefficient::VMin => self.clip != Clip::None,
            Coefficient::Graded => self.graded,
            _ => false,
        }
    }
}

/// Where a kernel finds its stages: in a [`Spec`] at run time, or fixed when it is compiled.
pub trait Stages: Copy + Send + Sync {
    /// See [`super::Model::EVERYDAY`].
    const EVERYDAY: bool = false;

    /// The stages.
    fn spec(self) -> Spec;
}

impl Stages for Spec {
    #[inline(always)]
    fn spec(self) -> Spec {
        self
    }
}

/// The everyday neuron, compiled by itself: leak to 0, one spike, subtract at once; perhaps its spikes come back to it.
#[derive(Clone, Copy, Debug)]
pub struct Everyday<const SYNAPSE: bool, const RECURRENT: bool> {
    /// Whether the input is weighted.
    pub gain: bool,
}

impl<const SYNAPSE: bool, const RECURRENT: bool> Stages for Everyday<SYNAPSE, RECURRENT> {
    const EVERYDAY: bool = true;

    #[inline(always)]
    fn spec(self) -> Spec {
        Spec {
            synapse: if SYNAPSE { Synapse::DecayJumpUse } else { Synapse::None },
            membrane: Membrane { form: Form::Leaky, leak: false, bias: false, gain: self.gain },
            adaptation: Adaptation::None,
            fire: Fire::Single,
            rule: Resetting { reset: Reset::Subtract, timing: Timing::Same },
            refractory: false,
            masked: false,
            clip: Clip::None,
            operand: if RECURRENT { Operand::Apart } else { Operand::None },
            inhibition: false,
            graded: false,
        }
    }
}

/// A neuron that keeps nothing but membrane, current and rest: no adaptation, no second current, no recurrence, nothing that
/// changes its spikes on leaving. Most are; to know it
/// when compiling keeps the states that are not there out of the registers (2 times faster).
#[derive(Clone, Copy, Debug)]
pub struct Plain(Spec);

impl Plain {
    /// This spec as a plain one, if it is.
    #[must_use]
    pub fn of(spec: Spec) -> Option<Self> {
        let plain = Self(spec);
        (plain.spec() == spec).then_some(plain)
    }
}

impl Stages for Plain {
    #[inline(always)]
    fn spec(self) -> Spec {
        let synapse = if self.0.synapse == Synapse::Dual { Synapse::None } else { self.0.synapse };
        Spec { synapse, adaptation: Adaptation::None, operand: Operand::None, masked: false, inhibition: false, graded: false, ..self.0 }
    }
}

#[cfg(test)]
mod tests {
    use crate::neuron::Neuron;

    #[test]
    fn a_spec_lists_its_states_and_coefficients_in_order() {
        let neuron =
            Neuron::parse("synapse=decay_jump_use membrane=leaky+bias fire=capped reset=value timing=next refractory clip").unwrap();
        let names: Vec<_> = neuron.coefficients().into_iter().map(|c| c.1).collect();
        assert_eq!(names, ["alpha", "beta", "bias", "v_threshold", "max_spikes", "v_reset", "refractory", "v_min"]);
        assert_eq!(neuron.states().into_iter().map(|s| s.1).collect::<Vec<_>>(), ["v", "i", "rest"]);
        let neuron =
            Neuron::parse("synapse=none membrane=euler_exp adaptation=current fire=strict reset=blend timing=same recurrent").unwrap();
        assert_eq!(neuron.states().into_iter().map(|s| s.1).collect::<Vec<_>>(), ["v", "a", "s"]);
    }

    #[test]
    fn what_is_not_a_spec_is_refused_with_what_is_accepted() {
        for (text, part) in [
            ("", "lacks synapse"),
            ("synapse=none membrane=leaky", "lacks fire"),
            ("synapse=odd membrane=leaky fire=none reset=none timing=same", "accepted are none"),
            ("synapse=none membrane=leaky fire=none reset=subtract timing=same", "without firing"),
            ("synapse=none membrane=leaky fire=single reset=none timing=same clap", "refractory, masked, clip"),
            ("synapse=none membrane=box+leak fire=single reset=none timing=same", "of leaky"),
            ("synapse=none membrane=leaky adaptation=current fire=single reset=none timing=same", "takes membrane=euler"),
            ("synapse=none membrane=leaky fire=single reset=drop timing=same", "timing=next"),
            ("alpha fire=strict reset=value", "none, subtract, drop"),
            ("alpha fire=strict", "the order is alpha fire reset [inhibition]"),
            ("coba fire=multi", "accepted are strict, soft"),
            ("coba fire=strict refractory", "the order is coba fire"),
            ("izhikevich fire=strict recovery=updated", "the order is izhikevich [recovery] fire"),
            ("alpha fire=strict reset=none clip", "[inhibition] [graded]"),
            ("synapse=none membrane=leaky fire=none reset=none timing=same graded", "sends no spikes"),
            ("synapse=none membrane=leaky adaptation=threshold fire=single reset=none timing=same inhibition", "no adaptation"),
        ] {
            let error = Neuron::parse(text).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
