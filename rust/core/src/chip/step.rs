//! One step of a row of integer neurons, on columns of one word.
//!
//! ```text
//! q = wrap(x << shift)                        input
//! i = contain(decay(i) + q)                   current, where there is one: decay before or after that sum, or at the end of the step
//! d = i, or contain(i + bias)                 what reaches the membrane; q where there is no current
//! u = contain(decay(v) + d + bias)            or, as a change: u = contain(v + c),  c = contain(contain(wrap(decay(v) - v) + d) + bias)
//! u = min(max(u, v_min), v_max)               a clip that comes before
//! u = 0 where rest > 0                        refractory
//! s = fire(u)                                 multi: how often v_threshold goes into u > 0, at most `most`;  single: [u >= v_threshold];
//!                                             ternary: [u >= v_threshold] - [u <= v_low];
//!                                             compare "above": with u - 1, and u + 1 downwards
//! v = reset(u, s)                             subtract: u - s v_threshold, downwards u - v_low;  zero: 0 where s != 0;  none: u
//! v = min(max(v, v_min), v_max)               a clip that comes after
//! rest = max(rest - 1, 0),  where it fires refractory - 1
//! ```
//! `contain` is the register's overflow. A threshold below 1 is subtracted spike by spike; what that pushes out of the membrane's bits
//! wraps. Each line is a pass over a row that lies in the first cache, so a knob costs one branch a row, and rows that never leave
//! their bits never pay for those that do.

use fearless_simd::Level;

use crate::chip::fire::{fire, tally};
use crate::chip::neuron::{Decay, Neuron, Overflow, Register, When, outside, range};
use crate::chip::word::Word;
use crate::elem::on_level;

/// What neurons fired, and what their membranes reached before overflow was dealt with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    /// Spikes; those downwards count as -1.
    pub spikes: i128,
    /// Neuron-steps that fired.
    pub fired: u64,
    /// Neuron-steps outside the watched bits.
    pub beyond: u64,
    /// The lowest membrane, at most 0.
    pub lowest: i128,
    /// The highest membrane, at least 0.
    pub highest: i128,
}

impl Extent {
    /// Both together.
    pub fn join(&mut self, other: &Self) {
        self.spikes += other.spikes;
        self.fired += other.fired;
        self.beyond += other.beyond;
        self.lowest = self.lowest.min(other.lowest);
        self.highest = self.highest.max(other.highest);
    }
}

/// The state that left its bits where that is an error: the lane, its value, and which one it is.
pub type Overrun = (usize, i128, &'static str);

/// Columns of the neurons of a row: what comes and goes, the states, the coefficients. Coefficients that a neuron does not use are empty.
#[derive(Clone, Debug, Default)]
pub struct Rows<W> {
    /// In: the input. After the step: the membrane before it fired.
    pub u: Vec<W>,
    /// Out: the spikes.
    pub s: Vec<W>,
    /// Membrane.
    pub v: Vec<W>,
    /// Current.
    pub i: Vec<W>,
    /// Refractory steps left.
    pub rest: Vec<W>,
    /// Added at every step.
    pub bias: Vec<W>,
    /// Whether a threshold is below 1.
    pub low_thresholds: bool,
    /// Upper threshold.
    pub v_threshold: Vec<W>,
    /// Lower threshold of a ternary neuron.
    pub v_low: Vec<W>,
    /// Lower clip.
    pub v_min: Vec<W>,
    /// Upper clip.
    pub v_max: Vec<W>,
    /// The number of the membrane's decay.
    pub decay_v: Vec<W>,
    /// The number of the current's decay.
    pub decay_i: Vec<W>,
    /// Refractory steps.
    pub refractory: Vec<W>,
}

/// Call `$body` with the decay as a function of value and number: a loop of its own for each kind.
macro_rules! with_decay {
    ($decay:expr, $fall:ident => $body:expr) => {
        match $decay {
            Decay::None => {
                let $fall = |x: W, _: W| x;
                $body
            }
            Decay::Shift => {
                let $fall = |x: W, d: W| {
                    let a = x.down(d);
                    let least = if x > W::ZERO { W::ONE } else { W::ZERO };
                    x - if a == W::ZERO { least } else { a }
                };
                $body
            }
            Decay::Scale(bits) => {
                let (bits, rest) = (bits, (W::ONE << bits) - W::ONE);
                let $fall = |x: W, m: W| x.scaled(m, bits, if x < W::ZERO { rest } else { W::ZERO });
                $body
            }
            Decay::Floor(bits) => {
                let $fall = |x: W, m: W| x.scaled(m, bits, W::ZERO);
                $body
            }
            Decay::Constant => {
                let $fall = |x: W, d: W| if x > W::ZERO { (x - d).max(W::ZERO) } else { (x + d).min(W::ZERO) };
                $body
            }
        }
    };
}

/// Let a row of states decay.
#[inline(always)]
pub fn decay<W: Word>(kind: Decay, row: &mut [W], by: &[W]) {
    if kind != Decay::None {
        with_decay!(kind, fall => row.iter_mut().zip(by).for_each(|(x, &d)| *x = fall(*x, d)));
    }
}

/// Bring a row back into its bits; where leaving them is an error, the first that did.
#[inline(always)]
fn contain<W: Word>(row: &mut [W], bits: u32, overflow: Overflow) -> Option<(usize, i128)> {
    match overflow {
        Overflow::Saturate => {
            if W::BITS > bits {
                let (first, last) = range(bits);
                let (first, last) = (W::narrow(first), W::narrow(last));
                for x in row.iter_mut() {
                    *x = (*x).max(first).min(last);
                }
            }
        }
        Overflow::Wrap => {
            if W::BITS > bits {
                let spare = W::BITS - bits;
                for x in row.iter_mut() {
                    *x = (*x << spare) >> spare;
                }
            }
        }
        Overflow::WrapOnce if W::BITS > bits + 1 => {
            let half = W::ONE << (bits - 1);
            let turn = half + half;
            for x in row.iter_mut() {
                let above = if *x > half { turn } else { W::ZERO };
                let below = if *x <= W::ZERO - half { turn } else { W::ZERO };
                *x = *x - above + below;
            }
        }
        // In a word of no more bits nothing can have left them: the word holds everything that can occur.
        Overflow::WrapOnce => {}
        Overflow::Error => return first_outside(row, bits),
    }
    let limit = Register { bits, overflow, decay: Decay::None, when: When::Before }.limit();
    if overflow == Overflow::WrapOnce { first_outside(row, limit) } else { None }
}

#[inline(always)]
fn first_outside<W: Word>(row: &[W], bits: u32) -> Option<(usize, i128)> {
    if W::BITS <= bits {
        return None;
    }
    let (low, high) = ends(row);
    if !outside(low.widest(), bits) && !outside(high.widest(), bits) {
        return None;
    }
    row.iter().map(|x| x.widest()).enumerate().find(|(_, x)| outside(*x, bits))
}

/// The lowest and the highest, 0 included.
#[inline(always)]
fn ends<W: Word>(row: &[W]) -> (W, W) {
    let (mut low, mut high) = (W::ZERO, W::ZERO);
    for &x in row {
        (low, high) = (low.min(x), high.max(x));
    }
    (low, high)
}

#[inline(always)]
fn add<W: Word>(row: &mut [W], other: &[W]) {
    row.iter_mut().zip(other).for_each(|(x, &y)| *x = *x + y);
}

/// Input and current: `u` comes in holding x and goes out holding what reaches the membrane.
#[inline(always)]
fn drive<W: Word>(neuron: &Neuron, rows: &mut Rows<W>) -> Option<Overrun> {
    let mut shift = neuron.shift;
    if let Some(bits) = neuron.input_bits {
        for u in &mut rows.u {
            *u = *u << shift;
        }
        contain(&mut rows.u, bits, Overflow::Wrap);
        shift = 0;
    }
    let Some(Register { bits, overflow, decay: kind, when }) = neuron.current else {
        if shift != 0 {
            for u in &mut rows.u {
                *u = *u << shift;
            }
        }
        return None;
    };
    // Decay, sum and the usual overflow are one pass; without a decay there are no numbers for it.
    let before = if when == When::Before { kind } else { Decay::None };
    if before == Decay::None {
        rows.i.iter_mut().zip(&rows.u).for_each(|(i, &u)| *i = *i + (u << shift));
    } else {
        with_decay!(before, fall => {
            let all = rows.i.iter_mut().zip(&rows.u).zip(&rows.decay_i);
            all.for_each(|((i, &u), &d)| *i = fall(*i, d) + (u << shift));
        });
    }
    let mut overrun = contain(&mut rows.i, bits, overflow);
    if when == When::After {
        decay(kind, &mut rows.i, &rows.decay_i);
    }
    rows.u.copy_from_slice(&rows.i);
    if neuron.bias_to_current {
        add(&mut rows.u, &rows.bias);
        overrun = overrun.or(contain(&mut rows.u, bits, overflow));
    }
    if when == When::End {
        decay(kind, &mut rows.i, &rows.decay_i);
    }
    overrun.map(|(lane, value)| (lane, value, "current"))
}

/// Membrane: `u` comes in holding what reaches it and goes out holding its value before it fires. A state outside its bits, where that
/// is an error, is the second part.
#[inline(always)]
fn integrate<W: Word>(neuron: &Neuron, rows: &mut Rows<W>) -> (Extent, Option<Overrun>) {
    let Register { bits, overflow, decay: kind, when } = neuron.membrane;
    let before = if when == When::Before { kind } else { Decay::None };
    let own_bias = !neuron.bias_to_current;
    let mut overrun = None;
    let (mut low, mut high) = (W::ZERO, W::ZERO);
    if neuron.change {
        // `s` is free until the neurons fire.
        with_decay!(before, fall => {
            // The number of a decay is there only where there is one.
            let fallen = rows.s.iter_mut().zip(&rows.v);
            if before == Decay::None {
                fallen.for_each(|(c, _)| *c = W::ZERO);
            } else {
                fallen.zip(&rows.decay_v).for_each(|((c, &v), &d)| *c = fall(v, d) - v);
            }
        });
        contain(&mut rows.s, bits, Overflow::Wrap);
        add(&mut rows.s, &rows.u);
        overrun = contain(&mut rows.s, bits, overflow);
        if own_bias {
            add(&mut rows.s, &rows.bias);
            overrun = overrun.or(contain(&mut rows.s, bits, overflow));
        }
        rows.u.iter_mut().zip(&rows.v).zip(&rows.s).for_each(|((u, &v), &c)| *u = v + c);
        (low, high) = ends(&rows.u);
    } else if before == Decay::None {
        if own_bias {
            for ((u, &v), &bias) in rows.u.iter_mut().zip(&rows.v).zip(&rows.bias) {
                *u = v + *u + bias;
                (low, high) = (low.min(*u), high.max(*u));
            }
        } else {
            add(&mut rows.u, &rows.v);
            (low, high) = ends(&rows.u);
        }
    } else {
        if own_bias {
            add(&mut rows.u, &rows.bias);
        }
        with_decay!(before, fall => for ((u, &v), &d) in rows.u.iter_mut().zip(&rows.v).zip(&rows.decay_v) {
            *u = fall(v, d) + *u;
            (low, high) = (low.min(*u), high.max(*u));
        });
    }
    let mut extent = Extent { lowest: low.widest(), highest: high.widest(), ..Extent::default() };
    let leaves = |bits| outside(extent.lowest, bits) || outside(extent.highest, bits);
    let (leaves_watch, leaves_bits) = (leaves(neuron.watch), leaves(bits) || overflow == Overflow::WrapOnce);
    if leaves_watch {
        extent.beyond = rows.u.iter().filter(|u| outside(u.widest(), neuron.watch)).count() as u64;
    }
    if leaves_bits {
        overrun = overrun.or(contain(&mut rows.u, bits, overflow));
    }
    if when == When::After {
        decay(kind, &mut rows.u, &rows.decay_v);
    }
    (extent, overrun.map(|(lane, value)| (lane, value, "membrane")))
}

/// Run a kernel of rows on the best instruction set; words of 128 bits have no vectors.
macro_rules! on_rows {
    ($level:expr, $work:expr) => {{
        let mut result = None;
        if W::BITS > 64 {
            result = Some($work);
        } else {
            on_level!($level, simd => {
                let _ = simd;
                result = Some($work);
            });
        }
        result.unwrap_or_default()
    }};
}

/// One step of a row: `u` comes in holding the input. Returns what the membranes reached, and the first state outside its bits (as an error).
/// A function of its own, so that it is compiled once for each word and instruction set, whatever the arrays hold.
#[inline(never)]
pub fn step<W: Word>(level: Level, neuron: &Neuron, rows: &mut Rows<W>) -> (Extent, Option<Overrun>) {
    let first = on_rows!(level, drive(neuron, rows));
    let (extent, second) = evolve(level, neuron, rows);
    (extent, first.or(second))
}

/// The same without input and current: `u` comes in holding what reaches the membranes.
#[inline(never)]
pub fn evolve<W: Word>(level: Level, neuron: &Neuron, rows: &mut Rows<W>) -> (Extent, Option<Overrun>) {
    on_rows!(level, {
        let (mut extent, overrun) = integrate(neuron, rows);
        if overrun.is_none() {
            fire(neuron, rows);
            tally(neuron, &rows.s, &mut extent);
        }
        (extent, overrun)
    })
}
