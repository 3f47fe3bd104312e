//! The two float types, and the instruction sets that run them: kernels are written once over both.

use std::ops::{Add, Div, Mul, Sub};

use fearless_simd::{Level, SimdFloatElement};

/// A float that kernels compute with: `f32` or `f64`.
pub trait Elem:
    SimdFloatElement
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
    /// Rounded to this type once.
    fn from_f64(value: f64) -> Self;
    /// Exact.
    fn to_f64(self) -> f64;
}

impl Elem for f32 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;
    #[inline(always)]
    #[allow(clippy::cast_possible_truncation, reason = "rounding to the nearest f32 is what is asked for")]
    fn from_f64(value: f64) -> Self {
        value as Self
    }
    #[inline(always)]
    fn to_f64(self) -> f64 {
        f64::from(self)
    }
}

impl Elem for f64 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;
    #[inline(always)]
    fn from_f64(value: f64) -> Self {
        value
    }
    #[inline(always)]
    fn to_f64(self) -> f64 {
        self
    }
}

/// The native vector of `E` on the instruction set `S`.
pub type V<E, S> = <E as SimdFloatElement>::Native<S>;

/// The instruction sets this processor offers, best first, by name. Every one gives the same bits.
#[must_use]
pub fn levels() -> Vec<(&'static str, Level)> {
    let best = Level::new();
    let mut all = Vec::new();
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    {
        use fearless_simd::Simd;
        let known = [
            ("avx512", best.as_avx512().map(Simd::level)),
            ("avx2", best.as_avx2().map(Simd::level)),
            ("sse4.2", best.as_sse4_2().map(Simd::level)),
            ("sse2", best.as_sse2().map(Simd::level)),
        ];
        all.extend(known.into_iter().filter_map(|(name, level)| Some((name, level?))));
    }
    if all.is_empty() {
        all.push((if cfg!(target_arch = "aarch64") { "neon" } else { "baseline" }, best));
    }
    all
}
