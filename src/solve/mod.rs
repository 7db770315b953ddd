//! From masks to what stays: votes, dead inputs, proof.

mod computed;
mod data;
mod dead;
mod error;
mod even;
mod express;
mod facts;
mod fold;
mod frame;
mod kernel;
mod masks;
mod norm;
mod number;
mod positions;
mod prove;
mod ragged;
mod roles;
mod state;
mod stays;
mod sums;
mod trial;
mod uniform;
mod units;
mod verdict;
mod votes;

use std::cell::RefCell;
use std::rc::Rc;

use egg::Id;
use indexmap::IndexMap;
use rustc_hash::{FxHashMap, FxHashSet};

pub use data::Data;
pub(crate) use error::closest_names;
pub use error::{SolveError, closest};
pub use express::{parts_value, progression, ranks};
pub use facts::{FINITE, NONNEG, NONZERO, ValueFacts, ZERO};
pub use masks::{Given, Mask, Masks};
pub use norm::rows;
pub use prove::{Blame, Known};
pub use ragged::Link;
pub use roles::Roles;
pub use state::Why;
pub use stays::{Holding, Holds, Stay};
pub use sums::Folding;
pub use trial::{Trial, trial};
pub use uniform::{Ghost, Uniform};
pub use units::{DimUnits, UnitGroup, Units};
pub use verdict::Verdict;
pub use votes::Conflict;

use fold::Fold;
use number::Exact;
use positions::{Positions, SetId};
use prove::{Failure, Proof, Prover, Sources};
use ragged::Contexts;
use state::State;
use votes::Votes;

use crate::axis::Propagation;
use crate::model::{Graph, NodeId, Role, ValueId};
use crate::rule::RuleSet;

/// What decides where masks of coupled layers disagree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// A position goes only if all say so; masked weights that stay, stay zero.
    #[default]
    Keep,
    /// As keep, and the mask of what stays is lifted.
    Restore,
    /// One vote is enough.
    Prune,
    /// A disagreement is an error.
    Error,
}

/// How to solve.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// What decides where masks disagree.
    pub policy: Policy,
    /// A layer without a mask follows the others instead of voting to stay.
    pub unmasked_abstain: bool,
    /// The small model is to equal the original with the given masks, and no further zeros.
    pub lossless: bool,
    /// In that case numbers may be added that differ from place to place of a result.
    pub bias_maps: bool,
    /// An axis of which to say what was decided of each position.
    pub explain: Option<Id>,
}

/// Positions that stayed although a mask drops them, or although they could be asked to go.
#[derive(Clone, Debug)]
pub struct Obstacle {
    /// The node that stands in the way.
    pub node: NodeId,
    /// Number of positions.
    pub positions: usize,
    /// What it finds there.
    pub why: Hindrance,
    /// Parameters that stay with these positions, where the given masks alone count.
    pub parameters: u64,
    /// Of what is not proven to be zero: what makes the first of it something else.
    pub blame: Option<Blame>,
}

/// What stands in the way of a removal at a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hindrance {
    /// The positions are summed over, and nothing is proven zero there.
    Unproven,
    /// They are summed over and hold numbers that cannot be folded.
    Constant,
    /// They hold numbers that a bias map could take up.
    Border,
    /// The node's arguments cannot express what would be left.
    Inexpressible,
}

/// What stays of every axis.
pub struct Solution<'a> {
    /// The masks that were given, by tensor.
    pub given: Vec<Option<Given<'a>>>,
    /// By class: for each position whether it stays; `None` where all do.
    kept: FxHashMap<Id, Option<Rc<[bool]>>>,
    contexts: Contexts,
    /// What is equal at all removed positions though not zero.
    pub uniform: Uniform,
    /// Numbers at removed positions, added up for the biases that take them.
    pub folds: Vec<Folding>,
    /// Operands that are zero everywhere when a node reads them.
    pub absent: Vec<(NodeId, ValueId)>,
    /// Of the axis that [`Options::explain`] names.
    pub verdicts: Option<Vec<Verdict>>,
    /// By tensor and dimension: its mask, or that it has none, decides over the axis.
    pub makes: Vec<Vec<bool>>,
    /// By tensor: it is cut without being masked, since it is divided by its norm.
    pub unmasked: Vec<bool>,
    /// Masks that were ignored: of weights that are computed from other parameters.
    pub ignored: Vec<String>,
    /// Where masks disagree.
    pub conflicts: Vec<Conflict>,
    /// Where a removal could not be shown to be right.
    pub obstacles: Vec<Obstacle>,
    /// Values of which a dimension would be left without positions.
    pub last: Vec<ValueId>,
    /// Positions that a mask drops and that stay.
    pub stays: Vec<Stay>,
    /// How often the solver ran until the proof held.
    pub rounds: usize,
    /// The small model equals the original with the given masks.
    pub lossless: bool,
    /// By unit why it stays.
    whys: Vec<Option<Why>>,
}

impl Solution<'_> {
    /// Number of positions that stay (of a ragged axis: in each outer position); `None` where all do.
    pub fn size(&self, p: &Propagation, id: Id) -> Option<usize> {
        let total = self.kept(p, id)?.iter().filter(|k| **k).count();
        let context = self.contexts.of(&p.axes, id);
        let outer = context.map_or(1, |c| self.kept(p, c.class).map_or(c.outer, |k| k.iter().filter(|k| **k).count()));
        Some(total / outer.max(1))
    }

    /// Where a dimension of a value is ragged: which other dimension tells the outer position.
    pub fn ragged(&self, p: &Propagation, value: ValueId, dim: usize) -> Option<Link<usize>> {
        self.contexts.dim(&p.axes, p.dims[value.index()].as_deref()?, dim)
    }

    /// For each position of an axis whether it stays, of a ragged axis for each pair of an outer and an own position; `None`
    /// where all do.
    pub fn kept(&self, p: &Propagation, id: Id) -> Option<Rc<[bool]>> {
        self.kept.get(&p.axes.class(id)).cloned().flatten()
    }

    /// The same for a dimension of a value.
    pub fn dim(&self, p: &Propagation, value: ValueId, dim: usize) -> Option<Rc<[bool]>> {
        let id = *p.dims[value.index()].as_ref()?.get(dim)?;
        self.kept(p, id)
    }

    /// Why one of the [`Units`] stays; `None` if it goes.
    pub fn why(&self, unit: u32) -> Option<&Why> {
        self.whys.get(unit as usize).and_then(Option::as_ref)
    }

    /// True if nothing goes.
    pub fn is_everything(&self) -> bool {
        self.kept.values().all(Option::is_none)
    }
}

/// Decides what stays.
///
/// # Errors
/// Masks for unknown parameters or of other shapes; a disagreement under [`Policy::Error`].
pub fn solve<'a>(
    graph: &Graph,
    rules: &RuleSet,
    p: &Propagation,
    masks: &'a Masks<'a>,
    options: &Options,
    data: &dyn Data,
) -> Result<Solution<'a>, SolveError> {
    let (mut given, computed) = masks::given(graph, masks)?;
    let unmasked = norm::unmasked(graph, p);
    let positions = Positions::new(&p.axes, Contexts::find(graph, p));
    let roles = Roles::new(graph, p);
    let ignored = computed::reach(graph, rules, p, &roles, computed, &mut given);
    let asked = norm::move_rows(graph, p, &mut given);
    // Where the given masks alone count, the proof says whether what one of them drops may go.
    let policy = if options.lossless { Policy::Prune } else { options.policy };
    let mut votes = Votes::new(graph, p, &positions, &roles, &mut given, options);
    let dead = dead::dead(graph, p, &positions, &roles, &given);
    let mut state = State::new(&p.axes, &positions);
    votes.count(&mut state, &dead, policy);
    let conflicts = votes.conflicts(graph, &state);
    if options.policy == Policy::Error && !conflicts.is_empty() {
        return Err(SolveError::conflict(&conflicts));
    }
    let seen: RefCell<FxHashMap<usize, Known>> = RefCell::default();
    let known = |k: usize| {
        let look = || {
            let t = &graph.tensors[k];
            // What is written to is something else in the next call.
            let fixed = t.role != Role::Parameter && !p.aliases.written(t.value);
            let removed = match t.role {
                Role::Parameter if unmasked[k] => FINITE | NONZERO,
                Role::Parameter => ZERO | FINITE | NONNEG,
                _ if fixed && data.infinite(k) => 0,
                _ => FINITE,
            };
            Known { removed, all: if fixed { data.flags(k) } else { 0 } }
        };
        *seen.borrow_mut().entry(k).or_insert_with(look)
    };
    let masked =
        |k: usize, dim: usize, link| given[k].as_ref().filter(|_| unmasked[k])?.masked(&graph.tensors[k].shape, dim, link);
    let exact = options.lossless.then(|| Exact::new(graph, p, &given, data, options.bias_maps));
    let lifted = options.policy == Policy::Restore && !options.lossless;
    let zero = |k: usize| {
        let wholly = |given: &Given| !given.mask.keep.is_empty() && given.mask.keep.iter().all(|keep| *keep == 0);
        !lifted && !unmasked[k] && given[k].as_ref().is_some_and(wholly) && !p.aliases.written(graph.tensors[k].value)
    };
    let sources = Sources { known: &known, zero: &zero, masked: &masked };
    let settled = settle(graph, rules, p, &mut state, &votes, &sources, exact.as_ref());
    drop(exact);
    let Settled { uniform, folds, absent, last, mut obstacles, costs, rounds, kept, .. } = settled;
    if options.lossless {
        cost(graph, p, &state, &costs, &mut obstacles);
    }
    let conflicts = votes.conflicts(graph, &state);
    let contexts = positions.contexts.clone();
    let stays = stays::stays(graph, p, &state, &votes, (&roles, &given, policy), &asked);
    let verdicts = options.explain.map(|id| verdict::verdicts(p, &state, &votes, policy, id));
    Ok(Solution {
        given,
        kept,
        contexts,
        uniform,
        folds,
        absent,
        verdicts,
        makes: roles.makes,
        unmasked,
        ignored,
        conflicts,
        obstacles,
        last,
        stays,
        rounds,
        lossless: options.lossless,
        whys: state.into_whys(),
    })
}

/// What stays once everything that goes was shown to be right.
struct Settled {
    uniform: Uniform,
    folds: Vec<Folding>,
    facts: Vec<ValueFacts>,
    absent: Vec<(NodeId, ValueId)>,
    last: Vec<ValueId>,
    obstacles: Vec<Obstacle>,
    costs: Costs,
    rounds: usize,
    kept: FxHashMap<Id, Option<Rc<[bool]>>>,
}

/// Makes positions stay until that is so. With `exact`, only the given masks make a parameter zero.
fn settle(
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
        even::even_out(state, votes);
        let Proof { mut failures, uniform, folds, facts, blames, absent } = Prover::run(graph, rules, p, state, sources, exact);
        failures.extend(express::inexpressible(graph, p, state));
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
type Costs = IndexMap<Why, Vec<SetId>>;

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
fn cost(graph: &Graph, p: &Propagation, state: &State, costs: &Costs, obstacles: &mut [Obstacle]) {
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
