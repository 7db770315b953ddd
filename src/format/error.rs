//! Everything that can be wrong with a file.

use std::path::{Path, PathBuf};

use miette::{Diagnostic, NamedSource, SourceSpan};
use thiserror::Error;

use super::held::HoldsAnother;
use super::masks::MaskFileError;
use super::named::saver;
use super::onnx::OnnxError;
use super::pickle::PickleError;
use super::pt2::Pt2Error;
use super::zip::ArchiveError;

/// Why a file could not be read or written.
#[derive(Debug, Error, Diagnostic)]
#[non_exhaustive]
pub enum FormatError {
    /// The file system refused.
    #[error("cannot read {}", path.display())]
    #[diagnostic(code(paring::file::unreadable), help("check the path, and that you may read the file"))]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Somebody wrote to the file while it was read.
    #[error("{} changed while it was read; nothing was written", path.display())]
    #[diagnostic(code(paring::file::changed), help("run again when nothing else writes to the file"))]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// The code of a TorchScript archive cannot be followed.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Script(Box<super::torchscript::ScriptError>),
    /// An ONNX model that cannot be read or written.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Onnx(Box<super::onnx::OnnxError>),
    /// The sizes of a TorchScript program's inputs.
    #[error("{}: {reason}", path.display())]
    #[diagnostic(
        code(paring::torchscript::inputs),
        help(
            "give the sizes of each input tensor in order: --input 1x3x224x224; with a type where it is none of floats: --input 1x128:int64"
        )
    )]
    InputSizes {
        /// The file.
        path: PathBuf,
        /// What is wrong with them.
        reason: String,
    },
    /// Sizes of inputs for a file that holds them.
    #[error("{} records the sizes of its inputs, and takes no others", path.display())]
    #[diagnostic(
        code(paring::pt2::inputs),
        help("leave --input out; for other sizes export the model with other inputs, or with dynamic_shapes")
    )]
    InputsRecorded {
        /// The file.
        path: PathBuf,
    },
    /// A format that a program cannot be turned into.
    #[error("{} is a TorchScript program and cannot be written as {}", from.display(), to.display())]
    #[diagnostic(
        code(paring::torchscript::to_pt2),
        help("give the output a name that ends in .pt, or export the model with torch.export.export")
    )]
    OtherFormat {
        /// The file that was read.
        from: PathBuf,
        /// The file to write.
        to: PathBuf,
    },
    /// A text in the archive is no JSON.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Malformed(Box<Malformed>),
    /// The edited graph does not belong to the archive, or cannot be expressed in it.
    #[error("the edited graph cannot be written: {reason}")]
    #[diagnostic(code(paring::pt2::bad_edit), help("this is a fault in Paring; please report it"))]
    BadEdit {
        /// What does not fit.
        reason: String,
    },
    /// A program that TorchScript cannot express.
    #[error("{what} ({op}) cannot be written to TorchScript: {reason}")]
    #[diagnostic(
        code(paring::torchscript::not_expressible),
        help("a .pt2 archive holds it: give the output a name that ends in .pt2")
    )]
    NotInTorchScript {
        /// The node, or what else.
        what: String,
        /// Its operator.
        op: String,
        /// Why not.
        reason: String,
    },
    /// The output could not be written.
    #[error("cannot write {}", path.display())]
    #[diagnostic(code(paring::file::unwritable), help("does the folder exist, and may you write there?"))]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A pickle that cannot be read.
    #[error("cannot read the pickle in {}", path.display())]
    #[diagnostic(code(paring::pickle::unreadable))]
    Pickle {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        #[diagnostic_source]
        source: PickleError,
    },
    /// A tensor of a pickle whose data are not there.
    #[error("{}: {reason}", path.display())]
    #[diagnostic(code(paring::pickle::tensor), help("the file is damaged; save it again with torch.save"))]
    BadTensor {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A file of another kind than was asked for.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Holds(Box<HoldsAnother>),
    /// What is wrong with an archive as a zip.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Zip(#[from] ArchiveError),
    /// What is wrong with an archive of `torch.export.save`.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Pt2(#[from] Pt2Error),
    /// What is wrong with a file of masks.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Masks(#[from] MaskFileError),
}

/// A text that is no JSON, with the place.
#[derive(Debug, Error, Diagnostic)]
#[error("{}: {member} is malformed JSON: {reason}", path.display())]
#[diagnostic(code(paring::pt2::malformed_json), help("the archive is damaged; save it again with {}", saver(path)))]
pub struct Malformed {
    /// The file.
    pub path: PathBuf,
    /// The member.
    pub member: String,
    /// What the parser says.
    pub reason: String,
    /// The text around the place.
    #[source_code]
    excerpt: NamedSource<String>,
    /// The place in the excerpt.
    #[label("here")]
    span: SourceSpan,
}

impl FormatError {
    /// An error at reading `path`.
    pub(crate) fn reading(path: &Path) -> impl FnOnce(std::io::Error) -> FormatError + use<> {
        let path = path.to_path_buf();
        move |source| FormatError::Unreadable { path, source }
    }

    /// An error at writing `path`.
    pub(crate) fn writing(path: &Path) -> impl FnOnce(std::io::Error) -> FormatError + use<> {
        let path = path.to_path_buf();
        move |source| FormatError::Unwritable { path, source }
    }

    /// A fault in the code of an archive.
    pub(super) fn script(fault: super::torchscript::ScriptError) -> FormatError {
        FormatError::Script(Box::new(fault))
    }

    /// A fault of the edited graph.
    pub(super) fn edit(reason: impl Into<String>) -> FormatError {
        FormatError::BadEdit { reason: reason.into() }
    }

    /// A JSON error of serde, with the text around it.
    pub(super) fn malformed(path: &Path, member: &str, text: &[u8], error: &serde_json::Error) -> FormatError {
        const AROUND: usize = 60;
        let line_start =
            text.split_inclusive(|&b| b == b'\n').take(error.line().saturating_sub(1)).map(<[u8]>::len).sum::<usize>();
        let at = (line_start + error.column().saturating_sub(1)).min(text.len());
        let before = String::from_utf8_lossy(&text[at.saturating_sub(AROUND)..at]).replace('\n', " ");
        let after = String::from_utf8_lossy(&text[at..(at + AROUND).min(text.len())]).replace('\n', " ");
        let span = SourceSpan::new(before.len().into(), after.chars().next().map_or(0, char::len_utf8));
        FormatError::Malformed(Box::new(Malformed {
            path: path.to_path_buf(),
            member: member.to_owned(),
            reason: error.to_string(),
            excerpt: NamedSource::new(member, before + &after),
            span,
        }))
    }
}

impl From<HoldsAnother> for FormatError {
    fn from(e: HoldsAnother) -> FormatError {
        FormatError::Holds(Box::new(e))
    }
}

impl From<OnnxError> for FormatError {
    fn from(e: OnnxError) -> FormatError {
        FormatError::Onnx(Box::new(e))
    }
}
