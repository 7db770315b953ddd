//! Masks vote: for each position, who drops it and who keeps it.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use rustc_hash::FxHashSet;
use smallvec::SmallVec;

use super::conflict::Conflict;
use super::masks::Given;
use super::roles::Roles;
use crate::axis::Propagation;
use crate::model::{Graph, Role};
use crate::solve::options::Options;
use crate::solve::options::Policy;
use crate::solve::positions::{Positions, STAYS, SetId};
use crate::solve::positions::{State, Why};

/// The votes on one position.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Tensors whose mask drops it.
    pub drop: SmallVec<[usize; 2]>,
    /// Tensors that keep it; makers without a mask among them.
    pub keep: SmallVec<[usize; 2]>,
}

/// For each position of a tensor's dimension (of a ragged one: in each outer position) whether the mask keeps anything of it;
/// `None` if it says nothing of this dimension.
pub fn said(given: &Given, graph: &Graph, p: &Propagation, positions: &Positions, (k, d): (usize, usize)) -> Option<Vec<bool>> {
    let tensor = &graph.tensors[k];
    match positions.contexts.dim(&p.axes, p.dims[tensor.value.index()].as_deref()?, d) {
        Some(link) => given.pairs(&tensor.shape, d, link),
        None => given.slices.get(d)?.clone(),
    }
}

/// All votes.
pub struct Votes {
    /// By position.
    pub by_set: BTreeMap<SetId, Tally>,
    /// For each atom whether some vote that counts drops it.
    dropped: Vec<bool>,
}

impl Votes {
    /// Collects the votes of all parameters on the axes that they make, and of masked ones on axes that they only scale or
    /// shift.
    pub fn new(
        graph: &Graph,
        p: &Propagation,
        positions: &Positions,
        roles: &Roles,
        given: &mut [Option<Given>],
        options: &Options,
    ) -> Votes {
        let mut votes: Vec<(SetId, usize, bool)> = Vec::new();
        let first = graph.first_names();
        for (k, tensor) in graph.tensors.iter().enumerate().filter(|(_, t)| t.role == Role::Parameter) {
            if first[k] != k {
                continue; // has voted under its other name
            }
            if let Some(g) = &mut given[k]
                && g.per_channel
            {
                let fits = |d: &usize| tensor.shape[*d] == g.mask.shape[0];
                let makes = (0..tensor.shape.len()).filter(fits).find(|d| roles.makes[k][*d]);
                g.channel(makes.or_else(|| (0..tensor.shape.len()).find(fits)).unwrap_or(0));
            }
            let dims = p.dims[tensor.value.index()].as_deref().unwrap_or(&[]);
            // Where several positions are one, a tensor that keeps one of them keeps it; but for the sake of the given masks alone
            // what drops one of them is enough, as in a gated unit whose gate it keeps.
            let mut own: Vec<(SetId, bool)> = Vec::new();
            for (d, id) in dims.iter().enumerate() {
                if roles.within(k, d) {
                    let any = given[k].as_ref().and_then(|g| g.slices.get(d)?.as_deref());
                    let unmasked = any.is_none() && (given[k].is_some() || options.unmasked_abstain);
                    for (part, kept) in roles.made_within(p, (k, d), *id, any).into_iter().flatten().filter(|_| !unmasked) {
                        let list = positions.of(&p.axes, part).into_iter().flat_map(|list| list.to_vec());
                        votes.extend(list.zip(kept).filter(|(set, _)| *set != STAYS).map(|(set, kept)| (set, k, kept)));
                    }
                    continue;
                }
                let Some(list) = positions.of(&p.axes, *id) else { continue };
                let says: Vec<bool> = match &given[k] {
                    Some(g) if roles.votes(k, d) => match said(g, graph, p, positions, (k, d)) {
                        Some(any) => any,
                        None => continue,
                    },
                    None if roles.makes[k][d] && !options.unmasked_abstain => vec![true; list.len()],
                    _ => continue,
                };
                own.extend(list.iter().copied().zip(says).filter(|(s, _)| *s != STAYS));
            }
            own.sort_unstable_by_key(|(set, _)| *set);
            own.dedup_by(|(set, kept), (first, vote)| {
                let same = set == first;
                if same {
                    *vote = if options.lossless { *vote && *kept } else { *vote || *kept };
                }
                same
            });
            votes.extend(own.into_iter().map(|(set, kept)| (set, k, kept)));
        }
        votes.sort_by_key(|(set, ..)| *set);
        let mut tallies: Vec<(SetId, Tally)> = Vec::new();
        for (set, k, kept) in votes {
            if tallies.last().is_none_or(|(last, _)| *last != set) {
                tallies.push((set, Tally::default()));
            }
            if let Some((_, tally)) = tallies.last_mut() {
                if kept { tally.keep.push(k) } else { tally.drop.push(k) }
            }
        }
        Votes { by_set: tallies.into_iter().collect(), dropped: vec![false; positions.atom_count()] }
    }

    /// Keeps what the policy says of the votes, and what nobody drops.
    pub fn count(&mut self, state: &mut State, dead: &[bool], policy: Policy) {
        let alive = |state: &State, set: SetId| !state.positions.atoms(set).iter().any(|a| dead[*a as usize]);
        let drops = |tally: &Tally| !tally.drop.is_empty() && (tally.keep.is_empty() || policy == Policy::Prune);
        // What is dropped under one description may go under the others.
        let mut todo: Vec<SetId> = self.by_set.iter().filter(|(_, tally)| drops(tally)).map(|(set, _)| *set).collect();
        let mut seen = FxHashSet::default();
        while let Some(set) = todo.pop() {
            if seen.insert(set) {
                state.positions.atoms(set).iter().for_each(|a| self.dropped[*a as usize] = true);
                todo.extend(state.tied(set));
            }
        }
        for (set, tally) in &self.by_set {
            let drops = !tally.drop.is_empty() && (tally.keep.is_empty() || policy == Policy::Prune);
            if !drops && alive(state, *set) {
                let by = tally.keep.first().map_or(Why::NoMaker, |k| Why::Maker(*k));
                state.keep(*set, by);
            }
        }
        for atom in 0..state.positions.atom_count() as u32 {
            if !self.dropped[atom as usize] && !dead[atom as usize] {
                state.keep_atom(atom, Why::NoMaker);
            }
        }
    }

    /// Where tensors disagree, grouped by who does.
    pub fn conflicts(&self, graph: &Graph, state: &State) -> Vec<Conflict> {
        let mut groups: IndexMap<(Vec<usize>, Vec<usize>), (usize, bool)> = IndexMap::new();
        for (set, tally) in &self.by_set {
            if !tally.drop.is_empty() && !tally.keep.is_empty() {
                let group = groups.entry((tally.drop.to_vec(), tally.keep.to_vec())).or_default();
                group.0 += 1;
                group.1 |= state.keeps(*set);
            }
        }
        let names = |list: &[usize]| list.iter().map(|k| graph.tensors[*k].name.clone()).collect();
        groups
            .into_iter()
            .map(|((drop, keep), (positions, stayed))| Conflict { drop: names(&drop), keep: names(&keep), positions, stayed })
            .collect()
    }
}
