//! A graph as the text of one `forward`: a statement a node, in the order of the graph.

use std::collections::{HashMap, HashSet};

use super::classes::is_identifier;
use super::expression::{Texts, quoted, real};
use super::interface::Part;
use super::script::Script;
use crate::format::FormatError;
use crate::model::{Arg, Graph, Node, ValueId};
use crate::rule::{Schema, Schemas};

/// The text of `forward`, a method of a class whose attributes `readers` read.
///
/// # Errors
/// Conditions, loops, autocast and arguments that TorchScript cannot express.
pub(super) fn forward(script: &Script<'_>, readers: &[(usize, String)]) -> Result<String, FormatError> {
    let graph = script.graph;
    if graph.autocast {
        return Err(refused("a part of the program", "autocast", "it runs under autocast"));
    }
    let mut writer = Writer { script, variables: HashMap::new(), taken: HashSet::new(), text: String::new() };
    let inputs: Vec<String> = match script.interface {
        None => graph.inputs.iter().map(|v| writer.parameter(*v)).collect(),
        Some(face) => face.inputs.iter().map(|(name, part)| writer.whole_parameter(name, part)).collect(),
    };
    let unpacking = std::mem::take(&mut writer.text);
    writer.text = format!("  def forward(self{}):\n{unpacking}", inputs.concat());
    let mut read: HashSet<ValueId> = graph.nodes.iter().flat_map(|n| n.args.iter().flat_map(|(_, a)| a.tensors())).collect();
    read.extend(&script.outputs);
    read.extend(graph.updates.iter().flat_map(|(at, to)| [graph.outputs.get(*at).copied().unwrap_or(*to), *to]));
    for (k, reader) in readers {
        let value = graph.tensors[*k].value;
        if read.contains(&value) {
            let name = writer.variable(value);
            writer.line(&format!("{name} = {reader}"));
        }
    }
    for node in script.nodes() {
        writer.node(node).map_err(|reason| refused(&format!("node `{}`", node.name), &node.target, reason))?;
    }
    writer.end().map_err(|reason| refused("the result", "return", reason))?;
    Ok(writer.text)
}

fn refused(what: &str, op: &str, reason: impl Into<String>) -> FormatError {
    FormatError::NotInTorchScript { what: what.to_owned(), op: op.to_owned(), reason: reason.into() }
}

struct Writer<'a> {
    script: &'a Script<'a>,
    variables: HashMap<ValueId, String>,
    taken: HashSet<String>,
    text: String,
}

impl Writer<'_> {
    fn graph(&self) -> &Graph {
        self.script.graph
    }

    /// The variable of a value, made at its first use.
    fn variable(&mut self, v: ValueId) -> String {
        if let Some(known) = self.variables.get(&v) {
            return known.clone();
        }
        let clean: String = self.graph().value(v).name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        let mut name = if is_identifier(&clean) { clean } else { format!("v_{clean}") };
        while !self.taken.insert(name.clone()) {
            name.push('_');
        }
        self.variables.insert(v, name.clone());
        name
    }

    fn parameter(&mut self, v: ValueId) -> String {
        let value = self.graph().value(v);
        let ty = match (&value.shape, &value.scalar) {
            (None, Some(_)) => {
                if value.dtype == crate::model::DType::I64 {
                    "int"
                } else {
                    "float"
                }
            }
            _ => "Tensor",
        };
        format!(", {}: {ty}", self.variable(v))
    }

    /// A parameter that may be a tuple, which is taken apart first.
    fn whole_parameter(&mut self, name: &str, part: &Part) -> String {
        let name = match part {
            Part::Tensor(n) => self.graph().inputs.get(*n).copied().map(|v| self.variable(v)),
            _ => None,
        }
        .unwrap_or_else(|| self.free(name));
        if let Part::Tuple(parts) = part {
            let each: Vec<String> = parts.iter().enumerate().map(|(i, p)| self.inner(&name, i, p)).collect();
            // What is inside is taken apart after it.
            let inside = std::mem::take(&mut self.text);
            if !each.is_empty() {
                self.line(&format!("{}, = {name}", each.join(", ")));
            }
            self.text.push_str(&inside);
        }
        format!(", {name}: {}", part.ty())
    }

    /// The variable for an item of a tuple.
    fn inner(&mut self, owner: &str, i: usize, part: &Part) -> String {
        let before = std::mem::take(&mut self.text);
        let parameter = self.whole_parameter(&format!("{owner}_{i}"), part);
        self.text.insert_str(0, &before);
        parameter.trim_start_matches(", ").split(':').next().unwrap_or("").to_owned()
    }

    /// A name that nothing has.
    fn free(&mut self, wanted: &str) -> String {
        let mut name = if is_identifier(wanted) { wanted.to_owned() } else { format!("v_{wanted}") };
        while !self.taken.insert(name.clone()) {
            name.push('_');
        }
        name
    }

    fn line(&mut self, text: &str) {
        self.text.push_str("    ");
        self.text.push_str(text);
        self.text.push('\n');
    }

    fn node(&mut self, node: &Node) -> Result<(), String> {
        let schema = Schemas::builtin().get(&node.target);
        if node.outputs.is_empty() && schema.is_some_and(|s| s.written().is_empty()) {
            return Ok(()); // it only checks
        }
        let call = self.call(node, schema)?;
        let outputs: Vec<String> = node.outputs.iter().map(|v| self.variable(*v)).collect();
        match outputs.as_slice() {
            _ if node.listed => {
                let mut list = format!("{}_list", outputs.first().map_or("none", String::as_str));
                while !self.taken.insert(list.clone()) {
                    list.push('_');
                }
                self.line(&format!("{list} = {call}"));
                for (i, output) in outputs.iter().enumerate() {
                    self.line(&format!("{output} = {list}[{i}]"));
                }
            }
            [] => {
                let mut name = "done".to_owned();
                while !self.taken.insert(name.clone()) {
                    name.push('_');
                }
                self.line(&format!("{name} = {call}"));
            }
            outputs => {
                if let Some(schema) = schema.filter(|s| s.returns.len() != outputs.len()) {
                    return Err(format!("it has {} results, the graph has {}", schema.returns.len(), outputs.len()));
                }
                self.line(&format!("{} = {call}", outputs.join(", ")));
            }
        }
        Ok(())
    }

    fn call(&self, node: &Node, schema: Option<&Schema>) -> Result<String, String> {
        let name = |v: ValueId| self.variables.get(&v).cloned();
        let texts = Texts { name: &name, device: self.script.device, double: self.script.double };
        let (namespace, rest) = node.target.split_once('.').ok_or("its name has no namespace")?;
        if matches!(namespace, "higher_order" | "paring") {
            return Err("conditions, loops and wrapped graphs are not written to TorchScript".to_owned());
        }
        if let Some(form) = scalar_form(&node.target) {
            let args: Vec<String> = node.args.iter().map(|(_, a)| texts.argument(a, "")).collect::<Result<_, _>>()?;
            return fill(form, &args);
        }
        let base = rest.split('.').next().unwrap_or(rest);
        let function = if namespace == "aten" { format!("torch.{base}") } else { format!("ops.{namespace}.{base}") };
        // By position as long as the order is the schema's: names are only needed after a gap.
        let mut in_order = true;
        let mut args = Vec::with_capacity(node.args.len());
        for (i, (name, arg)) in node.args.iter().enumerate() {
            let declared = schema.and_then(|s| s.arg(name));
            let text = texts.argument(arg, declared.map_or("", |a| &a.ty))?;
            let at = schema.and_then(|s| s.args.get(i)).filter(|a| a.name == *name && !a.kwarg_only);
            in_order &= at.is_some() || (schema.is_none() && (name.is_empty() || !matches!(arg, Arg::None)));
            args.push(if in_order || name.is_empty() { text } else { format!("{name}={text}") });
        }
        let call = format!("{function}({})", args.join(", "));
        // What reads a number out of a tensor does not say of which type it is.
        let number = schema.is_some_and(|s| matches!(s.returns.as_slice(), [only] if only.ty == "Scalar"));
        let int = |v: &ValueId| self.graph().value(*v).dtype == crate::model::DType::I64;
        Ok(match node.outputs.first() {
            Some(v) if number && int(v) => format!("int({call})"),
            Some(_) if number => format!("float({call})"),
            _ => call,
        })
    }

    /// What is written back, and the result: one tensor, or a tuple.
    fn end(&mut self) -> Result<(), String> {
        let name = |this: &Self, v: ValueId| this.variables.get(&v).cloned().ok_or(format!("value {} is not computed", v.0));
        for (at, to) in &self.script.graph.updates {
            let Some(from) = self.script.graph.outputs.get(*at).filter(|from| self.script.writes_back && *from != to) else {
                continue;
            };
            let (to, from) = (name(self, *to)?, name(self, *from)?);
            let mut done = format!("{to}_written");
            while !self.taken.insert(done.clone()) {
                done.push('_');
            }
            self.line(&format!("{done} = torch.copy_({to}, {from})"));
        }
        let outputs: Vec<String> = self.script.outputs.iter().map(|v| name(self, *v)).collect::<Result<_, _>>()?;
        if let Some(face) = self.script.interface {
            let tensor = |n: usize| outputs.get(n).cloned().ok_or_else(|| format!("it has no output {n}"));
            let result = face.result.text(&tensor, real, quoted)?;
            self.line(&format!("return {result}"));
            return Ok(());
        }
        match outputs.as_slice() {
            [] => self.line("return None"),
            [one] => self.line(&format!("return {one}")),
            many => self.line(&format!("return ({})", many.join(", "))),
        }
        Ok(())
    }
}

/// Operators on symbolic numbers, which are functions of Python's in a `.pt2` file; `0` and `1` stand for their arguments.
fn scalar_form(target: &str) -> Option<&'static str> {
    Some(match target {
        "_operator.add" => "{0} + {1}",
        "_operator.sub" => "{0} - {1}",
        "_operator.mul" => "{0} * {1}",
        "_operator.floordiv" => "{0} // {1}",
        "_operator.truediv" => "{0} / {1}",
        "_operator.mod" => "{0} % {1}",
        "_operator.pow" | "math.pow" => "{0} ** {1}",
        "_operator.neg" => "-{0}",
        "_operator.eq" => "{0} == {1}",
        "_operator.ne" => "{0} != {1}",
        "_operator.lt" => "{0} < {1}",
        "_operator.le" => "{0} <= {1}",
        "_operator.gt" => "{0} > {1}",
        "_operator.ge" => "{0} >= {1}",
        "_operator.and_" | "torch.sym_and" => "{0} and {1}",
        "_operator.or_" | "torch.sym_or" => "{0} or {1}",
        "_operator.not_" | "torch.sym_not" => "not {0}",
        "math.trunc" | "torch.sym_int" | "builtins.int" => "int({0})",
        "torch.sym_float" | "builtins.float" => "float({0})",
        "math.floor" => "torch.floor({0})",
        "math.ceil" => "torch.ceil({0})",
        "math.sqrt" | "torch._sym_sqrt" => "torch.sqrt({0})",
        "torch.sym_max" | "builtins.max" => "ops.prim.max({0}, {1})",
        "torch.sym_min" | "builtins.min" => "ops.prim.min({0}, {1})",
        "builtins.abs" | "_operator.abs" => "ops.prim.abs({0})",
        _ => return None,
    })
}

fn fill(form: &str, args: &[String]) -> Result<String, String> {
    let mut text = form.to_owned();
    for (i, arg) in args.iter().enumerate() {
        text = text.replace(&format!("{{{i}}}"), &format!("({arg})"));
    }
    if text.contains('{') { Err(format!("it has {} arguments", args.len())) } else { Ok(text) }
}
