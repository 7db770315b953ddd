//! `plan.json`: the plan for others to read. Its schema is `docs/plan.schema.json`.

use serde_json::{Value, json};

use super::change::{Change, Elements, Keep, NewNode, Plan};
use super::unified::{Unified, zeroed};
use crate::model::{Arg, Graph, NodeId, Role, Tensor, ValueId};

/// Version of the form below.
pub(super) const VERSION: u32 = 1;

/// The plan as JSON. `masks` tell which tensors hold further zeros.
pub fn to_json(graph: &Graph, plan: &Plan, masks: &Unified) -> Value {
    let name = |v: ValueId| match graph.values.get(v.index()) {
        Some(value) => value.name.clone(),
        None => plan.values.get(v.index() - graph.values.len()).map(|v| v.name.clone()).unwrap_or_default(),
    };
    let node = |id: NodeId| {
        let node = graph.node(id);
        json!({"name": node.name, "op": node.target, "module": node.source.module})
    };
    let args = |list: &[(String, Arg)]| list.iter().map(|(n, a)| (n.clone(), arg(a, &name))).collect::<serde_json::Map<_, _>>();
    let new = |n: &NewNode| json!({"op": n.target, "args": args(&n.args), "result": name(n.output)});
    let edits: Vec<Value> = plan
        .edits
        .iter()
        .map(|edit| {
            let mut value = match &edit.change {
                Change::Slice { tensor, dim, keep } => {
                    let t = &graph.tensors[*tensor];
                    let slice = |keep: Value, by: Value| json!({"edit": "slice", "tensor": t.name, "dim": dim, "of": t.shape[*dim], "by": by, "keep": keep});
                    match keep {
                        Keep::Same(list) => slice(json!(list), Value::Null),
                        Keep::By { link, lists } => slice(json!(lists), json!({"dim": link.at, "div": link.div, "outer": link.outer})),
                    }
                }
                Change::Fold { tensor, add } => json!({"edit": "fold", "tensor": graph.tensors[*tensor].name, "add": add}),
                Change::Rescale { tensor, of } => {
                    json!({"edit": "rescale", "tensor": graph.tensors[*tensor].name, "of": graph.tensors[*of].name})
                }
                Change::Set { node: id, arg: name_of_arg, to } => {
                    let old = graph.node(*id).arg(name_of_arg).map_or(Value::Null, |a| arg(a, &name));
                    json!({"edit": "set", "node": node(*id), "arg": name_of_arg, "old": old, "new": arg(to, &name)})
                }
                Change::Become { node: id, target, args: list } => {
                    json!({"edit": "become", "node": node(*id), "op": target, "args": args(list)})
                }
                Change::Insert { node: id, original, nodes } => json!({
                    "edit": "insert", "node": node(*id), "own_result": original.map(name),
                    "nodes": nodes.iter().map(new).collect::<Vec<_>>(),
                }),
                Change::Drop { node: id } => json!({"edit": "drop", "node": node(*id)}),
                Change::Resize { value, sizes } => {
                    json!({"edit": "resize", "value": name(*value), "sizes": sizes.iter().map(ToString::to_string).collect::<Vec<_>>()})
                }
            };
            if !edit.reason.is_empty() {
                value["reason"] = edit.reason.clone().into();
            }
            value
        })
        .collect();
    let constants: Vec<Value> = plan
        .constants
        .iter()
        .map(|c| json!({"name": c.name, "value": name(c.value), "sizes": c.shape, "data": elements(&c.data)}))
        .collect();
    json!({"version": VERSION, "tensors": tensors(graph, plan, masks), "edits": edits, "constants": constants, "repaired": plan.repaired.len()})
}

/// What the program stores, so that another holder of the same tensors can be recognised.
fn tensors(graph: &Graph, plan: &Plan, masks: &Unified) -> Vec<Value> {
    let (first, zeroed) = (graph.first_names(), zeroed(graph, plan, masks));
    let one = |(k, t): (usize, &Tensor)| {
        let kind = match t.role {
            Role::Parameter => "parameter",
            Role::Buffer => "buffer",
            Role::Constant => "constant",
        };
        let same = (first[k] != k).then(|| graph.tensors[first[k]].name.as_str());
        json!({"name": t.name, "kind": kind, "shape": t.shape, "same_as": same, "zeroed": zeroed[k]})
    };
    graph.tensors.iter().enumerate().map(one).collect()
}

fn elements(data: &Elements) -> Value {
    match data {
        Elements::Positions(list) => json!(list),
        Elements::Numbers(_, list) => json!(list),
    }
}

/// An argument as JSON; `name` gives the names of values.
pub fn arg(a: &Arg, name: &impl Fn(ValueId) -> String) -> Value {
    match a {
        Arg::None => Value::Null,
        Arg::Int(n) => json!(n),
        Arg::Float(x) => json!(x),
        Arg::Bool(b) => json!(b),
        Arg::Str(s) => json!(s),
        Arg::Scalar(v) | Arg::Tensor(v) => json!({"value": name(*v)}),
        Arg::List(items) => items.iter().map(|a| arg(a, name)).collect(),
        Arg::Opaque(text) => json!({"literal": text}),
    }
}
