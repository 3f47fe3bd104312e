//! One step of integer neurons, on a column of registers of one word.
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
//! wraps. A knob is one branch for a column and a step, which is always foreseen; nothing is written between the lines.

use crate::fire::fire;
use crate::lanes::Lanes;
use crate::neuron::{Decay, Neuron, Overflow, Register, When, range};
use crate::rows::{Numbers, Overrun, States, Tally};
use crate::word::Word;

/// Registers side by side.
pub(crate) type Column<L, const K: usize> = [L; K];

/// `f` of every register, with its place. A loop of its own: through a function of the standard library, which is not always inlined,
/// the instruction set would be lost.
#[inline(always)]
pub(crate) fn map<L: Copy, M: Copy, const K: usize>(column: &[L; K], f: impl Fn(usize, L) -> M) -> [M; K] {
    let mut out = [f(0, column[0]); K];
    for j in 1..K {
        out[j] = f(j, column[j]);
    }
    out
}

/// Whether one of these holds anywhere.
#[inline(always)]
pub(crate) fn any<L: Lanes, const K: usize>(masks: &[L::Mask; K]) -> bool {
    let mut found = masks[0];
    for j in 1..K {
        found = L::or(found, masks[j]);
    }
    L::bits(found) != 0
}

/// Let states decay.
#[inline(always)]
pub(crate) fn decay<L: Lanes, const K: usize>(token: L::Token, kind: Decay, x: Column<L, K>, by: &Column<L, K>) -> Column<L, K> {
    let (zero, one) = (L::of(token, 0), L::of(token, 1));
    match kind {
        Decay::None => x,
        Decay::Shift => map(
            &x,
            #[inline(always)]
            |j, x| {
                let a = x.down_by(by[j]);
                x.sub(L::pick(a.same(zero), L::pick(x.above(zero), one, zero), a))
            },
        ),
        // The usual one: shifts by a number that is known cost half.
        Decay::Scale(12) => towards_zero(token, &x, by, 12),
        Decay::Scale(bits) => towards_zero(token, &x, by, bits),
        Decay::Floor(bits) => map(
            &x,
            #[inline(always)]
            |j, x| x.scaled(by[j], bits, zero),
        ),
        Decay::Constant => map(
            &x,
            #[inline(always)]
            |j, x| L::pick(x.above(zero), x.sub(by[j]).max(zero), x.add(by[j]).min(zero)),
        ),
    }
}

#[inline(always)]
fn towards_zero<L: Lanes, const K: usize>(token: L::Token, x: &Column<L, K>, by: &Column<L, K>, bits: u32) -> Column<L, K> {
    let (zero, rest) = (L::of(token, 0), L::of(token, (1 << bits) - 1));
    map(
        x,
        #[inline(always)]
        |j, x| x.scaled(by[j], bits, L::pick(zero.above(x), rest, zero)),
    )
}

/// Which lanes leave the bits, if a word can hold such.
#[inline(always)]
pub(crate) fn outside<L: Lanes, const K: usize>(token: L::Token, x: &Column<L, K>, bits: u32) -> Option<[L::Mask; K]> {
    if L::Word::BITS <= bits {
        return None;
    }
    let (first, last) = range(bits);
    let (first, last) = (L::of(token, first), L::of(token, last));
    let all = map(
        x,
        #[inline(always)]
        |_, x| L::or(x.above(last), first.above(x)),
    );
    if any::<L, K>(&all) { Some(all) } else { None }
}

/// Bring states back into their bits; where leaving them is an error, the first that did.
#[inline(always)]
fn contain<L: Lanes, const K: usize>(token: L::Token, x: &mut Column<L, K>, bits: u32, overflow: Overflow) -> Option<(usize, i128)> {
    // In a word of no more bits nothing can have left them: the word holds everything that can occur.
    if L::Word::BITS <= bits {
        return None;
    }
    match overflow {
        Overflow::Saturate => {
            let (first, last) = range(bits);
            let (first, last) = (L::of(token, first), L::of(token, last));
            *x = map(
                x,
                #[inline(always)]
                |_, x| x.max(first).min(last),
            );
            None
        }
        Overflow::Wrap => {
            let spare = L::Word::BITS - bits;
            *x = map(
                x,
                #[inline(always)]
                |_, x| x.up(spare).down(spare),
            );
            None
        }
        Overflow::WrapOnce => {
            if L::Word::BITS > bits + 1 {
                let half = L::of(token, 1).up(bits - 1);
                let (zero, least, turn) = (L::of(token, 0), L::of(token, 1).sub(half), half.add(half));
                *x = map(
                    x,
                    #[inline(always)]
                    |_, x| x.sub(L::pick(x.above(half), turn, zero)).add(L::pick(least.above(x), turn, zero)),
                );
            }
            let register = Register { bits, overflow, decay: Decay::None, when: When::Before };
            first_outside(token, x, register.limit())
        }
        Overflow::Error => first_outside(token, x, bits),
    }
}

#[inline(always)]
fn first_outside<L: Lanes, const K: usize>(token: L::Token, x: &Column<L, K>, bits: u32) -> Option<(usize, i128)> {
    let all = outside(token, x, bits)?;
    let j = all.iter().position(|&mask| L::bits(mask) != 0)?;
    let lane = L::bits(all[j]).trailing_zeros() as usize;
    let mut row = [L::Word::ZERO; 16];
    x[j].store(&mut row);
    Some((j * L::LEN + lane, row[lane].widest()))
}

#[inline(always)]
fn add<L: Lanes, const K: usize>(x: &mut Column<L, K>, other: &Column<L, K>) {
    *x = map(
        x,
        #[inline(always)]
        |j, x| x.add(other[j]),
    );
}

/// Input and current: x becomes what reaches the membrane.
#[inline(always)]
fn drive<L: Lanes, const K: usize>(
    token: L::Token,
    neuron: &Neuron,
    numbers: &Numbers<L, K>,
    state: &mut States<L, K>,
    mut x: Column<L, K>,
) -> (Column<L, K>, Option<Overrun>) {
    if neuron.shift != 0 {
        let shift = neuron.shift;
        x = map(
            &x,
            #[inline(always)]
            |_, x| x.up(shift),
        );
    }
    if let Some(bits) = neuron.input_bits {
        contain(token, &mut x, bits, Overflow::Wrap);
    }
    let Some(Register { bits, overflow, decay: kind, when }) = neuron.current else { return (x, None) };
    let mut i = state.i;
    if when == When::Before {
        i = decay(token, kind, i, &numbers.decay_i);
    }
    add(&mut i, &x);
    let mut overrun = contain(token, &mut i, bits, overflow);
    if when == When::After {
        i = decay(token, kind, i, &numbers.decay_i);
    }
    let mut d = i;
    if neuron.bias_to_current {
        add(&mut d, &numbers.bias);
        overrun = overrun.or(contain(token, &mut d, bits, overflow));
    }
    if when == When::End {
        i = decay(token, kind, i, &numbers.decay_i);
    }
    state.i = i;
    (d, overrun.map(|(lane, value)| (lane, value, "current")))
}

/// Membrane: its value before it fires.
#[inline(always)]
fn integrate<L: Lanes, const K: usize>(
    token: L::Token,
    neuron: &Neuron,
    numbers: &Numbers<L, K>,
    state: &States<L, K>,
    d: Column<L, K>,
    tally: &mut Tally<L>,
) -> (Column<L, K>, Option<Overrun>) {
    let Register { bits, overflow, decay: kind, when } = neuron.membrane;
    let own_bias = !neuron.bias_to_current;
    let mut overrun = None;
    let fallen = if when == When::Before { decay(token, kind, state.v, &numbers.decay_v) } else { state.v };
    let mut u = if neuron.change {
        let mut c = map(
            &fallen,
            #[inline(always)]
            |j, fallen| fallen.sub(state.v[j]),
        );
        contain(token, &mut c, bits, Overflow::Wrap);
        add(&mut c, &d);
        overrun = contain(token, &mut c, bits, overflow);
        if own_bias {
            add(&mut c, &numbers.bias);
            overrun = overrun.or(contain(token, &mut c, bits, overflow));
        }
        map(
            &c,
            #[inline(always)]
            |j, c| c.add(state.v[j]),
        )
    } else if own_bias {
        map(
            &fallen,
            #[inline(always)]
            |j, fallen| fallen.add(d[j]).add(numbers.bias[j]),
        )
    } else {
        map(
            &fallen,
            #[inline(always)]
            |j, fallen| fallen.add(d[j]),
        )
    };
    for &u in &u {
        (tally.low, tally.high) = (tally.low.min(u), tally.high.max(u));
    }
    let beyond = outside(token, &u, neuron.watch);
    if let Some(beyond) = beyond {
        tally.beyond += beyond.iter().map(|&mask| u64::from(L::bits(mask).count_ones())).sum::<u64>();
    }
    // What stays within fewer bits stays within these; one turn of an overflow may begin at their ends.
    if beyond.is_some() || neuron.watch > bits || overflow == Overflow::WrapOnce {
        overrun = overrun.or(contain(token, &mut u, bits, overflow));
    }
    if when == When::After {
        u = decay(token, kind, u, &numbers.decay_v);
    }
    (u, overrun.map(|(lane, value)| (lane, value, "membrane")))
}

/// What a step gives besides the states.
#[derive(Clone, Copy)]
pub(crate) struct Step<L, const K: usize> {
    /// The membrane before it fires.
    pub u: Column<L, K>,
    /// Spikes.
    pub s: Column<L, K>,
}

/// One step; where a state leaves its bits and that is an error, the first that did.
#[inline(always)]
pub(crate) fn step<L: Lanes, const K: usize>(
    token: L::Token,
    neuron: &Neuron,
    numbers: &Numbers<L, K>,
    state: &mut States<L, K>,
    x: Column<L, K>,
    tally: &mut Tally<L>,
) -> (Step<L, K>, Option<Overrun>) {
    let (d, first) = drive(token, neuron, numbers, state, x);
    let (u, second) = integrate(token, neuron, numbers, state, d, tally);
    let overrun = first.or(second);
    if overrun.is_some() {
        return (Step { u, s: u }, overrun);
    }
    (fire(token, neuron, numbers, state, u, tally), None)
}
