//! What bounds everything that neurons can meet in a block of steps: it picks the word to compute in, before the block is run.

use crate::neuron::{Clip, Fire, Neuron, Overflow, Register, outside};
use crate::scan::{Columns, Row, State};
use crate::word::largest;

/// What bounds everything that a step can meet, apart from input and state: it does not change while time runs.
pub(crate) struct Bounds {
    bias: i128,
    /// The largest of what may take the membrane's place.
    clip: i128,
    /// What a threshold below 1, or a second one, can add to a membrane in a step.
    push: i128,
    /// The largest of all coefficients, and of what one turn of an overflow moves a state by.
    pub(crate) fixed: i128,
}

impl Bounds {
    /// Of these coefficients.
    pub(crate) fn new(neuron: &Neuron, columns: &Columns) -> Self {
        let of = |row: Row| largest(&columns[row as usize]);
        let spikes = if let Fire::Multi(Some(most)) = neuron.fire { i128::from(most) } else { 1 };
        let lowest = columns[Row::Threshold as usize].iter().chain(&columns[Row::Low as usize]).copied().min().unwrap_or(0).min(0);
        let both = if neuron.fire == Fire::Ternary { of(Row::Threshold).max(of(Row::Low)) } else { 0 };
        let turn = |register: Register| if register.overflow == Overflow::WrapOnce { 2_i128 << register.bits } else { 0 };
        let coefficients = columns.iter().map(|column| largest(column)).max().unwrap_or(0);
        Self {
            bias: of(Row::Bias),
            clip: of(Row::Min).max(of(Row::Max)),
            push: (-i128::from(lowest) * spikes).max(both),
            fixed: (2 * coefficients).max(turn(neuron.membrane)).max(neuron.current.map_or(0, turn)),
        }
    }

    /// The largest absolute value in `steps` steps from this state, of inputs up to `x`.
    #[inline(always)]
    pub(crate) fn most(&self, neuron: &Neuron, x: i128, state: &State<'_>, steps: usize) -> i128 {
        let input = x << neuron.shift;
        let mut drive = neuron.input_bits.map_or(input, |bits| input.min(1 << (bits - 1)));
        let mut found = input.max(drive).max(self.fixed);
        if let Some(current) = neuron.current {
            drive = current.reach(largest(state.i), drive, steps);
            found = found.max(drive);
        }
        // A bias is added to the current, or to the membrane.
        let add = drive + self.bias + self.push;
        let start = largest(state.v).max(self.clip);
        let mut membrane = neuron.membrane.reach(start, add, steps);
        if self.push == 0 && neuron.low == Some(Clip::Before) && neuron.high == Some(Clip::Before) {
            membrane = membrane.min(start + add);
        }
        if neuron.change {
            membrane = 2 * membrane + add;
        }
        found.max(membrane + self.push) + 1
    }
}

/// Whether no current can leave its bits in `steps` steps from this state, of inputs up to `x`.
#[inline(always)]
pub(crate) fn keeps_current(neuron: &Neuron, x: i128, state: &State<'_>, steps: usize) -> bool {
    !neuron.bias_to_current
        && neuron.current.is_none_or(|current| !outside(largest(state.i) + (x << neuron.shift) * steps as i128, current.bits))
}
