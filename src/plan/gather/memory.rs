//! How a tensor's dimensions lie in memory.

use std::cmp::Reverse;

use super::places::Places;
use super::strided::{Strided, dense};
use crate::model::Tensor;

/// The dimensions of a tensor from the outermost in memory to the innermost, where they lie there without gaps, as in PyTorch's
/// `channels_last`; as they come, where not.
pub fn order(t: &Tensor) -> Vec<usize> {
    let own: Vec<usize> = (0..t.shape.len()).collect();
    let mut order = own.clone();
    order.sort_by_key(|d| (Reverse(t.strides[*d]), Reverse(t.shape[*d])));
    let strides = in_order(&t.shape, &order);
    if own.iter().all(|d| t.shape[*d] == 1 || strides[*d] == t.strides[*d]) { order } else { own }
}

/// Strides of a tensor without gaps whose dimensions lie in this order.
pub fn in_order(shape: &[usize], order: &[usize]) -> Vec<usize> {
    let sizes: Vec<usize> = order.iter().map(|d| shape[*d]).collect();
    let mut strides = vec![1; shape.len()];
    order.iter().zip(dense(&sizes)).for_each(|(d, stride)| strides[*d] = stride);
    strides
}

/// The elements of a dense tensor with its dimensions in another order.
pub fn reordered(bytes: &[u8], shape: &[usize], order: &[usize], width: usize) -> Vec<u8> {
    let (sizes, old): (Vec<usize>, Vec<usize>) = order.iter().map(|d| (shape[*d], dense(shape)[*d])).unzip();
    let places: Vec<Places> = sizes.iter().map(|n| Places::Same((0..*n).collect())).collect();
    Strided::new(bytes, &old, width, &sizes, &places).gather(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{DType, Role};

    #[test]
    fn memory_keeps_its_order() {
        let tensor = |shape: &[usize], strides: &[usize]| Tensor {
            name: String::new(),
            value: crate::model::ValueId(0),
            role: Role::Parameter,
            dtype: DType::U8,
            shape: shape.to_vec(),
            strides: strides.to_vec(),
            offset: 0,
            storage: 0,
            updated: false,
            list: None,
        };
        let cases: [(&[usize], &[usize], &[usize]); 7] = [
            (&[8, 4, 3, 3], &[36, 9, 3, 1], &[0, 1, 2, 3]),
            (&[8, 4, 3, 3], &[36, 1, 12, 4], &[0, 2, 3, 1]),
            (&[8, 4, 1, 1], &[4, 1, 4, 4], &[0, 2, 3, 1]),
            (&[8, 4, 1, 1], &[4, 1, 1, 1], &[0, 1, 2, 3]),
            (&[8, 1, 3, 3], &[9, 1, 3, 1], &[0, 2, 3, 1]),
            (&[4, 3], &[1, 4], &[1, 0]),
            (&[4, 3], &[1, 8], &[0, 1]), // with gaps
        ];
        for (shape, strides, expected) in cases {
            assert_eq!(order(&tensor(shape, strides)), expected, "{shape:?} {strides:?}");
        }
        assert_eq!(in_order(&[4, 2, 3, 3], &[0, 2, 3, 1]), [18, 1, 6, 2]);
        assert_eq!(reordered(&[0, 1, 2, 3, 4, 5], &[2, 3], &[1, 0], 1), [0, 3, 1, 4, 2, 5]);
    }
}
