//! Examples from a rule's own tests, and examples with more around them.

use std::rc::Rc;
use std::sync::Arc;

use super::accept::{Ready, Verdict, accept};
use super::backend::Backend;
use super::example::{Example, Ints};
use super::random::Random;
use crate::model::{Arg, DType};
use crate::rule::{Case, Rule, RuleSet, eval};
use crate::rulebook;

/// The call of a test.
pub(super) fn example(rules: &RuleSet, rule: &Arc<Rule>, case: &Case, by: &Rc<dyn Backend>) -> Result<Example, String> {
    let mut graph = rulebook::call(rules, rule, case)?;
    if let Some(schema) = graph.nodes.first().and_then(|n| rules.schemas().get(&n.target)) {
        graph.versions = by.versions(schema);
    }
    let inputs = graph.tensors.iter().map(|t| t.value.index() + 1).max().unwrap_or(0);
    graph.values.truncate(inputs);
    graph.values.iter_mut().for_each(|v| v.dtype = DType::F64);
    graph.nodes.iter_mut().for_each(|n| n.outputs.clear());
    let mut ints = Vec::new();
    for t in &mut graph.tensors {
        t.dtype = DType::F64;
        ints.push(match case.values.get(&t.name) {
            None => None,
            Some(e) => match eval(e, &rulebook::Plain).map_err(|e| e.to_string())? {
                list @ crate::rule::Val::List(_) => {
                    let numbers = list.sizes().and_then(|l| l.iter().map(|s| s.as_int()).collect());
                    Some(Ints::List(numbers.ok_or("`values:` are whole numbers")?))
                }
                crate::rule::Val::Float(x) => Some(Ints::All(x)),
                bound => Some(Ints::Below(bound.as_int().ok_or("`values:` are whole numbers")?)),
            },
        });
    }
    Ok(Example { graph, ints, readers: 0, by: by.clone() })
}

/// The same call, on its first operand plus a number: what was zero at removed positions is then equal at all of them.
pub(super) fn shifted(rules: &RuleSet, rule: &Arc<Rule>, one: &Ready) -> Option<Box<Ready>> {
    let old = &one.example;
    let node = old.graph.node(old.node());
    let first = one.example.bound(&one.p)?.operands.first()?.arg.clone();
    let Some(Arg::Tensor(x)) = node.arg(&first) else { return None };
    let tensor = old.graph.tensors.iter().find(|t| t.value == *x && t.dtype == DType::F64)?;
    let mut example = Example::new(&old.by);
    example.graph.versions.clone_from(&old.graph.versions);
    let shape = tensor.shape.clone();
    let from = example.tensor("x", &shape);
    let by = example.tensor("shift", &vec![1; shape.len()]);
    let (add, args) = old.by.add(from, by);
    example.call(&add, args);
    let sum = example.value("shifted");
    example.graph.nodes[0].outputs = vec![sum];
    let args = node.args.iter().map(|(name, arg)| match arg {
        Arg::Tensor(_) if *name == first => Some((name.clone(), Arg::Tensor(sum))),
        arg if arg.tensors().is_empty() => Some((name.clone(), arg.clone())),
        _ => None,
    });
    let args = args.collect::<Option<Vec<_>>>()?;
    example.call(&node.target, args);
    match accept(rules, rule, example, &mut Vec::new(), &mut Random::new(0, &node.target)) {
        Verdict::Ready(ready) => Some(ready),
        _ => None,
    }
}
