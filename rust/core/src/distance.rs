//! The distance of Victor and Purpura between spike trains: the least price of turning one into the other, where a spike put in or taken
//! out costs 1, and one moved by d costs q d.
//!
//! `g[i, j] = min(g[i-1, j-1] + q |a[i] - b[j]|, g[i, j-1] + 1, g[i-1, j] + 1)`, `g[i, 0] = i`, `g[0, j] = j`: a row at a time.

use rsnn_base::error::{Error, Result};
use rsnn_base::pool::{Context, Stop, for_each};

/// Pairs of a task: enough to make the queue cheap, few enough to share the work out.
const PAIRS: usize = 32;
/// Rows between two questions whether to stop.
const ROWS: usize = 64;

/// The spike times of one pair of trains.
type Pair<'a> = (&'a [f64], &'a [f64]);

/// Ascending spike times of many trains, one train after the other.
pub struct Trains<'a> {
    times: &'a [f64],
    starts: &'a [u64],
}

impl<'a> Trains<'a> {
    /// `starts`: where each train begins in `times`, and where the last one ends.
    pub fn new(times: &'a [f64], starts: &'a [u64]) -> Result<Self> {
        let ends = starts.last().is_some_and(|&end| end == times.len() as u64);
        if starts.first() != Some(&0) || !ends || starts.windows(2).any(|pair| pair[0] > pair[1]) {
            return Err(Error::value("starts: must ascend from 0 to the number of times"));
        }
        Ok(Self { times, starts })
    }

    fn train(&self, k: u64) -> Result<&'a [f64]> {
        let at = |k: u64| usize::try_from(k).ok().and_then(|k| self.starts.get(k)).and_then(|&start| usize::try_from(start).ok());
        match (at(k), k.checked_add(1).and_then(at)) {
            (Some(from), Some(to)) => Ok(&self.times[from..to]),
            _ => Err(Error::value(format!("pairs: there is no train {k}"))),
        }
    }
}

/// Write the distance of each pair (a train of `a`, a train of `b`) to `out`.
pub fn victor_purpura(context: &Context<'_>, a: &Trains<'_>, b: &Trains<'_>, pairs: &[[u64; 2]], q: f64, out: &mut [f64]) -> Result<()> {
    if out.len() != pairs.len() {
        return Err(Error::value(format!("out: {} entries came for {} pairs", out.len(), pairs.len())));
    }
    let trains = pairs.iter().map(|&[i, j]| Ok((a.train(i)?, b.train(j)?))).collect::<Result<Vec<_>>>()?;
    let tasks = trains.chunks(PAIRS).zip(out.chunks_mut(PAIRS)).collect();
    for_each(context, tasks, |(trains, out): (&[Pair<'_>], &mut [f64]), stop| {
        let mut row = Vec::new();
        for (&(a, b), out) in trains.iter().zip(out) {
            if stop.now() {
                return;
            }
            *out = apart(a, b, q, &mut row, stop);
        }
    })
}

/// The distance of two trains; anything once it is to stop.
fn apart(a: &[f64], b: &[f64], q: f64, row: &mut Vec<f64>, stop: &Stop<'_>) -> f64 {
    row.clear();
    let mut price = 0.0;
    row.push(price);
    row.extend(b.iter().map(|_| {
        price += 1.0;
        price
    }));
    for (i, s) in a.iter().enumerate() {
        if i % ROWS == ROWS - 1 && stop.now() {
            break;
        }
        let mut diagonal = row[0];
        let mut left = diagonal + 1.0;
        row[0] = left;
        for (above, t) in row[1..].iter_mut().zip(b) {
            let moved = diagonal + q * (s - t).abs();
            diagonal = *above;
            left = moved.min(left + 1.0).min(diagonal + 1.0);
            *above = left;
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn distance(a: &[f64], b: &[f64], q: f64) -> f64 {
        let (starts_a, starts_b) = ([0, a.len() as u64], [0, b.len() as u64]);
        let (a, b) = (Trains::new(a, &starts_a).unwrap(), Trains::new(b, &starts_b).unwrap());
        let mut out = [0.0];
        victor_purpura(&Context::serial(), &a, &b, &[[0, 0]], q, &mut out).unwrap();
        out[0]
    }

    #[test]
    fn a_spike_is_moved_where_that_is_cheaper_than_taking_it_out_and_putting_it_in() {
        let close = |x: f64, y: f64| (x - y).abs() < 1e-12;
        assert!(close(distance(&[], &[], 1.0), 0.0));
        assert!(close(distance(&[1.0, 2.0], &[], 1.0), 2.0));
        assert!(close(distance(&[10.0], &[13.0], 0.5), 1.5));
        assert!(close(distance(&[10.0], &[13.0], 5.0), 2.0));
        assert!(close(distance(&[10.0, 20.0, 30.0], &[12.0, 24.0, 30.0], 0.1), 0.6));
        assert!(close(distance(&[10.0, 20.0], &[20.0], 1.0), 1.0));
    }

    #[test]
    fn trains_that_are_not_there_are_refused() {
        assert!(Trains::new(&[1.0], &[0, 2]).is_err());
        assert!(Trains::new(&[1.0], &[]).is_err());
        assert!(Trains::new(&[1.0], &[0, 1, 0, 1]).is_err());
        let trains = Trains::new(&[1.0], &[0, 1]).unwrap();
        for pairs in [[[1, 0]], [[0, u64::MAX]]] {
            assert!(victor_purpura(&Context::serial(), &trains, &trains, &pairs, 1.0, &mut [0.0]).is_err());
        }
    }
}
