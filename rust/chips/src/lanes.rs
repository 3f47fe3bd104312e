//! Neighbouring neurons in one register: what the step computes with, once for each word.
//!
//! `i32` and `i64` are vectors of the instruction set; 128 bits, which no instruction set has, go one neuron after the other.

use fearless_simd::{Select, Simd, SimdBase, SimdIntElement, SimdMask};

use crate::word::Word;

/// A register of neurons. Sums and products wrap; that they never do is shown before ([`crate::scan`]).
pub trait Lanes: Copy {
    /// One of them.
    type Word: Word;
    /// A yes or no for each.
    type Mask: Copy;
    /// What shows that the instruction set is there.
    type Token: Copy;
    /// How many.
    const LEN: usize;

    /// One value everywhere.
    fn splat(token: Self::Token, value: Self::Word) -> Self;
    /// The same, of a value that fits the word.
    #[inline(always)]
    fn of(token: Self::Token, value: i64) -> Self {
        Self::splat(token, Self::Word::narrow(value))
    }
    /// The first [`Lanes::LEN`] of a row.
    fn load(token: Self::Token, row: &[Self::Word]) -> Self;
    /// To the first [`Lanes::LEN`] of a row.
    fn store(self, row: &mut [Self::Word]);
    /// Sum.
    #[must_use]
    fn add(self, other: Self) -> Self;
    /// Difference.
    #[must_use]
    fn sub(self, other: Self) -> Self;
    /// Product.
    #[must_use]
    fn mul(self, other: Self) -> Self;
    /// The smaller one.
    #[must_use]
    fn min(self, other: Self) -> Self;
    /// The larger one.
    #[must_use]
    fn max(self, other: Self) -> Self;
    /// Times `2^by`.
    #[must_use]
    fn up(self, by: u32) -> Self;
    /// `>> by`, downwards.
    #[must_use]
    fn down(self, by: u32) -> Self;
    /// `>> by`, each by its own number from 0 to 31.
    #[must_use]
    fn down_by(self, by: Self) -> Self;
    /// `>`.
    fn above(self, other: Self) -> Self::Mask;
    /// `==`.
    fn same(self, other: Self) -> Self::Mask;
    /// 1 where this is above, else 0.
    #[must_use]
    #[inline(always)]
    fn one_above(self, token: Self::Token, other: Self) -> Self {
        Self::pick(self.above(other), Self::of(token, 1), Self::of(token, 0))
    }
    /// `mask ? yes : no`.
    #[must_use]
    fn pick(mask: Self::Mask, yes: Self, no: Self) -> Self;
    /// Either.
    fn or(one: Self::Mask, other: Self::Mask) -> Self::Mask;
    /// Bit `k` for lane `k`.
    fn bits(mask: Self::Mask) -> u64;
    /// `f` of each lane of both: for what is rare.
    #[must_use]
    fn each(self, other: Self, f: impl Fn(Self::Word, Self::Word) -> Self::Word) -> Self;
    /// The least, or the greatest, or the sum.
    fn fold(self, f: impl Fn(Self::Word, Self::Word) -> Self::Word) -> Self::Word;
    /// `(self m + round) >> bits` for `m` from 0 to `2^bits`, `round` below `2^bits`, `bits` up to 15, without a wider word.
    #[must_use]
    #[inline(always)]
    fn scaled(self, m: Self, bits: u32, round: Self) -> Self {
        let high = self.down(bits);
        high.mul(m).add(self.sub(high.up(bits)).mul(m).add(round).down(bits))
    }
}

/// What a register and a single number write alike.
macro_rules! arithmetic {
    () => {
        #[inline(always)]
        fn add(self, other: Self) -> Self {
            Self(self.0 + other.0)
        }
        #[inline(always)]
        fn sub(self, other: Self) -> Self {
            Self(self.0 - other.0)
        }
        #[inline(always)]
        fn mul(self, other: Self) -> Self {
            Self(self.0 * other.0)
        }
        #[inline(always)]
        fn min(self, other: Self) -> Self {
            Self(self.0.min(other.0))
        }
        #[inline(always)]
        fn max(self, other: Self) -> Self {
            Self(self.0.max(other.0))
        }
        #[inline(always)]
        fn up(self, by: u32) -> Self {
            Self(self.0 << by)
        }
        #[inline(always)]
        fn down(self, by: u32) -> Self {
            Self(self.0 >> by)
        }
        #[inline(always)]
        fn down_by(self, by: Self) -> Self {
            Self(self.0 >> by.0)
        }
    };
}

/// A register of the instruction set `S`.
pub type Native<W, S> = <W as SimdIntElement>::Native<S>;

/// [`Lanes`] over the registers of an instruction set.
#[derive(Debug)]
pub struct Vector<W: SimdIntElement, S: Simd>(Native<W, S>);

impl<W: SimdIntElement, S: Simd> Copy for Vector<W, S> {}
#[allow(clippy::expl_impl_clone_on_copy, reason = "a derive would ask for more than is needed")]
impl<W: SimdIntElement, S: Simd> Clone for Vector<W, S> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}

impl<W: Word + SimdIntElement, S: Simd> Lanes for Vector<W, S> {
    type Word = W;
    type Mask = <Native<W, S> as SimdBase<S>>::Mask;
    type Token = S;
    const LEN: usize = Native::<W, S>::LEN;

    #[inline(always)]
    fn splat(token: S, value: W) -> Self {
        Self(SimdBase::splat(token, value))
    }
    #[inline(always)]
    fn load(token: S, row: &[W]) -> Self {
        Self(SimdBase::from_slice(token, &row[..Self::LEN]))
    }
    #[inline(always)]
    fn store(self, row: &mut [W]) {
        self.0.store_slice(&mut row[..Self::LEN]);
    }
    arithmetic!();

    #[inline(always)]
    fn above(self, other: Self) -> Self::Mask {
        self.0.simd_gt(other.0)
    }
    #[inline(always)]
    fn same(self, other: Self) -> Self::Mask {
        self.0.simd_eq(other.0)
    }
    #[inline(always)]
    fn pick(mask: Self::Mask, yes: Self, no: Self) -> Self {
        Self(mask.select(yes.0, no.0))
    }
    #[inline(always)]
    fn or(one: Self::Mask, other: Self::Mask) -> Self::Mask {
        one | other
    }
    #[inline(always)]
    fn bits(mask: Self::Mask) -> u64 {
        mask.to_bitmask()
    }
    #[inline(always)]
    fn each(self, other: Self, f: impl Fn(W, W) -> W) -> Self {
        let mut out = self;
        out.0.as_mut_slice().iter_mut().zip(other.0.as_slice()).for_each(|(one, &other)| *one = f(*one, other));
        out
    }
    #[inline(always)]
    fn fold(self, f: impl Fn(W, W) -> W) -> W {
        let row = self.0.as_slice();
        row[1..].iter().fold(row[0], |one, &other| f(one, other))
    }
}

/// One neuron of 128 bits.
#[derive(Clone, Copy, Debug)]
pub struct One(i128);

impl Lanes for One {
    type Word = i128;
    type Mask = bool;
    type Token = ();
    const LEN: usize = 1;

    #[inline(always)]
    fn splat((): (), value: i128) -> Self {
        Self(value)
    }
    #[inline(always)]
    fn load((): (), row: &[i128]) -> Self {
        Self(row[0])
    }
    #[inline(always)]
    fn store(self, row: &mut [i128]) {
        row[0] = self.0;
    }
    arithmetic!();

    #[inline(always)]
    fn above(self, other: Self) -> bool {
        self.0 > other.0
    }
    #[inline(always)]
    fn same(self, other: Self) -> bool {
        self.0 == other.0
    }
    #[inline(always)]
    fn pick(mask: bool, yes: Self, no: Self) -> Self {
        if mask { yes } else { no }
    }
    #[inline(always)]
    fn or(one: bool, other: bool) -> bool {
        one | other
    }
    #[inline(always)]
    fn bits(mask: bool) -> u64 {
        u64::from(mask)
    }
    #[inline(always)]
    fn each(self, other: Self, f: impl Fn(i128, i128) -> i128) -> Self {
        Self(f(self.0, other.0))
    }
    #[inline(always)]
    fn fold(self, _: impl Fn(i128, i128) -> i128) -> i128 {
        self.0
    }
}

/// A row of weights is padded to a multiple of so many, where there is room: a register of the narrowest word, or several.
pub const RUN: usize = 16;

/// Words of whose neighbours one can add many at once.
pub trait AddScaled: Word {
    /// `sums += weights * by`, kept between the ends where there are any, as far as both reach.
    fn add_scaled<S: Simd>(simd: S, sums: &mut [Self], weights: &[Self], by: Self, ends: Option<(Self, Self)>);
    /// The same for rows of [`RUN`] weights, which and by how much; the sums stay in registers.
    fn add_rows<S: Simd>(simd: S, sums: &mut [Self], rows: &[Self], which: &[(usize, Self)], ends: Option<(Self, Self)>);
}

#[inline(always)]
fn within<L: Lanes>(token: L::Token, sum: L, ends: Option<(L::Word, L::Word)>) -> L {
    if let Some((low, high)) = ends { sum.max(L::splat(token, low)).min(L::splat(token, high)) } else { sum }
}

#[inline(always)]
fn add_rows<L: Lanes>(
    token: L::Token,
    sums: &mut [L::Word],
    rows: &[L::Word],
    which: &[(usize, L::Word)],
    ends: Option<(L::Word, L::Word)>,
) {
    for (sums, at) in sums.chunks_exact_mut(L::LEN).zip((0..).step_by(L::LEN)) {
        let mut sum = L::load(token, sums);
        for &(row, by) in which {
            sum = within(token, sum.add(L::load(token, &rows[row * RUN + at..]).mul(L::splat(token, by))), ends);
        }
        sum.store(sums);
    }
}

#[inline(always)]
fn add_scaled<L: Lanes>(token: L::Token, sums: &mut [L::Word], weights: &[L::Word], by: L::Word, ends: Option<(L::Word, L::Word)>) {
    let len = sums.len().min(weights.len());
    let (sums, weights) = (&mut sums[..len], &weights[..len]);
    let many = L::splat(token, by);
    let (whole, rest) = sums.split_at_mut(len - len % L::LEN);
    let (from, from_rest) = weights.split_at(whole.len());
    for (sums, weights) in whole.chunks_exact_mut(L::LEN).zip(from.chunks_exact(L::LEN)) {
        let sum = L::load(token, sums).add(L::load(token, weights).mul(many));
        within(token, sum, ends).store(sums);
    }
    for (sum, &weight) in rest.iter_mut().zip(from_rest) {
        *sum = *sum + weight * by;
        if let Some((low, high)) = ends {
            *sum = (*sum).max(low).min(high);
        }
    }
}

macro_rules! add_scaled {
    ($($word:ty),*) => {$(
        impl AddScaled for $word {
            #[inline(always)]
            fn add_scaled<S: Simd>(simd: S, sums: &mut [Self], weights: &[Self], by: Self, ends: Option<(Self, Self)>) {
                add_scaled::<Vector<$word, S>>(simd, sums, weights, by, ends);
            }
            #[inline(always)]
            fn add_rows<S: Simd>(simd: S, sums: &mut [Self], rows: &[Self], which: &[(usize, Self)], ends: Option<(Self, Self)>) {
                add_rows::<Vector<$word, S>>(simd, sums, rows, which, ends);
            }
        }
    )*};
}
add_scaled!(i32, i64);

impl AddScaled for i128 {
    #[inline(always)]
    fn add_scaled<S: Simd>(_: S, sums: &mut [Self], weights: &[Self], by: Self, ends: Option<(Self, Self)>) {
        add_scaled::<One>((), sums, weights, by, ends);
    }
    #[inline(always)]
    fn add_rows<S: Simd>(_: S, sums: &mut [Self], rows: &[Self], which: &[(usize, Self)], ends: Option<(Self, Self)>) {
        add_rows::<One>((), sums, rows, which, ends);
    }
}
