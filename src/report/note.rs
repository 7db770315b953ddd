//! A place and what to know of it.

use serde::Serialize;

use crate::model::{Graph, NodeId};

/// A place and what to know of it.
#[derive(Clone, Debug, Serialize)]
pub struct Note {
    /// What it is about.
    pub subject: String,
    /// What to know.
    pub text: String,
    /// The Python line, if there is one.
    pub line: Option<String>,
}

/// Of a node.
pub fn note(graph: &Graph, id: NodeId, text: String) -> Note {
    let node = graph.node(id);
    let line = node.source.line();
    Note { subject: format!("{} ({})", node.name, node.target), text, line }
}
