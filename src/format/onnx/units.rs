//! The nodes of a graph, and what stands for each in the file.

use std::ops::Range;

use rustc_hash::FxHashMap;

/// The nodes of a graph in order, with those of functions in the place of calls.
#[derive(Default)]
pub(super) struct Unfolded {
    pub(super) list: Vec<Message>,
    /// For each node of the file the first of its nodes in the list, and the end of the list.
    pub(super) begins: Vec<usize>,
    /// The names of the results of each call.
    pub(super) results: FxHashMap<usize, Vec<String>>,
}

/// The message of a node.
pub(super) enum Message {
    /// A part of the graph.
    There(Range<usize>),
    /// Made from that of a function.
    Made(Vec<u8>),
}

impl Unfolded {
    /// What stands for a node of the file.
    pub(super) fn of(&self, node: usize) -> Range<usize> {
        self.begins.get(node).copied().unwrap_or(0)..self.begins.get(node + 1).copied().unwrap_or(0)
    }

    /// Whether a node of the file calls a function whose nodes stand for it.
    pub(super) fn is_call(&self, node: usize) -> bool {
        self.of(node).len() != 1 || matches!(self.list.get(self.of(node).start), Some(Message::Made(_)))
    }

    /// What a call gives.
    pub(super) fn results(&self, node: usize) -> Vec<&str> {
        self.results.get(&node).into_iter().flatten().map(String::as_str).collect()
    }

    /// How many nodes the file has.
    pub(super) fn len(&self) -> usize {
        self.begins.len().saturating_sub(1)
    }
}
