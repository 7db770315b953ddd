//! The norms of a parameter's rows before and after the cut.

use super::element::map_float;
use super::places::Places;
use super::strided::cut;
use crate::model::DType;
use crate::solve::rows;

/// The squared norms of a parameter's rows, one for each element of its scale.
pub struct Norms {
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
