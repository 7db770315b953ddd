//! A run of layouts after the cut: the same views with other sizes if what stays fits them, else one gather.

use super::want::{Outcome, outcome};
use super::{Change, Edit};
use crate::axis::{Bound, Call, DimExpr, LetterId, Propagation, Step};
use crate::model::{Graph, Size};
use crate::rule::RuleSet;
use crate::solve::Solution;

/// For each position whether it stays; `None` where all do.
type Stays = Option<Vec<bool>>;

/// The edits of all nodes of a run, if what stays is rectangular in each of its views; `None` if it is not.
pub fn views(graph: &Graph, rules: &RuleSet, p: &Propagation, solution: &Solution, chain: usize) -> Option<Vec<Edit>> {
    let run = &p.chains[chain].run;
    let from = p.dims[run.from.index()].as_ref()?;
    let mut stays: Vec<Stays> = from.iter().map(|id| solution.kept(p, *id).map(|k| k.to_vec())).collect();
    let mut edits = Vec::new();
    for id in &run.nodes {
        let Step::Chained(_, bound) = &p.steps[id.index()] else { return None };
        let letters = letters(bound, &stays)?;
        let new = |l: LetterId| match &letters[l as usize] {
            Some(k) => Size::from(k.iter().filter(|k| **k).count()),
            None => bound.size(l),
        };
        let node = graph.node(*id);
        let call = Call { graph, node, schema: rules.schemas().get(&node.target), shapes: &p.shapes };
        for edit in &bound.edits {
            match outcome(bound, &call, &edit.arg, &edit.want, edit.from_end, &new, &|l| letters[l as usize].clone()).ok()? {
                Outcome::Leave => {}
                Outcome::Set(list) => {
                    let reason = "the sizes of the axes in this view changed";
                    edits.extend(list.into_iter().map(|(arg, to)| Edit { change: Change::Set { node: *id, arg, to }, reason: reason.into() }));
                }
                _ => return None,
            }
        }
        let dims = &bound.outputs.first()?.dims;
        let sizes = dims.iter().map(|d| d.size(&new)).collect();
        if run.nodes.last() != Some(id) {
            edits.push(Edit { change: Change::Resize { value: node.outputs[0], sizes }, reason: String::new() });
        }
        stays = dims.iter().map(|d| positions(d, bound, &letters)).collect();
    }
    Some(edits)
}

/// What stays of each letter, if each dimension's positions are all tuples of what stays of its letters.
fn letters(bound: &Bound, stays: &[Stays]) -> Option<Vec<Stays>> {
    let mut out: Vec<Stays> = vec![None; bound.letters.len()];
    for (d, kept) in bound.operands.first()?.dims.iter().zip(stays) {
        let Some(kept) = kept else { continue };
        for l in d.letters() {
            out[l as usize] = Some(vec![false; bound.letters[l as usize].len()]);
        }
        let mut coords = vec![None; bound.letters.len()];
        for at in kept.iter().enumerate().filter(|(_, k)| **k).map(|(at, _)| at) {
            d.decode(at, &bound.letters, &mut coords);
            for l in d.letters() {
                if let (Some(list), Some(c)) = (&mut out[l as usize], coords[l as usize]) {
                    list[c as usize] = true;
                }
            }
        }
        if positions(d, bound, &out).as_ref().is_some_and(|all| all != kept) {
            return None;
        }
    }
    Some(out)
}

/// What stays of a dimension, given its letters.
fn positions(d: &DimExpr, bound: &Bound, letters: &[Stays]) -> Stays {
    if d.letters().iter().all(|l| letters[*l as usize].is_none()) {
        return None;
    }
    let mut coords = vec![None; bound.letters.len()];
    let at = |p: usize| {
        d.decode(p, &bound.letters, &mut coords);
        d.letters().iter().all(|l| match (&letters[*l as usize], coords[*l as usize]) {
            (Some(list), Some(c)) => list.get(c as usize).copied().unwrap_or(true),
            _ => true,
        })
    };
    Some((0..d.len(&bound.letters)).map(at).collect())
}
