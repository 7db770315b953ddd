//! Constant indices: a program may copy a list, or write it out, before it picks by it.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::model::{DType, Graph, Node, ValueId};
use crate::rule::{Body, Dim, Expr, LayoutCall, Pattern, RuleSet};

/// Notes in a graph which values are short lists of integers or truth values whenever they are read: stored ones, and copies of
/// these. Only what picks by them reads them, so that nobody writes them.
pub fn follow_lists(graph: &mut Graph, rules: &RuleSet) {
    let mut other = vec![false; graph.values.len()];
    for node in graph.nodes.iter().rev() {
        match copied(node, rules) {
            Some(from) => other[from.index()] |= node.outputs.iter().any(|v| other[v.index()]),
            None if picks(node, rules) => {}
            None => node.args.iter().flat_map(|(_, a)| a.tensors()).for_each(|v| other[v.index()] = true),
        }
    }
    let stored = graph.tensors.iter().filter_map(|t| Some((t.value, t.list.clone()?)));
    let mut lists: FxHashMap<ValueId, Arc<[i64]>> = stored.filter(|(v, _)| !other[v.index()]).collect();
    for node in &graph.nodes {
        let Some(from) = copied(node, rules) else { continue };
        let (Some(list), [to]) = (lists.get(&from).cloned(), &node.outputs[..]) else { continue };
        let mask = |v: ValueId| graph.value(v).dtype == DType::Bool;
        let whole = mask(*to) || matches!(graph.value(*to).dtype, DType::I64 | DType::I32);
        if whole && !other[to.index()] && mask(*to) == mask(from) {
            lists.insert(*to, list);
        }
    }
    graph.lists = lists;
}

/// The operand of a copy: every element of the result is that of the operand in the same place.
fn copied(node: &Node, rules: &RuleSet) -> Option<ValueId> {
    let [rule] = rules.for_target(&node.target) else { return None };
    let name = match (&rule.body, &rule.facts.value) {
        (Body::Layout(call), _) if call.name == "same" => match call.args.as_slice() {
            [Expr::Name(name)] => name,
            _ => return None,
        },
        (Body::Patterns(patterns), Some(Expr::Name(name))) if elementwise(patterns, name) => name,
        _ => return None,
    };
    let [from] = node.arg(name)?.tensors()[..] else { return None };
    Some(from)
}

/// Whether a pattern has one operand, each of whose elements gives that of the result in its place.
fn elementwise(patterns: &[Pattern], name: &str) -> bool {
    let [Pattern { operands, outputs, .. }] = patterns else { return false };
    let ([operand], [output]) = (&operands[..], &outputs[..]) else { return false };
    let all = matches!(&output[..], [Dim::Letter(letter)] if letter.name == "...");
    all && operand.name == name && operand.dims == *output
}

/// Whether an operator only picks by the lists that it is given.
fn picks(node: &Node, rules: &RuleSet) -> bool {
    let layout = |call: &LayoutCall| matches!(call.name.as_str(), "index" | "take");
    let entries = rules.for_target(&node.target);
    !entries.is_empty() && entries.iter().all(|r| matches!(&r.body, Body::Layout(call) if layout(call)))
}
