//! Masks of tensors of which there may be no data.

use crate::model::Tensor;
use crate::solve::Mask;

/// A tensor without data that has more elements gets no byte for each: its sizes are only claimed.
pub(super) const LARGEST: usize = 1 << 24;

/// A mask of one dimension of a tensor, with a byte for each position.
pub(super) fn along(tensor: &Tensor, dim: usize, keep: Vec<u8>) -> Mask<'static> {
    let mut shape = vec![1; tensor.shape.len()];
    shape[dim] = keep.len();
    Mask { shape, keep: keep.into() }
}
