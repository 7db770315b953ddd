//! Positions that a mask drops and that stay all the same, each with what holds it.

use egg::Id;
use indexmap::IndexMap;
use rustc_hash::FxHashMap;

use crate::axis::{Axis, Propagation, Reason};
use crate::model::Graph;
use crate::solve::options::Policy;
use crate::solve::positions::STAYS;
use crate::solve::positions::{State, Why};
use crate::solve::votes::Given;
use crate::solve::votes::Roles;
use crate::solve::votes::{Votes, said};

/// Positions of one axis of a tensor that its mask drops and that stay, all for one reason.
#[derive(Clone, Debug)]
pub struct Stay {
    /// The tensor.
    pub tensor: usize,
    /// Its dimension.
    pub dim: usize,
    /// The positions: numbers in the dimension (of a ragged one: in all outer positions, one after another).
    pub positions: Vec<usize>,
    /// What holds them.
    pub holds: Holds,
}

/// What holds a position that could be asked to go.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Holds {
    /// The axis, or the part of it that the position is in, is locked: the class that is.
    Locked(Id),
    /// A factor of the axis is locked, so that only all of it goes: here the same mask keeps some.
    Factor(Id),
    /// These tensors keep it: by their mask, or as they make the axis and have none.
    Kept(Vec<usize>),
    /// It goes only together with others, a whole group or the like, and this tensor keeps some of these.
    Together(usize),
    /// The tensor only reads the axis, and others do too: its mask decides nothing. These tensors keep it, if any do.
    Read(Vec<usize>),
    /// What the solver found.
    Why(Why),
}

/// Finds what holds single positions.
pub struct Holding<'a> {
    p: &'a Propagation,
    locked: FxHashMap<Id, &'a Reason>,
}

impl<'a> Holding<'a> {
    /// Of these axes.
    pub fn new(p: &'a Propagation) -> Holding<'a> {
        Holding { p, locked: p.axes.locked_because() }
    }

    /// The class that is locked and that holds a position of an axis: its own, that of its part, or that of a factor.
    pub fn lock(&self, id: Id, at: usize) -> Option<Id> {
        self.search(id, at, 0)
    }

    fn search(&self, id: Id, at: usize, depth: usize) -> Option<Id> {
        let axes = &self.p.axes;
        let class = axes.class(id);
        if self.locked.contains_key(&class) {
            return Some(class);
        }
        if depth > 16 {
            return None;
        }
        let size = |id: Id| axes.size(id).hint().and_then(|n| usize::try_from(n).ok()).unwrap_or(1).max(1);
        let at = at % size(class);
        axes.descriptions(class).into_iter().find_map(|d| match d {
            Axis::Cat(parts) => {
                let mut start = 0;
                let part = parts.iter().find(|part| {
                    let here = at < start + size(**part);
                    start += if here { 0 } else { size(**part) };
                    here
                })?;
                self.search(*part, at - start, depth + 1)
            }
            Axis::Merge(parts) => {
                let mut rest = at;
                let digits = parts.iter().rev().map(|part| {
                    let digit = rest % size(*part);
                    rest /= size(*part);
                    (*part, digit)
                });
                let digits: Vec<(Id, usize)> = digits.collect();
                digits.into_iter().find_map(|(part, digit)| self.search(part, digit, depth + 1))
            }
            Axis::Pick([of], list) => self.search(*of, *list.get(at)? as usize, depth + 1),
            Axis::Leaf(_) => None,
        })
    }

    /// What holds a position of an axis that a mask drops which has no vote there: the tensor only reads the axis.
    fn of_reader(&self, state: &State, votes: &Votes, (id, at): (Id, usize)) -> Holds {
        let set = state.of(id).and_then(|list| list.get(at).copied()).unwrap_or(STAYS);
        if let Some(lock) = self.lock(id, at) {
            return if set == STAYS { Holds::Locked(lock) } else { Holds::Factor(lock) };
        }
        let (mut makers, mut found) = (votes.by_set.get(&set).map_or_else(Vec::new, |t| t.keep.to_vec()), None);
        for why in state.why(set) {
            match why {
                Why::Maker(k) if makers.contains(&k) => {}
                Why::Maker(k) => makers.push(k),
                Why::NoMaker => {}
                why => found = found.or(Some(why)),
            }
        }
        match found {
            Some(why) => Holds::Why(why),
            None if set == STAYS => Holds::Why(Why::Tied),
            None => Holds::Read(makers),
        }
    }

    /// What holds a position of an axis that stays; `tensor` is one whose mask drops it.
    pub fn of(&self, state: &State, votes: &Votes, policy: Policy, (id, at): (Id, usize), tensor: usize) -> Holds {
        let set = state.of(id).and_then(|list| list.get(at).copied()).unwrap_or(STAYS);
        let lock = |otherwise: Holds, found: fn(Id) -> Holds| self.lock(id, at).map_or(otherwise, found);
        if set == STAYS {
            return lock(Holds::Why(Why::Tied), Holds::Locked);
        }
        let tally = votes.by_set.get(&set);
        let keep = tally.map_or(&[][..], |t| t.keep.as_slice());
        if keep.contains(&tensor) {
            return lock(Holds::Together(tensor), Holds::Factor);
        }
        if policy != Policy::Prune && !keep.is_empty() {
            return Holds::Kept(keep.to_vec());
        }
        let mut whys = state.why(set);
        // Of several atoms those that were only voted to stay say the least.
        whys.sort_by_key(|w| matches!(w, Why::Maker(_) | Why::NoMaker));
        match whys.into_iter().next() {
            Some(Why::Maker(k)) => lock(Holds::Together(k), Holds::Factor),
            Some(why) => Holds::Why(why),
            None => Holds::Why(Why::NoMaker),
        }
    }
}

/// All of them, by tensor and dimension. `asked` are masks as they were given that are taken as other tensors' (`votes::norm`).
pub fn stays(
    graph: &Graph,
    p: &Propagation,
    state: &State,
    votes: &Votes,
    (roles, given, policy): (&Roles, &[Option<Given>], Policy),
    asked: &FxHashMap<usize, Given>,
) -> Vec<Stay> {
    let holding = Holding::new(p);
    let first = graph.first_names();
    let mut found = Vec::new();
    for (k, t) in graph.tensors.iter().enumerate().filter(|(k, _)| first[*k] == *k) {
        let (Some(given), Some(ids)) = (asked.get(&k).or(given[k].as_ref()), p.dims[t.value.index()].as_deref()) else {
            continue;
        };
        for (d, id) in ids.iter().enumerate() {
            let reader = !roles.votes(k, d) || roles.within(k, d) || asked.contains_key(&k);
            let list = state.of(*id);
            let Some(any) = said(given, graph, p, state.positions, (k, d)) else { continue };
            let mut groups: IndexMap<Holds, Vec<usize>> = IndexMap::new();
            for at in (0..any.len()).filter(|at| !any[*at]) {
                let stays = list.as_ref().and_then(|l| l.get(at)).is_none_or(|set| *set == STAYS || state.keeps(*set));
                if stays {
                    let holds = match reader {
                        true => holding.of_reader(state, votes, (*id, at)),
                        false => holding.of(state, votes, policy, (*id, at), k),
                    };
                    groups.entry(holds).or_default().push(at);
                }
            }
            found.extend(groups.into_iter().map(|(holds, positions)| Stay { tensor: k, dim: d, positions, holds }));
        }
    }
    found
}
