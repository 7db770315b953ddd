//! Dimensions as runs of digits of other dimensions.

use crate::axis::node::Sketch;
use crate::axis::node::{DimExpr, Given};
use crate::model::{Size, ValueId};

/// A digit of a dimension: its value counts steps of `div` positions. A dimension as a whole is the digit of its own size
/// with steps of one.
#[derive(Clone, Debug, PartialEq)]
pub struct Digit {
    /// The dimension.
    pub dim: usize,
    /// How many positions one step of the digit is.
    pub div: i64,
    /// Number of values.
    pub size: Size,
}

/// The digits of each dimension of a value with these sizes.
pub fn whole(sizes: &[Size]) -> Vec<Vec<Digit>> {
    let digit = |(dim, size): (usize, &Size)| if size.is(1) { vec![] } else { vec![Digit { dim, div: 1, size: size.clone() }] };
    sizes.iter().enumerate().map(digit).collect()
}

/// The operand of a layout that only moves elements: every letter stands once on each side.
pub fn moves(sketch: &Sketch) -> Option<ValueId> {
    let ([operand], [output]) = (sketch.operands.as_slice(), sketch.outputs.as_slice()) else { return None };
    let plain = |d: &DimExpr| match d {
        DimExpr::One | DimExpr::Letter(_) => true,
        DimExpr::Product(parts) => parts.iter().all(|p| matches!(p, DimExpr::Letter(_))),
        _ => false,
    };
    let moves = sketch.copies
        && sketch.locked.is_empty()
        && sketch.at_least_two.is_empty()
        && sketch.letters.iter().all(|l| !l.made)
        && operand.at.is_empty()
        && output.at.is_empty()
        && operand.dims.iter().chain(&output.dims).all(plain);
    let count = |dims: &[DimExpr]| dims.iter().map(|d| d.letters().len()).sum::<usize>();
    match operand.given {
        Given::Tensor(v) if moves && count(&operand.dims) == count(&output.dims) => Some(v),
        _ => None,
    }
}

/// The digits of a layout's letters, given those of its operand's dimensions.
pub fn letters(sketch: &Sketch, digits: &[Vec<Digit>]) -> Option<Vec<Vec<Digit>>> {
    let mut of: Vec<Vec<Digit>> = vec![Vec::new(); sketch.letters.len()];
    for (d, list) in sketch.operands[0].dims.iter().zip(digits) {
        match d {
            DimExpr::Letter(l) => of[*l as usize] = list.clone(),
            DimExpr::Product(parts) => {
                let mut rest = list.clone();
                for part in parts {
                    let DimExpr::Letter(l) = part else { return None };
                    of[*l as usize] = take(&mut rest, &sketch.letters[*l as usize].size)?;
                }
            }
            _ => {}
        }
    }
    Some(of)
}

/// The digits of a layout's result, given those of its letters.
pub fn result(sketch: &Sketch, of: &[Vec<Digit>]) -> Vec<Vec<Digit>> {
    let gather = |d: &DimExpr| d.letters().iter().flat_map(|l| of[*l as usize].clone()).collect();
    sketch.outputs[0].dims.iter().map(gather).collect()
}

/// Takes digits with this product from the outer end, splitting the last one if need be.
fn take(rest: &mut Vec<Digit>, size: &Size) -> Option<Vec<Digit>> {
    let mut taken = Vec::new();
    let mut left = size.clone();
    while !left.is(1) {
        if rest.is_empty() {
            return None;
        }
        if let Some(quotient) = left.div_exact(&rest[0].size) {
            left = quotient;
            taken.push(rest.remove(0));
            continue;
        }
        let (whole, part) = (rest[0].size.as_int()?, left.as_int()?);
        if part == 0 || whole % part != 0 {
            return None;
        }
        let first = rest[0].clone();
        taken.push(Digit { dim: first.dim, div: first.div * (whole / part), size: left });
        rest[0].size = Size::int(whole / part);
        left = Size::int(1);
    }
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_split_where_a_view_cuts_them() {
        let mut rest = vec![Digit { dim: 0, div: 1, size: Size::int(24) }];
        let outer = take(&mut rest, &Size::int(3)).unwrap();
        assert_eq!(outer, [Digit { dim: 0, div: 8, size: Size::int(3) }]);
        assert_eq!(rest, [Digit { dim: 0, div: 1, size: Size::int(8) }]);
        assert!(take(&mut rest, &Size::int(3)).is_none());
    }
}
