//! Opening a model.

use std::path::Path;
use std::sync::Arc;

use super::archive::{Archive, Source};
use super::data::Bytes;
use super::error::OnnxError;
use super::proto::Model;
use super::read;
use super::unfold::unfold;
use super::units::Unfolded;
use crate::format::FormatError;

impl Archive {
    /// Whether a file is to be read as one, by its name or its first bytes.
    pub(in crate::format) fn is_one(path: &Path, start: &[u8]) -> bool {
        is_onnx(path) || begins(start)
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
        // The version of the format comes first in all that programs write.
        let model = Model::read(&bytes).map_err(|f| match bytes.first() {
            Some(&8) => f.of(path, 0).into(),
            _ => not(f.reason),
        })?;
        if model.graph_field.is_empty() {
            return Err(not("it has no graph"));
        }
        if model.opsets.is_empty() {
            return Err(not("it names no version of its operators"));
        }
        let mut source = Source { path: path.to_path_buf(), bytes, model, nodes: Unfolded::default() };
        source.nodes = unfold(&source)?;
        let program = read::program(&source)?;
        Ok(Archive { source, program })
    }
}

/// Whether a file begins as one: the version of the format comes first in all that programs write.
pub(in crate::format) fn begins(start: &[u8]) -> bool {
    matches!(start, [8, version, ..] if *version < 64)
}

/// Whether a file's name is that of an ONNX model.
pub fn is_onnx(path: &Path) -> bool {
    path.extension().is_some_and(|e| e.eq_ignore_ascii_case("onnx"))
}
