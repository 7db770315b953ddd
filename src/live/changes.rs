//! A plan as the holder of the module needs it: by tensor, and by module.

use std::collections::{BTreeMap, HashSet};

use indexmap::IndexMap;
use serde_json::{Value, json};

use crate::model::{Graph, Node, NodeId, Role};
use crate::plan::{Change, Keep, Plan, arg_json};
use crate::solve::Solution;

/// The changes as JSON:
///
/// - `tensors`: name → `kind`, `shape`, `same_as` (the first name of a tied one), `dims` (for each dimension null, or `keep` with the
///   positions that stay; of a ragged one `by` and a list for each outer position), `add` (what is added to its elements, or null),
///   `masked` (false: it is cut, but the unified masks leave it alone, for it is divided by its norm),
///   `norm_of` (multiply it by the norm of what stays of that tensor over the norm of all of it, or null);
/// - `sets`: arguments with other values: `module`, `node`, `op`, `arg`, `old`, `new`, `line`;
/// - `rewritten`: modules that call other operators: `module`, `line`, `why`, and `ghost`: what went was not zero, but alike;
/// - `inputs`: module → sizes, after the cut, of what its first operator reads;
/// - `lossless`, and `nothing`: no position goes.
pub fn changes((graph, small): (&Graph, &Graph), solution: &Solution, plan: &Plan) -> Value {
    let first = graph.first_names();
    let mut tensors: IndexMap<&str, Value> = IndexMap::new();
    for (k, t) in graph.tensors.iter().enumerate() {
        let kind = match t.role {
            Role::Parameter => "parameter",
            Role::Buffer => "buffer",
            Role::Constant => "constant",
        };
        let same = (first[k] != k).then(|| graph.tensors[first[k]].name.as_str());
        let dims = vec![Value::Null; t.shape.len()];
        let one = json!({"kind": kind, "shape": t.shape, "same_as": same, "dims": dims, "add": null, "norm_of": null, "masked": !solution.unmasked[k]});
        tensors.insert(&t.name, one);
    }
    let mut sets = Vec::new();
    let mut rewritten = Vec::new();
    let name = |v: crate::model::ValueId| graph.values.get(v.index()).map_or(String::new(), |v| v.name.clone());
    let mut rewrite = |id: NodeId, why: &str| {
        let node = graph.node(id);
        let ghost = solution.uniform.ghost(id).is_some();
        rewritten.push(
            json!({"module": node.source.module, "line": node.source.line(), "why": why, "op": node.target, "ghost": ghost}),
        );
    };
    let branch: HashSet<NodeId> = plan.branches.iter().flat_map(|b| &b.nodes).copied().collect();
    for edit in &plan.edits {
        match &edit.change {
            Change::Slice { tensor, dim, keep } => {
                let slot = &mut tensors[*tensor]["dims"][*dim];
                *slot = match keep {
                    Keep::Same(list) => json!({"keep": list}),
                    Keep::By { link, lists } => {
                        json!({"keep": lists, "by": {"dim": link.at, "div": link.div, "outer": link.outer}})
                    }
                };
            }
            Change::Fold { tensor, add } => tensors[*tensor]["add"] = json!(add),
            Change::Rescale { tensor, of } => tensors[*tensor]["norm_of"] = json!(graph.tensors[*of].name),
            Change::Set { node, arg, to } => {
                let node = graph.node(*node);
                let old = node.arg(arg).map_or(Value::Null, |a| arg_json(a, &name));
                sets.push(json!({
                    "module": node.source.module, "node": node.name, "op": node.target, "arg": arg,
                    "old": old, "new": arg_json(to, &name), "line": node.source.line(),
                }));
            }
            // A module that is not called any more is its caller's concern, which is no longer the same anyway.
            Change::Drop { node } if branch.contains(node) => {}
            Change::Become { node, .. } | Change::Insert { node, .. } | Change::Drop { node } => rewrite(*node, &edit.reason),
            // Of a live module, masks of torch.nn.utils.prune were taken off before: its own are none that it computes with.
            Change::Resize { .. }
            | Change::Mask { .. }
            | Change::Rename { .. }
            | Change::Remove { .. }
            | Change::Bypass { .. } => {}
        }
    }
    json!({
        "tensors": tensors, "sets": sets, "rewritten": rewritten, "inputs": inputs(small),
        "lossless": solution.lossless, "nothing": solution.is_everything() && plan.branches.is_empty(),
    })
}

/// Of each module the sizes of the first tensor that its first operator reads.
fn inputs(small: &Graph) -> BTreeMap<&str, Vec<i64>> {
    let mut out = BTreeMap::new();
    for node in &small.nodes {
        if let Some(sizes) = first_sizes(small, node) {
            out.entry(node.source.module.as_str()).or_insert(sizes);
        }
    }
    out
}

fn first_sizes(small: &Graph, node: &Node) -> Option<Vec<i64>> {
    let tensor = node.args.iter().flat_map(|(_, a)| a.tensors()).next()?;
    small.value(tensor).shape.as_ref()?.iter().map(|s| s.hint()).collect()
}
