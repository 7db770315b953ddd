//! The order of nodes in each graph of the file, from their order in the edited graph.

use super::scope::Scopes;
use crate::format::FormatError;
use crate::model::{Graph, Origin};

/// What stands in a graph's list of nodes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Item {
    /// The node of the edited graph with this index.
    Node(usize),
    /// The operator with sub-graphs that [`Scopes::entered`] lists here.
    Entered(usize),
}

/// The lists of all graphs. An operator with sub-graphs, which is no node of the edited graph, stands where its first node
/// does, and never later than before the first original node that followed it.
pub(super) fn order(scopes: &Scopes, small: &Graph) -> Result<Vec<Vec<Item>>, FormatError> {
    let graphs = scopes.list.len();
    let mut order = Order { lists: vec![Vec::new(); graphs], entered: vec![Vec::new(); graphs], next: vec![0; graphs] };
    for (index, entered) in scopes.entered.iter().enumerate() {
        order.entered[entered.graph].push((index, entered.node));
    }
    for (index, node) in small.nodes.iter().enumerate() {
        if node.graph >= scopes.list.len() {
            return Err(FormatError::edit(format!("node `{}` is in graph {}, which does not exist", node.name, node.graph)));
        }
        let mut inner = node.graph;
        while let Some(parent) = scopes.parent(inner) {
            order.entered_until(parent.graph, parent.node + 1);
            inner = parent.graph;
        }
        match node.origin {
            Origin::Implied => continue,
            Origin::Listed(position) => order.entered_until(node.graph, position),
            Origin::New(_) => {}
        }
        order.lists[node.graph].push(Item::Node(index));
    }
    for number in 0..graphs {
        order.entered_until(number, usize::MAX);
    }
    Ok(order.lists)
}

struct Order {
    lists: Vec<Vec<Item>>,
    entered: Vec<Vec<(usize, usize)>>,
    next: Vec<usize>,
}

impl Order {
    /// Places the operators with sub-graphs of a graph that stand before a position.
    fn entered_until(&mut self, graph: usize, position: usize) {
        while let Some((index, _)) = self.entered[graph].get(self.next[graph]).filter(|(_, at)| *at < position) {
            self.lists[graph].push(Item::Entered(*index));
            self.next[graph] += 1;
        }
    }
}
