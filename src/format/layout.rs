//! Where the elements of a saved tensor lie in its storage.

use std::ops::Range;

use super::pickle::TensorRef;

/// The bytes from a tensor's first element to its last, in a storage of `len` bytes; `None` where they do not lie in it, or its elements are
/// too many to count.
pub(super) fn reached(t: &TensorRef, len: usize) -> Option<Range<usize>> {
    let width = t.dtype.bytes();
    t.shape.iter().try_fold(1usize, |a, n| a.checked_mul(*n))?;
    if t.shape.contains(&0) {
        return Some(0..0);
    }
    let mut dims = t.shape.iter().zip(&t.strides);
    let last = dims.try_fold(t.offset, |at, (size, stride)| at.checked_add((size - 1).checked_mul(*stride)?))?;
    let end = last.checked_add(1)?.checked_mul(width).filter(|end| *end <= len)?;
    Some(t.offset * width..end)
}

/// True if the elements lie row-major, one after the other.
pub(crate) fn is_dense(shape: &[usize], strides: &[usize]) -> bool {
    let mut dense = 1usize;
    shape.iter().zip(strides).rev().all(|(size, stride)| {
        let next = *size == 1 || *stride == dense;
        dense = dense.saturating_mul(*size);
        next
    })
}

/// For each element, row-major, which of those that are reached it is.
pub(super) fn places<'a>(shape: &'a [usize], strides: &'a [usize]) -> impl Iterator<Item = usize> + 'a {
    (0..shape.iter().product()).map(move |mut n| {
        let mut at = 0;
        for (size, stride) in shape.iter().zip(strides).rev() {
            at += (n % size) * stride;
            n /= size;
        }
        at
    })
}
