//! The axes of stored tensors, inputs, and results of nodes that no rule describes.

use egg::Id;

use super::egraph::Reason;
use super::propagation::Propagation;
use crate::model::{Graph, NodeId, ValueId};

impl Propagation {
    /// New axes for a value, by its sizes.
    pub(super) fn new_dims(&mut self, value: ValueId) -> Vec<Id> {
        let sizes = self.shapes[value.index()].clone().unwrap_or_default();
        let ids: Vec<Id> = sizes.into_iter().map(|s| self.axes.leaf(s)).collect();
        self.dims[value.index()] = Some(ids.clone());
        ids
    }

    /// Those of stored tensors and inputs.
    pub(super) fn sources(&mut self, graph: &Graph, frozen: &[String]) {
        for (k, t) in graph.tensors.iter().enumerate() {
            let ids = self.new_dims(t.value);
            if let Some(f) = frozen.iter().find(|f| graph.is_meant(k, f)) {
                ids.iter().for_each(|id| self.axes.lock(*id, Reason::Frozen(f.clone())));
            }
        }
        for (k, first) in graph.first_names().into_iter().enumerate().filter(|(k, first)| k != first) {
            let (t, first) = (&graph.tensors[k], &graph.tensors[first]);
            let pairs: Vec<(Id, Id)> = match (&self.dims[t.value.index()], &self.dims[first.value.index()]) {
                (Some(a), Some(b)) => a.iter().copied().zip(b.iter().copied()).collect(),
                _ => Vec::new(),
            };
            for (a, b) in pairs {
                self.axes.tie(a, b, Reason::Tied { names: [t.name.clone(), first.name.clone()] });
            }
        }
        for v in &graph.inputs {
            for id in self.new_dims(*v) {
                self.axes.lock(id, Reason::Input(graph.value(*v).name.clone()));
            }
        }
    }

    /// Locks all axes that a node touches.
    pub(super) fn unknown(&mut self, graph: &Graph, id: NodeId, why: &str) {
        let node = graph.node(id);
        let reason = || Reason::Unknown { node: id, why: why.to_owned() };
        let mut touched: Vec<Id> = Vec::new();
        for v in node.args.iter().flat_map(|(_, a)| a.tensors()) {
            touched.extend(self.dims[v.index()].iter().flatten());
        }
        for v in &node.outputs {
            touched.extend(self.new_dims(*v));
        }
        touched.into_iter().for_each(|t| self.axes.lock(t, reason()));
    }
}
