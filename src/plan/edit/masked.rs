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
    let (mut edits, mut gone) = (Vec::new(), FxHashSet::default());
    let mut push = |change, reason: &str| edits.push(Edit { change, reason: reason.to_owned() });
    let settled: Vec<&Masked> = masked.iter().filter(|m| is_plain(graph, p, plan, m)).collect();
    for m in &settled {
        push(Change::Mask { tensor: m.parameter, by: m.mask }, "the program multiplied it by this mask");
        for node in &m.products {
            gone.insert(*node);
            push(Change::Bypass { node: *node, value: Some(graph.tensors[m.parameter].value) }, "the stored weight is masked");
        }
        if let Some(to) = m.plain.clone() {
            push(Change::Rename { tensor: m.parameter, to }, "it is the weight itself now");
        }
    }
    // From the products on: what made the masks, where nothing else reads it.
    let mut readers: FxHashMap<ValueId, Vec<NodeId>> = FxHashMap::default();
    let computes: Vec<NodeId> = graph.node_ids().filter(|id| !only_checks(graph.node(*id), rules)).collect();
    computes.iter().for_each(|id| graph.node(*id).reads().into_iter().for_each(|v| readers.entry(v).or_default().push(*id)));
    let read = |gone: &FxHashSet<NodeId>, v: ValueId| {
        graph.outputs.contains(&v) || readers.get(&v).is_some_and(|all| all.iter().any(|id| !gone.contains(id)))
    };
    let mut lost: FxHashSet<ValueId> = FxHashSet::default();
    for node in settled.iter().flat_map(|m| &m.makers) {
        if !gone.contains(node) && graph.node(*node).outputs.iter().all(|v| !read(&gone, *v)) {
            gone.insert(*node);
            lost.extend(&graph.node(*node).outputs);
            push(Change::Bypass { node: *node, value: None }, "it only made a mask");
        }
    }
    let buffers: FxHashSet<usize> = settled.iter().flat_map(|m| &m.buffers).copied().collect();
    let removed: FxHashSet<usize> = buffers.into_iter().filter(|k| !read(&gone, graph.tensors[*k].value)).collect();
    let mut list: Vec<usize> = removed.iter().copied().collect();
    list.sort_unstable();
    for tensor in list {
        push(Change::Remove { tensor }, "the weight that it masked is masked");
    }
    let values: FxHashSet<ValueId> = removed.iter().map(|k| graph.tensors[*k].value).collect();
    lost.extend(&values);
    for node in graph.node_ids().filter(|id| graph.node(*id).reads().iter().any(|v| lost.contains(v))) {
        if gone.insert(node) {
            push(Change::Bypass { node, value: None }, "it looked at a mask");
        }
    }
    plan.edits.retain(|e| match &e.change {
        Change::Slice { tensor, .. } => !removed.contains(tensor),
        Change::Resize { value, .. } => !values.contains(value),
        change => change.node().is_none_or(|n| !gone.contains(&n)),
    });
    plan.edits.append(&mut edits);
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
