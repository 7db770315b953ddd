//! What was decided of each position of an axis, and who had a say.

use egg::Id;

use super::stays::{Holding, Holds};
use crate::axis::Propagation;
use crate::solve::options::Policy;
use crate::solve::positions::STAYS;
use crate::solve::positions::{State, Why};
use crate::solve::votes::Votes;

/// What was decided of one position.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verdict {
    /// It stays.
    pub kept: bool,
    /// Why it stays. A position of several atoms has a reason for each.
    pub why: Vec<Why>,
    /// The tensors whose masks drop it.
    pub drop: Vec<usize>,
    /// The tensors that keep it; makers without a mask among them.
    pub keep: Vec<usize>,
    /// What holds it, where neither the votes nor [`Verdict::why`] say.
    pub holds: Option<Holds>,
}

/// Positions of an axis that is not listed that are looked at one by one; of a longer one the first speaks for all.
const MOST: usize = 1 << 16;

/// Of all positions of an axis, or one for all of a long one that stays.
pub fn verdicts(p: &Propagation, state: &State, votes: &Votes, policy: Policy, id: Id) -> Vec<Verdict> {
    let holding = Holding::new(p);
    let list = state.of(id);
    let size = || p.axes.size(id).hint().and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
    let one = |at: usize| {
        let set = list.as_ref().map_or(STAYS, |list| list[at]);
        let kept = set == STAYS || state.keeps(set);
        let tally = votes.by_set.get(&set).cloned().unwrap_or_default();
        let holds = match tally.drop.first() {
            _ if !kept => None,
            Some(k) if tally.keep.is_empty() => Some(holding.of(state, votes, policy, (id, at), *k)),
            _ => holding.lock(id, at).map(if set == STAYS { Holds::Locked } else { Holds::Factor }),
        };
        let mut why = if kept { state.why(set) } else { Vec::new() };
        if list.is_none() && holds.is_none() {
            why.push(Why::NoMaker);
        }
        Verdict { kept, why, drop: tally.drop.into_vec(), keep: tally.keep.into_vec(), holds }
    };
    let count = list.as_ref().map_or_else(size, |l| l.len());
    (0..if list.is_none() && count > MOST { 1 } else { count }).map(one).collect()
}
