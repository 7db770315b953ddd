//! A tensor as a view of a storage: its elements are put together only when they are asked for, as a view can repeat what is stored.

use std::sync::Arc;

use crate::format::FormatError;
use crate::format::pickle::{self, TensorRef};

/// A view whose elements all lie in its storage.
#[derive(Debug)]
pub(super) struct View {
    storage: Arc<[u8]>,
    /// First byte.
    start: usize,
    /// Behind the last byte.
    end: usize,
    /// In elements.
    strides: Vec<usize>,
}

impl View {
    /// A tensor of a file of `torch.save`.
    pub(super) fn new(file: &pickle::Saved, t: &TensorRef, storage: Arc<[u8]>) -> Result<View, FormatError> {
        let width = t.dtype.bytes();
        let strides = t.strides.clone();
        t.shape.iter().try_fold(1usize, |a, n| a.checked_mul(*n)).ok_or_else(|| file.bad(t, "is larger than"))?;
        if t.shape.contains(&0) {
            return Ok(View { storage, start: 0, end: 0, strides });
        }
        let mut dims = t.shape.iter().zip(&t.strides);
        let last = dims.try_fold(t.offset, |at, (size, stride)| at.checked_add((size - 1).checked_mul(*stride)?));
        let end = last.and_then(|last| last.checked_add(1)?.checked_mul(width)).filter(|end| *end <= storage.len());
        let end = end.ok_or_else(|| file.bad(t, "does not lie in"))?;
        Ok(View { storage, start: t.offset * width, end, strides })
    }

    /// The bytes from its first element to its last.
    pub(super) fn reached(&self) -> &[u8] {
        self.storage.get(self.start..self.end).unwrap_or(&[])
    }

    /// True if that is all that it is.
    pub(super) fn is_dense(&self, shape: &[usize]) -> bool {
        let mut dense = 1usize;
        shape.iter().zip(&self.strides).rev().all(|(size, stride)| {
            let next = *size == 1 || *stride == dense;
            dense = dense.saturating_mul(*size);
            next
        })
    }

    /// One byte an element, row-major, of one a stored element.
    pub(super) fn gather(&self, stored: &[u8], shape: &[usize]) -> Vec<u8> {
        let numel = shape.iter().product();
        let mut out = Vec::with_capacity(numel);
        for mut n in 0..numel {
            let mut at = 0;
            for (size, stride) in shape.iter().zip(&self.strides).rev() {
                at += (n % size) * stride;
                n /= size;
            }
            out.push(stored.get(at).copied().unwrap_or(1));
        }
        out
    }
}
