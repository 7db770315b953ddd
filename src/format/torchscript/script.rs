//! What becomes a TorchScript module.

use std::collections::HashMap;

use super::interface::Interface;
use crate::model::{DType, Graph, Node, Tensor, ValueId};

/// What becomes a TorchScript module: a graph, and how much of it.
pub struct Script<'a> {
    /// The program.
    pub graph: &'a Graph,
    /// What `forward` returns: a tensor if it is one, else a tuple.
    pub outputs: Vec<ValueId>,
    /// Only so many nodes are written, from the first.
    pub nodes: usize,
    /// Buffers and inputs that the program updates are written, as they are in PyTorch.
    pub writes_back: bool,
    /// The device that those named in the program become; `None` to leave them.
    pub device: Option<&'a str>,
    /// Parameters and computations in floats of up to 32 bits are widened to 64.
    pub double: bool,
    /// The class that a module has, by its dotted path; others get names of their own.
    pub classes: Option<&'a HashMap<String, String>>,
    /// How callers give inputs and get results; a parameter for each input, and one tensor or a tuple, where it is not told.
    pub interface: Option<&'a Interface>,
}

impl<'a> Script<'a> {
    /// The whole program, as a user loads it.
    pub fn new(graph: &'a Graph) -> Script<'a> {
        let written = |at: usize| graph.updates.iter().any(|(k, _)| *k == at);
        let outputs = graph.outputs.iter().enumerate().filter(|(at, _)| !written(*at)).map(|(_, v)| *v).collect();
        Script {
            graph,
            outputs,
            nodes: graph.nodes.len(),
            writes_back: true,
            device: None,
            double: false,
            classes: None,
            interface: None,
        }
    }

    pub(super) fn nodes(&self) -> &'a [Node] {
        &self.graph.nodes[..self.nodes.min(self.graph.nodes.len())]
    }

    /// The element type that a tensor is written with.
    pub(super) fn dtype(&self, t: &Tensor) -> DType {
        if self.double && matches!(t.dtype, DType::F32 | DType::F16 | DType::BF16) { DType::F64 } else { t.dtype }
    }
}
