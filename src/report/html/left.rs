//! Which positions of a group stay.

use std::fmt::Write;

use egg::Id;

use crate::axis::{Axes, Axis, Propagation};
use crate::solve::Solution;

/// What stays of a group.
pub struct Left {
    /// How many positions.
    pub count: usize,
    /// Which, as hexadecimal digits; `None` where all stay, and for ragged axes.
    pub bits: Option<String>,
}

/// What stays of a class, seen through the dimensions of its members.
pub fn left(p: &Propagation, solution: &Solution, class: Id, dims: &[Id]) -> Option<Left> {
    let size = p.axes.size(class).as_int()? as usize;
    if solution.kept(p, class).is_some_and(|kept| kept.len() != size) {
        // Ragged: a flag for each pair of an outer and an own position.
        return Some(Left { count: solution.size(p, class)?, bits: None });
    }
    let (mut answer, mut seen) = (None, None);
    for id in dims {
        if seen.replace(p.axes.class(*id)) == Some(p.axes.class(*id)) {
            continue;
        }
        let Some(kept) = solution.kept(p, *id) else { return Some(Left { count: size, bits: None }) };
        answer = answer.or_else(|| within(&p.axes, *id, &kept, class, 0));
    }
    let kept = answer?;
    let count = kept.iter().filter(|k| **k).count();
    Some(Left { count, bits: (count < size).then(|| hex(&kept)) })
}

/// Terms are followed so deep.
const DEEPEST: usize = 8;

/// The flags of a part, from those of the whole: a digit stays where any position with it stays.
fn within(axes: &Axes, whole: Id, kept: &[bool], part: Id, depth: usize) -> Option<Vec<bool>> {
    let class = axes.class(whole);
    if class == part {
        return Some(kept.to_vec());
    }
    if depth > DEEPEST {
        return None;
    }
    let size = |id: Id| axes.size(id).as_int().map(|n| n as usize);
    for d in axes.descriptions(class) {
        match d {
            Axis::Cat(parts) => {
                let mut start = 0;
                for of in parts.iter().copied() {
                    let end = start + size(of)?;
                    if let Some(found) = within(axes, of, kept.get(start..end)?, part, depth + 1) {
                        return Some(found);
                    }
                    start = end;
                }
            }
            Axis::Merge(parts) => {
                let mut stride = kept.len();
                for of in parts.iter().copied() {
                    let n = size(of)?;
                    stride = stride.checked_div(n)?;
                    let mut digits = vec![false; n];
                    for (at, stays) in kept.iter().enumerate() {
                        digits[at.checked_div(stride)? % n] |= stays;
                    }
                    if let Some(found) = within(axes, of, &digits, part, depth + 1) {
                        return Some(found);
                    }
                }
            }
            Axis::Leaf(_) | Axis::Pick(..) => {}
        }
    }
    None
}

/// Four positions a digit, the first highest.
fn hex(kept: &[bool]) -> String {
    let mut out = String::with_capacity(kept.len().div_ceil(4));
    for four in kept.chunks(4) {
        let digit = four.iter().enumerate().fold(0, |d, (k, stays)| d | u8::from(*stays) << (3 - k));
        let _ = write!(out, "{digit:x}");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Size;

    #[test]
    fn a_part_is_found_in_cats_and_merges() {
        let mut axes = Axes::new();
        let (a, b, c) = (axes.leaf(Size::int(2)), axes.leaf(Size::int(3)), axes.leaf(Size::int(2)));
        let merged = axes.merge(&[a, b]);
        let whole = axes.cat(&[c, merged]);
        axes.saturate();
        // c keeps 1; of the pairs (a, b) only (1, 0) and (1, 2) stay.
        let kept = [false, true, false, false, false, true, false, true];
        let of = |part| within(&axes, whole, &kept, axes.class(part), 0);
        assert_eq!(of(c), Some(vec![false, true]));
        assert_eq!(of(a), Some(vec![false, true]));
        assert_eq!(of(b), Some(vec![true, false, true]));
        let other = axes.leaf(Size::int(2));
        assert_eq!(within(&axes, whole, &kept, axes.class(other), 0), None);
    }

    #[test]
    fn digits_hold_four_positions() {
        assert_eq!(hex(&[true, false, false, true, true]), "98");
    }
}
