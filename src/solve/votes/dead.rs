//! Positions that nobody reads: every reader is a contraction with a weight whose slice there is masked.

use std::rc::Rc;

use rustc_hash::FxHashMap;

use super::masks::Given;
use super::roles::Roles;
use crate::axis::{DimExpr, LetterId, Propagation};
use crate::model::{Graph, ValueId};
use crate::solve::positions::Frame;
use crate::solve::positions::{Positions, SetId};

/// For each atom whether it has readers and all of them ignore it.
pub fn dead(graph: &Graph, p: &Propagation, positions: &Positions, roles: &Roles, given: &[Option<Given>]) -> Vec<bool> {
    let mut ignored = vec![false; positions.atom_count()];
    let mut read = vec![false; positions.atom_count()];
    if given.iter().all(Option::is_none) {
        return ignored;
    }
    let tensor_of = graph.tensors.iter().enumerate().map(|(k, t)| (t.value, k)).collect();
    let masked = Masked { graph, p, positions, tensor_of, roles, given };
    for bound in p.bounds() {
        let summed = bound.summed();
        // What an operator requires to be zero, it reads itself.
        let itself: Vec<LetterId> = match bound.rule.facts.require.is_some() {
            true => bound.outputs.iter().flat_map(|o| &o.dims).flat_map(|d| d.letters()).collect(),
            false => Vec::new(),
        };
        if summed.is_empty() && bound.over.is_empty() && itself.is_empty() {
            continue;
        }
        let weights = roles.weights(bound);
        let frame = Frame::new(&p.axes, &positions.contexts, bound);
        for l in summed.iter().chain(&bound.over).chain(&itself) {
            let Some(list) = positions.of(&p.axes, bound.ids[*l as usize]) else { continue };
            let zero: Vec<Rc<[bool]>> = if bound.over.contains(l) || itself.contains(l) {
                Vec::new()
            } else {
                let dims = weights.iter().flat_map(|(o, v)| o.dims.iter().enumerate().map(|(k, d)| (*v, k, d)));
                let holds: Vec<_> = dims.filter(|(_, _, d)| d.letters().contains(l)).collect();
                let zero = |(v, k, d): &(ValueId, usize, &DimExpr)| Some(of_letter(&frame, *l, d, &masked.zero(*v, *k, 0)?));
                let found: Vec<_> = holds.iter().filter_map(zero).collect();
                match bound.rule.facts.summed.is_some() {
                    true if found.len() < holds.len() => Vec::new(),
                    true => found
                        .into_iter()
                        .reduce(|a, b| a.iter().zip(b.iter()).map(|(a, b)| *a && *b).collect())
                        .into_iter()
                        .collect(),
                    false => found,
                }
            };
            for (k, set) in list.iter().enumerate() {
                let ignores = zero.iter().any(|z| z.get(k).copied().unwrap_or(false));
                mark(positions, *set, if ignores { &mut ignored } else { &mut read });
            }
        }
    }
    ignored.iter().zip(&read).map(|(i, r)| *i && !r).collect()
}

fn mark(positions: &Positions, set: SetId, into: &mut [bool]) {
    positions.atoms(set).iter().for_each(|a| into[*a as usize] = true);
}

/// For each position of a letter whether all positions of a dimension that have it are zero.
fn of_letter(frame: &Frame, letter: LetterId, dim: &DimExpr, zero: &[bool]) -> Rc<[bool]> {
    let mut all = vec![true; frame.len(letter)];
    let mut coords = frame.nowhere();
    for (at, zero) in zero.iter().enumerate() {
        coords[letter as usize] = None;
        frame.decode(dim, at, &mut coords);
        if let Some(c) = coords[letter as usize] {
            all[c as usize] &= zero;
        }
    }
    all.into()
}

struct Masked<'a> {
    graph: &'a Graph,
    p: &'a Propagation,
    positions: &'a Positions,
    tensor_of: FxHashMap<ValueId, usize>,
    roles: &'a Roles,
    given: &'a [Option<Given<'a>>],
}

impl Masked<'_> {
    /// For each position of a dimension of a weight whether the given masks make its slice zero. The weight is a
    /// parameter, or a copy of one in another layout.
    fn zero(&self, value: ValueId, dim: usize, depth: usize) -> Option<Rc<[bool]>> {
        if let Some(k) = self.tensor_of.get(&value).copied() {
            let given = self.given[k].as_ref()?;
            let dims = self.p.dims[value.index()].as_ref()?;
            if let Some(link) = self.positions.contexts.dim(&self.p.axes, dims, dim) {
                let any = given.pairs(&self.graph.tensors[k].shape, dim, link)?;
                // Where all that an outer position makes is masked, that is said of what it makes and not of what it reads.
                let groups = any.chunks(any.len() / link.outer.max(1));
                return Some(groups.flat_map(|group| group.iter().map(|any| !any && group.contains(&true))).collect());
            }
            let slices = given.slices.get(dim)?.as_ref()?;
            return Some(slices.iter().map(|any| !any).collect());
        }
        let bound = self.roles.producer(value).and_then(|n| self.p.maker(value, n))?;
        let output = bound.outputs.iter().find(|o| o.value == Some(value))?;
        let DimExpr::Letter(l) = output.dims.get(dim)? else { return None };
        let mut tensors = bound.tensors();
        let ((operand, from), None) = (tensors.next()?, tensors.next()) else { return None };
        let at = operand.dims.iter().position(|d| *d == DimExpr::Letter(*l))?;
        if bound.copies && depth < 16 { self.zero(from, at, depth + 1) } else { None }
    }
}
