//! The axes of a program: what became of each node, and of which class each dimension is.

use egg::Id;
use rustc_hash::FxHashSet;

use super::alias::Aliases;
use super::composite::Composite;
use super::egraph::Axes;
use super::error::PropagateError;
use super::node::Bound;
use super::norm::{Normed, normed};
use crate::model::{Graph, Node, NodeId, Size, ValueId};

/// What became of a node.
#[derive(Clone, Debug)]
pub enum Step {
    /// A rule describes it.
    Bound(Bound),
    /// It is part of a composite: index into `Propagation::joint`, and the rule's own view of this node.
    Part(usize, Bound),
    /// No rule describes it, or none fits: all axes that it touches are locked.
    Unknown(String),
    /// It has nothing to do with tensors' axes.
    Nothing,
}

/// Layout operators that work as one.
#[derive(Clone, Debug)]
pub struct Joint {
    /// The nodes and the map.
    pub composite: Composite,
    /// The map as applied, at the first of the nodes.
    pub whole: Bound,
}

/// The axes of a program.
pub struct Propagation {
    /// The e-graph.
    pub axes: Axes,
    /// The axis of each dimension of each tensor, by value; `None` for scalars.
    pub dims: Vec<Option<Vec<Id>>>,
    /// Derived sizes.
    pub shapes: Vec<Option<Vec<Size>>>,
    /// What became of each node.
    pub steps: Vec<Step>,
    /// Layout operators that work as one.
    pub joint: Vec<Joint>,
    /// Shared memory and writes.
    pub aliases: Aliases,
    /// Number of alignments until nothing was left to align.
    pub alignments: usize,
    /// The classes that parameters have to do with: of the others no position can go.
    pub listed: FxHashSet<Id>,
}

impl Propagation {
    /// The rule as applied that speaks for a node; a composite has one, at its first node.
    pub fn bound_at(&self, node: NodeId) -> Option<&Bound> {
        match &self.steps[node.index()] {
            Step::Bound(bound) => Some(bound),
            Step::Part(joint, _) => Some(&self.joint[*joint].whole).filter(|w| w.node == node),
            _ => None,
        }
    }

    /// The rules as applied, in order of execution.
    pub fn bounds(&self) -> impl Iterator<Item = &Bound> {
        (0..self.steps.len() as u32).filter_map(|k| self.bound_at(NodeId(k)))
    }

    /// The rule as applied that makes a value, if it is the result of one.
    pub fn maker(&self, value: ValueId, node: NodeId) -> Option<&Bound> {
        match &self.steps[node.index()] {
            Step::Bound(bound) => Some(bound),
            Step::Part(joint, own) => {
                let joint = &self.joint[*joint];
                Some(if joint.composite.results.contains(&value) { &joint.whole } else { own })
            }
            _ => None,
        }
    }

    /// The stored tensors of a weight that a node divides by its norm and whose share a scale can take up.
    pub fn normed(&self, graph: &Graph, bound: &Bound) -> Option<Normed> {
        normed(graph, &self.aliases, graph.node(bound.node), &bound.rule)
    }

    /// True for a value inside a composite: nothing else reads it, and its axes follow from the ends.
    pub fn inside(&self, value: ValueId, node: NodeId) -> bool {
        matches!(&self.steps[node.index()], Step::Part(j, _) if !self.joint[*j].composite.results.contains(&value))
    }
}

/// Checks that rules describe all nodes of an edited graph that they described before.
///
/// # Errors
/// The first that they do not.
pub fn still_described(
    (graph, before): (&Graph, &Propagation),
    (small, after): (&Graph, &Propagation),
) -> Result<(), PropagateError> {
    let described = |(_, step): &(&Node, &Step)| matches!(step, Step::Bound(_) | Step::Part(..));
    let place = |node: &Node| (node.graph, node.name.clone(), node.outputs.first().copied());
    let known: FxHashSet<_> = graph.nodes.iter().zip(&before.steps).filter(described).map(|(n, _)| place(n)).collect();
    for (node, step) in small.nodes.iter().zip(&after.steps) {
        if let Step::Unknown(why) = step
            && known.contains(&place(node))
        {
            return Err(PropagateError::NoLonger { node: node.name.clone(), op: node.target.clone(), why: why.clone() });
        }
    }
    Ok(())
}
