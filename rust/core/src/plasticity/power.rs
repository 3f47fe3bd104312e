//! `d^mu` of a row, in double precision, the same bits on every instruction set and in the numpy reference.
//!
//! ```text
//! d  = m 2^e with m from sqrt(1/2) to sqrt(2)
//! s  = (m - 1) / (m + 1),  z = s s
//! ln = e ln(2) + 2 s (1 + z (1/3 + z (1/5 + ... + z/21)))
//! d^mu = exp(mu ln)          0 where d is at most 0
//! ```

use fearless_simd::prelude::*;

use rsnn_base::elem::V;
use rsnn_base::math::exp;

/// Numbers that are worked on at once.
const BLOCK: usize = 64;

/// Replace every number by its power.
#[inline(always)]
pub fn power<S: Simd>(simd: S, d: &mut [f64], mu: f64) {
    let lanes = V::<f64, S>::LEN;
    for part in d.chunks_mut(BLOCK) {
        let mut y = [0.0; BLOCK];
        for (y, d) in y.iter_mut().zip(&*part) {
            *y = mu * ln(*d);
        }
        for y in y[..part.len().next_multiple_of(lanes)].chunks_exact_mut(lanes) {
            exp::<f64, S>(simd, V::<f64, S>::from_slice(simd, y)).store_slice(y);
        }
        for (d, y) in part.iter_mut().zip(y) {
            *d = if *d <= 0.0 { 0.0 } else { y };
        }
    }
}

/// The natural logarithm of a positive number; NaN of NaN; anything else of the rest.
#[inline(always)]
fn ln(d: f64) -> f64 {
    /// 2^54: lifts what is below the normal range.
    const LIFT: f64 = 18_014_398_509_481_984.0;
    if d.is_nan() || d == f64::INFINITY {
        return d;
    }
    let (d, lift) = if d < f64::MIN_POSITIVE { (d * LIFT, 54) } else { (d, 0) };
    let bits = d.to_bits();
    #[allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "eleven bits")]
    let exponent = ((bits >> 52) & 0x7ff) as i32 - 1022 - lift;
    // From a half to 1, as frexp has it.
    let m = f64::from_bits((bits & 0x000f_ffff_ffff_ffff) | 0x3fe0_0000_0000_0000);
    let (m, exponent) = if m < std::f64::consts::FRAC_1_SQRT_2 { (m * 2.0, exponent - 1) } else { (m, exponent) };
    let s = (m - 1.0) / (m + 1.0);
    let z = s * s;
    let mut p = 1.0 / 21.0;
    for odd in [19.0, 17.0, 15.0, 13.0, 11.0, 9.0, 7.0, 5.0, 3.0, 1.0] {
        p = p * z + 1.0 / odd;
    }
    f64::from(exponent) * std::f64::consts::LN_2 + (2.0 * s) * p
}

#[cfg(test)]
mod tests {
    use super::*;
    use rsnn_base::elem::{levels, on_level};

    #[test]
    fn powers_are_within_a_few_units_in_the_last_place_on_every_level() {
        for (name, level) in levels() {
            for mu in [0.02, 0.4, 1.5] {
                let d: Vec<f64> = (0..500).map(|k| f64::from(k) * 0.0137 + f64::from(k % 7) * 1e-9).collect();
                let mut got = d.clone();
                on_level!(level, simd => power(simd, &mut got, mu));
                for (d, got) in d.iter().zip(got) {
                    let want = d.powf(mu);
                    assert!((got - want).abs() <= 4e-16 * want.max(1e-300) * (1.0 + d.ln().abs()), "{name} {d} {mu} {got} {want}");
                }
            }
            let mut edges = [0.0, -1.0, f64::NAN, f64::INFINITY, 5e-324, 1.0];
            on_level!(level, simd => power(simd, &mut edges, 0.5));
            assert_eq!((edges[0], edges[1], edges[3], edges[5]), (0.0, 0.0, f64::INFINITY, 1.0));
            assert!(edges[2].is_nan());
            assert!((edges[4] / 5e-324_f64.sqrt() - 1.0).abs() < 1e-13);
        }
    }
}
