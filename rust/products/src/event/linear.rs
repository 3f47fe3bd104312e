//! `y[r, o] = (sum over the events i of row r, ascending, of x[r, i] * w[o, i]) + bias[o]`: a row of the transposed weight for each event.
//!
//! Layout: the weight is a [`Table`], cut into panels of columns as wide as half the registers, `[panel][input][column]`, so that an event
//! reads one run of memory and its sums stay in registers. Tasks are blocks of rows; within one a panel is used for all rows, before the
//! next one comes into the cache.

use fearless_simd::{Level, Simd, SimdBase, dispatch};

use super::bits::{Events, Values};
use super::rows::{Amount, At, Listed, One, Tile, gather, load, store, tiles, with_width};
use crate::product::{finite, length};
use rsnn_base::elem::{Elem, V, on_level};
use rsnn_base::error::{Error, Result};
use rsnn_base::memory::Aligned;
use rsnn_base::pool::{Context, Stop, for_each};

/// Sums and additions worth a task of its own.
const TASK: u64 = 1 << 20;
/// Tasks at most.
const TASKS: u64 = 64;
/// Rows between two questions whether to stop.
const ROWS: usize = 64;
/// Inputs transposed at a time: what is read and what is written stay in the first cache.
const STRIP: usize = 32;

#[inline(always)]
fn lanes_of<E: Elem, S: Simd>(_: S) -> usize {
    V::<E, S>::LEN
}

/// Registers of sums at once: half of those there are, 32 of 64 bytes or 16 that are smaller.
fn widest<E: Elem>(level: Level) -> usize {
    if dispatch!(level, simd => lanes_of::<E, _>(simd)) * size_of::<E>() >= 64 { 16 } else { 8 }
}

/// Numbers (inputs, outputs) in panels of columns, `[panel][input][column]`; what fills up the last panel is 0.
pub struct Table<E> {
    values: Aligned<E>,
    /// Of each panel: the first column, and how many registers it is wide.
    panels: Vec<(usize, usize)>,
    lanes: usize,
    inputs: usize,
    outputs: usize,
}

impl<E: Elem> Table<E> {
    /// All 0, in panels of at most `widest` registers, a power of two up to 16.
    pub fn zeros(level: Level, name: &str, inputs: usize, outputs: usize, widest: usize) -> Result<Self> {
        let lanes = dispatch!(level, simd => lanes_of::<E, _>(simd));
        let panels = tiles(outputs, lanes, widest);
        let columns = outputs.div_ceil(lanes).checked_mul(lanes);
        let values = Aligned::zeros(columns.and_then(|columns| columns.checked_mul(inputs)), name)?;
        Ok(Self { values, panels, lanes, inputs, outputs })
    }

    /// A weight (outputs, inputs), transposed.
    pub fn transposed(context: &Context<'_>, level: Level, weight: &[E], outputs: usize, inputs: usize) -> Result<Self> {
        length("weight", weight, &[outputs, inputs])?;
        finite("weight", weight)?;
        let mut made = Self::zeros(level, "weight", inputs, outputs, widest::<E>(level))?;
        if !weight.is_empty() {
            let tasks = made.panels_mut();
            for_each(context, tasks, |(first, width, panel), _| {
                let columns = weight[first * inputs..].chunks_exact(inputs).take(width).enumerate();
                for from in (0..inputs).step_by(STRIP) {
                    let strip = from..inputs.min(from + STRIP);
                    for (column, row) in columns.clone() {
                        for (entries, w) in panel[from * width..].chunks_exact_mut(width).zip(&row[strip.clone()]) {
                            entries[column] = *w;
                        }
                    }
                }
            })?;
        }
        Ok(made)
    }

    /// Transposed back to (outputs, inputs).
    pub fn write(&self, context: &Context<'_>, to: &mut [E]) -> Result<()> {
        length("weight", to, &[self.outputs, self.inputs])?;
        let inputs = self.inputs;
        if to.is_empty() {
            return Ok(());
        }
        let mut rest = to;
        let mut tasks = Vec::new();
        for (number, (first, _)) in self.panels.iter().enumerate() {
            let end = self.panels.get(number + 1).map_or(self.outputs, |next| next.0);
            let (part, after) = rest.split_at_mut((end - first) * inputs);
            tasks.push((number, part));
            rest = after;
        }
        for_each(context, tasks, |(number, rows), _| {
            let (panel, width) = self.panel(number);
            for from in (0..inputs).step_by(STRIP) {
                let strip = from..inputs.min(from + STRIP);
                for (column, row) in rows.chunks_exact_mut(inputs).enumerate() {
                    for (w, entries) in row[strip.clone()].iter_mut().zip(panel[from * width..].chunks_exact(width)) {
                        *w = entries[column];
                    }
                }
            }
        })
    }

    /// Inputs and outputs.
    #[must_use]
    pub fn shape(&self) -> (usize, usize) {
        (self.inputs, self.outputs)
    }

    /// The numbers of a panel, and how many columns it has.
    fn panel(&self, number: usize) -> (&[E], usize) {
        let (first, width) = self.panels[number];
        (&self.values[first * self.inputs..][..width * self.lanes * self.inputs], width * self.lanes)
    }

    /// The first column, the columns and the numbers of each panel.
    pub(super) fn panels_mut(&mut self) -> Vec<(usize, usize, &mut [E])> {
        let mut rest = &mut self.values[..];
        let mut all = Vec::new();
        for (first, width) in &self.panels {
            let columns = width * self.lanes;
            let (panel, after) = rest.split_at_mut(columns * self.inputs);
            all.push((*first, columns, panel));
            rest = after;
        }
        all
    }
}

/// Write the product of the events by the weight to `out` (rows, outputs).
pub fn linear<E: Elem>(
    context: &Context<'_>,
    level: Level,
    events: &Events<'_, E>,
    table: &Table<E>,
    bias: Option<&[E]>,
    out: &mut [E],
) -> Result<()> {
    let ((rows, n), (inputs, outputs)) = (events.shape(), table.shape());
    if n != inputs {
        return Err(Error::value(format!("x: rows of {n} entries came; the weight takes {inputs}")));
    }
    length("out", out, &[rows, outputs])?;
    if let Some(bias) = bias {
        length("bias", bias, &[outputs])?;
        finite("bias", bias)?;
    }
    if out.is_empty() {
        return Ok(());
    }
    let work = events.count().saturating_mul(outputs as u64).saturating_add(out.len() as u64);
    let block = rows.div_ceil(usize::try_from((work / TASK).clamp(1, TASKS)).unwrap_or(1));
    let tasks: Vec<_> = out.chunks_mut(block * outputs).enumerate().map(|(number, out)| (number * block, out)).collect();
    for_each(context, tasks, |(first, out), stop| {
        for number in 0..table.panels.len() {
            let job = Job { events, first, table: table.panel(number).0, column: table.panels[number].0, bias, stop };
            on_level!(level, simd => with_width!(table.panels[number].1, K => job.run::<_, K>(simd, out, outputs)));
        }
    })
}

/// One panel of columns, of some rows.
struct Job<'a, E> {
    events: &'a Events<'a, E>,
    first: usize,
    table: &'a [E],
    column: usize,
    bias: Option<&'a [E]>,
    stop: &'a Stop<'a>,
}

impl<E: Elem> Job<'_, E> {
    #[inline(always)]
    fn run<S: Simd, const K: usize>(&self, simd: S, out: &mut [E], outputs: usize) {
        let end = outputs.min(self.column + K * V::<E, S>::LEN);
        let bias = self.bias.map(
            #[inline(always)]
            |bias| load::<E, S, K>(simd, &bias[self.column..end]),
        );
        for (block, out) in out.chunks_mut(ROWS * outputs).enumerate() {
            if self.stop.now() {
                return;
            }
            let first = self.first + block * ROWS;
            let n = self.events.shape().1;
            for (row, out) in out.chunks_exact_mut(outputs).enumerate() {
                let row = first + row;
                let out = &mut out[self.column..end];
                match self.events.values() {
                    Values::Ones => self.row::<S, _, K>(simd, row, One, bias, out),
                    Values::Dense(x) => self.row::<S, _, K>(simd, row, At(&x[row * n..][..n]), bias, out),
                    Values::Listed(list) => {
                        self.row::<S, _, K>(simd, row, Listed(self.events.values_from(list, row, 0).iter()), bias, out);
                    }
                }
            }
        }
    }

    #[inline(always)]
    fn row<S: Simd, A: Amount<E>, const K: usize>(&self, simd: S, row: usize, amount: A, bias: Option<Tile<E, S, K>>, out: &mut [E]) {
        let mut sums = gather::<E, S, A, K>(simd, self.events.row(row), amount, self.table);
        if let Some(bias) = bias {
            for j in 0..K {
                sums[j] += bias[j];
            }
        }
        store::<E, S, K>(sums, out);
    }
}
