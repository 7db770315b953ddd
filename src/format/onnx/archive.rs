//! An open model.

use std::borrow::Cow;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::data::{Bytes, Files, Storage};
use super::error::OnnxError;
use super::proto::Model;
use super::units::{Message, Unfolded};
use super::wire::Fault;
use crate::format::FormatError;
use crate::model::Graph;

/// The bytes of a model, and where its parts are.
pub(super) struct Source {
    pub(super) path: PathBuf,
    pub(super) bytes: Bytes,
    pub(super) model: Model,
    /// Its nodes, with those of functions in the place of calls.
    pub(super) nodes: Unfolded,
}

/// An open model: the file is mapped, its graph is known, the weights are untouched.
pub struct Archive {
    pub(super) source: Source,
    pub(super) program: Program,
}

/// A graph with where everything of it is stored.
#[derive(Default)]
pub(super) struct Program {
    pub(super) graph: Graph,
    pub(super) storages: Vec<Storage>,
    pub(super) files: Files,
    /// For each stored tensor what holds it.
    pub(super) stored: Vec<Stored>,
}

/// What holds a stored tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Stored {
    /// An initializer, by its place in the list.
    Initializer(usize),
    /// A node of the unfolded graph, by its place.
    Constant(usize),
}

impl Archive {
    /// The file.
    pub fn path(&self) -> &Path {
        &self.source.path
    }

    /// An error if one of its files is not as it was when it was opened.
    pub fn unchanged(&self) -> Result<(), FormatError> {
        std::iter::once(&self.source.bytes).chain(&self.program.files.list).try_for_each(Bytes::unchanged)
    }

    /// The graph.
    pub fn graph(&self) -> Graph {
        self.program.graph.clone()
    }

    /// How many payloads there are.
    pub fn storages(&self) -> usize {
        self.program.storages.len()
    }

    /// The bytes of a stored tensor.
    pub fn storage(&self, storage: usize) -> Result<Cow<'_, [u8]>, FormatError> {
        let found = self.program.storages.get(storage);
        let found = found.ok_or_else(|| FormatError::edit(format!("there is no storage {storage}")))?;
        Ok(found.bytes(&self.source.bytes, &self.program.files))
    }
}

impl Source {
    /// The message of the graph.
    pub(super) fn graph_bytes(&self) -> &[u8] {
        self.bytes.get(self.model.graph.clone()).unwrap_or(&[])
    }

    /// A part of the graph.
    pub(super) fn part(&self, range: &Range<usize>) -> &[u8] {
        self.graph_bytes().get(range.clone()).unwrap_or(&[])
    }

    /// The message of a node of the unfolded graph.
    pub(super) fn node(&self, at: usize) -> &[u8] {
        match self.nodes.list.get(at) {
            Some(Message::There(range)) => self.part(range),
            Some(Message::Made(bytes)) => bytes,
            None => &[],
        }
    }

    /// Where a part of the file lies in it; `None` of bytes that are not in it.
    pub(super) fn offset_of(&self, part: &[u8]) -> Option<usize> {
        let at = (part.as_ptr() as usize).checked_sub(self.bytes.as_ptr() as usize)?;
        (at <= self.bytes.len()).then_some(at)
    }

    pub(super) fn fault(&self, fault: Fault) -> FormatError {
        fault.of(&self.path, self.model.graph.start).into()
    }

    pub(super) fn order(&self, reason: String) -> FormatError {
        OnnxError::Graph { path: self.path.clone(), reason }.into()
    }

    pub(super) fn unsupported(&self, what: &str, help: &str) -> FormatError {
        OnnxError::Unsupported { path: self.path.clone(), what: what.to_owned(), help: help.to_owned() }.into()
    }
}
