//! Layout operators that work together as one map of positions, where nobody else reads the values inside.
//!
//! Each operator alone would tie the coordinates that its views name; together they tie less. A [run] takes each dimension to
//! itself in another order (a channel shuffle); a [split] views a dimension as parts and takes the parts apart (a fused query,
//! key and value), which is a slice each.

mod digits;
mod run;
mod split;

use std::collections::HashMap;

pub use digits::Digit;

use super::alias::Aliases;
use super::node::LetterId;
use super::node::Sketch;
use crate::model::{Graph, NodeId, ValueId};

/// Operators that work as one.
#[derive(Clone, Debug)]
pub struct Composite {
    /// The nodes, in order of execution.
    pub nodes: Vec<NodeId>,
    /// What goes in.
    pub from: ValueId,
    /// What comes out.
    pub results: Vec<ValueId>,
    /// The map, as a rule would state it.
    pub sketch: Sketch,
    /// For each node the digits of the input's dimensions that its letters are made of.
    pub digits: HashMap<NodeId, Vec<Vec<Digit>>>,
    /// For a split: how.
    pub split: Option<Split>,
}

/// A dimension that is taken apart.
#[derive(Clone, Debug)]
pub struct Split {
    /// The dimension.
    pub dim: usize,
    /// The digits of each part, outermost first; for each part the letters in the composite's sketch.
    pub slots: Vec<(Digit, Vec<LetterId>)>,
    /// The digits of the other dimensions, and their letters.
    pub plain: Vec<(Digit, LetterId)>,
    /// For each result: its node and its part.
    pub leaves: Vec<(NodeId, usize)>,
    /// Number of parts.
    pub parts: usize,
    /// Nodes that cut parts off and leave a dimension of one, and that dimension; others leave it out.
    pub cut: Vec<(NodeId, usize)>,
}

/// All composites of a graph; they do not overlap.
pub fn composites(graph: &Graph, sketches: &[Option<&Sketch>], aliases: &Aliases) -> Vec<Composite> {
    let mut readers: HashMap<ValueId, Vec<NodeId>> = HashMap::new();
    for id in graph.node_ids() {
        for v in graph.node(id).args.iter().flat_map(|(_, a)| a.tensors()) {
            readers.entry(v).or_default().push(id);
        }
    }
    graph.outputs.iter().for_each(|v| readers.entry(*v).or_default().push(NodeId(u32::MAX)));
    let search = Search { graph, sketches, aliases, readers };
    let mut taken = vec![false; graph.nodes.len()];
    let mut found: Vec<Composite> = Vec::new();
    for start in graph.node_ids() {
        if taken[start.index()] {
            continue;
        }
        if let Some(composite) = search.split(start).or_else(|| search.run(start)) {
            composite.nodes.iter().for_each(|n| taken[n.index()] = true);
            found.push(composite);
        }
    }
    found
}

/// What a search for composites looks at.
struct Search<'a> {
    graph: &'a Graph,
    sketches: &'a [Option<&'a Sketch>],
    aliases: &'a Aliases,
    readers: HashMap<ValueId, Vec<NodeId>>,
}

impl Search<'_> {
    /// The only reader of a value, if there is just one and it is no output.
    fn only_reader(&self, value: ValueId) -> Option<NodeId> {
        match self.readers.get(&value).map(Vec::as_slice) {
            Some([only]) if only.index() < self.graph.nodes.len() => Some(*only),
            _ => None,
        }
    }

    /// The operand of a layout in the outermost graph that only moves elements of memory that nobody writes.
    fn mover(&self, node: NodeId) -> Option<(ValueId, &Sketch)> {
        let sketch = self.sketches[node.index()]?;
        let value = digits::moves(sketch)?;
        (self.graph.node(node).graph == 0 && !self.aliases.written(value)).then_some((value, sketch))
    }
}
