//! The unified masks: what the small model is equal to.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::Path;

use super::change::{Keep, Plan};
use super::gather::{drops, places_of, slices};
use crate::axis::Propagation;
use crate::format::masks::write_safetensors;
use crate::format::{Archive, FormatError, Pending};
use crate::model::{Graph, Role};
use crate::solve::{Given, Mask, Masks, Policy, Solution};

/// The mask of one parameter after solving: an element is kept if its positions are and the given mask keeps it. Where the
/// given masks alone count, and of a tensor that went as a whole with a branch that adds nothing, it is the given one.
pub struct Unified<'a> {
    graph: &'a Graph,
    p: &'a Propagation,
    solution: &'a Solution<'a>,
    plan: &'a Plan,
    policy: Policy,
}

/// What a given mask makes zero, besides what goes.
#[derive(Clone, Debug)]
pub struct Zeros {
    /// The dimension that the mask speaks of, with a byte for each of its positions; `None`: a byte an element of the parameter.
    pub dim: Option<usize>,
    /// 0 = zero.
    pub keep: Vec<u8>,
}

/// The unified masks of a solution and its plan.
pub fn unified<'a>(
    graph: &'a Graph,
    p: &'a Propagation,
    (solution, plan): (&'a Solution<'a>, &'a Plan),
    policy: Policy,
) -> Unified<'a> {
    Unified { graph, p, solution, plan, policy }
}

impl Unified<'_> {
    /// All masks in memory.
    pub fn to_masks(&self) -> Masks<'static> {
        let mask = |k: usize| Mask { shape: self.graph.tensors[k].shape.clone(), keep: self.mask(k).into() };
        self.tensors().into_iter().map(|k| (self.graph.tensors[k].name.clone(), mask(k))).collect()
    }

    /// Indices of the tensors that have one: parameters that lose positions, or that a mask was given for.
    pub fn tensors(&self) -> Vec<usize> {
        let has = |k: &usize| {
            let t = &self.graph.tensors[*k];
            let cut = !self.solution.lossless && (0..t.shape.len()).any(|d| self.solution.dim(self.p, t.value, d).is_some());
            t.role == Role::Parameter && (cut || self.given(*k).is_some())
        };
        (0..self.graph.tensors.len()).filter(has).collect()
    }

    /// The tensor whose given mask holds for this one. The solver gives a mask to all names of a tied parameter.
    fn given(&self, k: usize) -> Option<usize> {
        self.solution.given[k].is_some().then_some(k)
    }

    /// True if, of what stays of the tensor, a given mask may drop elements.
    pub fn masked(&self, k: usize) -> bool {
        self.given(k).is_some()
    }

    /// The given mask, 0 = masked, a byte an element of the whole parameter; `None` if all of it is kept. Masks that the
    /// policy lifts are lifted.
    pub fn given_mask(&self, k: usize) -> Option<Cow<'_, [u8]>> {
        let shape = &self.graph.tensors[k].shape;
        let given = self.solution.given[self.given(k)?].as_ref()?;
        let mut keep: Cow<[u8]> = match given.channel_dim() {
            Some(d) => {
                let inner: usize = shape[d + 1..].iter().product();
                let outer: usize = shape[..d].iter().product();
                let row: Vec<u8> = given.mask.keep.iter().flat_map(|k| std::iter::repeat_n(*k, inner)).collect();
                row.repeat(outer).into()
            }
            None => given.mask.keep.as_ref().into(),
        };
        for (d, lifted) in self.lifted(k, given) {
            let inner: usize = shape[d + 1..].iter().product();
            for block in keep.to_mut().chunks_exact_mut((shape[d] * inner).max(1)) {
                lifted.iter().for_each(|at| block[at * inner..(at + 1) * inner].fill(1));
            }
        }
        Some(keep)
    }

    /// The given mask of one number a channel, never expanded: its dimension, and a byte for each position, 0 = masked. Masks that the policy
    /// lifts are lifted. `None` if there is none, or it speaks of single elements.
    pub fn given_along(&self, k: usize) -> Option<(usize, Vec<u8>)> {
        let given = self.solution.given[self.given(k)?].as_ref()?;
        let dim = given.channel_dim()?;
        let mut keep: Vec<u8> = given.mask.keep.iter().map(|b| u8::from(*b != 0)).collect();
        for (d, lifted) in self.lifted(k, given) {
            if d != dim {
                return None; // what is lifted is no longer of one dimension
            }
            lifted.iter().for_each(|at| keep[*at] = 1);
        }
        Some((dim, keep))
    }

    /// Slices that the given mask drops as a whole and that stay all the same, by dimension: under this policy they get their weights back.
    fn lifted(&self, k: usize, given: &Given) -> Vec<(usize, Vec<usize>)> {
        if self.policy != Policy::Restore {
            return Vec::new();
        }
        let value = self.graph.tensors[k].value;
        let of = |(d, any): (usize, &Option<Vec<bool>>)| {
            // An inner axis the tensor does not make.
            let any = any.as_ref().filter(|_| self.solution.ragged(self.p, value, d).is_none() && self.makes(k, d))?;
            let kept = self.solution.dim(self.p, value, d);
            let back = |at: &usize| !any[*at] && kept.as_ref().is_none_or(|k| k[*at]);
            let lifted: Vec<usize> = (0..any.len()).filter(back).collect();
            (!lifted.is_empty()).then_some((d, lifted))
        };
        given.slices.iter().enumerate().filter_map(of).collect()
    }

    /// What the given mask makes zero of what stays; of a lossless solution, all that it makes zero. `None` if nothing.
    pub fn zeros(&self, k: usize) -> Option<Zeros> {
        if let Some((dim, keep)) = self.given_along(k) {
            return keep.contains(&0).then_some(Zeros { dim: Some(dim), keep });
        }
        if !self.solution.lossless && !is_zeroed(self.graph, self.plan, self, k) {
            return None;
        }
        let keep: Vec<u8> = self.given_mask(k)?.iter().map(|b| u8::from(*b != 0)).collect();
        keep.contains(&0).then_some(Zeros { dim: None, keep })
    }

    fn makes(&self, k: usize, d: usize) -> bool {
        self.solution.makes.get(k).and_then(|m| m.get(d)).copied().unwrap_or(false)
    }

    /// Vectors of bytes, each along its dimension, whose product is the mask of the whole parameter; `None` where no such product is.
    pub fn factors(&self, k: usize) -> Option<Vec<(usize, Vec<u8>)>> {
        let t = &self.graph.tensors[k];
        let mut factors: Vec<(usize, Vec<u8>)> = match self.given(k) {
            Some(_) => vec![self.given_along(k)?],
            None => Vec::new(),
        };
        if !self.solution.lossless && !self.plan.branches.iter().any(|b| b.tensors.contains(&k)) && !self.solution.unmasked[k] {
            for d in 0..t.shape.len() {
                let Some(kept) = self.solution.dim(self.p, t.value, d) else { continue };
                if self.solution.ragged(self.p, t.value, d).is_some() {
                    return None;
                }
                let kept = kept.iter().map(|k| u8::from(*k));
                match factors.iter_mut().find(|(dim, _)| *dim == d) {
                    Some((_, known)) => known.iter_mut().zip(kept).for_each(|(a, b)| *a &= b),
                    None => factors.push((d, kept.collect())),
                }
            }
        }
        Some(factors)
    }

    /// The mask of the whole parameter, a byte an element: 0 or 1.
    pub fn mask(&self, k: usize) -> Vec<u8> {
        let t = &self.graph.tensors[k];
        let mut keep: Vec<u8> = match self.given_mask(k) {
            Some(given) => given.iter().map(|b| u8::from(*b != 0)).collect(),
            None => vec![1; t.numel()],
        };
        if self.solution.lossless || self.plan.branches.iter().any(|b| b.tensors.contains(&k)) {
            return keep;
        }
        for d in (0..t.shape.len()).filter(|_| !self.solution.unmasked[k]) {
            let Some(kept) = self.solution.dim(self.p, t.value, d) else { continue };
            let inner: usize = t.shape[d + 1..].iter().product();
            if let Some(link) = self.solution.ragged(self.p, t.value, d) {
                let outer_step: usize = t.shape[link.at + 1..].iter().product();
                for (at, k) in keep.iter_mut().enumerate() {
                    let outer = link.outer_of(at / outer_step.max(1) % t.shape[link.at]);
                    *k &= u8::from(kept[outer * t.shape[d] + at / inner.max(1) % t.shape[d]]);
                }
                continue;
            }
            for block in keep.chunks_exact_mut((t.shape[d] * inner).max(1)) {
                for (at, run) in block.chunks_exact_mut(inner.max(1)).enumerate() {
                    if !kept[at] {
                        run.fill(0);
                    }
                }
            }
        }
        keep
    }
}

/// For each tensor whether a given mask makes some of what stays of it zero.
pub(super) fn zeroed(graph: &Graph, plan: &Plan, masks: &Unified) -> Vec<bool> {
    let kept = slices(plan);
    (0..graph.tensors.len()).map(|k| zeroed_one(graph, &kept, masks, k)).collect()
}

/// Whether a given mask makes some of what stays of a tensor zero.
fn is_zeroed(graph: &Graph, plan: &Plan, masks: &Unified, k: usize) -> bool {
    zeroed_one(graph, &slices(plan), masks, k)
}

fn zeroed_one(graph: &Graph, kept: &HashMap<(usize, usize), &Keep>, masks: &Unified, k: usize) -> bool {
    let t = &graph.tensors[k];
    if t.role != Role::Parameter {
        return false;
    }
    if let Some((dim, keep)) = masks.given_along(k) {
        let zero = |p: &u32| keep.get(*p as usize) == Some(&0);
        return match kept.get(&(k, dim)) {
            _ if !keep.contains(&0) => false,
            Some(Keep::Same(list)) => list.iter().any(zero),
            Some(Keep::By { lists, .. }) => lists.iter().flatten().any(zero),
            None => true,
        };
    }
    let Some(mask) = masks.given_mask(k) else { return false };
    let places = places_of(kept, graph, k);
    drops(&mask, &t.shape, &places)
}

/// Of a tensor without data that has more elements no mask with a byte for each is written, but its factors.
const LARGE: usize = 1 << 16;

/// Writes the unified masks as a safetensors file. Large parameters of a program without data get factors: `NAME.dim0` and so on, which broadcast
/// over the parameter and whose product is its mask, where it is such a product.
///
/// # Errors
/// Where the file cannot be written.
pub fn write_unified(path: &Path, archive: &Archive, graph: &Graph, masks: &Unified) -> Result<Pending, FormatError> {
    let mut list: Vec<(String, Vec<usize>)> = Vec::new();
    let mut data: Vec<(usize, Option<Vec<u8>>)> = Vec::new();
    for k in masks.tensors() {
        let t = &graph.tensors[k];
        match (archive.is_bare() && t.numel() > LARGE).then(|| masks.factors(k)).flatten() {
            Some(factors) => factors.into_iter().for_each(|(dim, keep)| {
                let shape = (0..t.shape.len()).map(|d| if d == dim { keep.len() } else { 1 }).collect();
                list.push((format!("{}.dim{dim}", t.name), shape));
                data.push((k, Some(keep)));
            }),
            None => {
                list.push((t.name.clone(), t.shape.clone()));
                data.push((k, None));
            }
        }
    }
    write_safetensors(path, &list, |n| match &data[n] {
        (_, Some(keep)) => Cow::Borrowed(keep.as_slice()),
        (k, None) => Cow::Owned(masks.mask(*k)),
    })
}
