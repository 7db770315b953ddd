//! Entering sub-graphs: their nodes stand among all others, and nodes of Paring's own say how values go in and come out. What these
//! mean for axes is in the rules.

use super::control::{Control, Give, Pass, sub_graph};
use super::json::{Fault, Read, Under, list};
use super::names::names;
use super::read::Builder;
use super::scope::{Entered, Scope};
use super::source::source;
use super::tree::Value;
use crate::model::{Arg, Node, Origin, ValueId};

impl Builder<'_> {
    /// Enters the sub-graphs of an operator.
    pub(super) fn enter(&mut self, outer: &Value, number: usize, position: usize, node: &Value, control: &Control) -> Read<()> {
        let inputs = list(node, "inputs")?;
        let operands = control.operands(inputs)?;
        let mut passed = Vec::with_capacity(operands.len());
        for (_, operand) in &operands {
            passed.push(operand.map(|(_, name)| self.scopes.list[number].value(name)).transpose()?);
        }
        let name = node.get("name").and_then(Value::as_str).unwrap_or_default();
        self.graph.autocast |= switches_autocast_on(node);
        let parent = self.scopes.entered.len();
        let entered = Entered {
            graph: number,
            node: position,
            inner: Vec::new(),
            operands: inputs.len() - control.passes.len(),
            lists: control.give != Give::Same,
        };
        self.scopes.entered.push(entered);
        let implied = |this: &mut Self, target: &str, args: Vec<(String, Arg)>, output: ValueId| {
            let source = source(node.get("metadata").unwrap_or(&Value::Null));
            let node = Node {
                name: name.to_owned(),
                target: target.to_owned(),
                args,
                outputs: vec![output],
                listed: false,
                source,
                graph: number,
                origin: Origin::Implied,
            };
            this.graph.nodes.push(node);
        };

        // All sub-graphs see the same values.
        let mut seen = passed.clone();
        let mut results: Vec<Vec<Option<ValueId>>> = Vec::new();
        for (k, at) in control.graphs.iter().enumerate() {
            let graph = sub_graph(&inputs[*at]).ok_or_else(|| Fault::schema("a graph is expected"))?;
            let place = || format!("inputs[{at}].arg.as_graph");
            let inner = self.scopes.list.len();
            self.scopes.list.push(Scope::inside(parent));
            self.scopes.entered[parent].inner.push((*at, inner));
            for (i, placeholder) in list(graph, "inputs").under(place)?.iter().enumerate() {
                let Some((_, inside)) = names(placeholder).under(place)?.first().copied() else { continue };
                let pass = operands.get(i).map(|(pass, _)| *pass);
                match (seen.get(i).copied().flatten(), pass) {
                    (Some(value), Some(Pass::Shared)) => self.scopes.list[inner].bind(inside, value).under(place)?,
                    (Some(value), Some(_)) if k > 0 => self.scopes.list[inner].bind(inside, value).under(place)?,
                    (Some(value), Some(pass)) => {
                        let made = self.define(graph, inner, placeholder).under(place)?;
                        let [made] = made[..] else { return Err(Fault::schema("one tensor is expected")) };
                        let (target, arg) =
                            if pass == Pass::Carried { ("paring.enter", "start") } else { ("paring.each", "runs") };
                        implied(self, target, vec![(arg.to_owned(), Arg::Tensor(value))], made);
                        seen[i] = Some(made);
                    }
                    _ => drop(self.define(graph, inner, placeholder).under(place)?),
                }
            }
            self.nodes(graph, inner).under(place)?;
            let mut found = Vec::new();
            for result in list(graph, "outputs").under(place)? {
                let name = names(result).under(place)?.first().copied();
                found.push(name.map(|(_, name)| self.scopes.list[inner].value(name)).transpose().under(place)?);
            }
            results.push(found);
        }

        let carried: Vec<usize> = (0..operands.len()).filter(|i| operands[*i].0 == Pass::Carried).collect();
        let each = (0..operands.len()).find(|i| operands[*i].0 == Pass::Each).and_then(|i| passed[i]);
        let last = results.last().cloned().unwrap_or_default();
        for (i, (output, result)) in list(node, "outputs")?.iter().zip(last).enumerate() {
            let outside = names(output)?.first().map(|(_, name)| *name);
            let (Some(outside), Some(result)) = (outside, result) else {
                if outside.is_some() {
                    self.define(outer, number, output)?;
                }
                continue;
            };
            if control.give == Give::Same {
                let scope = &mut self.scopes.list[number];
                if scope.name(result).is_none() {
                    outside.clone_into(&mut self.graph.values[result.index()].name);
                }
                scope.bind(outside, result)?;
                continue;
            }
            let tensor = |name: &str, value: Option<ValueId>| value.map(|v| (name.to_owned(), Arg::Tensor(v)));
            let start = carried.get(i).and_then(|at| passed[*at]);
            let (target, args) = match (control.give, start) {
                (Give::Runs, Some(_)) => ("paring.again", [tensor("start", start), tensor("end", Some(result))]),
                (Give::Runs, None) => ("paring.stacked", [tensor("one", Some(result)), tensor("runs", each)]),
                _ => ("paring.either", [tensor("yes", results[0].get(i).copied().flatten()), tensor("no", Some(result))]),
            };
            let made = self.define(outer, number, output)?;
            let [made] = made[..] else { return Err(Fault::schema("one tensor is expected")) };
            implied(self, target, args.into_iter().flatten().collect(), made);
        }
        self.scopes.list[number].take(name);
        Ok(())
    }
}

/// Whether the wrapped graph runs under autocast: `wrap_with_autocast(device, dtype, enabled, ...)`.
fn switches_autocast_on(node: &Value) -> bool {
    let enabled = |n: &Value| n.get("inputs")?.as_array()?.get(2)?.get("arg")?.get("as_bool")?.as_bool();
    let target = node.get("target").and_then(Value::as_str).unwrap_or_default();
    target.ends_with(".wrap_with_autocast") && enabled(node) != Some(false)
}
