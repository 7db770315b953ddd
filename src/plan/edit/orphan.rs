//! What only made the branches that a plan dropped: nodes, and stored tensors, of which nothing stays.

use std::collections::{HashMap, HashSet};

use crate::axis::{Propagation, needed, only_checks};
use crate::model::{Graph, Node, Origin, Size, ValueId};
use crate::plan::apply::apply;
use crate::plan::change::{Change, Edit, Keep, Plan};
use crate::rule::RuleSet;
use crate::solve::Solution;

/// Leaves out of a plan what only made the branches that it dropped: nodes, and stored tensors, of which nothing stays.
pub fn drop(graph: &Graph, rules: &RuleSet, p: &Propagation, solution: &Solution, plan: &mut Plan) {
    if plan.branches.is_empty() {
        return;
    }
    let before = needed(graph, rules, |_| false);
    let small = apply(graph, p, solution, plan);
    let at: HashMap<(usize, usize), usize> =
        graph.nodes.iter().enumerate().filter_map(|(k, n)| Some(((n.graph, place(n)?), k))).collect();
    let of = |n: &Node| place(n).and_then(|place| at.get(&(n.graph, place)).copied());
    let checks: Vec<bool> = graph.nodes.iter().map(|n| only_checks(n, rules)).collect();
    // What nothing used before goes on being there.
    let after =
        needed(&small, rules, |k| of(&small.nodes[k]).is_none_or(|k| !(before[k] || checks[k]) || graph.nodes[k].graph != 0));
    let (mut lost, mut stays) = (vec![false; graph.nodes.len()], vec![false; graph.nodes.len()]);
    for (n, needed) in small.nodes.iter().zip(&after) {
        if let Some(k) = of(n) {
            *(if *needed { &mut stays[k] } else { &mut lost[k] }) = true;
        }
    }
    let mut gone: Vec<bool> = (0..lost.len()).map(|k| lost[k] && !stays[k] && !checks[k]).collect();
    // What the plan drops anyway is part of a branch if all that reads it is.
    let mut readers: HashMap<ValueId, Vec<usize>> = HashMap::new();
    graph.nodes.iter().enumerate().for_each(|(k, n)| n.reads().into_iter().for_each(|v| readers.entry(v).or_default().push(k)));
    let readers = |v: &ValueId| readers.get(v).map_or(&[][..], Vec::as_slice);
    for k in (0..gone.len()).rev().filter(|k| !lost[*k] && !stays[*k] && before[*k]) {
        gone[k] = graph.nodes[k].outputs.iter().all(|v| readers(v).iter().all(|n| gone[*n]));
    }
    // And so is an assertion about what is no longer there, or of a module that computes nothing any more.
    let of_nodes = |gone: bool, all: &[bool]| -> HashSet<&str> {
        let list = graph.nodes.iter().zip(all).enumerate().filter(|(k, (_, g))| **g == gone && !checks[*k]);
        list.map(|(_, (n, _))| n.source.module.as_str()).collect()
    };
    let (left, went) = (of_nodes(false, &gone), of_nodes(true, &gone));
    let made: HashSet<ValueId> =
        graph.nodes.iter().zip(&gone).filter(|(_, gone)| **gone).flat_map(|(n, _)| n.outputs.clone()).collect();
    for k in (0..gone.len()).filter(|k| checks[*k]) {
        let module = graph.nodes[k].source.module.as_str();
        gone[k] = went.contains(module) && !left.contains(module) || graph.nodes[k].reads().iter().any(|v| made.contains(v));
    }
    let left = small.nodes.iter().filter(|n| of(n).is_none_or(|k| !gone[k]));
    let read: HashSet<ValueId> = left.flat_map(Node::reads).chain(small.outputs.iter().copied()).collect();
    let first = graph.first_names();
    let kept: HashSet<usize> =
        graph.tensors.iter().enumerate().filter(|(_, t)| read.contains(&t.value) || t.updated).map(|(k, _)| first[k]).collect();
    let adds = |plan: &Plan, node: usize| plan.branches.iter().position(|b| b.node.index() > node);
    for node in graph.node_ids().filter(|n| gone[n.index()]) {
        if let Some(branch) = adds(plan, node.index()) {
            plan.branches[branch].nodes.push(node);
        }
    }
    for (k, t) in graph.tensors.iter().enumerate().filter(|(k, t)| !kept.contains(&first[*k]) && !t.shape.is_empty()) {
        let reader = readers(&t.value).iter().copied().find(|n| gone[*n]);
        if let Some(branch) = reader.and_then(|node| adds(plan, node)) {
            plan.branches[branch].tensors.push(k);
        }
    }
    let tensors: HashSet<usize> = plan.branches.iter().flat_map(|b| &b.tensors).copied().collect();
    plan.edits.retain(|e| match &e.change {
        Change::Slice { tensor, dim, .. } => !(tensors.contains(tensor) && *dim == 0),
        Change::Fold { tensor, .. } => !tensors.contains(tensor),
        Change::Rescale { tensor, of } => !tensors.contains(tensor) && !tensors.contains(of),
        change => change.node().is_none_or(|n| !gone[n.index()]),
    });
    let mut edit = |change, reason: &str| plan.edits.push(Edit { change, reason: reason.to_owned() });
    for node in graph.node_ids().filter(|n| gone[n.index()]) {
        edit(Change::Drop { node }, "it only made what is zero everywhere");
    }
    for k in plan.branches.iter().flat_map(|b| &b.tensors).copied() {
        let t = &graph.tensors[k];
        edit(Change::Slice { tensor: k, dim: 0, keep: Keep::Same(Vec::new()) }, "it only made what is zero everywhere");
        let sizes = small.value(t.value).shape.iter().flatten().enumerate();
        let sizes = sizes.map(|(d, n)| if d == 0 { Size::int(0) } else { n.clone() }).collect();
        edit(Change::Resize { value: t.value, sizes }, "it only made what is zero everywhere");
    }
}

/// The place in the file of a node, or of the one that it stands for.
fn place(node: &Node) -> Option<usize> {
    match node.origin {
        Origin::Listed(at) => Some(at),
        Origin::New(at) => at,
        Origin::Implied => None,
    }
}
