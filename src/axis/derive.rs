//! Sizes by the rules alone: for programs whose file records none but those of inputs and parameters.

use super::error::PropagateError;
use super::fitted::{Fitted, sketch};
use super::node::Call;
use crate::model::{Graph, NodeId, Size, ValueId};
use crate::rule::{Expr, RuleSet, Val};

/// Writes the sizes of all values, and the numbers that are computed from them, into a graph that lacks them.
///
/// # Errors
/// An operator whose results' sizes no rule tells.
pub fn derive(graph: &mut Graph, rules: &RuleSet) -> Result<(), PropagateError> {
    let mut shapes: Vec<Option<Vec<Size>>> = graph.values.iter().map(|v| v.shape.clone()).collect();
    for id in graph.node_ids() {
        let fitted = sketch(graph, rules, &mut shapes, id)?;
        for v in graph.node(id).outputs.clone() {
            match graph.value(v).scalar {
                None => graph.values[v.index()].shape.clone_from(&shapes[v.index()]),
                Some(_) => {
                    if let Fitted::Rule(rule, _) = &fitted
                        && let Some(size) = rule.number.as_ref().and_then(|e| number(graph, rules, &shapes, id, e))
                    {
                        graph.values[v.index()].scalar = Some(size);
                    }
                }
            }
        }
    }
    Ok(())
}

/// The number that a node gives.
fn number(graph: &Graph, rules: &RuleSet, shapes: &[Option<Vec<Size>>], id: NodeId, formula: &Expr) -> Option<Size> {
    let node = graph.node(id);
    let call = Call { graph, node, schema: rules.schemas().get(&node.target), shapes };
    call.eval(formula).ok().as_ref().and_then(Val::as_size)
}

/// The numbers that a program computes from sizes, if its values had other sizes; those that no rule works out are left out.
pub fn numbers(graph: &Graph, rules: &RuleSet, shapes: &[Option<Vec<Size>>]) -> Vec<Option<Size>> {
    let mut with = graph.clone();
    let mut found: Vec<Option<Size>> = vec![None; graph.values.len()];
    for id in graph.node_ids() {
        let node = graph.node(id);
        let scalars: Vec<ValueId> = node.outputs.iter().copied().filter(|v| graph.value(*v).scalar.is_some()).collect();
        let [v] = scalars.as_slice() else { continue };
        let formulas = rules.for_target(&node.target).iter().filter_map(|r| r.number.as_ref());
        if let Some(size) = formulas.into_iter().find_map(|e| number(&with, rules, shapes, id, e)) {
            with.values[v.index()].scalar = Some(size.clone());
            found[v.index()] = Some(size);
        }
    }
    found
}
