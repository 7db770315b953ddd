//! From a graph and rules to axes: every node's rule is fitted, sizes are derived, and what the rules call the same is
//! tied in the e-graph.

use rustc_hash::FxHashSet;
use tracing::info_span;

use super::alias::Aliases;
use super::attach::Tie;
use super::composite::composites;
use super::egraph::{Axes, Reason};
use super::error::PropagateError;
use super::fitted::{Fitted, sketch};
use super::listed::listed;
use super::node::Sketch;
use super::propagation::{Propagation, Step};
use crate::model::{Graph, NodeId, Role, Size};
use crate::rule::RuleSet;

/// Propagates the axes of a graph. `frozen` names parameters or buffers whose axes all stay.
///
/// # Errors
/// Where a derived size differs from the one recorded in the file (a wrong rule), or the graph is not in order.
pub fn propagate(graph: &Graph, rules: &RuleSet, frozen: &[String]) -> Result<Propagation, PropagateError> {
    let mut shapes: Vec<Option<Vec<Size>>> = vec![None; graph.values.len()];
    for t in &graph.tensors {
        shapes[t.value.index()] = Some(t.shape.iter().copied().map(Size::from).collect());
    }
    for v in &graph.inputs {
        shapes[v.index()] = graph.value(*v).shape.clone();
    }
    let fitting = info_span!("fit").entered();
    let mut fitted = Vec::new();
    for id in graph.node_ids() {
        fitted.push(sketch(graph, rules, &mut shapes, id)?);
    }
    let rule_of = |id: NodeId| match &fitted[id.index()] {
        Fitted::Rule(rule, _) => Some(rule.clone()),
        _ => None,
    };
    let aliases = Aliases::new(graph, rules, rule_of);
    let sketches: Vec<Option<&Sketch>> = fitted.iter().map(|f| if let Fitted::Rule(_, s) = f { Some(s) } else { None }).collect();
    let found = composites(graph, &sketches, &aliases);

    drop(fitting);

    let attaching = info_span!("attach").entered();
    let axes = Axes::new();
    let mut p = Propagation {
        axes,
        dims: vec![None; graph.values.len()],
        shapes,
        steps: Vec::new(),
        joint: Vec::new(),
        aliases,
        alignments: 0,
        listed: FxHashSet::default(),
    };
    p.sources(graph, frozen);
    let mut part_of: Vec<Option<usize>> = vec![None; graph.nodes.len()];
    for (k, composite) in found.iter().enumerate() {
        composite.nodes.iter().for_each(|n| part_of[n.index()] = Some(k));
    }
    let mut number: Vec<Option<usize>> = vec![None; found.len()];
    for (id, fitted) in graph.node_ids().zip(fitted) {
        let step = match (fitted, part_of[id.index()]) {
            (Fitted::Rule(rule, sketch), Some(k)) => {
                let joint = *number[k].get_or_insert_with(|| p.joint(graph, rules, id, rule.clone(), &found[k]));
                Step::Part(joint, p.attach(graph, rules, id, rule, sketch, Tie::Apart))
            }
            (Fitted::Rule(rule, sketch), None) => {
                let bound = p.attach(graph, rules, id, rule, sketch, Tie::Rule);
                Step::Bound(bound)
            }
            (Fitted::Unknown(why), _) => {
                p.unknown(graph, id, &why);
                Step::Unknown(why)
            }
            (Fitted::Nothing, _) => Step::Nothing,
        };
        p.steps.push(step);
    }
    for v in &graph.outputs {
        for id in p.dims[v.index()].clone().unwrap_or_default() {
            p.axes.lock(id, Reason::Output(graph.value(*v).name.clone()));
        }
    }
    drop(attaching);
    p.alignments = info_span!("saturate").in_scope(|| p.axes.saturate());
    if let Some(m) = p.axes.mismatches.first() {
        return Err(PropagateError::sizes(graph, m));
    }
    let parameters = graph.tensors.iter().filter(|t| t.role == Role::Parameter).filter_map(|t| p.dims[t.value.index()].as_ref());
    let _stage = info_span!("list").entered();
    p.listed = listed(&mut p.axes, p.dims.iter().flatten(), parameters);
    Ok(p)
}
