//! Positions that stay because the operator's arguments could not say what is left.

use super::failure::Failure;
use super::lists::{parts_value, progression, ranks};
use super::scene::Snapshot;
use crate::axis::{Bound, Propagation, Want};
use crate::model::Graph;
use crate::solve::positions::{State, Why};

/// Finds what has to stay: irregular strided slices that are written or stand in a sub-graph, and parts that no argument
/// can list.
pub fn inexpressible(graph: &Graph, p: &Propagation, state: &State) -> Vec<Failure> {
    let snapshot = Snapshot::new(state);
    let mut failures = Vec::new();
    let mut used = vec![false; graph.values.len()];
    graph
        .nodes
        .iter()
        .flat_map(|n| &n.args)
        .flat_map(|(_, a)| a.tensors())
        .chain(graph.outputs.iter().copied())
        .for_each(|v| used[v.index()] = true);
    for bound in p.bounds() {
        // A repair may give the first result only.
        let repair = bound.rule.statistic.as_ref().map_or(&[][..], |s| &s.repair);
        let given = |k: usize| repair.iter().any(|s| s.name == format!("out{k}"));
        let outputs = graph.node(bound.node).outputs.iter().enumerate().skip(1);
        if !repair.is_empty() && outputs.into_iter().any(|(k, v)| used[v.index()] && !given(k)) {
            failures.extend(bound.over.iter().flat_map(|l| removed(state, bound, *l)));
        }
        for l in &bound.at_least_two {
            if bound.letters[*l as usize].len() > 1 && count(&snapshot, bound, *l) == 1 {
                failures.extend(removed(state, bound, *l).into_iter().next());
            }
        }
        for edit in &bound.edits {
            let letters = match &edit.want {
                Want::Places(letter, _) if bound_to_view(graph, p, bound) => vec![*letter],
                Want::Stride(letter, list, _) => {
                    let kept = snapshot.kept(bound.ids[*letter as usize]);
                    let irregular = kept.is_some_and(|kept| progression(&ranks(&kept, list)).is_none());
                    if irregular && bound_to_view(graph, p, bound) { vec![*letter] } else { vec![] }
                }
                Want::Parts(letters, kind) if bound.rule.becomes.is_none() => {
                    let sizes: Vec<i64> = letters.iter().map(|l| count(&snapshot, bound, *l)).collect();
                    if parts_value(&sizes, *kind).is_some() { vec![] } else { letters.clone() }
                }
                _ => vec![],
            };
            failures.extend(letters.into_iter().flat_map(|l| removed(state, bound, l)));
        }
    }
    failures
}

/// True where no gather, which copies, can take the node's place: its result is written through.
fn bound_to_view(graph: &Graph, p: &Propagation, bound: &Bound) -> bool {
    graph.node(bound.node).outputs.iter().any(|v| p.aliases.written(*v))
}

/// All positions of a letter that go.
fn removed(state: &State, bound: &Bound, letter: u32) -> Vec<Failure> {
    let list = state.of(bound.ids[letter as usize]);
    let gone = list.iter().flat_map(|list| list.iter()).filter(|set| !state.keeps(**set));
    gone.map(|set| Failure { set: *set, why: Why::Inexpressible(bound.node) }).collect()
}

fn count(snapshot: &Snapshot, bound: &Bound, letter: u32) -> i64 {
    let all = bound.letters[letter as usize].len() as i64;
    snapshot.size(bound.ids[letter as usize]).map_or(all, |n| n as i64)
}
