//! `plan.json`: the plan for others to read. Its schema is `docs/plan.schema.json`.

use std::io::Write;

use rustc_hash::FxHashMap;
use serde_json::{Value, json};

use super::change::{Change, Elements, Keep, NewConstant, NewNode, Plan};
use super::unified::{Unified, zeroed};
use crate::model::{Arg, Graph, NodeId, Role, ValueId};

/// Version of the form below.
pub(super) const VERSION: u32 = 1;

/// A list that is longer is written once; edits after it that keep the same tell its edit's number.
const LONG: usize = 64;

/// The plan as JSON. `masks` tell which tensors hold further zeros.
pub fn to_json(graph: &Graph, plan: &Plan, masks: &Unified) -> Value {
    let tensors: Vec<Value> = tensors(graph, plan, masks).collect();
    let edits: Vec<Value> = edits(graph, plan).collect();
    let constants: Vec<Value> = constants(graph, plan).collect();
    json!({"version": VERSION, "tensors": tensors, "edits": edits, "constants": constants, "repaired": plan.repaired.len()})
}

/// Writes the same, a line for each item, of which one at a time is in memory. `unified` is the name of the unified masks' file beside it.
pub fn write_json(to: &mut dyn Write, graph: &Graph, plan: &Plan, masks: &Unified, unified: Option<&str>) -> std::io::Result<()> {
    write!(to, "{{\n\"version\": {VERSION},\n\"tensors\": ")?;
    list(to, tensors(graph, plan, masks))?;
    write!(to, ",\n\"edits\": ")?;
    list(to, edits(graph, plan))?;
    write!(to, ",\n\"constants\": ")?;
    list(to, constants(graph, plan))?;
    write!(to, ",\n\"repaired\": {}", plan.repaired.len())?;
    if let Some(name) = unified {
        write!(to, ",\n\"unified_masks\": {}", Value::from(name))?;
    }
    writeln!(to, "\n}}")
}

fn list(to: &mut dyn Write, items: impl Iterator<Item = Value>) -> std::io::Result<()> {
    write!(to, "[")?;
    for (k, item) in items.enumerate() {
        write!(to, "{}", if k == 0 { "\n" } else { ",\n" })?;
        serde_json::to_writer(&mut *to, &item)?;
    }
    write!(to, "\n]")
}

fn edits<'a>(graph: &'a Graph, plan: &'a Plan) -> impl Iterator<Item = Value> + use<'a> {
    let mut written: FxHashMap<&[u32], usize> = FxHashMap::default();
    plan.edits.iter().enumerate().map(move |(n, edit)| {
        let name = |v: ValueId| name(graph, plan, v);
        let node = |id: NodeId| {
            let node = graph.node(id);
            json!({"name": node.name, "op": node.target, "module": node.source.module})
        };
        let args =
            |list: &[(String, Arg)]| list.iter().map(|(n, a)| (n.clone(), arg(a, &name))).collect::<serde_json::Map<_, _>>();
        let new = |n: &NewNode| json!({"op": n.target, "args": args(&n.args), "result": name(n.output)});
        let mut value = match &edit.change {
            Change::Slice { tensor, dim, keep } => {
                let t = &graph.tensors[*tensor];
                let slice = |keep: Value, by: Value| json!({"edit": "slice", "tensor": t.name, "dim": dim, "of": t.shape[*dim], "by": by, "keep": keep});
                match keep {
                    Keep::Same(list) => match written.get(list.as_slice()) {
                        Some(edit) => slice(json!({"edit": edit}), Value::Null),
                        None => {
                            if list.len() > LONG {
                                written.insert(list, n);
                            }
                            slice(json!(list), Value::Null)
                        }
                    },
                    Keep::By { link, lists } => slice(json!(lists), json!({"dim": link.at, "div": link.div, "outer": link.outer})),
                }
            }
            Change::Fold { tensor, add } => json!({"edit": "fold", "tensor": graph.tensors[*tensor].name, "add": add}),
            Change::Rescale { tensor, of } => {
                json!({"edit": "rescale", "tensor": graph.tensors[*tensor].name, "of": graph.tensors[*of].name})
            }
            Change::Mask { tensor, by } => {
                json!({"edit": "mask", "tensor": graph.tensors[*tensor].name, "by": graph.tensors[*by].name})
            }
            Change::Rename { tensor, to } => json!({"edit": "rename", "tensor": graph.tensors[*tensor].name, "to": to}),
            Change::Remove { tensor } => json!({"edit": "remove", "tensor": graph.tensors[*tensor].name}),
            Change::Bypass { node: id, value } => json!({"edit": "bypass", "node": node(*id), "value": value.map(name)}),
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
}

fn name(graph: &Graph, plan: &Plan, v: ValueId) -> String {
    match graph.values.get(v.index()) {
        Some(value) => value.name.clone(),
        None => plan.values.get(v.index() - graph.values.len()).map(|v| v.name.clone()).unwrap_or_default(),
    }
}

fn constants<'a>(graph: &'a Graph, plan: &'a Plan) -> impl Iterator<Item = Value> + use<'a> {
    let one = |c: &'a NewConstant| json!({"name": c.name, "value": name(graph, plan, c.value), "sizes": c.shape, "data": elements(&c.data)});
    plan.constants.iter().map(one)
}

/// What the program stores, so that another holder of the same tensors can be recognised.
fn tensors<'a>(graph: &'a Graph, plan: &Plan, masks: &'a Unified<'a>) -> impl Iterator<Item = Value> + use<'a> {
    let (first, zeroed) = (graph.first_names(), zeroed(graph, plan, masks));
    graph.tensors.iter().enumerate().map(move |(k, t)| {
        let kind = match t.role {
            Role::Parameter => "parameter",
            Role::Buffer => "buffer",
            Role::Constant => "constant",
        };
        let same = (first[k] != k).then(|| graph.tensors[first[k]].name.as_str());
        let mut value = json!({"name": t.name, "kind": kind, "shape": t.shape, "same_as": same, "zeroed": zeroed[k]});
        if let (true, Some((dim, keep))) = (zeroed[k], masks.given_along(k)) {
            let at: Vec<usize> = (0..keep.len()).filter(|n| keep[*n] == 0).collect();
            value["zeros"] = json!({"dim": dim, "at": at});
        }
        value
    })
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
