//! Operators that run sub-graphs: wrappers, conditions and loops; how they pass operands and give results.

use super::json::{Fault, Read, field};
use super::names::{Named, names};
use super::scope::Entered;
use super::tree::{Value, json};

/// What a sub-graph gets of an operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pass {
    /// The operand itself.
    Shared,
    /// The operand in the first run, in each further one what the run before returned.
    Carried,
    /// One position of the operand's first dimension in each run.
    Each,
}

/// What becomes of the results of the sub-graphs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Give {
    /// They are the operator's own.
    Same,
    /// Those of one of the two.
    Either,
    /// Those of the last run (as many as there are carried operands), then those of all runs, stacked.
    Runs,
}

/// How an operand is passed, what it is, and its name; literals have none.
pub(super) type Operand<'a> = (Pass, Option<(Named, &'a str)>);

/// How an operator runs its sub-graphs.
#[derive(Debug)]
pub(super) struct Control {
    /// Which inputs are sub-graphs.
    pub(super) graphs: Vec<usize>,
    /// For each input with operands, how they are passed.
    pub(super) passes: Vec<Pass>,
    /// What becomes of the results.
    pub(super) give: Give,
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
    pub(super) fn operands<'a>(&self, inputs: &'a [Value]) -> Read<Vec<Operand<'a>>> {
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
