//! Calls of functions that stay as they are.

use rustc_hash::{FxHashMap, FxHashSet};

use super::archive::{Archive, Stored};
use crate::model::{Graph, Origin, ValueId};

/// Calls of functions, by their place in the file, that say what they said: all their nodes are there, untouched, and nothing else reads what is
/// inside. `initializers` and `by_place` are the tensors and the new nodes at places of the unfolded graph.
pub(super) fn kept_calls(
    archive: &Archive,
    small: &Graph,
    (initializers, by_place): (&FxHashMap<Stored, usize>, &FxHashMap<usize, usize>),
    same_tensor: &dyn Fn(usize) -> bool,
    same_node: &dyn Fn(usize) -> bool,
) -> FxHashSet<usize> {
    let units = &archive.source.nodes;
    let calls: Vec<usize> = (0..units.len()).filter(|k| units.is_call(*k)).collect();
    let mut call_at: FxHashMap<usize, usize> = FxHashMap::default();
    calls.iter().for_each(|call| call_at.extend(units.of(*call).map(|at| (at, *call))));
    if calls.is_empty() {
        return FxHashSet::default();
    }
    let mut changed: FxHashSet<usize> = FxHashSet::default();
    for call in &calls {
        let mut next = None;
        for at in units.of(*call) {
            let same = match (initializers.get(&Stored::Constant(at)), by_place.get(&at)) {
                (Some(k), _) => same_tensor(*k),
                (None, Some(k)) => next.replace(*k + 1).is_none_or(|n| n == *k) && same_node(*k),
                (None, None) => false,
            };
            if !same {
                changed.insert(*call);
            }
        }
    }
    // What is made in a call, and is no result of it.
    let read = &archive.program.graph;
    let mut inside: FxHashMap<ValueId, usize> = FxHashMap::default();
    for node in &read.nodes {
        if let Origin::Listed(at) = node.origin
            && let Some(call) = call_at.get(&at)
        {
            inside.extend(node.outputs.iter().map(|v| (*v, *call)));
        }
    }
    for (stored, tensor) in archive.program.stored.iter().zip(&read.tensors) {
        if let Stored::Constant(at) = stored
            && let Some(call) = call_at.get(at)
        {
            inside.insert(tensor.value, *call);
        }
    }
    for call in &calls {
        let results = units.results(*call);
        inside.retain(|v, c| c != call || !results.contains(&read.value(*v).name.as_str()));
    }
    for node in &small.nodes {
        let own = if let Origin::Listed(at) = node.origin { call_at.get(&at) } else { None };
        changed.extend(node.reads().iter().filter_map(|v| inside.get(v)).filter(|call| Some(*call) != own));
    }
    calls.into_iter().filter(|call| !changed.contains(call)).collect()
}
