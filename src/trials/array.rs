//! Small tensors as plain numbers, and which of their elements stay.

use crate::axis::Propagation;
use crate::model::{DType, ValueId};
use crate::plan::Keep;
use crate::solve::Solution;

/// A tensor's elements, row-major.
#[derive(Clone, Debug)]
pub struct Array {
    /// Its sizes.
    pub shape: Vec<usize>,
    /// The type of its elements.
    pub dtype: DType,
    /// The elements; of complex numbers the real parts.
    pub re: Vec<f64>,
    /// Imaginary parts of complex numbers.
    pub im: Option<Vec<f64>>,
}

impl Array {
    /// The elements for which `keep` says so, as a tensor of another shape.
    pub fn cut(&self, keep: &[bool], shape: Vec<usize>) -> Array {
        let pick = |list: &Vec<f64>| list.iter().zip(keep).filter(|(_, k)| **k).map(|(x, _)| *x).collect();
        Array { shape, dtype: self.dtype, re: pick(&self.re), im: self.im.as_ref().map(pick) }
    }

    /// The parts of an element.
    pub fn parts(&self, at: usize) -> impl Iterator<Item = f64> + '_ {
        self.re.get(at).into_iter().chain(self.im.as_ref().and_then(|im| im.get(at))).copied()
    }
}

/// What stays of each dimension of a value; `None` where all does.
pub(super) struct Kept {
    pub dims: Vec<Option<Keep>>,
}

impl Kept {
    /// Of a value.
    pub fn new(p: &Propagation, solution: &Solution, value: ValueId, shape: &[usize]) -> Kept {
        let dim = |d: usize| {
            let kept = solution.dim(p, value, d)?;
            let n = shape[d];
            let list = |from: usize| (0..n).filter(|at| kept.get(from + at) == Some(&true)).map(|at| at as u32).collect();
            Some(match solution.ragged(p, value, d) {
                None => Keep::Same(list(0)),
                Some(link) => Keep::By { link, lists: (0..link.outer).map(|a| list(a * n)).collect() },
            })
        };
        Kept { dims: (0..shape.len()).map(dim).collect() }
    }

    /// True if nothing goes.
    pub fn is_all(&self) -> bool {
        self.dims.iter().all(Option::is_none)
    }

    /// A ragged dimension stands before the one that tells what stays of it: such elements have no place in a smaller tensor in their order.
    pub fn is_crossed(&self) -> bool {
        self.dims.iter().enumerate().any(|(d, keep)| matches!(keep, Some(Keep::By { link, .. }) if link.at > d))
    }

    /// Whether a place stays, as far as one dimension is concerned.
    pub fn stays(&self, d: usize, place: &[usize]) -> bool {
        match &self.dims[d] {
            None => true,
            Some(Keep::Same(list)) => list.contains(&(place[d] as u32)),
            Some(Keep::By { link, lists }) => {
                lists.get(link.outer_of(place[link.at])).is_some_and(|l| l.contains(&(place[d] as u32)))
            }
        }
    }

    /// The outer position that a place of a ragged dimension belongs to; 0 of others.
    pub fn outer(&self, d: usize, place: &[usize]) -> usize {
        match &self.dims[d] {
            Some(Keep::By { link, .. }) => link.outer_of(place[link.at]),
            _ => 0,
        }
    }

    /// For each element whether it stays.
    pub fn elements(&self, shape: &[usize]) -> Vec<bool> {
        places(shape).map(|place| (0..shape.len()).all(|d| self.stays(d, &place))).collect()
    }

    /// The shape that is left.
    pub fn shape(&self, shape: &[usize]) -> Vec<usize> {
        shape.iter().zip(&self.dims).map(|(n, keep)| keep.as_ref().map_or(*n, Keep::len)).collect()
    }
}

/// The coordinates of all elements, row-major.
pub(super) fn places(shape: &[usize]) -> impl Iterator<Item = Vec<usize>> + '_ {
    (0..shape.iter().product()).map(|mut at| {
        let mut place = vec![0; shape.len()];
        for d in (0..shape.len()).rev() {
            place[d] = at % shape[d];
            at /= shape[d];
        }
        place
    })
}
