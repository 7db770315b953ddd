//! Disagreements of masks as the page shows them: with their group, and the chain that couples the layers.

use rustc_hash::FxHashMap;
use serde::Serialize;

use super::super::analysis::{Analysis, MemberRole};
use super::super::disagreement::Disagreement;
use super::super::explain::{Chain, Explainer};
use super::shorten::shorten;

/// Layers whose masks disagree.
#[derive(Clone, Debug, Serialize)]
pub struct Quarrel {
    /// The disagreement, with at most `MOST_VOTES` votes.
    #[serde(flatten)]
    pub disagreement: Disagreement,
    /// How many other votes there are.
    pub more: usize,
    /// The group, if it is one.
    pub group: Option<usize>,
    /// What couples one that drops with one that keeps.
    pub chain: Option<Chain>,
}

/// So many ways to disagree are told of the same layers.
pub const MOST_VOTES: usize = 20;

/// All disagreements of a run.
pub fn quarrels(analysis: &Analysis, disagreements: &[Disagreement], explainer: &mut Explainer) -> Vec<Quarrel> {
    let mut groups: FxHashMap<&str, Vec<(usize, MemberRole)>> = FxHashMap::default();
    for g in &analysis.groups {
        g.members.iter().for_each(|m| groups.entry(&m.tensor).or_default().push((g.id, m.role)));
    }
    let of = |name: &String| groups.get(name.as_str()).into_iter().flatten();
    let quarrel = |d: &Disagreement| {
        let makes = |id: &usize| d.parameters.iter().all(|n| of(n).any(|(g, role)| g == id && *role != MemberRole::Reads));
        let group = d.parameters.first().and_then(|n| of(n).map(|(id, _)| *id).find(makes));
        // Heads of one weight disagree without a chain.
        let chain = d.meeting.as_ref().and_then(|m| explainer.same(&m.a, &m.b).ok()).filter(|c| !c.steps.is_empty());
        let mut disagreement = d.clone();
        let more = disagreement.votes.len().saturating_sub(MOST_VOTES);
        disagreement.votes.truncate(MOST_VOTES);
        Quarrel { disagreement, more, group, chain: chain.map(shorten) }
    };
    disagreements.iter().map(quarrel).collect()
}
