//! What passes from one layer to the next over a block of steps: all entries, or those that are not 0, or both.

use fearless_simd::{Level, prelude::*};

use rsnn_base::elem::{Elem, V, on_level};
use rsnn_base::raw::prefetch;
use rsnn_products::event::Event;

/// Entries that are read ahead of a scan.
const AHEAD: usize = 1 << 10;

/// One block of steps of one sample.
#[derive(Clone, Debug)]
pub struct Signal<E> {
    /// Entries of a step.
    pub len: usize,
    /// Steps.
    pub steps: usize,
    dense: Option<Vec<E>>,
    events: Option<Events<E>>,
    // Memory of the form that is not there now, used again when it is.
    spare_dense: Vec<E>,
    spare_events: Events<E>,
}

/// The entries that are not 0, step after step.
#[derive(Clone, Debug)]
struct Events<E> {
    all: Vec<Event<E>>,
    /// Where each step begins, and the end.
    starts: Vec<usize>,
}

impl<E: Elem> Signal<E> {
    /// A signal of samples of `len` entries, of no steps yet.
    #[must_use]
    pub fn new(len: usize) -> Self {
        let nothing = Events { all: Vec::new(), starts: Vec::new() };
        Self { len, steps: 0, dense: None, events: None, spare_dense: Vec::new(), spare_events: nothing }
    }

    /// Begin a block that is written as events: [`Signal::push`] for each step.
    pub fn begin_events(&mut self) {
        self.clear(0);
        let mut events = std::mem::replace(&mut self.spare_events, Events { all: Vec::new(), starts: Vec::new() });
        events.all.clear();
        events.starts.clear();
        events.starts.push(0);
        self.events = Some(events);
    }

    /// Add a step: `write` adds its events, ascending.
    #[inline(always)]
    pub fn push(&mut self, write: impl FnOnce(&mut Vec<Event<E>>)) {
        if let Some(events) = &mut self.events {
            write(&mut events.all);
            events.starts.push(events.all.len());
            self.steps += 1;
        }
    }

    /// Begin a block of `steps` steps that is written densely; holds anything at first.
    pub fn begin_dense(&mut self, steps: usize) -> &mut [E] {
        self.clear(steps);
        let mut dense = std::mem::take(&mut self.spare_dense);
        dense.resize(steps * self.len, E::ZERO);
        self.dense.insert(dense)
    }

    fn clear(&mut self, steps: usize) {
        self.steps = steps;
        if let Some(dense) = self.dense.take() {
            self.spare_dense = dense;
        }
        if let Some(events) = self.events.take() {
            self.spare_events = events;
        }
    }

    /// Whether all entries are there.
    #[must_use]
    pub fn is_dense(&self) -> bool {
        self.dense.is_some()
    }

    /// Whether the events are there.
    #[must_use]
    pub fn is_listed(&self) -> bool {
        self.events.is_some()
    }

    /// All entries of step `t`; they must be there.
    #[must_use]
    pub fn row(&self, t: usize) -> &[E] {
        self.dense.as_ref().map_or(&[], |dense| &dense[t * self.len..(t + 1) * self.len])
    }

    /// The same, to be written.
    pub fn row_mut(&mut self, t: usize) -> &mut [E] {
        self.dense.as_mut().map_or(&mut [], |dense| &mut dense[t * self.len..(t + 1) * self.len])
    }

    /// All entries of all steps; they must be there.
    #[must_use]
    pub fn rows(&self) -> &[E] {
        self.dense.as_deref().unwrap_or(&[])
    }

    /// The events of step `t`; they must be there.
    #[must_use]
    pub fn events(&self, t: usize) -> &[Event<E>] {
        self.events.as_ref().map_or(&[], |events| &events.all[events.starts[t]..events.starts[t + 1]])
    }

    /// The events of all steps; they must be there.
    #[must_use]
    pub fn all_events(&self) -> &[Event<E>] {
        self.events.as_ref().map_or(&[], |events| &events.all)
    }

    /// How many entries are not 0.
    #[must_use]
    pub fn count(&self, level: Level) -> usize {
        match (&self.events, &self.dense) {
            (Some(events), _) => events.all.len(),
            (None, Some(dense)) => count(level, dense),
            (None, None) => 0,
        }
    }

    /// See to it that the events are there.
    pub fn list(&mut self, level: Level) {
        if self.events.is_none()
            && let Some(dense) = self.dense.take()
        {
            let (steps, len) = (self.steps, self.len);
            self.begin_events();
            for t in 0..steps {
                self.push(|events| list(level, &dense[t * len..(t + 1) * len], events));
            }
            self.dense = Some(dense);
        }
    }

    /// See to it that all entries are there.
    pub fn spread(&mut self) {
        if self.dense.is_none()
            && let Some(events) = self.events.take()
        {
            let (steps, len) = (self.steps, self.len);
            let dense = self.begin_dense(steps);
            dense.fill(E::ZERO);
            for t in 0..steps {
                for event in &events.all[events.starts[t]..events.starts[t + 1]] {
                    dense[t * len + event.at as usize] = event.value;
                }
            }
            self.events = Some(events);
        }
    }
}

/// How many entries are not 0.
#[must_use]
pub fn count<E: Elem>(level: Level, values: &[E]) -> usize {
    // Parts so short that a lane of 32 bits can count them.
    let mut total = 0;
    on_level!(level, _simd => {
        for part in values.chunks(1 << 16) {
            total += part.iter().fold(0_u32, |sum, x| sum + u32::from(*x != E::ZERO)) as usize;
        }
    });
    total
}

/// Add the entries that are not 0 to a list.
pub fn list<E: Elem>(level: Level, values: &[E], events: &mut Vec<Event<E>>) {
    on_level!(level, simd => list_on(simd, values, events));
}

#[inline(always)]
#[allow(clippy::cast_possible_truncation, reason = "networks refuse samples of 2^32 entries")]
fn list_on<E: Elem, S: Simd>(simd: S, values: &[E], events: &mut Vec<Event<E>>) {
    let lanes = V::<E, S>::LEN;
    let zero = V::<E, S>::splat(simd, E::ZERO);
    let whole = values.len() / 64 * 64;
    for (word, part) in values.chunks_exact(64).enumerate() {
        // A whole input comes from memory, and the processor does not read ahead beyond a page.
        prefetch(values, word * 64 + AHEAD, 64);
        let mut bits = 0;
        for from in (0..64).step_by(lanes) {
            bits |= (!V::<E, S>::from_slice(simd, &part[from..from + lanes]).simd_eq(zero)).to_bitmask() << from;
        }
        while bits != 0 {
            let lane = bits.trailing_zeros();
            bits &= bits - 1;
            events.push(Event { at: word as u32 * 64 + lane, value: part[lane as usize] });
        }
    }
    for (at, value) in values.iter().enumerate().skip(whole) {
        if *value != E::ZERO {
            events.push(Event { at: at as u32, value: *value });
        }
    }
}

/// Add the bits that are set to a list, as events of 1.
#[allow(clippy::cast_possible_truncation, reason = "networks refuse samples of 2^32 entries")]
pub fn list_bits<E: Elem>(words: &[u64], events: &mut Vec<Event<E>>) {
    for (word, bits) in words.iter().enumerate() {
        let mut bits = *bits;
        while bits != 0 {
            events.push(Event { at: word as u32 * 64 + bits.trailing_zeros(), value: E::ONE });
            bits &= bits - 1;
        }
    }
}
