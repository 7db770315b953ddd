//! The rule of each node, and the sizes of its results.

use std::sync::Arc;

use super::error::PropagateError;
use super::fit::fit;
use super::layout::layout;
use super::node::{Call, LetterId, Sketch};
use crate::model::{Graph, NodeId, Size, ValueId};
use crate::rule::{Body, Rule, RuleSet, eval};

/// What was found for a node.
pub(super) enum Fitted {
    /// The entry that fits, and what it makes of the node.
    Rule(Arc<Rule>, Sketch),
    /// None fits, and why.
    Unknown(String),
    /// It has no tensors.
    Nothing,
}

/// Finds the rule for a node and derives the sizes of its results.
pub(super) fn sketch(
    graph: &Graph,
    rules: &RuleSet,
    shapes: &mut [Option<Vec<Size>>],
    id: NodeId,
) -> Result<Fitted, PropagateError> {
    let node = graph.node(id);
    let operands: Vec<ValueId> = node.args.iter().flat_map(|(_, a)| a.tensors()).collect();
    let is_tensor = |v: &ValueId| graph.value(*v).scalar.is_none();
    if let Some(v) = operands.iter().find(|v| shapes[v.index()].is_none()) {
        return Err(PropagateError::unordered(graph, id, *v));
    }
    let (found, why) = {
        let call = Call { graph, node, schema: rules.schemas().get(&node.target), shapes };
        first_fit(rules, &call)
    };
    let Some((rule, sketch)) = found else {
        let tensors: Vec<ValueId> = node.outputs.iter().copied().filter(is_tensor).collect();
        for v in &tensors {
            let recorded = graph.value(*v).shape.clone();
            shapes[v.index()] = Some(recorded.ok_or_else(|| PropagateError::unsized_result(graph, shapes, id, &why))?);
        }
        return Ok(if tensors.is_empty() && operands.is_empty() { Fitted::Nothing } else { Fitted::Unknown(why) });
    };
    let of = |l: LetterId| sketch.letters[l as usize].size.clone();
    for (k, v) in node.outputs.iter().enumerate().filter(|(_, v)| is_tensor(v)) {
        let recorded = graph.value(*v).shape.as_ref();
        let derived: Vec<Size> = match sketch.outputs.get(k) {
            Some(out) => out.dims.iter().map(|d| d.size(&of)).collect(),
            None => {
                let fewer = || PropagateError::unsized_result(graph, shapes, id, "the rule has fewer results");
                recorded.cloned().ok_or_else(fewer)?
            }
        };
        if derived.iter().any(|d| d.as_int().is_some_and(|n| n < 0)) {
            return Err(PropagateError::unsized_result(graph, shapes, id, "it would have a negative size"));
        }
        if let Some(recorded) = recorded
            && !agree(&derived, recorded)
        {
            return Err(PropagateError::derived(graph, id, &rule, *v, &derived, recorded));
        }
        // The file's own form of a size is as good, and what a rule cannot work out symbolically it has.
        let exact = |(d, r): (&Size, &Size)| if d.as_int().is_some() || r.hint().is_none() { d.clone() } else { r.clone() };
        shapes[v.index()] = Some(match recorded {
            Some(r) => derived.iter().zip(r).map(exact).collect(),
            None => derived,
        });
    }
    Ok(Fitted::Rule(rule, sketch))
}

/// The rule for a call whose operands have these sizes.
pub(super) fn refit(call: &Call, rules: &RuleSet) -> Fitted {
    match first_fit(rules, call) {
        (Some((rule, sketch)), _) => Fitted::Rule(rule, sketch),
        (None, why) => Fitted::Unknown(why),
    }
}

fn agree(derived: &[Size], recorded: &[Size]) -> bool {
    let same = |(d, r): (&Size, &Size)| {
        let example = || d.hint() == r.hint() || d.hint().is_none() || r.hint().is_none();
        d == r || ((d.as_int().is_none() || r.as_int().is_none()) && example())
    };
    derived.len() == recorded.len() && derived.iter().zip(recorded).all(same)
}

/// The first entry whose condition holds and whose pattern fits; or why none does.
fn first_fit(rules: &RuleSet, call: &Call) -> (Option<(Arc<Rule>, Sketch)>, String) {
    let mut why = String::new();
    for rule in rules.for_target(&call.node.target) {
        if let Some(when) = &rule.when {
            match eval(when, call) {
                Ok(v) if v.truthy() => {}
                Ok(_) => {
                    why = format!("no entry is for these arguments ({}: `when: {when}` does not hold)", rule.place);
                    continue;
                }
                Err(e) => {
                    why = format!("{}: `when: {when}`: {e}", rule.place);
                    continue;
                }
            }
        }
        let mut errors = Vec::new();
        let attempts = match &rule.body {
            Body::Patterns(patterns) => patterns.len(),
            Body::Layout(_) => 1,
        };
        for k in 0..attempts {
            let attempt = match &rule.body {
                Body::Patterns(patterns) => fit(&patterns[k], rule, call),
                Body::Layout(function) => layout(function, call),
            };
            match attempt {
                Ok(sketch) => return (Some((rule.clone(), sketch)), String::new()),
                Err(e) => errors.push(e),
            }
        }
        why = format!("{} does not fit: {}", rule.place, errors.join("; "));
    }
    if why.is_empty() {
        let target = &call.node.target;
        why = match call.schema.is_some_and(|s| s.has_graphs()) {
            true => format!("{target} has graphs of its own, which stay as they are, with all that they read"),
            false => format!("there is no rule for {target}"),
        };
    }
    (None, why)
}
