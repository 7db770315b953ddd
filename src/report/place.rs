//! Nodes and locks as reports show them.

use serde::Serialize;

use super::words;
use crate::axis::Reason;
use crate::model::{Graph, NodeId};

/// A node, with its line of Python.
#[derive(Clone, Debug, Serialize)]
pub struct Place {
    /// The node's name.
    pub node: String,
    /// Its operator.
    pub op: String,
    /// The Python line, if there is one: `file:line: text`.
    pub line: Option<String>,
}

/// What stands in the way of a group.
#[derive(Clone, Debug, Serialize)]
pub struct Obstacle {
    /// In words.
    pub why: String,
    /// The node that keeps it, if it is one.
    pub place: Option<Place>,
}

/// A node as reports show it.
pub(crate) fn place(graph: &Graph, id: NodeId) -> Place {
    let node = graph.node(id);
    Place { node: node.name.clone(), op: node.target.clone(), line: node.source.line() }
}

/// A lock as reports show it.
pub(crate) fn obstacle(graph: &Graph, reason: &Reason) -> Obstacle {
    let node = match reason {
        Reason::Rule { node, .. } | Reason::Composite { node } | Reason::Unknown { node, .. } => Some(*node),
        _ => None,
    };
    Obstacle { why: words::reason(graph, reason), place: node.map(|n| place(graph, n)) }
}
