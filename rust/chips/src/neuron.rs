//! The integer neuron of every chip: a row of knobs. What they do is in [`crate::step`]; a chip is one such line.
//!
//! A [`Register`] is a state with its width, what happens at the end of it, and how it decays. A neuron has one for its membrane
//! and, where it has a synaptic current, one for that.

use rsnn_base::error::{Error, Result};

/// How many spikes one step gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fire {
    /// At most one.
    Single,
    /// As many as thresholds fit into the membrane, up to a limit where there is one.
    Multi(Option<u16>),
    /// One upwards, minus one downwards.
    Ternary,
}

/// What a spike does to the membrane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reset {
    /// One threshold less for each spike.
    Subtract,
    /// Back to 0.
    Zero,
    /// Nothing.
    None,
}

/// What happens to a state that leaves its bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overflow {
    /// It stays at the end of the range.
    Saturate,
    /// Two's complement.
    Wrap,
    /// One turn of `2^bits`, above `2^(bits-1)` down and at or below its negative up, as Lava does: it may stay outside, up to [`Register::limit`].
    WrapOnce,
    /// The run stops with an error that names the step and the neuron.
    Error,
}

/// How a state falls towards 0, by a number `d` for each neuron.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decay {
    /// Not at all.
    None,
    /// `x - a`, `a = x >> d`, or the sign of x where that is 0.
    Shift,
    /// `sign(x) (|x| d >> bits)`: towards zero.
    Scale(u32),
    /// `x d >> bits`: downwards.
    Floor(u32),
    /// By `d` towards 0, not across.
    Constant,
}

/// When a state decays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Before something is added to it.
    Before,
    /// After that, before it is used.
    After,
    /// At the end of the step.
    End,
}

/// A state: its bits, what happens beyond them, how it decays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Register {
    /// Bits, 2 to 64.
    pub bits: u32,
    /// Outside those bits.
    pub overflow: Overflow,
    /// Towards 0.
    pub decay: Decay,
    /// The moment of the decay.
    pub when: When,
}

/// When a bound is applied to the membrane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clip {
    /// Before it is compared with the threshold.
    Before,
    /// After the reset.
    After,
}

/// The knobs of an integer neuron.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Neuron {
    /// The input is multiplied by `2^shift`.
    pub shift: u32,
    /// Bits that the input is wrapped into after that.
    pub input_bits: Option<u32>,
    /// The synaptic current, where there is one.
    pub current: Option<Register>,
    /// The membrane.
    pub membrane: Register,
    /// The bias is added to what the current sends on, inside the current's bits, instead of to the membrane.
    pub bias_to_current: bool,
    /// Decay, input and bias are added up first, each inside the membrane's bits, and change the membrane together.
    pub change: bool,
    /// The lower clip.
    pub low: Option<Clip>,
    /// The upper clip.
    pub high: Option<Clip>,
    /// Spikes per step.
    pub fire: Fire,
    /// Reset by a spike.
    pub reset: Reset,
    /// Fire above the threshold only, not at it.
    pub above: bool,
    /// A spike holds the membrane at 0 for a number of steps, its own counted.
    pub refractory: bool,
    /// Bits outside which a membrane is counted, 2 to 64.
    pub watch: u32,
    /// States are 0 before each step `t`, counted from 1, with `t % .0 == .1`.
    pub restart: Option<(usize, usize)>,
}

const fn scaled(overflow: Overflow) -> Register {
    Register { bits: 24, overflow, decay: Decay::Scale(12), when: When::Before }
}

/// The neuron of Loihi as Lava runs it.
pub const LOIHI: Neuron = Neuron {
    shift: 6,
    input_bits: None,
    current: Some(scaled(Overflow::WrapOnce)),
    membrane: scaled(Overflow::Saturate),
    bias_to_current: false,
    change: false,
    low: Some(Clip::Before),
    high: Some(Clip::Before),
    fire: Fire::Single,
    reset: Reset::Zero,
    above: true,
    refractory: false,
    watch: 24,
    restart: None,
};

/// The neuron of `DynapCNN` as sinabs runs it, with a lower clip.
pub const DYNAPCNN: Neuron = Neuron {
    shift: 0,
    current: None,
    membrane: Register { bits: 32, overflow: Overflow::Error, decay: Decay::None, when: When::Before },
    low: Some(Clip::After),
    high: None,
    fire: Fire::Multi(None),
    reset: Reset::Subtract,
    above: false,
    watch: 16,
    ..LOIHI
};

/// The hidden neuron of Xylo's second version.
pub const XYLO: Neuron = Neuron {
    membrane: Register { bits: 16, overflow: Overflow::Saturate, decay: Decay::Shift, when: When::Before },
    change: true,
    low: None,
    fire: Fire::Multi(Some(31)),
    ..DYNAPCNN
};

impl Neuron {
    /// Read a line of words: those of the match below, in any order. Words that are left out stand for a 16 bit membrane that
    /// saturates, keeps everything and fires as often as thresholds fit into it.
    pub fn parse(spec: &str) -> Result<Self> {
        let mut neuron = Self {
            shift: 0,
            input_bits: None,
            current: None,
            membrane: Register { bits: 16, overflow: Overflow::Saturate, decay: Decay::None, when: When::Before },
            bias_to_current: false,
            change: false,
            low: None,
            high: None,
            fire: Fire::Multi(None),
            reset: Reset::Subtract,
            above: false,
            refractory: false,
            watch: 16,
            restart: None,
        };
        for word in spec.split_whitespace() {
            neuron.word(word).ok_or_else(|| Error::value(format!("spec: {word:?} is not understood in {spec:?}")))?;
        }
        if neuron.bias_to_current && neuron.current.is_none() {
            return Err(Error::value(format!("spec: a bias for a current that is not there in {spec:?}")));
        }
        Ok(neuron)
    }

    fn word(&mut self, word: &str) -> Option<()> {
        match word.split_once('=').unwrap_or((word, "")) {
            ("fire", "single") => self.fire = Fire::Single,
            ("fire", "ternary") => self.fire = Fire::Ternary,
            ("fire", "multi") => self.fire = Fire::Multi(None),
            ("most", text) => self.fire = Fire::Multi(Some(text.parse().ok()?)),
            ("reset", "subtract") => self.reset = Reset::Subtract,
            ("reset", "zero") => self.reset = Reset::Zero,
            ("reset", "none") => self.reset = Reset::None,
            ("compare", "at_least") => self.above = false,
            ("compare", "above") => self.above = true,
            ("shift", text) => self.shift = text.parse().ok().filter(|shift| *shift <= 32)?,
            ("input", text) => self.input_bits = Some(bits(text)?),
            ("v", text) => self.membrane = register(text)?,
            ("i", text) => self.current = Some(register(text)?),
            ("bias", "current") => self.bias_to_current = true,
            ("change", "") => self.change = true,
            ("low", text) => self.low = Some(clip(text)?),
            ("high", text) => self.high = Some(clip(text)?),
            ("refractory", "") => self.refractory = true,
            ("watch", text) => self.watch = bits(text)?,
            ("restart", text) => {
                let (every, at) = text.split_once(',')?;
                let every: usize = every.parse().ok().filter(|every| *every > 0)?;
                self.restart = Some((every, at.parse::<usize>().ok()? % every));
            }
            _ => return None,
        }
        Some(())
    }

    /// The same neuron in `i32`, where no state leaves its bits and no clip that comes before the threshold moves a membrane: without
    /// the steps that see to it.
    #[must_use]
    pub const fn calm(self) -> Self {
        const fn wide(register: Register) -> Register {
            Register { bits: i32::BITS, ..register }
        }
        Self {
            current: if let Some(current) = self.current { Some(wide(current)) } else { None },
            membrane: wide(self.membrane),
            low: if let Some(Clip::After) = self.low { self.low } else { None },
            high: if let Some(Clip::After) = self.high { self.high } else { None },
            watch: i32::BITS,
            ..self
        }
    }

    /// Whether states are 0 before this step, counted from 0.
    #[must_use]
    pub fn restarts(&self, step: usize) -> bool {
        self.restart.is_some_and(|(every, at)| (step + 1) % every == at)
    }
}

/// `bits,overflow[,decay,when]`, decay as `shift`, `scale:12`, `floor:15`, `constant`.
fn register(text: &str) -> Option<Register> {
    let mut words = text.split(',');
    let bits = bits(words.next()?)?;
    let overflow = match words.next()? {
        "saturate" => Overflow::Saturate,
        "wrap" => Overflow::Wrap,
        "wrap_once" => Overflow::WrapOnce,
        "error" => Overflow::Error,
        _ => return None,
    };
    let Some(decay) = words.next() else {
        return Some(Register { bits, overflow, decay: Decay::None, when: When::Before });
    };
    let scale = |text: &str| text.parse().ok().filter(|bits| (1..=15).contains(bits));
    let decay = match decay.split_once(':').unwrap_or((decay, "")) {
        ("shift", "") => Decay::Shift,
        ("constant", "") => Decay::Constant,
        ("scale", text) => Decay::Scale(scale(text)?),
        ("floor", text) => Decay::Floor(scale(text)?),
        _ => return None,
    };
    let when = match words.next()? {
        "before" => When::Before,
        "after" => When::After,
        "end" => When::End,
        _ => return None,
    };
    words.next().is_none().then_some(Register { bits, overflow, decay, when })
}

fn bits(text: &str) -> Option<u32> {
    text.parse().ok().filter(|bits| (2..=64).contains(bits))
}

fn clip(text: &str) -> Option<Clip> {
    match text {
        "before" => Some(Clip::Before),
        "after" => Some(Clip::After),
        _ => None,
    }
}

/// The first and the last value of `bits` bits.
#[must_use]
pub fn range(bits: u32) -> (i64, i64) {
    (i64::MIN >> (64 - bits), i64::MAX >> (64 - bits))
}

/// Whether a value leaves `bits` bits.
#[must_use]
#[inline(always)]
pub fn outside(value: i128, bits: u32) -> bool {
    let (first, last) = range(bits);
    value < i128::from(first) || value > i128::from(last)
}

impl Register {
    /// The bits that a state must keep after its overflow was dealt with. One turn leaves it anywhere; what the simulator has is 32 bits.
    #[must_use]
    pub fn limit(&self) -> u32 {
        match self.overflow {
            Overflow::WrapOnce if self.bits < 32 => 32,
            Overflow::WrapOnce => 64,
            _ => self.bits,
        }
    }

    /// The largest `|value|` that a state can reach, before it is brought back into its bits, in `steps` steps that each add at
    /// most `add`; `start` bounds it at the beginning, and what may be put in its place.
    #[must_use]
    pub fn reach(&self, start: i128, add: i128, steps: usize) -> i128 {
        let half = 1_i128 << (self.bits - 1);
        let free = start.saturating_add(add.saturating_mul(steps.saturating_sub(1) as i128));
        let before = match self.overflow {
            // One turn brings back what was at most two ranges away; what starts farther out only comes nearer.
            Overflow::WrapOnce if add <= 2 * half => start.max(half),
            Overflow::WrapOnce => free,
            _ => start.max(half.min(free)),
        };
        before.saturating_add(add)
    }

    /// The largest numbers that may be given for a decay.
    #[must_use]
    pub fn most_decay(&self) -> i64 {
        match self.decay {
            Decay::None | Decay::Constant => i64::MAX,
            Decay::Shift => 31,
            Decay::Scale(bits) | Decay::Floor(bits) => 1 << bits,
        }
    }
}
