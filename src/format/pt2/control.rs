//! Operators that run sub-graphs: wrappers, conditions and loops. They are entered: the nodes of their sub-graphs stand among
//! all others, and nodes of Paring's own say how values go in and come out. What these mean for axes is in the rules.

use super::json::{Fault, Read, Under, field, list};
use super::names::{Named, names};
use super::read::Builder;
use super::scope::{Entered, Scope};
use super::source::source;
use super::tree::{Value, json};
use crate::model::{Arg, Node, Origin, ValueId};

/// What a sub-graph gets of an operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pass {
    /// The operand itself.
    Shared,
    /// The operand in the first run, in each further one what the run before returned.
    Carried,
    /// One position of the operand's first dimension in each run.
    Each,
}

/// What becomes of the results of the sub-graphs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Give {
    /// They are the operator's own.
    Same,
    /// Those of one of the two.
    Either,
    /// Those of the last run (as many as there are carried operands), then those of all runs, stacked.
    Runs,
}

/// How an operand is passed, what it is, and its name; literals have none.
type Operand<'a> = (Pass, Option<(Named, &'a str)>);

/// How an operator runs its sub-graphs.
#[derive(Debug)]
pub(super) struct Control {
    graphs: Vec<usize>,
    /// For each input with operands, how they are passed.
    passes: Vec<Pass>,
    give: Give,
}

/// The operators of PyTorch's `higher_order` namespace that are entered.
fn form(operator: &str) -> Option<(usize, &'static [Pass], Give)> {
    Some(match operator {
        "cond" => (2, &[Pass::Shared], Give::Either),
        "while_loop" => (2, &[Pass::Carried, Pass::Shared], Give::Runs),
        "map_impl" => (1, &[Pass::Each, Pass::Shared], Give::Runs),
        "scan" => (1, &[Pass::Carried, Pass::Each, Pass::Shared], Give::Runs),
        "hints_wrapper" | "tag_activation_checkpoint" => (1, &[], Give::Same),
        wrapper if wrapper.starts_with("wrap") => (1, &[], Give::Same),
        _ => return None,
    })
}

impl Control {
    /// How this node runs sub-graphs; `None` if it runs none, or not in a form that is known.
    pub(super) fn of(target: &str, inputs: &[Value], node: &Value) -> Option<Control> {
        let (count, passes, give) = form(target.strip_prefix("torch.ops.higher_order.")?)?;
        let graphs: Vec<usize> = (0..inputs.len()).filter(|i| sub_graph(&inputs[*i]).is_some()).collect();
        let first = graphs.last()? + 1;
        let trailing = inputs.get(first..)?;
        let passes = if give == Give::Same { vec![Pass::Shared; trailing.len()] } else { passes.to_vec() };
        if graphs.len() != count || passes.len() != trailing.len() {
            return None;
        }
        let control = Control { graphs, passes, give };
        control.fits(inputs, node)?.then_some(control)
    }

    /// Whether operands and placeholders, results and outputs are as many, and of the same kinds.
    fn fits(&self, inputs: &[Value], node: &Value) -> Option<bool> {
        let operands = self.operands(inputs).ok()?;
        let outputs = node.get("outputs")?.as_array()?;
        let single = |argument: &Value| names(argument).ok().filter(|n| n.len() <= 1).map(|n| n.first().map(|(kind, _)| *kind));
        let mut fits = self.give == Give::Same || operands.iter().all(|(_, o)| matches!(o, Some((Named::Tensor, _))));
        let outs: Vec<Option<Named>> = outputs.iter().map(single).collect::<Option<_>>()?;
        for (k, at) in self.graphs.iter().enumerate() {
            let graph = sub_graph(&inputs[*at])?;
            let placeholders = graph.get("inputs")?.as_array()?;
            let kinds: Vec<Option<Named>> = placeholders.iter().map(single).collect::<Option<_>>()?;
            fits &= kinds.len() == operands.len()
                && kinds.iter().zip(&operands).all(|(p, (_, o))| p.zip(*o).is_none_or(|(p, (o, _))| p == o));
            if self.give == Give::Either || k + 1 == self.graphs.len() {
                let results = graph.get("outputs")?.as_array()?;
                let results: Vec<Option<Named>> = results.iter().map(single).collect::<Option<_>>()?;
                fits &= results.len() == outs.len();
                fits &= match self.give {
                    Give::Same => results.iter().zip(&outs).all(|(a, b)| a.zip(*b).is_none_or(|(a, b)| a == b)),
                    _ => results.iter().chain(&outs).all(|k| *k == Some(Named::Tensor)),
                };
            }
        }
        Some(fits)
    }

    /// The operands in order.
    fn operands<'a>(&self, inputs: &'a [Value]) -> Read<Vec<Operand<'a>>> {
        let first = inputs.len() - self.passes.len();
        let mut all = Vec::new();
        for (pass, input) in self.passes.iter().zip(&inputs[first..]) {
            let named = names(field(input, "arg")?)?;
            match self.give {
                Give::Same if named.len() > 1 => return Err(Fault::schema("one operand is expected")),
                Give::Same => all.push((*pass, named.first().copied())),
                _ => all.extend(named.into_iter().map(|n| (*pass, Some(n)))),
            }
        }
        Ok(all)
    }
}

/// The sub-graph in an input of a node.
pub(super) fn sub_graph(input: &Value) -> Option<&Value> {
    input.get("arg")?.get("as_graph")?.get("graph")
}

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

/// Drops operands of a node with sub-graphs, by marks in their order.
pub(super) fn operand_drop(node: &mut Value, entered: &Entered, marks: &[bool]) {
    let Some(inputs) = node.get_mut("inputs").and_then(Value::as_array_mut) else { return };
    let mut marks = marks.iter();
    if !entered.lists {
        let mut at = 0;
        inputs.retain(|_| {
            at += 1;
            at <= entered.operands || marks.next() != Some(&true)
        });
        return;
    }
    for input in inputs.iter_mut().skip(entered.operands) {
        if let Some(list) = input.at_mut(&["arg", "as_tensors"]).and_then(Value::as_array_mut) {
            list.retain(|_| marks.next() != Some(&true));
        }
    }
}

/// Adds an operand, in the form of an argument, after all others. False if there is no place for it.
pub(super) fn operand_push(node: &mut Value, entered: &Entered, mut argument: Value) -> bool {
    let Some(inputs) = node.get_mut("inputs").and_then(Value::as_array_mut) else { return false };
    if !entered.lists {
        inputs.push(json!({"name": "", "arg": argument, "kind": 1}));
        return true;
    }
    let list = inputs.last_mut().and_then(|i| i.at_mut(&["arg", "as_tensors"])).and_then(Value::as_array_mut);
    match (list, argument.get_mut("as_tensor").map(std::mem::take)) {
        (Some(list), Some(tensor)) => {
            list.push(tensor);
            true
        }
        _ => false,
    }
}
