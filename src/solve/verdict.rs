//! What was decided of each position of an axis, and who had a say.

use egg::Id;

use super::positions::STAYS;
use super::state::{State, Why};
use super::votes::Votes;

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
}

/// Of all positions of an axis; `None` where all stay in any case, as it is locked.
pub(super) fn verdicts(state: &State, votes: &Votes, id: Id) -> Option<Vec<Verdict>> {
    let list = state.of(id)?;
    let one = |set: &u32| {
        let kept = *set == STAYS || state.keeps(*set);
        let tally = votes.by_set.get(set).cloned().unwrap_or_default();
        Verdict { kept, why: if kept { state.why(*set) } else { Vec::new() }, drop: tally.drop, keep: tally.keep }
    };
    Some(list.iter().map(one).collect())
}
