//! Coupled layers whose masks disagree: who says what, what became of it, and where the layers meet.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use indexmap::{IndexMap, IndexSet};
use serde::Serialize;

use super::explain::{Meeting, Meetings};
use super::place::{Place, place};
use crate::axis::Propagation;
use crate::model::Graph;
use crate::solve::{Conflict, Policy};

/// Who drops and who keeps the same positions.
#[derive(Clone, Debug, Serialize)]
pub struct Vote {
    /// Parameters whose masks drop the positions.
    pub dropped_by: Vec<String>,
    /// Parameters that keep them.
    pub kept_by: Vec<String>,
    /// How many there are.
    pub positions: usize,
}

/// What became of positions on which masks disagree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// They stay; what is masked of them is zero.
    Stays,
    /// They stay with all their weights.
    Restored,
    /// They are gone.
    Removed,
}

/// Layers whose masks disagree.
#[derive(Clone, Debug, Serialize)]
pub struct Disagreement {
    /// The parameters whose masks say something.
    pub parameters: Vec<String>,
    /// On how many positions they disagree.
    pub positions: usize,
    /// What became of these.
    pub fate: Fate,
    /// Who says what of how many, most positions first.
    pub votes: Vec<Vote>,
    /// The operator in which one that drops meets one that keeps.
    pub at: Option<Place>,
    /// These two.
    #[serde(skip)]
    pub meeting: Option<Meeting>,
}

/// Of so many groups of layers the meeting is looked for.
const MOST_MEETINGS: usize = 1000;

/// The conflicts of a solution, those among the same layers together.
pub fn disagreements(graph: &Graph, p: &Propagation, conflicts: &[Conflict], policy: Policy) -> Vec<Disagreement> {
    let mut groups: IndexMap<(BTreeSet<&String>, Fate), Vec<Vote>> = IndexMap::new();
    for c in conflicts {
        let fate = match (c.stayed, policy) {
            (false, _) => Fate::Removed,
            (true, Policy::Restore) => Fate::Restored,
            (true, _) => Fate::Stays,
        };
        let once = |list: &[String]| list.iter().cloned().collect::<IndexSet<_>>().into_iter().collect();
        let vote = Vote { dropped_by: once(&c.drop), kept_by: once(&c.keep), positions: c.positions };
        groups.entry((c.drop.iter().chain(&c.keep).collect(), fate)).or_default().push(vote);
    }
    let mut meetings = None;
    let mut list = Vec::with_capacity(groups.len());
    for ((parameters, fate), mut votes) in groups {
        votes.sort_by_key(|v| Reverse(v.positions));
        let ends = votes.iter().find_map(|v| Some((v.dropped_by.first()?, v.kept_by.first()?)));
        let ends = ends.filter(|_| list.len() < MOST_MEETINGS);
        let meeting = ends.and_then(|(a, b)| meetings.get_or_insert_with(|| Meetings::new(graph, p)).of(a, b));
        list.push(Disagreement {
            parameters: parameters.into_iter().cloned().collect(),
            positions: votes.iter().map(|v| v.positions).sum(),
            fate,
            votes,
            at: meeting.as_ref().and_then(|m| m.node).map(|node| place(graph, node)),
            meeting,
        });
    }
    list
}
