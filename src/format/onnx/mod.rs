//! ONNX models: one message of protocol buffers, with weights in it or in files beside it.

mod data;
mod encode;
mod error;
mod node;
mod proto;
mod read;
mod scope;
mod tensor;
mod types;
mod value;
mod wire;
mod write;

use std::borrow::Cow;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::format::FormatError;
use crate::model::Graph;
use crate::rule::Schemas;
use data::{Bytes, Files, Storage};
pub use error::OnnxError;
use proto::Model;
use wire::Fault;
pub(super) use write::write;

/// The bytes of a model, and where its parts are.
struct Source {
    path: PathBuf,
    bytes: Bytes,
    model: Model,
}

/// An open model: the file is mapped, its graph is known, the weights are untouched.
pub struct Archive {
    source: Source,
    program: Program,
}

/// A graph with where everything of it is stored.
#[derive(Default)]
struct Program {
    graph: Graph,
    storages: Vec<Storage>,
    files: Files,
    /// For each stored tensor what holds it.
    stored: Vec<Stored>,
}

/// What holds a stored tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Stored {
    /// An initializer, by its place in the list.
    Initializer(usize),
    /// A node of the graph, by its place.
    Constant(usize),
}

impl Archive {
    /// Whether a file is to be read as one, by its name or its first bytes.
    pub(in crate::format) fn is_one(path: &Path, start: &[u8]) -> bool {
        is_onnx(path) || (start.first() == Some(&8) && start.get(1).is_some_and(|version| *version < 64))
    }

    /// Opens a file. Weights are not read.
    pub(in crate::format) fn open(path: &Path) -> Result<Archive, FormatError> {
        Archive::read(path, Bytes::open(path)?)
    }

    /// Reads a model that is in memory.
    pub(in crate::format) fn of_bytes(path: &Path, bytes: Arc<[u8]>) -> Result<Archive, FormatError> {
        Archive::read(path, Bytes::Memory(bytes))
    }

    fn read(path: &Path, bytes: Bytes) -> Result<Archive, FormatError> {
        let not =
            |reason: &str| -> FormatError { OnnxError::NotOnnx { path: path.to_path_buf(), reason: reason.to_owned() }.into() };
        if bytes.is_empty() {
            return Err(not("it is empty"));
        }
        if bytes.starts_with(b"PK") {
            return Err(not("it is a zip file, as torch.export.save and torch.jit.save write"));
        }
        let model = Model::read(&bytes).map_err(|f| f.of(path, 0))?;
        if model.graph_field.is_empty() {
            return Err(not("it has no graph"));
        }
        if model.opsets.is_empty() {
            return Err(not("it names no version of its operators"));
        }
        let source = Source { path: path.to_path_buf(), bytes, model };
        let program = read::program(&source)?;
        Ok(Archive { source, program })
    }

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
    fn graph_bytes(&self) -> &[u8] {
        self.bytes.get(self.model.graph.clone()).unwrap_or(&[])
    }

    /// A part of the graph.
    fn part(&self, range: &Range<usize>) -> &[u8] {
        self.graph_bytes().get(range.clone()).unwrap_or(&[])
    }

    /// Where a part of the file lies in it.
    fn offset_of(&self, part: &[u8]) -> usize {
        (part.as_ptr() as usize).saturating_sub(self.bytes.as_ptr() as usize)
    }

    fn fault(&self, fault: Fault) -> FormatError {
        fault.of(&self.path, self.model.graph.start)
    }

    fn order(&self, reason: String) -> FormatError {
        OnnxError::Graph { path: self.path.clone(), reason }.into()
    }

    fn unsupported(&self, what: &str, help: &str) -> FormatError {
        OnnxError::Unsupported { path: self.path.clone(), what: what.to_owned(), help: help.to_owned() }.into()
    }
}

/// Whether a file's name is that of an ONNX model.
pub fn is_onnx(path: &Path) -> bool {
    path.extension().is_some_and(|e| e.eq_ignore_ascii_case("onnx"))
}

/// What rules call a domain.
fn namespace(domain: &str) -> String {
    match domain {
        "" | "ai.onnx" => "onnx".to_owned(),
        "com.microsoft" => "microsoft".to_owned(),
        other => other.replace('.', "_"),
    }
}

/// The domain that rules call so.
fn domain(namespace: &str) -> String {
    match namespace {
        "onnx" => String::new(),
        "microsoft" => "com.microsoft".to_owned(),
        other => other.replace('_', "."),
    }
}

/// The name of an operator with the version that a model means; that of a function of the model is its own.
fn operator(opsets: &[(String, i64)], domain: &str, op: &str, function: bool) -> String {
    let namespace = if function { "function".to_owned() } else { namespace(domain) };
    let same = |d: &str| d == domain || (["", "ai.onnx"].contains(&d) && ["", "ai.onnx"].contains(&domain));
    let version = opsets.iter().find(|(d, _)| same(d)).map_or(1, |(_, v)| *v);
    let name = format!("{namespace}.{op}");
    Schemas::builtin().in_force(&name, version).map_or_else(|| format!("{name}.{version}"), |s| s.name.clone())
}
