//! Positions that stay because the operator's arguments could not say what is left.

use super::prove::{Failure, Snapshot};
use super::state::{State, Why};
use crate::axis::{Bound, Parts, Propagation, Want, evenly, sections};
use crate::model::Graph;

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

/// The places, among the positions that stay, of the listed ones that stay.
pub fn ranks(kept: &[bool], list: &[u32]) -> Vec<u32> {
    let mut rank = Vec::with_capacity(kept.len());
    let mut next = 0;
    for k in kept {
        rank.push(k.then_some(next));
        next += u32::from(*k);
    }
    list.iter().filter_map(|p| rank.get(*p as usize).copied().flatten()).collect()
}

/// Start and step, if the numbers rise evenly.
pub fn progression(list: &[u32]) -> Option<(u32, u32)> {
    let first = *list.first()?;
    let Some(second) = list.get(1) else { return Some((first, 1)) };
    let step = second.checked_sub(first).filter(|s| *s > 0)?;
    list.windows(2).all(|w| w[1] > w[0] && w[1] - w[0] == step).then_some((first, step))
}

/// What an argument says of parts with these sizes: a list, or one number. `None` if it cannot.
pub fn parts_value(sizes: &[i64], kind: Parts) -> Option<Vec<i64>> {
    let total: i64 = sizes.iter().sum();
    let n = sizes.len() as i64;
    match kind {
        Parts::Listed => Some(sizes.to_vec()),
        Parts::Each => evenly(total, sizes[0]).ok().filter(|e| e == sizes).map(|_| vec![sizes[0]]),
        Parts::Chunks => evenly(total, (total + n - 1) / n.max(1)).ok().filter(|e| e == sizes).map(|_| vec![n]),
        Parts::Sections => (sections(total, n.max(1)) == sizes).then(|| vec![n]),
        Parts::Borders => {
            let ends = sizes.iter().scan(0, |at, s| {
                *at += s;
                Some(*at)
            });
            let mut ends: Vec<i64> = ends.collect();
            ends.pop();
            Some(ends)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_and_progressions() {
        let kept = [true, false, true, true, false, true];
        assert_eq!(ranks(&kept, &[0, 2, 4]), [0, 1]);
        assert_eq!(progression(&ranks(&kept, &[1, 3, 5])), Some((2, 1)));
        assert_eq!(progression(&[0, 2, 3]), None);
        assert_eq!(progression(&[4]), Some((4, 1)));
    }

    #[test]
    fn parts_that_a_number_can_say() {
        assert_eq!(parts_value(&[4, 4, 2], Parts::Each), Some(vec![4]));
        assert_eq!(parts_value(&[4, 2, 4], Parts::Each), None);
        assert_eq!(parts_value(&[4, 4, 2], Parts::Chunks), Some(vec![3]));
        assert_eq!(parts_value(&[3, 5], Parts::Chunks), None);
        assert_eq!(parts_value(&[3, 2], Parts::Sections), Some(vec![2]));
        assert_eq!(parts_value(&[3, 2, 4], Parts::Borders), Some(vec![3, 5]));
    }
}
