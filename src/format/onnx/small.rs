//! A model of a few operators, of which all tensors are inputs.

use std::path::PathBuf;
use std::sync::Arc;

use super::archive::Source;
use super::data::Bytes;
use super::encode::{field, value_info};
use super::node::Nodes;
use super::operator::domain;
use super::proto::Model;
use super::units::Unfolded;
use super::wire::{put_bytes, put_number};
use crate::format::FormatError;
use crate::model::{Graph, ValueId};

/// The version of the format that is written.
const IR: i64 = 10;

/// A graph as a model that takes its tensors, in order, and returns these values.
///
/// # Errors
/// A node that cannot be written.
pub fn to_bytes(graph: &Graph, outputs: &[ValueId]) -> Result<Vec<u8>, FormatError> {
    let nothing = Arc::<[u8]>::from([]);
    let source =
        Source { path: PathBuf::new(), bytes: Bytes::Memory(nothing), model: Model::default(), nodes: Unfolded::default() };
    let read = Graph::default();
    let mut nodes = Nodes::new(&source, &read, graph);
    let mut message = Vec::new();
    for k in 0..graph.nodes.len() {
        put_bytes(&mut message, 1, &nodes.new_node(k)?);
    }
    put_bytes(&mut message, 2, b"small");
    for constant in &nodes.constants {
        put_bytes(&mut message, 5, &constant.message());
    }
    for t in &graph.tensors {
        let sizes: Vec<_> = t.shape.iter().copied().map(Into::into).collect();
        put_bytes(&mut message, 11, &value_info(&graph.value(t.value).name, t.dtype, &sizes));
    }
    for v in outputs {
        put_bytes(&mut message, 12, &field(1, graph.value(*v).name.as_bytes()));
    }
    let mut model = Vec::new();
    put_number(&mut model, 1, IR);
    put_bytes(&mut model, 7, &message);
    for (set, version) in &graph.versions {
        let mut opset = Vec::new();
        put_bytes(&mut opset, 1, domain(set).as_bytes());
        put_number(&mut opset, 2, *version);
        put_bytes(&mut model, 8, &opset);
    }
    Ok(model)
}
