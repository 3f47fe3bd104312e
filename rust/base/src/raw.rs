//! Everything here that the compiler cannot check, and nothing else of the crate: a list that threads share without a lock, stores
//! that pass by the cache, and hints to read ahead.
#![allow(unsafe_code, reason = "the one file where it is; each use says why it holds")]

use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use fearless_simd::Level;

/// A list that only grows and never frees: reading takes no lock, so a forked child cannot inherit one that is held.
pub struct List<T: Send + Sync + 'static> {
    newest: AtomicPtr<Entry<T>>,
}

struct Entry<T> {
    value: T,
    next: *const Entry<T>,
}

impl<T: Send + Sync + 'static> Default for List<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Send + Sync + 'static> List<T> {
    /// No entries.
    #[must_use]
    pub const fn new() -> Self {
        Self { newest: AtomicPtr::new(ptr::null_mut()) }
    }

    /// The newest entry of which `wanted` holds.
    pub fn find(&self, wanted: impl Fn(&T) -> bool) -> Option<&'static T> {
        let mut entry = self.newest.load(Ordering::Acquire).cast_const();
        // SAFETY: every pointer in the list comes from `Box::into_raw` below, is published after it was filled, and is never freed.
        while let Some(found) = unsafe { entry.as_ref() } {
            if wanted(&found.value) {
                return Some(&found.value);
            }
            entry = found.next;
        }
        None
    }

    /// Add an entry.
    pub fn push(&self, value: T) -> &'static T {
        let new = Box::into_raw(Box::new(Entry { value, next: ptr::null() }));
        let mut head = self.newest.load(Ordering::Acquire);
        loop {
            // SAFETY: `new` is ours alone until the exchange below publishes it.
            unsafe { (*new).next = head };
            match self.newest.compare_exchange(head, new, Ordering::AcqRel, Ordering::Acquire) {
                // SAFETY: published and never freed.
                Ok(_) => return unsafe { &(*new).value },
                Err(newer) => head = newer,
            }
        }
    }
}

/// A number all of whose bytes, a divisor of 64, are part of it.
pub trait Plain: Copy {}

macro_rules! plain {
    ($($number:ty),*) => {$(impl Plain for $number {})*};
}
plain!(f32, f64, i8, u8, i16, i32, i64);

/// Copy past the cache: what is written is not read into it first, which saves a third of the traffic of a large output.
///
/// [`fence`] must come before another thread reads it.
///
/// # Panics
/// Where the two are not of one length.
pub fn stream<E: Plain>(level: Level, to: &mut [E], from: &[E]) {
    assert_eq!(to.len(), from.len(), "rows of one length");
    #[cfg(target_arch = "x86_64")]
    {
        // Up to the next line of the cache: only whole lines pass by.
        let head = to.as_ptr().align_offset(64).min(to.len());
        let (first, rest) = to.split_at_mut(head);
        let (first_from, rest_from) = from.split_at(head);
        if head > 0 {
            first.copy_from_slice(first_from);
        }
        let whole = rest.len() - rest.len() % (64 / size_of::<E>());
        let (lines, last) = rest.split_at_mut(whole);
        let (lines_from, last_from) = rest_from.split_at(whole);
        if level.as_avx512().is_some() {
            // SAFETY: the level says that the processor has the instruction; `lines` begins at a line of the cache (if it is not empty)
            // and is as long as `lines_from`, a whole number of lines.
            unsafe { lines_avx512(lines.as_mut_ptr().cast(), lines_from.as_ptr().cast(), whole * size_of::<E>()) };
        } else {
            // SAFETY: as above; every x86-64 has SSE2.
            unsafe { lines_sse2(lines.as_mut_ptr().cast(), lines_from.as_ptr().cast(), whole * size_of::<E>()) };
        }
        // A call for nothing costs as much as a line.
        if !last.is_empty() {
            last.copy_from_slice(last_from);
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        let _ = level;
        to.copy_from_slice(from);
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
unsafe fn lines_avx512(to: *mut u8, from: *const u8, bytes: usize) {
    use std::arch::x86_64::{_mm512_loadu_si512, _mm512_stream_si512};
    let mut at = 0;
    while at < bytes {
        // SAFETY: the caller says that both have `bytes`, a multiple of 64, and that `to` is aligned to 64.
        unsafe { _mm512_stream_si512(to.add(at).cast(), _mm512_loadu_si512(from.add(at).cast())) };
        at += 64;
    }
}

#[cfg(target_arch = "x86_64")]
unsafe fn lines_sse2(to: *mut u8, from: *const u8, bytes: usize) {
    use std::arch::x86_64::{_mm_loadu_si128, _mm_stream_si128};
    let mut at = 0;
    while at < bytes {
        // SAFETY: the caller says that both have `bytes`, a multiple of 16, and that `to` is aligned to 16.
        unsafe { _mm_stream_si128(to.add(at).cast(), _mm_loadu_si128(from.add(at).cast())) };
        at += 16;
    }
}

/// Make what was streamed visible to other threads, in order.
pub fn fence() {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every x86-64 has the instruction; it takes no memory.
    unsafe {
        std::arch::x86_64::_mm_sfence();
    }
}

/// Rows of an array that are read soon, asked for one at a time while something else is worked on: the processor has room for few lines
/// on their way, and waits where it is asked for many at once.
#[derive(Clone, Copy, Debug)]
pub struct Ahead {
    first: *const u8,
    pitch: usize,
    bytes: usize,
}

impl Ahead {
    /// Nothing.
    pub const NONE: Self = Self { first: ptr::null(), pitch: 0, bytes: 0 };

    /// Rows of `length` elements, `pitch` apart, from `first` on; they may lie beyond the end.
    pub fn new<E>(array: &[E], first: usize, length: usize, pitch: usize) -> Self {
        let [pitch, bytes] = [pitch, length].map(|n| n.wrapping_mul(size_of::<E>()));
        Self { first: array.as_ptr().wrapping_add(first).cast(), pitch, bytes }
    }

    /// Ask for a row to be read into the second-level cache.
    #[inline(always)]
    pub fn ask(&self, row: usize) {
        #[cfg(target_arch = "x86_64")]
        for at in (0..self.bytes).step_by(64) {
            let line = self.first.wrapping_add(row.wrapping_mul(self.pitch) + at);
            // SAFETY: a hint, which never faults, whatever the address; every x86-64 has it.
            unsafe { std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T1 }>(line.cast()) };
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = row;
    }
}

/// Ask for `length` elements of an array to be read into the second-level cache; beyond its end nothing happens.
#[inline(always)]
pub fn prefetch<E>(array: &[E], from: usize, length: usize) {
    #[cfg(target_arch = "x86_64")]
    for at in (0..length).step_by(64 / size_of::<E>()) {
        let line = array.as_ptr().wrapping_add(from + at);
        // SAFETY: a hint, which never faults, whatever the address; every x86-64 has it.
        unsafe { std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T1 }>(line.cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (array, from, length);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::elem::levels;

    #[test]
    fn streaming_copies_every_element_wherever_a_row_begins_and_ends() {
        let from: Vec<f32> = (0..200u16).map(f32::from).collect();
        for (_, level) in levels() {
            for (begin, end) in [(0, 0), (0, 200), (1, 17), (3, 3), (5, 199), (16, 32), (7, 100)] {
                let mut to = vec![-1.0_f32; 200];
                stream(level, &mut to[begin..end], &from[begin..end]);
                fence();
                assert_eq!(to[begin..end], from[begin..end]);
                assert!(to[..begin].iter().chain(&to[end..]).all(|v| v.to_bits() == (-1.0_f32).to_bits()));
            }
        }
    }

    #[test]
    fn a_list_finds_the_newest_entry_wanted() {
        static ALL: List<usize> = List::new();
        assert!(ALL.find(|_| true).is_none());
        for k in 0..5 {
            assert_eq!(*ALL.push(k), k);
        }
        assert_eq!(ALL.find(|k| k % 2 == 1), Some(&3));
        assert_eq!(ALL.find(|k| *k > 4), None);
    }
}
