//! Votes and proof in turn, until everything that goes was shown to be right.

use std::rc::Rc;

use egg::Id;
use indexmap::IndexMap;
use rustc_hash::{FxHashMap, FxHashSet};
use tracing::info_span;

use super::outcome::{Hindrance, Obstacle};
use super::positions::{SetId, State, Why};
use super::proof::{Blame, Exact, Failure, Fold, Folding, Proof, Sources, Uniform, ValueFacts, inexpressible};
use super::votes::{Votes, even_out};
use crate::axis::Propagation;
use crate::model::{Graph, NodeId, Role, ValueId};
use crate::rule::RuleSet;

/// What stays once everything that goes was shown to be right.
pub struct Settled {
    /// What is equal at all removed positions though not zero.
    pub uniform: Uniform,
    /// Numbers at removed positions, added up.
    pub folds: Vec<Folding>,
    /// What is known of all values.
    pub facts: Vec<ValueFacts>,
    /// Operands that are zero everywhere when a node reads them.
    pub absent: Vec<(NodeId, ValueId)>,
    /// Values of which a dimension would be left without positions.
    pub last: Vec<ValueId>,
    /// Where a removal could not be shown to be right.
    pub obstacles: Vec<Obstacle>,
    /// The positions that each reason keeps.
    pub costs: Costs,
    /// How often votes and proof took turns.
    pub rounds: usize,
    /// By class: for each position whether it stays; `None` where all do.
    pub kept: FxHashMap<Id, Option<Rc<[bool]>>>,
}

/// Makes positions stay until that is so. With `exact`, only the given masks make a parameter zero.
pub fn settle(
    graph: &Graph,
    rules: &RuleSet,
    p: &Propagation,
    state: &mut State,
    votes: &Votes,
    sources: &Sources,
    exact: Option<&Exact>,
) -> Settled {
    let mut last = Vec::new();
    let mut obstacles: Vec<Obstacle> = Vec::new();
    let mut costs = Costs::default();
    let mut rounds = 0;
    let (uniform, folds, facts, absent) = loop {
        rounds += 1;
        at_least_one(graph, p, state, votes, &mut last);
        even_out(state, votes);
        let proving = info_span!("proof").entered();
        let Proof { mut failures, uniform, folds, facts, blames, absent } = Proof::find(graph, rules, p, state, sources, exact);
        failures.extend(inexpressible(graph, p, state));
        drop(proving);
        if failures.is_empty() {
            let folds = exact.map_or_else(Vec::new, |exact| folded(p, state, exact, &folds, &mut failures));
            if failures.is_empty() {
                break (uniform, folds, facts, absent);
            }
        }
        for f in failures {
            if state.keep(f.set, f.why.clone()) {
                note(&mut obstacles, &f.why, &blames);
                costs.entry(f.why).or_default().push(f.set);
            }
        }
    };
    let mut kept = FxHashMap::default();
    let all = p.dims.iter().flatten().flatten().copied().chain(p.bounds().flat_map(|b| b.ids.iter().copied()));
    for id in all {
        kept.entry(p.axes.class(id)).or_insert_with(|| state.kept(id).map(Into::into));
    }
    let contexts = &state.positions.contexts;
    for context in contexts.classes().iter().filter_map(|c| contexts.of(&p.axes, *c)) {
        kept.entry(context.class).or_insert_with(|| state.kept(context.class).map(Into::into));
    }
    Settled { uniform, folds, facts, absent, last, obstacles, costs, rounds, kept }
}

/// The positions that a reason keeps.
pub type Costs = IndexMap<Why, Vec<SetId>>;

/// The sums of what is folded. What cannot be added up stays.
fn folded(p: &Propagation, state: &State, exact: &Exact, folds: &[Fold], failures: &mut Vec<Failure>) -> Vec<Folding> {
    let mut out = Vec::new();
    for fold in folds {
        let kept = |id: Id| state.kept(id).map(Into::into);
        match fold.add_up(p, exact, &kept) {
            Some(folding) => out.push(folding),
            None => failures.extend(fold.failures(p, state)),
        }
    }
    out
}

/// What stands in the way at a node, for the reasons that name one.
fn hindrance(why: &Why) -> Option<(NodeId, Hindrance)> {
    match why {
        Why::Unproven(node) => Some((*node, Hindrance::Unproven)),
        Why::Constant { node, map } => Some((*node, if *map { Hindrance::Border } else { Hindrance::Constant })),
        Why::Inexpressible(node) => Some((*node, Hindrance::Inexpressible)),
        _ => None,
    }
}

fn note(obstacles: &mut Vec<Obstacle>, reason: &Why, blames: &FxHashMap<NodeId, Blame>) {
    let Some((node, why)) = hindrance(reason) else { return };
    match obstacles.iter_mut().find(|o| o.node == node && o.why == why) {
        Some(o) => o.positions += 1,
        None => {
            let blame = blames.get(&node).copied().filter(|_| why == Hindrance::Unproven);
            obstacles.push(Obstacle { node, why, positions: 1, parameters: 0, blame });
        }
    }
}

/// Counts the parameters that each obstacle keeps: of every parameter with one of its positions, what lies there.
pub fn cost(graph: &Graph, p: &Propagation, state: &State, costs: &Costs, obstacles: &mut [Obstacle]) {
    let first = graph.first_names();
    let kept = |id: Id, n: usize| state.kept(id).map_or(n, |k| k.iter().filter(|k| **k).count());
    for (why, sets) in costs {
        let Some((node, why)) = hindrance(why) else { continue };
        let Some(obstacle) = obstacles.iter_mut().find(|o| o.node == node && o.why == why) else { continue };
        let sets: FxHashSet<SetId> = sets.iter().copied().collect();
        for (_, t) in graph.tensors.iter().enumerate().filter(|(k, t)| t.role == Role::Parameter && first[*k] == *k) {
            let Some(ids) = &p.dims[t.value.index()] else { continue };
            let sizes: Vec<usize> = ids.iter().zip(&t.shape).map(|(id, n)| kept(*id, *n).min(*n)).collect();
            let here = |id: &Id| state.of(*id).map_or(0, |list| list.iter().filter(|s| sets.contains(s)).count());
            // What would be left without these positions, against what is left.
            let without: usize = ids.iter().zip(&sizes).map(|(id, n)| n.saturating_sub(here(id))).product();
            obstacle.parameters += (sizes.iter().product::<usize>() - without) as u64;
        }
    }
}

/// No dimension of any tensor is left without positions: the position that most makers keep stays, of equals the first.
fn at_least_one(graph: &Graph, p: &Propagation, state: &mut State, votes: &Votes, last: &mut Vec<ValueId>) {
    let mut inside = vec![false; graph.values.len()];
    for id in graph.node_ids() {
        graph.node(id).outputs.iter().for_each(|v| inside[v.index()] = p.inside(*v, id));
    }
    let mut seen = FxHashMap::default();
    for (v, ids) in p.dims.iter().enumerate().filter(|(v, _)| !inside[*v]) {
        for id in ids.iter().flatten() {
            if seen.insert(p.axes.class(*id), ()).is_some() {
                continue;
            }
            let Some(list) = state.of(*id) else { continue };
            if list.is_empty() || list.iter().any(|s| state.keeps(*s)) {
                continue;
            }
            let keepers = |s: &u32| votes.by_set.get(s).map_or(0, |t| t.keep.len());
            let best = list.iter().enumerate().max_by_key(|(k, s)| (keepers(s), std::cmp::Reverse(*k)));
            if let Some((_, set)) = best {
                let value = ValueId(v as u32);
                state.keep(*set, Why::Last(value));
                last.push(value);
            }
        }
    }
}
