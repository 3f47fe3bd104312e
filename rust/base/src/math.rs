//! The exponential, the same bits on every instruction set and in the numpy reference, within 2 units in the last place.
//!
//! ```text
//! x  is kept within +-170 (f32) or +-1400 (f64); NaN stays NaN
//! n  = x log2(e), rounded to the nearest whole number, ties to even
//! r  = (x - n ln2_hi) - n ln2_lo                        |r| <= ln(2) / 2; n ln2_hi is exact
//! p  = 1 + r (1 + r (1/2 + r (1/6 + ...)))              Taylor to r^7 (f32) or r^13 (f64), multiply then add
//! h  = floor(n / 2);   exp = (p 2^h) 2^(n - h)          two powers, so that results below the normal range are reached too
//! ```

use fearless_simd::prelude::*;

use crate::elem::{Elem, V};

/// What the exponential needs to know of a float type.
#[derive(Clone, Copy, Debug)]
pub struct Constants<E: 'static> {
    /// Beyond this the result is 0 or infinite anyway; within it both powers of two are normal numbers.
    pub limit: E,
    /// log2(e).
    pub log2_e: E,
    /// ln 2, its leading bits.
    pub ln2_hi: E,
    /// ln 2, the rest.
    pub ln2_lo: E,
    /// `1 / k!` from the highest power down.
    pub taylor: &'static [E],
}

/// `exp(x)`.
#[inline(always)]
pub fn exp<E: Elem, S: Simd>(simd: S, x: V<E, S>) -> V<E, S> {
    let Constants { limit, log2_e, ln2_hi, ln2_lo, taylor } = E::EXP;
    let (low, high) = (V::<E, S>::splat(simd, -limit), V::<E, S>::splat(simd, limit));
    let x = x.simd_lt(low).select(low, x);
    let x = x.simd_gt(high).select(high, x);
    let n = (x * log2_e).round_ties_even();
    let r = (x - n * ln2_hi) - n * ln2_lo;
    let mut p = V::<E, S>::splat(simd, taylor[0]);
    for &term in &taylor[1..] {
        p = p * r + term;
    }
    let h = (n * E::from_f64(0.5)).floor();
    (p * E::power_of_two(simd, h)) * E::power_of_two(simd, n - h)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::elem::levels;
    use fearless_simd::dispatch;

    fn on<E: Elem>(level: fearless_simd::Level, x: E) -> E {
        dispatch!(level, simd => exp::<E, _>(simd, V::<E, _>::splat(simd, x))[0])
    }

    #[test]
    fn exp_is_within_two_units_in_the_last_place_on_every_level() {
        for (name, level) in levels() {
            for k in -2_000..2_000_i16 {
                let x = f32::from(k) * 0.0437;
                let want = f64::from(x).exp();
                let got = on(level, x);
                #[allow(clippy::cast_possible_truncation, reason = "rounded to compare")]
                let near = want as f32;
                if near.is_finite() && near >= f32::MIN_POSITIVE {
                    let unit = f64::from(near.next_up() - near);
                    assert!((f64::from(got) - want).abs() <= 2.0 * unit, "{name} {x} {got} {want}");
                }
                let x = f64::from(k) * 0.35;
                let (got, want) = (on(level, x), x.exp());
                if want.is_finite() && want >= f64::MIN_POSITIVE {
                    assert!((got - want).abs() <= 2.0 * (want.next_up() - want), "{name} {x} {got} {want}");
                }
            }
            assert!(on(level, f32::NAN).is_nan() && on(level, f64::NAN).is_nan());
            assert_eq!((on(level, f32::INFINITY), on(level, f32::NEG_INFINITY)), (f32::INFINITY, 0.0));
            assert_eq!((on(level, 1e300), on(level, -1e300)), (f64::INFINITY, 0.0));
            assert_eq!(on(level, 0.0_f32).to_bits(), 1.0_f32.to_bits());
        }
    }
}
