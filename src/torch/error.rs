//! What can go wrong with libtorch.

use std::path::PathBuf;

use miette::{Diagnostic, NamedSource, SourceSpan};
use thiserror::Error;

use crate::format::FormatError;

/// Why a program could not be run or compared.
#[derive(Debug, Error, Diagnostic)]
#[non_exhaustive]
pub enum TorchError {
    /// Lowering, or reading a file.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Format(#[from] FormatError),
    /// Another libtorch than the program was built for.
    #[error("{} is libtorch {found}, and this program was built for {wanted}", path.display())]
    #[diagnostic(
        code(paring::torch::version),
        help("install torch {wanted} there again, or build beside the other one with a paring that is made for it")
    )]
    Version {
        /// Its version.
        found: String,
        /// The one that is needed.
        wanted: String,
        /// The folder of the library.
        path: PathBuf,
    },
    /// libtorch did not take the program.
    #[error("libtorch cannot load the program: {reason}")]
    #[diagnostic(
        code(paring::torch::load),
        help("an operator of another library must be loaded first; otherwise this is a fault in Paring, please report it")
    )]
    Load {
        /// What it says.
        reason: String,
    },
    /// The program failed.
    #[error("the program fails when it runs: {reason}")]
    #[diagnostic(code(paring::torch::run), help("{help}"))]
    Run {
        /// What libtorch says.
        reason: String,
        /// What to try.
        help: String,
    },
    /// An input that is not there.
    #[error("{} has no tensor for the input `{input}`", path.display())]
    #[diagnostic(
        code(paring::torch::missing_input),
        help("name the tensors of the file after the inputs ({}), or number them 0, 1, ... in their order", inputs.join(", "))
    )]
    MissingInput {
        /// The file.
        path: PathBuf,
        /// The input.
        input: String,
        /// All inputs.
        inputs: Vec<String>,
    },
    /// An input whose sizes are not known.
    #[error("the sizes of the input `{input}` are not known")]
    #[diagnostic(code(paring::torch::unknown_sizes), help("give the inputs with --inputs FILE.safetensors"))]
    UnknownSizes {
        /// The input.
        input: String,
    },
    /// A device that is no device, or not there.
    #[error("`{name}` is no device that this libtorch can use")]
    #[diagnostic(code(paring::torch::device), help("{help}"))]
    Device {
        /// What was asked for.
        name: String,
        /// What there is.
        help: String,
    },
    /// Two models that cannot be compared.
    #[error("the two models cannot be compared: {reason}")]
    #[diagnostic(code(paring::torch::incomparable), help("the small model must have been made from the original"))]
    Incomparable {
        /// Why not.
        reason: String,
    },
    /// A mask that does not fit.
    #[error("the mask `{name}` does not fit the original: {reason}")]
    #[diagnostic(code(paring::torch::mask), help("give the masks that --unified-masks wrote for this original"))]
    Mask {
        /// The mask.
        name: String,
        /// Why not.
        reason: String,
    },
    /// The small model is not what it should be.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Differs(Box<Differs>),
    /// A file of tensors that cannot be read or written.
    #[error("{}: {reason}", path.display())]
    #[diagnostic(code(paring::torch::tensors), help("inputs and outputs are safetensors files"))]
    Tensors {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

/// A small model that differs from its masked original, and where it begins to.
#[derive(Debug, Error, Diagnostic)]
#[error("the small model differs from the masked original: {what}")]
#[diagnostic(code(paring::torch::differs), help("{help}"))]
pub struct Differs {
    pub(super) what: String,
    pub(super) help: String,
    /// The Python line of the first node that differs.
    #[source_code]
    pub(super) line: Option<NamedSource<String>>,
    #[label("{label}")]
    pub(super) span: Option<SourceSpan>,
    pub(super) label: String,
}

impl TorchError {
    /// A failed run, with advice.
    pub(super) fn run(reason: impl ToString, help: &str) -> TorchError {
        TorchError::Run { reason: last_lines(&reason.to_string()), help: help.to_owned() }
    }
}

/// libtorch's messages end with the reason; before it comes a trace of its own.
pub(super) fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
    let at = lines.iter().rposition(|l| l.contains("Error:"));
    match at {
        Some(at) => lines[at..].join(" "),
        None => lines.last().copied().unwrap_or("no reason given").to_owned(),
    }
}
