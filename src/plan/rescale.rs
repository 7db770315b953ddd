//! Parameters that are divided by their norm: what goes of one is taken up by the scale beside it, and no row is left without a norm.

use super::Change;
use super::build::Planner;
use super::data::{Places, cut, map_float};
use crate::axis::Bound;
use crate::model::DType;
use crate::solve::rows;

/// The squared norms of a parameter's rows, one for each element of its scale.
pub(super) struct Norms {
    /// Of all that the masks leave.
    before: Vec<f64>,
    /// Of what stays of that.
    after: Vec<f64>,
    /// For each element that stays its row.
    row: Vec<usize>,
}

impl Norms {
    /// `values` are those of the whole parameter, row-major; `small` the sizes of the scale.
    pub fn new(values: &[f64], shape: &[usize], small: &[usize], places: &[Places]) -> Norms {
        let rows = rows(shape, small);
        let count = small.iter().product::<usize>().max(1);
        let (mut before, mut after) = (vec![0.0; count], vec![0.0; count]);
        rows.iter().zip(values).for_each(|(r, x)| before[*r] += x * x);
        let kept = elements(shape, places);
        let row: Vec<usize> = kept.iter().map(|at| rows[*at]).collect();
        kept.iter().zip(&row).for_each(|(at, r)| after[*r] += values[*at] * values[*at]);
        Norms { before, after, row }
    }

    /// Multiplies what stays of the scale by the norm of what stays over that of all. Its places are those of `places`.
    pub fn scale(&self, bytes: &mut [u8], dtype: DType, shape: &[usize], places: &[Places]) {
        for (element, row) in bytes.chunks_exact_mut(dtype.bytes()).zip(elements(shape, places)) {
            let (before, after) = (self.before[row], self.after[row]);
            if after != before && before > 0.0 {
                map_float(element, dtype, |x| x * (after / before).sqrt());
            }
        }
    }

    /// Ones in the rows of which nothing but zeros stays; their scale is zero.
    pub fn revive(&self, bytes: &mut [u8], dtype: DType) {
        for (element, row) in bytes.chunks_exact_mut(dtype.bytes()).zip(&self.row) {
            if self.after[*row] == 0.0 && self.before[*row] > 0.0 {
                map_float(element, dtype, |_| 1.0);
            }
        }
    }
}

/// The places of the elements that stay.
fn elements(shape: &[usize], places: &[Places]) -> Vec<usize> {
    let all: Vec<u8> = (0..shape.iter().product::<usize>() as u64).flat_map(u64::to_le_bytes).collect();
    cut(&all, shape, 8, places).as_chunks::<8>().0.iter().map(|x| u64::from_le_bytes(*x) as usize).collect()
}

impl Planner<'_> {
    /// Where a parameter that a node divides by its norm loses some of what the norm is over.
    pub(super) fn rescale(&mut self, bound: &Bound) {
        let Some(normed) = self.p.normed(self.graph, bound).filter(|_| bound.rule.norm.is_some()) else { return };
        let (of, scale) = (&self.graph.tensors[normed.of], &self.graph.tensors[normed.scale]);
        let over = |d: &usize| scale.shape.get(*d).is_none_or(|n| *n != of.shape[*d]);
        let cut = (0..of.shape.len()).filter(over).any(|d| self.solution.dim(self.p, of.value, d).is_some());
        let change = Change::Rescale { tensor: normed.scale, of: normed.of };
        let known = |e: &super::Edit| matches!(e.change, Change::Rescale { tensor, .. } if tensor == normed.scale);
        if cut && !self.plan.edits.iter().any(known) {
            self.push(change, "the other tensor is divided by its norm, which is that of what stays now");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_takes_up_what_goes() {
        // [2, 3] without the middle column; the second row is zero without it.
        let places = [Places::Same(vec![0, 1]), Places::Same(vec![0, 2])];
        let norms = Norms::new(&[3.0, 12.0, 4.0, 0.0, 2.0, 0.0], &[2, 3], &[2, 1], &places);
        let bytes = |list: &[f64]| list.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>();
        let mut scale = bytes(&[26.0, 7.0]);
        norms.scale(&mut scale, DType::F64, &[2, 1], &[Places::Same(vec![0, 1]), Places::Same(vec![0])]);
        assert_eq!(scale, bytes(&[10.0, 0.0]));
        let mut rest = bytes(&[3.0, 4.0, 0.0, 0.0]);
        norms.revive(&mut rest, DType::F64);
        assert_eq!(rest, bytes(&[3.0, 4.0, 1.0, 1.0]));
    }
}
