//! Masks that the program multiplies its parameters by become part of these, as `torch.nn.utils.prune.remove` makes them.

use rustc_hash::{FxHashMap, FxHashSet};

use crate::axis::{Propagation, only_checks};
use crate::load::Masked;
use crate::model::{Graph, NodeId, Origin, ValueId};
use crate::plan::change::{Change, Edit, Plan};
use crate::rule::RuleSet;

/// Adds to a plan that parameters are stored multiplied by their masks: the program multiplies no more, its masks are stored no more, and
/// `weight_orig` is called `weight`. What the plan changes otherwise in a product stays a product.
pub fn settle(graph: &Graph, rules: &RuleSet, p: &Propagation, masked: &[Masked], plan: &mut Plan) {
    if graph.nodes.iter().any(|n| n.origin == Origin::Implied) {
        return; // in conditions and loops, what a node needs is not all that it reads
    }
    let mut settling = Settling::new(graph, rules);
    let settled: Vec<&Masked> = masked.iter().filter(|m| is_plain(graph, p, plan, m)).collect();
    settled.iter().for_each(|m| settling.weight(m));
    settled.iter().for_each(|m| settling.makers(m));
    settling.masks(settled.iter().flat_map(|m| &m.buffers).copied().collect());
    settling.checks();
    settling.add_to(plan);
}

/// What is left of the masks so far.
struct Settling<'a> {
    graph: &'a Graph,
    /// The nodes that compute with a value; those that only check it are none.
    readers: FxHashMap<ValueId, Vec<NodeId>>,
    edits: Vec<Edit>,
    /// Nodes that are left out.
    gone: FxHashSet<NodeId>,
    /// Values that are not made, or stored, any more.
    lost: FxHashSet<ValueId>,
    /// Tensors that are stored no more.
    removed: FxHashSet<usize>,
}

impl<'a> Settling<'a> {
    fn new(graph: &'a Graph, rules: &RuleSet) -> Settling<'a> {
        let mut readers: FxHashMap<ValueId, Vec<NodeId>> = FxHashMap::default();
        for id in graph.node_ids().filter(|id| !only_checks(graph.node(*id), rules)) {
            graph.node(id).reads().into_iter().for_each(|v| readers.entry(v).or_default().push(id));
        }
        let (gone, lost, removed) = (FxHashSet::default(), FxHashSet::default(), FxHashSet::default());
        Settling { graph, readers, edits: Vec::new(), gone, lost, removed }
    }

    fn push(&mut self, change: Change, reason: &str) {
        self.edits.push(Edit { change, reason: reason.to_owned() });
    }

    /// A parameter is stored masked, and takes the place of its products.
    fn weight(&mut self, m: &Masked) {
        self.push(Change::Mask { tensor: m.parameter, by: m.mask }, "the program multiplied it by this mask");
        for node in &m.products {
            self.gone.insert(*node);
            let value = Some(self.graph.tensors[m.parameter].value);
            self.push(Change::Bypass { node: *node, value }, "the stored weight is masked");
        }
        if let Some(to) = m.plain.clone() {
            self.push(Change::Rename { tensor: m.parameter, to }, "it is the weight itself now");
        }
    }

    /// What made the masks goes, from the products on, where nothing else reads it.
    fn makers(&mut self, m: &Masked) {
        for node in &m.makers {
            let outputs = &self.graph.node(*node).outputs;
            if !self.gone.contains(node) && !outputs.iter().any(|v| self.is_read(*v)) {
                self.gone.insert(*node);
                self.lost.extend(outputs);
                self.push(Change::Bypass { node: *node, value: None }, "it only made a mask");
            }
        }
    }

    /// And so do the masks.
    fn masks(&mut self, mut buffers: Vec<usize>) {
        buffers.sort_unstable();
        buffers.dedup();
        for tensor in buffers {
            let value = self.graph.tensors[tensor].value;
            if !self.is_read(value) {
                self.removed.insert(tensor);
                self.lost.insert(value);
                self.push(Change::Remove { tensor }, "the weight that it masked is masked");
            }
        }
    }

    /// What checks one of these has nothing to check.
    fn checks(&mut self) {
        let graph = self.graph;
        for node in graph.node_ids().filter(|id| !self.gone.contains(id)).collect::<Vec<_>>() {
            if graph.node(node).reads().iter().any(|v| self.lost.contains(v)) {
                self.gone.insert(node);
                self.push(Change::Bypass { node, value: None }, "it looked at a mask");
            }
        }
    }

    fn is_read(&self, value: ValueId) -> bool {
        let left = |readers: &Vec<NodeId>| readers.iter().any(|id| !self.gone.contains(id));
        self.graph.outputs.contains(&value) || self.readers.get(&value).is_some_and(left)
    }

    /// Puts the edits into the place of what the plan had for what is gone.
    fn add_to(mut self, plan: &mut Plan) {
        plan.edits.retain(|e| match &e.change {
            Change::Slice { tensor, .. } => !self.removed.contains(tensor),
            Change::Resize { value, .. } => !self.lost.contains(value),
            change => change.node().is_none_or(|n| !self.gone.contains(&n)),
        });
        plan.edits.append(&mut self.edits);
    }
}

/// True if a parameter can take the place of its products: they hold what it would, nothing writes there, they are not what the program
/// returns, and the plan has nothing else to do with them.
fn is_plain(graph: &Graph, p: &Propagation, plan: &Plan, m: &Masked) -> bool {
    let parameter = graph.value(graph.tensors[m.parameter].value);
    let alike = |id: &NodeId| {
        let [out] = graph.node(*id).outputs[..] else { return false };
        let value = graph.value(out);
        let listed = matches!(graph.node(*id).origin, Origin::Listed(_)) && !graph.outputs.contains(&out);
        listed && value.dtype == parameter.dtype && value.shape == parameter.shape && !p.aliases.written(out)
    };
    let edited = |e: &Edit| match &e.change {
        Change::Fold { tensor, .. } => *tensor == m.parameter,
        Change::Rescale { tensor, of } => [tensor, of].contains(&&m.parameter),
        Change::Become { node, .. } | Change::Insert { node, .. } => m.products.contains(node) || m.makers.contains(node),
        Change::Drop { node } => m.products.contains(node),
        _ => false,
    };
    m.products.iter().all(alike) && !plan.edits.iter().any(edited)
}
