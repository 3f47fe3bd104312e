//! The integers of the chip kernels: arrays come and go in narrow types, a block of work runs in the narrowest word that
//! provably holds every value it can meet.
//!
//! The proof is a bound computed from the data before the block runs, so the kernels use plain operators: they cannot overflow.

use std::ops::{Add, Mul, Shl, Shr, Sub};

use fearless_simd::SimdIntElement;

use rsnn_base::raw::Plain;

/// An integer of an array: read widened to 64 bits, written after it was shown to fit.
pub trait Number: Plain + SimdIntElement + Default + Ord + Send + Sync {
    /// Bits of the type.
    const BITS: u32;
    /// Exact.
    fn wide(self) -> i64;
    /// The low bits; the caller has shown that the value fits.
    fn narrow(value: i64) -> Self;
}

macro_rules! number {
    ($($type:ty),*) => {$(
        impl Number for $type {
            const BITS: u32 = <$type>::BITS;
            #[inline(always)]
            #[allow(clippy::cast_lossless, trivial_numeric_casts, reason = "one line for every type, i64 itself among them")]
            fn wide(self) -> i64 {
                self as i64
            }
            #[inline(always)]
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, trivial_numeric_casts, reason = "the caller has shown that it fits")]
            fn narrow(value: i64) -> Self {
                value as Self
            }
        }
    )*};
}

number!(i8, u8, i16, i32, i64);

macro_rules! integers {
    ($($name:ident $type:ty),*) => {
        /// An array of one of the types, as the public functions take it: what is generic over the type is compiled in this crate and
        /// nowhere else. (Called from another crate it would be compiled there again, and as that one is compiled.)
        #[derive(Clone, Copy, Debug)]
        #[allow(missing_docs, reason = "the names of the types")]
        pub enum Integers<'a> {
            $($name(&'a [$type])),*
        }

        $(impl<'a> From<&'a [$type]> for Integers<'a> {
            fn from(array: &'a [$type]) -> Self {
                Self::$name(array)
            }
        })*
    };
}

integers!(I8 i8, U8 u8, I16 i16, I32 i32, I64 i64);

/// `work` on an array of whichever type it is.
macro_rules! of_each {
    ($array:expr, $x:ident => $work:expr) => {
        match $array {
            $crate::word::Integers::I8($x) => $work,
            $crate::word::Integers::U8($x) => $work,
            $crate::word::Integers::I16($x) => $work,
            $crate::word::Integers::I32($x) => $work,
            $crate::word::Integers::I64($x) => $work,
        }
    };
}
pub(crate) use of_each;

/// What a kernel computes in.
pub trait Word:
    Copy
    + Default
    + Ord
    + Send
    + Sync
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Shl<u32, Output = Self>
    + Shr<u32, Output = Self>
{
    /// 0.
    const ZERO: Self;
    /// 1.
    const ONE: Self;
    /// Bits of the type.
    const BITS: u32;
    /// The low bits; the caller has shown that the value fits.
    fn narrow(value: i64) -> Self;
    /// The low 64 bits; the caller has shown that the value fits.
    fn wide(self) -> i64;
    /// Exact.
    fn widest(self) -> i128;
    /// How often `by` (at least 1) goes into this: 0 for what is negative.
    #[must_use]
    fn times(self, by: Self) -> Self;
}

impl Word for i32 {
    const ZERO: Self = 0;
    const ONE: Self = 1;
    const BITS: u32 = Self::BITS;
    #[inline(always)]
    #[allow(clippy::cast_possible_truncation, reason = "the caller has shown that it fits")]
    fn narrow(value: i64) -> Self {
        value as Self
    }
    #[inline(always)]
    fn wide(self) -> i64 {
        i64::from(self)
    }
    #[inline(always)]
    fn widest(self) -> i128 {
        i128::from(self)
    }
    // No instruction set divides integers by the vector; the double quotient is exact after truncation: p / q lies at least
    // 1 / q from the next integer, its rounding error is below 2^31 / q * 2^-53.
    #[inline(always)]
    #[allow(clippy::cast_possible_truncation, reason = "the quotient is at most i32::MAX")]
    fn times(self, by: Self) -> Self {
        (f64::from(self.max(0)) / f64::from(by)) as Self
    }
}

impl Word for i64 {
    const ZERO: Self = 0;
    const ONE: Self = 1;
    const BITS: u32 = Self::BITS;
    #[inline(always)]
    fn narrow(value: i64) -> Self {
        value
    }
    #[inline(always)]
    fn wide(self) -> i64 {
        self
    }
    #[inline(always)]
    fn widest(self) -> i128 {
        i128::from(self)
    }
    #[inline(always)]
    fn times(self, by: Self) -> Self {
        if self >= by { self / by } else { 0 }
    }
}

impl Word for i128 {
    const ZERO: Self = 0;
    const ONE: Self = 1;
    const BITS: u32 = Self::BITS;
    #[inline(always)]
    fn narrow(value: i64) -> Self {
        Self::from(value)
    }
    #[inline(always)]
    #[allow(clippy::cast_possible_truncation, reason = "the caller has shown that it fits")]
    fn wide(self) -> i64 {
        self as i64
    }
    #[inline(always)]
    fn widest(self) -> i128 {
        self
    }
    #[inline(always)]
    fn times(self, by: Self) -> Self {
        if self >= by { self / by } else { 0 }
    }
}

/// The largest absolute value, 0 of nothing.
#[must_use]
#[inline(always)]
pub fn largest<X: Number>(values: &[X]) -> i128 {
    let (low, high) = values.iter().fold((X::default(), X::default()), |(low, high), &x| (low.min(x), high.max(x)));
    i128::from(high.wide()).max(-i128::from(low.wide()))
}

#[cfg(test)]
mod tests {
    use super::Word;

    #[test]
    fn the_vector_quotient_is_the_integer_quotient_at_every_corner() {
        let corners = [1, 2, 3, 5, 7, 127, 128, 32767, 46340, 46341, 65535, 1 << 30, i32::MAX - 1, i32::MAX];
        for by in corners {
            for base in corners {
                for near in [-1_i64, 0, 1] {
                    for value in [i64::from(base) + near, i64::from(base) * i64::from(by) + near] {
                        if let Ok(value) = i32::try_from(value) {
                            assert_eq!(Word::times(value, by), value / by, "{value} / {by}");
                        }
                    }
                }
            }
            assert_eq!(Word::times(i32::MIN, by), 0);
            assert_eq!(Word::times(-1, by), 0);
        }
    }
}
