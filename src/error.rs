//! All that can go wrong, by stage.

use miette::Diagnostic;
use thiserror::Error;

use crate::axis::PropagateError;
use crate::format::FormatError;
use crate::live::LiveError;
use crate::plan::PlanError;
use crate::prune::PruneError;
use crate::report::ReportError;
use crate::rule::RuleErrors;
use crate::settings::OutputError;
use crate::solve::SolveError;
#[cfg(feature = "torch")]
use crate::torch::TorchError;

/// An error of any stage.
#[derive(Debug, Error, Diagnostic)]
pub enum Error {
    /// Reading or writing a file.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Format(#[from] FormatError),
    /// Where results go.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Outputs(#[from] OutputError),
    /// Rule files.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Rules(#[from] RuleErrors),
    /// Propagating axes.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Propagate(#[from] PropagateError),
    /// Masks.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Solve(#[from] SolveError),
    /// Choosing what to prune.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Prune(#[from] PruneError),
    /// Planning.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Plan(#[from] PlanError),
    /// The small graph does not fit together.
    #[error("the shrunk program does not fit together; nothing was written")]
    #[diagnostic(
        code(paring::plan::check),
        help("a rule describes an operator wrongly, or this is a bug of Paring; please report it with the model's graph")
    )]
    Check(
        #[source]
        #[diagnostic_source]
        PropagateError,
    ),
    /// Reports.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Report(#[from] ReportError),
    /// A live module.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Live(#[from] LiveError),
    /// Running with libtorch.
    #[cfg(feature = "torch")]
    #[error(transparent)]
    #[diagnostic(transparent)]
    Torch(#[from] TorchError),
}
