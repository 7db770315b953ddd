//! Nodes whose results nobody uses: an export keeps them, and what they would ask of their operands binds nobody.

use crate::model::{Arg, Graph, Node, Origin, ValueId};
use crate::rule::RuleSet;

/// Takes nodes out of a graph that no output needs and that write nothing: those of PyTorch's own operators, whose schemas say
/// so, and of operators that built-in rules describe. Others may do something beside their results, and stay.
///
/// A program with conditions or loops stays as it is: what decides over them is used by no node.
pub fn drop_unused(graph: &mut Graph, rules: &RuleSet) {
    if graph.nodes.iter().any(|n| n.origin == Origin::Implied) {
        return;
    }
    let mut used = vec![false; graph.values.len()];
    graph.outputs.iter().for_each(|v| used[v.index()] = true);
    let mut needed = vec![true; graph.nodes.len()];
    for (k, node) in graph.nodes.iter().enumerate().rev() {
        needed[k] = node.outputs.iter().any(|v| used[v.index()]) || !only_computes(node, rules);
        if needed[k] {
            node.args.iter().for_each(|(_, arg)| mark(arg, &mut used));
        }
    }
    let mut needed = needed.into_iter();
    graph.nodes.retain(|_| needed.next().unwrap_or(true));
}

/// True if a call does nothing but give its results.
fn only_computes(node: &Node, rules: &RuleSet) -> bool {
    if node.outputs.is_empty() {
        return false;
    }
    let entries = rules.for_target(&node.target);
    let writes = entries.iter().any(|r| r.writes.as_ref().is_some_and(|names| !names.is_empty()));
    match rules.schemas().get(&node.target) {
        Some(schema) => !writes && schema.written().is_empty(),
        None => !writes && !entries.is_empty() && !entries.iter().any(|r| rules.is_own(r)),
    }
}

fn mark(arg: &Arg, used: &mut [bool]) {
    match arg {
        Arg::Tensor(ValueId(v)) | Arg::Scalar(ValueId(v)) => used[*v as usize] = true,
        Arg::List(items) => items.iter().for_each(|a| mark(a, used)),
        _ => {}
    }
}
