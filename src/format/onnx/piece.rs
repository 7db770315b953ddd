//! Parts of a new file.

use rustc_hash::FxHashMap;

use crate::model::{Graph, ValueId};

/// A part of the new file.
pub(super) enum Piece<'a> {
    /// A part of the old one.
    Old(&'a [u8]),
    /// New bytes.
    New(Vec<u8>),
    /// The elements of a tensor, and how many bytes they are.
    Data(usize, u64),
}

impl Piece<'_> {
    pub(super) fn len(&self) -> u64 {
        match self {
            Piece::Old(bytes) => bytes.len() as u64,
            Piece::New(bytes) => bytes.len() as u64,
            Piece::Data(_, len) => *len,
        }
    }
}

/// The value of a name in a graph.
pub(super) fn names(graph: &Graph) -> FxHashMap<&str, ValueId> {
    graph.values.iter().enumerate().map(|(k, v)| (v.name.as_str(), ValueId(k as u32))).collect()
}
