//! Puts the edits of a graph into the JSON of its program; what did not change stays as it is.

use super::tree::{Value, json};
use rustc_hash::FxHashMap;

use super::archive::Archive;
use super::control::{operand_drop, operand_push, sub_graph};
use super::names::{Named, names, rename};
use super::order::{Item, order};
use super::parts::{drop_marked, list, missing};
use super::placeholders::placeholders;
use super::scope::{Entered, Scopes};
use super::visible::Visible;
use super::{args, calls, values};
use crate::format::FormatError;
use crate::model::{Graph, Node, Origin, ValueId};

/// The JSON of the edited program. `read` is what the file says, `original` what that was read as; `constants` are the names of the new constants in the config.
pub(super) fn program(
    archive: &Archive,
    (read, original): (&Graph, &Graph),
    small: &Graph,
    scopes: Scopes,
    constants: &[String],
) -> Result<Value, FormatError> {
    if small.values.len() < original.values.len() || small.outputs.len() != original.outputs.len() {
        return Err(FormatError::edit("values or outputs are missing"));
    }
    let visible = Visible::new(scopes, original, small)?;
    let order = order(&visible.scopes, small)?;
    let listed = |n: &'_ Node| if let Origin::Listed(at) = n.origin { Some((n.graph, at)) } else { None };
    let old = read.nodes.iter().filter_map(|n| Some((listed(n)?, n))).collect();
    let patch = Patch { original, small, visible, order, old };
    let mut json = archive.json.clone();
    let module = json.get_mut("graph_module").ok_or_else(|| missing("graph_module"))?;
    let graph = module.get_mut("graph").ok_or_else(|| missing("graph"))?;
    patch.graph(graph, 0)?;
    placeholders(module, (original, small), &|v| patch.visible.name(0, v), constants)?;
    patch.outputs(module)?;
    calls::forget_dangling(module);
    Ok(json)
}

struct Patch<'a> {
    original: &'a Graph,
    small: &'a Graph,
    visible: Visible,
    order: Vec<Vec<Item>>,
    old: FxHashMap<(usize, usize), &'a Node>,
}

impl Patch<'_> {
    /// The nodes and the recorded sizes of one graph, and of the graphs in it.
    fn graph(&self, json: &mut Value, number: usize) -> Result<(), FormatError> {
        let mut before: Vec<Option<Value>> = std::mem::take(list(json, "nodes")?).into_iter().map(Some).collect();
        let metadata = |node: &Option<Value>| node.as_ref().and_then(|n| n.get("metadata")).cloned();
        let mut near = before.iter().find_map(metadata).unwrap_or_else(|| json!({}));
        let replaced = self.order[number].iter().filter_map(|item| {
            let Item::Node(index) = item else { return None };
            let Origin::New(at) = self.small.nodes[*index].origin else { return None };
            at
        });
        let replaced: FxHashMap<usize, Value> =
            replaced.filter_map(|at| Some((at, before.get(at).and_then(metadata)?))).collect();
        let mut take = |position: usize| {
            let node = before.get_mut(position).and_then(Option::take);
            node.ok_or_else(|| FormatError::edit(format!("node {position} of graph {number} is there twice or not at all")))
        };
        let mut nodes = Vec::new();
        for item in &self.order[number] {
            let json = match item {
                Item::Entered(index) => {
                    let entered = &self.visible.scopes.entered[*index];
                    let mut json = take(entered.node)?;
                    let returns = |json: &Value| json.get("outputs").and_then(Value::as_array).is_some_and(|o| !o.is_empty());
                    let before = returns(&json);
                    self.entered(&mut json, *index, entered)?;
                    let empty = entered.inner.iter().all(|(_, number)| self.order[*number].is_empty());
                    if before && !returns(&json) && empty {
                        continue; // the loader takes no wrapper that returns nothing
                    }
                    json
                }
                Item::Node(index) => {
                    let node = &self.small.nodes[*index];
                    match node.origin {
                        Origin::New(at) => self.new_node(node, at.and_then(|at| replaced.get(&at)).unwrap_or(&near))?,
                        Origin::Implied => self.new_node(node, &near)?,
                        Origin::Listed(position) => {
                            let mut json = take(position)?;
                            self.node(&mut json, node, position)?;
                            json
                        }
                    }
                }
            };
            if let Some(metadata) = json.get("metadata") {
                near.clone_from(metadata);
            }
            nodes.push(json);
        }
        *list(json, "nodes")? = nodes;
        values::update(json, number, &self.visible, self.original, self.small)
    }

    /// A node that was there before.
    fn node(&self, json: &mut Value, node: &Node, position: usize) -> Result<(), FormatError> {
        let old = self.old.get(&(node.graph, position));
        let old = old.ok_or_else(|| FormatError::edit(format!("node `{}` has no original", node.name)))?;
        if old.target != node.target {
            json["target"] = Value::String(qualified(&node.target).into());
        }
        if old.target != node.target || old.args != node.args {
            self.arguments(json, old, node)?;
        }
        if old.outputs != node.outputs {
            self.results(json, node)?;
        }
        Ok(())
    }

    /// Arguments: those that are equal keep their JSON.
    fn arguments(&self, json: &mut Value, old: &Node, node: &Node) -> Result<(), FormatError> {
        let mut before = std::mem::take(list(json, "inputs")?);
        let same_names = old.args.iter().map(|(n, _)| n).eq(node.args.iter().map(|(n, _)| n));
        let mut after = Vec::with_capacity(node.args.len());
        for (i, (name, arg)) in node.args.iter().enumerate() {
            let at = if same_names { Some(i) } else { old.args.iter().position(|(n, _)| n == name && !n.is_empty()) };
            let mut input = match at.and_then(|at| before.get_mut(at)) {
                Some(input) => std::mem::take(input),
                None => json!({"name": name, "arg": null}),
            };
            if at.is_none_or(|at| old.args[at].1 != *arg) {
                input["arg"] = self.argument(arg, input.get("arg"), node)?;
            }
            // Without a kind, the loader finds from the schema whether an argument is positional.
            if !(same_names && old.target == node.target || node.target.starts_with('_'))
                && let Some(input) = input.as_object_mut()
            {
                input.retain(|key| key != "kind");
            }
            after.push(input);
        }
        *list(json, "inputs")? = after;
        Ok(())
    }

    fn argument(&self, arg: &crate::model::Arg, old: Option<&Value>, node: &Node) -> Result<Value, FormatError> {
        let name = |v: ValueId| self.visible.name(node.graph, v).ok();
        let scalar = |v: ValueId| self.visible.scopes.scalars.get(&v).copied().unwrap_or(Named::SymInt);
        let lookup = args::Lookup { name: &name, scalar: &scalar };
        args::write(arg, old, &lookup).map_err(|reason| FormatError::edit(format!("node `{}`: {reason}", node.name)))
    }

    /// Other names for the outputs of a node. The loader wants a node of one output to be called like that.
    fn results(&self, json: &mut Value, node: &Node) -> Result<(), FormatError> {
        let mut new: Vec<String> = node.outputs.iter().map(|v| self.visible.name(node.graph, *v)).collect::<Result<_, _>>()?;
        let outputs = list(json, "outputs")?;
        let known: Vec<String> = outputs.iter().filter_map(|o| names(o).ok()).flatten().map(|(_, n)| n.to_owned()).collect();
        if known.len() != new.len() {
            let [Value::Object(only)] = outputs.as_mut_slice() else {
                return Err(FormatError::edit(format!("node `{}` cannot have {} outputs", node.name, new.len())));
            };
            let Some(items) = only.get_mut("as_tensors").and_then(Value::as_array_mut) else {
                return Err(FormatError::edit(format!("node `{}` cannot have {} outputs", node.name, new.len())));
            };
            *items = new.iter().map(|name| json!({"name": name})).collect();
        } else {
            let mut names = new.iter().cloned();
            outputs.iter_mut().for_each(|o| rename(o, &mut names));
        }
        let single = known.first().filter(|_| known.len() == 1).cloned();
        if single.is_some_and(|known| json.get("name").and_then(Value::as_str) == Some(&known)) && new.len() == 1 {
            json["name"] = Value::String(new.remove(0).into());
        }
        Ok(())
    }

    /// A node that a plan inserted.
    fn new_node(&self, node: &Node, metadata: &Value) -> Result<Value, FormatError> {
        let [output] = node.outputs[..] else {
            return Err(FormatError::edit(format!("the new node `{}` has {} outputs, not one", node.name, node.outputs.len())));
        };
        let name = self.visible.name(node.graph, output)?;
        let value = self.small.value(output);
        let result = match value.shape.is_none() && value.scalar.is_some() {
            true => json!({"as_sym_int": {"as_name": name}}),
            false => json!({"as_tensor": {"name": name}}),
        };
        let inputs = node.args.iter().map(|(name, arg)| {
            let mut input = json!({"name": name, "arg": self.argument(arg, None, node)?});
            if node.target.starts_with('_') {
                input["kind"] = json!(1);
            }
            Ok(input)
        });
        Ok(json!({
            "target": qualified(&node.target),
            "inputs": inputs.collect::<Result<Vec<_>, FormatError>>()?,
            "outputs": [result],
            "metadata": metadata,
            "is_hop_single_tensor_return": null,
            "name": name,
        }))
    }

    /// An operator with sub-graphs: these, and what goes in and out of them.
    fn entered(&self, json: &mut Value, index: usize, entered: &Entered) -> Result<(), FormatError> {
        let empty = Vec::new();
        let imports = self.visible.imports.get(&index).unwrap_or(&empty);
        let lost = |json: &Value, (input, number): (usize, usize), list: &str| -> Vec<bool> {
            let gone = |argument: &Value| {
                let name = names(argument).ok().and_then(|n| n.first().map(|(_, n)| (*n).to_owned()));
                let value = name.and_then(|n| self.visible.scopes.list[number].find(&n));
                value.is_some_and(|v| !self.visible.defined.contains(&v))
            };
            let sub = json.get("inputs").and_then(Value::as_array).and_then(|i| i.get(input)).and_then(sub_graph);
            let all = sub.and_then(|g| g.get(list)).and_then(Value::as_array);
            all.map_or(Vec::new(), |all| all.iter().map(gone).collect())
        };
        let Some(first) = entered.inner.first().copied() else { return Ok(()) };
        let lost_inputs = lost(json, first, "inputs");
        let lost_outputs = if entered.lists { Vec::new() } else { lost(json, first, "outputs") };
        let exports = if entered.lists { &empty } else { self.visible.exports.get(&first.1).unwrap_or(&empty) };

        operand_drop(json, entered, &lost_inputs);
        for v in imports {
            let link = self.link(*v, self.visible.name(entered.graph, *v)?);
            if !operand_push(json, entered, link) {
                return Err(FormatError::edit(format!("no sub-graph can be given `{}`", self.small.value(*v).name)));
            }
        }
        for (input, number) in &entered.inner {
            let input = list(json, "inputs")?.get_mut(*input);
            let graph = input.and_then(|i| i.at_mut(&["arg", "as_graph", "graph"]));
            let graph = graph.ok_or_else(|| missing("sub-graph"))?;
            self.graph(graph, *number)?;
            let placeholders = list(graph, "inputs")?;
            drop_marked(placeholders, &lost_inputs);
            for v in imports {
                placeholders.push(self.link(*v, self.visible.name(*number, *v)?));
            }
            let results = list(graph, "outputs")?;
            drop_marked(results, &lost_outputs);
            for v in exports {
                results.push(self.link(*v, self.visible.name(*number, *v)?));
            }
            if results.len() != 1 && graph.get("is_single_tensor_return") == Some(&json!(true)) {
                graph["is_single_tensor_return"] = json!(false);
            }
        }
        let outputs = list(json, "outputs")?;
        drop_marked(outputs, &lost_outputs);
        for v in exports {
            outputs.push(self.link(*v, self.visible.name(entered.graph, *v)?));
        }
        if outputs.len() != 1 && json.get("is_hop_single_tensor_return") == Some(&json!(true)) {
            json["is_hop_single_tensor_return"] = json!(false);
        }
        Ok(())
    }

    /// The argument that carries a value over the border of a sub-graph.
    fn link(&self, value: ValueId, name: String) -> Value {
        match self.visible.scopes.scalars.get(&value) {
            Some(kind) => json!({ kind.variants().0: {"as_name": name} }),
            None if self.small.value(value).shape.is_none() && self.small.value(value).scalar.is_some() => {
                json!({"as_sym_int": {"as_name": name}})
            }
            None => json!({"as_tensor": {"name": name}}),
        }
    }

    /// Outputs of the program that are other values now, wherever they are named.
    fn outputs(&self, module: &mut Value) -> Result<(), FormatError> {
        let mut new = FxHashMap::default();
        for (i, (old, now)) in self.original.outputs.iter().zip(&self.small.outputs).enumerate() {
            if old != now {
                new.insert(i, self.visible.name(0, *now)?);
            }
        }
        if new.is_empty() {
            return Ok(());
        }
        let mut count = 0;
        let mut renamed = FxHashMap::default();
        let graph = module.get_mut("graph").ok_or_else(|| missing("graph"))?;
        for (place, output) in list(graph, "outputs")?.iter_mut().enumerate() {
            let known: Vec<(Named, String)> =
                names(output).unwrap_or_default().into_iter().map(|(k, n)| (k, n.to_owned())).collect();
            for (_, name) in known.into_iter().filter(|(kind, _)| *kind == Named::Tensor) {
                if let Some(now) = new.get(&count) {
                    rename(output, &mut std::iter::once(now.clone()));
                    renamed.insert(place, (name, now.clone()));
                }
                count += 1;
            }
        }
        let signature = module.get_mut("signature").ok_or_else(|| missing("signature"))?;
        let specs = list(signature, "output_specs")?;
        for (place, names) in &renamed {
            specs.get_mut(*place).into_iter().for_each(|spec| replace(spec, names));
        }
        if let Some(calls) = module.get_mut("module_call_graph").and_then(Value::as_array_mut) {
            let top = calls.iter_mut().find(|c| c.get("fqn") == Some(&json!("")));
            let outputs = top.and_then(|c| c.at_mut(&["signature", "outputs"])).and_then(Value::as_array_mut);
            for output in outputs.into_iter().flatten() {
                if let Some(names) =
                    renamed.values().find(|(old, _)| output.at(&["as_tensor", "name"]).and_then(Value::as_str) == Some(old))
                {
                    replace(output, names);
                }
            }
        }
        Ok(())
    }
}

/// Replaces a name in a spec of the signature.
fn replace(spec: &mut Value, names: &(String, String)) {
    match spec {
        Value::Object(map) => {
            for (key, value) in map.iter_mut() {
                match value {
                    Value::String(name) if key == "name" && *name == names.0 => *name = names.1.as_str().into(),
                    value => replace(value, names),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|v| replace(v, names)),
        _ => {}
    }
}

/// The target as the file has it.
fn qualified(target: &str) -> String {
    match target.split('.').next() {
        Some("_operator" | "math" | "torch" | "builtins") => target.to_owned(),
        _ => format!("torch.ops.{target}"),
    }
}
