//! How much memory a program takes: its weights, and the values that are alive at once.

use std::collections::HashMap;

use serde::Serialize;

use crate::model::{Graph, Size, ValueId};
use crate::rule::Schemas;

/// Bytes.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Memory {
    /// Of the stored tensors.
    pub weights: u64,
    /// Of the values that are alive at the worst moment of a forward, inputs included, scratch space of operators not. A
    /// view takes nothing, but keeps what it looks at.
    pub values: u64,
}

/// Works it out from the sizes of the traced example.
pub fn memory(graph: &Graph, shapes: &[Option<Vec<Size>>]) -> Memory {
    let mut seen: HashMap<usize, u64> = HashMap::new();
    for t in &graph.tensors {
        let reach: usize = t.shape.iter().zip(&t.strides).map(|(n, s)| n.saturating_sub(1) * s).sum();
        let end = if t.numel() == 0 { 0 } else { (t.offset + reach + 1) * t.dtype.bytes() } as u64;
        let known = seen.entry(t.storage).or_default();
        *known = (*known).max(end);
    }
    let weights = seen.values().sum();
    let bytes = |v: ValueId| -> u64 {
        let shape = shapes.get(v.index()).and_then(Option::as_ref).or(graph.value(v).shape.as_ref());
        let Some(shape) = shape else { return 0 };
        shape.iter().map(|s| s.hint().unwrap_or(1).max(0) as u64).product::<u64>() * graph.value(v).dtype.bytes() as u64
    };
    // What memory a value lives in: its own, or that of the value that it is a view of.
    let mut home: Vec<ValueId> = (0..graph.values.len() as u32).map(ValueId).collect();
    for node in &graph.nodes {
        let Some(schema) = Schemas::builtin().get(&node.target) else { continue };
        let shared = schema.viewed().or(schema.written().first().copied());
        let base = shared.and_then(|name| node.arg(name)).and_then(|a| a.tensors().first().copied());
        if let Some(base) = base {
            node.outputs.iter().for_each(|v| home[v.index()] = home[base.index()]);
        }
    }
    let mut last: HashMap<ValueId, usize> = HashMap::new();
    for (at, node) in graph.nodes.iter().enumerate() {
        let used = node.args.iter().flat_map(|(_, a)| a.tensors());
        used.chain(node.outputs.iter().copied()).for_each(|v| _ = last.insert(home[v.index()], at));
    }
    graph.outputs.iter().for_each(|v| _ = last.insert(home[v.index()], graph.nodes.len()));
    let mut ends: Vec<Vec<ValueId>> = vec![Vec::new(); graph.nodes.len() + 1];
    last.iter().for_each(|(v, at)| ends[*at].push(*v));
    let stored: std::collections::HashSet<ValueId> = graph.tensors.iter().map(|t| t.value).collect();
    let mut alive: u64 = graph.inputs.iter().map(|v| bytes(*v)).sum();
    let mut most = alive;
    for (node, ends) in graph.nodes.iter().zip(&ends) {
        let made = node.outputs.iter().filter(|v| home[v.index()] == **v);
        alive += made.map(|v| bytes(*v)).sum::<u64>();
        most = most.max(alive);
        alive -= ends.iter().filter(|v| !stored.contains(v)).map(|v| bytes(*v)).sum::<u64>().min(alive);
    }
    Memory { weights, values: most }
}
