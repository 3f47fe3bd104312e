//! The second half of a step: clip, compare, spikes, reset, refractory period. The equations are in [`crate::step`].

use crate::lanes::Lanes;
use crate::neuron::{Clip, Fire, Neuron, Reset, When};
use crate::rows::{Numbers, States, Tally};
use crate::step::{Column, Step, any, decay, map};
use crate::word::Word;

#[inline(always)]
fn clip<L: Lanes, const K: usize>(neuron: &Neuron, now: Clip, x: &mut Column<L, K>, numbers: &Numbers<L, K>) {
    if neuron.low == Some(now) {
        *x = map(
            x,
            #[inline(always)]
            |j, x| x.max(numbers.v_min[j]),
        );
    }
    if neuron.high == Some(now) {
        *x = map(
            x,
            #[inline(always)]
            |j, x| x.min(numbers.v_max[j]),
        );
    }
}

/// What one neuron that has fired `already` has fired in the end, and the membrane that is left, one subtraction after the other.
#[inline(always)]
pub fn fire_one<W: Word>(u: W, threshold: W, back: W, already: W, most: W, bits: u32) -> (W, W) {
    let (mut v, mut n) = (u, already);
    let spare = W::BITS.saturating_sub(bits);
    while v - back >= threshold && n < most {
        n = n + W::ONE;
        v = ((v - threshold) << spare) >> spare;
    }
    (n, v)
}

/// Compare and reset: spikes, the states after the step, and the refractory period.
#[inline(always)]
pub(crate) fn fire<L: Lanes, const K: usize>(
    token: L::Token,
    neuron: &Neuron,
    numbers: &Numbers<L, K>,
    state: &mut States<L, K>,
    mut u: Column<L, K>,
    tally: &mut Tally<L>,
) -> Step<L, K> {
    let (zero, one) = (L::of(token, 0), L::of(token, 1));
    clip(neuron, Clip::Before, &mut u, numbers);
    if neuron.refractory {
        u = map(
            &u,
            #[inline(always)]
            |j, u| L::pick(state.rest[j].above(zero), zero, u),
        );
    }
    let (s, mut v) = match neuron.fire {
        Fire::Single => at_most_once(token, neuron, numbers, &u, tally, L::Word::ONE),
        Fire::Multi(most) => several(token, neuron, numbers, &u, tally, most),
        Fire::Ternary => ternary(token, neuron, numbers, &u, tally),
    };
    clip(neuron, Clip::After, &mut v, numbers);
    if neuron.refractory {
        state.rest = map(
            &state.rest,
            #[inline(always)]
            |j, rest| L::pick(s[j].same(zero), rest, numbers.refractory[j]).sub(one).max(zero),
        );
    }
    state.v = if neuron.membrane.when == When::End { decay(token, neuron.membrane.decay, v, &numbers.decay_v) } else { v };
    Step { u, s }
}

/// What is added to a membrane so that it fires where it is above its threshold: `u >= v_threshold` is `u + 1 > v_threshold`,
/// `u > v_threshold` as it stands.
#[inline(always)]
fn at<L: Lanes>(token: L::Token, neuron: &Neuron) -> L {
    L::of(token, i64::from(!neuron.above))
}

/// Spikes, and the membranes after them, where nobody has room for a second one.
#[inline(always)]
fn at_most_once<L: Lanes, const K: usize>(
    token: L::Token,
    neuron: &Neuron,
    numbers: &Numbers<L, K>,
    u: &Column<L, K>,
    tally: &mut Tally<L>,
    most: L::Word,
) -> (Column<L, K>, Column<L, K>) {
    let (zero, one) = (L::of(token, 0), L::of(token, 1));
    let at = at::<L>(token, neuron);
    let fired = map(
        u,
        #[inline(always)]
        |j, u| u.add(at).above(numbers.v_threshold[j]),
    );
    let s = map(
        &fired,
        #[inline(always)]
        |_, fired| L::pick(fired, one, zero),
    );
    for j in 0..K {
        tally.ones = tally.ones.add(s[j]);
    }
    let v = match neuron.reset {
        Reset::Subtract => map(
            u,
            #[inline(always)]
            |j, u| u.sub(L::pick(fired[j], numbers.v_threshold[j], zero)),
        ),
        Reset::Zero => map(
            u,
            #[inline(always)]
            |j, u| L::pick(fired[j], zero, u),
        ),
        Reset::None => *u,
    };
    low_thresholds(token, neuron, numbers, u, (s, v), tally, most)
}

/// The same of neurons that fire once for each threshold in their membrane, at most `most` times.
#[inline(always)]
fn several<L: Lanes, const K: usize>(
    token: L::Token,
    neuron: &Neuron,
    numbers: &Numbers<L, K>,
    u: &Column<L, K>,
    tally: &mut Tally<L>,
    most: Option<u16>,
) -> (Column<L, K>, Column<L, K>) {
    let (zero, at) = (L::of(token, 0), at::<L>(token, neuron));
    let back = if neuron.above { L::Word::ONE } else { L::Word::ZERO };
    let limit = most.map(|most| L::Word::narrow(i64::from(most)));
    // A division is dear, and most columns hold no membrane of two thresholds.
    let twice = map(
        u,
        #[inline(always)]
        |j, u| u.add(at).above(numbers.v_threshold[j].add(numbers.v_threshold[j])),
    );
    if limit == Some(L::Word::ZERO) {
        ([zero; K], *u)
    } else if limit == Some(L::Word::ONE) || !any::<L, K>(&twice) {
        at_most_once(token, neuron, numbers, u, tally, limit.unwrap_or(L::Word::ONE))
    } else {
        let s = map(
            u,
            #[inline(always)]
            |j, u| {
                u.each(
                    numbers.v_threshold[j],
                    #[inline(always)]
                    |u, threshold| {
                        let s = (u - back).times(threshold.max(L::Word::ONE));
                        if let Some(limit) = limit { s.min(limit) } else { s }
                    },
                )
            },
        );
        tally.count(&s, false);
        let v = match neuron.reset {
            Reset::Subtract => map(
                u,
                #[inline(always)]
                |j, u| u.sub(s[j].mul(numbers.v_threshold[j])),
            ),
            Reset::Zero => map(
                u,
                #[inline(always)]
                |j, u| L::pick(s[j].same(zero), u, zero),
            ),
            Reset::None => *u,
        };
        low_thresholds(token, neuron, numbers, u, (s, v), tally, limit.unwrap_or(L::Word::ONE))
    }
}

/// The same of neurons with a second threshold, below 0, for spikes of -1.
#[inline(always)]
fn ternary<L: Lanes, const K: usize>(
    token: L::Token,
    neuron: &Neuron,
    numbers: &Numbers<L, K>,
    u: &Column<L, K>,
    tally: &mut Tally<L>,
) -> (Column<L, K>, Column<L, K>) {
    let (zero, at) = (L::of(token, 0), at::<L>(token, neuron));
    // `u <= v_low` is `v_low + 1 > u`.
    let down = map(
        u,
        #[inline(always)]
        |j, u| numbers.v_low[j].add(at).one_above(token, u),
    );
    let s = map(
        u,
        #[inline(always)]
        |j, u| u.add(at).one_above(token, numbers.v_threshold[j]).sub(down[j]),
    );
    tally.count(&s, false);
    let spare = L::Word::BITS.saturating_sub(neuron.membrane.bits);
    let v = match neuron.reset {
        Reset::Subtract => map(
            u,
            #[inline(always)]
            |j, u| {
                let crossed = L::pick(s[j].above(zero), numbers.v_threshold[j], numbers.v_low[j]);
                L::pick(s[j].same(zero), u, u.sub(crossed).up(spare).down(spare))
            },
        ),
        Reset::Zero => map(
            u,
            #[inline(always)]
            |j, u| L::pick(s[j].same(zero), u, zero),
        ),
        Reset::None => *u,
    };
    (s, v)
}

/// Thresholds below 1 are no division: these few neurons fire one spike after the other.
#[inline(always)]
fn low_thresholds<L: Lanes, const K: usize>(
    token: L::Token,
    neuron: &Neuron,
    numbers: &Numbers<L, K>,
    u: &Column<L, K>,
    (mut s, mut v): (Column<L, K>, Column<L, K>),
    tally: &mut Tally<L>,
    most: L::Word,
) -> (Column<L, K>, Column<L, K>) {
    if !numbers.low_thresholds {
        return (s, v);
    }
    let back = if neuron.above { L::Word::ONE } else { L::Word::ZERO };
    tally.count(&s, true);
    for j in 0..K {
        let mut rows = [[L::Word::ZERO; 16]; 4];
        for (row, register) in rows.iter_mut().zip([u[j], numbers.v_threshold[j], s[j], v[j]]) {
            register.store(row);
        }
        let [us, thresholds, spikes, after] = &mut rows;
        for k in 0..L::LEN {
            if thresholds[k] < L::Word::ONE {
                let (n, left) = fire_one(us[k], thresholds[k], back, L::Word::ZERO, most, neuron.membrane.bits);
                spikes[k] = n;
                after[k] = match neuron.reset {
                    Reset::Subtract => left,
                    Reset::Zero if n != L::Word::ZERO => L::Word::ZERO,
                    Reset::Zero | Reset::None => us[k],
                };
            }
        }
        (s[j], v[j]) = (L::load(token, spikes), L::load(token, after));
    }
    tally.count(&s, false);
    (s, v)
}
