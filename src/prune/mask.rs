//! Masks of one dimension of a tensor.

use crate::load::Model;
use crate::model::Tensor;
use crate::solve::{Mask, Masks};

/// A tensor without data that has more elements gets no byte for each: its sizes are only claimed.
const LARGEST: usize = 1 << 24;

/// One with more gets none where a byte for each position of a dimension says as much.
const SMALL: usize = 1 << 16;

/// Lets positions of a dimension go. False where the mask would need more memory than a program without data may ask for.
pub(super) fn drop(masks: &mut Masks, model: &Model, t: &Tensor, dim: usize, drop: &[bool]) -> bool {
    let bare = model.archive.is_bare();
    let keep = || drop.iter().map(|drop| u8::from(!drop)).collect();
    let fits = drop.len() == t.shape[dim];
    if fits && bare && t.numel() > SMALL && !masks.contains_key(&t.name) {
        masks.insert(t.name.clone(), along(t, dim, keep()));
        return true;
    }
    let Some(mask) = whole(masks, model, t).filter(|_| fits) else { return false };
    let inner = inner(t, dim);
    for (n, keep) in mask.keep.to_mut().iter_mut().enumerate() {
        *keep &= u8::from(!drop[n / inner % drop.len()]);
    }
    true
}

/// The mask of a tensor with a byte an element, made where there is none; `None` where that would need more memory than a program without
/// data may ask for.
pub(super) fn whole<'m, 'a>(masks: &'m mut Masks<'a>, model: &Model, t: &Tensor) -> Option<&'m mut Mask<'a>> {
    if model.archive.is_bare() && t.numel() > LARGEST {
        return None;
    }
    let mask = masks.entry(t.name.clone()).or_insert_with(|| Mask { shape: t.shape.clone(), keep: vec![1; t.numel()].into() });
    if mask.shape != t.shape {
        let before = mask.shape.iter().position(|n| *n != 1).unwrap_or(0);
        let inner = inner(t, before);
        let keep: Vec<u8> = (0..t.numel()).map(|n| mask.keep[n / inner % t.shape[before]]).collect();
        *mask = Mask { shape: t.shape.clone(), keep: keep.into() };
    }
    Some(mask)
}

/// Elements of one position of a dimension.
fn inner(t: &Tensor, dim: usize) -> usize {
    t.shape[dim + 1..].iter().product::<usize>().max(1)
}

/// A mask of one dimension of a tensor, with a byte for each position.
fn along(tensor: &Tensor, dim: usize, keep: Vec<u8>) -> Mask<'static> {
    let mut shape = vec![1; tensor.shape.len()];
    shape[dim] = keep.len();
    Mask { shape, keep: keep.into() }
}
