//! Weights that are divided by their norm (`norm:` in rules). What goes of such a parameter is cut but never masked: zeros would change
//! the norm of what stays, and a row of zeros would be 0/0. What decides over its rows is the scale.

use rustc_hash::FxHashMap;

use super::masks::{Given, Mask};
use super::roles::Roles;
use crate::axis::{Normed, Propagation};
use crate::model::Graph;

/// For each stored tensor whether it is cut without being masked.
pub fn unmasked(graph: &Graph, p: &Propagation) -> Vec<bool> {
    let mut found = vec![false; graph.tensors.len()];
    let normed = p.bounds().filter(|b| b.rule.norm.is_some()).filter_map(|b| p.normed(graph, b));
    normed.for_each(|n| found[n.of] = true);
    found
}

/// A mask that leaves nothing of a row of such a parameter means that the weight has none of it: it is taken as one of the scale,
/// since 0/0 is no number. Returns those masks as they were given, by tensor.
pub fn move_rows<'a>(graph: &Graph, p: &Propagation, given: &mut [Option<Given<'a>>]) -> FxHashMap<usize, Given<'a>> {
    let mut asked = FxHashMap::default();
    for bound in p.bounds().filter(|b| b.rule.norm.is_some()) {
        let Some(normed) = p.normed(graph, bound) else { continue };
        let (big, small) = (&graph.tensors[normed.of].shape, &graph.tensors[normed.scale].shape);
        let Some(mask) = given[normed.of].as_ref() else { continue };
        let mut some = vec![false; small.iter().product()];
        let row: Vec<usize> = rows(big, small);
        let mask: Vec<u8> = match mask.per_channel {
            true if mask.mask.keep.len() == some.len() => row.iter().map(|r| mask.mask.keep[*r]).collect(),
            true => continue,
            false => mask.mask.keep.to_vec(),
        };
        row.iter().zip(&mask).filter(|(_, k)| **k != 0).for_each(|(r, _)| some[*r] = true);
        if some.iter().all(|s| *s) {
            continue;
        }
        let lifted = row.iter().zip(&mask).map(|(r, k)| if some[*r] { *k } else { 1 }).collect();
        let scale: Vec<u8> = match &given[normed.scale] {
            Some(g) if g.mask.keep.len() == some.len() => {
                g.mask.keep.iter().zip(&some).map(|(k, s)| if *s { *k } else { 0 }).collect()
            }
            _ => some.iter().map(|s| u8::from(*s)).collect(),
        };
        let own = |shape: &Vec<usize>, keep: Vec<u8>| Given::whole(Mask { shape: shape.clone(), keep: keep.into() });
        let whole = own(big, mask);
        given[normed.of] = Some(own(big, lifted));
        given[normed.scale] = Some(own(small, scale));
        asked.insert(normed.of, whole);
    }
    asked
}

impl Roles {
    /// Over the rows of a parameter that is divided by its norm the scale decides.
    pub fn normed(&mut self, graph: &Graph, p: &Propagation) {
        for bound in p.bounds().filter(|b| b.rule.norm.is_some()) {
            let Some(Normed { of, scale }) = p.normed(graph, bound) else { continue };
            let (big, small) = (&graph.tensors[of].shape, &graph.tensors[scale].shape);
            for d in (0..small.len()).filter(|d| small[*d] == big[*d] && small[*d] > 1) {
                self.reads[of][d] = true;
            }
        }
    }
}

/// For each element of a tensor the element of one that it is broadcast with, whose sizes are the same or one.
pub fn rows(shape: &[usize], small: &[usize]) -> Vec<usize> {
    let mut out = Vec::with_capacity(shape.iter().product());
    let mut at = vec![0; shape.len()];
    for _ in 0..shape.iter().product() {
        let place = small.iter().zip(&at).fold(0, |n, (size, k)| n * size + if *size == 1 { 0 } else { *k });
        out.push(place);
        for d in (0..shape.len()).rev() {
            at[d] += 1;
            if at[d] < shape[d] {
                break;
            }
            at[d] = 0;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_a_scale() {
        assert_eq!(rows(&[2, 3], &[2, 1]), [0, 0, 0, 1, 1, 1]);
        assert_eq!(rows(&[2, 3], &[1, 3]), [0, 1, 2, 0, 1, 2]);
        assert_eq!(rows(&[2, 2], &[]), [0, 0, 0, 0]);
    }
}
