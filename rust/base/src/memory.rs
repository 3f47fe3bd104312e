//! Memory that begins at a line of the cache: a register that is loaded from it never straddles two.
//!
//! A `Vec` begins wherever its element may lie, large ones 16 bytes past a page. Every load of 64 bytes then takes two lines.

use std::ops::{Deref, DerefMut};

use crate::elem::Elem;
use crate::error::{Error, Result};

/// Bytes of a line.
const LINE: usize = 64;

/// Arrays of this many bytes do not stay in the cache until they are read again, so what is written is written past it.
const STREAMED: usize = 1 << 22;

/// Whether an array of so many elements is worth passing by the cache.
#[must_use]
pub fn is_large<E>(elements: usize) -> bool {
    elements.saturating_mul(size_of::<E>()) >= STREAMED
}

/// Numbers, the first of them at the beginning of a line.
#[derive(Debug, Default)]
pub struct Aligned<E> {
    values: Vec<E>,
    first: usize,
    len: usize,
}

impl<E: Elem> Aligned<E> {
    /// So many zeros, or an error where the machine does not have the memory; `name` says whose.
    pub fn zeros(count: Option<usize>, name: &str) -> Result<Self> {
        let mut values = Vec::new();
        match count.and_then(|count| count.checked_add(LINE / size_of::<E>())) {
            Some(count) if values.try_reserve_exact(count).is_ok() => values.resize(count, E::ZERO),
            _ => {
                return Err(Error::value(format!(
                    "{name}: not enough memory to lay it out for the product; use smaller layers or fewer steps in one call"
                )));
            }
        }
        let len = values.len() - LINE / size_of::<E>();
        // Where the distance is not known, which the standard library allows, alignment is lost and nothing else.
        let first = values.as_ptr().align_offset(LINE).min(values.len() - len);
        Ok(Self { values, first, len })
    }

    /// A copy of some numbers.
    #[must_use]
    pub fn of(values: &[E]) -> Self {
        let mut made = Self { values: Vec::new(), first: 0, len: 0 };
        made.reset(values.len());
        made.copy_from_slice(values);
        made
    }

    /// Make it `len` long, all 0.
    pub fn reset(&mut self, len: usize) {
        if self.len == len {
            self.fill(E::ZERO);
        } else {
            self.values.clear();
            self.values.resize(len + LINE / size_of::<E>(), E::ZERO);
            self.first = self.values.as_ptr().align_offset(LINE).min(LINE / size_of::<E>());
            self.len = len;
        }
    }
}

impl<E: Elem> Clone for Aligned<E> {
    fn clone(&self) -> Self {
        Self::of(self)
    }
}

impl<E> Deref for Aligned<E> {
    type Target = [E];
    fn deref(&self) -> &[E] {
        &self.values[self.first..self.first + self.len]
    }
}

impl<E> DerefMut for Aligned<E> {
    fn deref_mut(&mut self) -> &mut [E] {
        &mut self.values[self.first..self.first + self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_begins_at_a_line_is_zero_and_keeps_what_is_written_in_a_copy() {
        for len in [1, 7, 100, 100_000] {
            let mut made = Aligned::<f32>::zeros(Some(len), "x").unwrap();
            assert_eq!((made.len(), made.as_ptr() as usize % LINE), (len, 0));
            assert!(made.iter().all(|v| *v == 0.0));
            made.fill(2.0);
            let copy = made.clone();
            assert_eq!((&copy[..], copy.as_ptr() as usize % LINE), (&made[..], 0));
            made.reset(len + 3);
            assert_eq!((made.len(), made.as_ptr() as usize % LINE), (len + 3, 0));
            assert!(made.iter().all(|v| *v == 0.0));
        }
        assert_eq!(Aligned::<f64>::of(&[]).len(), 0);
        assert!(Aligned::<f64>::zeros(None, "x").is_err());
        assert!(Aligned::<f64>::zeros(Some(usize::MAX), "x").is_err());
    }
}
