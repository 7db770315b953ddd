//! What can be wrong with an ONNX file.

use std::path::{Path, PathBuf};

use miette::Diagnostic;
use thiserror::Error;

use super::wire::Fault;

/// Why an ONNX file could not be read or written.
#[derive(Debug, Error, Diagnostic)]
#[non_exhaustive]
pub enum OnnxError {
    /// It has no graph.
    #[error("{} is not an ONNX model: {reason}", path.display())]
    #[diagnostic(code(paring::onnx::not_a_model), help("write one with torch.onnx.export(model, args, \"model.onnx\")"))]
    NotOnnx {
        /// The file.
        path: PathBuf,
        /// What is missing.
        reason: String,
    },
    /// Its fields cannot be read.
    #[error("{} is damaged at byte {at}: {reason}", path.display())]
    #[diagnostic(code(paring::onnx::damaged), help("the file was not copied or saved to its end, or was changed; get it again"))]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where.
        at: usize,
        /// What is wrong.
        reason: String,
    },
    /// A stored tensor that is not what it says.
    #[error("the initializer `{tensor}` of {} {reason}", path.display())]
    #[diagnostic(
        code(paring::onnx::initializer),
        help("`python -c \"import onnx; onnx.checker.check_model('{}')\"` says whether the file is in order", path.display())
    )]
    Initializer {
        /// The file.
        path: PathBuf,
        /// Its name.
        tensor: String,
        /// What is wrong.
        reason: String,
    },
    /// Data in another file that may not be read.
    #[error("the initializer `{tensor}` of {} is stored in {location:?}, which {reason}", path.display())]
    #[diagnostic(
        code(paring::onnx::external_data),
        help("external data has to be a file beside the model, or in a folder there; copy it together with the model")
    )]
    External {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// Where the model says it is.
        location: String,
        /// What is wrong.
        reason: String,
    },
    /// A graph that is not in order.
    #[error("{}: {reason}", path.display())]
    #[diagnostic(
        code(paring::onnx::graph),
        help("the nodes of a graph stand in order of execution, and every value is made once")
    )]
    Graph {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A format that a model cannot be turned into, or from.
    #[error("{} cannot be written as {}", from.display(), to.display())]
    #[diagnostic(
        code(paring::onnx::other_format),
        help("an ONNX model stays one, and no other program becomes one: give the output a name that ends as the model's does")
    )]
    OtherFormat {
        /// The file that was read.
        from: PathBuf,
        /// The file to write.
        to: PathBuf,
    },
    /// What is not supported.
    #[error("{} has {what}", path.display())]
    #[diagnostic(code(paring::onnx::unsupported), help("{help}"))]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// What it has.
        what: String,
        /// What to do.
        help: String,
    },
}

impl Fault {
    /// The error for a fault in a file, in a part of it that begins there.
    pub(super) fn of(self, path: &Path, start: usize) -> OnnxError {
        OnnxError::Damaged { path: path.to_path_buf(), at: start + self.at, reason: self.reason.to_owned() }
    }
}
