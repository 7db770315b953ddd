//! Positions that are chosen freely instead of by masks: so are rules tested.

use egg::Id;
use rustc_hash::FxHashSet;

use super::data::Data;
use super::options::Options;
use super::outcome::Solution;
use super::positions::{Contexts, Positions, State, Why};
use super::proof::{Exact, Known, Sources, ValueFacts};
use super::settle::{Settled, settle};
use super::votes::{Aliased, Roles, Votes};
use crate::axis::Propagation;
use crate::model::Graph;
use crate::rule::RuleSet;

/// What a free choice leads to.
pub struct Trial {
    /// What stays: all that was not chosen, and what cannot go.
    pub solution: Solution<'static>,
    /// What the rules say of all values.
    pub facts: Vec<ValueFacts>,
}

/// Removes positions of the axes `from`, those for which `goes` says so, as far as the rules allow. `known` tells what each
/// stored tensor holds there; with `data` its values do, and removed positions may hold numbers.
pub fn trial(
    graph: &Graph,
    rules: &RuleSet,
    p: &Propagation,
    from: &[Id],
    goes: &mut dyn FnMut() -> bool,
    known: &dyn Fn(usize) -> Known,
    data: Option<&dyn Data>,
) -> Trial {
    let positions = Positions::new(&p.axes, Contexts::find(graph, p), None);
    let roles = Roles::new(graph, p);
    let mut given = vec![None; graph.tensors.len()];
    let options = Options { unmasked_abstain: true, ..Options::default() };
    let votes = Votes::new(graph, p, &positions, &roles, &mut given, &options);
    let mut state = State::new(&p.axes, &positions);
    let (mut seen, mut chosen) = (FxHashSet::default(), FxHashSet::default());
    for set in from.iter().filter_map(|id| positions.of(&p.axes, *id)).flat_map(|list| list.to_vec()) {
        for atom in positions.atoms(set) {
            if seen.insert(*atom) && goes() {
                chosen.insert(*atom);
            }
        }
    }
    for atom in (0..positions.atom_count() as u32).filter(|a| !chosen.contains(a)) {
        state.keep_atom(atom, Why::NoMaker);
    }
    let exact = data.map(|data| Exact::new(graph, p, &given, data, true));
    let sources = Sources { known, zero: &|_| false, masked: &|_, _, _| None };
    let settled = settle(graph, rules, p, &mut state, &votes, &sources, exact.as_ref());
    drop(exact);
    let Settled { uniform, folds, facts, last, obstacles, rounds, kept, .. } = settled;
    let solution = Solution {
        given,
        kept,
        contexts: positions.contexts.clone(),
        uniform,
        folds,
        absent: Vec::new(),
        verdicts: None,
        makes: roles.makes,
        unmasked: vec![false; graph.tensors.len()],
        ignored: Vec::new(),
        renamed: None,
        aliased: Aliased::default(),
        conflicts: Vec::new(),
        obstacles,
        last,
        stays: Vec::new(),
        rounds,
        lossless: data.is_some(),
        whys: state.into_whys(),
    };
    Trial { solution, facts }
}
