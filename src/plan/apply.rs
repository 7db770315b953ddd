//! Applying a plan to a graph in memory.

use std::collections::HashMap;

use super::change::{Change, Elements, Plan};
use super::gather::dense;
use crate::axis::Propagation;
use crate::model::{Arg, Graph, Node, NodeId, Origin, Role, Size, Tensor, Value, ValueId};
use crate::solve::Solution;

/// The program after the cut. Sizes of new values are left open; propagating the result derives them and checks all others.
pub fn apply(graph: &Graph, p: &Propagation, solution: &Solution, plan: &Plan) -> Graph {
    let mut small = graph.clone();
    for (v, value) in small.values.iter_mut().enumerate() {
        let Some(shape) = &mut value.shape else { continue };
        for (d, size) in shape.iter_mut().enumerate() {
            if let Some(n) = p.dims[v].as_ref().and_then(|ids| solution.size(p, *ids.get(d)?)) {
                *size = Size::from(n);
            }
        }
    }
    for (v, content) in &plan.contents {
        match content {
            Some(content) => small.contents.insert(*v, content.clone()),
            None => small.contents.remove(v),
        };
    }
    for (v, size) in &plan.numbers {
        small.values[v.index()].scalar = Some(size.clone());
    }
    for v in &plan.values {
        let dtype = small.value(v.like).dtype;
        small.values.push(Value { name: v.name.clone(), shape: None, dtype, scalar: None });
    }
    for (k, c) in plan.constants.iter().enumerate() {
        let value = &mut small.values[c.value.index()];
        value.dtype = c.data.dtype();
        value.shape = Some(c.shape.iter().copied().map(Size::from).collect());
        small.tensors.push(Tensor {
            name: c.name.clone(),
            value: c.value,
            role: Role::Constant,
            dtype: c.data.dtype(),
            shape: c.shape.clone(),
            strides: dense(&c.shape),
            offset: 0,
            storage: usize::MAX - k, // the writer's payloads number it
            updated: false,
            list: if let Elements::Positions(list) = &c.data { Some(list.as_slice().into()) } else { None },
        });
    }
    let mut after: HashMap<NodeId, Vec<Node>> = HashMap::new();
    let mut dropped = vec![false; graph.nodes.len()];
    let mut instead: HashMap<ValueId, ValueId> = HashMap::new();
    for edit in &plan.edits {
        match &edit.change {
            // These are of the weights.
            Change::Fold { .. }
            | Change::Rescale { .. }
            | Change::Mask { .. }
            | Change::Rename { .. }
            | Change::Remove { .. } => {}
            Change::Bypass { node, value } => {
                dropped[node.index()] = true;
                instead.extend(graph.node(*node).outputs.first().copied().zip(*value));
            }
            Change::Slice { tensor, dim, keep } => small.tensors[*tensor].shape[*dim] = keep.len(),
            Change::Set { node, arg, to } => set(&mut small.nodes[node.index()], arg, to),
            Change::Become { node, target, args } => {
                let node = &mut small.nodes[node.index()];
                node.target = target.clone();
                node.args = args.clone();
            }
            Change::Drop { node } => dropped[node.index()] = true,
            Change::Resize { value, sizes } => small.values[value.index()].shape = Some(sizes.clone()),
            Change::Insert { node, original, nodes } => {
                let old = &mut small.nodes[node.index()];
                match original {
                    Some(renamed) => old.outputs[0] = *renamed,
                    None => dropped[node.index()] = true,
                }
                let (source, number) = (old.source.clone(), old.graph);
                let stands_for = if let Origin::Listed(at) = old.origin { Some(at) } else { None };
                let new = nodes.iter().map(|n| Node {
                    name: small.values[n.output.index()].name.clone(),
                    target: n.target.clone(),
                    args: n.args.clone(),
                    outputs: vec![n.output],
                    listed: false,
                    source: source.clone(),
                    graph: number,
                    origin: Origin::New(stands_for),
                });
                after.entry(*node).or_default().extend(new);
            }
        }
    }
    let nodes = std::mem::take(&mut small.nodes);
    for (k, node) in nodes.into_iter().enumerate() {
        if !dropped[k] {
            small.nodes.push(node);
        }
        small.nodes.extend(after.remove(&NodeId(k as u32)).unwrap_or_default());
    }
    if !instead.is_empty() {
        small.nodes.iter_mut().flat_map(|n| &mut n.args).for_each(|(_, arg)| replace(arg, &instead));
    }
    small
}

/// Values that an argument reads in place of others.
fn replace(arg: &mut Arg, instead: &HashMap<ValueId, ValueId>) {
    match arg {
        Arg::Tensor(v) => *v = instead.get(v).copied().unwrap_or(*v),
        Arg::List(items) => items.iter_mut().for_each(|a| replace(a, instead)),
        _ => {}
    }
}

fn set(node: &mut Node, arg: &str, to: &Arg) {
    match node.args.iter_mut().find(|(name, _)| name == arg) {
        Some((_, value)) => *value = to.clone(),
        None => node.args.push((arg.to_owned(), to.clone())),
    }
}
