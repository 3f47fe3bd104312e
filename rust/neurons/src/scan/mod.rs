//! The time loop, written once for all neurons: forwards and backwards.
//!
//! Arrays are `(outer, time, inner)`. A tile of up to 1024 neurons runs through blocks of about 32 steps; within a block, a column
//! of `K` registers stays in registers over the steps, and its state is loaded and stored once. That order reads `x` in long runs,
//! keeps the state in the first-level cache, and hides the latency of the arithmetic behind `K` independent registers.

use fearless_simd::prelude::*;

use crate::neuron::{Neuron, STATES, States, for_each_state};
use crate::stage::{COEFFICIENTS, Column, Each, Shared};
use rsnn_base::elem::{Elem, V};
use rsnn_base::error::{Error, Result};

pub mod backward;
mod backward_group;
pub mod forward;
pub mod group;
pub mod layout;
mod outgoing;
pub mod visit;

/// The time loops of a float type, compiled in the crate that says so. Parts of one crate that the compiler cuts (`codegen-units`) would be
/// compiled side by side too, but then adjoints take 7 to 14 % more instructions (`make gate`).
#[macro_export]
macro_rules! time_loops {
    ($float:ty) => {
        /// Run forwards: [`rsnn_neurons::scan::forward::generic`].
        pub fn forward(
            context: &::rsnn_base::pool::Context<'_>,
            job: ::rsnn_neurons::scan::forward::Forward<'_, $float>,
        ) -> ::rsnn_base::Result<()> {
            ::rsnn_neurons::scan::forward::generic(context, job)
        }

        /// Run backwards: [`rsnn_neurons::scan::backward::generic`].
        pub fn backward(
            context: &::rsnn_base::pool::Context<'_>,
            job: ::rsnn_neurons::scan::backward::Backward<'_, $float>,
        ) -> ::rsnn_base::Result<::std::vec::Vec<::std::vec::Vec<f64>>> {
            ::rsnn_neurons::scan::backward::generic(context, job)
        }
    };
}

/// Lanes of the widest column: 8 registers of 16 floats.
const WIDEST: usize = 128;
/// Steps of a block where nobody asks for checkpoints.
const BLOCK: usize = 32;
/// Less work than this (elements) is not worth waking another thread.
const WORTH_A_THREAD: usize = 1 << 18;

/// Steps of a block where rows are so far apart, or so many, that those of a long block would drive each other from the cache.
const NEAR_BLOCK: usize = 8;
/// Rows this many bytes apart share their sets of the second-level cache.
const FAR: usize = 1 << 16;
/// Threads worth using for this much work.
fn worthwhile(threads: usize, elements: usize) -> usize {
    threads.min(1 + elements / WORTH_A_THREAD)
}

/// Load up to `K` registers; lanes beyond the slice are 0.
#[inline(always)]
fn load<E: Elem, S: Simd, const K: usize>(simd: S, from: &[E]) -> Column<E, S, K> {
    if from.len() == K * V::<E, S>::LEN {
        load_full(simd, from)
    } else {
        let mut part = [E::ZERO; WIDEST];
        part[..from.len()].copy_from_slice(from);
        load_full(simd, &part[..K * V::<E, S>::LEN])
    }
}

#[inline(always)]
fn load_full<E: Elem, S: Simd, const K: usize>(simd: S, from: &[E]) -> Column<E, S, K> {
    let lanes = V::<E, S>::LEN;
    let mut column = [V::<E, S>::splat(simd, E::ZERO); K];
    for j in 0..K {
        column[j] = V::<E, S>::from_slice(simd, &from[j * lanes..(j + 1) * lanes]);
    }
    column
}

/// Store up to `K` registers; what does not fit is dropped.
#[inline(always)]
fn store<E: Elem, S: Simd, const K: usize>(column: &Column<E, S, K>, to: &mut [E]) {
    if to.len() == K * V::<E, S>::LEN {
        store_full(column, to);
    } else {
        let mut part = [E::ZERO; WIDEST];
        store_full(column, &mut part[..K * V::<E, S>::LEN]);
        to.copy_from_slice(&part[..to.len()]);
    }
}

#[inline(always)]
fn store_full<E: Elem, S: Simd, const K: usize>(column: &Column<E, S, K>, to: &mut [E]) {
    let lanes = V::<E, S>::LEN;
    for j in 0..K {
        column[j].store_slice(&mut to[j * lanes..(j + 1) * lanes]);
    }
}

/// `to += from`.
#[inline(always)]
fn add<E: Elem, S: Simd, const K: usize>(to: &mut Column<E, S, K>, from: &Column<E, S, K>) {
    for j in 0..K {
        to[j] += from[j];
    }
}

/// The coefficients of a neuron: `(n, period)`, in the order of [`Neuron::coefficients`].
#[derive(Clone, Copy, Debug)]
pub struct Table<'a, E> {
    /// Row after row.
    pub values: &'a [E],
    /// 1: shared by all neurons; else neuron `l` reads entry `l % period`.
    pub period: usize,
}

/// A table ready for the kernels: rows as long as `inner`, padded so that whole columns can be read, or one column long where all
/// neurons share one number.
struct Rows<E> {
    values: Vec<E>,
    shared: bool,
    length: usize,
    /// Where each coefficient's row begins; the last row, of zeros, stands for those that are not there.
    at: [usize; COEFFICIENTS],
}

impl<E: Elem> Rows<E> {
    fn new(neuron: &Neuron, table: &Table<'_, E>, inner: usize) -> Result<Self> {
        let Table { values, period } = *table;
        let names = neuron.coefficients();
        if inner > 0 && (period == 0 || !inner.is_multiple_of(period)) {
            return Err(Error::value(format!(
                "coefficients: rows of {period} do not divide {inner} neurons; give one value, or one for each neuron"
            )));
        }
        layout::expect("coefficients", values.len(), names.len() * period)?;
        let shared = period <= 1;
        // One column more than needed: rows a power of two apart would fight for the same lines of the cache.
        let length = if shared { WIDEST } else { inner.next_multiple_of(WIDEST) + WIDEST };
        let mut all = vec![E::ZERO; (names.len() + 1) * length];
        let mut at = [names.len() * length; COEFFICIENTS];
        for (k, (which, _)) in names.iter().enumerate() {
            at[*which as usize] = k * length;
            if period > 0 {
                let from = &values[k * period..(k + 1) * period];
                let lanes = if shared { WIDEST } else { inner };
                for (to, value) in all[k * length..k * length + lanes].iter_mut().zip(from.iter().cycle()) {
                    *to = *value;
                }
            }
        }
        Ok(Self { values: all, shared, length, at })
    }

    #[inline(always)]
    fn shared<S: Simd>(&self, simd: S) -> Shared<E, S> {
        let mut all = [V::<E, S>::splat(simd, E::ZERO); COEFFICIENTS];
        for n in 0..COEFFICIENTS {
            all[n] = V::<E, S>::splat(simd, self.values[self.at[n]]);
        }
        Shared(all)
    }

    /// Copy the coefficients that are there for the column of neurons that begins at `from`.
    #[inline(always)]
    fn fill<S: Simd, const K: usize>(&self, simd: S, to: &mut Each<E, S, K>, from: usize) {
        for n in 0..COEFFICIENTS {
            if self.at[n] != self.absent() {
                let at = self.at[n] + if self.shared { 0 } else { from };
                to.0[n] = load_full(simd, &self.values[at..at + K * V::<E, S>::LEN]);
            }
        }
    }

    /// A table ready to be used: filled for good where all neurons share their coefficients.
    #[inline(always)]
    fn each<S: Simd, const K: usize>(&self, simd: S) -> Each<E, S, K> {
        let mut each = Each([[V::<E, S>::splat(simd, E::ZERO); K]; COEFFICIENTS]);
        if self.shared {
            self.fill(simd, &mut each, 0);
        }
        each
    }

    fn absent(&self) -> usize {
        self.values.len() - self.length
    }
}

/// The rows of a tile's states, by [`crate::neuron::State`]: which of the tile's slices holds each.
fn slots(neuron: &Neuron) -> [Option<usize>; STATES] {
    let mut slots = [None; STATES];
    for (k, (state, _)) in neuron.states().iter().enumerate() {
        slots[*state as usize] = Some(k);
    }
    slots
}

#[inline(always)]
fn load_states<E: Elem, S: Simd, const K: usize>(
    simd: S,
    slots: &[Option<usize>; STATES],
    rows: &[&mut [E]],
    from: usize,
    to: usize,
) -> States<E, S, K> {
    let mut states = [[V::<E, S>::splat(simd, E::ZERO); K]; STATES];
    for_each_state!(N => {
        if let Some(k) = slots[N] {
            states[N] = load(simd, &rows[k][from..to]);
        }
    });
    states
}

#[inline(always)]
fn store_states<E: Elem, S: Simd, const K: usize>(
    slots: &[Option<usize>; STATES],
    states: &States<E, S, K>,
    rows: &mut [&mut [E]],
    from: usize,
    to: usize,
) {
    for_each_state!(N => {
        if let Some(k) = slots[N] {
            store(&states[N], &mut rows[k][from..to]);
        }
    });
}
