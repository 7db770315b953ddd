//! The masks that were given, per dimension of their parameter.

use std::borrow::Cow;
use std::collections::HashMap;

use indexmap::IndexMap;

use super::alias::{Aliased, Aliases};
use super::error::SolveError;
use crate::model::{Graph, Role, Tensor};
use crate::solve::positions::Link;

/// A mask for one parameter: a byte an element, 0 = masked.
#[derive(Clone, Debug)]
pub struct Mask<'a> {
    /// Sizes: the parameter's; or one number (a channel each); or the parameter's with 1 in all dimensions but one.
    pub shape: Vec<usize>,
    /// The bytes, row-major.
    pub keep: Cow<'a, [u8]>,
}

impl Mask<'_> {
    /// The same mask.
    fn borrowed(&self) -> Mask<'_> {
        Mask { shape: self.shape.clone(), keep: Cow::Borrowed(&self.keep) }
    }

    /// The mask of a matrix with its dimensions the other way round.
    fn transposed(&self) -> Mask<'_> {
        let [rows, columns] = self.shape[..] else { return self.borrowed() };
        let at = |n: usize| self.keep.get(n % rows * columns + n / rows).copied().unwrap_or(1);
        Mask { shape: vec![columns, rows], keep: (0..self.keep.len()).map(at).collect::<Vec<u8>>().into() }
    }

    /// True if a whole slice of some dimension is masked.
    pub fn drops_a_slice(&self) -> bool {
        slices(&self.keep, &self.shape).iter().flatten().any(|any| any.contains(&false))
    }
}

/// Masks by the name of their parameter.
pub type Masks<'a> = IndexMap<String, Mask<'a>>;

/// A mask as given to the solver, for a tensor of the graph.
#[derive(Clone, Debug)]
pub struct Given<'a> {
    /// The mask.
    pub mask: Mask<'a>,
    /// For each dimension and position: whether anything of that slice is kept. A mask of one number a channel says so of
    /// one dimension only, which [`Given::channel`] finds later.
    pub slices: Vec<Option<Vec<bool>>>,
    /// The mask has one number a channel and the parameter has more dimensions.
    pub per_channel: bool,
}

/// The masks by tensor.
pub struct Found<'a> {
    /// What is given for each tensor.
    pub given: Vec<Option<Given<'a>>>,
    /// Those of weights that are computed from other parameters.
    pub computed: Computed<'a>,
    /// How the masks' names became the model's, where they differ.
    pub renamed: Option<Renamed>,
    /// Masks by names of the exported module.
    pub aliased: Aliased,
}

/// Finds the tensor of every mask and checks its shape. Masks of parameters that the program does not contain are an
/// error, unless all names differ by a prefix alone; so are shapes that fit neither the parameter nor its channels.
pub fn given<'a>(graph: &Graph, masks: &'a Masks<'a>) -> Result<Found<'a>, SolveError> {
    let mut computed: Computed = Vec::new();
    let renamed = Renamed::of(graph, masks)?;
    let mut out: Vec<Option<Given>> = vec![None; graph.tensors.len()];
    let parameters = graph.tensors.iter().enumerate().filter(|(_, t)| t.role == Role::Parameter);
    let by_name: HashMap<&str, usize> = parameters.map(|(k, t)| (t.name.as_str(), k)).collect();
    let mut aliases = Aliases::new(graph);
    for (own, mask) in masks {
        let name: Cow<str> = renamed.as_ref().map_or(Cow::Borrowed(own), |r| r.name(own).unwrap_or_default().into());
        let direct = by_name.get(name.as_ref()).copied();
        let others = aliases.of(&name, direct)?;
        if direct.is_none() && others.is_none() {
            if behind(graph, &name).next().is_some() {
                computed.push((name, mask));
                continue;
            }
            return Err(SolveError::unknown_parameter(graph, own));
        }
        let others = others.into_iter().flat_map(|a| a.tensors.iter().map(|k| (*k, a.transposed)));
        for (k, transposed) in direct.into_iter().map(|k| (k, false)).chain(others) {
            let mask = if transposed { mask.transposed() } else { mask.borrowed() };
            let given = Given::of(own, mask, &graph.tensors[k].shape)?;
            let same = |other: &Given| other.mask.shape == given.mask.shape && other.mask.keep == given.mask.keep;
            aliases.give(k, own, out[k].as_ref().is_none_or(same))?;
            out[k] = Some(given);
        }
    }
    // A mask for one name of a tied parameter holds for the others.
    let first = graph.first_names();
    for (from, to) in (0..out.len()).map(|k| (k, first[k])).chain((0..out.len()).map(|k| (first[k], k))) {
        if out[to].is_none() {
            out[to] = out[from].clone();
        }
    }
    Ok(Found { given: out, computed, renamed, aliased: aliases.used })
}

/// A prefix that all masks' names have and the model's lack, or the other way round: `module.` of data parallel wrappers,
/// `_orig_mod.` of `torch.compile`, a module around the exported one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renamed {
    /// What all masks begin with.
    pub strip: String,
    /// What is put in its place.
    pub add: String,
}

impl Renamed {
    /// The prefixes by which all masks find a tensor; `None` where names are the model's own as they are.
    fn of(graph: &Graph, masks: &Masks) -> Result<Option<Renamed>, SolveError> {
        let known: Vec<&str> = graph.tensors.iter().filter(|t| t.role == Role::Parameter).map(|t| t.name.as_str()).collect();
        let has = |name: &str| known.contains(&name) || graph.alias(name).is_some() || behind(graph, name).next().is_some();
        if masks.is_empty() || masks.keys().any(|name| has(name)) {
            return Ok(None);
        }
        let own = prefixes(masks.keys().map(String::as_str));
        let theirs = prefixes(known.iter().copied());
        for strip in &own {
            for add in &theirs {
                let renamed = Renamed { strip: (*strip).to_owned(), add: (*add).to_owned() };
                if masks.keys().all(|name| renamed.name(name).is_some_and(|name| has(&name))) {
                    return Ok(Some(renamed));
                }
            }
        }
        Err(SolveError::none_known(graph, masks.keys().map(String::as_str)))
    }

    fn name(&self, name: &str) -> Option<String> {
        Some(format!("{}{}", self.add, name.strip_prefix(&self.strip)?))
    }
}

/// The dotted prefixes that all names have, the shortest first; the empty one is among them.
fn prefixes<'n>(mut names: impl Iterator<Item = &'n str>) -> Vec<&'n str> {
    let first = names.next().unwrap_or("");
    let mut found: Vec<&str> = std::iter::once("").chain(first.match_indices('.').map(|(at, _)| &first[..=at])).collect();
    names.for_each(|name| found.retain(|prefix| name.starts_with(prefix)));
    found
}

/// The one dimension that a mask speaks of which is 1 in all others, as it broadcasts over the parameter.
fn along(mask: &[usize], shape: &[usize]) -> Option<usize> {
    let mut long = (0..mask.len()).filter(|d| mask[*d] != 1);
    match (long.next(), long.next()) {
        (Some(d), None) if mask.len() == shape.len() && mask[d] == shape[d] => Some(d),
        _ => None,
    }
}

/// Masks of weights that are computed from parameters, by name.
pub type Computed<'a> = Vec<(Cow<'a, str>, &'a Mask<'a>)>;

/// The parameters of which PyTorch computes a weight of this name (`torch.nn.utils.parametrize`, or the older weight and spectral
/// norms): it is an attribute of the module, but none that a mask could be multiplied into.
pub fn behind<'g>(graph: &'g Graph, name: &str) -> impl Iterator<Item = &'g Tensor> + use<'g> {
    let (module, leaf) = name.rsplit_once('.').map_or(("", name), |(module, leaf)| (module, leaf));
    let dot = if module.is_empty() { "" } else { "." };
    let prefix = format!("{module}{dot}parametrizations.{leaf}.");
    let older = [format!("{name}_v"), format!("{name}_g"), format!("{name}_orig")];
    graph.tensors.iter().filter(move |t| t.name.starts_with(&prefix) || older.contains(&t.name))
}

impl<'a> Given<'a> {
    /// A mask of this name for a parameter of these sizes.
    fn of(name: &str, mask: Mask<'a>, shape: &[usize]) -> Result<Given<'a>, SolveError> {
        let whole = mask.shape == *shape;
        let along = along(&mask.shape, shape).filter(|_| !whole);
        let per_channel = !whole && mask.shape.len() == 1 && shape.len() > 1 && shape.contains(&mask.shape[0]);
        if !whole && !per_channel && along.is_none() {
            return Err(SolveError::MaskShape { name: name.to_owned(), mask: mask.shape, parameter: shape.to_vec() });
        }
        if whole {
            return Ok(Given::whole(mask));
        }
        let mut given = Given { mask, slices: vec![None; shape.len()], per_channel: per_channel || along.is_some() };
        if let Some(dim) = along {
            let any = given.mask.keep.iter().any(|k| *k != 0);
            given.slices = shape.iter().map(|n| Some(vec![any; *n])).collect();
            given.slices[dim] = Some(given.mask.keep.iter().map(|k| *k != 0).collect());
        }
        Ok(given)
    }

    /// A mask of the parameter's sizes.
    pub fn whole(mask: Mask<'a>) -> Given<'a> {
        let slices = slices(&mask.keep, &mask.shape);
        Given { mask, slices, per_channel: false }
    }

    /// Takes a mask of one number a channel as one of this dimension.
    pub fn channel(&mut self, dim: usize) {
        if self.per_channel && self.slices.iter().all(Option::is_none) {
            self.slices[dim] = Some(self.mask.keep.iter().map(|k| *k != 0).collect());
        }
    }

    /// For each pair of an outer position, told by another dimension, and a position of dimension `k` whether anything is
    /// kept there. `shape` is the parameter's.
    pub fn pairs(&self, shape: &[usize], k: usize, link: Link<usize>) -> Option<Vec<bool>> {
        if self.per_channel {
            // A mask of one number a channel that has all its dimensions says as much as one of every element.
            let dim = self.channel_dim().filter(|_| self.mask.shape.len() > 1)?;
            let own = self.slices.get(k)?.as_deref()?;
            let outer = self.slices.get(link.at)?.as_deref()?;
            let mut any = vec![false; link.outer * shape[k]];
            for (coordinate, kept) in outer.iter().enumerate() {
                let start = link.outer_of(coordinate) * shape[k];
                own.iter().enumerate().for_each(|(at, own)| any[start + at] |= *own && (*kept || dim != link.at));
            }
            return Some(any);
        }
        let step = |d: usize| shape[d + 1..].iter().product::<usize>().max(1);
        let (outer_step, own_step) = (step(link.at), step(k));
        let mut any = vec![false; link.outer * shape[k]];
        for (at, _) in self.mask.keep.iter().enumerate().filter(|(_, k)| **k != 0) {
            let outer = link.outer_of(at / outer_step % shape[link.at]);
            any[outer * shape[k] + at / own_step % shape[k]] = true;
        }
        Some(any)
    }

    /// For each position of a dimension, or pair with an outer one, whether the mask leaves nothing there. `shape` is the parameter's.
    pub fn masked(&self, shape: &[usize], dim: usize, link: Option<Link<usize>>) -> Option<Vec<bool>> {
        let any = match link {
            Some(link) => self.pairs(shape, dim, link)?,
            None => self.slices.get(dim)?.clone()?,
        };
        Some(any.into_iter().map(|any| !any).collect())
    }

    /// The dimension that a mask of one number a channel speaks of.
    pub fn channel_dim(&self) -> Option<usize> {
        match self.mask.shape.len() {
            _ if !self.per_channel => None,
            1 => self.slices.iter().position(Option::is_some),
            _ => self.mask.shape.iter().position(|n| *n != 1),
        }
    }
}

/// For each dimension and position whether any element of the slice is not zero. One dimension after the other is added up by bitwise
/// or, many elements at a time; what is left has a dimension less.
fn slices(keep: &[u8], shape: &[usize]) -> Vec<Option<Vec<bool>>> {
    let mut rest = Cow::Borrowed(keep);
    let mut out = Vec::with_capacity(shape.len());
    for (d, n) in shape.iter().enumerate() {
        let inner: usize = shape[d + 1..].iter().product();
        let mut sum = vec![0u8; inner];
        let (mut any, mut full) = (vec![false; *n], inner == 0);
        for (any, row) in any.iter_mut().zip(rest.chunks_exact(inner.max(1))) {
            *any = row.chunks(256).any(|part| part.iter().fold(0, |all, k| all | k) != 0);
            if *any && !full {
                sum.iter_mut().zip(row).for_each(|(s, k)| *s |= *k);
                full = !sum.contains(&0);
            }
        }
        out.push(Some(any));
        rest = Cow::Owned(sum);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_of_every_dimension() {
        // [2, 3, 2]: only element (1, 2, 0) is kept.
        let mut keep = vec![0u8; 12];
        keep[10] = 7;
        let found = slices(&keep, &[2, 3, 2]);
        assert_eq!(found, [vec![false, true], vec![false, false, true], vec![true, false]].map(Some).to_vec());
        let wide = slices(&[&[0u8; 40][..], &[1u8; 40][..]].concat(), &[2, 40]);
        assert_eq!(wide[0], Some(vec![false, true]));
        assert!(wide[1].as_ref().unwrap().iter().all(|k| *k));
        // Rows that keep some of a dimension each.
        let some = slices(&[1, 0, 0, 0, 0, 2], &[2, 3]);
        assert_eq!(some, [vec![true, true], vec![true, false, true]].map(Some).to_vec());
        assert_eq!(slices(&[], &[2, 0]), [vec![false, false], vec![]].map(Some).to_vec());
    }
}
