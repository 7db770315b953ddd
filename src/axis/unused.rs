//! Nodes whose results nobody uses: an export keeps them, and what they would ask of their operands binds nobody.

use rustc_hash::FxHashMap;

use super::alias::Aliases;
use crate::model::{Graph, Node, NodeId, Origin, ValueId};
use crate::rule::RuleSet;

/// Takes nodes out of a graph that no output needs, see [`needed`].
///
/// A program with conditions or loops stays as it is: what decides over them is used by no node.
pub fn drop_unused(graph: &mut Graph, rules: &RuleSet) {
    if graph.nodes.iter().any(|n| n.origin == Origin::Implied) {
        return;
    }
    let mut needed = needed(graph, rules, |k| only_checks(&graph.nodes[k], rules)).into_iter();
    graph.nodes.retain(|_| needed.next().unwrap_or(true));
}

/// For each node whether an output of the program or one of the nodes that `root` names needs it, or it does something beside its
/// results: it writes what the caller sees, or it is of an operator that neither PyTorch's schemas nor built-in rules know. What only
/// checks a tensor ([`only_checks`]) needs to be named to count.
pub fn needed(graph: &Graph, rules: &RuleSet, root: impl Fn(usize) -> bool) -> Vec<bool> {
    let aliases = Aliases::unfitted(graph, rules);
    let mut producer = vec![None; graph.values.len()];
    let mut writers: FxHashMap<ValueId, Vec<usize>> = FxHashMap::default();
    // Memory that is there beside the program's own: a write to it is seen.
    let mut seen = vec![true; graph.values.len()];
    for (id, node) in graph.node_ids().zip(&graph.nodes) {
        let known = only_computes(node, rules);
        for out in &node.outputs {
            producer[out.index()] = Some(id.index());
            seen[out.index()] = !known;
        }
        for written in aliases.writes(id) {
            writers.entry(aliases.root(*written)).or_default().push(id.index());
        }
    }
    let outside = |k: usize| {
        let writes = aliases.writes(NodeId(k as u32));
        let node = &graph.nodes[k];
        !(only_computes(node, rules) || only_checks(node, rules)) || writes.iter().any(|v| seen[aliases.root(*v).index()])
    };
    let mut next: Vec<usize> = (0..graph.nodes.len()).filter(|k| root(*k) || outside(*k)).collect();
    let mut values: Vec<ValueId> = graph.outputs.clone();
    let mut needed = vec![false; graph.nodes.len()];
    loop {
        for value in values.drain(..) {
            next.extend(producer[value.index()]);
            next.extend(writers.remove(&aliases.root(value)).unwrap_or_default());
        }
        let Some(k) = next.pop() else { return needed };
        if !std::mem::replace(&mut needed[k], true) {
            values.extend(graph.nodes[k].reads());
        }
    }
}

/// True if a call gives nothing and writes nothing, but looks at a tensor: an assertion.
pub fn only_checks(node: &Node, rules: &RuleSet) -> bool {
    let writes = |target: &str| rules.schemas().get(target).is_none_or(|s| !s.written().is_empty());
    node.outputs.is_empty() && node.args.iter().any(|(_, a)| !a.tensors().is_empty()) && !writes(&node.target)
}

/// True if a call does nothing but give its results and write the operands that its schema or rule names.
fn only_computes(node: &Node, rules: &RuleSet) -> bool {
    let entries = rules.for_target(&node.target);
    let described = || !entries.is_empty() && !entries.iter().any(|r| rules.is_own(r));
    !node.outputs.is_empty() && (rules.schemas().get(&node.target).is_some() || described())
}
