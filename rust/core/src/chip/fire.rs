//! The second half of a step: clip, compare, spikes, reset, refractory period. The equations are in [`crate::chip::step`].

use crate::chip::neuron::{Clip, Fire, Neuron, Reset, When};
use crate::chip::step::{Extent, Rows, decay};
use crate::chip::word::Word;

#[inline(always)]
fn clip<W: Word>(neuron: &Neuron, now: Clip, row: &mut [W], v_min: &[W], v_max: &[W]) {
    if neuron.low == Some(now) && neuron.high == Some(now) {
        row.iter_mut().zip(v_min).zip(v_max).for_each(|((v, &v_min), &v_max)| *v = (*v).max(v_min).min(v_max));
    } else if neuron.low == Some(now) {
        row.iter_mut().zip(v_min).for_each(|(v, &v_min)| *v = (*v).max(v_min));
    } else if neuron.high == Some(now) {
        row.iter_mut().zip(v_max).for_each(|(v, &v_max)| *v = (*v).min(v_max));
    }
}

/// `s` and `v` from `u`, one pass. The closures are the two knobs; inlined, each pair is a loop of its own.
#[inline(always)]
fn fire_and_reset<W: Word>(rows: &mut Rows<W>, fire: impl Fn(W, W) -> W, reset: impl Fn(W, W, W) -> W) {
    let (spikes, v) = (rows.s.iter_mut(), rows.v.iter_mut());
    for (((s, v), &u), &threshold) in spikes.zip(v).zip(&rows.u).zip(&rows.v_threshold) {
        *s = fire(u, threshold);
        *v = reset(u, *s, threshold);
    }
}

#[inline(always)]
fn reset_with<W: Word>(rows: &mut Rows<W>, reset: Reset, fire: impl Fn(W, W) -> W) {
    match reset {
        Reset::Subtract => fire_and_reset(rows, fire, |u, s, threshold| u - s * threshold),
        Reset::Zero => fire_and_reset(rows, fire, |u, s, _| if s == W::ZERO { u } else { W::ZERO }),
        Reset::None => fire_and_reset(rows, fire, |u, _, _| u),
    }
}

/// The same with two thresholds; `s` comes in holding the spikes downwards.
#[inline(always)]
fn ternary<W: Word>(rows: &mut Rows<W>, back: W, reset: impl Fn(W, W, W, W) -> W) {
    let (spikes, v) = (rows.s.iter_mut(), rows.v.iter_mut());
    for ((((s, v), &u), &threshold), &low) in spikes.zip(v).zip(&rows.u).zip(&rows.v_threshold).zip(&rows.v_low) {
        let up = if u - back >= threshold { W::ONE } else { W::ZERO };
        *s = up - *s;
        *v = if *s == W::ZERO { u } else { reset(u, *s, threshold, low) };
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

/// Compare and reset: `s` and `v` from `u`, and the refractory period.
#[inline(always)]
pub fn fire<W: Word>(neuron: &Neuron, rows: &mut Rows<W>) {
    clip(neuron, Clip::Before, &mut rows.u, &rows.v_min, &rows.v_max);
    if neuron.refractory {
        rows.u.iter_mut().zip(&rows.rest).for_each(|(u, &rest)| *u = if rest > W::ZERO { W::ZERO } else { *u });
    }
    let back = if neuron.above { W::ONE } else { W::ZERO };
    match neuron.fire {
        Fire::Single => {
            reset_with(rows, neuron.reset, |u, threshold| if u - back >= threshold { W::ONE } else { W::ZERO });
            low_thresholds(neuron, rows, back, W::ONE);
        }
        Fire::Multi(most) => {
            let most = most.map(|most| W::narrow(i64::from(most)));
            // A division is dear, and most rows hold no membrane of two thresholds.
            let second = |(&u, &threshold): (&W, &W)| if u - back >= threshold + threshold { W::ONE } else { W::ZERO };
            let twice = rows.u.iter().zip(&rows.v_threshold).map(second).fold(W::ZERO, W::max) == W::ONE;
            match most {
                Some(most) if most == W::ZERO => reset_with(rows, neuron.reset, |_, _| W::ZERO),
                _ if !twice => reset_with(rows, neuron.reset, |u, threshold| if u - back >= threshold { W::ONE } else { W::ZERO }),
                None => reset_with(rows, neuron.reset, |u, threshold| (u - back).times(threshold)),
                Some(most) => reset_with(rows, neuron.reset, |u, threshold| (u - back).times(threshold.max(W::ONE)).min(most)),
            }
            low_thresholds(neuron, rows, back, most.unwrap_or(W::ONE));
        }
        Fire::Ternary => {
            let lows = rows.s.iter_mut().zip(&rows.u).zip(&rows.v_low);
            lows.for_each(|((s, &u), &low)| *s = if u + back < low + W::ONE { W::ONE } else { W::ZERO });
            match neuron.reset {
                Reset::Subtract => {
                    let bits = neuron.membrane.bits;
                    let spare = W::BITS.saturating_sub(bits);
                    ternary(rows, back, |u, s, threshold, low| ((u - if s > W::ZERO { threshold } else { low }) << spare) >> spare);
                }
                Reset::Zero => ternary(rows, back, |_, _, _, _| W::ZERO),
                Reset::None => ternary(rows, back, |u, _, _, _| u),
            }
        }
    }
    clip(neuron, Clip::After, &mut rows.v, &rows.v_min, &rows.v_max);
    if neuron.refractory {
        for ((rest, &s), &period) in rows.rest.iter_mut().zip(&rows.s).zip(&rows.refractory) {
            let left = if s == W::ZERO { *rest } else { period };
            *rest = (left - W::ONE).max(W::ZERO);
        }
    }
    if neuron.membrane.when == When::End {
        decay(neuron.membrane.decay, &mut rows.v, &rows.decay_v);
    }
}

/// Thresholds below 1 are no division: these few neurons fire one spike after the other.
#[inline(always)]
fn low_thresholds<W: Word>(neuron: &Neuron, rows: &mut Rows<W>, back: W, most: W) {
    if !rows.low_thresholds {
        return;
    }
    for (lane, &threshold) in rows.v_threshold.iter().enumerate() {
        if threshold < W::ONE {
            let u = rows.u[lane];
            let (n, left) = fire_one(u, threshold, back, W::ZERO, most, neuron.membrane.bits);
            rows.s[lane] = n;
            rows.v[lane] = match neuron.reset {
                Reset::Subtract => left,
                Reset::Zero if n != W::ZERO => W::ZERO,
                Reset::Zero | Reset::None => u,
            };
        }
    }
}

/// Count spikes. A row has fewer lanes than any word can count.
#[inline(always)]
pub fn tally<W: Word>(neuron: &Neuron, spikes: &[W], extent: &mut Extent) {
    let (mut sum, mut fired) = (W::ZERO, W::ZERO);
    for &s in spikes {
        sum = sum + if matches!(neuron.fire, Fire::Multi(None)) { W::ZERO } else { s };
        fired = fired + if s == W::ZERO { W::ZERO } else { W::ONE };
    }
    extent.fired = u64::try_from(fired.wide()).unwrap_or(0);
    // Without a limit the sum may not fit the word.
    let wide = matches!(neuron.fire, Fire::Multi(None)) && extent.fired != 0;
    extent.spikes = if wide { spikes.iter().map(|s| i128::from(s.wide())).sum() } else { sum.widest() };
}
