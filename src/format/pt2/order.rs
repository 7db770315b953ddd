//! The order of nodes in each graph of the file, from their order in the edited graph.

use super::scope::{Parent, Scopes};
use crate::format::FormatError;
use crate::model::Graph;

/// What stands in a graph's list of nodes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Item {
    /// The node of the edited graph with this index.
    Node(usize),
    /// The wrapper around the graph of this number.
    Wrapper(usize, Parent),
}

/// The lists of all graphs. A wrapper, which is no node of the edited graph, stands where its first node does, and never
/// later than before the first original node that followed it.
pub(super) fn order(scopes: &Scopes, small: &Graph) -> Result<Vec<Vec<Item>>, FormatError> {
    let mut order = Order {
        lists: vec![Vec::new(); scopes.list.len()],
        wrappers: vec![Vec::new(); scopes.list.len()],
        next: vec![0; scopes.list.len()],
    };
    for (number, scope) in scopes.list.iter().enumerate() {
        if let Some(parent) = scope.parent {
            order.wrappers[parent.graph].push((number, parent));
        }
    }
    for (index, node) in small.nodes.iter().enumerate() {
        if node.graph >= scopes.list.len() {
            return Err(FormatError::edit(format!("node `{}` is in graph {}, which does not exist", node.name, node.graph)));
        }
        let mut inner = node.graph;
        while let Some(parent) = scopes.list[inner].parent {
            order.wrappers_until(parent.graph, parent.node + 1);
            inner = parent.graph;
        }
        if let Some(position) = node.origin {
            order.wrappers_until(node.graph, position);
        }
        order.lists[node.graph].push(Item::Node(index));
    }
    for number in 0..scopes.list.len() {
        order.wrappers_until(number, usize::MAX);
    }
    Ok(order.lists)
}

struct Order {
    lists: Vec<Vec<Item>>,
    wrappers: Vec<Vec<(usize, Parent)>>,
    next: Vec<usize>,
}

impl Order {
    /// Places the wrappers of a graph that stand before a position.
    fn wrappers_until(&mut self, graph: usize, position: usize) {
        while let Some((number, parent)) = self.wrappers[graph].get(self.next[graph]).filter(|(_, p)| p.node < position) {
            self.lists[graph].push(Item::Wrapper(*number, *parent));
            self.next[graph] += 1;
        }
    }
}
