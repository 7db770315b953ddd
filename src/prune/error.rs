//! Why nothing could be chosen.

use miette::Diagnostic;
use thiserror::Error;

/// Why masks could not be chosen.
#[derive(Debug, Error, Diagnostic)]
#[non_exhaustive]
pub enum PruneError {
    /// A pattern that matches nothing.
    #[error("`--exclude {pattern}` matches no parameter or module")]
    #[diagnostic(
        code(paring::prune::exclude),
        help("`*` stands for any text without a dot, `**` for any text, `?` for one character")
    )]
    Exclude {
        /// The pattern.
        pattern: String,
    },
    /// No group can shrink.
    #[error("nothing in this model can be pruned")]
    #[diagnostic(code(paring::prune::nothing), help("paring analyze says of each group what stands in the way"))]
    Nothing,
    /// A share outside 0 to 1.
    #[error("the share {share} is not between 0 and 1")]
    #[diagnostic(code(paring::prune::share), help("0.5 is half"))]
    Share {
        /// The number.
        share: f64,
    },
    /// A weight whose numbers cannot be read.
    #[error("the weight `{name}` cannot be read")]
    #[diagnostic(
        code(paring::prune::weight),
        help("its data are missing, or its element type is none to compute with; exclude it")
    )]
    Weight {
        /// The weight.
        name: String,
    },
}
