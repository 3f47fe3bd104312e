//! The synapses of a layer: their product with what arrives, and their change by the spikes of a step.

use fearless_simd::prelude::*;

use super::geometry::Geometry;
use super::rule::Rule;
use rsnn_base::elem::Elem;

/// A spike of a step.
#[derive(Clone, Copy, Debug)]
pub struct Spike<E> {
    /// The sample of the batch.
    pub sample: usize,
    /// The entry of the sample.
    pub at: usize,
    /// What it does to a weight, times the trace on the other side; of the product the spike itself.
    pub value: E,
}

/// Reward modulation: spikes change an eligibility, which a reward turns into weights.
pub struct Modulated<'a, E> {
    /// Of an eligibility, in a step.
    pub decay: E,
    /// (samples, rows, columns): before the run, then after it.
    pub eligibility: &'a mut [E],
    /// (steps, samples).
    pub reward: &'a [E],
}

/// Where a change goes.
enum Target<'a, E> {
    Weight(&'a mut [E]),
    Eligibility { weight: &'a [E], of: &'a mut [E] },
}

/// What the spikes of a step amount to, and memory for it.
pub struct Change<E> {
    /// `dm`: (rows, columns), of the rows on the list.
    weaken: Vec<E>,
    /// The rows that a spike arrived at.
    rows: Vec<usize>,
    touched: Vec<bool>,
    /// `dp`: (columns on the list, rows).
    strengthen: Vec<E>,
    /// The columns whose neurons sent a spike.
    columns: Vec<usize>,
    slots: Vec<usize>,
    row: Vec<E>,
    packed: Vec<E>,
    nothing: Vec<E>,
    factors: [Vec<f64>; 2],
}

/// No place on the list.
const ABSENT: usize = usize::MAX;

impl<E: Elem> Change<E> {
    pub fn new(geometry: &Geometry) -> Self {
        let (rows, columns) = (geometry.rows(), geometry.columns());
        Self {
            weaken: vec![E::ZERO; rows * columns],
            rows: Vec::new(),
            touched: vec![false; rows],
            strengthen: Vec::new(),
            columns: Vec::new(),
            slots: vec![ABSENT; columns],
            row: vec![E::ZERO; columns],
            packed: Vec::new(),
            nothing: vec![E::ZERO; rows],
            factors: [Vec::new(), Vec::new()],
        }
    }

    /// Sum what spikes find in the traces, (samples, inputs) and (samples, outputs).
    #[inline(always)]
    pub fn collect<S: Simd>(
        &mut self,
        simd: S,
        geometry: &Geometry,
        x_target: E,
        (arrived, before): (&[Spike<E>], &[E]),
        (sent, after): (&[Spike<E>], &[E]),
    ) {
        let (rows, columns) = (geometry.rows(), geometry.columns());
        self.forget();
        for spike in arrived {
            let traces = &after[spike.sample * geometry.outputs()..][..geometry.outputs()];
            geometry.places(spike.at, |place| {
                let to = &mut self.weaken[place.row * columns..][..columns];
                if !self.touched[place.row] {
                    self.touched[place.row] = true;
                    self.rows.push(place.row);
                    to.fill(E::ZERO);
                }
                E::add_scaled(simd, to, &traces[place.pixel * columns..][..columns], spike.value);
            });
        }
        for spike in sent {
            let column = spike.at % columns;
            if self.slots[column] == ABSENT {
                self.slots[column] = self.columns.len();
                self.columns.push(column);
                self.strengthen.resize(self.columns.len() * rows, E::ZERO);
            }
            let to = &mut self.strengthen[self.slots[column] * rows..][..rows];
            let traces = &before[spike.sample * geometry.inputs()..][..geometry.inputs()];
            geometry.field(spike.at / columns, |from, row| {
                let channels = from.len();
                for (to, trace) in to[row..row + channels].iter_mut().zip(&traces[from]) {
                    *to += (*trace - x_target) * spike.value;
                }
            });
        }
    }

    /// Change weights, or eligibilities.
    #[inline(always)]
    fn apply<S: Simd>(&mut self, simd: S, geometry: &Geometry, rule: &Rule<E>, mut to: Target<'_, E>) {
        let (rows, columns) = (geometry.rows(), geometry.columns());
        for row in &self.rows {
            let at = row * columns;
            self.row.fill(E::ZERO);
            for (slot, column) in self.columns.iter().enumerate() {
                self.row[*column] = self.strengthen[slot * rows + row];
            }
            rule.change(simd, &to.weight()[at..at + columns], &mut self.row, &self.weaken[at..at + columns], &mut self.factors);
            to.add_row(rule, at, &self.row);
        }
        for (slot, column) in self.columns.iter().enumerate() {
            let change = &mut self.strengthen[slot * rows..][..rows];
            self.packed.clear();
            self.packed.extend(to.weight().iter().skip(*column).step_by(columns));
            rule.change(simd, &self.packed, change, &self.nothing, &mut self.factors);
            for (row, change) in change.iter().enumerate() {
                if !self.touched[row] {
                    to.add(rule, row * columns + column, *change);
                }
            }
        }
    }

    /// Change the weights.
    #[inline(always)]
    pub fn learn<S: Simd>(&mut self, simd: S, geometry: &Geometry, rule: &Rule<E>, weight: &mut [E]) {
        self.apply(simd, geometry, rule, Target::Weight(weight));
    }

    /// Change the eligibilities of a sample, which have decayed already.
    #[inline(always)]
    pub fn mark<S: Simd>(&mut self, simd: S, geometry: &Geometry, rule: &Rule<E>, weight: &[E], eligibility: &mut [E]) {
        self.apply(simd, geometry, rule, Target::Eligibility { weight, of: eligibility });
    }

    fn forget(&mut self) {
        for row in self.rows.drain(..) {
            self.touched[row] = false;
        }
        for column in self.columns.drain(..) {
            self.slots[column] = ABSENT;
        }
        self.strengthen.clear();
    }
}

impl<E: Elem> Target<'_, E> {
    #[inline(always)]
    fn weight(&self) -> &[E] {
        match self {
            Self::Weight(weight) => weight,
            Self::Eligibility { weight, .. } => weight,
        }
    }

    #[inline(always)]
    fn add_row(&mut self, rule: &Rule<E>, at: usize, change: &[E]) {
        match self {
            Self::Weight(weight) => rule.change_all(&mut weight[at..at + change.len()], change),
            Self::Eligibility { of, .. } => {
                for (e, change) in of[at..at + change.len()].iter_mut().zip(change) {
                    *e += *change;
                }
            }
        }
    }

    #[inline(always)]
    fn add(&mut self, rule: &Rule<E>, at: usize, change: E) {
        match self {
            Self::Weight(weight) => weight[at] = rule.changed(weight[at], change),
            Self::Eligibility { of, .. } => of[at] += change,
        }
    }
}

/// Turn eligibilities, (samples, rows and columns), into weights: `w + sum of reward eligibility`, in ascending order of the samples.
#[inline(always)]
pub fn reward<E: Elem>(rule: &Rule<E>, weight: &mut [E], eligibility: &[E], rewards: &[E]) {
    if rewards.iter().all(|r| *r == E::ZERO) {
        return;
    }
    let n = weight.len();
    for (k, w) in weight.iter_mut().enumerate() {
        let mut sum = E::ZERO;
        for (sample, r) in rewards.iter().enumerate() {
            sum += *r * eligibility[sample * n + k];
        }
        *w = rule.changed(*w, sum);
    }
}

/// Add the product of the weight with what arrives, in ascending order of the spikes, to `sums` (samples, outputs).
#[inline(always)]
pub fn product<E: Elem, S: Simd>(simd: S, geometry: &Geometry, weight: &[E], arrived: &[Spike<E>], sums: &mut [E]) {
    let columns = geometry.columns();
    for spike in arrived {
        let sums = &mut sums[spike.sample * geometry.outputs()..][..geometry.outputs()];
        geometry.places(spike.at, |place| {
            E::add_scaled(simd, &mut sums[place.pixel * columns..][..columns], &weight[place.row * columns..][..columns], spike.value);
        });
    }
}
