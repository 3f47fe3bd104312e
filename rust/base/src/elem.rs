//! The two float types, and the instruction sets that run them: kernels are written once over both.

use std::ops::{Add, Div, Mul, Sub};

use fearless_simd::prelude::*;
use fearless_simd::{Level, SimdFloatElement, f32x4, f32x8, f32x16, f64x2, f64x4, f64x8};

use crate::math::Constants;
use crate::raw::Plain;

/// A float that kernels compute with: `f32` or `f64`.
pub trait Elem:
    SimdFloatElement
    + Plain
    + 'static
    + Copy
    + Default
    + PartialOrd
    + Send
    + Sync
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
{
    /// 0.
    const ZERO: Self;
    /// 1.
    const ONE: Self;
    /// Constants of [`crate::math::exp`].
    const EXP: Constants<Self>;
    /// `2^n` for whole `n` in the range of normal exponents.
    fn power_of_two<S: Simd>(simd: S, n: V<Self, S>) -> V<Self, S>;
    /// Rounded to this type once.
    fn from_f64(value: f64) -> Self;
    /// Exact.
    fn to_f64(self) -> f64;
    /// `to += row * by`, for short rows of one length: whole vectors first, then halves and quarters of one.
    fn add_scaled<S: Simd>(simd: S, to: &mut [Self], row: &[Self], by: Self);
}

/// `to += row * by` as far as there are whole vectors; gives what is left of both.
macro_rules! add_scaled_by {
    ($vector:ident, $lanes:literal, $simd:ident, $to:ident, $row:ident, $by:ident) => {
        let (whole, $to) = $to.as_chunks_mut::<$lanes>();
        let (from, $row) = $row.as_chunks::<$lanes>();
        let factor = $vector::splat($simd, $by);
        for (to, row) in whole.iter_mut().zip(from) {
            ($vector::from_slice($simd, to) + $vector::from_slice($simd, row) * factor).store_slice(to);
        }
    };
}

impl Elem for f32 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;
    const EXP: Constants<Self> = Constants {
        limit: 170.0,
        log2_e: std::f32::consts::LOG2_E,
        ln2_hi: 0.693_359_4,
        ln2_lo: -2.121_944_4e-4,
        taylor: &[1.0 / 5040.0, 1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0],
    };
    #[inline(always)]
    fn power_of_two<S: Simd>(simd: S, n: V<Self, S>) -> V<Self, S> {
        // The sum's low bits are the biased exponent; the shift moves them into place.
        let _ = simd;
        ((n + (8_388_608.0 + 127.0)).bitcast::<S::u32s>() << 23).bitcast()
    }
    #[inline(always)]
    #[allow(clippy::cast_possible_truncation, reason = "rounding to the nearest f32 is what is asked for")]
    fn from_f64(value: f64) -> Self {
        value as Self
    }
    #[inline(always)]
    fn to_f64(self) -> f64 {
        f64::from(self)
    }
    #[inline(always)]
    fn add_scaled<S: Simd>(simd: S, to: &mut [Self], row: &[Self], by: Self) {
        add_scaled_by!(f32x16, 16, simd, to, row, by);
        add_scaled_by!(f32x8, 8, simd, to, row, by);
        add_scaled_by!(f32x4, 4, simd, to, row, by);
        for (to, row) in to.iter_mut().zip(row) {
            *to += *row * by;
        }
    }
}

impl Elem for f64 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;
    const EXP: Constants<Self> = Constants {
        limit: 1400.0,
        log2_e: std::f64::consts::LOG2_E,
        ln2_hi: 6.931_471_803_691_238e-1,
        ln2_lo: 1.908_214_929_270_587_7e-10,
        taylor: &[
            1.0 / 6_227_020_800.0,
            1.0 / 479_001_600.0,
            1.0 / 39_916_800.0,
            1.0 / 3_628_800.0,
            1.0 / 362_880.0,
            1.0 / 40_320.0,
            1.0 / 5040.0,
            1.0 / 720.0,
            1.0 / 120.0,
            1.0 / 24.0,
            1.0 / 6.0,
            0.5,
            1.0,
            1.0,
        ],
    };
    #[inline(always)]
    fn power_of_two<S: Simd>(simd: S, n: V<Self, S>) -> V<Self, S> {
        let _ = simd;
        ((n + (4_503_599_627_370_496.0 + 1023.0)).bitcast::<S::u64s>() << 52).bitcast()
    }
    #[inline(always)]
    fn from_f64(value: f64) -> Self {
        value
    }
    #[inline(always)]
    fn to_f64(self) -> f64 {
        self
    }
    #[inline(always)]
    fn add_scaled<S: Simd>(simd: S, to: &mut [Self], row: &[Self], by: Self) {
        add_scaled_by!(f64x8, 8, simd, to, row, by);
        add_scaled_by!(f64x4, 4, simd, to, row, by);
        add_scaled_by!(f64x2, 2, simd, to, row, by);
        for (to, row) in to.iter_mut().zip(row) {
            *to += *row * by;
        }
    }
}

/// The native vector of `E` on the instruction set `S`.
pub type V<E, S> = <E as SimdFloatElement>::Native<S>;

/// Run a kernel, compiled for each instruction set worth having. SSE4.2 alone is not: it would be a fourth copy of every kernel for
/// processors of before 2013, which run the SSE2 one.
#[macro_export]
#[doc(hidden)]
macro_rules! on_level {
    ($level:expr, $simd:ident => $work:expr) => {{
        #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
        {
            use fearless_simd::Simd as _;
            let level: fearless_simd::Level = $level;
            if let Some($simd) = level.as_avx512() {
                $simd.vectorize(
                    #[inline(always)]
                    || $work,
                )
            } else if let Some($simd) = level.as_avx2() {
                $simd.vectorize(
                    #[inline(always)]
                    || $work,
                )
            } else if let Some($simd) = level.as_sse2() {
                // The last one: every x86-64 has it.
                $simd.vectorize(
                    #[inline(always)]
                    || $work,
                )
            }
        }
        #[cfg(not(any(target_arch = "x86", target_arch = "x86_64")))]
        fearless_simd::dispatch!($level, $simd => $work)
    }};
}
pub use crate::on_level;

/// Whether `S` is the instruction set of processors of before 2013 alone. They share code that others have for themselves: compiled a third
/// time, it would be a seventh of the library.
#[must_use]
pub const fn is_old<S: Simd>() -> bool {
    cfg!(any(target_arch = "x86", target_arch = "x86_64")) && V::<f32, S>::LEN == 4
}

/// Whether [`on_level`] runs a kernel with an instruction set that [`is_old`].
#[must_use]
pub fn runs_old(level: Level) -> bool {
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    return level.as_avx512().is_none() && level.as_avx2().is_none();
    #[cfg(not(any(target_arch = "x86", target_arch = "x86_64")))]
    return false;
}

/// The instruction sets this processor offers, best first, by name. Every one gives the same bits.
#[must_use]
pub fn levels() -> Vec<(&'static str, Level)> {
    let best = Level::new();
    let mut all = Vec::new();
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    {
        let known = [
            ("avx512", best.as_avx512().map(Simd::level)),
            ("avx2", best.as_avx2().map(Simd::level)),
            ("sse2", best.as_sse2().map(Simd::level)),
        ];
        all.extend(known.into_iter().filter_map(|(name, level)| Some((name, level?))));
    }
    if all.is_empty() {
        all.push((if cfg!(target_arch = "aarch64") { "neon" } else { "baseline" }, best));
    }
    all
}
