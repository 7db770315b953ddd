//! Disagreements of masks as the page shows them: those among the same layers together, with the chain that couples them.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use egg::Id;
use indexmap::{IndexMap, IndexSet};
use rustc_hash::FxHashMap;
use serde::Serialize;

use super::super::analysis::{Analysis, MemberRole};
use super::super::explain::{AxisRef, Chain, Explainer};
use super::super::summary::{Disagreement, Fate, Summary};
use super::shorten::shorten;
use crate::axis::Propagation;
use crate::model::Graph;

/// Layers whose masks disagree.
#[derive(Clone, Debug, Serialize)]
pub struct Quarrel {
    /// The parameters whose masks say something.
    pub parameters: Vec<String>,
    /// On how many positions they disagree.
    pub positions: usize,
    /// What became of these.
    pub fate: Fate,
    /// Who says what of how many, most positions first; at most [`MOST_VOTES`].
    pub votes: Vec<Disagreement>,
    /// How many others there are.
    pub more: usize,
    /// The group, if it is one.
    pub group: Option<usize>,
    /// What couples one that drops with one that keeps.
    pub chain: Option<Chain>,
}

/// So many ways to disagree are told of the same layers.
pub const MOST_VOTES: usize = 20;

/// So many have their chains told.
const MOST_CHAINS: usize = 1000;

/// All disagreements of a run.
pub fn quarrels(
    (graph, p): (&Graph, &Propagation),
    analysis: &Analysis,
    tensors: &FxHashMap<&str, usize>,
    summary: &Summary,
    explainer: &mut Explainer,
) -> Vec<Quarrel> {
    let mut found: IndexMap<(BTreeSet<&String>, Fate), Vec<Disagreement>> = IndexMap::new();
    for d in &summary.conflicts {
        let layers = d.dropped_by.iter().chain(&d.kept_by).collect();
        found.entry((layers, d.fate)).or_default().push(d.clone());
    }
    let mut groups: FxHashMap<&str, Vec<(usize, MemberRole)>> = FxHashMap::default();
    for g in &analysis.groups {
        g.members.iter().for_each(|m| groups.entry(&m.tensor).or_default().push((g.id, m.role)));
    }
    let axis = |name: &str, (dim, id): (usize, Id)| AxisRef { name: format!("{name}[{dim}]"), id };
    let dims = |name: &str| {
        let value = tensors.get(name).map(|k| graph.tensors[*k].value);
        let ids = value.and_then(|v| p.dims[v.index()].clone()).unwrap_or_default();
        ids.into_iter().enumerate().filter(|(_, id)| !p.axes.size(*id).is(1)).collect::<Vec<_>>()
    };
    // A dimension of each, both the same axis.
    let pair = |a: &str, b: &str| {
        let others = dims(b);
        let same = |x: Id| others.iter().copied().find(|(_, y)| p.axes.class(*y) == p.axes.class(x));
        dims(a).into_iter().find_map(|(d, x)| Some((axis(a, (d, x)), axis(b, same(x)?))))
    };
    let mut list = Vec::with_capacity(found.len());
    for ((layers, fate), mut votes) in found {
        let parameters: IndexSet<String> = votes[0].dropped_by.iter().chain(&votes[0].kept_by).cloned().collect();
        let of = |name: &String| groups.get(name.as_str()).into_iter().flatten();
        let makes = |id: &usize| layers.iter().all(|n| of(n).any(|(g, role)| g == id && *role != MemberRole::Reads));
        let group = of(&parameters[0]).map(|(id, _)| *id).find(makes);
        let ends = votes.iter().find_map(|v| pair(v.dropped_by.first()?, v.kept_by.first()?));
        let ends = ends.filter(|_| list.len() < MOST_CHAINS);
        // Heads of one weight disagree without a chain.
        let chain = ends.and_then(|(a, b)| explainer.same(&a, &b).ok()).filter(|c| !c.steps.is_empty()).map(shorten);
        let positions = votes.iter().map(|v| v.positions).sum();
        votes.sort_by_key(|v| Reverse(v.positions));
        let more = votes.len().saturating_sub(MOST_VOTES);
        votes.truncate(MOST_VOTES);
        list.push(Quarrel { parameters: parameters.into_iter().collect(), positions, fate, votes, more, group, chain });
    }
    list
}
