//! What can be wrong with a pickle.

use miette::Diagnostic;
use thiserror::Error;

/// Why a pickle could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Error, Diagnostic)]
#[non_exhaustive]
pub enum PickleError {
    /// A file of `torch.save` before PyTorch 1.6.
    #[error("this is the format of torch.save before PyTorch 1.6, which is no zip file")]
    #[diagnostic(
        code(paring::pickle::legacy),
        help("save it again with a newer torch: torch.save(torch.load(path, weights_only=True), path)")
    )]
    Legacy,
    /// The pickle ends in the midst of something.
    #[error("the pickle ends too early, at byte {at}")]
    #[diagnostic(code(paring::pickle::truncated), help("the file was not copied or saved to its end; get it again"))]
    Truncated {
        /// Position of the instruction that is not complete.
        at: usize,
    },
    /// The pickle is not as pickles are.
    #[error("the pickle is malformed at byte {at}: {reason}")]
    #[diagnostic(code(paring::pickle::malformed), help("the file is damaged, or no pickle; save it again with torch.save"))]
    Malformed {
        /// Position of the instruction.
        at: usize,
        /// What is wrong.
        reason: String,
    },
    /// Something contains itself.
    #[error("the pickle contains an object that contains itself")]
    #[diagnostic(code(paring::pickle::cycle), help("save tensors and plain containers only, such as model.state_dict()"))]
    Cycle,
    /// The pickle is nested too deeply.
    #[error("the pickle is nested deeper than {limit} levels")]
    #[diagnostic(code(paring::pickle::too_deep), help("save tensors and plain containers only, such as model.state_dict()"))]
    TooDeep {
        /// How deep is allowed.
        limit: usize,
    },
}
