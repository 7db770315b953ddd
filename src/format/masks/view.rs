//! A tensor as a view of a storage: its elements are put together only when they are asked for, as a view can repeat what is stored.

use std::sync::Arc;

use crate::format::FormatError;
use crate::format::layout::{is_dense, places, reached};
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
        let range = reached(t, storage.len()).ok_or_else(|| file.bad(t, "does not lie in"))?;
        Ok(View { storage, start: range.start, end: range.end, strides: t.strides.clone() })
    }

    /// The bytes from its first element to its last.
    pub(super) fn reached(&self) -> &[u8] {
        self.storage.get(self.start..self.end).unwrap_or(&[])
    }

    /// True if that is all that it is.
    pub(super) fn is_dense(&self, shape: &[usize]) -> bool {
        is_dense(shape, &self.strides)
    }

    /// One byte an element, row-major, of one a stored element.
    pub(super) fn gather(&self, stored: &[u8], shape: &[usize]) -> Vec<u8> {
        places(shape, &self.strides).map(|at| stored.get(at).copied().unwrap_or(1)).collect()
    }
}
