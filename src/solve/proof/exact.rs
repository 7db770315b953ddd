//! What the given masks and the stored values say, where these alone count (`--lossless`).

use std::cell::RefCell;
use std::rc::Rc;

use rustc_hash::FxHashMap;

use super::facts::{FINITE, NONNEG, ORDINARY, ValueFacts, ZERO, of_number};
use crate::axis::Propagation;
use crate::model::{Graph, Role, ValueId};
use crate::solve::data::Data;
use crate::solve::positions::Link;
use crate::solve::votes::Given;

/// Stored tensors larger than this are not asked for numbers, only for zeros by their masks.
const LARGEST: usize = 1 << 16;

/// What proves that the given masks alone make a removal right.
pub struct Exact<'a> {
    /// The program.
    pub graph: &'a Graph,
    /// The masks that were given, by tensor.
    pub given: &'a [Option<Given<'a>>],
    /// The stored values.
    pub data: &'a dyn Data,
    /// Whether a bias may have other values from place to place.
    pub maps: bool,
    /// For each tensor whether its values are the stored ones whenever it is read.
    pub fixed: Vec<bool>,
    tensors: FxHashMap<ValueId, usize>,
    /// How often each value is read.
    uses: Vec<usize>,
    values: RefCell<FxHashMap<usize, Option<Rc<[f64]>>>>,
    masking: RefCell<FxHashMap<(usize, usize), bool>>,
}

impl<'a> Exact<'a> {
    /// What the given masks and the stored values say.
    pub fn new(graph: &'a Graph, p: &Propagation, given: &'a [Option<Given<'a>>], data: &'a dyn Data, maps: bool) -> Exact<'a> {
        let fixed = graph.tensors.iter().map(|t| !t.updated && !p.aliases.written(t.value)).collect();
        let tensors = graph.tensors.iter().enumerate().map(|(k, t)| (t.value, k)).collect();
        let mut uses = vec![0; graph.values.len()];
        let read = graph.nodes.iter().flat_map(|n| &n.args).flat_map(|(_, a)| a.tensors());
        read.chain(graph.outputs.iter().copied()).for_each(|v| uses[v.index()] += 1);
        Exact { graph, given, data, maps, fixed, tensors, uses, values: RefCell::default(), masking: RefCell::default() }
    }

    /// The stored tensor that a value is.
    pub fn tensor(&self, value: ValueId) -> Option<usize> {
        self.tensors.get(&value).copied()
    }

    /// True for a parameter that is read in one place, and shares its memory with no other tensor.
    pub fn alone(&self, tensor: usize) -> bool {
        let t = &self.graph.tensors[tensor];
        let others = self.graph.tensors.iter().filter(|o| o.storage == t.storage).count();
        t.role == Role::Parameter && self.uses[t.value.index()] == 1 && others == 1
    }

    /// Calls `f` with every element of a tensor as the masked original has it.
    pub fn each(&self, tensor: usize, f: &mut dyn FnMut(usize, f64)) -> bool {
        let t = &self.graph.tensors[tensor];
        let mask = self.given[tensor].as_ref().filter(|_| t.role == Role::Parameter);
        let inner: Option<(usize, usize)> =
            mask.and_then(Given::channel_dim).map(|d| (t.shape[d], t.shape[d + 1..].iter().product()));
        let kept = |at: usize| match (mask, inner) {
            (None, _) => true,
            (Some(g), None) => g.mask.keep.get(at).is_none_or(|k| *k != 0),
            (Some(g), Some((n, inner))) => g.mask.keep.get(at / inner.max(1) % n.max(1)).is_none_or(|k| *k != 0),
        };
        self.fixed[tensor] && self.data.each(tensor, &mut |at, x| f(at, if kept(at) { x } else { 0.0 }))
    }

    /// Whether a tensor times another is itself: the other is one wherever the masked original has it.
    pub fn masks_nothing(&self, tensor: usize, by: usize) -> bool {
        if let Some(known) = self.masking.borrow().get(&(tensor, by)) {
            return *known;
        }
        let (shape, other) = (&self.graph.tensors[tensor].shape, &self.graph.tensors[by]);
        let mut ones = Vec::with_capacity(other.numel());
        let mut same = *shape == other.shape && self.each(by, &mut |_, x| ones.push(x == 1.0)) && ones.len() == other.numel();
        if same {
            let mut alike = true;
            same = self.each(tensor, &mut |at, x| alike &= x == 0.0 || ones[at]) && alike;
        }
        self.masking.borrow_mut().insert((tensor, by), same);
        same
    }

    /// The elements of a small tensor.
    fn values(&self, tensor: usize) -> Option<Rc<[f64]>> {
        if let Some(known) = self.values.borrow().get(&tensor) {
            return known.clone();
        }
        let n = self.graph.tensors[tensor].numel();
        let mut list = Vec::new();
        let known = n <= LARGEST && self.each(tensor, &mut |_, x| list.push(x)) && list.len() == n;
        let values: Option<Rc<[f64]>> = known.then(|| list.into());
        self.values.borrow_mut().insert(tensor, values.clone());
        values
    }

    /// The facts of a stored tensor of which these positions stay; `links` tells the ragged dimensions.
    pub fn source(&self, tensor: usize, kept: &[Option<Rc<[bool]>>], links: &[Option<Link<usize>>]) -> ValueFacts {
        let t = &self.graph.tensors[tensor];
        let whole = if t.numel() == 1 { self.values(tensor).map(|v| v[0]).filter(|x| x.is_finite()) } else { None };
        let mut facts = ValueFacts { whole, ..ValueFacts::default() };
        let infinite = t.role != Role::Parameter && kept.iter().any(Option::is_some) && self.data.infinite(tensor);
        let finite = if infinite { 0 } else { FINITE };
        for (d, kept) in kept.iter().enumerate() {
            let Some(kept) = kept else {
                facts.dims.push(None);
                facts.numbers.push(None);
                continue;
            };
            let zero = self.masked(tensor, d, links[d]);
            let numbers = if links[d].is_none() { self.alike(tensor, d) } else { None };
            let at = |k: usize| numbers.as_ref().and_then(|n| n.get(k).copied()).filter(|x| x.is_finite());
            let flags = |k: usize| {
                let masked = zero.as_ref().is_some_and(|z| z.get(k) == Some(&true));
                finite | if masked { ZERO | NONNEG } else { at(k).map_or(0, of_number) }
            };
            let flags = kept.iter().enumerate().map(|(k, stays)| if *stays { ORDINARY } else { flags(k) });
            facts.dims.push(Some(flags.collect()));
            facts.numbers.push(numbers.map(Into::into));
        }
        facts
    }

    /// For each position of a dimension whether the given mask makes all of it zero.
    fn masked(&self, tensor: usize, dim: usize, link: Option<Link<usize>>) -> Option<Vec<bool>> {
        let t = &self.graph.tensors[tensor];
        let given = self.given[tensor].as_ref().filter(|_| t.role == Role::Parameter && self.fixed[tensor])?;
        given.masked(&t.shape, dim, link)
    }

    /// For each position of a dimension the number that all its elements are; NaN where they are not the same.
    fn alike(&self, tensor: usize, dim: usize) -> Option<Vec<f64>> {
        let values = self.values(tensor)?;
        let shape = &self.graph.tensors[tensor].shape;
        let (n, inner) = (shape[dim], shape[dim + 1..].iter().product::<usize>().max(1));
        let mut found: Vec<Option<f64>> = vec![None; n];
        for (at, x) in values.iter().enumerate() {
            let one = &mut found[at / inner % n.max(1)];
            *one = Some(if one.is_none_or(|y| y == *x) { *x } else { f64::NAN });
        }
        Some(found.into_iter().map(|x| x.unwrap_or(f64::NAN)).collect())
    }
}
