//! Sizes by the rules alone: for programs whose file records none but those of inputs and parameters.

use super::content::{contents, follows};
use super::error::PropagateError;
use super::fitted::{Fitted, refit, sketch};
use super::node::Call;
use crate::model::{Content, Graph, NodeId, Size, ValueId};
use crate::rule::{Expr, RuleSet, Val};
use rustc_hash::FxHashMap;

/// Writes the sizes of all values, and the numbers that are computed from them, into a graph that lacks them.
///
/// # Errors
/// An operator whose results' sizes no rule tells.
pub fn derive(graph: &mut Graph, rules: &RuleSet) -> Result<(), PropagateError> {
    let mut shapes: Vec<Option<Vec<Size>>> = graph.values.iter().map(|v| v.shape.clone()).collect();
    for id in graph.node_ids() {
        let fitted = sketch(graph, rules, &mut shapes, id)?;
        if follows(graph) {
            let found = contents(&call(graph, rules, &shapes, id), &fitted);
            graph.contents.extend(found);
        }
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

fn call<'a>(graph: &'a Graph, rules: &RuleSet, shapes: &'a [Option<Vec<Size>>], id: NodeId) -> Call<'a> {
    let node = graph.node(id);
    Call { graph, node, schema: rules.schemas().get(&node.target), shapes }
}

/// The number that a node gives.
fn number(graph: &Graph, rules: &RuleSet, shapes: &[Option<Vec<Size>>], id: NodeId, formula: &Expr) -> Option<Size> {
    call(graph, rules, shapes, id).eval(formula).ok().as_ref().and_then(Val::as_size)
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

/// What small tensors hold if the program's values have other sizes, of those that hold something else then.
pub fn held(graph: &Graph, rules: &RuleSet, shapes: &[Option<Vec<Size>>]) -> FxHashMap<ValueId, Content> {
    let mut changed = FxHashMap::default();
    if !follows(graph) || graph.contents.is_empty() {
        return changed;
    }
    let mut with = graph.clone();
    for id in graph.node_ids() {
        if !graph.node(id).outputs.iter().any(|v| graph.contents.contains_key(v)) {
            continue;
        }
        let fitted = refit(&call(&with, rules, shapes, id), rules);
        let found = contents(&call(&with, rules, shapes, id), &fitted);
        for v in &graph.node(id).outputs {
            let Some(before) = graph.contents.get(v) else { continue };
            // What cannot be worked out any more is taken for something else than before.
            let after = found.iter().find(|(w, _)| w == v).map(|(_, c)| c.clone());
            let after = after.unwrap_or_else(|| Content::Numbers([f64::NAN].into()));
            if after != *before {
                changed.insert(*v, after.clone());
            }
            with.contents.insert(*v, after);
        }
    }
    changed
}
