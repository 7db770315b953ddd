//! Cutting the weights: each stored tensor is gathered from the mapped file into its new place, once.

use std::borrow::Cow;
use std::collections::HashMap;

use super::change::{Change, Elements, Plan};
use super::gather::{
    Norms, Places, Strided, add_to, cut, drops, floats, in_order, mask_element, order, places_of, reordered, slices,
};
use super::unified::Unified;
use crate::format::{Archive, FormatError, Payload};
use crate::model::{Graph, Role, Tensor};

/// Decides for every storage whether it stays as it is or is cut, and sets storages, strides, offsets and names of the small graph's
/// tensors accordingly; those that are stored no more go from its list.
///
/// # Errors
/// Where a payload cannot be read.
pub fn payloads<'a>(
    archive: &'a Archive,
    graph: &'a Graph,
    small: &mut Graph,
    plan: &'a Plan,
    masks: &'a Unified<'a>,
) -> Result<Vec<Payload<'a>>, FormatError> {
    let mut out: Vec<Payload> = Vec::new();
    let mut stored: HashMap<usize, usize> = HashMap::new();
    let mut cut: HashMap<usize, usize> = HashMap::new();
    let first = graph.first_names();
    let kept = slices(plan);
    let (added, rescaled, masked, removed) = (added(plan), plan.rescaled(), plan.masked(), plan.removed());
    let touched = |k: usize| {
        let t = &graph.tensors[k];
        small_shape(small, k) != t.shape.as_slice()
            || added.contains_key(&k)
            || rescaled.iter().any(|(scale, of)| [scale, of].contains(&&k))
            || masked.contains_key(&k)
            || (t.role == Role::Parameter && masks.masked(k))
    };
    let touched: Vec<bool> = (0..graph.tensors.len()).map(touched).collect();
    for (k, t) in graph.tensors.iter().enumerate().filter(|(k, _)| !removed.contains(k)) {
        if !touched[k] {
            let at = *stored.entry(t.storage).or_insert_with(|| {
                out.push(Payload::Stored(t.storage));
                out.len() - 1
            });
            small.tensors[k].storage = at;
            continue;
        }
        let twin = cut.get(&first[k]).copied();
        let at = match twin {
            Some(at) => at,
            None => {
                let bytes = archive.storage(t.storage)?;
                let places = places_of(&kept, graph, k);
                let rescale = match rescaled.iter().find(|(scale, of)| [*scale, *of].contains(&k)) {
                    Some((scale, of)) => {
                        let (scale, of) = (&graph.tensors[*scale], *of);
                        let (bytes, places) = (archive.storage(graph.tensors[of].storage)?, places_of(&kept, graph, of));
                        Some(Rescaled { of, tensor: &graph.tensors[of], bytes, places, small: &scale.shape })
                    }
                    None => None,
                };
                let masked = match masked.get(&k).map(|by| &graph.tensors[*by]) {
                    Some(by) => Some((by, archive.storage(by.storage)?)),
                    None => None,
                };
                let (add, order) = (added.get(&k).copied(), order(t));
                let job = Job { tensor: t, bytes, places, masks, masked, index: k, add, rescale, order };
                let len = small.tensors[k].numel() * t.dtype.bytes();
                out.push(Payload::Write { len: len as u64, write: Box::new(move |to| to.write_all(&job.run())) });
                out.len() - 1
            }
        };
        cut.insert(first[k], at);
        let s = &mut small.tensors[k];
        (s.storage, s.offset) = (at, 0);
        s.strides = in_order(&s.shape, &order(t));
    }
    for (c, t) in plan.constants.iter().zip(small.tensors.iter_mut().skip(graph.tensors.len())) {
        let bytes = constant_bytes(&c.data);
        out.push(Payload::Bytes(Cow::Owned(bytes)));
        t.storage = out.len() - 1;
    }
    for edit in &plan.edits {
        if let Change::Rename { tensor, to } = &edit.change {
            small.tensors[*tensor].name.clone_from(to);
        }
    }
    let mut at = 0..;
    small.tensors.retain(|_| at.next().is_none_or(|k| !removed.contains(&k)));
    Ok(out)
}

/// The elements of a new constant as the file has them.
pub fn constant_bytes(data: &Elements) -> Vec<u8> {
    match data {
        Elements::Positions(list) => list.iter().flat_map(|n| n.to_le_bytes()).collect(),
        Elements::Numbers(dtype, list) => {
            let mut out = vec![0; list.len() * dtype.bytes()];
            out.chunks_exact_mut(dtype.bytes()).zip(list).for_each(|(element, x)| add_to(element, *dtype, *x));
            out
        }
    }
}

fn small_shape(small: &Graph, k: usize) -> &[usize] {
    &small.tensors[k].shape
}

/// What is added to tensors.
fn added(plan: &Plan) -> HashMap<usize, &[f64]> {
    let fold = |change: &'_ Change| matches!(change, Change::Fold { .. });
    let folds = plan.edits.iter().map(|e| &e.change).filter(|c| fold(c));
    folds.filter_map(|c| if let Change::Fold { tensor, add } = c { Some((*tensor, add.as_slice())) } else { None }).collect()
}

/// One tensor to cut.
struct Job<'a> {
    tensor: &'a Tensor,
    bytes: Cow<'a, [u8]>,
    places: Vec<Places>,
    masks: &'a Unified<'a>,
    /// Zeros and ones of the program by which it is multiplied.
    masked: Option<(&'a Tensor, Cow<'a, [u8]>)>,
    index: usize,
    /// What is added to each element before the cut.
    add: Option<&'a [f64]>,
    rescale: Option<Rescaled<'a>>,
    /// How its dimensions lie in memory.
    order: Vec<usize>,
}

/// A tensor that is divided by its norm.
struct Rescaled<'a> {
    of: usize,
    tensor: &'a Tensor,
    bytes: Cow<'a, [u8]>,
    places: Vec<Places>,
    /// The sizes of its scale.
    small: &'a [usize],
}

impl Rescaled<'_> {
    fn norms(&self, masks: &Unified) -> Norms {
        let (t, width) = (self.tensor, self.tensor.dtype.bytes());
        let all: Vec<Places> = t.shape.iter().map(|n| Places::Same((0..*n).collect())).collect();
        let whole = Strided::new(&self.bytes, &t.strides, width, &t.shape, &all).gather(t.offset);
        let mut values = floats(&whole, t.dtype);
        if let Some(mask) = masks.given_mask(self.of) {
            values.iter_mut().zip(mask.iter()).filter(|(_, k)| **k == 0).for_each(|(x, _)| *x = 0.0);
        }
        Norms::new(&values, &t.shape, self.small, &self.places)
    }
}

impl Job<'_> {
    fn run(&self) -> Vec<u8> {
        let (t, width) = (self.tensor, self.tensor.dtype.bytes());
        let mut out = Strided::new(&self.bytes, &t.strides, width, &t.shape, &self.places).gather(t.offset);
        if t.role == Role::Parameter
            && let Some(mask) = self.masks.given_mask(self.index)
            && drops(&mask, &t.shape, &self.places)
        {
            let keep = cut(&mask, &t.shape, 1, &self.places);
            for (element, _) in out.chunks_exact_mut(width).zip(keep).filter(|(_, k)| *k == 0) {
                mask_element(element, t.dtype);
            }
        }
        if let Some((by, bytes)) = &self.masked {
            let width = by.dtype.bytes();
            let ones = Strided::new(bytes, &by.strides, width, &by.shape, &self.places).gather(by.offset);
            let zero = |one: &[u8]| by.dtype.number(one).is_none_or(|x| x == 0.0);
            let each = out.chunks_exact_mut(t.dtype.bytes()).zip(ones.chunks_exact(width));
            each.filter(|(_, one)| zero(one)).for_each(|(element, _)| mask_element(element, t.dtype));
        }
        if let Some(add) = self.add {
            let bytes: Vec<u8> = add.iter().flat_map(|x| x.to_le_bytes()).collect();
            let cut = cut(&bytes, &t.shape, 8, &self.places);
            for (element, x) in out.chunks_exact_mut(width).zip(cut.as_chunks::<8>().0) {
                add_to(element, t.dtype, f64::from_le_bytes(*x));
            }
        }
        if let Some(rescale) = &self.rescale {
            let norms = rescale.norms(self.masks);
            match rescale.of == self.index {
                true => norms.revive(&mut out, t.dtype),
                false => norms.scale(&mut out, t.dtype, &t.shape, &self.places),
            }
        }
        if self.order.is_sorted() {
            return out;
        }
        reordered(&out, &self.places.iter().map(Places::len).collect::<Vec<_>>(), &self.order, width)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::DType;

    #[test]
    fn constants_are_written_in_their_type() {
        assert_eq!(
            constant_bytes(&Elements::Numbers(DType::F32, vec![2.0, -1.0])),
            [2.0f32.to_le_bytes(), (-1.0f32).to_le_bytes()].concat()
        );
    }
}
