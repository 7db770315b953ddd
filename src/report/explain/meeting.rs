//! Where coupled layers meet: the operator that makes their axes one.

use crate::axis::{Chains, Propagation, Reason};
use crate::model::{Graph, NodeId};
use crate::solve::Roles;

use super::name::AxisRef;

/// Finds where the axes of parameters meet.
pub struct Meetings<'a> {
    graph: &'a Graph,
    p: &'a Propagation,
    chains: Chains<'a>,
    roles: Roles,
}

/// Two parameters, the axis that they share, and where they meet.
#[derive(Clone, Debug)]
pub struct Meeting {
    /// The axis of one.
    pub a: AxisRef,
    /// The axis of the other.
    pub b: AxisRef,
    /// The operator in which activations of both meet; else the middle of the chain.
    pub node: Option<NodeId>,
}

impl<'a> Meetings<'a> {
    /// Of one graph.
    pub fn new(graph: &'a Graph, p: &'a Propagation) -> Meetings<'a> {
        Meetings { graph, p, chains: Chains::new(&p.axes), roles: Roles::new(graph, p) }
    }

    /// Where two parameters meet; `None` if no dimensions of theirs are the same axis.
    pub fn of(&self, a: &str, b: &str) -> Option<Meeting> {
        let (a, b) = (self.axes(a), self.axes(b));
        let same = |x: &AxisRef, y: &AxisRef| self.p.axes.class(x.id) == self.p.axes.class(y.id);
        let (a, b) = a.iter().find_map(|x| b.iter().find(|y| same(x, y)).map(|y| (x.clone(), y.clone())))?;
        let links = self.chains.between(a.id, b.id)?;
        let nodes: Vec<NodeId> = links
            .iter()
            .filter_map(|l| match l.reason {
                Some(Reason::Rule { node, .. } | Reason::Composite { node }) => Some(*node),
                _ => None,
            })
            .collect();
        let active = |n: &NodeId| {
            let tensors = self.graph.node(*n).args.iter().flat_map(|(_, a)| a.tensors());
            tensors.filter(|v| !self.roles.constant[v.index()]).count() > 1
        };
        let node = nodes.iter().copied().find(active).or_else(|| nodes.get(nodes.len() / 2).copied());
        Some(Meeting { a, b, node })
    }

    /// The axes of a parameter, those that it makes first.
    fn axes(&self, name: &str) -> Vec<AxisRef> {
        let Some(k) = self.graph.tensors.iter().position(|t| t.name == name) else { return Vec::new() };
        let ids = self.p.dims[self.graph.tensors[k].value.index()].as_deref().unwrap_or(&[]);
        let mut dims: Vec<usize> = (0..ids.len()).filter(|d| !self.p.axes.size(ids[*d]).is(1)).collect();
        dims.sort_by_key(|d| !self.roles.makes[k][*d]);
        dims.into_iter().map(|d| AxisRef { name: format!("{name}[{d}]"), id: ids[d] }).collect()
    }
}
