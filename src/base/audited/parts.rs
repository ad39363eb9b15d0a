//! Slices that the threads of a team write, each its own parts.

use super::team;
use std::marker::PhantomData;

/// A slice that several threads write, each its own part.
pub(super) struct Shared<'a, T> {
    pub values: *mut T,
    pub len: usize,
    _slice: PhantomData<&'a mut [T]>,
}

impl<T> Clone for Shared<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Shared<'_, T> {}

// SAFETY: a `Shared` is made from a `&mut [T]`, and `part` hands out disjoint places only.
#[expect(unsafe_code, reason = "see above")]
unsafe impl<T: Send> Send for Shared<'_, T> {}
// SAFETY: as above.
#[expect(unsafe_code, reason = "see above")]
unsafe impl<T: Send> Sync for Shared<'_, T> {}

/// Asks the processor to load a slice into its second cache, where it cannot guess what comes next. Does nothing on
/// processors for which Rust has no such hint.
#[inline(always)]
pub fn prefetch<T>(values: &[T]) {
    hint(values.as_ptr(), values.len());
}

#[inline(always)]
fn hint<T>(values: *const T, len: usize) {
    #[cfg(target_arch = "x86_64")]
    for line in (0..len * size_of::<T>()).step_by(64) {
        // SAFETY: a hint reads nothing and never fails, whatever the address.
        #[expect(unsafe_code, reason = "see above")]
        unsafe {
            std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T1 }>(
                values.cast::<i8>().wrapping_add(line),
            );
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (values, len);
}

impl<'a, T> Shared<'a, T> {
    pub fn of(values: &'a mut [T]) -> Self {
        Shared { values: values.as_mut_ptr(), len: values.len(), _slice: PhantomData }
    }

    /// As [`prefetch`], of a part of the slice.
    #[inline(always)]
    pub fn prefetch(self, first: usize, len: usize) {
        assert!(first + len <= self.len, "{len} values from {first} of {}", self.len);
        hint(self.values.wrapping_add(first), len);
    }

    /// A part of the slice.
    ///
    /// # Safety
    /// Parts that are alive at the same time must be disjoint.
    #[expect(unsafe_code, reason = "see Safety")]
    pub unsafe fn part(self, first: usize, len: usize) -> &'a mut [T] {
        assert!(first + len <= self.len, "{len} values from {first} of {}", self.len);
        // SAFETY: within the slice by the assertion; disjoint by the contract.
        unsafe { std::slice::from_raw_parts_mut(self.values.add(first), len) }
    }
}

/// Divides each output into parts of a given length, and calls `work` with the number of a part and that part of each
/// output, as [`team::for_each`] does.
///
/// # Panics
/// If the outputs do not have the same number of parts: a bug in a twin.
pub fn for_each_part<T: Send, const N: usize>(
    outputs: [(&mut [T], usize); N],
    work: impl Fn(usize, [&mut [T]; N]) + Sync,
) {
    let outputs = outputs.map(|(values, part)| (Shared::of(values), part));
    let counts = outputs.map(|(values, part)| values.len.div_ceil(part));
    assert!(counts.iter().all(|&count| count == counts[0]), "outputs are divided into {counts:?} parts");
    team::for_each(counts[0], &|number| {
        let parts = outputs.map(|(values, part)| {
            let first = number * part;
            // SAFETY: each number comes once, so the parts are disjoint.
            #[expect(unsafe_code, reason = "a slice cannot be lent in parts to a shared closure otherwise")]
            unsafe {
                values.part(first, part.min(values.len - first))
            }
        });
        work(number, parts);
    });
}
